"""Find what is said in one language alone: words of a template, colons and quotes of any text.

What stands in a template's own text, outside of ``_()``, is the same for every reader.
Commands (``code``, ``kbd``) are, too, and are meant to be.

So is a colon that is put between a label and its value: French has a space before it, Chinese
another sign. ``labelled`` of ``vmsapp/i18n.py`` has that of the reader's language. Quotes stand
within ``_()``, where each language has its own.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment

PRODUCT = Path(__file__).resolve().parents[1] / "vmsapp"
TEMPLATES = PRODUCT / "templates"
SPOKEN = ("views", "services", "tasks")
"""Rooms whose texts are translated; commands and logs are English."""
SAID = {"alt", "aria-description", "aria-label", "aria-roledescription", "data-confirm", "label",
        "placeholder", "title"}  # fmt: skip
"""Attributes that are read to somebody."""
SAME_FOR_ALL = {"code", "kbd", "script", "style"}
WORD = re.compile(r"[^\W\d_]{2}")
ATTRIBUTES = re.compile(r"""\s[\w-]+="[^"]*\"""")
"""Of a tag that a macro is put into."""
PUT_IN = "\ufffc"
"""Stands where a template puts something in."""
COLON = re.compile(r"(?:</\w+>)*\s?(?:：|:(?:\s|&nbsp;|<))")
"""After what was put in, and before a space or a mark: no part of a time or an address."""
QUOTES = re.compile("[“”„«»「」]")
PERCENT = re.compile(r"%\(\w+\)[sd]\s?(?:%%|٪)")
TOLD = ("a colon of one language; use labelled()", "quotes of one language; put them into _()")
COLON_ALONE = re.compile(r"[”»」]?\s?(?:：\s*|:\s+)")


class _Text(HTMLParser):
    """What is said in a page, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in SAID:
                self._note(value or "")
        if tag in SAME_FOR_ALL:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self._note(ATTRIBUTES.sub("", data))

    def _note(self, text: str) -> None:
        if WORD.search(text):
            self.found.append((self.getpos()[0], text.replace(PUT_IN, "…").strip()))


def literals(source: str) -> list[tuple[int, str]]:
    """Give line and text of the words that a template says without translating them."""
    parts = []
    for _, kind, value in Environment(extensions=["jinja2.ext.i18n"]).lex(source):  # noqa: S701 - not rendered
        match kind:
            case "data":
                parts.append(value)
            case "variable_end":
                parts.append(PUT_IN)
            case _:
                parts.append("\n" * value.count("\n"))
    reader = _Text()
    reader.feed("".join(parts))
    reader.close()
    return reader.found


def colons(source: str) -> list[int]:
    """Give the lines of a template where a colon is glued to what was put in.

    >>> colons("<td>{{ label }}: {{ value }}</td>"), colons("{{ labelled(label, value) }}")
    ([1], [])
    """
    found, after = [], False
    for line, kind, value in Environment(extensions=["jinja2.ext.i18n"]).lex(source):  # noqa: S701 - not rendered
        if kind == "data" and after and COLON.match(value):
            found.append(line)
        after = kind in {"variable_end", "block_end"}
    return found


def colons_of_code(source: str) -> list[int]:
    """Give the lines of a module where a text put together has a colon of its own.

    >>> colons_of_code("f'{label}: {value}'"), colons_of_code("f'{host}:{port}'")
    ([1], [])
    >>> colons_of_code("name + ': ' + value"), colons_of_code("log.info('%s: %s', a, b)")
    ([1], [])
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.JoinedStr():
                pairs = zip(node.values, node.values[1:], strict=False)
            case ast.BinOp(op=ast.Add()):
                pairs = iter([(node.left, node.right)])
            case ast.Call(func=ast.Attribute(value=ast.Constant() as between, attr="join")):
                pairs = iter([(between, between)])
            case _:
                continue
        if any(_is_colon(second) and not _is_text(first) for first, second in pairs):
            found.append(node.lineno)
    return found


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not _is_colon(node)


def _is_colon(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and COLON_ALONE.fullmatch(value) is not None


def quotes(source: str) -> list[int]:
    """Give the lines of a template that have quotes of their own around what they put in.

    >>> quotes("<p>“{{ name }}”</p>"), quotes("<p>{{ _('“%(name)s” is gone.', name=name) }}</p>")
    ([1, 1], [])
    """
    pieces = Environment(extensions=["jinja2.ext.i18n"]).lex(source)  # noqa: S701 - not rendered
    return [line for line, kind, value in pieces if kind == "data" and QUOTES.search(value)]


def quotes_of_code(source: str) -> list[int]:
    """Give the lines of a module where a text put together has quotes of its own.

    >>> quotes_of_code("f'“{name}”'"), quotes_of_code("_('“%(name)s” is gone.', name=name)")
    ([1], [])
    """
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr)
        and any(isinstance(part, ast.Constant) and QUOTES.search(part.value)
                for part in node.values)
    ]  # fmt: skip


def percents(texts: Iterable[str]) -> Iterator[str]:
    """Say which texts of the product put a sign behind a percentage themselves.

    >>> list(percents(["%(rate)s %% of it", "%(rate)s of it", "Tax (%%)"]))
    ["a percent sign of one language; use percent_text(): '%(rate)s %% of it'"]
    """
    for text in texts:
        if PERCENT.search(text):
            yield f"a percent sign of one language; use percent_text(): {text!r}"


def untranslated(folder: Path = TEMPLATES) -> Iterator[str]:
    """Say where each of them stands in all templates."""
    for path in sorted(folder.rglob("*.html")):
        for line, text in literals(path.read_text()):
            yield f"{path.relative_to(folder)}:{line}: said in one language: {text[:80]!r}"


def glued(folder: Path = PRODUCT) -> Iterator[str]:
    """Say where a colon or quotes stand that are the same in all languages."""
    pages = ((path, colons, quotes) for path in sorted(folder.glob("templates/**/*.html")))
    rooms = (path for room in SPOKEN for path in sorted(folder.glob(f"{room}/**/*.py")))
    for path, *find in [*pages, *((path, colons_of_code, quotes_of_code) for path in rooms)]:
        for look, told in zip(find, TOLD, strict=True):
            for line in look(path.read_text()):
                yield f"{path.relative_to(folder)}:{line}: {told}"

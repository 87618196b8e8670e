"""Nothing on a page is said in one language alone.

The product speaks a language here whose texts are the English ones in letters of another kind
(``Ｌｉｋｅ ｔｈｉｓ``). A word in plain letters is then a name that somebody entered, or a text
that nobody can translate.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from babel import Locale
from babel.numbers import list_currencies
from flask import Flask
from sqlalchemy import select

from config import LANGUAGES
from tests.factories import LEGACY_11
from tests.web.office import ADMIN
from tests.web.test_every_page_statements import (
    LIBRARYS_OWN,
    VALUES,
    addresses,
    busy,  # noqa: F401 - a fixture
)
from vmsapp import i18n
from vmsapp.extensions import db
from vmsapp.models.base import Model

SPOKEN = "zh"
"""Its numbers and dates have no Latin letters, so that those are not taken for texts."""
KEPT = re.compile(r"(%\(\w+\)[sd]|%%|<[^>]*>|&#?\w+;)")
ASCII = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in ASCII})
WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
CODE = re.compile(r"\b[0-9a-f]{8,12}\b|\([a-z]+:[a-z]+\)")
"""A reference for support, a part of a fingerprint, a scope of the API."""
VOID = {"br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
"""Elements without an end."""
SAID = ("alt", "aria-label", "placeholder", "title")


def widened(text: str) -> str:
    """A text in letters of another kind; holes and tags stay."""
    return "".join(
        part if odd else part.translate(WIDE) for odd, part in _numbered(KEPT.split(text))
    )


def _numbered(parts: list[str]) -> Iterator[tuple[bool, str]]:
    return ((place % 2 == 1, part) for place, part in enumerate(parts))


class Wide:
    """Translations into those letters."""

    def ugettext(self, text: str) -> str:
        return widened(text)

    def ungettext(self, one: str, many: str, number: int) -> str:
        return widened(one if number == 1 else many)

    gettext, ngettext = ugettext, ungettext


class Page(HTMLParser):
    """What a page says in the reader's language to whoever looks at it or has it read.

    What is marked as of another language is not in the reader's: a chapter of the manual that
    nobody wrote in it yet, a language named in its own words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent: list[bool] = []
        """For each open element: whether what it holds is not said, or not in this language."""

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        silent = self._is_silent() or tag in {"script", "style", "code", "kbd", "samp"}
        if "lang" in known:
            silent = not known["lang"].startswith(SPOKEN)
        if not silent:
            self.said += [known[name] for name in SAID if known.get(name)]
            if tag == "input" and known.get("type") == "submit":
                self.said.append(known.get("value") or "")
        if tag not in VOID:
            self._silent.append(silent)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, _tag):
        self._silent.pop()

    def handle_data(self, data):
        if not self._is_silent() and data.strip():
            self.said.append(data.strip())

    def _is_silent(self) -> bool:
        return bool(self._silent) and self._silent[-1]


def entered(app: Flask) -> set[str]:
    """Words of all that stands in the database: names, codes, notes."""
    words: set[str] = set()
    with app.app_context(), db.engine.connect() as connection:
        for table in Model.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                words.update(WORD.findall(" ".join(str(value) for value in row)))
    return words


TECHNICAL = {
    "AM", "CSV", "Chrome", "DEMO", "DKGA", "DRN", "EA", "Edge", "Excel", "Firefox", "KEN", "KRN",
    "Legacy", "PDF", "PM", "SGC", "STS", "Safari", "TI", "TID", "UTC", "VMS", "kWh",
    *list_currencies(),
    *WORD.findall(" ".join(spec["name"] for spec in LANGUAGES.values())),
    *Locale("en").months["format"]["abbreviated"].values(),  # of a receipt in English
}  # fmt: skip
"""Signs and names that are the same in every language."""


def plain_words(page: str, known: set[str]) -> list[str]:
    """What a page says in plain letters that nobody entered."""
    reader = Page()
    reader.feed(page)
    return [text[:120] for text in reader.said if set(WORD.findall(CODE.sub("", text))) - known]


AS_RECORDED = ("/audit/show/", "/_parts/")
"""Pages that show names as they were written down, and the developers' page of parts."""


@LIBRARYS_OWN
def test_no_page_says_anything_in_one_language(monkeypatch, office, browse, utility, busy):  # noqa: F811
    monkeypatch.setattr(i18n._Sentences, "get_translations", lambda _: Wide())
    browser = browse(ADMIN, SPOKEN)
    values = VALUES | {
        "meter_id": utility.meters[LEGACY_11],
        "sale_id": busy[0].id,
        "locale": SPOKEN,
    }
    known = entered(office) | TECHNICAL
    found, looked_at = [], 0
    for path in addresses(office, browser, values):
        answer = browser.get(path)
        if path.startswith(AS_RECORDED):
            continue
        if answer.mimetype == "text/html" and answer.status_code // 100 != 3:
            looked_at += 1
            asked = set(WORD.findall(path.partition("?")[2]))
            found += [f"{path}: {text}" for text in plain_words(answer.text, known | asked)]
    assert looked_at > 100
    assert "\n".join(found) == ""


def test_a_text_that_nobody_can_translate_is_found():
    page = "<p>Ｓａｖｅ Tariff 1</p><p title='Some words'><code>flask db</code> ｏｋ</p>"
    assert plain_words(page, {"Tariff"}) == ["Some words"]
    assert plain_words("<br><p lang='en'>Not <b>yet</b></p><i>here</i>", set()) == ["here"]
    assert plain_words(page, set()) == ["Ｓａｖｅ Tariff 1", "Some words"]
    assert widened("Go to <b>%(name)s</b> &amp; 5%%") == "Ｇｏ ｔｏ <b>%(name)s</b> &amp; 5%%"

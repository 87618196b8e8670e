"""Collect the product's texts and bring every language up to date.

``make messages`` writes the catalogues anew and says what is missing. With ``--check``
nothing is written; it fails when a text is missing, empty, fuzzy, has other holes than its
original, spaces at which a line must not end or other words than the glossary, and when a word of
a template, a colon, quotes or a percent sign are of one language alone.
``make messages L=xx`` begins a language.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from glossary import Glossary, glossary
from literals import glued, percents, untranslated

HERE = Path(__file__).resolve().parent
HOLES = re.compile(r"%\(\w+\)[sd]")
KEYWORDS = ("-k", "N_", "-k", "_l", "-k", "lazy_gettext")
BREAKS = {"fr": re.compile(r" [:;?!»]|« ")}
"""Where a line must not end: French has its signs apart from the words, by a space that stays."""
PERSONAL = ('"POT-Creation', '"PO-Rev', '"Report-Msgid', '"Last-Tr', '"Language-Team')
"""Header lines that say nothing of the texts."""

HEADER = "# VMS, texts of the product."


def collect() -> Catalog:
    """Extract all texts of the product, and those of the framework that its pages show."""
    with tempfile.TemporaryDirectory() as folder:
        pot = Path(folder) / "messages.pot"
        subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract", "--no-location",
             "-F", str(HERE / "babel.cfg"), *KEYWORDS, "-o", str(pot), "."],
            cwd=HERE.parent, check=True,
        )  # fmt: skip
        catalog = read_po(BytesIO(pot.read_bytes()))
    for line in (HERE / "framework.txt").read_text().splitlines():
        if line.strip():
            one, _, many = line.strip().partition(" | ")
            catalog.add((one, many) if many else one)
    return catalog


def files() -> list[Path]:
    """List the catalogues."""
    return sorted(HERE.glob("*/LC_MESSAGES/messages.po"))


def forms(text: str | Sequence[str]) -> Sequence[str]:
    """The forms of a text: one, or one for each kind of number."""
    return [text] if isinstance(text, str) else text


def holes(text: str) -> Counter[str]:
    """The holes of a text. A form for one or two may leave the number out."""
    return Counter(HOLES.findall(text))


def faults(path: Path, texts: Catalog, words: Glossary) -> list[str]:
    """Say what is wrong with a catalogue."""
    locale = path.parts[-3]
    catalog = read_po(BytesIO(path.read_bytes()), locale=locale)
    found = words.gaps([forms(text.id)[-1] for text in texts])
    for text in texts:
        if not text.id:
            continue
        entry = catalog.get(text.id)
        if entry is None or not all(forms(entry.string)):
            found.append(f"not translated: {text.id!r}")
        elif entry.fuzzy:
            found.append(f"fuzzy: {text.id!r}")
        elif locale in BREAKS and any(map(BREAKS[locale].search, forms(entry.string))):
            found.append(f"a space at which a line may end: {text.id!r}")
        elif any(holes(form) - holes(forms(text.id)[-1]) for form in forms(entry.string)) or (
            holes(forms(entry.string)[-1]) != holes(forms(text.id)[-1])
        ):
            found.append(f"other holes: {text.id!r}")
        else:
            whole = [
                form for form in forms(entry.string) if holes(form) == holes(forms(text.id)[-1])
            ]
            found += words.faults(forms(text.id)[-1], whole)
    extra = [m.id for m in catalog if m.id and m.id not in texts]
    return found + [f"no longer used: {text!r}" for text in extra]


def update(path: Path, texts: Catalog) -> None:
    """Write a catalogue anew: new texts empty, old ones gone."""
    locale = path.parts[-3]
    catalog = read_po(BytesIO(path.read_bytes()), locale=locale) if path.exists() else None
    fresh = Catalog(locale=locale, header_comment=HEADER, fuzzy=False, project="VMS")
    fresh.revision_date = fresh.creation_date = None
    for text in sorted((m for m in texts if m.id), key=lambda m: str(m.id).casefold()):
        known = catalog.get(text.id) if catalog else None
        fresh.add(text.id, string=known.string if known else "", flags=text.flags - {"fuzzy"})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fresh, width=100, omit_header=False, include_previous=False)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in lines if not x.startswith(PERSONAL)))


def main() -> int:
    """Do what the command line says."""
    arguments = sys.argv[1:]
    texts = collect()
    if "--check" not in arguments:
        for code in arguments:
            update(HERE / code / "LC_MESSAGES" / "messages.po", texts)
        for path in files():
            update(path, texts)
    wrong = 0
    for path in files():
        for fault in faults(path, texts, glossary(path.parts[-3])):
            wrong += 1
            print(f"{path.parts[-3]}: {fault}")
    ours = [form for text in texts for form in forms(text.id)]
    for literal in (*untranslated(), *glued(), *percents(ours)):
        wrong += 1
        print(literal)
    print(f"{len(texts)} texts, {len(files())} languages, {wrong} to put right.")
    return 1 if wrong and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main())

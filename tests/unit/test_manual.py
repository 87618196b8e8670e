"""The manual says what the screens say, and no way in it leads nowhere."""

import re
from functools import cache
from pathlib import Path

import pytest
from babel.support import Translations

from config import LANGUAGES, ROOT
from vmsapp.services.manual import book
from vmsapp.services.manual.search import find

FOLDER = ROOT / "docs" / "manual"
COUNTER_AT_LEAST = ("fr", "pt", "es", "ar", "sw", "ru")
FILES = sorted(FOLDER.glob("*/*.md"))
CHAPTERS = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in FILES]
BETWEEN = " → "
"""Between the words of a way through the menu."""


@cache
def catalogue(language: str) -> dict[str, list[str]]:
    """The product's texts by their English originals, singular and plural, in a language."""
    loaded = Translations.load(ROOT / "translations", [language])
    texts: dict[str, list[str]] = {}
    for key, said in loaded._catalog.items():
        original = key if isinstance(key, str) else key[0]
        texts.setdefault(original, []).append(said)
    return texts


def on_screen(language: str) -> set[str]:
    """Everything the product says in a language."""
    if language == "en":
        return {*catalogue("fr")}  # the originals: English has no catalogue
    spoken = (said for texts in catalogue(language).values() for said in texts)
    return {" ".join(said.split()) for said in spoken}  # with plain spaces, as chapters have them


def test_every_chapter_is_written_in_english_and_nothing_else_lies_there():
    assert {path.stem for path in FILES if path.parent.name == "en"} == {*book.CHAPTERS}
    assert {path.stem for path in FILES} == {*book.CHAPTERS}


def test_the_languages_have_what_was_promised():
    for chapter in ("counter", "registration", "engineering"):
        assert book.is_written(chapter, "zh"), chapter
    for language in COUNTER_AT_LEAST:
        assert book.is_written("counter", language), language


@pytest.mark.parametrize("path", CHAPTERS)
def test_the_words_in_bold_stand_on_the_screen(path: Path):
    language = path.parent.name
    bold = re.findall(r"\*\*(.+?)\*\*", " ".join(path.read_text().split()))
    assert bold or path.stem == "keyboard"
    assert language in LANGUAGES
    known = on_screen(language)
    missing = {word for said in bold for word in said.split(BETWEEN) if word not in known}
    assert missing == set()


def test_a_word_that_no_screen_says_is_found():
    assert "Sell" in on_screen("en")
    assert "Vendre" in on_screen("fr")
    assert "Sell it now" not in on_screen("en")


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapters_are_built_alike_in_every_language(path: Path):
    """Titles and sections of the same names, in the same order; English is the measure."""
    pattern = r"^#{1,2} .+ \{#([a-z0-9-]+)\}$"
    headings = re.findall(r"^#{1,2} .*$", path.read_text(), re.MULTILINE)
    names = re.findall(pattern, path.read_text(), re.MULTILINE)
    assert len(headings) == len(names), "a heading without a name"
    english = FOLDER / "en" / path.name
    assert names == re.findall(pattern, english.read_text(), re.MULTILINE)
    figures = re.findall(r"!\[.+\]\((.+)\)", path.read_text())
    assert figures == re.findall(r"!\[.+\]\((.+)\)", english.read_text())


def test_a_section_has_a_name_of_its_own_in_the_whole_manual():
    names = [section.name for chapter in book.whole("en") for section in chapter.sections]
    assert len(names) > 60
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", CHAPTERS)
def test_no_link_leads_nowhere(path: Path):
    to_others = r"(?<!!)\[[^]]+\]\((?:\.\./en/)?([a-z-]*)(?:\.md)?(?:#([a-z-]+))?\)"
    for name, section in re.findall(to_others, path.read_text()):
        chapter = book.chapter(name or path.stem, "en")
        assert not section or section in {one.name for one in chapter.sections}, (name, section)


def test_a_chapter_that_a_language_lacks_comes_in_english():
    assert book.chapter("counter", "fr").language == "fr"
    assert book.chapter("audit", "xx").language == "en"
    assert book.chapter("audit", "xx").title == "Audit and security"
    with pytest.raises(LookupError):
        book.chapter("../../README", "en")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A manual of one chapter, whose text a test writes."""

    def write(text: str) -> book.Chapter:
        folder = tmp_path / "en"
        folder.mkdir(exist_ok=True)
        (folder / "counter.md").write_text(text)
        book.chapter.cache_clear()
        return book.chapter("counter", "en")

    monkeypatch.setattr(book, "FOLDER", tmp_path)
    monkeypatch.setattr(book, "FIGURES", tmp_path / "figures")
    yield write
    book.chapter.cache_clear()


def test_html_in_a_chapter_is_text_and_scripts_are_no_links(written):
    chapter = written("# T {#t}\n\n## S {#s}\n\n<script>x</script> [a](javascript:x)\n")
    assert "<script" not in chapter.sections[0].html
    assert "&lt;script&gt;" in chapter.sections[0].html
    assert "<a" not in chapter.sections[0].html


def test_names_go_and_links_lead_to_pages(written):
    chapter = written(
        "# The title {#t}\n\nLead.\n\n## A *title* {#s}\n\n[x](setup.md#keys) [y](#s) [z](audit.md)"
        " [e](../en/tariffs.md#plan)\n\n### Below {#b}\n\nEnd.\n"
    )
    (section,) = chapter.sections
    assert (chapter.title, chapter.lead) == ("The title", "<p>Lead.</p>\n")
    assert section.name == "s"
    for piece in ('href="/help/setup#keys"', 'href="#s"', 'href="/help/audit"',
                  'href="/help/tariffs#plan"', '<h3 id="b">Below</h3>'):  # fmt: skip
        assert piece in section.html
    assert section.text == "x y z e Below End."


def test_a_picture_is_a_figure_of_its_size_and_one_that_was_not_made_leaves_no_hole(written):
    text = "# T {#t}\n\n## S {#s}\n\nBefore.\n\n![What it shows](../figures/en/one.png)\n\nAfter.\n"
    assert written(text).sections[0].html == "<p>Before.</p>\n<p>After.</p>\n"
    book.FIGURES.joinpath("en").mkdir(parents=True)
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
    book.FIGURES.joinpath("en", "one.png").write_bytes(head)
    shown = written(text).sections[0].html
    assert 'src="/help/figures/en/one.png" alt="" width="640" height="480"' in shown
    assert "<figcaption>What it shows</figcaption>" in shown


def test_the_search_finds_sections_by_all_their_words_titles_first():
    found = find("take back", "en")
    assert found[0].section.name == "reversal"
    assert all("take" in f"{one.section.title} {one.section.text}".casefold() for one in found)
    assert find("nosuchword", "en") == find("  ", "en") == []
    assert {one.chapter.language for one in find("debts", "xx")} == {"en"}


def test_the_pictures_are_small_and_each_is_shown():
    pictures = sorted(FOLDER.glob("figures/*/*.png"))
    shown = {name for path in FILES for name in re.findall(r"figures/en/([\w-]+)\.png",
                                                           path.read_text())}  # fmt: skip
    assert {path.stem for path in pictures} == shown
    assert sum(path.stat().st_size for path in pictures) < 6_000_000

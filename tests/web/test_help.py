"""The help: for everybody who is signed in, from every page to the section that belongs to it."""

import re

import pytest

from config import ROOT
from tests.factories import AUDITOR, LEGACY_11, OPERATOR
from tests.web.office import ADMIN, LANGUAGES, NEWCOMER, main_part
from vmsapp.services.manual import book
from vmsapp.views.help.pages import FOR_MENU, PUBLIC
from vmsapp.views.help.places import REFUSED, SECTIONS, SIGN_IN, TROUBLE
from vmsapp.views.look import MENU

NO_PAGES = {"LocaleView", "SecurityApi", "Sending", "static", "appbuilder", "Api"}
"""What answers to a GET and is no page."""


def places() -> set[str]:
    """Every section there is, read from the files."""
    return {
        f"{path.stem}#{name}"
        for path in (ROOT / "docs" / "manual" / "en").glob("*.md")
        for name in re.findall(r"^## .+ \{#([a-z0-9-]+)\}$", path.read_text(), re.MULTILINE)
    }


def question_mark(page: str) -> str:
    """Where the question mark of a page leads."""
    (link,) = re.findall(r'<a [^>]*aria-keyshortcuts="F1"[^>]*>', page)
    return re.search(r'href="([^"]+)"', link)[1]


def test_every_page_has_its_section_and_every_section_named_is_there(office):
    views = {
        rule.endpoint.partition(".")[0]
        for rule in office.url_map.iter_rules() if "GET" in rule.methods
    } - NO_PAGES  # fmt: skip
    assert views - {*SECTIONS} == set()
    assert {*SECTIONS.values(), *TROUBLE.values(), REFUSED, SIGN_IN} - places() == set()


def test_no_section_is_kept_for_a_page_that_is_gone(office):
    pages = {rule.endpoint for rule in office.url_map.iter_rules()}
    views = {page.partition(".")[0] for page in pages}
    assert {name for name in SECTIONS if name not in pages | views} == set()
    assert set(FOR_MENU.values()) <= {*MENU}
    assert {*FOR_MENU, PUBLIC} <= {*book.CHAPTERS}


@pytest.mark.parametrize(("path", "section"), [
    ("/counter/", "counter#find"), ("/counter/open", "counter#settled"),
    ("/consumers/list/", "registration#consumers"), ("/meters/add", "registration#meters"),
    ("/second-factor/", "signing-in#second-factor"), ("/help/", "about#help"),
    ("/nowhere", "trouble#not-found"), ("/clock/", "trouble#not-allowed"),
])  # fmt: skip
def test_the_question_mark_leads_to_the_section_of_its_page(operator, path, section):
    assert question_mark(operator.get(path).text) == f"/help/{section}"


def test_from_a_purchase_it_leads_to_selling(operator, utility):
    page = operator.get(f"/counter/meter/{utility.meters[LEGACY_11]}", follow_redirects=True)
    assert question_mark(page.text) == "/help/counter#sell"


@pytest.mark.parametrize("path", ["/login/", "/login/code", "/nowhere"])
def test_at_the_door_it_leads_to_what_who_is_not_in_may_read(browse, path):
    where = question_mark(browse().get(path).text)
    assert where.startswith("/help/signing-in#")
    assert browse().get(where.partition("#")[0]).status_code == 200


def test_the_other_chapters_ask_to_sign_in_and_come_then(browse):
    for path in ("/help/", "/help/counter", "/help/whole", "/help/nowhere"):
        answer = browse().get(path)
        assert (answer.status_code, answer.location) == (302, f"/login/?next={path}")
    assert browse().get("/help/figures/en/nothing.png").status_code == 404


@pytest.mark.parametrize("who", [ADMIN, OPERATOR, AUDITOR, NEWCOMER])
def test_everybody_may_read_everything(browse, who):
    browser = browse(who)
    for chapter in book.CHAPTERS:
        page = browser.get(f"/help/{chapter}")
        assert page.status_code == 200
        assert f'<h2 id="{book.chapter(chapter, "en").sections[0].name}">' in page.text
    assert browser.get("/help/nowhere").status_code == 404
    assert browser.get("/help/..%2F..%2FREADME").status_code == 404


def test_links_and_pictures_of_every_chapter_lead_to_pages_that_are_there(office):
    routes = office.url_map.bind("localhost")
    html = "".join(one.html for chapter in book.whole("en") for one in chapter.sections)
    within = set(re.findall(r'(?:href|src)="(/[^"#?]*)', html))
    assert {routes.match(path)[0] for path in within} == {"Help.chapter", "Help.figure"}


def order_of(page: str) -> list[str]:
    return re.findall(r'id="chapter-([a-z-]+)"', main_part(page))


def test_who_sells_finds_the_counter_before_what_others_do(operator, browse):
    page = operator.get("/help/").text
    assert sorted(order_of(page)) == sorted(book.CHAPTERS)
    assert order_of(page)[-3:] == ["tariffs", "setup", "engineering"] or set(
        order_of(page)[-4:]
    ) == {"tariffs", "setup", "engineering", "audit"}
    assert order_of(browse(ADMIN).get("/help/").text) == [*book.CHAPTERS]


def test_all_on_one_page_has_every_section_once(operator):
    page = operator.get("/help/whole").text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {place.partition("#")[2] for place in places()} <= {*ids}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chapter_in_english_says_so_to_who_reads_another_language(browse, language):
    page = main_part(browse(OPERATOR, language=language).get("/help/audit").text)
    assert ('<article class="card help-text" lang="en" dir="ltr">' in page) == (language != "en")
    counter = main_part(browse(OPERATOR, language=language).get("/help/counter").text)
    assert '<article class="card help-text">' in counter


def test_the_search_leads_to_sections_and_writes_what_was_typed_as_text(operator):
    page = main_part(operator.get("/help/?q=Reversal+slip").text)
    assert 'href="/help/counter#reversal"' in page
    page = main_part(operator.get("/help/?q=<b>x").text)
    assert "<b>x" not in page
    assert "No section has these words." in page


def test_a_picture_is_kept_by_the_browser_for_a_while(operator):
    page = operator.get("/help/counter").text
    pictures = re.findall(r'src="(/help/figures/[\w/-]+\.png)"', page)
    assert pictures
    for picture in pictures:
        answer = operator.get(picture)
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
        assert answer.headers["Cache-Control"] == "private, max-age=3600"
    assert operator.get("/help/figures/en/..%2Fsold.png").status_code == 404

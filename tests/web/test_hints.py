"""Hints at the first visit: read once, switched off and on, the same in every browser."""

from tests.factories import LEGACY_11, OPERATOR
from tests.web.office import ADMIN, main_part
from vmsapp.views.help.hints import HINTS

PAGES = {"counter": "/counter/", "consumers": "/consumers/list/", "meters": "/meters/list/",
         "tariffs": "/tariffs/list/", "reports": "/reports/",
         "engineering": "/engineering/list/"}  # fmt: skip
HINT = 'class="first-use'


def hinted(browser, path: str) -> bool:
    answer = browser.get(path, follow_redirects=True)
    assert answer.status_code == 200
    return HINT in answer.text


def test_a_main_page_has_its_hint_until_it_is_read_in_any_browser(browse):
    here, elsewhere = browse(ADMIN), browse(ADMIN)
    for name, path in PAGES.items():
        assert hinted(elsewhere, path), name
        here.post("/hints/read", {"hint": name, "read": "yes"})
        assert not hinted(elsewhere, path), name


def test_the_sale_has_one_too(operator, utility):
    path = f"/counter/meter/{utility.meters[LEGACY_11]}"
    assert hinted(operator, path)
    operator.post("/hints/read", {"hint": "sale", "read": "yes"})
    assert not hinted(operator, path)
    assert {hint.name for hint in HINTS.values()} == {*PAGES, "sale"}


def test_no_hints_means_none_and_they_can_be_switched_on_again(browse):
    admin, operator = browse(ADMIN), browse(OPERATOR)
    admin.post("/hints/read", {"hint": "meters", "read": "yes"})
    admin.post("/hints/read", {"hint": "counter", "none": "yes"})
    assert [path for path in PAGES.values() if hinted(admin, path)] == []
    assert hinted(operator, "/counter/")  # each their own
    admin.post("/hints/", {"shows_hints": "yes", "single_keys": "yes"})
    assert [path for path in PAGES.values() if not hinted(admin, path)] == []


def test_all_hints_can_be_shown_once_more(browse):
    admin = browse(ADMIN)
    admin.post("/hints/read", {"hint": "meters", "read": "yes"})
    admin.post("/hints/", {"anew": "yes"})
    assert hinted(admin, "/meters/list/")


def test_a_hint_stands_before_the_main_part_and_in_its_way_of_nothing(operator):
    page = operator.get("/counter/").text
    assert HINT not in main_part(page)
    hint = page[page.index(HINT) : page.index("</aside>")]
    assert "autofocus" not in hint
    assert "tabindex" not in hint
    assert "role=" not in hint


def test_a_hint_that_is_none_is_refused(operator):
    assert operator.post("/hints/read", {"hint": "../x", "read": "yes"}).status_code == 400


def test_reading_a_hint_leads_back_to_its_page(operator):
    answer = operator.post(
        "/hints/read", {"hint": "counter", "read": "yes"},
        headers={"Referer": "http://localhost/counter/"},
    )  # fmt: skip
    assert answer.location == "/counter/"

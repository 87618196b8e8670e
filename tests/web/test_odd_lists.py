"""Addresses of lists that no link leads to: an answer, never a crash, never another host."""

import re
from itertools import cycle
from urllib.parse import quote, quote_from_bytes, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import OPERATOR
from tests.web.office import ADMIN, BOTH, contents
from tests.web.records import views_of
from vmsapp.views.lists.pages import OfficeListView

TURNING = ["sort", "size", "after", "before", "last"]
RESERVED = ["endpoint", "_external", "_scheme", "_method", "_anchor", "self", "pk", "values",
            "filename", "name", "csrf_token", "a[]", "", "\ud83d", "é"]  # fmt: skip
NUMBERS = ["99999999999", str(2**63), "9" * 5000]
"""Numbers that no database, or only the larger one, takes for an id."""
ODD = ["", "abc", "0", "-1", "1", "1e3", "٣", *NUMBERS[:2], "__class__", "password", "--id",
       "%", "\\", "http://elsewhere.example/", "//elsewhere.example", "\r\nX-Odd: 1", "\ufffe",
       "\U0001f50c", "2026-02-30", "0001-01-01", "yes"]  # fmt: skip
RAW = ["q=%00", "%00=1", "q=%FF%FE", "q=%ED%A0%80", "after=1&after=x", "after=x&after=1",
       "q=a&q=b&q=c", "&&&===", "a=1;b=2", "?", "last=&before=1&after=1", "sort=-id&sort=id",
       "%", "q=%u1234", "q[]=1", "_external=1&endpoint=x&pk=1&after=1"]  # fmt: skip


def encoded(pairs) -> str:
    return urlencode(pairs, errors="surrogatepass")


def dealt(names: list[str], values: list[str], turn: int, step: int) -> list[str]:
    """Odd ends of an address: every name has another value, and another one each time.

    Each list gets every ``step``-th, beginning at ``turn``; all lists together get all.
    """
    return [
        encoded(list(zip(names, cycle(values[first:] + values[:first]), strict=False)))
        for first in range(turn % step, len(values), step)
    ]


def odd_queries(view, turn: int) -> list[str]:
    """Those that leave a list's rows alone, those that narrow it, and those of no form."""
    narrowing = ["q", "before", *(name for one in view.filters for name in one.parameters)]
    return [*dealt([*TURNING, *RESERVED], ODD, turn, 4), *dealt(narrowing, ODD, turn, 3),
            *RAW[turn % 3 :: 3]]  # fmt: skip


def assert_answered(browser, path: str) -> None:
    """An answer, all of whose links stay in the house."""
    answer = browser.get(path)
    assert answer.status_code in {200, 400}, path[:200]
    for link in re.findall(r'\s(?:href|action)="([^"]*)"', answer.text):
        assert link.startswith(("/", "#")), (path[:200], link)
        assert not urlsplit(link).netloc, (path[:200], link)


def open_to(office, who: str) -> list[OfficeListView]:
    """The lists a person may see."""
    closed = (
        {
            "/vending-points",
            "/users",
            "/roles",
            "/approvals",
            "/audit",
            "/journal",
            "/proof",
            "/restored",
            "/revenue-findings",
            "/modules",
            "/regions",
            "/products",
            "/tariffs",
            "/imports",
            "/jobs",
            "/engineering",
            "/engineering-refusals",
            "/test-tokens",
            "/campaigns",
            "/campaign-meters",
            "/campaign-left-out",
        }
        if who == OPERATOR
        else set()
    )
    return [view for view in views_of(office) if view.route_base not in closed]


@pytest.mark.parametrize("who", [ADMIN, OPERATOR])
def test_odd_addresses_of_every_list_get_an_answer(office, browse, shop, who):
    shop.sell()
    browser = browse(who)
    for turn, view in enumerate(open_to(office, who)):
        for query in odd_queries(view, turn):
            assert_answered(browser, f"{view.route_base}/list/?{query}")


TEXTS_OF_NO_LANGUAGE = ["\ufffe", "%", "\\", "x" * 5000]


@BOTH
def test_odd_numbers_and_searches_get_an_answer(office, browse, shop, backend):
    shop.sell()
    for who in (ADMIN, OPERATOR):
        browser = browse(who)
        for view in open_to(office, who):
            names = [*TURNING, *(name for one in view.filters for name in one.parameters)]
            for number in NUMBERS:
                query = encoded(dict.fromkeys(names, number))
                assert_answered(browser, f"{view.route_base}/list/?{query}")
            searches = [encoded({"q": text}) for text in TEXTS_OF_NO_LANGUAGE]
            for query in [*RAW[:6], *searches]:
                answer = browser.get(f"{view.route_base}/lookup?{query}")
                assert answer.status_code in {200, 400}, (view.route_base, query[:80])


FOR_FILTERS = {"/regions", "/products", "/tariffs"}
"""Lists that lists open to everybody may be narrowed by."""

CLOSED = FOR_FILTERS | {
    "/approvals", "/audit", "/campaigns", "/campaign-meters", "/campaign-left-out",
    "/engineering", "/engineering-refusals", "/imports", "/jobs",
    "/journal", "/modules", "/proof", "/restored", "/revenue-findings", "/roles", "/test-tokens",
    "/users", "/vending-points",
}  # fmt: skip
"""Lists no operator opens."""


def test_an_odd_address_of_a_closed_list_is_refused_as_any_other(office, browse):
    operator = browse(OPERATOR)
    closed = [view for view in views_of(office) if view not in open_to(office, OPERATOR)]
    assert {view.route_base for view in closed} == CLOSED
    for view in closed:
        for route in ("list/", "lookup"):
            for query in ("q=%25", "after=99999999999999999999", "_external=1"):
                status = operator.get(f"{view.route_base}/{route}?{query}").status_code
                searched = route == "lookup" and view.route_base in FOR_FILTERS
                assert status == (200 if searched else 403), (view.route_base, route)


NAMES = st.sampled_from(
    ["q", *TURNING, "state", "region", "sold_from", "sold_to", "point", "retired", *RESERVED]
).map(lambda name: quote(name, errors="surrogatepass"))
TEXTS = st.one_of(
    st.text(max_size=12).map(quote),
    st.binary(max_size=6).map(quote_from_bytes),
    st.integers().map(str),
    st.sampled_from(ODD).map(quote),
)
QUERIES = st.lists(st.tuples(NAMES | TEXTS, TEXTS), max_size=6)


def test_no_address_of_a_list_crashes(office, browse, shop, engine):
    shop.sell()
    admin, views = browse(ADMIN), views_of(office)
    before = contents(engine)

    @settings(max_examples=30, derandomize=True, deadline=None, database=None,
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(view=st.sampled_from(views), query=QUERIES)
    def try_one(view, query):
        pairs = "&".join(f"{name}={value}" for name, value in query)
        assert_answered(admin, f"{view.route_base}/list/?{pairs}")

    try_one()
    assert contents(engine) == before


@pytest.mark.parametrize("query", [
    "a=1\r\nX-Odd: 1", "a=\nb", "//elsewhere.example", "\\\\elsewhere.example",
    "@elsewhere.example", "http://elsewhere.example/", "?q=1", "#there", "q=é&q=電",
    "q=%ED%A0%80", "x" * 5000, "last=", "q=a b", "&&&===", "/../../elsewhere",
])  # fmt: skip
def test_choosing_columns_leads_back_to_the_list_and_nowhere_else(browse, query):
    answer = browse(ADMIN).post("/products/columns", {"column": "name", "query": query})
    assert answer.status_code == 302
    leads_to = urlsplit(answer.location)
    assert (leads_to.scheme, leads_to.netloc, leads_to.path) == ("", "", "/products/list/")
    assert "X-Odd" not in answer.headers


def test_choosing_columns_keeps_the_search_as_it_was(browse):
    query = "q=a%26b%3D%C3%A9&last=&sort=-name"
    answer = browse(ADMIN).post("/products/columns", {"column": "name", "query": query})
    assert answer.location == f"/products/list/?{query}"


ROWS = ["", "x", "0", "-1", "99999999999", str(2**63), "9" * 5000, "1.5", "__class__"]


@pytest.mark.parametrize("path", ["/users", "/products", "/vending-points"])
def test_odd_deeds_on_rows_do_nothing(browse, engine, path):
    admin = browse(ADMIN)
    before = contents(engine)
    for name in ("", "delete", "__init__", "list", "\r\n", "x" * 5000):
        answer = admin.post(f"{path}/action_post", {"action": name, "rowid": ["1", *ROWS]})
        assert answer.status_code == 404, name
    assert admin.post(f"{path}/action_post").status_code == 404
    assert contents(engine) == before


@BOTH
def test_a_deed_for_one_row_is_not_done_to_many(browse, engine, backend):
    admin = browse(ADMIN)
    before = contents(engine)
    for rows in (["1"], ["1", "2"], ROWS, []):
        many = admin.post("/users/action_post", {"action": "give_code", "rowid": rows})
        assert many.status_code == 404
    for number in ("99999999999", str(2**63 - 1), "999999"):
        one = admin.post(f"/users/action/give_code/{number}")
        assert one.location == "/users/list/"
    for number in (str(2**63), "-1", "x", "9" * 5000):
        assert admin.post(f"/users/action/give_code/{number}").status_code == 404
    assert contents(engine) == before


@BOTH
def test_ids_that_no_row_can_have_are_not_found(office, browse, backend):
    admin = browse(ADMIN)
    for view in views_of(office):
        for number in (2**31, 2**31 - 1, 2**63 - 1, 10**6):
            assert admin.get(f"{view.route_base}/show/{number}").status_code == 404
    for path in ("/users", "/products", "/vending-points"):
        for number in (2**31, 2**63 - 1):
            assert admin.get(f"{path}/edit/{number}").status_code == 404
            assert admin.post(f"{path}/edit/{number}").status_code == 404
    for path in ("/products", "/vending-points"):
        assert admin.post(f"{path}/delete/{2**63 - 1}").status_code == 404

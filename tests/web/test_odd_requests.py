"""Addresses and forms that nobody typed by hand: an answer with a sentence, never a crash."""

import pytest

from tests.factories import LEGACY_11, SUPERVISOR
from tests.web.office import ADMIN, BOTH, contents, main_part
from vmsapp.models import ClockAcceptance, Sale

LONG = "9" * 5000
ODD_TEXTS = [
    "%00", "a%00b", "%", "%25", "_", "%5C", "'", '"', "%27%20OR%201%3D1--", "%FF%FE", "%ED%A0%80",
    "%F0%9F%94%8C", "%E2%80%AE", "%0D%0ASet-Cookie:x", "x" * 5000, LONG, "{{7*7}}", "%3Cb%3E",
]  # fmt: skip
ODD_IDS = ["0", "999999999", str(2**31), str(2**63 - 1), str(2**63), LONG, "-1", "1.0", "1e3", "x",
           "%31", "١", "1/", "1%00", "+1", "%20"]  # fmt: skip
ODD_QUERIES = [
    "mode=xyz&value=5", "mode=&value=5", "mode=amount&mode=quantity&value=5&value=6", "value=5",
    "mode=quantity&value=%00", f"mode=quantity&value={LONG}", "vending_point=abc&value=5",
    f"vending_point={LONG}&value=5", "vending_point=-1&value=5", "vending_point=%00&value=5",
    f"key={LONG}&value=5", "key=%00&value=5", "key=a&key=b&value=5", "key=%22%3E%3Cb%3E&value=5",
    "quote[]=1&value=5", "value[]=5", "_l_=xx&value=5", "_l_=%00", "&&&===", ";", "value=%FF",
]  # fmt: skip


@BOTH
def test_odd_addresses_get_an_answer_and_change_nothing(operator, utility, shop, engine, backend):
    sale = shop.sell()
    meter_id = utility.meters[LEGACY_11]
    before = contents(engine)
    odd = [f"/counter/?q={text}" for text in ODD_TEXTS]
    odd += ["/counter/?q=a&q=b", "/counter/?q[]=a", "/counter/?x=%00", "/lang/%00", "/lang/xx"]
    for number in ODD_IDS:
        odd += [f"/counter/sale/{number}", f"/counter/sale/{number}/state"]
        odd += [f"/counter/meter/{number}?key=1-x", f"/counter/meter/{number}/quote?value=5"]
    for query in ODD_QUERIES:
        odd += [f"/counter/meter/{meter_id}?key=1-x&{query}",
                f"/counter/meter/{meter_id}/quote?{query}", f"/counter/?{query}",
                f"/counter/sale/{sale.id}?{query}", f"/counter/open?{query}"]  # fmt: skip
    statuses = {path[:80]: operator.get(path).status_code for path in odd}
    known = {200, 302, 308, 400, 404, 409, 422}
    wrong = {path: status for path, status in statuses.items() if status not in known}
    assert wrong == {}
    assert contents(engine) == before


ODD_VALUES = ["\x00", "x" * 5000, "[" * 5000, "\ufffe", "{}", "-1", "", LONG]


@BOTH
def test_odd_forms_get_an_answer_and_sell_nothing(operator, utility, shop, engine, backend):
    meter_id = utility.meters[LEGACY_11]
    good = operator.purchase(meter_id, mode="quantity", value="50")
    before = contents(engine)
    for name in ("value", "key", "quote"):
        for odd in ODD_VALUES:
            answer = operator.sell(meter_id, good | {name: odd})
            assert answer.status_code in {400, 409, 422}, (name, odd[:20])
    assert contents(engine) == before


@pytest.mark.parametrize("odd", [{"mode": "xyz"}, {"mode": ""}, {"vending_point": ""},
                                 {"vending_point": "abc"}, {"repeat": "no"}])  # fmt: skip
def test_what_was_not_chosen_is_what_stands_first(operator, utility, shop, odd):
    meter_id = utility.meters[LEGACY_11]
    good = operator.purchase(meter_id, mode="quantity", value="50")
    assert operator.sell(meter_id, good | odd).status_code == 302
    assert [sale.units for sale in shop.rows(Sale)] == [50]


@pytest.mark.parametrize("number", [2**63, 10**30, -1])
def test_a_number_no_row_can_have_is_not_found_by_a_post_either(browse, engine, number):
    before = contents(engine)
    for path in (f"/counter/receipts/{number}/print", f"/counter/sale/{number}/give-back",
                 f"/counter/meter/{number}/sell"):  # fmt: skip
        answer = browse(SUPERVISOR).post(path, {"mode": "quantity", "value": "5"})
        assert answer.status_code == 404, path
    assert contents(engine) == before


@pytest.mark.parametrize("form", [{"what": "meter", "meter": "\x00", "reason": "x"},
                                  {"what": "meter", "meter": "9" * 5000, "reason": "x"},
                                  {"what": "other", "reason": "x" * 5000}, {}])  # fmt: skip
def test_the_clocks_form_takes_nothing_odd(browse, engine, form):
    before = contents(engine)
    answer = browse(ADMIN).post("/clock/accept", form)
    assert answer.status_code in {400, 404, 422}
    assert 'role="alert"' in main_part(answer.text)
    assert contents(engine) == before


def test_a_reason_of_any_length_is_kept_as_far_as_it_fits(browse, shop):
    shop.sell()
    answer = browse(ADMIN).post("/clock/accept", {"what": "sales", "reason": "é" * 5000})
    assert answer.status_code == 302
    assert [row.reason for row in shop.rows(ClockAcceptance)] == ["é" * 255]


def test_a_page_asked_for_in_a_way_it_does_not_know_says_so(operator):
    for method in ("PUT", "DELETE", "PATCH"):
        answer = operator.client.open("/counter/", method=method)
        assert answer.status_code in {400, 405}, method  # the token is looked for first
    assert operator.client.head("/counter/").status_code == 200
    assert operator.client.options("/counter/").status_code == 200


def test_an_address_one_came_from_that_cannot_be_read_leads_to_the_start(operator):
    answer = operator.get("/lang/fr", headers={"Referer": "http://[::1"})
    assert (answer.status_code, answer.location) == (302, "/")


@pytest.mark.parametrize(
    ("refused", "page"),
    [
        ("/counter/meter/7/sell", "/counter/meter/7"),
        ("/counter/sale/7/give-back?key=1", "/counter/sale/7"),
        ("/approvals/7/refuse", "/approvals/show/7"),
        ("/sales/columns", "/"),
        ("/sales/list/?q=a%20b", "/sales/list/?q=a%20b"),
        ("/nowhere/7", "/nowhere/7"),
    ],
)
@pytest.mark.parametrize("root", ["", "/vms"])
def test_a_language_chosen_on_a_refused_form_leads_to_the_page_of_that_form(
    operator, refused, page, root
):
    answer = operator.client.get(
        "/lang/fr", headers={"Referer": f"http://localhost{root}{refused}"},
        environ_overrides={"SCRIPT_NAME": root},
    )  # fmt: skip
    assert (answer.status_code, answer.location) == (302, root + page)


def test_a_line_break_in_where_to_go_leads_to_the_start(operator):
    answer = operator.get("/login/?next=/a%0d%0aSet-Cookie:x")
    assert (answer.status_code, answer.location) == (302, "/")


def test_a_list_cannot_be_sorted_by_yes_and_no(browse):
    page = browse(ADMIN).get("/users/list/?sort=active&size=10&after=1")
    assert page.status_code == 200
    assert page.text.count('aria-sort="ascending"') == 1  # by name, as without asking


@pytest.mark.parametrize("path", ["/nowhere", "/users/list/"])
def test_no_answer_with_a_name_on_it_is_kept(operator, path):
    answer = operator.client.put(path)
    assert answer.status_code in {400, 404, 405}
    assert answer.headers["Cache-Control"] == "no-store"

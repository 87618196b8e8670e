"""Shifts in the browser: the refusal that leads to one, the blind count, who sees what."""

import re

import pytest
from sqlalchemy import select

from tests.factories import AUDITOR, HARBOUR, LEGACY_11, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
from tests.faults import request_lost
from tests.web.office import ADMIN, NORTH_SUPERVISOR, contents, main_part, said
from tests.web.records import read, sent, the_form
from vmsapp.models import LedgerTransfer, Sale, Setup, Shift, ShiftCash, VendingPoint
from vmsapp.scope import unscoped


@pytest.fixture
def operator(browse):
    return browse(OPERATOR)


def settings(shop, **values):
    def change(session):
        for name, value in values.items():
            setattr(session.scalars(select(Setup)).one(), name, value)

    shop.change(change)


@pytest.fixture
def needed(shop):
    """Sales need an open shift."""
    settings(shop, shifts_used=True)


def form_of(browser, path):
    form = sent(the_form(read(browser.get(path).text)))
    return {name: value for name, value in form.items() if name != "csrf_token"}


def fill(browser, path, **typed):
    return browser.post(path, form_of(browser, path) | typed)


def open_shift(browser, amount="20"):
    answer = fill(browser, "/shifts/open", amount=amount)
    assert answer.status_code == 302, said(answer.text)
    return answer


def the_shift(shop):
    (shift,) = shop.rows(Shift)
    return shift


def slip_of(browser, shift):
    """What stands on the slip, by its words."""
    slip = read(browser.get(f"/shifts/show/{shift.id}").text).one("article", "slip")
    words = zip(slip.all("dt"), slip.all("dd"), strict=True)
    told = {word.text: value.text for word, value in words}
    return told | {row.one("th").text: row.one("td").text for row in slip.all("tr")}


# opened from the counter


@pytest.mark.usefixtures("needed")
def test_a_sale_without_a_shift_leads_to_one_and_back_to_what_was_typed(operator, shop, utility):
    meter = utility.meters[LEGACY_11]
    form = operator.purchase(meter, mode="amount", value="7.5")
    refused = operator.sell(meter, form)
    assert refused.status_code == 409
    assert said(refused.text) == (
        "Sales need an open shift. Open yours, then sell; what you typed stays."
    )
    assert shop.count(Sale) == 0
    links = [one["href"] for one in read(refused.text).all("a") if one.text == "Open a shift"]
    assert len(links) == 2  # the line above, and beside the refusal
    assert links[0] == links[1]
    opened = fill(operator, links[1], amount="20")
    assert opened.status_code == 302
    back = operator.get(opened.location)
    again = sent(next(one for one in read(back.text).all("form") if "/sell" in one["action"]))
    for name in ("mode", "value", "key"):
        assert again[name] == form[name]
    assert operator.sell(meter, again).status_code == 302
    (sale,) = shop.rows(Sale)
    assert (sale.state, sale.shift_id) == ("issued", the_shift(shop).id)


@pytest.mark.usefixtures("needed")
def test_without_a_shift_the_counter_offers_one_before_anything_is_typed(operator, utility):
    meter = utility.meters[LEGACY_11]
    page = operator.get(f"/counter/meter/{meter}?key=1-a&mode=amount&value=7.5&received=10").text
    form = next(one for one in read(page).all("form") if "/sell" in one["action"])
    assert not [one.text for one in form.all("button")]
    offer = next(one for one in form.all("a") if one.get("data-sell") is not None)
    assert offer.text == "Open a shift"
    back = fill(operator, offer["href"], amount="20").location
    again = next(
        one for one in read(operator.get(back).text).all("form") if "/sell" in one["action"]
    )
    assert [one.text for one in again.all("button")] == ["Sell"]
    typed = sent(again)
    assert [typed[name] for name in ("mode", "value", "received", "key")] == (
        ["amount", "7.5", "10", "1-a"]
    )


@pytest.mark.usefixtures("needed")
def test_a_counted_shift_is_ended_before_anything_is_sold(operator, shop, utility):
    open_shift(operator)
    settings(shop, shift_tolerance_minor=0)
    fill(operator, f"/shifts/{the_shift(shop).id}/close", amount="19")
    page = operator.get(f"/counter/meter/{utility.meters[LEGACY_11]}?key=1-a").text
    line = read(page).one("p", "shift-line-warns")
    assert "You cannot sell before it is closed and another is open." in line.text
    assert line.one("a")["href"] == f"/shifts/{the_shift(shop).id}/close"
    form = next(one for one in read(page).all("form") if "/sell" in one["action"])
    assert not form.all("button")
    settings(shop, shifts_used=False)
    page = operator.get(f"/counter/meter/{utility.meters[LEGACY_11]}?key=1-a").text
    form = next(one for one in read(page).all("form") if "/sell" in one["action"])
    assert [one.text for one in form.all("button")] == ["Sell"]


@pytest.mark.usefixtures("needed")
def test_who_may_open_no_shift_is_told_whom_to_ask(office, operator):
    with office.app_context(), unscoped("a test arranges it"):
        manager = office.extensions["appbuilder"].sm
        pair = manager.find_permission_view_menu("can_work", "Shifts")
        manager.del_permission_role(manager.find_role("Operator"), pair)
    line = read(operator.get("/counter/").text).one("p", "shift-line-warns")
    assert line.text == (
        "You cannot sell: sales need an open shift, and you may not open one. Ask an administrator."
    )
    assert not line.all("a")


def test_nobody_leads_anywhere_else_through_the_address(operator):
    answer = fill(operator, "/shifts/open?meter=https://evil.example&value=x", amount="1")
    assert answer.location == "/counter/"


def test_the_counter_tells_the_shift_and_what_is_next(browse, operator, shop):
    line = read(operator.get("/counter/").text).one("p", "shift-line")
    assert line.text == "No open shift Open a shift F8"
    open_shift(operator)
    shift = the_shift(shop)
    line = read(operator.get("/counter/").text).one("p", "shift-line")
    assert line.text.startswith(f"Shift {shift.id}, open since")
    assert line.one("a")["href"] == f"/shifts/{shift.id}/close"
    assert line.one("a")["aria-keyshortcuts"] == "F8"
    settings(shop, shift_hours=1, shifts_used=True)
    shop.clock.forward(hours=2)
    page = browse(OPERATOR).get("/counter/").text  # signed in again
    assert "longer than a shift may last" in read(page).one("p", "shift-line-warns").text


@pytest.mark.usefixtures("needed")
def test_without_a_shift_the_counter_warns(operator):
    assert (
        read(operator.get("/counter/").text)
        .one("p", "shift-line-warns")
        .text.startswith("You cannot sell yet: sales need an open shift, and you have none.")
    )


@pytest.mark.parametrize(("amount", "message"), [
    ("", "Count the drawer; type 0 if it is empty."), ("-1", "Cash cannot be below zero."),
    ("1.234", "At most 2 decimals fit."), ("many", "is not a number"),
])  # fmt: skip
def test_a_float_that_cannot_be_is_said_at_its_field(operator, shop, engine, amount, message):
    before = contents(engine)
    answer = fill(operator, "/shifts/open", amount=amount)
    assert answer.status_code == 422
    assert message in answer.text
    assert contents(engine) == before


def test_an_empty_drawer_is_zero_and_a_second_shift_is_refused_with_a_link(operator, shop):
    open_shift(operator, "0")
    shift = the_shift(shop)
    assert shift.opening_minor == 0
    refused = fill(operator, "/shifts/open", amount="5")
    assert refused.status_code == 409
    assert f'href="/shifts/show/{shift.id}"' in main_part(refused.text)


# the blind count


def test_the_whole_of_a_shift(operator, shop, utility):
    open_shift(operator, "20")
    shift = the_shift(shop)
    operator.buy(utility)  # 5.00
    path = f"/shifts/{shift.id}"
    assert fill(operator, f"{path}/cash", amount="10", note="Slip 4711").status_code == 302
    page = operator.get(f"{path}/close")
    assert "25.00" not in main_part(page.text)
    assert "15.00" not in main_part(operator.get(f"/shifts/show/{shift.id}").text)
    counted = fill(operator, f"{path}/close", pieces="10 x 1\n0.50 × 8", amount="")
    assert counted.location == f"{path}/close"
    assert the_shift(shop).counted_minor == 1400
    told = main_part(operator.get(f"{path}/close").text)
    assert "15.00 USD" in told
    assert "1.00 USD short" in told
    empty = fill(operator, f"{path}/close", note="")
    assert empty.status_code == 422
    assert fill(operator, f"{path}/close", note="a customer ran").status_code == 302
    point = shop.utility.points[HARBOUR]
    assert slip_of(operator, shift) == {
        "Vending point": HARBOUR, "Operator": OPERATOR,
        "Opened": "Mar 17, 2026, 12:30:00 PM", "Closed at": "Mar 17, 2026, 12:30:00 PM",
        "First receipt": f"{point}-1-000001", "Last receipt": f"{point}-1-000001",
        "Electricity (1) · 50.0 kWh": "5.00 USD", "Sales (1)": "5.00 USD", "Energy": "5.00 USD",
        "Cash at the beginning": "20.00 USD", "Taken to the bank · Slip 4711": "-10.00 USD",
        "Expected": "15.00 USD", "Counted": "14.00 USD", "Over or short": "1.00 USD short",
        "10.00 USD × 1": "10.00 USD", "0.50 USD × 8": "4.00 USD",
    }  # fmt: skip
    assert "a customer ran" in operator.get(f"/shifts/show/{shift.id}").text
    assert shop.count(LedgerTransfer, LedgerTransfer.kind == "shift") == 1


def test_a_count_that_agrees_closes_at_once(operator, shop):
    open_shift(operator)
    shift = the_shift(shop)
    fill(operator, f"/shifts/{shift.id}/close", amount="20")
    assert operator.get(f"/shifts/{shift.id}/close").location == f"/shifts/show/{shift.id}"
    page = read(operator.get(f"/shifts/show/{shift.id}").text)
    (focus,) = (one for one in page.all("button") if "autofocus" in one.attributes)
    assert "Print the slip" in focus.text
    (way_on,) = (one for one in page.all("a") if one.attributes.get("aria-keyshortcuts") == "F3")
    assert way_on["href"] == "/counter/"
    assert the_shift(shop).over_short_minor == 0


@pytest.mark.parametrize(("typed", "message"), [
    ({"amount": "", "pieces": ""}, "Count the drawer; type 0 if it is empty."),
    ({"amount": "5", "pieces": "2 x 2"}, "The coins and notes do not add up to the total."),
    ({"pieces": "two fives"}, "“two fives” is no worth and number"),
    ({"pieces": "0 x 5"}, "is no worth and number"),
    ({"pieces": "0.001 x 5"}, "is no worth and number"),
    ({"pieces": "5 x 1" + "\n5 x 1" * 200}, "1000"),
])  # fmt: skip
def test_a_count_that_cannot_be_read_is_not_kept(operator, shop, typed, message):
    open_shift(operator)
    shift = the_shift(shop)
    answer = fill(operator, f"/shifts/{shift.id}/close", **typed)
    assert answer.status_code == 422
    assert message in answer.text
    assert the_shift(shop).counted_at is None


def test_a_pending_sale_keeps_the_shift_open_and_its_page_is_a_link_away(
    operator, shop, utility, module
):
    open_shift(operator)
    shift = the_shift(shop)
    module.once("issue_credit", request_lost)
    operator.buy(utility)
    (sale,) = shop.rows(Sale)
    refused = fill(operator, f"/shifts/{shift.id}/close", amount="25")
    assert refused.status_code == 409
    assert f'href="/counter/sale/{sale.id}"' in refused.text
    assert the_shift(shop).counted_at is None
    shop.clock.forward(minutes=1)
    shop.reconcile()
    page = read(operator.get(f"/shifts/{shift.id}/close").text)
    assert page.one("a", "row-link").text == str(sale.id)  # settled later
    fill(operator, f"/shifts/{shift.id}/close", amount="25")
    assert the_shift(shop).over_short_minor == 0
    assert f"Sale {sale.id} settled later" in operator.get(f"/shifts/show/{shift.id}").text


def test_where_cash_is_not_counted_closing_asks_for_nothing(operator, shop):
    settings(shop, cash_counted=False)
    open_shift(operator)
    shift = the_shift(shop)
    assert "amount" not in form_of(operator, f"/shifts/{shift.id}/close")
    fill(operator, f"/shifts/{shift.id}/close")
    closed = the_shift(shop)
    assert (closed.expected_minor, closed.counted_minor) == (2000, None)


# whose


@pytest.fixture
def short(operator, shop):
    """A closed shift in which 4.00 is missing."""
    open_shift(operator)
    shift = the_shift(shop)
    fill(operator, f"/shifts/{shift.id}/close", amount="16")
    fill(operator, f"/shifts/{shift.id}/close", note="stolen")
    return shift


@pytest.mark.parametrize(("who", "sees"), [
    (OPERATOR, True), (SUPERVISOR, True), (AUDITOR, True), (ADMIN, True), (NORTH_SUPERVISOR, True),
])  # fmt: skip
def test_who_sees_what_a_count_came_to(browse, short, who, sees):
    for path in ("/shifts/list/", f"/shifts/show/{short.id}"):
        assert ("4.00 USD short" in browse(who).get(path).text) is sees


def test_another_operator_of_the_point_sees_the_shift_and_not_its_count(browse, short, shop):
    def move_over(session):
        user = session.merge(shop.utility.users[SOUTH_OPERATOR])
        user.vending_point_id = shop.utility.points[HARBOUR]
        user.region_id = shop.utility.regions["north"].id

    shop.change(move_over)
    other = browse(SOUTH_OPERATOR)
    for path in ("/shifts/list/", f"/shifts/show/{short.id}"):
        page = main_part(other.get(path).text)
        assert OPERATOR in page
        assert "4.00" not in page
        assert "stolen" not in page
    for deed in ("close", "cash"):
        refused = other.get(f"/shifts/{short.id}/{deed}")
        assert refused.status_code == 409
        assert "This is the shift of another operator." in refused.text


def test_an_open_shift_shows_its_expected_figure_to_nobody(browse, operator, shop, utility):
    open_shift(operator, "20")
    operator.buy(utility)
    shift = the_shift(shop)
    for who in (OPERATOR, SUPERVISOR, AUDITOR, ADMIN):
        for path in ("/shifts/list/", f"/shifts/show/{shift.id}"):
            assert "25.00" not in main_part(browse(who).get(path).text), (who, path)


def test_a_supervisor_closes_a_forgotten_shift_which_then_names_both(browse, operator, shop):
    open_shift(operator)
    shift = the_shift(shop)
    supervisor = browse(SUPERVISOR)
    fill(supervisor, f"/shifts/{shift.id}/close", amount="20")
    assert slip_of(operator, shift)["Closed by"] == SUPERVISOR


def test_cash_is_moved_once_and_with_its_reason(operator, shop):
    open_shift(operator)
    shift = the_shift(shop)
    path = f"/shifts/{shift.id}/cash"
    typed = form_of(operator, path) | {"amount": "3", "reason": "other", "way": "in"}
    assert operator.post(path, typed).status_code == 422
    typed["note"] = "found under the drawer"
    for _ in range(2):
        assert operator.post(path, typed).status_code == 302
    assert [row.amount_minor for row in shop.rows(ShiftCash)] == [300]


def test_who_sells_at_several_points_chooses_one(browse, shop):
    supervisor = browse(SUPERVISOR)
    names = [point.name for point in shop.rows(VendingPoint)]
    page = supervisor.get("/shifts/open").text
    assert all(name in page for name in names)
    point = shop.utility.points[HARBOUR]
    answer = fill(supervisor, "/shifts/open", vending_point=str(point), amount="1")
    assert answer.status_code == 302
    assert the_shift(shop).vending_point_id == point
    forged = fill(supervisor, "/shifts/open", vending_point="999999", amount="1")
    assert forged.status_code == 422


@pytest.mark.parametrize("language", ["zh", "fr", "ar"])
def test_the_slip_is_in_the_readers_language(browse, short, language):
    page = browse(OPERATOR, language).get(f"/shifts/show/{short.id}").text
    slip = re.search(r"<article.*?</article>", page, re.DOTALL)[0]
    assert f'lang="{language}"' in slip
    assert "Expected" not in slip

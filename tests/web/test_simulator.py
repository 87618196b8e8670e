"""Trying a price: figures by hand from the worked table of what a sale costs.

The plan: a monthly fee of 2.00; (0,100] at 0.10 without tax, (100,300] at 0.20 and above at
0.25, both with 5 % tax; a fine of 12.00 above 400 and of 40.00 above 800 units at once.
"""

import re
from datetime import date

import pytest

from tests import factories
from tests.factories import AUDITOR, OPERATOR, TODAY, add_tariff, fee, step
from tests.web.office import ADMIN, LANGUAGES, NOWHERE, contents, said, statements
from tests.web.test_odd_lists import ODD, RAW, RESERVED, dealt
from tests.web.test_why import STEPS, bands, lines, text
from vmsapp.models import Setup, Tariff, TariffPlan
from vmsapp.tariffs.plan import Accumulation

PATH = "/try-a-price/"
MARKUP = "<i>Dear</i>"


@pytest.fixture
def plans(shop):
    """The worked plan, a dearer one of next year beside it, and one for water."""

    def deed(session):
        worked = add_tariff(session, "Worked", *STEPS, fixed_fee=fee(200), penalties=bands())
        factories.add_plan(
            session, worked.id, step("0", None, "0.30"), name=MARKUP, effective_on=date(2027, 1, 1)
        )
        add_tariff(session, "Water by day", step("0", "50", "1"), meter_type="water")
        add_tariff(session, "By day", step("0", "50", "1"), fixed_fee=fee(10, "day"),
                   accumulation=Accumulation.DAY)  # fmt: skip
        add_tariff(session, "Never missed", step("0", None, "1"), fixed_fee=fee(10, "sale"))
        session.flush()
        return {row.name: row.id for row in session.query(TariffPlan)}

    return shop.change(deed)


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def figures(page: str) -> dict[str, str]:
    """Names and values of the price's lines."""
    return dict(re.findall(r"<th[^>]*>([^<]+)</th><td>(?:<bdi>)?([^<]+)<", page))


@pytest.mark.parametrize(("asked", "units", "charged"), [
    # by quantity: month to date, fee due, units -> cost, of the worked table
    ({"value": "60"}, "60.0 kWh", "8.00 USD"),
    ({"value": "100"}, "100.0 kWh", "12.00 USD"),
    ({"value": "100.1"}, "100.1 kWh", "12.02 USD"),
    ({"value": "250"}, "250.0 kWh", "43.50 USD"),
    ({"value": "400"}, "400.0 kWh", "80.25 USD"),
    ({"value": "400.1"}, "400.1 kWh", "92.28 USD"),
    ({"value": "60", "before": "60", "fees": "paid"}, "60.0 kWh", "8.20 USD"),
    ({"value": "100", "before": "60", "fees": "paid"}, "100.0 kWh", "16.60 USD"),
    # by amount, down
    ({"mode": "amount", "value": "10"}, "80.0 kWh", "10.00 USD"),
    ({"mode": "amount", "value": "50"}, "280.9 kWh", "49.99 USD"),
    ({"mode": "amount", "value": "90"}, "400.0 kWh", "80.25 USD"),
    ({"mode": "amount", "value": "100"}, "429.5 kWh", "99.99 USD"),
    # three months of fees: January, February, March
    ({"value": "60", "on": "2026-03-17", "fees": "since", "since": "2026-01-20"},
     "60.0 kWh", "12.00 USD"),
])  # fmt: skip
def test_the_worked_table_can_be_tried(admin, plans, asked, units, charged):
    page = admin.get(PATH, query_string={"plan": plans["Worked"]} | asked)
    assert page.status_code == 200
    found = figures(page.text)
    assert (found["Units"], found["To pay"]) == (units, charged)


def test_change_and_lines_are_explained(admin, plans):
    asked = {"plan": plans["Worked"], "mode": "amount", "value": "90"}
    page = admin.get(PATH, query_string=asked).text
    assert figures(page)["Change"] == "9.75 USD"
    assert lines(page)[-1] == ["To pay", "", "", "80.25"]


def test_a_plan_beside_it_is_priced_with_the_difference(admin, plans):
    asked = {"plan": plans["Worked"], "beside": plans[MARKUP], "value": "100"}
    page = admin.get(PATH, query_string=asked).text
    assert MARKUP not in page
    assert "&lt;i&gt;Dear&lt;/i&gt;" in page
    # 12.00 with the fee against 100 x 0.30
    assert "The second plan costs 18.00 USD more." in page
    by_amount = asked | {"mode": "amount", "value": "12"}
    # 12.00 buys 100.0 with the fee, and 40.0 at 0.30
    assert "The second plan gives 60.0 kWh less." in admin.get(PATH, query_string=by_amount).text


def test_the_table_prices_usual_quantities_and_the_ends_of_steps(admin, plans):
    asked = {"plan": plans["Worked"], "beside": plans[MARKUP]}
    page = admin.get(PATH, query_string=asked).text
    rows = {row[0]: row[1:] for row in lines(page)}
    assert list(rows) == [
        "10.0",
        "50.0",
        "100.0",
        "200.0",
        "300.0",
        "400.0",
        "500.0",
        "800.0",
        "1,000.0",
    ]
    # at 300: 2 + 10 + 200 x 0.21 = 54.00, and 90.00 at 0.30
    assert rows["300.0"] == ["54.00", "0.18", "90.00", "0.30", "36.00"]
    # at 800: 54 + 500 x 0.2625 + 12.00 = 197.25, and 240.00 at 0.30
    assert rows["800.0"] == ["197.25", "0.2466", "240.00", "0.30", "42.75"]


def test_the_curve_bends_at_steps_and_jumps_at_fines(admin, plans):
    page = admin.get(PATH, query_string={"plan": plans["Worked"], "value": "400"}).text
    (points,) = re.findall(r'<polyline class="curve curve-1" points="([^"]*)"', page)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    # up to 1000 units and 500 USD on 1000 by 400: 54.00 at 300, 80.25 at 400, 92.28 above
    assert (300.0, pytest.approx(400 * (1 - 54 / 500), abs=0.1)) in places
    assert (400.0, pytest.approx(400 * (1 - 80.25 / 500), abs=0.1)) in places
    assert (400.1, pytest.approx(400 * (1 - 92.28 / 500), abs=0.1)) in places
    assert 'd="M400 0V400"' in page  # the purchase is marked
    assert "style=" not in page


def test_what_cannot_be_bought_is_refused_beside_its_field_and_in_the_table(admin, plans):
    asked = {"plan": plans["By day"], "before": "20", "value": "40", "fees": "paid"}
    page = admin.get(PATH, query_string=asked)
    assert page.status_code == 422
    assert re.search(r'id="value-error".*?at most 30.0 units can still be bought', page.text)
    found = [row for row in lines(page.text) if row[0] == "50.0"]
    assert found == [["50.0", "cannot be bought", ""]]


@pytest.mark.parametrize(("asked", "field", "sentence"), [
    ({"value": "x"}, "value", "is not a number|could not be read|cannot be read"),
    ({"value": "0"}, "value", "cannot be bought"),
    ({"value": "1.234", "mode": "amount"}, "value", "At most 2 decimals fit"),
    ({"value": "-5", "mode": "amount"}, "value", "must be more than 0"),
    ({"value": "0.1", "mode": "amount"}, "value", "at least 2.01 USD is needed"),
    ({"before": "-1"}, "before", "cannot be below 0"),
    ({"before": "1.25"}, "before", "At most 1 decimal fits"),
    ({"on": "yesterday"}, "on", "date"),
    ({"on": "0001-01-01"}, "on", "from 1993 to 2199"),
    ({"fees": "since"}, "since", "since when"),
    ({"fees": "due", "since": "2026-01-20"}, "since", "Unpaid since a day"),
    ({"since": "2026-01-20"}, "since", "Unpaid since a day"),
    ({"fees": "since", "since": "2026-03-18", "on": "2026-03-17"}, "since", "not be after"),
    ({"fees": "since", "since": "2026-13-01"}, "since", "date"),
    ({"plan": str(NOWHERE)}, "plan", "not there any more"),
    ({"plan": "x"}, "plan", "not there any more"),
    ({"beside": "9" * 30}, "beside", "not there any more"),
    ({"beside": "Water by day"}, "beside", "same kind of meter"),
    ({"plan": "By day", "fees": "since", "since": "2024-01-01", "on": "2026-03-17"}, "since",
     "more than 366 periods"),
    ({"fees": "forgotten"}, "fees", "choice"),
])  # fmt: skip
def test_each_odd_entry_is_answered_beside_its_field(admin, plans, asked, field, sentence):
    named = {name: plans.get(value, value) for name, value in asked.items()}
    page = admin.get(PATH, query_string={"plan": plans["Worked"]} | named)
    assert page.status_code == 422
    found = re.search(rf'id="{field}-error">.*?<span>(.*?)</span>', page.text, re.DOTALL)
    assert found, said(page.text)
    assert re.search(sentence, found[1]), found[1]


@pytest.mark.parametrize("turn", range(6))
def test_odd_addresses_are_answered_and_never_crash(admin, plans, engine, turn):
    fields = ["plan", "beside", "mode", "value", "before", "on", "fees", "since"]
    before = contents(engine)
    for query in [*dealt([*fields, *RESERVED], ODD, turn, 6), *RAW[turn::6]]:
        assert admin.get(f"{PATH}?{query}").status_code in {200, 400, 422}, query
    assert contents(engine) == before


def test_the_page_opens_with_a_plan_and_writes_nothing(admin, plans, engine):
    before = contents(engine)
    page = admin.get(PATH)
    assert page.status_code == 200
    assert "<polyline" in page.text
    assert f'value="{TODAY}"' in page.text
    assert contents(engine) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_read_and_answered_in_each_language(browse, plans, language):
    reader = browse(ADMIN, language=language)
    typed = "100,1" if language == "fr" else "100.1"
    page = reader.get(PATH, query_string={"plan": plans["Worked"], "value": typed})
    assert page.status_code == 200
    assert re.search(r"12[.,٫]02", text(page.text))


def test_without_plans_it_says_so(admin, shop, staffed):
    def clear(session):
        for meter in session.query(factories.Meter):
            meter.tariff_id = None
        session.query(TariffPlan).delete()
        session.query(Tariff).delete()

    shop.change(clear)
    page = admin.get(PATH)
    assert page.status_code == 200
    assert "No plan to try yet" in page.text
    assert "<form" not in page.text.partition("<main")[2].partition("</main>")[0]


def test_without_a_setup_it_says_so(admin, shop):
    shop.change(lambda session: session.query(Setup).delete())
    page = admin.get(PATH)
    assert page.status_code == 200
    assert "not set up yet" in page.text


@pytest.mark.parametrize(("name", "may"), [(ADMIN, True), (AUDITOR, True), (OPERATOR, False)])
def test_who_sees_tariffs_may_try(browse, plans, name, may):
    answer = browse(name).get(PATH)
    assert (answer.status_code == 200) is may


def test_a_trial_takes_few_statements(admin, plans, engine):
    asked = {"plan": plans["Worked"], "beside": plans[MARKUP], "value": "100"}
    admin.get(PATH, query_string=asked)
    with statements(engine) as seen:
        assert admin.get(PATH, query_string=asked).status_code == 200
    assert len(seen) <= 8, seen

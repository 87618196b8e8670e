"""Why this amount: figures by hand from the worked table of what a sale costs.

The plan: a monthly fee of 2.00; (0,100] at 0.10 without tax, (100,300] at 0.20 and above at
0.25, both with 5 % tax; a fine of 12.00 above 400 and of 40.00 above 800 units at once.
"""

import json
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from flask_babel import force_locale

from tests.factories import AUDITOR, DOMESTIC, MONEY, fee, step
from tests.web.office import LANGUAGES, NOWHERE, contents, statements
from vmsapp.models import Meter, Sale, SaleState, ServicePoint, TariffPlan, Token
from vmsapp.services.explanations import explain
from vmsapp.services.tariffs import rules_text
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import Accumulation, Penalty, Plan
from vmsapp.views.counter.line_words import line_name
from vmsapp.views.counter.why_words import exact_text, rows

STEPS = (
    step("0", "100", "0.10"),
    step("100", "300", "0.20", "5"),
    step("300", None, "0.25", "5"),
)  # fmt: skip
MARKUP = "<b>Fuel</b> & fire"


def bands():
    return tuple(
        Penalty(one.start, one.end, fine)
        for one, fine in (
            (step("0", "400", "0"), 0),
            (step("400", "800", "0"), 1200),
            (step("800", None, "0"), 4000),
        )
    )


@pytest.fixture
def sells_under(shop, utility):
    """Give the domestic meter's tariff another plan, as if it had always had it."""

    def put(**changed):
        plan = Plan("Worked", STEPS, **{"fixed_fee": fee(200), "penalties": bands()} | changed)

        def deed(session):
            meter = session.get_one(Meter, utility.meters[DOMESTIC])
            row = session.query(TariffPlan).filter_by(tariff_id=meter.tariff_id).one()
            row.rules, row.name = rules_text(plan, MONEY), plan.name

        shop.change(deed)

    return put


def lines(page: str) -> list[list[str]]:
    """The cells of the table that explains, without its head."""
    body = re.search(r'aria-label="[^"]*">\s*<table.*?<tbody[^>]*>(.*?)</tbody>', page, re.DOTALL)
    assert body, page
    return [
        [" ".join(re.sub(r"<[^>]+>", "", cell).split()) for cell in re.findall(
            r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body[1], re.DOTALL)
    ]  # fmt: skip


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_each_line_of_a_sale_is_explained_with_what_it_exactly_came_to(operator, shop, sells_under):
    sells_under()
    sale = shop.sell(DOMESTIC, units="400.1")
    page = operator.get(f"/counter/sale/{sale.id}/why").text
    # 100 x 0.10; 200 x 0.20 and 5 %; 100.1 x 0.25 = 25.025 and 5 % of it = 1.25125
    assert lines(page) == [
        ["Fixed fee, March 2026", "Due once, whole, with the first purchase in the period.",
         "2.00", "2.00"],
        ["Penalty", "A fine for one purchase above 400.0 up to 800.0 kWh; this one is 400.1 kWh.",
         "12.00", "12.00"],
        ["Energy in step 1", ("The step is above 0.0 up to 100.0 kWh."
         " From 0.0 to 100.0 kWh: 100.0 kWh × 0.10."), "10.00", "10.00"],
        ["Energy in step 2", ("The step is above 100.0 up to 300.0 kWh."
         " From 100.0 to 300.0 kWh: 200.0 kWh × 0.20."), "40.00", "40.00"],
        ["Tax on step 2", "5% of 40.00.", "2.00", "2.00"],
        ["Energy in step 3", ("The step is above 300.0 kWh."
         " From 300.0 to 400.1 kWh: 100.1 kWh × 0.25."), "25.025", "25.03"],
        ["Tax on step 3", "5% of 25.025.", "1.25125", "1.25"],
        ["To pay", "", "", "92.28"],
    ]  # fmt: skip
    said = text(page)
    assert "400.1 kWh cost 92.28 USD." in said
    assert "The steps count what is bought in a calendar month, from Mar 1, 2026 on." in said
    assert "Before this purchase, 0.0 kWh were counted; after it, 400.1 kWh." in said
    assert sale.calculation["plan_version"][:12] in said
    assert sale.calculation["plan_version"][:13] not in said


def test_a_second_purchase_begins_where_the_first_one_ended(operator, shop, sells_under):
    sells_under()
    shop.sell(DOMESTIC, units="60")
    sale = shop.sell(DOMESTIC, units="100")
    page = operator.get(f"/counter/sale/{sale.id}/why").text
    # worked table: from 60, 100 units cost 16.60: 40 x 0.10 and 60 x 0.20 and its 5 %
    assert [(row[0], row[2], row[3]) for row in lines(page)] == [
        ("Energy in step 1", "4.00", "4.00"),
        ("Energy in step 2", "12.00", "12.00"),
        ("Tax on step 2", "0.60", "0.60"),
        ("To pay", "", "16.60"),
    ]
    assert "From 60.0 to 100.0 kWh: 40.0 kWh × 0.10." in page
    assert "Before this purchase, 60.0 kWh were counted; after it, 160.0 kWh." in text(page)


def test_an_amount_says_what_was_used_and_what_is_change(operator, shop, sells_under):
    sells_under()
    sale = shop.sell(DOMESTIC, tender=9000)
    said = text(operator.get(f"/counter/sale/{sale.id}/why").text)
    # worked table: 90 buys 400.0, for the next fine would not fit, and 9.75 is change
    assert "400.0 kWh cost 80.25 USD." in said
    assert "Received 90.00 USD" in said
    assert "Change 9.75 USD" in said
    assert "what is left is change" in said


def test_missed_fees_are_named_by_their_months(operator, shop, utility, sells_under):
    sells_under()

    def attach(session):
        point = session.get_one(ServicePoint, shop.point_of(DOMESTIC))
        point.plan_attached_on = point.plan_attached_on.replace(year=2026, month=2, day=3)

    shop.change(attach)
    sale = shop.sell(DOMESTIC, units="60")
    rows = lines(operator.get(f"/counter/sale/{sale.id}/why").text)
    assert [row[0] for row in rows[:2]] == [
        "Fixed fee, February 2026",
        "Fixed fee, March 2026",
    ]
    assert rows[0][1] == "Nothing was bought in that period, so its fee is still due."
    assert rows[-1] == ["To pay", "", "", "10.00"]  # 2 x 2.00 and 60 x 0.10


def levies():
    return (
        UnitLevy(MARKUP, step("0", None, "0.01").price),
        PercentLevy("VAT", step("0", None, "16").price, frozenset({Base.ENERGY, Base.FEE}),
                    of_levies=(MARKUP,)),
        FlatLevy("Stamp", 50),
    )  # fmt: skip


def test_levies_say_what_they_are_of_and_their_names_are_text(operator, shop, sells_under):
    sells_under(levies=levies())
    sale = shop.sell(DOMESTIC, units="60")
    page = operator.get(f"/counter/sale/{sale.id}/why").text
    assert "<b>Fuel" not in page
    rows = lines(page)
    # 60 x 0.01 = 0.60; VAT on 60 x 0.10 + 2.00 + 0.60 = 8.60 is 1.376
    escaped = MARKUP.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert [escaped, "60.0 kWh × 0.01.", "0.60", "0.60"] in rows
    assert ["VAT", f"16% of 8.60: energy, fixed fees, and {escaped}.", "1.376", "1.38"] in rows
    assert ["Stamp", "A fixed amount, once with this purchase.", "0.50", "0.50"] in rows
    assert rows[-1][3] == "10.48"  # 2.00 + 6.00 + 0.60 + 1.376 + 0.50, half up


@pytest.mark.parametrize("language", LANGUAGES)
def test_quote_receipt_and_explanation_name_every_kind_of_line_in_each_language(
    browse, shop, utility, sells_under, language
):
    sells_under(levies=levies())
    reader = browse("operator", language=language)
    asked = {"mode": "quantity", "value": "500"}
    quoted = reader.get(f"/counter/meter/{utility.meters[DOMESTIC]}/quote", query_string=asked)
    sale = shop.sell(DOMESTIC, units="500")
    for page in (quoted, reader.get(f"/counter/sale/{sale.id}"),
                 reader.get(f"/counter/sale/{sale.id}/why")):  # fmt: skip
        assert page.status_code == 200
        assert "Fuel&lt;/b&gt; &amp; fire" in page.text
        assert "Stamp" in page.text
        assert "VAT" in page.text


def older(calculation):
    """A calculation as the first version stored it."""
    kept = {"kind", "amount_minor", "units", "rate", "base_minor_exact", "rounding_minor_exact",
            "period_start", "step"}  # fmt: skip
    figures = {"units", "received_minor", "change_minor", "charged_minor", "bought_before",
               "bought_after"}  # fmt: skip
    lines = [{key: line[key] for key in kept} for line in calculation["lines"]]
    return {key: calculation[key] for key in figures} | {
        "plan": "Worked", "plan_id": calculation["plan_id"], "lines": lines,
    }  # fmt: skip


def test_a_sale_of_an_older_version_is_explained_by_what_it_stored(operator, shop, sells_under):
    sells_under()
    sale = shop.sell(DOMESTIC, units="400.1")

    def forget(session):
        row = session.get_one(Sale, sale.id)
        row.calculation = older(json.loads(json.dumps(row.calculation)))

    shop.change(forget)
    page = operator.get(f"/counter/sale/{sale.id}/why")
    rows = lines(page.text)
    assert rows[0][0] == "Fixed fee"
    assert rows[1][1] == "A fine for the size of this one purchase."
    assert rows[5][1] == "From 300.0 to 400.1 kWh: 100.1 kWh × 0.25."
    assert rows[6] == ["Tax on step 3", "5% of 25.025.", "1.25125", "1.25"]
    receipt = operator.get(f"/counter/sale/{sale.id}")
    assert "Month to date: 400.1" in receipt.text
    assert "Tax 5%" in receipt.text


@pytest.mark.parametrize(("counts", "said", "footer"), [
    (Accumulation.DAY, "bought in a day, from Mar 17, 2026 on", "Bought today: 60.0"),
    (Accumulation.WEEK, "bought in a week, from Mar 16, 2026 on", "Week to date: 60.0"),
    (Accumulation.YEAR, "bought in a year, from Jan 1, 2026 on", "Year to date: 60.0"),
    (Accumulation.EVER, "count everything ever bought here", "Bought so far: 60.0"),
    (Accumulation.SALE, "count each purchase by itself", None),
])  # fmt: skip
def test_what_is_counted_is_said_for_each_kind(operator, shop, sells_under, counts, said, footer):
    sells_under(accumulation=counts)
    sale = shop.sell(DOMESTIC, units="60")
    assert said in text(operator.get(f"/counter/sale/{sale.id}/why").text)
    receipt = operator.get(f"/counter/sale/{sale.id}").text
    assert (footer in receipt) if footer else ("to date" not in receipt)


def test_a_later_purchase_of_the_month_begins_after_the_first_step(operator, shop, sells_under):
    sells_under(accumulation=Accumulation.FIRST_OF_MONTH)
    shop.sell(DOMESTIC, units="60")
    sale = shop.sell(DOMESTIC, units="10")
    said = text(operator.get(f"/counter/sale/{sale.id}/why").text)
    assert "not the month's first purchase, so it begins at 100.0 kWh" in said.replace("&#39;", "'")
    assert "From 100.0 to 110.0 kWh: 10.0 kWh × 0.20." in said


@pytest.mark.parametrize("state", SaleState)
def test_a_sale_in_any_state_explains_itself_and_shows_no_token(
    operator, browse, shop, sells_under, state, engine
):
    sells_under()
    sale = shop.sell(DOMESTIC, units="60")
    (token,) = shop.rows(Token, Token.sale_id == sale.id)
    if state != SaleState.ISSUED:
        numbered = state == SaleState.REVERSED

        def settle(session):
            row = session.get_one(Sale, sale.id)
            row.state = state
            if not numbered:
                row.receipt_number = row.receipt_series = None

        shop.change(settle)
    before = contents(engine)
    for reader, path in (
        (operator, f"/counter/sale/{sale.id}/why"),
        (operator, f"/sales/why/{sale.id}"),
        (browse(AUDITOR), f"/sales/why/{sale.id}"),
    ):
        page = reader.get(path)
        assert page.status_code == 200
        assert lines(page.text)[-1][3] == "8.00"
        assert token.digits not in page.text.replace(" ", "")
    assert contents(engine) == before  # looking marks nothing as shown


def test_a_sale_out_of_reach_answers_as_one_that_never_was(operator, browse, shop, sells_under):
    sells_under()
    sale = shop.sell(DOMESTIC, units="60")
    other = browse("operator2")
    for path in ("/counter/sale/{}/why", "/sales/why/{}"):
        hidden, absent = (other.get(path.format(one)) for one in (sale.id, NOWHERE))
        assert (hidden.status_code, absent.status_code) == (404, 404)


def test_the_plan_is_a_link_for_who_may_see_tariffs(operator, browse, shop, sells_under):
    sells_under()
    path = f"/sales/why/{shop.sell(DOMESTIC, units='60').id}"
    auditor = browse(AUDITOR)
    (link,) = re.findall(r'href="(/tariffs/\d+/plans/\d+)"', auditor.get(path).text)
    assert auditor.get(link).status_code == 200
    assert "/tariffs/" not in operator.get(path).text


def test_the_quote_leads_to_its_calculation_and_back_to_the_purchase(
    operator, utility, sells_under
):
    sells_under()
    meter_id = utility.meters[DOMESTIC]
    asked = {"mode": "amount", "value": "90", "key": "1-" + "0" * 32}
    part = operator.get(f"/counter/meter/{meter_id}/quote", query_string=asked).text
    (link,) = re.findall(rf'href="(/counter/meter/{meter_id}/why[^"]*)"', part)
    page = operator.get(link.replace("&amp;", "&"))
    assert page.status_code == 200
    assert lines(page.text)[-1] == ["To pay", "", "", "80.25"]
    assert "has changed since" not in page.text
    (back,) = re.findall(rf'href="(/counter/meter/{meter_id}\?[^"]*)"', page.text)
    assert 'value="90"' in operator.get(back.replace("&amp;", "&")).text


def test_a_price_that_has_changed_is_said_to_have(operator, shop, utility, sells_under):
    sells_under()
    asked = {"mode": "quantity", "value": "60", "shown": "800"}
    path = f"/counter/meter/{utility.meters[DOMESTIC]}/why"
    assert "has changed since" not in operator.get(path, query_string=asked).text
    shop.sell(DOMESTIC, units="60")  # another window paid the fee
    page = operator.get(path, query_string=asked).text
    assert "has changed since" in page
    assert lines(page)[-1][3] == "8.20"  # worked table: from 60, 60 units


@pytest.mark.parametrize("odd", [
    {}, {"value": ""}, {"value": "-1"}, {"value": "x" * 5000}, {"mode": "x", "value": "1e9"},
    {"value": "0"}, {"value": "5", "shown": "x"}, {"value": "5", "vending_point": "9" * 30},
])  # fmt: skip
def test_odd_wishes_lead_back_to_the_purchase_or_are_explained(operator, utility, odd):
    path = f"/counter/meter/{utility.meters[DOMESTIC]}/why"
    answer = operator.get(path, query_string=odd)
    assert answer.status_code in {200, 302}
    if answer.status_code == 302:
        assert answer.location.startswith(f"/counter/meter/{utility.meters[DOMESTIC]}?")


def test_an_explanation_takes_few_statements(operator, shop, sells_under, engine):
    sells_under()
    sale = shop.sell(DOMESTIC, units="60")
    operator.get(f"/sales/why/{sale.id}")
    for path in (f"/counter/sale/{sale.id}/why", f"/sales/why/{sale.id}"):
        with statements(engine) as seen:
            assert operator.get(path).status_code == 200
        assert len(seen) <= 8, seen


@pytest.mark.parametrize("language", LANGUAGES)
def test_debts_and_roundings_are_named_and_explained_in_each_language(office, language):
    common = {"units": None, "rate": None, "is_percent": False, "base_minor_exact": None,
              "rounding_minor_exact": "0", "period_start": None, "step": None}  # fmt: skip
    stored = {
        "units": "10.0", "received_minor": 102, "change_minor": 0, "charged_minor": 102,
        "bought_before": "0", "bought_after": "10.0", "settlement": "nearest", "lines": [
            common | {"kind": "debt", "name": MARKUP, "amount_minor": 100},
            common | {"kind": "debt", "name": None, "amount_minor": 1},
            common | {"kind": "rounding", "name": None, "amount_minor": 1},
        ],
    }  # fmt: skip
    with office.test_request_context(), force_locale(language):
        names = [line_name(line, "kWh") for line in stored["lines"]]
        why = explain(stored, currency="USD", exponent=2, meter_type="electricity",
                      mode="quantity", carried=Decimal(10))  # fmt: skip
        explained = list(rows(why))
    assert names[0] == explained[0].what == MARKUP
    assert all(names)
    assert len({*names}) == 3
    assert [re.sub(r"[^\d]", "", row.charged) for row in explained] == ["100", "001", "001"]
    assert all(row.how for row in explained)


@pytest.mark.parametrize(("minor", "exponent", "text"), [
    (Fraction(1202, 1), 2, "12.02"),
    (Fraction(120210, 100), 2, "12.021"),
    (Fraction(100, 3), 2, "≈ 0.33333333"),
    (Fraction(5, 2), 0, "2.5"),
    (Fraction(12345678), 3, "12,345.678"),
])  # fmt: skip
def test_an_exact_amount_that_goes_on_is_marked_as_about(office, minor, exponent, text):
    with office.test_request_context(), force_locale("en"):
        assert exact_text(minor, exponent) == text

"""A month's real sales under a draft: figures by hand, and beside an independent sum."""

from datetime import date
from decimal import Decimal

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    LEGACY_11,
    MARKET,
    MONEY,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    THIS_MONTH,
)
from vmsapp.models import Meter, Setup, TariffSimulation
from vmsapp.scope import seen_by
from vmsapp.services.tariffs import rules_text, simulating
from vmsapp.services.tariffs.simulation_sums import Sums
from vmsapp.tariffs.levies import Base, PercentLevy
from vmsapp.tariffs.plan import Accumulation, FeePeriod, FixedFee, Plan, Step


def step(start, end, price, tax="0"):
    return Step(Decimal(start), end and Decimal(end), Decimal(price), Decimal(tax))


def tried(shop, plan, *, basis="units", tariff=None, who=AUDITOR, region=None, month=THIS_MONTH):
    """Walk all places at once, and give the sums."""
    (meter,) = shop.rows(Meter, Meter.id == shop.utility.meters[tariff or LEGACY_11])
    with shop.session() as session, seen_by(shop.actor(who)):
        row = TariffSimulation(
            rules=rules_text(plan, MONEY), month=month, basis=basis, tariff_id=meter.tariff_id,
            region_id=region,
        )  # fmt: skip
        trying = simulating.trying_of(row, session.query(Setup).one())
        sums = Sums(basis, simulating.edges_of(trying))
        places = simulating._next_places(session, trying, 0)
        list(simulating.walk(session, trying, places, sums))
        assert Sums.of(sums.as_json()) == sums
        return sums


STEPS = Plan("Draft", (step("0", "60", "0.05"), step("60", None, "0.20", "10")), None)


def test_the_same_units_under_steps_worked_out_by_hand(shop):
    """Sold flat at 0.10: 50, then 30 to the same place; 20 to another."""
    shop.sell(LEGACY_11, units="50")  # 5.00
    shop.sell(LEGACY_11, units="30")  # 3.00
    shop.sell(STS6_11, units="20")  # 2.00
    sums = tried(shop, STEPS)
    # 50 * 0.05 = 2.50; 10 * 0.05 + 20 * 0.20 * 1.10 = 0.50 + 4.40; 20 * 0.05 = 1.00
    total = sums.total
    assert (total.real_minor, total.draft_minor, total.minor) == (1000, 840, -160)
    assert (total.places, total.sales, total.better, total.worse) == (2, 3, 2, 0)
    assert total.draft_parts == {"energy": 800, "tax": 40}
    assert total.real_parts == {"energy": 1000}
    assert sums.edges == ["60"]
    low, high = sums.bands
    assert (low.places, low.real_minor, low.draft_minor) == (1, 200, 100)
    assert (high.places, high.real_minor, high.draft_minor) == (1, 800, 740)
    assert [(one.gain, one.real_minor, one.draft_minor) for one in sums.winners] == [
        (Decimal(100), 200, 100), (Decimal(60), 800, 740),
    ]  # fmt: skip
    assert sums.losers == []


def test_the_same_money_buys_other_units(shop):
    """8.00 at one place, in two sales: 60 units for 3.00, the rest at 0.22."""
    shop.sell(LEGACY_11, units="50")  # 60 for 3.00, and 9.1 for 2.002, which is 2.00
    shop.sell(LEGACY_11, units="30")  # 13.6 for 2.992; 13.7 would be 3.01
    sums = tried(shop, STEPS, basis="money")
    assert (sums.total.real_units, sums.total.draft_units) == (Decimal(80), Decimal("82.7"))
    assert (sums.total.better, sums.total.worse) == (1, 0)
    assert sums.total.draft_minor == 500 + 299
    (won,) = sums.winners
    assert won.gain == Decimal("2.7")


def test_fees_taxes_and_debts_stand_apart(shop):
    """Two steps and a monthly fee of 2.00: 250 units cost 43.50; the draft has a fee of 5.00."""
    shop.sell(DOMESTIC, units="250")
    draft = Plan(
        "Draft", (step("0", None, "0.15"),), FixedFee(500, FeePeriod.MONTH, True, None),
        levies=(PercentLevy("VAT", Decimal(10), frozenset({Base.ENERGY})),),
    )  # fmt: skip
    total = tried(shop, draft, tariff=DOMESTIC).total
    assert total.real_parts == {"energy": 4000, "fee": 200, "tax": 150}
    assert total.draft_parts == {"energy": 3750, "fee": 500, "tax": 375}
    assert (total.real_minor, total.draft_minor, total.minor) == (4350, 4625, 275)
    assert (total.better, total.worse) == (0, 1)


def test_a_fee_is_charged_once_and_not_for_months_before(shop):
    shop.clock.forward(days=20)  # April, and the fee of March is missed
    shop.sell(DOMESTIC, units="100")  # 10.00 and two fees of 2.00
    shop.sell(DOMESTIC, units="100")  # 21.00
    draft = Plan("Draft", (step("0", None, "0.10"),), FixedFee(300, FeePeriod.MONTH, True, None))
    sums = tried(shop, draft, tariff=DOMESTIC, month=date(2026, 4, 1))
    assert sums.older_minor == 200
    assert sums.total.real_parts["fee"] == 200
    assert sums.total.draft_parts == {"energy": 2000, "fee": 300}
    assert (sums.total.real_minor, sums.total.draft_minor) == (3300, 2300)


def test_what_the_draft_refuses_is_counted_and_told(shop):
    kept, refused = shop.sell(LEGACY_11, units="40"), shop.sell(LEGACY_11, units="30")
    closed = Plan("Draft", (step("0", "50", "0.10"),), None)
    sums = tried(shop, closed)
    assert sums.refused == {"above_last_step": 1}
    assert sums.refused_minor == 300
    (told,) = sums.refusals
    assert (told["sale_id"], told["paid_minor"]) == (refused.id, 300)
    assert told["params"] == {"largest": {"decimal": "10.0"}}
    assert (sums.total.sales, sums.total.real_minor) == (1, kept.charged_minor)


def test_steps_of_a_year_count_what_was_bought_before_the_month(shop):
    shop.sell(LEGACY_11, units="55")
    shop.clock.forward(days=20)
    shop.sell(LEGACY_11, units="10")  # in April
    yearly = Plan(
        "Draft", (step("0", "60", "0.05"), step("60", None, "0.20")), None,
        accumulation=Accumulation.YEAR,
    )  # fmt: skip
    april = date(2026, 4, 1)
    assert tried(shop, yearly, month=april).total.draft_minor == 125  # 5 * 0.05 + 5 * 0.20
    assert tried(shop, STEPS, month=april).total.draft_minor == 50


def test_only_sales_of_the_month_the_tariff_and_the_region_are_tried(shop):
    shop.sell(LEGACY_11, units="50")
    shop.sell(DOMESTIC, units="100")
    shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR)
    regions = shop.utility.regions
    assert tried(shop, STEPS).total.sales == 2
    assert tried(shop, STEPS, tariff=DOMESTIC).total.sales == 1
    assert tried(shop, STEPS, month=date(2026, 2, 1)).total.sales == 0
    assert tried(shop, STEPS, region=regions["south"].id).total.real_minor == 600
    assert tried(shop, STEPS, who=SOUTH_OPERATOR).total.real_minor == 600
    assert tried(shop, STEPS, who=SOUTH_OPERATOR, region=regions["north"].id).total.sales == 0


def test_figures_are_those_of_an_independent_sum(shop):
    """The same plan over sales of three places is worked out once more without the engine."""
    bought = {LEGACY_11: [50, 20, 5], STS6_11: [70], SOUTHERN: [10, 60]}
    for meter, amounts in bought.items():
        south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
        for units in amounts:
            shop.sell(meter, units=str(units), **south)
            shop.clock.forward(minutes=2)
    minor, places = 0, []
    for amounts in bought.values():
        so_far, mine = Decimal(0), 0
        for units in amounts:
            low = max(Decimal(0), min(Decimal(60) - so_far, Decimal(units)))
            exact = low * 5 + (units - low) * 22
            mine += int(exact.to_integral_value("ROUND_HALF_UP"))
            so_far += units
        minor += mine
        places.append(mine - 10 * sum(amounts))
    sums = tried(shop, STEPS)
    assert sums.total.draft_minor == minor
    assert sums.total.real_minor == 10 * sum(sum(amounts) for amounts in bought.values())
    assert sums.total.better == sum(gain < 0 for gain in places)
    assert sums.total.worse == sum(gain > 0 for gain in places)
    assert sum(band.draft_minor for band in sums.bands) == minor
    assert sum(one.draft_minor for one in sums.products.values()) == minor

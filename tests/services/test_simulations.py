"""A month's real sales under a draft: figures by hand, and beside an independent sum."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    MARKET,
    MONEY,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    THIS_MONTH,
)
from vmsapp.models import Meter, Region, ServicePoint, Setup, Tariff, TariffPlan, TariffSimulation
from vmsapp.scope import seen_by
from vmsapp.services.tariffs import rules_text
from vmsapp.services.tariffs import simulating
from vmsapp.services.tariffs.simulation_sums import Sums
from vmsapp.tariffs.levies import PercentLevy, Base
from vmsapp.tariffs.plan import Accumulation, FeePeriod, FixedFee, Plan, Step


def step(start, end, price, tax="0"):
    return Step(Decimal(start), end and Decimal(end), Decimal(price), Decimal(tax))


def tried(shop, plan, *, basis="units", tariff=None, who=AUDITOR, region=None, month=THIS_MONTH):
    """Walk all places at once, and give the sums."""
    with shop.session() as session, seen_by(shop.actor(who)):
        meter = session.get_one(Meter, shop.utility.meters[tariff or LEGACY_11])
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

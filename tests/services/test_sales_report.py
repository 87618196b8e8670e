"""The sales report's figures, each beside a sum over the raw rows in plain Python."""

import random  # noqa: TID251 - the same figures each time, and no secret
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    TODAY,
    ZONE,
)
from tests.faults import request_lost
from tests.services.pair import make_pair
from vmsapp.models import (
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Meter,
    Sale,
    SalesByHour,
    Setup,
    TariffPlan,
    VendingPoint,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.reports import By, Question, Sums, sales_report
from vmsapp.services.reports.question import period_before
from vmsapp.services.roll_ups import merge
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import REVERSE

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
PARTS = {"tax": "tax_minor", "fee": "fee_minor", "fee_arrears": "fee_minor",
         "penalty": "penalty_minor"}  # fmt: skip


def asked(shop, question, who=AUDITOR):
    with shop.session() as session, seen_by(shop.actor(who)):
        return sales_report(session, question)


def take_back(pair, sale, key):
    wanted = reversal.Reversal(sale.id, sale.charged_minor, "wrong_meter", "")
    assert pair.approve(pair.ask(REVERSE, key, params=wanted)).state == "approved"


def merged(shop):
    """Add what is listed to the roll-ups, as the worker does; how many transfers."""
    with shop.session() as session, seen_by(SYSTEM):
        return merge(session)


def raw(shop, by, zone, first=FIRST, last=LAST, **only):
    """The same figures from every row there is, by whom or when each counts."""
    points = {row.id: row for row in shop.rows(VendingPoint)}
    plans = {row.id: row for row in shop.rows(TariffPlan)}
    meters = {row.id: row for row in shop.rows(Meter)}
    accounts = {row.id: row.kind for row in shop.rows(LedgerAccount)}
    sales = {row.id: row for row in shop.rows(Sale)}
    entries = defaultdict(list)
    for row in shop.rows(LedgerEntry):
        entries[row.transfer_id].append(row)
    sums = defaultdict(lambda: defaultdict(Decimal))
    for transfer in shop.rows(LedgerTransfer, LedgerTransfer.state == "posted"):
        sale = sales[transfer.sale_id]
        back = transfer.kind == "reversal"
        moment = transfer.settled_at if back else sale.sold_at
        local = moment.astimezone(ZoneInfo(zone))
        day = local.date()
        if not first <= day <= last:
            continue
        keys = {
            By.HOUR: local.hour, By.DAY: day, By.WEEK: day - timedelta(days=day.weekday()),
            By.MONTH: day.replace(day=1), By.YEAR: day.replace(month=1, day=1),
            By.REGION: points[sale.vending_point_id].region_id,
            By.VENDING_POINT: sale.vending_point_id, By.OPERATOR: sale.operator_id,
            By.TARIFF: plans[sale.plan_id].tariff_id,
            By.PRODUCT: meters[sale.meter_id].product_id,
        }  # fmt: skip
        if any(keys[By(name)] != value for name, value in only.items()):
            continue
        found = sums[keys[by], meters[sale.meter_id].meter_type]
        if back:
            found["reversed"] += 1
            found["reversed_minor"] += sale.charged_minor
            found["units_reversed"] += sale.units
        else:
            found["sold"] += 1
            found["gross_minor"] += sale.charged_minor
            found["units"] += sale.units
        for entry in entries[transfer.id]:
            if accounts[entry.account_id] in PARTS:
                found[PARTS[accounts[entry.account_id]]] -= entry.amount_minor
    return {place: Sums(**found) for place, found in sums.items()}


def as_told(report):
    return {(row.key, row.meter_type): row.sums for row in report.rows if row.sums != Sums()}


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        (ZONE, datetime(2026, 3, 30, 18, 0, tzinfo=UTC)),  # a month's end; three hours ahead
        ("America/New_York", datetime(2026, 3, 8, 2, 0, tzinfo=UTC)),  # put forward at 7:00 UTC
        ("America/New_York", datetime(2026, 11, 1, 2, 0, tzinfo=UTC)),  # and back at 6:00 UTC
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_every_figure_is_the_sum_of_its_rows(shop, zone, begins, seed):
    """However much of it is in the roll-ups already."""
    dice = random.Random(seed)
    pair = make_pair(shop)
    shop.clock.now = begins

    def moved(session):
        session.query(Setup).update({"time_zone": zone})

    shop.change(moved)
    sales = []
    for number in range(10):
        shop.clock.forward(minutes=dice.choice([7, 65, 190, 400]))
        meter = dice.choice([LEGACY_11, DOMESTIC, STS6_11, SOUTHERN])
        south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
        sales.append(shop.sell(meter, units=str(dice.randint(5, 300)), **south))
        if dice.random() < 0.3:
            shop.clock.forward(minutes=dice.choice([5, 90]))
            take_back(pair, sales.pop(dice.randrange(len(sales))), f"back-{number}")
        if dice.random() < 0.5 * seed:
            merged(shop)
    assert (shop.count(SalesByHour) > 0) == (seed > 0)
    assert shop.count(LedgerTransfer, LedgerTransfer.kind == "reversal") > 0
    for by in By:
        told = asked(shop, Question(FIRST, LAST, by))
        assert as_told(told) == raw(shop, by, zone), by
        assert sum(one.net_minor for one in told.totals.values()) == sum(
            one.net_minor for one in raw(shop, by, zone).values()
        )


def test_a_sale_given_back_in_doubt_counts_as_sold_and_taken_back(shop, module):
    module.once("issue_credit", request_lost)
    sale = shop.sell(LEGACY_11, units="50")  # 5.00
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    shop.reconcile()
    shop.seal(sale)
    assert shop.reconcile() == {"reversed": 1}
    for by in By:
        told = as_told(asked(shop, Question(TODAY, TODAY, by)))
        assert told == raw(shop, by, ZONE)
        (sums,) = told.values()
        assert (sums.sold, sums.gross_minor, sums.reversed, sums.reversed_minor) == (1, 500, 1, 500)
        assert sums.net_minor == 0


def test_what_is_pending_or_failed_is_no_sale(shop, module):
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11, units="50")
    assert asked(shop, Question(TODAY, TODAY, By.DAY)).totals == {}


def test_the_period_before_is_as_long(shop):
    shop.sell(LEGACY_11, units="100")  # on the 17th of March
    shop.clock.forward(days=30)
    shop.sell(LEGACY_11, units="40")  # on the 16th of April
    april = asked(shop, Question(date(2026, 4, 1), date(2026, 4, 30), By.DAY))
    assert (april.before.first, april.before.last) == (date(2026, 3, 1), date(2026, 3, 31))
    assert april.before.totals["electricity"].gross_minor == 1000
    assert april.totals["electricity"].gross_minor == 400
    week = asked(shop, Question(date(2026, 4, 13), date(2026, 4, 19), By.DAY))
    assert (week.before.first, week.before.last) == (date(2026, 4, 6), date(2026, 4, 12))
    assert week.before.totals == {}


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ("2026-02-01", "2026-02-28", ("2026-01-01", "2026-01-31")),
        ("2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28")),  # no 30th to stop at
        ("2026-01-01", "2026-01-05", ("2025-12-01", "2025-12-05")),
        ("2026-01-01", "2026-12-31", ("2025-01-01", "2025-12-31")),
        ("2028-01-01", "2028-02-29", ("2027-01-01", "2027-02-28")),
        ("2026-01-01", "2026-11-28", ("2025-01-01", "2025-11-28")),
        ("2026-03-01", "2026-03-01", ("2026-02-28", "2026-02-28")),  # a day, not a month
        ("2026-02-15", "2026-03-15", ("2026-01-17", "2026-02-14")),
    ],
)
def test_a_month_or_year_is_compared_with_as_much_of_the_one_before(first, last, before):
    found = period_before(date.fromisoformat(first), date.fromisoformat(last))
    assert found == tuple(map(date.fromisoformat, before))


def test_everybody_is_told_of_what_is_theirs(shop):
    shop.sell(LEGACY_11, units="50")
    shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR)
    for who, gross in ((AUDITOR, 1100), (OPERATOR, 500), (SOUTH_OPERATOR, 600)):
        for by in By:
            told = asked(shop, Question(TODAY, TODAY, by), who)
            assert sum(row.sums.gross_minor for row in told.rows) == gross, (who, by)

"""What consumers bought, each figure beside a sum over the raw rows in plain Python."""

import random  # noqa: TID251 - the same figures each time, and no secret
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

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
from tests.services.pair import make_pair
from tests.services.test_sales_report import take_back
from vmsapp.models import Meter, Sale, SaleKind
from vmsapp.scope import seen_by
from vmsapp.services.reports import By, Question, sales_report
from vmsapp.services.reports.purchases import Bought, PurchaseQuestion, purchase_statistics

FIRST, LAST = date(2025, 1, 1), date(2027, 12, 31)
TIMES = (By.HOUR, By.DAY, By.WEEK, By.MONTH, By.YEAR)


def asked(shop, by=By.DAY, who=AUDITOR, first=FIRST, last=LAST, **narrowed):
    with shop.session() as session, seen_by(shop.actor(who)):
        return purchase_statistics(session, PurchaseQuestion(first, last, by, **narrowed))


def raw(shop, by):
    """The same figures from every row there is."""
    meters = {row.id: row for row in shop.rows(Meter)}
    sums, buyers = defaultdict(lambda: defaultdict(Decimal)), defaultdict(set)
    for sale in shop.rows(Sale, Sale.state.in_(("issued", "reversed")), Sale.kind == "sale"):
        local = sale.sold_at.astimezone(ZoneInfo(ZONE))
        day = local.date()
        key = {
            By.HOUR: local.hour, By.DAY: day, By.WEEK: day - timedelta(days=day.weekday()),
            By.MONTH: day.replace(day=1), By.YEAR: day.replace(month=1, day=1),
        }[by]  # fmt: skip
        found = sums[key, meters[sale.meter_id].meter_type]
        if sale.state == "reversed":
            found["back"] += 1
            found["back_minor"] += sale.charged_minor
            continue
        found["purchases"] += 1
        found["amount_minor"] += sale.charged_minor
        found["units"] += sale.units
        buyers[key, meters[sale.meter_id].meter_type].add(sale.consumer_id)
    return {place: Bought(**found, consumers=len(buyers[place])) for place, found in sums.items()}


def test_every_figure_is_the_sum_of_its_rows(shop):
    dice = random.Random(5)
    pair = make_pair(shop)
    shop.clock.now = datetime(2025, 12, 26, 9, 0, tzinfo=UTC)  # a week, month and year end
    for number in range(12):
        shop.clock.forward(minutes=dice.choice([65, 400, 1500, 2000]))
        meter = dice.choice([LEGACY_11, DOMESTIC, STS6_11, SOUTHERN])
        south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
        sale = shop.sell(meter, units=str(dice.randint(5, 300)), **south)
        if number % 4 == 3:
            take_back(pair, sale, f"back-{number}")
    for by in TIMES:
        told = asked(shop, by)
        wanted = raw(shop, by)
        assert len(wanted) > 1, by
        assert {(row.key, row.meter_type): row.bought for row in told.rows} == wanted, by
    sold = {(sale.meter_id, sale.consumer_id) for sale in shop.rows(Sale, Sale.state == "issued")}
    whole = told.totals["electricity"]
    assert whole.consumers == len({consumer for _meter, consumer in sold})
    with shop.session() as session, seen_by(shop.actor(AUDITOR)):
        gross = sales_report(session, Question(FIRST, LAST, By.YEAR)).totals["electricity"]
    assert (whole.purchases + whole.back, whole.amount_minor + whole.back_minor) == (
        gross.sold, gross.gross_minor,
    )  # fmt: skip


def test_figures_worked_out_by_hand(shop):
    shop.sell(LEGACY_11, units="50")  # 5.00 at 0.10
    shop.sell(LEGACY_11, units="25")  # 2.50, the same consumer
    shop.sell(STS6_11, units="30.1")  # 3.01
    (row,) = asked(shop).rows
    assert (row.key, row.meter_type) == (TODAY, "electricity")
    bought = row.bought
    assert (bought.purchases, bought.amount_minor, bought.units) == (3, 1051, Decimal("105.1"))
    assert (bought.consumers, bought.mean_minor) == (2, 526)  # 10.51 / 2 = 5.255
    assert bought.mean_units == Decimal("52.6")  # 105.1 / 2 = 52.55
    assert (Bought().mean_minor, Bought().mean_units) == (None, None)


def test_what_was_given_or_failed_is_no_purchase(shop):
    given, failed = shop.sell(LEGACY_11), shop.sell(STS6_11)

    def turn(session):
        row = session.get_one(Sale, given.id)
        row.kind, row.charged_minor, row.received_minor = SaleKind.FREE, 0, 0
        row = session.get_one(Sale, failed.id)
        row.state, row.receipt_series, row.receipt_number = "failed", None, None

    shop.change(turn)
    assert asked(shop).rows == []
    assert asked(shop).totals == {}


def test_it_is_the_place_of_the_meter_that_is_seen_not_the_vending_point(shop):
    """A northern consumer who buys in the south is one of the north's purchases."""
    sale = shop.sell(LEGACY_11, units="50")

    def elsewhere(session):
        session.get_one(Sale, sale.id).vending_point_id = shop.utility.points[MARKET]

    shop.change(elsewhere)
    assert asked(shop, who=OPERATOR).totals["electricity"].amount_minor == 500
    assert asked(shop, who=SOUTH_OPERATOR).totals == {}
    north, south = (shop.utility.regions[name].id for name in ("north", "south"))
    assert asked(shop, region_id=north).totals["electricity"].purchases == 1
    assert asked(shop, region_id=south).totals == {}
    assert asked(shop, region_id=north, who=SOUTH_OPERATOR).totals == {}


def test_it_is_narrowed_by_type_and_days(shop):
    shop.sell(LEGACY_11, units="50")
    assert asked(shop, meter_type="water").rows == []
    assert asked(shop, meter_type="electricity").totals["electricity"].purchases == 1
    assert asked(shop, first=TODAY, last=TODAY).totals["electricity"].purchases == 1
    assert asked(shop, last=TODAY - timedelta(days=1)).rows == []

"""Sums kept of sales: equal to the records, whoever adds them, whenever, and how often."""

import random  # noqa: TID251 - the same questions each time, and no secret
from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import text, update

from tests import factories
from tests.factories import (
    AUDITOR,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    SUPERVISOR,
    ZONE,
)
from tests.services.pair import make_pair
from tests.services.test_sales_report import FIRST, LAST, as_told, asked, merged, raw, take_back
from vmsapp.models import (
    FIGURES,
    LastPurchase,
    LedgerTransfer,
    Meter,
    Product,
    Region,
    Sale,
    SalesByHour,
    SalesByPoint,
    SalesByProduct,
    SalesByTariff,
    Span,
    SuppliedPlace,
    TariffPlan,
    Unsummed,
    VendingPoint,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.proof.running import prove
from vmsapp.services.registration import meters
from vmsapp.services.reports import By, Question, Sums
from vmsapp.services.reports.sources import CrossingTooLong
from vmsapp.services.roll_ups import ROLL_UPS, merging, rebuild
from vmsapp.tasks.roll_ups import add_up

CELLS = (SalesByPoint, SalesByHour, SalesByTariff, SalesByProduct)


@pytest.fixture
def pair(shop):
    return make_pair(shop)


@pytest.fixture
def traded(shop, pair):
    """Ten weeks in which two points sold and took back, most of it in the roll-ups."""
    dice, sales = random.Random(7), []
    for number in range(12):
        shop.clock.forward(days=dice.choice([1, 3, 9]), minutes=dice.randint(0, 900))
        meter = dice.choice([LEGACY_11, DOMESTIC, STS6_11, SOUTHERN])
        south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
        sales.append(shop.sell(meter, units=str(dice.randint(5, 300)), **south))
        if number % 4 == 3:
            shop.clock.forward(minutes=dice.choice([5, 900]))
            take_back(pair, sales.pop(), f"back-{number}")
        if number == 9:
            merged(shop)
    assert shop.count(Unsummed) > 0
    return shop


def told(shop, by=By.VENDING_POINT, first=FIRST, last=LAST, **only):
    return as_told(asked(shop, Question(first, last, by, **only)))


def faults(shop):
    with shop.session() as session, seen_by(SYSTEM):
        return {one["check"]: one["examples"] for one in prove(session).findings}


def batches_of(monkeypatch, most):
    for name in ("BATCH", "BATCH_POSTGRESQL"):
        monkeypatch.setattr(merging, name, most)


def test_the_figures_of_a_report_are_those_that_are_kept():
    assert set(FIGURES) == set(Sums.__dataclass_fields__)


def test_what_is_merged_is_in_each_roll_up_once_and_on_the_list_no_more(traded):
    transfers = traded.count(LedgerTransfer, LedgerTransfer.state == "posted")
    waiting = traded.count(Unsummed)
    assert 0 < waiting < transfers
    assert merged(traded) == waiting
    assert (merged(traded), traded.count(Unsummed)) == (0, 0)
    for model in CELLS:
        for span in {row.span for row in traded.rows(model)}:
            cells = traded.rows(model, model.span == span)
            assert sum(row.sold + row.reversed for row in cells) == transfers, (model, span)
    assert {row.span for row in traded.rows(SalesByTariff)} == set(Span)


def test_any_days_and_filters_give_the_sums_of_their_rows(traded):
    dice = random.Random(3)
    values = {
        By.VENDING_POINT: [traded.utility.points[name] for name in (HARBOUR, MARKET)],
        By.OPERATOR: [traded.utility.users[name].id for name in (OPERATOR, SOUTH_OPERATOR)],
        By.TARIFF: sorted({row.tariff_id for row in traded.rows(TariffPlan)}),
        By.PRODUCT: sorted({row.product_id for row in traded.rows(Meter)}),
    }
    some = 0
    for _ in range(40):
        first = FIRST + timedelta(days=dice.randint(60, 150))
        by, narrow = dice.choice([*By]), dice.choice([None, *values])
        long = {by, narrow} & {By.PRODUCT} and {by, narrow} & {By.TARIFF, By.OPERATOR, By.HOUR}
        long = long or (by == By.HOUR and narrow in {By.TARIFF, By.OPERATOR})
        last = first + timedelta(days=dice.randint(0, 30 if long else 80))
        chosen = {narrow: dice.choice(values[narrow])} if narrow else {}
        expected = raw(traded, by, ZONE, first, last, **{key.value: v for key, v in chosen.items()})
        found = told(traded, by, first, last, **{f"{key}_id": v for key, v in chosen.items()})
        assert found == expected, (by, first, last, chosen)
        some += bool(found)
    assert some > 15


def test_a_crossing_that_is_kept_nowhere_reaches_over_one_month(traded):
    tariff = traded.rows(TariffPlan)[0].tariff_id
    days = {"first": date(2026, 4, 1), "last": date(2026, 5, 1)}
    assert told(traded, By.HOUR, **days, tariff_id=tariff) == raw(
        traded, By.HOUR, ZONE, *days.values(), tariff=tariff
    )
    with pytest.raises(CrossingTooLong):
        told(traded, By.HOUR, date(2026, 4, 1), date(2026, 5, 2), tariff_id=tariff)


def test_everything_made_anew_is_what_it_was(traded):
    merged(traded)
    before = [sums_of(row) for model in CELLS for row in traded.rows(model)]
    traded.change(lambda session: session.execute(update(SalesByHour).values(sold=77)))
    traded.change(lambda session: session.execute(text("DELETE FROM sales_by_tariff")))
    with traded.session() as session, seen_by(SYSTEM):
        assert rebuild(session) == traded.count(LedgerTransfer, LedgerTransfer.state == "posted")
    assert [sums_of(row) for model in CELLS for row in traded.rows(model)] == before
    assert (traded.count(Unsummed), faults(traded)) == (0, {})


def sums_of(row):
    return {column.key: getattr(row, column.key) for column in type(row).__table__.columns}


def test_what_is_sold_while_all_is_made_anew_counts_once(traded, monkeypatch, backend):
    """After it was settled what is added, or between two transactions."""
    step = "_empty" if backend == "postgres" else "_merge_some"
    real, sold = getattr(merging, step), []

    def interrupted(*arguments):
        if not sold:
            sold.append(traded.sell(LEGACY_11, units="11"))
        return real(*arguments)

    monkeypatch.setattr(merging, step, interrupted)
    with traded.session() as session, seen_by(SYSTEM):
        rebuild(session)
    assert traded.count(Unsummed) == (1 if backend == "postgres" else 0)
    assert told(traded) == raw(traded, By.VENDING_POINT, ZONE)
    assert faults(traded) == {}


def test_many_are_added_in_parts(traded, monkeypatch):
    batches_of(monkeypatch, 2)
    assert merged(traded) > 2
    assert told(traded) == raw(traded, By.VENDING_POINT, ZONE)


@pytest.mark.parametrize("backend", [pytest.param("postgres", marks=pytest.mark.postgres)])
def test_two_who_add_at_once_add_everything_once(traded, monkeypatch):
    batches_of(monkeypatch, 1)
    gate, added = Barrier(2), []

    def work():
        gate.wait()
        added.append(merged(traded))

    waiting = traded.count(Unsummed)
    workers = [Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert sum(added) == waiting
    assert faults(traded) == {}


@pytest.mark.parametrize("backend", [pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_transfer_that_is_committed_late_is_added_late(traded):
    """Its id is below that of others that were added before."""
    merged(traded)
    late = traded.sell(LEGACY_11, units="11")
    listed = traded.rows(Unsummed)[0].transfer_id
    with traded.engine.connect() as open_still, open_still.begin():
        # as if its transaction had not ended: nobody else sees the row as it was
        open_still.execute(text("DELETE FROM ledger_unsummed"))
        open_still.execute(text(f"INSERT INTO ledger_unsummed VALUES ({listed})"))
        traded.sell(DOMESTIC, units="12")
        assert traded.count(Unsummed) == 2
    assert merged(traded) == 2
    assert late.state == "issued"
    assert told(traded) == raw(traded, By.VENDING_POINT, ZONE)


def test_a_meter_that_gets_another_product_takes_its_sales_along(traded):
    meter_id = traded.utility.meters[LEGACY_11]
    before = traded.meter(LEGACY_11)
    made = traded.change(
        lambda session: factories.add(session, Product(
            model="other", name="Other", meter_type="electricity", manufacturer="x",
            manufacturer_code=traded.rows(Product)[0].manufacturer_code,
        )).id
    )  # fmt: skip
    draft = meters.draft_of(before)
    draft = type(draft)(**{name: getattr(draft, name) for name in draft.__dataclass_fields__}
                        | {"product_id": made})  # fmt: skip
    traded.do(meters.change, {meter_id: draft}, by=SUPERVISOR)
    for _ in range(2):  # on the list again, and added again
        found = told(traded, By.PRODUCT)
        assert found == raw(traded, By.PRODUCT, ZONE)
        assert (made, "electricity") in found
        assert faults(traded) == {}
        merged(traded)


def test_a_vending_point_that_moves_takes_its_sales_along(traded):
    merged(traded)
    point = traded.utility.points[MARKET]
    north = traded.rows(VendingPoint, VendingPoint.id == traded.utility.points[HARBOUR])[0]
    traded.change(
        lambda session: setattr(session.get(VendingPoint, point), "region_id", north.region_id)
    )
    found = told(traded, By.REGION)
    assert {key for key, _kind in found} == {north.region_id}
    assert found == raw(traded, By.REGION, ZONE)
    regions = traded.rows(Region, Region.id == north.region_id)
    assert told(traded, By.DAY, region_id=regions[0].id) == raw(traded, By.DAY, ZONE)


@pytest.mark.parametrize("roll_up", ROLL_UPS, ids=lambda one: one.model.__tablename__)
def test_a_sum_that_is_not_that_of_its_records_is_found(traded, roll_up):
    merged(traded)
    assert faults(traded) == {}
    point, model = traded.utility.points[HARBOUR], roll_up.model
    for span in roll_up.spans:
        row = traded.rows(model, model.span == span, model.vending_point_id == point)[0]

        def units_are(units, row=row):
            traded.change(lambda session: setattr(session.merge(row), "units", units))

        units_are(row.units + 1)
        # a day is compared with the records, and what is longer with its days
        wrong = len(roll_up.spans) if span == Span.DAY else 1
        assert faults(traded) == {"roll_ups": [{"vending_point_id": point, "found": wrong}]}
        units_are(row.units)
    assert faults(traded) == {}


def last_bought(shop):
    """When each consumer last bought for each place, as lists and reports read it."""
    rows = shop.rows(SuppliedPlace)
    return {(row.id, row.consumer_id): row.bought_on for row in rows if row.bought_on}


def last_sold(shop):
    """The same from every sale that stands; of the places where a meter hangs."""
    days = {}
    for sale in shop.rows(Sale, Sale.kind == "sale", Sale.state == "issued"):
        key = sale.service_point_id, sale.consumer_id
        days[key] = max(days.get(key, sale.business_date), sale.business_date)
    return days


def test_a_last_purchase_is_that_of_the_sales_whoever_added_what(traded, pair):
    assert last_bought(traded) == last_sold(traded) != {}
    merged(traded)
    assert last_bought(traded) == last_sold(traded) == last_kept(traded)
    before, latest = last_sold(traded), traded.sell(LEGACY_11)
    assert last_bought(traded) == last_sold(traded) != before == last_kept(traded)
    merged(traded)
    assert last_bought(traded) == last_sold(traded) == last_kept(traded) != before
    take_back(pair, latest, "the-last")
    assert last_bought(traded) == last_sold(traded) == before != last_kept(traded)
    merged(traded)
    assert last_bought(traded) == before == last_kept(traded)
    assert faults(traded) == {}


def last_kept(shop):
    return {
        (row.service_point_id, row.consumer_id): row.bought_on
        for row in shop.rows(LastPurchase, LastPurchase.bought_on.is_not(None))
    }


def test_a_place_whose_only_purchase_was_taken_back_has_none(traded, pair):
    only = traded.sell(LEGACY_13)
    key = only.service_point_id, only.consumer_id
    merged(traded)
    assert last_bought(traded)[key] == only.business_date
    take_back(pair, only, "the-only")
    merged(traded)
    assert key not in last_bought(traded)
    assert traded.rows(LastPurchase, LastPurchase.service_point_id == key[0])[0].bought_on is None
    assert faults(traded) == {}


def test_last_purchases_are_made_anew_with_the_sums(traded):
    merged(traded)
    expected = last_sold(traded)
    traded.change(
        lambda session: session.execute(text("UPDATE last_purchase SET bought_on = NULL"))
    )
    assert {*faults(traded)} == {"last_purchase"}
    with traded.session() as session, seen_by(SYSTEM):
        rebuild(session)
    assert last_bought(traded) == last_kept(traded) == expected
    assert faults(traded) == {}


def test_an_operator_reads_the_own_sums_alone(traded):
    merged(traded)
    points = {OPERATOR: HARBOUR, SOUTH_OPERATOR: MARKET}
    expected = raw(traded, By.VENDING_POINT, ZONE)
    for who, name in points.items():
        point = traded.utility.points[name]
        mine = {place: sums for place, sums in expected.items() if place[0] == point}
        assert as_told(asked(traded, Question(FIRST, LAST, By.VENDING_POINT), who)) == mine != {}
    assert as_told(asked(traded, Question(FIRST, LAST, By.VENDING_POINT), AUDITOR)) == expected


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_worker_and_the_shell_add_what_was_sold(app, traded):
    runner, waiting = app.test_cli_runner(), traded.count(Unsummed)
    transfers = traded.count(LedgerTransfer, LedgerTransfer.state == "posted")
    with app.app_context():
        add_up()
    assert traded.count(Unsummed) == 0 < waiting
    traded.sell(LEGACY_11, units="11")
    assert runner.invoke(args=["vms", "roll-ups", "merge"]).output == "1 transfers added.\n"
    answer = runner.invoke(args=["vms", "roll-ups", "rebuild"])
    assert answer.output == f"Made anew from {transfers + 1} transfers.\n"
    assert told(traded) == raw(traded, By.VENDING_POINT, ZONE)
    task = app.extensions["celery"].conf.beat_schedule["roll-ups"]
    assert (task["task"], task["schedule"] <= 15) == (add_up.name, True)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_was_sold_before_the_upgrade_waits_to_be_added(app, traded):
    merged(traded)
    with app.app_context():
        downgrade(revision="0038")
        upgrade()
    transfers = traded.count(LedgerTransfer, LedgerTransfer.state == "posted")
    assert merged(traded) == transfers
    assert told(traded) == raw(traded, By.VENDING_POINT, ZONE)

"""The drill: backed up under load, restored elsewhere, and nothing given out twice.

Source of what must hold: SALE.md 16 "Restore, promotion, standby".
"""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.factories import (
    EPOCH,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    STS6_13,
)
from tests.services.restored import elsewhere, given_twice, sells_until, site
from tests.shop import in_threads
from vmsapp.clock import now_utc
from vmsapp.models import Installation, Sale, SaleState, TidHead
from vmsapp.scope import unscoped
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.vending import new_key
from vmsapp.services.vending.errors import FormOutdated
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import tid_from_datetime

METERS = (LEGACY_11, LEGACY_13, STS6_11)
TWO_DAYS_AND_A_MINUTE = 2_881
"""SALE.md 16: how far behind all that is known a meter's identifiers go on."""


@pytest.fixture
def place(backend, request, tmp_path):
    """URL of an empty database of the same kind."""
    if backend == "postgres":
        return request.getfixturevalue("new_postgres_database")()
    return f"sqlite:///{tmp_path / 'elsewhere' / 'vms.sqlite'}"


@pytest.fixture
def origin(shop, module, tmp_path, keystore):
    """The instance that will be lost."""
    return site(shop, tmp_path, keystore)


def backed_up_under_load(origin, to: Path):
    """Back up while four tills sell, and go on selling after."""
    done = threading.Event()

    def backup():
        try:
            return origin.backup(to)
        finally:
            done.set()

    tills = [lambda m=meter: sells_until(done.is_set, origin.shop, m) for meter in METERS]
    other = lambda: sells_until(  # noqa: E731
        done.is_set, origin.shop, SOUTHERN, by=SOUTH_OPERATOR, point=MARKET
    )
    made, *sold = in_threads(backup, other, *tills)
    assert not isinstance(made, Exception), made
    assert all(isinstance(sales, list) for sales in sold), sold
    return made


def sells(shop, count=3, *, epoch=EPOCH):
    """Three tills sell at the same time."""

    def till(meter):
        return [shop.sell(meter, key=new_key(epoch)) for _ in range(count)]

    sold = in_threads(*(lambda m=meter: till(m) for meter in METERS))
    assert all(isinstance(sales, list) for sales in sold), sold
    return [sale for sales in sold for sale in sales]


@pytest.mark.parametrize("newer_record", [True, False], ids=["record newer", "record older too"])
def test_the_drill(origin, place, tmp_path, keystore, newer_record):
    shop, clock = origin.shop, origin.shop.clock
    sells(shop)
    origin.sign_trail()
    clock.forward(minutes=1)
    backed_up_under_load(origin, tmp_path / "backup")
    origin.sign_trail()
    clock.forward(minutes=7)
    lost = sells(shop)
    assert {sale.state for sale in lost} == {SaleState.ISSUED}
    origin.sign_trail()
    highest = heads(shop)
    clock.forward(minutes=5)

    with elsewhere(
        origin, tmp_path / "backup", tmp_path / "elsewhere", place, keystore,
        newer_record=newer_record,
    ) as there:  # fmt: skip
        restored = there.shop
        before = restored.count(Sale)
        with pytest.raises(Standstill):
            restored.sell(STS6_13)
        with pytest.raises(Standstill):
            there.stand_still()
        assert restored.count(Sale) == before

        done = there.after_restore()
        assert (done.begun.epoch, done.begun.series) == (2, 2)
        here = restored.rows(Installation)[0]
        assert (here.epoch, here.receipt_series, here.standstill_since) == (2, 2, None)
        late = tid_from_datetime(now_utc(), BaseDate.Y2014) + TWO_DAYS_AND_A_MINUTE
        for key, floor in floors(restored).items():
            assert floor >= max(late, highest.get(key, 0) if newer_record else 0)
        with pytest.raises(FormOutdated):
            restored.sell(LEGACY_11, key=new_key(1))

        sold = sells(restored, epoch=2)
        assert {sale.receipt_series for sale in sold} == {2}
        for sale in sold:
            assert sale.tid >= late
        restored.reconcile()
        assert given_twice(shop, restored) == {}
        assert there.faults() == {}
    assert origin.faults() == {}


def heads(shop):
    """The highest identifier of every meter."""
    with shop.session() as session, unscoped("the test looks at everything"):
        rows = session.execute(select(TidHead.meter_pan, TidHead.base_date, TidHead.last_tid))
        return {(pan, base): tid for pan, base, tid in rows}


def floors(shop):
    """The floor of every meter."""
    with shop.session() as session, unscoped("the test looks at everything"):
        rows = session.execute(select(TidHead.meter_pan, TidHead.base_date, TidHead.floor))
        return {(pan, base): floor for pan, base, floor in rows}

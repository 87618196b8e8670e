"""The rows of a sale are locked by one statement, and still one after the other, in their order."""

import threading
import time

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from tests.factories import HARBOUR, LEGACY_11
from vmsapp.models import ServicePoint, TidHead, VendingPointAccount
from vmsapp.services.vending.reading import all_locks, point_and_account

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "order"),
    [
        (all_locks, [ServicePoint, TidHead, VendingPointAccount]),
        (point_and_account, [ServicePoint, VendingPointAccount]),
    ],
)
def test_who_waits_for_one_row_has_locked_those_before_it_and_none_behind(
    engine, shop, statement, order
):
    sale = shop.sell(LEGACY_11)
    rows = {
        ServicePoint: ServicePoint.id == sale.service_point_id,
        TidHead: (TidHead.meter_pan == sale.meter_pan) & (TidHead.base_date == sale.base_date),
        VendingPointAccount: VendingPointAccount.vending_point_id == shop.utility.points[HARBOUR],
    }
    values = {
        "service_point_id": sale.service_point_id, "meter_pan": sale.meter_pan,
        "base_date": sale.base_date, "vending_point_id": sale.vending_point_id,
    }  # fmt: skip

    def is_free(model) -> bool:
        with engine.connect() as another:
            try:
                another.execute(select(model).where(rows[model]).with_for_update(nowait=True))
            except OperationalError:
                return False
            return True

    def lock_all():
        with engine.begin() as seller:
            seller.execute(statement(), values).one()

    found = []
    for held in order:
        with engine.connect() as holder:
            holder.execute(select(held).where(rows[held]).with_for_update())
            seller = threading.Thread(target=lock_all, daemon=True)
            seller.start()
            _wait_until_somebody_waits(engine)
            found.append([is_free(model) for model in order if model is not held])
        seller.join(10)
        assert not seller.is_alive()
    last = len(order) - 1
    assert found == [[False] * n + [True] * (last - n) for n in range(len(order))]


def _wait_until_somebody_waits(engine) -> None:
    until = time.monotonic() + 10
    with engine.connect() as watcher:
        while not watcher.execute(WAITING).scalar():
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.02)

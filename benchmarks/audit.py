"""What the audit trail costs a sale, and how fast it is sealed and checked.

A sale is made with the trigger that lists its events for the sealer, and without; the
two take turns, so that what else the machine does falls on both. Then as many events as
asked for are sealed, signed and checked.

    python benchmarks/audit.py           200 sales a side, 100,000 events
    python benchmarks/audit.py --quick   30 sales a side, 5,000 events
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import insert, select

from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, db
from vmsapp.models import AuditEvent, Meter, MeterState, OfficeUser, VendingPoint
from vmsapp.scope import EVERYTHING, SYSTEM, Actor, seen_by
from vmsapp.services import vending
from vmsapp.services.audit.heads import sign
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import verify
from vmsapp.services.meters import meter_to_sell_to
from vmsapp.services.setup import installation
from vmsapp.services.vending import Purchase, SaleRequest, new_key

ROUNDS = 10
CHUNK = 5_000


def main() -> None:
    """Measure on a new instance, print figures and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sales, fewer events")
    quick = parser.parse_args().quick
    sales, events = (30, 5_000) if quick else (200, 100_000)
    with tempfile.TemporaryDirectory(prefix="vms-audit-") as folder:
        app = create_app(Settings.from_environ({
            "VMS_INSTANCE": folder, "DEMO": "1", "VMS_TOKENS_PER_METER_MINUTE": "1000000",
            "VMS_TOKENS_PER_METER_DAY": "1000000", "VMS_LOG_LEVEL": "ERROR",
        }))  # fmt: skip
        with app.app_context(), seen_by(SYSTEM):
            initialise()
            figures = sold(app, sales) | chained(app, events)
    print(json.dumps({"bench": "audit", "quick": quick} | figures))


def sold(app: Any, count: int) -> dict[str, float]:
    """Milliseconds of a sale with the list for the sealer, and without."""
    sell = seller(app)
    sell()  # everything is loaded
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for listed in (True, False):
            switch(listed=listed)
            times[listed] += [timed(sell) for _ in range(max(1, count // ROUNDS))]
    switch(listed=True)
    with_it, without = (statistics.median(times[listed]) for listed in (True, False))
    print(f"A sale takes {with_it:.1f} ms, without the list for the sealer {without:.1f} ms.")
    return {"sale_ms": round(with_it, 2), "sale_ms_without": round(without, 2)}


def switch(*, listed: bool) -> None:
    """Put the trigger in its place, or take it away."""
    with atomic(db.session()) as session:
        session.connection().exec_driver_sql("DROP TRIGGER IF EXISTS audit_event_unsealed")
        if listed:
            session.connection().exec_driver_sql(
                "CREATE TRIGGER audit_event_unsealed AFTER INSERT ON audit_event "
                "BEGIN INSERT INTO audit_unsealed (event_id) VALUES (NEW.id); END"
            )
            session.connection().exec_driver_sql(
                "INSERT OR IGNORE INTO audit_unsealed (event_id) SELECT id FROM audit_event"
                " WHERE id NOT IN (SELECT event_id FROM audit_seal)"
            )


def seller(app: Any) -> Callable[[], None]:
    """Sell to the meters of the demo utility, one after the other."""
    session = db.session()
    actor = Actor(session.scalars(select(OfficeUser.id).limit(1)).one(), "bench", EVERYTHING)
    at = session.scalars(select(VendingPoint.id).limit(1)).one()
    turns = cycle(meters_sold_to(session))
    epoch, modules = installation(session).epoch, app.extensions["vms_modules"]

    def sell() -> None:
        meter, point = meter_to_sell_to(db.session(), next(turns))
        purchase = Purchase(meter.id, "quantity", units=Decimal(5))
        priced = vending.quote(db.session(), meter, point, purchase, now_utc())
        wish = SaleRequest(
            vending_point_id=at, key=new_key(epoch), purchase=purchase,
            quote_shown=priced.quote.figures(), repeat_confirmed=True,
        )  # fmt: skip
        vending.sell(db.session(), modules, actor, wish)

    return sell


def meters_sold_to(session: Any) -> list[int]:
    """Meters that take electricity and are in use."""
    found = []
    for number in session.scalars(select(Meter.id).where(Meter.state == MeterState.ACTIVE)).all():
        meter, point = meter_to_sell_to(session, number)
        try:
            vending.quote(
                session, meter, point, Purchase(number, "quantity", units=Decimal(5)), now_utc()
            )
        except VmsError:
            continue
        found.append(number)
    return found


def chained(app: Any, count: int) -> dict[str, float]:
    """Events a second that are sealed, and checked."""
    row = {"at": now_utc(), "actor_name": "bench", "action": "bench.event", "subject": "bench",
           "details": {"before": {"name": "one"}, "after": {"name": "two"}}}  # fmt: skip
    for _ in range(0, count, CHUNK):
        with atomic(db.session()) as session:
            session.execute(insert(AuditEvent), [row] * min(CHUNK, count))
    registry = app.extensions["vms_modules"]
    sealing = timed(lambda: seal(db.session()))
    sign(db.session(), registry)
    found = []
    checking = timed(lambda: found.append(verify(db.session(), registry)))
    assert found[0].fault is None
    a_second = {"sealed_per_s": round(count / sealing * 1000),
                "checked_per_s": round(found[0].events / checking * 1000)}  # fmt: skip
    print(f"Sealed {a_second['sealed_per_s']:,} events/s, checked {a_second['checked_per_s']:,}.")
    return a_second


def timed(deed: Callable[[], object]) -> float:
    """Milliseconds a deed takes."""
    began = time.perf_counter()
    deed()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()

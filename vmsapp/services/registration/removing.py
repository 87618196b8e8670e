"""Deleting a meter that was registered by mistake."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from vmsapp.extensions import atomic
from vmsapp.models import Meter, SpentTid, TidHead
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.registration.meter_checks import known, recorded
from vmsapp.services.registration.meter_errors import MeterHasHistory
from vmsapp.services.registration.meter_locks import lock_meters
from vmsapp.services.registration.meters import COLUMNS, draft_of
from vmsapp.services.rows import referred_to
from vmsapp.sts import identifiers


def remove(session: Session, actor: Actor, meter_id: int) -> None:
    """Delete a meter that was never in use: it was registered by mistake.

    Raises:
        MeterHasHistory: It was; it is retired instead.
    """
    with atomic(session):
        meter = lock_meters(session, [meter_id])[meter_id]
        spent = select(SpentTid.tid).where(SpentTid.meter_pan == meter.meter_pan).limit(1)
        if session.scalar(spent) is not None or referred_to(session, Meter, [meter_id]):
            raise MeterHasHistory(number=identifiers.drn.format(meter.drn))
        facts = known(session, [draft_of(meter)])
        before = recorded({name: getattr(meter, name) for name in COLUMNS}, facts)
        # a floor belongs to the number: should the meter come again, it counts again
        session.execute(
            delete(TidHead).where(TidHead.meter_pan == meter.meter_pan, TidHead.floor == 0)
        )
        session.delete(meter)
        audit.record(session, actor, "meter.deleted", "meter", meter_id, before=before)

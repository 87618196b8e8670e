"""Deleting a meter that was registered by mistake."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from vmsapp.extensions import atomic
from vmsapp.models import EngineeringRefusal, KeyChange, MeterInstallation, SpentTid, TidHead
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.registration.meter_checks import known, recorded
from vmsapp.services.registration.meter_errors import MeterHasHistory
from vmsapp.services.registration.meter_locks import lock_meters
from vmsapp.services.registration.meters import COLUMNS, draft_of
from vmsapp.sts import identifiers


def remove(session: Session, actor: Actor, meter_id: int) -> None:
    """Delete a meter that was never in use: it was registered by mistake.

    Raises:
        MeterHasHistory: It was; it is retired instead.
    """
    with atomic(session):
        meter = lock_meters(session, [meter_id])[meter_id]
        spent = select(SpentTid.tid).where(SpentTid.meter_pan == meter.meter_pan).limit(1)
        linked = select(MeterInstallation.id).where(MeterInstallation.meter_id == meter_id).limit(1)
        changed = select(KeyChange.id).where(KeyChange.meter_id == meter_id).limit(1)
        refusal = EngineeringRefusal.__table__.c  # past the scope: other points' count, too
        refused = select(refusal.id).where(refusal.meter_id == meter_id).limit(1)
        if any(session.scalar(found) is not None for found in (spent, linked, changed, refused)):
            raise MeterHasHistory(number=identifiers.drn.format(meter.drn))
        facts = known(session, [draft_of(meter)])
        before = recorded({name: getattr(meter, name) for name in COLUMNS}, facts)
        # a floor belongs to the number: should the meter come again, it counts again
        session.execute(
            delete(TidHead).where(TidHead.meter_pan == meter.meter_pan, TidHead.floor == 0)
        )
        session.delete(meter)
        audit.record(session, actor, "meter.deleted", "meter", meter_id, before=before)

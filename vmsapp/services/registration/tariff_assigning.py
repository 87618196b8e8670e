"""Giving many meters a tariff at once."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.many import Outcome
from vmsapp.services.registration.meter_checks import Known, known, recorded
from vmsapp.services.registration.meter_locks import busy, lock_both
from vmsapp.services.registration.meters import COLUMNS, draft_of, today_of, write
from vmsapp.sts import identifiers


def assign(session: Session, actor: Actor, meter_ids: Iterable[int], tariff_id: int) -> Outcome:
    """Give meters a tariff, those that can have it; at their places it counts from today on.

    Args:
        session: In the actor's scope.
        actor: Who does it.
        meter_ids: Which meters.
        tariff_id: The tariff.

    Raises:
        NoSuchMeter: One is not there, or out of sight.
        MeterMoved: One was bound or unbound at this moment.
        TariffMissing: There is no such tariff.
    """
    with atomic(session):
        points, meters = lock_both(session, meter_ids)
        drafts = [draft_of(meter) for meter in meters.values()]
        facts = known(
            session, [*drafts, *(replace(one, tariff_id=tariff_id) for one in drafts[:1])]
        )
        if tariff_id not in facts.tariffs:
            raise wrong.TariffMissing
        selling = busy(session, meters.values())
        kept = {
            meter.id: error
            for meter in meters.values()
            if (error := _against(meter, tariff_id, facts, busy=meter.id in selling))
        }
        today, done = today_of(session), [key for key in meters if key not in kept]
        for meter in (meters[key] for key in done if meters[key].tariff_id != tariff_id):
            before = {name: getattr(meter, name) for name in COLUMNS}
            after = before | {"tariff_id": tariff_id}
            write(meter, after, points.get(meter.id), today)
            audit.record(
                session, actor, "meter.changed", "meter", meter.id,
                before=recorded(before, facts), after=recorded(after, facts),
            )  # fmt: skip
        session.flush()
    return Outcome(now_utc(), done, kept)


def _against(meter: Meter, tariff_id: int, facts: Known, *, busy: bool) -> VmsError | None:
    """Say what speaks against it, if anything does."""
    number = identifiers.drn.format(meter.drn)
    name, kind, retired = facts.tariffs[tariff_id]
    if meter.state == MeterState.RETIRED:
        return wrong.MeterRetired(number=number)
    if kind != meter.meter_type:
        return wrong.TariffOfOtherType(tariff=name, tariff_type=kind, meter_type=meter.meter_type)
    if retired and meter.tariff_id != tariff_id:
        return wrong.TariffRetired(tariff=name)
    return wrong.MetersBusy(number=number) if busy else None

"""Correct the record: a meter's number or key parameters were written down wrongly.

Nothing changes in the meter; only what is known of it here. Once tokens were made that takes a
reason and a second person, always.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput
from vmsapp.models import Meter
from vmsapp.scope import Actor
from vmsapp.security import Permission
from vmsapp.services import audit
from vmsapp.services.approvals.deed import ChangedSinceAsked, Deed, Line, Place
from vmsapp.services.key_changes.errors import ChangeOpen
from vmsapp.services.key_changes.in_force import is_open
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.faults import FaultyRows
from vmsapp.services.registration.meter_checks import YEARS, known
from vmsapp.services.registration.meter_locks import lock_both, refuse_busy
from vmsapp.services.registration.meters import FIXED, changed_rows
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers

MAY_CORRECT: Final[Permission] = ("can_correct", "Meters")
MAX_REASON: Final = 255

LABELS: Final = {
    "drn": N_("Meter number"), "algorithm": N_("Algorithm"),
    "ea": N_("Encryption algorithm (EA)"), "sgc": N_("Supply group code (SGC)"),
    "krn": N_("Key revision number (KRN)"), "ti": N_("Tariff index (TI)"),
    "kt": N_("Key type (KT)"), "base_date": N_("Base date"),
}  # fmt: skip


class NothingCorrected(InvalidInput):
    """The record says so already."""

    code = "nothing_corrected"
    message = N_("The record says so already. Change what is wrong in it.")


class CorrectionReasonMissing(InvalidInput):
    """Whoever approves it must be able to tell why."""

    code = "correction_reason_missing"
    message = N_("Say what was wrong, and how that is known.")
    field = "reason"


@dataclass(frozen=True, slots=True)
class Correction:
    """What the record of a meter should have said.

    Attributes:
        was: What it said when the form was opened, as ``written``; nothing in what was asked for
            before this was kept, which is to be asked for anew.
    """

    meter_id: int
    number: str
    algorithm: str
    ea: int
    sgc: str
    krn: int
    ti: str
    kt: int
    base_date: str
    reason: str
    was: str = ""


def written(meter: Meter) -> str:
    """Write what a correction overwrites, as the record says it."""
    return ", ".join(f"{name} {getattr(meter, name)}" for name in FIXED)


def _meter(session: Session, meter_id: int) -> Meter:
    found = session.scalars(select(Meter).where(Meter.id == meter_id)).first()
    if found is None:
        raise NoSuchMeter
    return found


def _draft(meter: Meter, params: Correction) -> MeterDraft:
    return MeterDraft(
        number=params.number, algorithm=params.algorithm, ea=params.ea, sgc=params.sgc,
        krn=params.krn, ti=params.ti, kt=params.kt, base_date=params.base_date,
        product_id=meter.product_id, region_id=meter.region_id, tariff_id=meter.tariff_id,
        credit_mode=meter.credit_mode, tct=meter.tct,
    )  # fmt: skip


def _row(session: Session, meter: Meter, params: Correction) -> dict[str, Any]:
    """Write what the row is to be.

    Raises:
        FaultyRows: With all that is wrong.
        NothingCorrected: It is so already.
    """
    draft = _draft(meter, params)
    facts = known(session, [draft])
    rows, faults = changed_rows(session, [meter], [draft], {}, facts, correcting=True)
    if faults:
        raise FaultyRows(faults)
    changed = {name: rows[0][name] for name in (*FIXED, "meter_pan")}
    if all(getattr(meter, name) == value for name, value in changed.items()):
        raise NothingCorrected
    return changed


def _check(session: Session, _actor: Actor, params: Correction) -> None:
    _points, meters = lock_both(session, [params.meter_id])
    meter = meters[params.meter_id]
    if not params.reason.strip():
        raise CorrectionReasonMissing
    if meter.state == "retired":
        raise wrong.MeterRetired(number=identifiers.drn.format(meter.drn))
    refuse_busy(session, [meter])
    if is_open(session, meter.meter_pan):
        raise ChangeOpen(drn=identifiers.drn.format(meter.drn))
    if params.was != written(meter):
        raise ChangedSinceAsked
    _row(session, meter, params)


def _run(session: Session, actor: Actor, params: Correction, _key: str) -> None:
    meter = _meter(session, params.meter_id)
    row = _row(session, meter, params)
    before = {name: getattr(meter, name) for name in row}
    for name, value in row.items():
        setattr(meter, name, value)
    session.flush()
    audit.record(
        session, actor, "meter.corrected", "meter", meter.id, drn=meter.drn,
        reason=params.reason, before=before, after=row,
    )  # fmt: skip


def _describe(session: Session, params: Correction) -> Sequence[Line]:
    meter = _meter(session, params.meter_id)
    wanted = replace(params, base_date=params.base_date or meter.base_date)
    lines = [Line(N_("Meter"), identifiers.drn.format(meter.drn))]
    for name, label in LABELS.items():
        after, before = getattr(wanted, "number" if name == "drn" else name), getattr(meter, name)
        lines.append(Line(label, _shown(name, after), _shown(name, before)))
    return [*lines, Line(N_("Reason"), params.reason)]


def _shown(name: str, value: object) -> str:
    if name == "drn":
        return identifiers.drn.format(str(value))
    return YEARS.get(str(value), str(value)) if name == "base_date" else str(value).upper()


CORRECT: Final = Deed(
    action="meter.correct",
    label=N_("Correct the record of a meter"),
    params=Correction,
    permission=MAY_CORRECT,
    place=lambda session, params: Place(region_id=_meter(session, params.meter_id).region_id),
    amount_minor=None,
    describe=_describe,
    check=_check,
    run=_run,
    asks=lambda _session, _params: True,
)

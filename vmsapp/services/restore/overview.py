"""What the last restore found: when it was, what was settled by itself, what is left to a person.

A token is of the lost interval if a journal has it, nobody sold it here, and it was made before
the instance began anew. One that was made later is no trace of a restore, and stands in the
token journal alone.

Source: SALE.md 16 "Restore, promotion, standby".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from vmsapp.errors import Refused
from vmsapp.models import AuditEvent, FindingKind, Installation, JournalFinding, Meter
from vmsapp.services.restore.booking import MeterLost, NotToBook
from vmsapp.services.rows import parts

SALES: Final = "S-"
"""How requests of credit tokens are named here."""
OVER: Final = "restore.over"
MARKS: Final = ("restore.made", "restore.noticed", "restore.begun_anew", OVER)
"""What the audit trail tells of a restore, in the order in which it happens."""
MOST_MARKS: Final = 20
"""Of one restore: the procedure may have been broken off a few times."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The last restore.

    Attributes:
        still_since: Since when all stand still; None where selling goes on.
        noticed_at: When a backup was restored, or that was noticed; None where it is not told.
        why: How it was found out, of ``standstill.WHYS``.
        backup_of: When the backup was made; None where no backup of ours was restored here.
        over_at: When selling went on; None while all stand still.
        told: What ``restore.over`` keeps: reason, sales, engineering, key_changes, findings.
        epoch, series: Of the installation and of its receipts now.
        to_book, booked, settled: Tokens of the lost interval by what became of them; those that
            are settled without a sale are no sale, or nobody knows whose.
    """

    still_since: datetime | None
    noticed_at: datetime | None
    why: str | None
    backup_of: datetime | None
    over_at: datetime | None
    epoch: int
    series: int
    to_book: int = 0
    booked: int = 0
    settled: int = 0
    told: Mapping[str, Any] = field(default_factory=dict)


def lost() -> ColumnElement[bool]:
    """State which findings are tokens of the lost interval; none where nothing was restored."""
    begun = select(Installation.begun_anew_at).where(Installation.id == 1).scalar_subquery()
    return and_(JournalFinding.kind == FindingKind.NOT_SOLD, JournalFinding.made_at <= begun)


def look(session: Session) -> Overview | None:
    """Read what the last restore found.

    Args:
        session: Within the scope of who asks; findings and trail are for those who see everything.

    Returns:
        None where nothing was ever restored.
    """
    here = session.execute(
        select(
            Installation.standstill_since, Installation.standstill_why, Installation.begun_anew_at,
            Installation.epoch, Installation.receipt_series,
        ).where(Installation.id == 1)
    ).one_or_none()  # fmt: skip
    if here is None or (here.standstill_since is None and here.begun_anew_at is None):
        return None
    marks = _marks(session, still=here.standstill_since is not None)
    made, noticed, over = (marks.get(name) for name in ("restore.made", "restore.noticed", OVER))
    first = made or noticed
    why = here.standstill_why
    if why is None and first is not None:
        why = "told" if made else first.details.get("why")
    return Overview(
        here.standstill_since,
        first.at if first else here.standstill_since,
        why,
        datetime.fromisoformat(made.details["backup_of"]) if made else None,
        over.at if over else None,
        here.epoch,
        here.receipt_series,
        *_counts(session),
        over.details if over else {},
    )


def obstacles(session: Session, findings: Iterable[JournalFinding]) -> dict[int, Refused]:
    """Tell of findings why no sale of theirs can be booked, as far as the database knows.

    Returns:
        By the finding's number: a set or an engineering token, or its meter is not here.
    """
    findings = list(findings)
    numbers = sorted({one.meter_pan for one in findings if one.meter_pan is not None})
    here: set[str] = set()
    for some in parts(numbers):
        here.update(session.scalars(select(Meter.meter_pan).where(Meter.meter_pan.in_(some))))
    found: dict[int, Refused] = {}
    for one in findings:
        if not one.request_id.startswith(SALES) or one.meter_pan is None:
            found[one.id] = NotToBook()
        elif one.meter_pan not in here:
            found[one.id] = MeterLost(meter_pan=one.meter_pan)
    return found


def _marks(session: Session, *, still: bool) -> dict[str, AuditEvent]:
    """Find what the trail tells of the last restore, by action.

    Args:
        session: As above.
        still: All stand still: the last ``restore.over`` was of the restore before.
    """
    newest: Sequence[AuditEvent] = session.scalars(
        select(AuditEvent)
        .where(AuditEvent.subject == "installation", AuditEvent.subject_id == "1")
        .where(AuditEvent.action.in_(MARKS))
        .order_by(AuditEvent.id.desc())
        .limit(MOST_MARKS)
    ).all()
    found: dict[str, AuditEvent] = {}
    for event in newest:
        if event.action == OVER and (still or OVER in found):
            break
        found[event.action] = event
    return found


def _counts(session: Session) -> tuple[int, int, int]:
    row = session.execute(
        select(
            func.count().filter(JournalFinding.settled_at.is_(None)),
            func.count().filter(JournalFinding.sale_id.is_not(None)),
            func.count().filter(
                JournalFinding.settled_at.is_not(None), JournalFinding.sale_id.is_(None)
            ),
        ).where(lost())
    ).one()
    return row[0], row[1], row[2]

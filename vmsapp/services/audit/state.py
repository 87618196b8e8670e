"""How the chain is: what the page of the trail and the shell tell of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from vmsapp.models import AuditHead, Job
from vmsapp.services.audit.chain import events, seals
from vmsapp.services.audit.sealer import unsealed

SIGNING: Final = "audit.sign"
VERIFYING: Final = "audit.verify"


@dataclass(frozen=True, slots=True)
class ChainState:
    """How the chain is.

    Attributes:
        sealed: Events in the chain.
        sealed_at: Time of the last of them.
        waiting: Events that have no place yet.
        waiting_since: Time of the oldest of them.
        signed: Place of the last signed head; None before the first.
        signed_at, signed_by: When, and which module.
        signing_error: Why the last signing failed, a class's name.
        verified_at: When the last nightly check ended.
        verified: What it found, as ``Verification.as_json``.
        verifying_error: Why it could not be carried out.
    """

    sealed: int
    sealed_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    signed: int | None
    signed_at: datetime | None
    signed_by: str | None
    signing_error: str | None
    verified_at: datetime | None
    verified: dict[str, Any]
    verifying_error: str | None

    @property
    def checked(self) -> bool:
        """Whether there was a check that came to its end."""
        return "fault" in self.verified

    @property
    def fault(self) -> tuple[str, int] | None:
        """What the last check found wrong: code and place."""
        found = self.verified.get("fault")
        return (str(found[0]), int(found[1])) if found else None


def chain_state(session: Session) -> ChainState:
    """Read it, in two statements."""
    last = select(func.max(seals.c.place)).scalar_subquery()
    signed = AuditHead.__table__
    head = select(func.max(AuditHead.id)).scalar_subquery()
    sealed_at = (
        select(events.c.at)
        .join(seals, seals.c.event_id == events.c.id)
        .where(seals.c.place == last)
        .scalar_subquery()
    )
    waiting = select(func.count()).select_from(unsealed).scalar_subquery()
    oldest = (
        select(func.min(events.c.at))
        .join(unsealed, unsealed.c.event_id == events.c.id)
        .scalar_subquery()
    )
    newest = select(literal(1)).subquery().outerjoin(signed, signed.c.id == head)
    (place, at, count, since, signed_place, signed_at, signed_by) = session.execute(
        select(
            func.coalesce(last, 0), sealed_at, waiting, oldest,
            signed.c.place, signed.c.signed_at, signed.c.module_name,
        ).select_from(newest)
    ).one()  # fmt: skip
    wanted = select(Job).where(Job.kind.in_((SIGNING, VERIFYING)), Job.recurring)
    jobs = {job.kind: job for job in session.scalars(wanted)}
    signing, verifying = jobs.get(SIGNING), jobs.get(VERIFYING)
    return ChainState(
        sealed=place,
        sealed_at=at,
        waiting=count,
        waiting_since=since,
        signed=signed_place,
        signed_at=signed_at,
        signed_by=signed_by,
        signing_error=signing.error if signing else None,
        verified_at=verifying.finished_at if verifying else None,
        verified=verifying.result if verifying else {},
        verifying_error=verifying.error if verifying else None,
    )

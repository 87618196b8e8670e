"""How the chain is: what the page of the trail and the shell tell of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
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
    def fault(self) -> tuple[str, int] | None:
        """What the last check found wrong: code and place."""
        found = self.verified.get("fault")
        return (str(found[0]), int(found[1])) if found else None


def chain_state(session: Session) -> ChainState:
    """Read it, in three statements."""
    last = select(func.max(seals.c.place)).scalar_subquery()
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
    one = select(func.coalesce(last, 0), sealed_at, waiting, oldest)
    signed = select(AuditHead.place, AuditHead.signed_at, AuditHead.module_name)
    chain = session.execute(one).one()
    newest = session.execute(signed.where(AuditHead.id == head)).first()
    wanted = select(Job).where(Job.kind.in_((SIGNING, VERIFYING)), Job.recurring)
    jobs = {job.kind: job for job in session.scalars(wanted)}
    signing, verifying = jobs.get(SIGNING), jobs.get(VERIFYING)
    return ChainState(
        sealed=chain[0],
        sealed_at=chain[1],
        waiting=chain[2],
        waiting_since=chain[3],
        signed=newest.place if newest else None,
        signed_at=newest.signed_at if newest else None,
        signed_by=newest.module_name if newest else None,
        signing_error=signing.error if signing else None,
        verified_at=verifying.finished_at if verifying else None,
        verified=verifying.result if verifying else {},
        verifying_error=verifying.error if verifying else None,
    )

"""How the chain is: what the page of the trail and the shell tell of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, literal, select
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
    """Read it, in one statement."""
    last = select(func.max(seals.c.place)).scalar_subquery()
    signed = AuditHead.__table__
    signing, verifying = Job.__table__.alias("signing"), Job.__table__.alias("verifying")
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
    newest = (
        select(literal(1)).subquery().outerjoin(signed, signed.c.id == head)
        .outerjoin(signing, and_(signing.c.kind == SIGNING, signing.c.recurring))
        .outerjoin(verifying, and_(verifying.c.kind == VERIFYING, verifying.c.recurring))
    )  # fmt: skip
    found = session.execute(
        select(
            func.coalesce(last, 0).label("sealed"), sealed_at.label("sealed_at"),
            waiting.label("waiting"), oldest.label("waiting_since"),
            signed.c.place.label("signed"), signed.c.signed_at,
            signed.c.module_name.label("signed_by"), signing.c.error.label("signing_error"),
            verifying.c.finished_at.label("verified_at"), verifying.c.result.label("verified"),
            verifying.c.error.label("verifying_error"),
        ).select_from(newest)
    ).one()._asdict()  # fmt: skip
    return ChainState(**found | {"verified": found["verified"] or {}})

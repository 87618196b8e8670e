"""Who looks up how much: each look-up is on record, and a person has only so many.

Digits that are tried one after the other would tell a key's tokens from others; no desk needs
so many.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import AuditEvent, Meter, OfficeUser
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.rows import lock
from vmsapp.services.token_desk.errors import TooManyLookUps
from vmsapp.services.token_desk.records import Made

LOOK_UPS: Final = 30
WITHIN: Final = timedelta(minutes=10)
SHOWN: Final = 4
"""Last digits that a record keeps: enough to tell it from its neighbours, and no token."""


def note(
    session: Session, actor: Actor, digits: str, meter: Meter | None, made: Made | None
) -> None:
    """Put a look-up on record before anything of it is told.

    Raises:
        TooManyLookUps: This person had as many as there are, lately.
    """
    with unscoped("everybody's own look-ups are counted"), atomic(session):
        lock(session, OfficeUser, OfficeUser.id == actor.user_id)
        since = now_utc() - WITHIN
        count = session.scalar(
            select(func.count())
            .select_from(AuditEvent)
            .where(AuditEvent.actor_id == actor.user_id, AuditEvent.action == "token.looked_up")
            .where(AuditEvent.at > since)
        )
        if (count or 0) >= LOOK_UPS:
            raise TooManyLookUps(count=LOOK_UPS, minutes=WITHIN // timedelta(minutes=1))
        audit.record(
            session, actor, "token.looked_up", "meter" if meter else "token", meter and meter.id,
            drn=meter and meter.drn, ends_in=digits[-SHOWN:], found=made and made.kind.value,
            sale_id=made and made.sale_id, change_id=made and made.change_id,
        )  # fmt: skip

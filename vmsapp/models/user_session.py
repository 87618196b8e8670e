"""Signed-in sessions: a row for each browser in which somebody signed in.

The browser keeps a random ticket in its signed cookie. The row keeps the ticket's hash
alone, so that nobody signs in with what can be read in the database.
"""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import BindParameter, CheckConstraint, ColumnElement, ForeignKey, String, and_
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Moment, UtcDateTime

Bound = datetime | BindParameter[datetime]
"""A moment that a row's is compared with."""

ABSOLUTE_LIMIT: Final = timedelta(hours=12)
"""A session ends so long after signing in, however much it is used."""

SEEN_EVERY: Final = timedelta(minutes=5)
"""How often the last use is written down; it may be so much later than the row says."""


class EndedWhy(StrEnum):
    """Why a session was ended before its time."""

    SIGNED_OUT = "signed_out"
    ENDED = "ended"
    NEW_PASSWORD = "new_password"  # noqa: S105 - a code
    INACTIVE = "inactive"
    SECOND_FACTOR = "second_factor"


class UserSession(Model):
    """One signed-in browser. ``device`` names browser and system, as far as they are known."""

    __tablename__ = "user_session"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ck_user_session_ended"),
    )

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    ticket_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[Moment]
    seen_at: Mapped[Moment]
    address: Mapped[str | None] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(120))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_why: Mapped[str | None] = mapped_column(String(40))

    @classmethod
    def live_at(cls, now: datetime, idle: timedelta) -> ColumnElement[bool]:
        """State which rows are sessions that still count.

        Args:
            now: The moment asked about.
            idle: How long a session may rest; up to ``SEEN_EVERY`` more is allowed, as
                the last use is written down no more often.
        """
        return cls.live_after(**live_bounds(now, idle))

    @classmethod
    def live_after(cls, created_after: Bound, seen_after: Bound) -> ColumnElement[bool]:
        """State the same by the two bounds that ``live_bounds`` gives."""
        return and_(
            cls.ended_at.is_(None), cls.created_at > created_after, cls.seen_at > seen_after
        )


def live_bounds(now: datetime, idle: timedelta) -> dict[str, datetime]:
    """After which moments a session that counts at ``now`` was begun, and used last."""
    return {"created_after": now - ABSOLUTE_LIMIT, "seen_after": now - idle - SEEN_EVERY}


def hash_of(ticket: str) -> str:
    """Hash a ticket the way its row keeps it; 32 random bytes need no salt."""
    return hashlib.sha256(ticket.encode()).hexdigest()

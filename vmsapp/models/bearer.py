"""Bearers of programs: what an app, a bank or a kiosk shows with every request.

A program works under an account of its own. The row keeps the bearer's hash alone, so that
nobody sells with what can be read in the database.
"""

import hashlib
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Select, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Moment, UtcDateTime
from vmsapp.models.user import OfficeUser
from vmsapp.scope import ScopedMixin, Sight


class BearerScope(StrEnum):
    """What a bearer may be used for; its account must be permitted it, too."""

    METERS_READ = "meters:read"
    QUOTES_READ = "quotes:read"
    SALES_WRITE = "sales:write"
    SALES_READ = "sales:read"
    TOKENS_READ = "tokens:read"


class BearerState(StrEnum):
    """Whether a bearer counts; told by its time stamps."""

    VALID = "valid"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Bearer(ScopedMixin, Model):
    """One bearer of an account.

    Attributes:
        name: What it is for, in an administrator's words.
        mark: How it begins; that much is shown again.
        scopes: Of ``BearerScope``, with spaces between.
        used_at: When it was used last; it may be so much later as ``SEEN_EVERY`` says.
    """

    __tablename__ = "bearer"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    mark: Mapped[str] = mapped_column(String(16))
    bearer_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str] = mapped_column(String(120))
    made_at: Mapped[Moment]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    expires_at: Mapped[Moment]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    @property
    def all_scopes(self) -> frozenset[BearerScope]:
        """What it may be used for."""
        return frozenset(map(BearerScope, self.scopes.split()))

    def state_at(self, moment: datetime) -> BearerState:
        """Tell whether it counts at ``moment``."""
        if self.withdrawn_at is not None:
            return BearerState.WITHDRAWN
        return BearerState.VALID if moment < self.expires_at else BearerState.EXPIRED

    @classmethod
    def counting(cls, user_id: int, moment: datetime) -> Select[int]:
        """Select the ids of an account's bearers that count at ``moment``."""
        return select(cls.id).where(
            cls.user_id == user_id, cls.withdrawn_at.is_(None), cls.expires_at > moment
        )

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the accounts that are seen."""
        seen = select(OfficeUser.id).where(OfficeUser.visible_to(sight))
        return cls.user_id.in_(seen)

    def inside(self, session: Session, sight: Sight) -> bool:
        """Its account must be seen."""
        found = session.scalars(select(OfficeUser.id).where(OfficeUser.id == self.user_id))
        return found.first() is not None

    def __repr__(self) -> str:
        return f"Bearer(id={self.id}, mark={self.mark!r})"


def hash_of(bearer: str) -> str:
    """Hash a bearer the way its row keeps it; 32 random bytes need no salt."""
    return hashlib.sha256(bearer.encode()).hexdigest()

"""Users and user groups: the framework's, with what a utility needs to know of them.

A user group is one of the framework's roles. Its two columns are added to the framework's
own class: a subclass would be a second class for the same rows, and a user's groups would
be read as either, by which of the two was asked for first.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from flask_appbuilder.security.sqla.models import User as FrameworkUser
from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    LargeBinary,
    ScalarSelect,
    String,
    case,
    select,
    true,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import region_table
from vmsapp.models.region import Region
from vmsapp.models.types import Id, UtcDateTime
from vmsapp.models.vending_point import VendingPoint
from vmsapp.scope import ScopedMixin, Sight, below

Role.description = mapped_column(String(255))
Role.ready_made = mapped_column(String(40), unique=True, index=True)
"""Which of the groups that come with the product it is; ``None`` for an administrator's own."""


class UserState(StrEnum):
    """Whether a person may sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LOCKED = "locked"


class OfficeUser(ScopedMixin, FrameworkUser):
    """A person who works with the system.

    Attributes:
        all_regions: Sees everything; without it a user without region sees nothing.
        active: False for a suspended account.
        locked_until: Nobody signs in before; set after too many wrong passwords.
        must_change_password: Only the page for a new password is open.
        session_epoch: Goes up whenever all sessions end; bearers name theirs.
        code_hash, code_until: A one-time code in the place of a forgotten password.
        totp_secret: Sealed; counts once ``totp_since`` is set.
        totp_step: The last time step whose code was used: none is used twice.
        hints_read, shows_hints: Hints to who sees a page for the first time.
        single_keys: A sign by itself does something outside of fields.
    """

    __tablename__ = "ab_user"

    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    all_regions: Mapped[bool] = mapped_column(default=False)
    language: Mapped[str | None] = mapped_column(String(8))
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    must_change_password: Mapped[bool] = mapped_column(default=False)
    session_epoch: Mapped[int] = mapped_column(default=0)
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary(128))
    totp_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    totp_step: Mapped[int | None]
    hints_read: Mapped[str] = mapped_column(String(120), default="", server_default="")
    shows_hints: Mapped[bool] = mapped_column(default=True, server_default=true())
    single_keys: Mapped[bool] = mapped_column(default=True, server_default=true())

    region: Mapped[Region | None] = relationship(lazy="raise_on_sql")
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")

    @property
    def group(self) -> str:
        """Name of the user group."""
        return ", ".join(sorted(role.name for role in self.roles))

    def state_at(self, moment: datetime) -> UserState:
        """Tell whether the person may sign in at ``moment``."""
        if not self.active:
            return UserState.SUSPENDED
        locked = self.locked_until is not None and self.locked_until > moment
        return UserState.LOCKED if locked else UserState.ACTIVE

    @classmethod
    def state_in_sql(cls, moment: datetime) -> ColumnElement[str]:
        """The same in a statement."""
        return case(
            (cls.active.is_(False), UserState.SUSPENDED.value),
            (cls.locked_until > moment, UserState.LOCKED.value),
            else_=UserState.ACTIVE.value,
        )

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the region and below; at a vending point, those of the point."""
        regions = select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        seen = cls.all_regions.is_(False) & cls.region_id.in_(regions)
        if sight.vending_point_id is not None:
            seen &= cls.vending_point_id == sight.vending_point_id
        return seen

    def inside(self, session: Session, sight: Sight) -> bool:
        """The user's region must be seen; who sees everything is above all regions."""
        if self.all_regions or self.region_id is None:
            return False
        if sight.vending_point_id not in {None, self.vending_point_id}:
            return False
        found = session.scalars(select(Region.id).where(Region.id == self.region_id))
        return found.first() is not None


def username_of(user_id: Any) -> ScalarSelect[str]:  # noqa: ANN401 - a column with a user's id
    """Select a user's name, which stands beside a deed also for who sees no other users."""
    users = OfficeUser.__table__.c
    return select(users.username).where(users.id == user_id).scalar_subquery()


class RecoveryCode(Model):
    """One of the codes that stand in for a lost telephone, each once.

    The row keeps a keyed hash: the codes are short enough to be tried.
    """

    __tablename__ = "recovery_code"

    id: Mapped[Id]
    user_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


__all__ = ["OfficeUser", "RecoveryCode", "Role", "UserState"]

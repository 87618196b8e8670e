"""Engineering tokens: those that manage one meter, and those that any meter obeys.

A token that manages a meter goes through the phases of a sale, without money: reserved with
every input of its digits, then issued or failed. What was refused before that is kept in a
table of its own. Test tokens need no key; which were made, when and by whom is kept.

Source: SALE.md, "2. Reserve stores every input", "10. Key change".
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, column_property, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.key_change import KeyChange, OfMeter
from vmsapp.models.meter import Meter
from vmsapp.models.mixins import region_table
from vmsapp.models.region import Region
from vmsapp.models.types import Id, Moment, Text, UtcDateTime
from vmsapp.models.user import username_of
from vmsapp.models.vending_point import VendingPoint
from vmsapp.scope import ScopedMixin, Sight, below


class EngineeringState(StrEnum):
    """What an engineering token is."""

    RESERVED = "reserved"
    """The module is asked; no digits have left."""
    ISSUED = "issued"
    FAILED = "failed"
    """The module made none."""


ENGINEERING_MOVES: Final[dict[EngineeringState, frozenset[EngineeringState]]] = {
    EngineeringState.RESERVED: frozenset({EngineeringState.ISSUED, EngineeringState.FAILED}),
    EngineeringState.ISSUED: frozenset(),
    EngineeringState.FAILED: frozenset(),
}
"""The allowed moves; every other is a mistake."""

MAY_BE_MADE: Final = (EngineeringState.RESERVED, EngineeringState.ISSUED)
"""States of tokens that were made, or may have been."""


class OfMeterAndPoint(OfMeter):
    """Seen by whoever sees the meter; who has a vending point sees what was done there alone."""

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the meters in the region, at the own vending point if there is one."""
        seen = super().visible_to(sight)
        if sight.vending_point_id is None:
            return seen
        here: ColumnElement[bool] = cls.vending_point_id == sight.vending_point_id  # type: ignore[attr-defined]
        return and_(seen, here)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The meter must be seen, and the vending point be the own one."""
        own = sight.vending_point_id
        return (own is None or self.vending_point_id == own) and super().inside(  # type: ignore[attr-defined]
            session, sight
        )


class EngineeringToken(OfMeterAndPoint, Model):
    """One token that manages a meter, and what became of it.

    Attributes:
        vending_point_id: The maker's own; none for who has none.
        epoch: Of the installation when the form was made.
        function: Stable code of what the meter will do.
        wanted: The value as it was asked for: watts, a register, a rate, an index with its data.
        value: The 16 bits the token carries of it.
        key_change_id: The set that goes before it.
        attempt: Times the module was asked under another id; the last part of ``request_id``.
        doubt_at: Since when the worker settles it.
        shown_at: Since when its digits may have left.
    """

    __tablename__ = "engineering_token"
    __table_args__ = (
        CheckConstraint(
            "state IN ('reserved', 'issued', 'failed')", name="ck_engineering_token_state"
        ),
        CheckConstraint("tid BETWEEN 0 AND 16777215", name="ck_engineering_token_tid"),
        CheckConstraint("rnd BETWEEN 0 AND 15", name="ck_engineering_token_rnd"),
        CheckConstraint("value BETWEEN 0 AND 65535", name="ck_engineering_token_value"),
        Index(
            "uq_engineering_token_reserved", "meter_pan", unique=True,
            sqlite_where=text("state = 'reserved'"), postgresql_where=text("state = 'reserved'"),
        ),
    )  # fmt: skip

    id: Mapped[Id]
    meter_pan: Mapped[str] = mapped_column(String(18))
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), default=EngineeringState.RESERVED)
    form_key: Mapped[str] = mapped_column(String(60), unique=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int]
    function: Mapped[str] = mapped_column(String(20), index=True)
    wanted: Mapped[int]
    reason: Mapped[Text]

    # every input of the token; issue and every retry read these alone
    sgc: Mapped[str] = mapped_column(String(6))
    krn: Mapped[int]
    kt: Mapped[int]
    ti: Mapped[str] = mapped_column(String(2))
    base_date: Mapped[str] = mapped_column(String(2))
    ken: Mapped[int]
    dkga: Mapped[str] = mapped_column(String(2))
    ea: Mapped[int]
    tct: Mapped[int]
    table_set: Mapped[str] = mapped_column(String(20))
    subclass: Mapped[int]
    value: Mapped[int]
    tid: Mapped[int]
    rnd: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    attempt: Mapped[int] = mapped_column(default=1)
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    key_change_id: Mapped[int | None] = mapped_column(ForeignKey("key_change.id"), index=True)

    reserved_at: Mapped[Moment] = mapped_column(index=True)
    reserved_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    doubt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(String(40))
    shown_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    reserved_by: Mapped[str | None] = column_property(
        username_of(reserved_by_id), deferred=True, raiseload=True
    )
    meter: Mapped[Meter] = relationship(lazy="raise_on_sql")
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")
    key_change: Mapped[KeyChange | None] = relationship(lazy="raise_on_sql")

    @property
    def number(self) -> str:
        """The number of its record."""
        return f"E-{self.id}"


class EngineeringDigits(OfMeterAndPoint, Model):
    """The twenty digits of an engineering token; rows are only added."""

    __tablename__ = "engineering_digits"
    __table_args__ = (CheckConstraint("length(digits) = 20", name="ck_engineering_digits"),)

    token_id: Mapped[int] = mapped_column(
        ForeignKey("engineering_token.id"), primary_key=True, autoincrement=False
    )
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"))
    digits: Mapped[str] = mapped_column(String(20))
    kcv: Mapped[str] = mapped_column(String(6))
    module_name: Mapped[str] = mapped_column(String(40))
    demo: Mapped[bool]
    made_at: Mapped[Moment]

    def __repr__(self) -> str:
        return f"EngineeringDigits(token={self.token_id}, digits=…)"


class EngineeringRefusal(OfMeterAndPoint, Model):
    """An engineering token that somebody wanted and did not get: who, what, and why not.

    Attributes:
        code, outcome: The rule, and its sentence with its values.
    """

    __tablename__ = "engineering_refusal"

    id: Mapped[Id]
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    function: Mapped[str] = mapped_column(String(20))
    wanted: Mapped[int]
    reason: Mapped[Text]
    code: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON)
    refused_at: Mapped[Moment] = mapped_column(index=True)
    wanted_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)

    wanted_by: Mapped[str | None] = column_property(
        username_of(wanted_by_id), deferred=True, raiseload=True
    )
    meter: Mapped[Meter] = relationship(lazy="raise_on_sql")
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")


class EngineeringPrint(OfMeterAndPoint, Model):
    """One print of an engineering token's slip: the first is the original, the others copies."""

    __tablename__ = "engineering_print"
    __table_args__ = (
        UniqueConstraint("token_id", "nth", name="uq_engineering_print_nth"),
        CheckConstraint("nth >= 1", name="ck_engineering_print_nth"),
        CheckConstraint("kind IN ('paper', 'pdf')", name="ck_engineering_print_kind"),
    )

    id: Mapped[Id]
    token_id: Mapped[int] = mapped_column(ForeignKey("engineering_token.id"))
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"))
    nth: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8))
    printed_at: Mapped[Moment]
    printed_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)

    printed_by: Mapped[str] = column_property(
        username_of(printed_by_id), deferred=True, raiseload=True
    )


class TestToken(ScopedMixin, Model):
    """A token any meter obeys, made for a card: which, when, by whom.

    Attributes:
        region_id, vending_point_id: The maker's; no region for who sees everything.
        card: Made with the form, the same for all tokens of a card.
        test: Number of the test, 0 to 18.
        four_digits: For meters whose manufacturer has a four-digit code.
    """

    __test__ = False  # not one of pytest's
    __tablename__ = "test_token"
    __table_args__ = (
        UniqueConstraint("card", "test", name="uq_test_token_card"),
        CheckConstraint("length(digits) = 20", name="ck_test_token_digits"),
        CheckConstraint("test BETWEEN 0 AND 18", name="ck_test_token_test"),
    )

    id: Mapped[Id]
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    vending_point_id: Mapped[int | None] = mapped_column(ForeignKey("vending_point.id"), index=True)
    card: Mapped[str] = mapped_column(String(60))
    test: Mapped[int]
    four_digits: Mapped[bool]
    digits: Mapped[str] = mapped_column(String(20))
    made_at: Mapped[Moment] = mapped_column(index=True)
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)

    made_by: Mapped[str | None] = column_property(
        username_of(made_by_id), deferred=True, raiseload=True
    )
    vending_point: Mapped[VendingPoint | None] = relationship(lazy="raise_on_sql")

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those made in the region, at the own vending point if there is one."""
        regions = select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        seen: ColumnElement[bool] = cls.region_id.in_(regions)
        if sight.vending_point_id is None:
            return seen
        return and_(seen, cls.vending_point_id == sight.vending_point_id)

    def inside(self, session: Session, sight: Sight) -> bool:
        """The region must be seen, and the vending point be the own one."""
        if sight.vending_point_id not in {None, self.vending_point_id} or self.region_id is None:
            return False
        return session.scalar(select(Region.id).where(Region.id == self.region_id)) is not None

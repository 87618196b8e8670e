"""Consumers: who buys."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    false,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from vmsapp.models.base import Model
from vmsapp.models.folding import search_key
from vmsapp.models.mixins import RegionScoped
from vmsapp.models.region import Region
from vmsapp.models.types import Id, Name, Text, UtcDateTime


class Gender(StrEnum):
    """What a consumer said; unknown where nobody asked."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


FOUND_BY: Final = ("number", "name", "phone")
"""The columns that ``search_key`` joins."""


class Consumer(RegionScoped, Model):
    """A person or household, with any number of service points.

    Attributes:
        number: Unique over all regions, in capitals, retired consumers included.
        version: Goes up with every change, so that a form notices one meanwhile. A digest of
            the values would do, were not the number of an identity card among them.
        retired_at, retired_by_id: Since when nothing new is hung on the consumer, and by whom;
            the rows that one deed retires share the moment, by which it is undone.
        anonymised_at: Since when nothing here tells who it was.
        email_changed_at, email_changed_by_id, email_confirmed_at: When and by whom the address was
            entered or changed last, and when somebody else confirmed it since; the same of the
            telephone. Empty: longer ago than anybody noted. See ``services.delivery.addresses``.
        bound, away: Whether a meter hangs at a place of the consumer's; and whether all such
            places lie in other regions than the consumer does. Triggers keep both.
        search_key: Number, name and telephone as they are searched. It follows them where a row
            is changed; what writes many rows at once writes it, too.
    """

    __tablename__ = "consumer"
    __table_args__ = (
        CheckConstraint(
            "gender IN ('female', 'male', 'other', 'unknown')", name="ck_consumer_gender"
        ),
        Index("ix_consumer_name", "name", "id"),
        Index("ix_consumer_region", "region_id", "number"),
        Index("ix_consumer_gender", "gender", "number"),
        Index("ix_consumer_bound", "bound", "number", "id"),
        Index("ix_consumer_phone", "phone"),
        Index(
            "ix_consumer_id_number",
            "id_number",
            sqlite_where=text("id_number <> ''"),
            postgresql_where=text("id_number <> ''"),
        ),
        Index(
            "ix_consumer_retired",
            "retired_by_id",
            "retired_at",
            sqlite_where=text("retired_at IS NOT NULL"),
            postgresql_where=text("retired_at IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"))
    number: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[Name]
    address: Mapped[Text] = mapped_column(default="")
    gender: Mapped[str] = mapped_column(String(8), default=Gender.UNKNOWN)
    id_number: Mapped[str] = mapped_column(String(40), default="")
    email: Mapped[str] = mapped_column(String(120), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    anonymised_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    email_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    email_changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    email_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    phone_changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    phone_changed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    phone_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    bound: Mapped[bool] = mapped_column(default=False, server_default=false())
    away: Mapped[bool] = mapped_column(default=False, server_default=false())
    search_key: Mapped[str] = mapped_column(AnyText, server_default="")

    region: Mapped[Region] = relationship(lazy="raise_on_sql")

    @validates(*FOUND_BY)
    def _follow(self, attribute: str, value: str) -> str:
        found_by = {name: getattr(self, name) for name in FOUND_BY} | {attribute: value}
        self.search_key = search_key(*found_by.values())
        return value

    @hybrid_property
    def retired(self) -> bool:
        """Whether nothing new is hung on the consumer."""
        return self.retired_at is not None

    @retired.inplace.expression
    @classmethod
    def _retired(cls) -> ColumnElement[bool]:
        return cls.retired_at.is_not(None)

    def __repr__(self) -> str:
        return self.name


class NumberSeries(Model):
    """The last number given to a kind of record by itself; the row is the lock of the series."""

    __tablename__ = "number_series"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger, default=0)

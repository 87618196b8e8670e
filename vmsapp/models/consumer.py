"""Consumers: who buys."""

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.mixins import RegionScoped
from vmsapp.models.region import Region
from vmsapp.models.types import Id, Name, Text


class Consumer(RegionScoped, Model):
    """A person or household, with any number of service points."""

    __tablename__ = "consumer"
    __table_args__ = (
        CheckConstraint(
            "gender IN ('female', 'male', 'other', 'unknown')", name="ck_consumer_gender"
        ),
        Index("ix_consumer_name", "name"),
        Index("ix_consumer_phone", "phone"),
    )

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[Name]
    address: Mapped[Text] = mapped_column(default="")
    gender: Mapped[str] = mapped_column(String(8), default="unknown")
    id_number: Mapped[str] = mapped_column(String(40), default="")
    email: Mapped[str] = mapped_column(String(120), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    language: Mapped[str] = mapped_column(String(8), default="en")
    retired: Mapped[bool] = mapped_column(default=False)

    region: Mapped[Region] = relationship(lazy="raise_on_sql")

    def __repr__(self) -> str:
        return self.name

"""The utility's own settings, dated, and what identifies this installation."""

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Moment, Name, Text


class Setup(Model):
    """The utility as it is from ``effective_at`` on; the newest such row counts.

    Attributes:
        time_zone: IANA name; it cannot change after the first sale.
        currency: ISO 4217 code; ``exponent`` its decimals; ``coin_minor`` the smallest
            payable coin in minor units.
        settlement: ``down``, ``up`` or ``nearest``.
    """

    __tablename__ = "setup"
    __table_args__ = (
        CheckConstraint("exponent BETWEEN 0 AND 4", name="ck_setup_exponent"),
        CheckConstraint("coin_minor >= 1", name="ck_setup_coin"),
        CheckConstraint("settlement IN ('down', 'up', 'nearest')", name="ck_setup_settlement"),
    )

    id: Mapped[Id]
    effective_at: Mapped[Moment] = mapped_column(unique=True)
    utility_name: Mapped[Name]
    utility_address: Mapped[Text] = mapped_column(default="")
    tax_number: Mapped[str] = mapped_column(String(60), default="")
    time_zone: Mapped[str] = mapped_column(String(60))
    currency: Mapped[str] = mapped_column(String(3))
    exponent: Mapped[int]
    coin_minor: Mapped[int] = mapped_column(default=1)
    settlement: Mapped[str] = mapped_column(String(8), default="down")


class Installation(Model):
    """One row: which installation this is, and which of its lives.

    ``epoch`` goes up with every restore; a form made before it is refused after it.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="ck_installation_single"),)

    id: Mapped[Id]
    instance_id: Mapped[str] = mapped_column(String(32))
    epoch: Mapped[int] = mapped_column(default=1)
    receipt_series: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Moment]

"""Security modules and what may be known of their keys outside them."""

from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Name


class SecurityModule(Model):
    """A place where keys live.

    ``params`` say how to reach it and never hold a secret; ``module_id`` is the
    module's own name for itself, such as ``VSM-3F2A91``.
    """

    __tablename__ = "security_module"
    __table_args__ = (
        CheckConstraint(
            "driver IN ('soft', 'tcp', 'pkcs11', 'prism')", name="ck_security_module_driver"
        ),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    driver: Mapped[str] = mapped_column(String(10))
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    module_id: Mapped[str] = mapped_column(String(40), unique=True)

    keys: Mapped[list["VendingKey"]] = relationship(back_populates="module", lazy="raise_on_sql")

    def __repr__(self) -> str:
        return self.name


class SmAlgorithm(Model):
    """Which module serves an algorithm: exactly one, because the algorithm is the key."""

    __tablename__ = "sm_algorithm"
    __table_args__ = (
        CheckConstraint("algorithm IN ('legacy', 'sts6')", name="ck_sm_algorithm_name"),
    )

    algorithm: Mapped[str] = mapped_column(String(8), primary_key=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))

    module: Mapped[SecurityModule] = relationship(lazy="raise_on_sql")


class VendingKey(Model):
    """The public side of a vending key: its name, life and check value, never the key."""

    __tablename__ = "vending_key"
    __table_args__ = (
        UniqueConstraint("module_id", "sgc", "krn", "kt", "dkga", name="uq_vending_key"),
        CheckConstraint("krn BETWEEN 1 AND 9", name="ck_vending_key_krn"),
        CheckConstraint("kt BETWEEN 0 AND 3", name="ck_vending_key_kt"),
        CheckConstraint("ken BETWEEN 0 AND 255", name="ck_vending_key_ken"),
        CheckConstraint("dkga IN ('02', '04')", name="ck_vending_key_dkga"),
    )

    id: Mapped[Id]
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"), index=True)
    sgc: Mapped[str] = mapped_column(String(6))
    krn: Mapped[int]
    kt: Mapped[int]
    dkga: Mapped[str] = mapped_column(String(2))
    base_date: Mapped[str] = mapped_column(String(2))
    ken: Mapped[int]
    kcv: Mapped[str] = mapped_column(String(6))
    name: Mapped[Name]
    demo: Mapped[bool] = mapped_column(default=False)

    module: Mapped[SecurityModule] = relationship(back_populates="keys", lazy="raise_on_sql")

"""Security modules and what may be known of their keys outside them."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.types import BigId, Id, Moment, Name, UtcDateTime
from vmsapp.scope import ScopedMixin, Sight


class SecurityModule(Model):
    """A place where keys live.

    ``params`` say how to reach it and never hold a secret; ``module_id`` is the
    module's own name for itself, such as ``VSM-3F2A91``.

    Attributes:
        retired_at: Since when it serves nothing any more; its sales can still be asked after.
        epoch: Of its record, as it was when the two last agreed; None until it is first looked at.
        sequence: How many records it had written when that was last noted: never fewer later.
        journal_seen: The line of its journal up to which all was known here.
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
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    epoch: Mapped[int | None]
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    journal_seen: Mapped[int | None] = mapped_column(BigInteger)

    keys: Mapped[list["VendingKey"]] = relationship(back_populates="module", lazy="raise_on_sql")
    health: Mapped["ModuleHealth | None"] = relationship(
        primaryjoin="SecurityModule.id == foreign(ModuleHealth.module_id)",
        viewonly=True,
        uselist=False,
        lazy="raise_on_sql",
    )

    def __repr__(self) -> str:
        return self.name


class ModuleHealth(Model):
    """How a module was when it was last asked; written over each time.

    Attributes:
        seen_at: When it last answered.
        latency_ms: How long that took.
        drift_seconds: Its clock less ours.
        locked, protection, firmware, tokens_left, per_second, inhibited_from, alerts: As in
            ``hsm.answers.ModuleStatus``.
        failed_at: When it last did not answer; None since it did again.
        failed_why: Code of ``HsmUnavailable``, or ``no_answer``.
    """

    __tablename__ = "module_health"

    module_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("security_module.id"), primary_key=True, autoincrement=False
    )
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    latency_ms: Mapped[int | None]
    drift_seconds: Mapped[int | None]
    locked: Mapped[bool] = mapped_column(default=False)
    protection: Mapped[str | None] = mapped_column(String(10))
    firmware: Mapped[str] = mapped_column(String(60), default="")
    tokens_left: Mapped[int | None] = mapped_column(BigId)
    per_second: Mapped[int | None]
    inhibited_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    alerts: Mapped[list[str]] = mapped_column(JSON, default=list)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failed_why: Mapped[str | None] = mapped_column(String(20))


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
    active_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    issue_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tenths_per_day: Mapped[int | None] = mapped_column(BigId)
    tokens_per_day: Mapped[int | None] = mapped_column(BigId)
    changes_to: Mapped[list[list[Any]]] = mapped_column(JSON, default=list)
    protection: Mapped[str] = mapped_column(String(10), default="process")

    module: Mapped[SecurityModule] = relationship(back_populates="keys", lazy="raise_on_sql")


class JournalCheck(Model):
    """One comparison of a module's journal with the tokens here; rows are only added.

    Attributes:
        started_at: Tokens made here up to five minutes before were compared.
        from_number, to_number: Lines of the journal that were compared, the first excluded.
        entries: How many tokens' lines those were.
        tokens: How many tokens of ours were compared.
        found: How many findings were new.
    """

    __tablename__ = "journal_check"
    __table_args__ = (Index("ix_journal_check_module", "module_id", "id"),)

    id: Mapped[Id]
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    started_at: Mapped[Moment]
    from_number: Mapped[int] = mapped_column(BigId)
    to_number: Mapped[int] = mapped_column(BigId)
    entries: Mapped[int]
    tokens: Mapped[int]
    found: Mapped[int]


class FindingKind(StrEnum):
    """What does not agree between a module's journal and the tokens here."""

    NOT_SOLD = "not_sold"
    """The module made a token that no sale here has: ghost vending."""
    OPEN = "open"
    """The module made a token whose sale is still being settled."""
    NOT_MADE = "not_made"
    """A token here that the module knows nothing of."""
    OTHER_DIGITS = "other_digits"
    """Both have the token, with other digits."""
    CUT_SHORT = "cut_short"
    """The journal is shorter than it was: an older record was put in its place."""


class JournalFinding(ScopedMixin, Model):
    """Something that does not agree, until somebody says what became of it.

    Attributes:
        request_id: What it is about; empty for the journal as a whole.
        number: Line of the journal; None where there is none.
        made_at: The module's time.
        meter_pan, tid: As the journal or the sale has them.
        settled_at: When it was settled, by whom and with which words; by nobody where the sale
            was settled meanwhile.
    """

    __tablename__ = "journal_finding"
    __table_args__ = (
        UniqueConstraint("module_id", "kind", "request_id", name="uq_journal_finding"),
        CheckConstraint(
            "kind IN ('not_sold', 'open', 'not_made', 'other_digits', 'cut_short')",
            name="ck_journal_finding_kind",
        ),
    )

    id: Mapped[Id]
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    request_id: Mapped[str] = mapped_column(String(60))
    number: Mapped[int | None] = mapped_column(BigId)
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    meter_pan: Mapped[str | None] = mapped_column(String(18))
    tid: Mapped[int | None]
    sale_id: Mapped[int | None] = mapped_column(ForeignKey("sale.id"))
    found_at: Mapped[Moment]
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    note: Mapped[str] = mapped_column(String(255), default="", server_default=text("''"))

    module: Mapped[SecurityModule] = relationship(lazy="raise_on_sql")

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Only those who see everything: a token nobody sold has no region."""
        return false()

    def inside(self, session: Session, sight: Sight) -> bool:
        """Settled by those who see everything, found by the worker."""
        return False

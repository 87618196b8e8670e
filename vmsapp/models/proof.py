"""Proofs of the books: what was compared, and what did not agree."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, column_property, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Moment, UtcDateTime
from vmsapp.models.user import username_of


class LedgerProof(Model):
    """One run of the proof over everything there was at that moment.

    Attributes:
        asked_by_id: Who asked for it; nobody, where it ran by itself.
        sales, tokens, transfers: How many there were.
        faults: How many disagree, of whatever kind.
        findings: By kind: how many, and some of them: see ``vmsapp.services.proof``.
    """

    __tablename__ = "ledger_proof"
    __table_args__ = (CheckConstraint("faults >= 0", name="ck_ledger_proof_faults"),)

    id: Mapped[Id]
    started_at: Mapped[Moment]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    asked_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    sales: Mapped[int]
    tokens: Mapped[int]
    transfers: Mapped[int]
    faults: Mapped[int]
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)

    asked_by: Mapped[str | None] = column_property(
        username_of(asked_by_id), deferred=True, raiseload=True
    )

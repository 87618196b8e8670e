"""Copies and reversals: who printed receipts again, who took sales back, against how many sales.

Each counts for who did it: a sale for its seller, a copy for who printed it, a reversal for who
asked for it, money given back in doubt for who gave it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.models import LedgerTransfer, ReceiptPrint, Sale, SaleReversal
from vmsapp.services.reports.calculated import moved
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import KEYS, key_of, narrowed
from vmsapp.services.reports.question import By, Figures, Key, Question
from vmsapp.services.setup import zone_at

Piece = tuple[Key, tuple[()], "Seconds"]


@dataclass(frozen=True, slots=True)
class Seconds(Figures):
    """Sales, copies of receipts, and reversals."""

    sold: int = 0
    gross_minor: int = 0
    copies: int = 0
    reversed: int = 0
    reversed_minor: int = 0

    @property
    def copies_share(self) -> Decimal | None:
        """Copies against sales; none where nothing was sold."""
        return Decimal(self.copies) / self.sold if self.sold else None

    @property
    def reversed_share(self) -> Decimal | None:
        """Reversals against sales; none where nothing was sold."""
        return Decimal(self.reversed) / self.sold if self.sold else None


def second_looks(session: Session, question: Question) -> Answer[Seconds]:
    """Answer a question about copies and reversals, as far as the asker sees the sales."""
    return answered(session, question, _found)


def _found(session: Session, question: Question) -> Iterator[Piece]:
    yield from _sold(session, question)
    yield from _copies(session, question)
    yield from _reversals(session, question)


def _sold(session: Session, question: Question) -> Iterator[Piece]:
    key = key_of(question, LedgerTransfer.business_date)
    statement = moved(select(key, func.count(), func.sum(Sale.charged_minor)), question)
    for about, count, minor in session.execute(
        statement.where(LedgerTransfer.kind == "sale").group_by(key)
    ):
        yield about, (), Seconds(sold=count, gross_minor=int(minor))


def who_took_back() -> Any:  # noqa: ANN401 - a column
    """Give who asked for a reversal of a sale, or gave its money back in doubt."""
    asked = select(SaleReversal.__table__.c.asked_by_id).where(
        SaleReversal.__table__.c.sale_id == Sale.id
    )
    return func.coalesce(asked.scalar_subquery(), Sale.sealed_by_id)


def _reversals(session: Session, question: Question) -> Iterator[Piece]:
    who = who_took_back()
    key = who if question.by == By.OPERATOR else key_of(question, LedgerTransfer.business_date)
    statement = moved(
        select(key, func.count(), func.sum(Sale.charged_minor)),
        replace(question, operator_id=None),
    ).where(LedgerTransfer.kind == "reversal")
    if question.operator_id is not None:
        statement = statement.where(who == question.operator_id)
    for about, count, minor in session.execute(statement.group_by(key)):
        yield about or 0, (), Seconds(reversed=count, reversed_minor=int(minor))


def _copies(session: Session, question: Question) -> Iterator[Piece]:
    """Count copies, hour by hour as it were: their day is told by the utility's zone."""
    zone = zone_at(session, now_utc())
    first, end = (
        datetime.combine(day, time(), ZoneInfo(zone))
        for day in (question.first, question.last + timedelta(days=1))
    )
    who = ReceiptPrint.printed_by_id
    by_time = question.by not in KEYS
    key = ReceiptPrint.printed_at if by_time else key_of(question, None)
    statement = narrowed(
        select(who if question.by == By.OPERATOR else key)
        .join_from(ReceiptPrint, Sale, Sale.id == ReceiptPrint.sale_id)
        .where(ReceiptPrint.nth > 1)
        .where(ReceiptPrint.printed_at >= first, ReceiptPrint.printed_at < end),
        replace(question, operator_id=None),
    )
    if question.operator_id is not None:
        statement = statement.where(who == question.operator_id)
    for (about,) in session.execute(statement):
        yield business_day(about, zone) if by_time else about, (), Seconds(copies=1)

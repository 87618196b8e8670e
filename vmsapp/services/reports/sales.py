"""The sales report, added up from the records.

A sale counts on its business date once its token is made, and goes on counting when it is taken
back: that counts on its own business date. The statements are of the mapped classes, so the
asker's scope is on them; names are read beside it, since they belong to figures that are seen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    MeterType,
    Sale,
    TransferState,
)
from vmsapp.services.reports.narrowing import TYPES, key_of, names_of, narrowed
from vmsapp.services.reports.question import (
    Before,
    By,
    Key,
    Question,
    Report,
    Row,
    Sums,
    period_before,
)
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

PARTS: Final[Mapping[AccountKind, Callable[[int], Sums]]] = {
    AccountKind.TAX: lambda minor: Sums(tax_minor=minor),
    AccountKind.FEE: lambda minor: Sums(fee_minor=minor),
    AccountKind.FEE_ARREARS: lambda minor: Sums(fee_minor=minor),
    AccountKind.PENALTY: lambda minor: Sums(penalty_minor=minor),
}
"""Accounts of the ledger, and the figure each adds to."""

Found = Iterator[tuple[tuple[Key, str], Sums]]


def sales_report(session: Session, question: Question) -> Report:
    """Answer a question about sales, as far as the asker sees them."""
    sums: dict[tuple[Key, str], Sums] = {}
    for place, more in _found(session, question):
        sums[place] = sums.get(place, Sums()) + more
    names = names_of(session, question.by, {key for key, _kind in sums})
    rows = [
        Row(key, names.get(key, ""), kind, found)
        for (key, kind), found in sorted(sums.items(), key=lambda item: _order(*item[0]))
    ]
    first, last = period_before(question.first, question.last)
    return Report(
        rows=rows,
        totals=_totals((row.meter_type, row.sums) for row in rows),
        before=Before(first, last, _totals_of(session, question, first, last)),
    )


def _order(key: Key, kind: str) -> tuple[Any, int]:
    return key, SUBCLASS[MeterType(kind)]


def _totals(found: Iterable[tuple[str, Sums]]) -> dict[str, Sums]:
    totals: dict[str, Sums] = {}
    for kind, sums in found:
        totals[kind] = totals.get(kind, Sums()) + sums
    return {kind: totals[kind] for kind in SUBCLASS if kind in totals}


def _totals_of(session: Session, question: Question, first: date, last: date) -> dict[str, Sums]:
    asked = Question(
        first, last, By.YEAR, question.meter_type, question.region_id, question.vending_point_id,
        question.operator_id, question.tariff_id, question.product_id,
    )  # fmt: skip
    return _totals((kind, sums) for (_key, kind), sums in _found(session, asked))


def _found(session: Session, question: Question) -> Found:
    yield from _sold(session, question)
    yield from _taken_back(session, question)
    yield from _parts(session, question)


def _sold(session: Session, question: Question) -> Found:
    hour = question.by == By.HOUR
    key = Sale.local_hour if hour else key_of(question, Sale.business_date)
    statement = narrowed(
        select(key, Sale.subclass, func.count(), func.sum(Sale.charged_minor), _units())
        .where(Sale.receipt_number.is_not(None))
        .where(Sale.business_date.between(question.first, question.last)),
        question,
    ).group_by(key, Sale.subclass)
    for key_found, subclass, count, charged, units in session.execute(statement):
        yield (
            _place(question, key_found, subclass),
            Sums(sold=count, gross_minor=int(charged), units=units or Decimal(0)),
        )


def _taken_back(session: Session, question: Question) -> Found:
    if question.by == By.HOUR:
        yield from _taken_back_by_hour(session, question)
        return
    key = key_of(question, LedgerTransfer.business_date)
    columns = (key, Sale.subclass, func.count(), func.sum(Sale.charged_minor), _units())
    statement = _reversals(select(*columns), question).group_by(key, Sale.subclass)
    for key_found, subclass, count, money, units in session.execute(statement):
        yield (
            _place(question, key_found, subclass),
            Sums(reversed=count, reversed_minor=int(money), units_reversed=units or Decimal(0)),
        )


def _taken_back_by_hour(session: Session, question: Question) -> Found:
    zone = ZoneInfo(setup_at(session, now_utc()).time_zone)
    each = select(LedgerTransfer.settled_at, Sale.subclass, Sale.charged_minor, Sale.units)
    for moment, subclass, money, units in session.execute(_reversals(each, question)):
        yield _place(question, moment.astimezone(zone).hour, subclass), Sums(
            reversed=1, reversed_minor=money,
            units_reversed=units if subclass < CURRENCY else Decimal(0),
        )  # fmt: skip


def _reversals(statement: Any, question: Question) -> Select[Any]:  # noqa: ANN401 - any select
    """Narrow to what answered sales, those given back while in doubt included."""
    return narrowed(
        statement.join_from(LedgerTransfer, Sale, Sale.id == LedgerTransfer.sale_id)
        .where(LedgerTransfer.kind == "reversal")
        .where(LedgerTransfer.business_date.between(question.first, question.last)),
        question,
    )


def _parts(session: Session, question: Question) -> Found:
    """Read from the ledger what the money was for; a reversal's entries take it off again."""
    by_hour = question.by == By.HOUR
    key = LedgerTransfer.settled_at if by_hour else key_of(question, LedgerTransfer.business_date)
    hour = Sale.local_hour
    columns = (key, hour, LedgerTransfer.kind) if by_hour else (key,)
    statement = narrowed(
        select(*columns, Sale.subclass, LedgerAccount.kind, func.sum(LedgerEntry.amount_minor))
        .join_from(LedgerTransfer, LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .join(Sale, and_(Sale.id == LedgerTransfer.sale_id))
        .where(LedgerTransfer.business_date.between(question.first, question.last))
        .where(LedgerTransfer.state == TransferState.POSTED)
        .where(LedgerAccount.kind.in_(PARTS)),
        question,
    ).group_by(*columns, Sale.subclass, LedgerAccount.kind)
    zone = ZoneInfo(setup_at(session, now_utc()).time_zone) if by_hour else None
    for *keys, subclass, account, amount in session.execute(statement):
        found = keys[0]
        if zone is not None:
            found = keys[1] if keys[2] == "sale" else keys[0].astimezone(zone).hour
        yield _place(question, found, subclass), PARTS[AccountKind(account)](-int(amount))


def _units() -> ColumnElement[Decimal]:
    """Units sold; money on a token is none."""
    return func.sum(case((Sale.subclass < CURRENCY, Sale.units)))


def _place(question: Question, key: Any, subclass: int) -> tuple[Key, str]:  # noqa: ANN401
    kind = TYPES[subclass % CURRENCY].value
    return (question.by.begins(key) if isinstance(key, date) else key), kind

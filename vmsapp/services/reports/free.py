"""Free tokens: what was given without money, for which reason, and how much of the quotas it is.

The worth is what the ledger has on its account of free tokens, less what was taken back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    AccountKind,
    FreeToken,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Sale,
    VendingPoint,
)
from vmsapp.services.free_tokens.quota import counts
from vmsapp.services.reports.calculated import moved
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import TYPES, at_places, key_of
from vmsapp.services.reports.question import By, Figures, Key, Question
from vmsapp.sts.credit import CURRENCY


class Reason(NamedTuple):
    """Why tokens were given, to which type of meter."""

    meter_type: str
    kind: str
    reason: str

    @property
    def why(self) -> tuple[str, str]:
        """The reason, which is one of its kind's."""
        return self.kind, self.reason


@dataclass(frozen=True, slots=True)
class FreeFigures(Figures):
    """Tokens given, less what was taken back; ``value_minor`` is what their energy costs."""

    given: int = 0
    reversed: int = 0
    units: Decimal = Decimal(0)
    value_minor: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """What a vending point gave of its quotas: worth in a month, tokens on a day."""

    vending_point_id: int
    name: str
    value_minor: int
    tokens: int


def free_report(session: Session, question: Question) -> Answer[FreeFigures]:
    """Answer a question about free tokens, as far as the asker sees them."""
    return answered(session, question, _found)


def quotas_used(session: Session, question: Question) -> Sequence[Used]:
    """Add up, of each vending point that gave any, the month and the last day of a period."""
    last, month = question.last, By.MONTH.begins(question.last)
    sale = Sale.__table__
    rows = session.execute(
        select(
            FreeToken.vending_point_id, VendingPoint.name, func.sum(FreeToken.value_minor),
            func.sum(case((FreeToken.business_date == last, 1), else_=0)),
        )
        .join(VendingPoint, VendingPoint.id == FreeToken.vending_point_id)
        .join(sale, sale.c.id == FreeToken.sale_id)
        .where(FreeToken.business_date.between(month, _end(month)), counts())
        .where(*at_places(question, FreeToken.vending_point_id))
        .group_by(FreeToken.vending_point_id, VendingPoint.name)
        .order_by(VendingPoint.name)
    )  # fmt: skip
    return [Used(point, name, int(worth), int(tokens)) for point, name, worth, tokens in rows]


def _end(month: date) -> date:
    following = (month.month % 12) + 1
    return date(month.year + (following == 1), following, 1) - date.resolution


def _found(session: Session, question: Question) -> Iterator[tuple[Key, Reason, FreeFigures]]:
    key = key_of(question, LedgerTransfer.business_date)
    free = select(LedgerAccount.id).where(LedgerAccount.kind == AccountKind.FREE_TOKENS)
    apart = (Sale.subclass, FreeToken.kind, FreeToken.reason)
    statement = (
        moved(
            select(
                key, *apart, LedgerTransfer.kind, func.count(),
                func.sum(case((Sale.subclass < CURRENCY, Sale.units))),
                func.sum(LedgerEntry.amount_minor),
            ),
            question, free=True,
        )
        .join(FreeToken, FreeToken.sale_id == Sale.id)
        .outerjoin(
            LedgerEntry,
            and_(
                LedgerEntry.transfer_id == LedgerTransfer.id, LedgerEntry.account_id.in_(free)
            ),
        )
        .group_by(key, *apart, LedgerTransfer.kind)
    )  # fmt: skip
    for about, subclass, kind, reason, moved_by, count, units, worth in session.execute(statement):
        back = moved_by == "reversal"
        yield about, Reason(TYPES[subclass % CURRENCY].value, kind, reason), FreeFigures(
            given=0 if back else count, reversed=count if back else 0,
            units=(-1 if back else 1) * (units or Decimal(0)), value_minor=int(worth or 0),
        )  # fmt: skip

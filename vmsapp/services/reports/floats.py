"""The floats of all vending points in a period: begin, what moved them, end.

Each balance is reckoned back from the present one, as in the statement of a single float, so that
no more is read than what came since.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    TransferState,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import at_places
from vmsapp.services.reports.question import By, Figures, Key, Question


@dataclass(frozen=True, slots=True)
class FloatFigures(Figures):
    """A float in a period, in minor units: what moved it is positive, whichever way."""

    begin_minor: int = 0
    paid_in_minor: int = 0
    taken_out_minor: int = 0
    sold_minor: int = 0
    back_minor: int = 0

    @property
    def end_minor(self) -> int:
        """What it held at the end."""
        begin, paid_in, taken_out, sold, back = (getattr(self, one.name) for one in fields(self))
        return int(begin + paid_in - taken_out - sold + back)


def float_report(session: Session, question: Question) -> Answer[FloatFigures]:
    """Answer a question about floats, as far as the asker sees their vending points."""
    return answered(session, question, _found, compared=False)


def _found(session: Session, question: Question) -> Iterator[tuple[Key, tuple[()], FloatFigures]]:
    day, kind = LedgerTransfer.business_date, LedgerTransfer.kind
    within, grew = day <= question.last, -LedgerEntry.amount_minor  # it is owed: a credit adds
    point = LedgerAccount.vending_point_id
    moves = {
        "paid_in": (kind == "float") & (grew > 0), "taken_out": (kind == "float") & (grew < 0),
        "sold": kind == "sale", "back": kind == "reversal",
    }  # fmt: skip
    sums = [
        func.sum(case((within & which, grew), else_=0)).label(name) for name, which in moves.items()
    ]
    moved = {
        row.point: row
        for row in session.execute(
            select(point.label("point"), func.sum(grew).label("since"), *sums)
            .join_from(LedgerEntry, LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
            .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
            .where(LedgerAccount.kind == AccountKind.FLOAT, day >= question.first)
            .where(LedgerTransfer.state == TransferState.POSTED)
            .where(*at_places(question, point))
            .group_by(point)
        )
    }
    account = VendingPointAccount
    present = session.execute(
        select(account.vending_point_id, VendingPoint.region_id, account.balance_minor)
        .join(VendingPoint, VendingPoint.id == account.vending_point_id)
        .where(*at_places(question, account.vending_point_id))
        .where(or_(account.limited.is_(True), account.balance_minor != 0,
                   account.vending_point_id.in_(moved)))
    )  # fmt: skip
    for point_id, region_id, balance in present:
        row = moved.get(point_id)
        paid_in, taken_out, sold, back = (int(getattr(row, name)) if row else 0 for name in moves)
        begin = int(balance) - (int(row.since) if row else 0)
        yield (
            region_id if question.by == By.REGION else point_id,
            (),
            FloatFigures(begin, paid_in, -taken_out, -sold, back),
        )

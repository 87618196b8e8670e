"""What a shift did, added up: what its slip shows, and what ought to lie in its drawer.

A sale counts in the shift it was sold in, from when its token was made, whatever becomes of it
later: taking it back pays out of the drawer of the shift that does. A sale whose money was given
back while nobody knew its outcome put nothing into the drawer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    cast,
    distinct,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from vmsapp.models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    MeterType,
    Sale,
    SaleState,
    Shift,
    ShiftCash,
    TransferState,
)
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

SOLD: Final = (SaleState.ISSUED, SaleState.REVERSED)
SOURCES: Final = (AccountKind.CASH, AccountKind.FLOAT)
"""What customers' money goes into; the other accounts tell what it was for."""

LISTED: Final = 200
"""Of its cash movements, and of sales settled later, so many are listed."""

SERIES: Final = 10**12
"""Receipts of a later series come after all of the one before."""


KINDS: Final = {subclass: kind for kind, subclass in SUBCLASS.items()}


@dataclass(frozen=True, slots=True)
class Sold:
    """Sales of one kind of meter."""

    meter_type: MeterType
    count: int
    units: Decimal
    charged_minor: int


@dataclass(frozen=True, slots=True)
class LaterSettled:
    """A sale whose outcome was open for a while."""

    id: int
    state: str
    sealed: bool
    charged_minor: int
    sold_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What a shift did.

    Attributes:
        sold: Sales by kind of meter.
        paid_for: What customers paid for, in minor units, by account.
        cash: Cash put in and taken out, in order.
        first_receipt, last_receipt: As printed; none where nothing was sold.
        taken_back, taken_back_minor: Sales taken back in this shift, of whichever.
        settled_later: Sales that were in doubt.
    """

    shift: Shift
    sold: Sequence[Sold]
    paid_for: Mapping[AccountKind, int]
    cash: Sequence[ShiftCash]
    first_receipt: str | None
    last_receipt: str | None
    taken_back: int
    taken_back_minor: int
    settled_later: Sequence[LaterSettled]

    @property
    def count(self) -> int:
        """Sales."""
        return sum(one.count for one in self.sold)

    @property
    def sold_minor(self) -> int:
        """Cash of its sales."""
        return sum(one.charged_minor for one in self.sold)

    @property
    def put_in_minor(self) -> int:
        """Cash put in."""
        return sum(move.amount_minor for move in self.cash if move.amount_minor > 0)

    @property
    def taken_out_minor(self) -> int:
        """Cash taken out."""
        return -sum(move.amount_minor for move in self.cash if move.amount_minor < 0)


def _sold_by_kind(rows: Iterable[Sequence[Any]]) -> list[Sold]:
    """Add up by kind of meter; what went as money on a token is no units."""
    sold: dict[MeterType, Sold] = {}
    for subclass, count, units, charged in rows:
        kind = KINDS[subclass % CURRENCY]
        known = sold.get(kind, Sold(kind, 0, Decimal(0), 0))
        added = units if subclass < CURRENCY else Decimal(0)
        sold[kind] = Sold(
            kind, known.count + count, known.units + added, known.charged_minor + int(charged)
        )
    return [sold[kind] for kind in SUBCLASS if kind in sold]


def figures(session: Session, shift: Shift) -> Figures:
    """Add up what a shift did."""
    rows = session.execute(
        select(
            Sale.subclass, func.count(), func.sum(Sale.units), func.sum(Sale.charged_minor),
            func.min(_PLACE), func.max(_PLACE),
        )
        .where(*_sold_in(shift.id))
        .group_by(Sale.subclass)
        .order_by(Sale.subclass)
    ).all()  # fmt: skip
    paid_for, taken_back, taken_back_minor = _ledger_of(session, shift.id)
    return Figures(
        shift=shift,
        sold=_sold_by_kind([row[:4] for row in rows]),
        paid_for=paid_for,
        cash=session.scalars(
            select(ShiftCash).where(ShiftCash.shift_id == shift.id).order_by(ShiftCash.id)
        ).all(),
        first_receipt=_receipt(shift, min((row[4] for row in rows), default=None)),
        last_receipt=_receipt(shift, max((row[5] for row in rows), default=None)),
        taken_back=taken_back,
        taken_back_minor=taken_back_minor,
        settled_later=settled_later(session, shift.id),
    )


def expected_minor(session: Session, shift: Shift) -> int:
    """Tell what ought to lie in the drawer."""
    sold = select(func.sum(Sale.charged_minor)).where(*_sold_in(shift.id))
    moved = select(func.sum(ShiftCash.amount_minor)).where(ShiftCash.shift_id == shift.id)
    given = select(func.sum(Sale.charged_minor)).where(
        Sale.id.in_(select(LedgerTransfer.sale_id).where(*_taken_back_in(shift.id))),
        Sale.sealed_at.is_(None),
    )
    parts = session.execute(
        select(*(part.scalar_subquery() for part in (sold, moved, given)))
    ).one()
    sold_minor, moved_minor, given_minor = (int(part or 0) for part in parts)
    return shift.opening_minor + sold_minor + moved_minor - given_minor


def settled_later(session: Session, shift_id: int) -> Sequence[LaterSettled]:
    """List the sales of a shift that were in doubt, as they stand now."""
    rows = session.execute(
        select(Sale.id, Sale.state, Sale.sealed_at, Sale.charged_minor, Sale.sold_at)
        .where(Sale.shift_id == shift_id, Sale.doubt_at.is_not(None))
        .order_by(Sale.id)
        .limit(LISTED)
    )
    return [
        LaterSettled(number, state, sealed is not None, charged, sold_at)
        for number, state, sealed, charged, sold_at in rows
    ]


_PLACE: Final = cast(Sale.receipt_series, BigInteger) * literal(SERIES, BigInteger) + cast(
    Sale.receipt_number, BigInteger
)


def _receipt(shift: Shift, place: int | None) -> str | None:
    if place is None:
        return None
    series, number = divmod(place, SERIES)
    return f"{shift.vending_point_id}-{series}-{number:06d}"


def _sold_in(shift_id: int) -> tuple[ColumnElement[bool], ...]:
    """Sales whose money lies in the drawer, or lay there until it was taken back."""
    return (Sale.shift_id == shift_id, Sale.state.in_(SOLD), Sale.sealed_at.is_(None))


def _taken_back_in(shift_id: int) -> tuple[ColumnElement[bool], ...]:
    return (LedgerTransfer.shift_id == shift_id, LedgerTransfer.kind == "reversal")


def _ledger_of(session: Session, shift_id: int) -> tuple[dict[AccountKind, int], int, int]:
    """Read what was paid for, and how many sales were taken back for how much."""
    of_sales = (
        select(LedgerTransfer.id)
        .join(Sale, and_(Sale.id == LedgerTransfer.sale_id, LedgerTransfer.kind == "sale"))
        .where(*_sold_in(shift_id))
    )
    of_reversals = (
        select(LedgerTransfer.id)
        .join(Sale, Sale.id == LedgerTransfer.sale_id)
        .where(*_taken_back_in(shift_id), Sale.sealed_at.is_(None))
    )
    theirs = union_all(of_sales, of_reversals).subquery()
    rows = session.execute(
        select(
            LedgerTransfer.kind, LedgerAccount.kind, func.sum(LedgerEntry.amount_minor),
            func.count(distinct(LedgerTransfer.id)),
        )
        .join_from(LedgerEntry, LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(LedgerTransfer.id.in_(select(theirs.c.id)))
        .where(LedgerTransfer.state == TransferState.POSTED)
        .group_by(LedgerTransfer.kind, LedgerAccount.kind)
    ).all()  # fmt: skip
    paid_for = {
        AccountKind(account): -int(amount)
        for kind, account, amount, _count in rows
        if kind == "sale" and account not in SOURCES
    }
    back = [row for row in rows if row[0] == "reversal" and row[1] in SOURCES]
    return paid_for, sum(row[3] for row in back), -sum(int(row[2]) for row in back)

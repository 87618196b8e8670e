"""What the proof compares: each check is one statement that finds what does not agree.

A statement gives numbers under the names its sentence and its links use: ``sale_id``,
``transfer_id``, ``vending_point_id``, and the figures that differ. They are plain tables, beside
the scope: who proves the books sees all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from vmsapp.models import (
    AccountKind,
    FloatMovement,
    FreeToken,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    ReceiptCounter,
    Sale,
    SaleKind,
    SaleState,
    Shift,
    Token,
    TransferState,
    VendingPointAccount,
)
from vmsapp.services.proof.key_changes import changes_astray, tokens_astray
from vmsapp.services.proof.roll_ups import last_purchases_differ, roll_ups_differ

sale = Sale.__table__.c
token = Token.__table__.c
transfer = LedgerTransfer.__table__.c
entry = LedgerEntry.__table__.c
ledger_account = LedgerAccount.__table__.c
account = VendingPointAccount.__table__.c
receipts = ReceiptCounter.__table__.c
movement = FloatMovement.__table__.c
shift = Shift.__table__.c
free = FreeToken.__table__.c

CREDIT_CLASS: Final = 0
"""The class of credit tokens; a sale may bring others along."""

MADE: Final = (SaleState.ISSUED, SaleState.REVERSED)
POSTED: Final = TransferState.POSTED

BELONGS: Final[Mapping[str, str]] = {
    SaleState.PENDING: TransferState.PENDING,
    SaleState.ISSUED: TransferState.POSTED,
    SaleState.REVERSED: TransferState.POSTED,
    SaleState.FAILED: TransferState.VOIDED,
}
"""The state of a sale's transfer, by the sale's."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold.

    Attributes:
        code: Stable, as kept in a proof.
        find: Makes the statement that finds where it does not.
    """

    code: str
    find: Callable[[], Select[Any]]


def _unbalanced() -> Select[Any]:
    """Transfers whose entries do not add up to nothing."""
    total = func.sum(entry.amount_minor)
    return (
        select(entry.transfer_id.label("transfer_id"), total.label("found"))
        .group_by(entry.transfer_id)
        .having(total != 0)
    )


def _empty() -> Select[Any]:
    """Transfers that move nothing, but for what was given and is worth nothing."""
    there = select(literal(1)).where(entry.transfer_id == transfer.id).exists()
    worthless = (
        select(literal(1)).where(free.sale_id == transfer.sale_id, free.value_minor == 0).exists()
    )
    return select(transfer.id.label("transfer_id")).where(~there, ~worthless)


def _float_balance() -> Select[Any]:
    """Floats that hold something else than their posted entries say."""
    posted = (
        select(
            ledger_account.vending_point_id.label("point"),
            (-func.sum(entry.amount_minor)).label("held"),
        )
        .select_from(LedgerEntry.__table__)
        .join(LedgerTransfer.__table__, transfer.id == entry.transfer_id)
        .join(LedgerAccount.__table__, ledger_account.id == entry.account_id)
        .where(ledger_account.kind == AccountKind.FLOAT, transfer.state == POSTED)
        .group_by(ledger_account.vending_point_id)
        .subquery()
    )
    return _points_differ(posted.c.point, posted.c.held, account.balance_minor)


def _pending() -> Select[Any]:
    """Points where something else counts as being sold than the pending sales come to."""
    open_sales = (
        select(
            sale.vending_point_id.label("point"), func.sum(sale.charged_minor).label("held")
        )
        .where(sale.state == SaleState.PENDING)
        .group_by(sale.vending_point_id)
        .subquery()
    )  # fmt: skip
    return _points_differ(open_sales.c.point, open_sales.c.held, account.pending_minor)


def _points_differ(
    point: ColumnElement[int], held: ColumnElement[int], kept: ColumnElement[int]
) -> Select[Any]:
    """Compare a figure of each vending point's account with a sum by vending point."""
    summed = func.coalesce(held, 0)
    without = (
        select(point.label("vending_point_id"), held.label("expected"), literal(0).label("found"))
        .select_from(point.table.outerjoin(
            VendingPointAccount.__table__, account.vending_point_id == point
        ))
        .where(account.vending_point_id.is_(None), held != 0)
    )  # fmt: skip
    differing = (
        select(
            account.vending_point_id.label("vending_point_id"), summed.label("expected"),
            kept.label("found"),
        )
        .select_from(VendingPointAccount.__table__.outerjoin(
            point.table, point == account.vending_point_id
        ))
        .where(summed != kept)
    )  # fmt: skip
    both = union_all(differing, without).subquery()
    return select(both.c.vending_point_id, both.c.expected, both.c.found)


def _sale_without_transfer() -> Select[Any]:
    """Sales whose money stands nowhere, or in another state than the sale."""
    belongs = case(*((sale.state == state, wanted) for state, wanted in BELONGS.items()), else_="?")
    return (
        select(sale.id.label("sale_id"))
        .select_from(Sale.__table__.outerjoin(
            LedgerTransfer.__table__, and_(transfer.sale_id == sale.id, transfer.kind == "sale")
        ))
        .where(or_(transfer.id.is_(None), transfer.state != belongs))
    )  # fmt: skip


def _amount_differs() -> Select[Any]:
    """Sales whose transfer takes something else from cash or float than was charged.

    What is given has no entries there; one that has is found, for nothing was charged.
    """
    taken = func.sum(entry.amount_minor)
    return (
        select(sale.id.label("sale_id"), sale.charged_minor.label("expected"), taken.label("found"))
        .select_from(Sale.__table__)
        .join(LedgerTransfer.__table__, and_(transfer.sale_id == sale.id, transfer.kind == "sale"))
        .join(LedgerEntry.__table__, entry.transfer_id == transfer.id)
        .join(LedgerAccount.__table__, ledger_account.id == entry.account_id)
        .where(ledger_account.kind.in_((AccountKind.CASH, AccountKind.FLOAT)))
        .group_by(sale.id, sale.charged_minor)
        .having(taken != sale.charged_minor)
    )


def _free_differs() -> Select[Any]:
    """Tokens given without their paper, with another's, or booked with another worth."""
    booked = (
        select(
            transfer.sale_id.label("sale_id"),
            func.sum(entry.amount_minor).label("booked"),
        )
        .select_from(LedgerTransfer.__table__)
        .join(LedgerEntry.__table__, entry.transfer_id == transfer.id)
        .join(LedgerAccount.__table__, ledger_account.id == entry.account_id)
        .where(transfer.kind == "sale", ledger_account.kind == AccountKind.FREE_TOKENS)
        .group_by(transfer.sale_id)
        .subquery()
    )  # fmt: skip
    worth, found = func.coalesce(free.value_minor, 0), func.coalesce(booked.c.booked, 0)
    return (
        select(sale.id.label("sale_id"), worth.label("expected"), found.label("found"))
        .select_from(
            Sale.__table__.outerjoin(FreeToken.__table__, free.sale_id == sale.id)
            .outerjoin(booked, booked.c.sale_id == sale.id)
        )
        .where(or_(func.coalesce(free.kind, SaleKind.SALE.value) != sale.kind, worth != found))
    )  # fmt: skip


def _reversal_missing() -> Select[Any]:
    """Sales taken back without a posted answer, and answers to sales that stand."""
    answered = and_(
        transfer.sale_id == sale.id, transfer.kind == "reversal", transfer.state == POSTED
    )
    taken_back = sale.state == SaleState.REVERSED
    return (
        select(sale.id.label("sale_id"))
        .select_from(Sale.__table__.outerjoin(LedgerTransfer.__table__, answered))
        .where(or_(
            and_(taken_back, transfer.id.is_(None)), and_(~taken_back, transfer.id.is_not(None))
        ))
    )  # fmt: skip


def _sale_without_token() -> Select[Any]:
    """Sales that were issued and have no credit token of theirs, or more than one."""
    made = cast(func.count(token.id), Integer)
    return (
        select(sale.id.label("sale_id"), made.label("found"))
        .select_from(Sale.__table__.outerjoin(
            Token.__table__, and_(token.sale_id == sale.id, token.token_class == CREDIT_CLASS)
        ))
        .where(sale.state.in_(MADE))
        .group_by(sale.id)
        .having(func.count(token.id) != 1)
    )  # fmt: skip


def _token_without_sale() -> Select[Any]:
    """Tokens of a sale that was not issued, or that is not there."""
    return (
        select(token.id.label("token_id"), token.sale_id.label("sale_id"))
        .select_from(Token.__table__.outerjoin(Sale.__table__, sale.id == token.sale_id))
        .where(token.sale_id.is_not(None))
        .where(or_(sale.id.is_(None), sale.state.not_in(MADE)))
    )


def _token_differs() -> Select[Any]:
    """Credit tokens that carry another identifier or amount than their sale."""
    return (
        select(token.id.label("token_id"), sale.id.label("sale_id"))
        .select_from(Token.__table__.join(Sale.__table__, sale.id == token.sale_id))
        .where(token.token_class == CREDIT_CLASS)
        .where(or_(
            token.tid != sale.tid, token.amount_field != sale.amount_field,
            token.meter_id != sale.meter_id,
        ))
    )  # fmt: skip


def _receipts() -> Select[Any]:
    """Series of receipts with a gap, or whose counter tells another last number."""
    numbered = (
        select(
            sale.vending_point_id.label("point"), sale.receipt_series.label("series"),
            cast(func.count(), Integer).label("count"), func.max(sale.receipt_number).label("last"),
            func.min(sale.receipt_number).label("first"),
        )
        .where(sale.receipt_number.is_not(None))
        .group_by(sale.vending_point_id, sale.receipt_series)
        .subquery()
    )  # fmt: skip
    mine = and_(numbered.c.point == receipts.vending_point_id, numbered.c.series == receipts.series)
    counted = func.coalesce(numbered.c.count, 0)
    counters = (
        select(
            receipts.vending_point_id.label("vending_point_id"), receipts.series.label("series"),
            receipts.last_number.label("expected"), counted.label("found"),
        )
        .select_from(ReceiptCounter.__table__.outerjoin(numbered, mine))
        .where(or_(
            counted != receipts.last_number,
            and_(numbered.c.count > 0, or_(
                numbered.c.last != receipts.last_number, numbered.c.first != 1
            )),
        ))
    )  # fmt: skip
    uncounted = (
        select(
            numbered.c.point.label("vending_point_id"), numbered.c.series.label("series"),
            literal(0).label("expected"), numbered.c.count.label("found"),
        )
        .select_from(numbered.outerjoin(ReceiptCounter.__table__, mine))
        .where(receipts.series.is_(None))
    )  # fmt: skip
    both = union_all(counters, uncounted).subquery()
    return select(both.c.vending_point_id, both.c.series, both.c.expected, both.c.found)


def _float_paper() -> Select[Any]:
    """Money that moved in a float without its paper, or with paper of another amount."""
    moved = (
        select(
            transfer.id.label("transfer_id"),
            func.sum(case((ledger_account.kind == AccountKind.FLOAT, -entry.amount_minor), else_=0))
            .label("moved"),
        )
        .select_from(LedgerTransfer.__table__)
        .join(LedgerEntry.__table__, entry.transfer_id == transfer.id)
        .join(LedgerAccount.__table__, ledger_account.id == entry.account_id)
        .where(transfer.kind == "float")
        .group_by(transfer.id)
        .subquery()
    )  # fmt: skip
    return (
        select(moved.c.transfer_id, moved.c.moved.label("found"))
        .select_from(moved.outerjoin(
            FloatMovement.__table__, movement.transfer_id == moved.c.transfer_id
        ))
        .where(or_(movement.id.is_(None), movement.amount_minor != moved.c.moved))
    )  # fmt: skip


def _shift_difference() -> Select[Any]:
    """Shifts whose difference was posted otherwise than it was counted."""
    posted = (
        select(transfer.shift_id.label("shift_id"), func.sum(entry.amount_minor).label("posted"))
        .select_from(LedgerTransfer.__table__)
        .join(LedgerEntry.__table__, entry.transfer_id == transfer.id)
        .join(LedgerAccount.__table__, ledger_account.id == entry.account_id)
        .where(transfer.kind == "shift", ledger_account.kind == AccountKind.CASH)
        .group_by(transfer.shift_id)
        .subquery()
    )
    return (
        select(
            posted.c.shift_id, func.coalesce(shift.over_short_minor, 0).label("expected"),
            posted.c.posted.label("found"),
        )
        .select_from(posted.outerjoin(Shift.__table__, shift.id == posted.c.shift_id))
        .where(func.coalesce(shift.over_short_minor, 0) != posted.c.posted)
    )  # fmt: skip


CHECKS: Final[Sequence[Check]] = (
    Check("unbalanced", _unbalanced),
    Check("empty", _empty),
    Check("float_balance", _float_balance),
    Check("pending", _pending),
    Check("sale_without_transfer", _sale_without_transfer),
    Check("amount_differs", _amount_differs),
    Check("free_differs", _free_differs),
    Check("reversal_missing", _reversal_missing),
    Check("sale_without_token", _sale_without_token),
    Check("token_without_sale", _token_without_sale),
    Check("token_differs", _token_differs),
    Check("receipts", _receipts),
    Check("float_paper", _float_paper),
    Check("shift_difference", _shift_difference),
    Check("roll_ups", roll_ups_differ),
    Check("last_purchase", last_purchases_differ),
    Check("change_astray", changes_astray),
    Check("key_token_astray", tokens_astray),
)
"""In the order of the page."""

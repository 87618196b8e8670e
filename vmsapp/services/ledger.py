"""Double entry: pending with the sale, posted with its token, voided with its failure.

Debits are positive, credits negative; the entries of a transfer add up to zero. A sale
debits the vending point's cash, or its float where it sells from one, and credits what
the customer paid for.
"""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Final, cast

from sqlalchemy import BindParameter, Insert, Select, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from vmsapp.errors import Conflict
from vmsapp.models import (
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Sale,
    Shift,
    TransferState,
    Unsummed,
    VendingPointAccount,
)
from vmsapp.services.rows import insert_missing, rows_changed

AccountName = tuple[AccountKind, str]
"""Kind and detail, such as ``(ENERGY, "electricity")``."""

UNSUMMED: Final = cast("Table", Unsummed.__table__)


class Unbalanced(AssertionError):
    """The entries of a transfer do not add up to zero."""


class IllegalTransferMove(Conflict):
    """A transfer was posted or voided twice."""

    code = "illegal_transfer_move"


def reserve(
    session: Session,
    sale: Sale,
    account: VendingPointAccount,
    credits_minor: Mapping[AccountName, int],
) -> LedgerTransfer:
    """Write the pending transfer of a sale and count it against the float.

    Args:
        session: Inside the sale's transaction, the account locked.
        sale: The sale, with its id.
        account: The vending point's locked account.
        credits_minor: What the customer pays for, in minor units; negative for a
            difference in the customer's favour.

    Raises:
        Unbalanced: The credits are not what was charged.
    """
    if sum(credits_minor.values()) != sale.charged_minor:
        raise Unbalanced
    source = AccountKind.FLOAT if account.limited else AccountKind.CASH
    account.pending_minor += sale.charged_minor
    return _write(
        session,
        kind="sale",
        vending_point_id=sale.vending_point_id,
        sale_id=sale.id,
        made_at=sale.sold_at,
        business_date=sale.business_date,
        amounts={(source, ""): sale.charged_minor}
        | {name: -amount for name, amount in credits_minor.items() if amount},
    )


def reserve_free(
    session: Session, sale: Sale, value_minor: int, energy: AccountName
) -> LedgerTransfer:
    """Write the pending transfer of a token that is given: its worth, against no money.

    Neither cash nor float is touched; what was given stands on an account of its own, by
    its kind, until it is answered by a reversal.

    Args:
        session: Inside the sale's transaction.
        sale: The sale, with its id; nothing is charged for it.
        value_minor: What it is worth; of nothing there are no entries.
        energy: The account of what is given.
    """
    assert sale.charged_minor == 0, "what is given is not charged"
    amounts = {(AccountKind.FREE_TOKENS, sale.kind): value_minor, energy: -value_minor}
    return _write(
        session,
        kind="sale",
        vending_point_id=sale.vending_point_id,
        sale_id=sale.id,
        made_at=sale.sold_at,
        business_date=sale.business_date,
        amounts=amounts if value_minor else {},
    )


def post(session: Session, sale: Sale, account: VendingPointAccount, at: datetime) -> None:
    """Make the pending transfer of a sale final."""
    _settle(session, sale, TransferState.POSTED, at)
    session.execute(_lists_sale(), {"of_sale": sale.id})
    account.pending_minor -= sale.charged_minor
    # what was reserved from the float, however the point sells by now
    account.balance_minor -= _float_debit(session, sale)


def void(session: Session, sale: Sale, account: VendingPointAccount, at: datetime) -> None:
    """Give up the pending transfer of a sale that has no token."""
    _settle(session, sale, TransferState.VOIDED, at)
    account.pending_minor -= sale.charged_minor


def reverse(
    session: Session,
    sale: Sale,
    account: VendingPointAccount,
    *,
    at: datetime,
    business_date: date,
    reason: str,
    shift_id: int | None = None,
) -> LedgerTransfer:
    """Answer a posted sale by its mirror image, today; ``shift_id`` names whose drawer pays."""
    first = _transfer_of(session, sale)
    mirrored: dict[AccountName, int] = {
        (AccountKind(kind), detail): -amount
        for kind, detail, amount in session.execute(
            select(LedgerAccount.kind, LedgerAccount.detail, LedgerEntry.amount_minor)
            .join(LedgerEntry, LedgerEntry.account_id == LedgerAccount.id)
            .where(LedgerEntry.transfer_id == first.id)
        )
    }
    account.balance_minor -= mirrored.get((AccountKind.FLOAT, ""), 0)
    answer = _write(
        session,
        kind="reversal",
        vending_point_id=sale.vending_point_id,
        sale_id=sale.id,
        made_at=at,
        business_date=business_date,
        amounts=mirrored,
        answers_id=first.id,
        reason=reason,
        shift_id=shift_id,
    )
    answer.state = TransferState.POSTED
    answer.settled_at = at
    session.execute(insert(UNSUMMED), {"transfer_id": answer.id})
    return answer


def move_float(
    session: Session,
    account: VendingPointAccount,
    amount_minor: int,
    *,
    at: datetime,
    business_date: date,
) -> LedgerTransfer:
    """Post money paid into a vending point's float, or taken out of it.

    What is paid in, the utility owes the vending point until it is sold from.

    Args:
        session: Inside a transaction, the account locked.
        account: The vending point's locked account.
        amount_minor: Positive for paid in, negative for taken out.
        at: Now.
        business_date: Today in the utility's zone.
    """
    account.balance_minor += amount_minor
    transfer = _write(
        session,
        kind="float",
        vending_point_id=account.vending_point_id,
        made_at=at,
        business_date=business_date,
        amounts={(AccountKind.CASH, ""): amount_minor, (AccountKind.FLOAT, ""): -amount_minor},
    )
    transfer.state = TransferState.POSTED
    transfer.settled_at = at
    return transfer


def post_over_short(
    session: Session, shift: Shift, over_short_minor: int, *, at: datetime, business_date: date
) -> LedgerTransfer:
    """Bring the cash of a vending point to what was counted; the rest is over or short.

    Args:
        session: Inside a transaction, the vending point's account locked.
        shift: Whose drawer was counted.
        over_short_minor: Positive for cash beyond what was expected, negative for missing.
        at: Now.
        business_date: Today in the utility's zone.
    """
    transfer = _write(
        session,
        kind="shift",
        vending_point_id=shift.vending_point_id,
        made_at=at,
        business_date=business_date,
        amounts={
            (AccountKind.CASH, ""): over_short_minor,
            (AccountKind.OVER_SHORT, ""): -over_short_minor,
        },
        shift_id=shift.id,
    )
    transfer.state = TransferState.POSTED
    transfer.settled_at = at
    return transfer


def trial_balance(session: Session) -> int:
    """Sum all entries of transfers that count: zero, or something is wrong."""
    total = session.scalar(
        select(func.coalesce(func.sum(LedgerEntry.amount_minor), 0))
        .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .where(LedgerTransfer.state != TransferState.VOIDED)
    )
    return int(total or 0)


def _transfer_of(session: Session, sale: Sale) -> LedgerTransfer:
    return session.scalars(
        select(LedgerTransfer).where(
            LedgerTransfer.sale_id == sale.id, LedgerTransfer.kind == "sale"
        )
    ).one()


def _float_debit(session: Session, sale: Sale) -> int:
    """Tell what a sale took from the float: all it charged, or nothing."""
    return int(session.scalar(_float_debits(), {"of_sale": sale.id}) or 0)


@cache
def _float_debits() -> Select[int]:
    """Make the statement once: that takes longer than to run it."""
    of_sale: BindParameter[int] = bindparam("of_sale")
    return (
        select(LedgerEntry.amount_minor)
        .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .join(LedgerAccount, LedgerAccount.id == LedgerEntry.account_id)
        .where(LedgerTransfer.sale_id == of_sale, LedgerTransfer.kind == "sale")
        .where(LedgerAccount.kind == AccountKind.FLOAT)
    )


@cache
def _lists_sale() -> Insert:
    """Have a sale's transfer added to the roll-ups; made once, as that takes longer than to run."""
    of_sale: BindParameter[int] = bindparam("of_sale")
    transfer = LedgerTransfer.__table__.c
    posted = select(transfer.id).where(transfer.sale_id == of_sale, transfer.kind == "sale")
    return insert(UNSUMMED).from_select(["transfer_id"], posted)


def _settle(session: Session, sale: Sale, state: TransferState, at: datetime) -> None:
    moved = rows_changed(
        session,
        update(LedgerTransfer)
        .where(
            LedgerTransfer.sale_id == sale.id,
            LedgerTransfer.kind == "sale",
            LedgerTransfer.state == TransferState.PENDING,
        )
        .values(state=state, settled_at=at),
    )
    if moved != 1:
        raise IllegalTransferMove


def _write(
    session: Session,
    *,
    kind: str,
    vending_point_id: int,
    made_at: datetime,
    business_date: date,
    amounts: Mapping[AccountName, int],
    sale_id: int | None = None,
    answers_id: int | None = None,
    reason: str = "",
    shift_id: int | None = None,
) -> LedgerTransfer:
    if sum(amounts.values()) != 0:
        raise Unbalanced
    accounts = _accounts(session, vending_point_id, list(amounts))
    transfer = LedgerTransfer(
        vending_point_id=vending_point_id,
        kind=kind,
        sale_id=sale_id,
        made_at=made_at,
        business_date=business_date,
        answers_id=answers_id,
        reason=reason,
        shift_id=shift_id,
    )
    session.add(transfer)
    session.flush()
    entries = [
        {
            "vending_point_id": vending_point_id,
            "transfer_id": transfer.id,
            "account_id": accounts[name],
            "amount_minor": amount,
        }
        for name, amount in amounts.items()
        if amount
    ]
    if entries:  # at the point of their transfer, which the session has looked at
        session.execute(insert(LedgerEntry), entries)
    return transfer


def _accounts(
    session: Session, vending_point_id: int, names: list[AccountName]
) -> dict[AccountName, int]:
    """Find the ids of accounts by name, opening those that are missing."""
    found = _find(session, vending_point_id)
    missing = [name for name in names if name not in found]
    for kind, detail in missing:
        insert_missing(
            session, LedgerAccount, vending_point_id=vending_point_id, kind=kind, detail=detail
        )
    return _find(session, vending_point_id) if missing else found


def _find(session: Session, vending_point_id: int) -> dict[AccountName, int]:
    rows = session.execute(_accounts_of(), {"point_id": vending_point_id})
    return {(AccountKind(kind), detail): id_ for kind, detail, id_ in rows}


@cache
def _accounts_of() -> Select[str, str, int]:
    """Make the statement once: that takes longer than to run it."""
    point_id: BindParameter[int] = bindparam("point_id")
    return select(LedgerAccount.kind, LedgerAccount.detail, LedgerAccount.id).where(
        LedgerAccount.vending_point_id == point_id
    )

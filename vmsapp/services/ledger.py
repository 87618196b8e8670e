"""Double entry: pending with the sale, posted with its token, voided with its failure.

Debits are positive, credits negative; the entries of a transfer add up to zero. A sale
debits the vending point's cash, or its float where it sells from one, and credits what
the customer paid for.
"""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import (
    BindParameter,
    Insert,
    ScalarSelect,
    Select,
    Update,
    bindparam,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from vmsapp.errors import Conflict
from vmsapp.extensions import connection_of
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
from vmsapp.services.rows import insert_at_once, insert_missing, run, table_of
from vmsapp.statements import made_once

AccountName = tuple[AccountKind, str]
"""Kind and detail, such as ``(ENERGY, "electricity")``."""


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
    _change(session, account, pending_minor=sale.charged_minor)
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
    run(session, _lists_sale(), {"of_sale": sale.id})
    # what was reserved from the float, however the point sells by now
    _change(session, account, pending_minor=-sale.charged_minor, posted=sale)


def void(session: Session, sale: Sale, account: VendingPointAccount, at: datetime) -> None:
    """Give up the pending transfer of a sale that has no token."""
    _settle(session, sale, TransferState.VOIDED, at)
    _change(session, account, pending_minor=-sale.charged_minor)


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
    _change(session, account, balance_minor=-mirrored.get((AccountKind.FLOAT, ""), 0))
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
        settled_at=at,
    )
    insert_at_once(session, Unsummed(transfer_id=answer.id))
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
    _change(session, account, balance_minor=amount_minor)
    return _write(
        session,
        kind="float",
        vending_point_id=account.vending_point_id,
        made_at=at,
        business_date=business_date,
        amounts={(AccountKind.CASH, ""): amount_minor, (AccountKind.FLOAT, ""): -amount_minor},
        settled_at=at,
    )


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
    return _write(
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
        settled_at=at,
    )


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


def _change(
    session: Session,
    account: VendingPointAccount,
    *,
    pending_minor: int = 0,
    balance_minor: int = 0,
    posted: Sale | None = None,
) -> None:
    """Add to what a locked account holds, and tell the row what it holds then.

    Args:
        session: Inside a transaction, the account locked.
        account: Whose.
        pending_minor: Added to what is pending.
        balance_minor: Added to the balance.
        posted: A sale whose debit of the float is taken from the balance.
    """
    changes: dict[str, int] = {"point_id": account.vending_point_id, "pending": pending_minor}
    changes |= {"balance": balance_minor} if posted is None else {"of_sale": posted.id}
    held = run(session, _changing(posting=posted is not None), changes).one()
    set_committed_value(account, "pending_minor", held.pending_minor)
    set_committed_value(account, "balance_minor", held.balance_minor)


@made_once
def _changing(*, posting: bool) -> ReturningUpdate[int, int]:
    # the bare tables: the row was locked within the scope
    there = VendingPointAccount.__table__.c
    pending: BindParameter[int] = bindparam("pending", type_=there.pending_minor.type)
    balance: BindParameter[int] = bindparam("balance", type_=there.balance_minor.type)
    added = -func.coalesce(_float_debit(), 0) if posting else balance
    return (
        update(table_of(VendingPointAccount))
        .where(there.vending_point_id == bindparam("point_id"))
        .values(
            pending_minor=there.pending_minor + pending,
            balance_minor=there.balance_minor + added,
        )
        .returning(there.pending_minor, there.balance_minor)
    )


def _float_debit() -> ScalarSelect[int]:
    """Select what a sale took from the float: all it charged, or nothing."""
    transfer, entry = LedgerTransfer.__table__.c, LedgerEntry.__table__.c
    account = LedgerAccount.__table__.c
    return (
        select(entry.amount_minor)
        .where(transfer.sale_id == bindparam("of_sale"), transfer.kind == "sale")
        .where(entry.transfer_id == transfer.id, account.id == entry.account_id)
        .where(account.kind == AccountKind.FLOAT)
        .scalar_subquery()
    )


@made_once
def _lists_sale() -> Insert:
    """Have a sale's transfer added to the roll-ups; made once, as that takes longer than to run."""
    of_sale: BindParameter[int] = bindparam("of_sale")
    transfer = LedgerTransfer.__table__.c
    posted = select(transfer.id).where(transfer.sale_id == of_sale, transfer.kind == "sale")
    return insert(table_of(Unsummed)).from_select(["transfer_id"], posted)


def _settle(session: Session, sale: Sale, state: TransferState, at: datetime) -> None:
    if run(session, _settling(), {"of_sale": sale.id, "to": state, "at": at}).rowcount != 1:
        raise IllegalTransferMove


@made_once
def _settling() -> Update:
    return (
        update(LedgerTransfer)
        .where(
            LedgerTransfer.sale_id == bindparam("of_sale"),
            LedgerTransfer.kind == "sale",
            LedgerTransfer.state == TransferState.PENDING,
        )
        .values(state=bindparam("to"), settled_at=bindparam("at"))
    )


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
    settled_at: datetime | None = None,
) -> LedgerTransfer:
    """Write a transfer with its entries: pending, or posted at once where it is settled."""
    if sum(amounts.values()) != 0:
        raise Unbalanced
    accounts = _accounts(session, vending_point_id, list(amounts))
    transfer = LedgerTransfer(
        vending_point_id=vending_point_id,
        kind=kind,
        state=TransferState.PENDING if settled_at is None else TransferState.POSTED,
        sale_id=sale_id,
        made_at=made_at,
        settled_at=settled_at,
        business_date=business_date,
        answers_id=answers_id,
        reason=reason,
        shift_id=shift_id,
    )
    insert_at_once(session, transfer)
    sides = [(accounts[name], amount) for name, amount in amounts.items() if amount]
    if sides:  # at the point of their transfer, which the scope has looked at
        entries: dict[str, int] = {"point_id": vending_point_id, "of_transfer": transfer.id}
        for n, (account_id, amount) in enumerate(sides):
            entries |= {f"account_{n}": account_id, f"amount_{n}": amount}
        connection_of(session).execute(_entering(len(sides)), entries)
    return transfer


@made_once
def _entering(count: int) -> Insert:
    there = table_of(LedgerEntry).c
    columns = there.vending_point_id, there.transfer_id, there.account_id, there.amount_minor
    rows = (("point_id", "of_transfer", f"account_{n}", f"amount_{n}") for n in range(count))
    sides = [
        select(
            *(bindparam(name, type_=column.type) for name, column in zip(row, columns, strict=True))
        )
        for row in rows
    ]
    # not VALUES with rows, which the library puts together anew each time
    return insert(table_of(LedgerEntry)).from_select(columns, union_all(*sides))


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
    rows = run(session, _accounts_of(), {"point_id": vending_point_id})
    return {(AccountKind(kind), detail): id_ for kind, detail, id_ in rows}


@made_once
def _accounts_of() -> Select[str, str, int]:
    point_id: BindParameter[int] = bindparam("point_id")
    return select(LedgerAccount.kind, LedgerAccount.detail, LedgerAccount.id).where(
        LedgerAccount.vending_point_id == point_id
    )

"""Last phase of a sale: complete with the token, or fail and give everything back.

Each is one transaction whose write to the sale is a compare-and-set on its state and
request id; whoever loses reads again and obeys what stands there.
"""

import logging
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Update, bindparam, delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from vmsapp import metrics
from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import after_commit, atomic
from vmsapp.hsm.answers import IssuedToken
from vmsapp.models import (
    MOVES,
    Counter,
    FeePayment,
    Installation,
    LedgerTransfer,
    ReceiptCounter,
    Sale,
    SaleState,
    ServicePoint,
    Token,
    VendingPointAccount,
)
from vmsapp.scope import Actor
from vmsapp.services import audit, ledger
from vmsapp.services.rows import insert_at_once, insert_missing, lock_keyed, rows_changed, run
from vmsapp.services.setup import installation, setup_at
from vmsapp.services.vending import debts
from vmsapp.services.vending.errors import IllegalTransition
from vmsapp.services.vending.ground import lock_account, lock_to_settle
from vmsapp.services.vending.leavers import owe_again
from vmsapp.services.vending.tids import lock_head
from vmsapp.statements import made_once

log = logging.getLogger(__name__)

FIGURES: Final = (Sale.units, Sale.units_carried, Sale.bought_before, Sale.bought_after)
"""What reads otherwise than it was written: with all the decimals of its column."""


class LostRace(Exception):
    """Somebody else moved the sale first."""


def move(
    session: Session, sale: Sale, to: SaleState, *also: ColumnElement[bool], **values: object
) -> None:
    """Move a sale by compare-and-set on its state and request id.

    Raises:
        IllegalTransition: The table of states does not hold the move.
        LostRace: It is no longer what the caller read.
    """
    _check_move(sale, to)
    _compare_and_set(session, sale, *also, state=to, **values)


def complete(session: Session, actor: Actor, sale: Sale, token: IssuedToken, *, show: bool) -> Sale:
    """Store the token, post the money, number the receipt: the sale is issued.

    A sale whose money was given back while it was in doubt is issued and reversed in
    the same transaction, and its digits are never shown.

    Args:
        session: Outside any transaction.
        actor: Who completes it.
        sale: As it was reserved or read.
        token: What the module made for its request id.
        show: The caller hands the digits out now.
    """
    while True:
        try:
            with metrics.phase("complete"), atomic(session, durable=True):
                issued = _complete(session, actor, sale, token, show=show)
        except LostRace:
            stands = read(session, sale.id)
            if stands.state == SaleState.PENDING and stands.request_id == sale.request_id:
                sale = stands  # a seal was stamped meanwhile; the token stands
                continue
            return stands
        return issued if issued is not None else read(session, sale.id)


def fail(
    session: Session, actor: Actor, sale: Sale, reason: str, *, unless_in_doubt: bool = False
) -> Sale:
    """Give up a sale that surely has no token; counters, fees and money go back.

    Args:
        session: Outside any transaction.
        actor: Who gives it up.
        sale: As it was reserved or read.
        reason: Stable code.
        unless_in_doubt: Leave it alone once the worker has taken it up.
    """
    no_doubt = (Sale.doubt_at.is_(None),) if unless_in_doubt else ()
    try:
        with atomic(session, durable=True):
            at = now_utc()
            lock_keyed(session, ServicePoint, id=sale.service_point_id)
            lock_head(session, sale.meter_pan, sale.base_date)
            account = lock_account(session, sale.vending_point_id)
            move(session, sale, SaleState.FAILED, *no_doubt, failed_at=at, failure=reason)
            _give_back(session, sale)
            ledger.void(session, sale, account, at)
            audit.record(
                session, actor, "sale.failed", "sale", sale.id,
                vending_point_id=sale.vending_point_id, reason=reason,
            )  # fmt: skip
            _tell_after(session, sale, SaleState.FAILED)
    except LostRace:
        pass
    return read(session, sale.id)


def seal(session: Session, actor: Actor, sale_id: int) -> Sale:
    """Note that the money was given back while the outcome was open.

    The digits of a sealed sale are never shown: if its token turns out to have been
    made, it is issued and reversed at once.

    Raises:
        IllegalTransition: The sale is settled already, or not in doubt yet.
        NotFound: There is none, or the actor may not see it.
    """
    with atomic(session, durable=True):
        stamp_seal(session, actor, sale_id)
    return read(session, sale_id)


def stamp_seal(session: Session, actor: Actor, sale_id: int) -> bool:
    """Seal a sale inside the caller's transaction; one that is sealed stays as it is.

    Returns:
        Whether this sealed it.
    """
    sale = read(session, sale_id)
    if sale.state != SaleState.PENDING or sale.doubt_at is None:
        raise IllegalTransition(sale_id=sale.id, state=sale.state)
    if sale.sealed_at is not None:
        return False
    unsealed = Sale.sealed_at.is_(None)
    try:
        _compare_and_set(session, sale, unsealed, sealed_at=now_utc(), sealed_by_id=actor.user_id)
    except LostRace:
        now = read(session, sale_id)
        if now.sealed_at is not None:
            return False
        raise IllegalTransition(sale_id=now.id, state=now.state) from None
    audit.record(
        session, actor, "sale.sealed", "sale", sale.id,
        vending_point_id=sale.vending_point_id, charged_minor=sale.charged_minor,
    )  # fmt: skip
    return True


def read(session: Session, sale_id: int) -> Sale:
    """Read a sale as it stands now.

    Raises:
        NotFound: There is none, or the reader may not see it.
    """
    sale = session.scalars(
        select(Sale).where(Sale.id == sale_id).execution_options(populate_existing=True)
    ).one_or_none()
    if sale is None:
        raise NotFound
    return snapshot(session, sale)


def snapshot(session: Session, sale: Sale) -> Sale:
    """Have the session let go of a sale, so that it stays as the caller saw it.

    A compare-and-set compares with it later; after a rollback the session would have
    read the row again behind the caller's back.
    """
    session.expunge(sale)
    return sale


def _complete(
    session: Session, actor: Actor, sale: Sale, token: IssuedToken, *, show: bool
) -> Sale | None:
    """Complete inside the caller's transaction.

    Returns:
        The sale as it was written; none where it was taken back with that.
    """
    at, sealed = now_utc(), sale.sealed_at is not None
    account = lock_to_settle(session, sale)
    series, number = _next_receipt(session, sale.vending_point_id)
    _check_move(sale, SaleState.ISSUED)
    written = {
        "state": SaleState.ISSUED, "issued_at": at, "receipt_series": series,
        "receipt_number": number, "shown_at": at if show and not sealed else None,
    }  # fmt: skip
    same = {"same_id": sale.id, "same_state": sale.state, "same_request_id": sale.request_id}
    to = {f"to_{name}": value for name, value in written.items()}
    stood = run(session, _issuing(*written, sealed=sealed), same | to).one_or_none()
    if stood is None:
        raise LostRace
    for name, value in (written | dict(stood._mapping)).items():  # noqa: SLF001 - a row's names
        set_committed_value(sale, name, value)
    insert_at_once(session, _token_row(sale, token, at))
    ledger.post(session, sale, account, at)
    audit.record(
        session, actor, "sale.issued", "sale", sale.id,
        at_once=True, vending_point_id=sale.vending_point_id, receipt=number, tid=token.tid,
        units_carried=str(sale.units_carried), module=token.module_id,
    )  # fmt: skip
    _tell_after(session, sale, SaleState.ISSUED)
    if not sealed:
        return sale
    take_back(session, actor, sale, account, at=at, reason="money_given_back_in_doubt")
    return None


@made_once
def _issuing(*written: str, sealed: bool) -> ReturningUpdate[*tuple[Any, ...]]:
    return (
        update(Sale)
        .where(Sale.id == bindparam("same_id"), Sale.state == bindparam("same_state"))
        .where(Sale.request_id == bindparam("same_request_id"))
        .where(Sale.sealed_at.is_not(None) if sealed else Sale.sealed_at.is_(None))
        .values({name: bindparam(f"to_{name}") for name in written})
        .returning(Sale.doubt_at, *FIGURES)
    )


def take_back(
    session: Session,
    actor: Actor,
    sale: Sale,
    account: VendingPointAccount,
    *also: ColumnElement[bool],
    at: datetime,
    reason: str,
    shift_id: int | None = None,
    **details: Any,  # noqa: ANN401 - for the record
) -> LedgerTransfer:
    """Reverse an issued sale, inside a transaction that holds its locks.

    What it counted is given back to the service point and periods stored on it, the fees it
    paid are due again, from who left since as arrears, and its money is answered by a transfer
    of today.

    Args:
        session: The service point, the meter's head and the account are locked.
        actor: Who takes it back.
        sale: As it was read.
        account: The sale's vending point's, locked.
        also: What must still hold of the sale.
        at: Now.
        reason: Stable code.
        shift_id: Whose drawer pays.
        details: What the record says besides.

    Raises:
        LostRace: It is no longer what the caller read.
    """
    today = business_day(at, setup_at(session, at).time_zone)
    move(session, sale, SaleState.REVERSED, *also)
    _give_back(session, sale)
    answer = ledger.reverse(
        session, sale, account, at=at, business_date=today, reason=reason, shift_id=shift_id
    )
    audit.record(
        session, actor, "sale.reversed", "sale", sale.id,
        vending_point_id=sale.vending_point_id, reason=reason, **details,
    )  # fmt: skip
    _tell_after(session, sale, SaleState.REVERSED)
    return answer


def _tell_after(session: Session, sale: Sale, state: SaleState) -> None:
    """Count the move once it is committed, and say it in the log."""
    after_commit(session, partial(_tell, sale.id, state))


def _tell(sale_id: int, state: SaleState) -> None:
    metrics.count_sale(state.value)
    log.info("sale %s: %s", sale_id, state.value)


def _compare_and_set(
    session: Session, sale: Sale, *also: ColumnElement[bool], **values: object
) -> None:
    if rows_changed(session, _as_it_stands(sale, *also).values(**values)) != 1:
        raise LostRace


def _as_it_stands(sale: Sale, *also: ColumnElement[bool]) -> Update:
    """Begin an update of a sale if it still is what the caller read."""
    same = (Sale.id == sale.id, Sale.state == sale.state, Sale.request_id == sale.request_id)
    return update(Sale).where(*same, *also)


def _check_move(sale: Sale, to: SaleState) -> None:
    if to not in MOVES[SaleState(sale.state)]:
        raise IllegalTransition(sale_id=sale.id, state=sale.state)


def _give_back(session: Session, sale: Sale) -> None:
    """Undo what reserve counted, at the service point and periods stored on the sale."""
    counter = lock_keyed(
        session,
        Counter,
        service_point_id=sale.service_point_id,
        period_start=sale.counter_period,
    )
    counter.units -= sale.counted_units
    counter.charged_minor -= sale.charged_minor
    debts.give_back(session, sale)
    fees = session.execute(
        delete(FeePayment)
        .where(FeePayment.sale_id == sale.id)
        .returning(FeePayment.fee_period, FeePayment.period_start)
        .execution_options(synchronize_session=False)
    ).all()
    owe_again(session, sale, [(length, start) for length, start in fees])


def _next_receipt(session: Session, vending_point_id: int) -> tuple[int, int]:
    """Take the next number of the vending point's series; the lock keeps it gapless."""
    at_point = {"point_id": vending_point_id}
    taken = run(session, _taking(), at_point).one_or_none()
    if taken is None:  # the first of the series
        insert_missing(
            session, ReceiptCounter, vending_point_id=vending_point_id,
            series=installation(session).receipt_series, last_number=0,
        )  # fmt: skip
        taken = run(session, _taking(), at_point).one()
    return taken.series, taken.last_number


@made_once
def _taking() -> ReturningUpdate[int, int]:
    present = select(Installation.receipt_series).where(Installation.id == 1).scalar_subquery()
    return (
        update(ReceiptCounter)
        .where(ReceiptCounter.vending_point_id == bindparam("point_id"))
        .where(ReceiptCounter.series == present)
        .values(last_number=ReceiptCounter.last_number + 1)
        .returning(ReceiptCounter.series, ReceiptCounter.last_number)
    )


def _token_row(sale: Sale, token: IssuedToken, at: datetime) -> Token:
    return Token(
        vending_point_id=sale.vending_point_id,
        sale_id=sale.id,
        meter_id=sale.meter_id,
        digits=token.digits,
        token_class=token.token_class,
        subclass=token.subclass,
        tid=token.tid,
        amount_field=token.amount_field,
        kcv=token.kcv,
        module_name=token.module_id,
        table_set=token.table_set,
        demo=token.demo,
        made_at=at,
    )

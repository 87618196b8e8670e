"""An issued sale taken back: by two people, within a window, once, with a reason.

Digits cannot be recalled. A token that somebody had seen stays one that may have been used:
it is never shown again, it stays among the meter's tokens, and what the meter buys later is
flagged. The money is answered by a transfer of today; whatever the sale counted goes back to
the service point and the periods stored on it, and fees it paid are due again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session, joinedload, undefer
from sqlalchemy.sql.base import ExecutableOption

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused
from vmsapp.models import (
    ApprovalRequest,
    ApprovalState,
    ReversalReason,
    Sale,
    SaleReversal,
    SaleState,
    ServicePoint,
)
from vmsapp.money import Money
from vmsapp.scope import Actor, unscoped
from vmsapp.security import Permission
from vmsapp.services.approvals.deed import Deed, Line, Place, SaleNumber, Sentence
from vmsapp.services.rows import lock
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.drawer import drawer_lines, paying_shift
from vmsapp.services.vending.errors import IllegalTransition
from vmsapp.services.vending.ground import lock_account
from vmsapp.services.vending.settle import LostRace, read, take_back
from vmsapp.services.vending.tids import lock_head
from vmsapp.sts import identifiers

MAY_REVERSE: Final[Permission] = ("can_reverse", "Sales")
MAX_NOTE: Final = 255

REASONS: Final[Mapping[str, str]] = {
    ReversalReason.NOT_HANDED_OUT: N_("Never handed out"),
    ReversalReason.WRONG_METER: N_("Wrong meter"),
    ReversalReason.TEST: N_("Trial sale"),
    ReversalReason.OTHER: N_("Other reason"),
}
"""The reasons a sale is taken back for, in words."""

RECALLED: Final = {
    True: N_(
        "Its digits were shown, and digits cannot be recalled: the meter may have taken them,"
        " or take them later."
    ),
    False: N_("Its digits were never shown to anybody, and never will be."),
}
"""What is known of a token that is taken back: by whether it may have been used."""


class ReversedBefore(Conflict):
    """Somebody took the sale back already."""

    code = "reversed_before"
    message = N_("Sale %(sale_id)s was taken back already. Do not give its money back again.")

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class ReversalTooLate(Refused):
    """The window in which a sale may be taken back is over."""

    code = "reversal_too_late"
    message = N_(
        "Sale %(sale_id)s could be taken back until %(until)s. That is over; ask an administrator"
        " about the window in the setup."
    )

    def __init__(self, *, sale_id: int, until: datetime) -> None:
        super().__init__(sale_id=sale_id, until=until)


class HandedOut(InvalidInput):
    """The digits were shown, so nobody can say that they never left."""

    code = "handed_out"
    message = N_(
        "The digits of this sale were shown on %(shown_at)s, so they may have left. Choose"
        " another reason."
    )
    field = "reason"

    def __init__(self, *, shown_at: datetime) -> None:
        super().__init__(shown_at=shown_at)


class ReversalReasonMissing(InvalidInput):
    """One of the reasons must be chosen."""

    code = "reversal_reason_missing"
    message = N_("Choose why this sale is taken back.")
    field = "reason"


class ReversalNoteMissing(InvalidInput):
    """Another reason than those listed needs words."""

    code = "reversal_note_missing"
    message = N_("Say what happened, so that the second person can decide.")
    field = "note"


class ReversalNoteTooLong(InvalidInput):
    """More than is kept."""

    code = "reversal_note_too_long"
    message = N_("This is too long: at most %(most)s characters are kept.")
    field = "note"

    def __init__(self, *, most: int = MAX_NOTE) -> None:
        super().__init__(most=most)


@dataclass(frozen=True, slots=True)
class Reversal:
    """Which sale is taken back, how much money goes back, and why."""

    sale_id: int
    amount_minor: int
    reason: str
    note: str = ""


def reversal_for(session: Session, sale_id: int, reason: str, note: str) -> Reversal:
    """Say what there is to take back for a sale.

    Raises:
        NotFound: There is no such sale, or it is out of sight.
    """
    return Reversal(sale_id, _sale(session, sale_id).charged_minor, reason, note.strip())


def until_when(session: Session, sale: Sale, now: datetime) -> datetime:
    """Tell until when a sale may be taken back, by the settings in force now."""
    return sale.sold_at + timedelta(hours=setup_at(session, now).reversal_hours)


def possible(sale: Sale, now: datetime, hours: int) -> bool:
    """Tell whether a sale may be taken back now, for whatever reason.

    Args:
        sale: Which.
        now: The moment.
        hours: ``reversal_hours`` of the settings in force now.
    """
    return sale.state == SaleState.ISSUED and now <= sale.sold_at + timedelta(hours=hours)


def reversal_of(session: Session, sale_id: int) -> SaleReversal | None:
    """Find how a sale was taken back, with its sale; none for sales given back in doubt."""
    return session.scalars(
        select(SaleReversal)
        .where(SaleReversal.sale_id == sale_id)
        .options(joinedload(SaleReversal.sale))
    ).first()


def requests_about(sale: Sale) -> Select[ApprovalRequest]:
    """Select the requests to take a sale back, newest first, with the people in them."""
    return (
        select(ApprovalRequest)
        .where(ApprovalRequest.vending_point_id == sale.vending_point_id)
        .where(ApprovalRequest.action == REVERSE.action)
        .where(ApprovalRequest.params["sale_id"].as_numeric(20, 0) == sale.id)
        .order_by(ApprovalRequest.id.desc())
        .options(undefer(ApprovalRequest.asked_by), undefer(ApprovalRequest.decided_by))
    )


def waiting_for(session: Session, sale: Sale) -> ApprovalRequest | None:
    """Find the request to take a sale back that waits for a second person."""
    return session.scalars(
        requests_about(sale)
        .where(ApprovalRequest.state == ApprovalState.PENDING)
        .where(ApprovalRequest.expires_at > now_utc())
        .limit(1)
    ).first()


def approved_for(session: Session, sale: Sale) -> ApprovalRequest | None:
    """Find the request by which a sale was taken back: it names both people."""
    return session.scalars(
        requests_about(sale).where(ApprovalRequest.state == ApprovalState.APPROVED).limit(1)
    ).first()


def follows_reversal() -> ColumnElement[bool]:
    """State which sales were made to a meter after one of it was taken back.

    Asked of the table, beside the scope: wherever it was sold, its digits may be in the meter.
    """
    reversal = SaleReversal.__table__.c
    return exists().where(
        reversal.meter_id == Sale.meter_id,
        reversal.may_be_used.is_(True),
        reversal.reversed_at < Sale.sold_at,
    )


def followed_reversals(session: Session, sale: Sale) -> Sequence[int]:
    """List the sales to a sale's meter that had been taken back before, newest first."""
    reversal = SaleReversal.__table__.c
    return session.scalars(
        select(reversal.sale_id)
        .where(reversal.meter_id == sale.meter_id, reversal.may_be_used.is_(True))
        .where(reversal.reversed_at < sale.sold_at)
        .order_by(reversal.id.desc())
    ).all()


def _sale(session: Session, sale_id: int, *loads: ExecutableOption) -> Sale:
    fresh = select(Sale).where(Sale.id == sale_id).execution_options(populate_existing=True)
    sale = session.scalars(fresh.options(*loads)).one_or_none()
    if sale is None:
        raise NotFound
    return sale


def _check(session: Session, _actor: Actor, params: Reversal) -> None:
    """Lock what a reversal changes, then refuse what cannot be taken back."""
    sale = _locked(session, params.sale_id)
    if sale.state == SaleState.REVERSED:
        raise ReversedBefore(sale_id=sale.id)
    if sale.state != SaleState.ISSUED or sale.charged_minor != params.amount_minor:
        raise IllegalTransition(sale_id=sale.id, state=sale.state)
    now = now_utc()
    until = until_when(session, sale, now)
    if now > until:
        raise ReversalTooLate(sale_id=sale.id, until=until)
    _check_reason(sale, params)


def _locked(session: Session, sale_id: int) -> Sale:
    """Lock what a reversal changes, and read the sale under the locks."""
    sale = _sale(session, sale_id)
    with unscoped("whose sale it is sees it whole, though its service point moved away"):
        lock(session, ServicePoint, ServicePoint.id == sale.service_point_id)
    lock_head(session, sale.meter_pan, sale.base_date)
    lock_account(session, sale.vending_point_id)
    return _sale(session, sale_id)


def _check_reason(sale: Sale, params: Reversal) -> None:
    if params.reason not in REASONS:
        raise ReversalReasonMissing
    if params.reason == ReversalReason.NOT_HANDED_OUT and sale.shown_at is not None:
        raise HandedOut(shown_at=sale.shown_at)
    if params.reason == ReversalReason.OTHER and not params.note:
        raise ReversalNoteMissing
    if len(params.note) > MAX_NOTE:
        raise ReversalNoteTooLong


def reverse_booked(session: Session, actor: Actor, sale_id: int, note: str, key: str) -> None:
    """Take back a sale that was booked after a restore, inside the caller's transaction.

    Its money was given back in the interval that was lost, so neither the window nor a second
    person stands before it; its digits may have been used.

    Raises:
        ReversedBefore, IllegalTransition: It is not issued any more.
    """
    sale = _locked(session, sale_id)
    if sale.state == SaleState.REVERSED:
        raise ReversedBefore(sale_id=sale.id)
    if sale.state != SaleState.ISSUED:
        raise IllegalTransition(sale_id=sale.id, state=sale.state)
    _run(
        session, actor, Reversal(sale.id, sale.charged_minor, ReversalReason.OTHER, note), key
    )  # fmt: skip


def _run(session: Session, actor: Actor, params: Reversal, key: str) -> None:
    sale = read(session, params.sale_id)
    # digits shown since then may have left: the reason is compared with the write itself
    unseen = params.reason == ReversalReason.NOT_HANDED_OUT
    still = (Sale.shown_at.is_(None),) if unseen else ()
    at = now_utc()
    try:
        answer = take_back(
            session, actor, sale, lock_account(session, sale.vending_point_id), *still, at=at,
            reason=params.reason, shift_id=paying_shift(session, sale, actor.user_id),
            note=params.note, charged_minor=sale.charged_minor,
        )  # fmt: skip
    except LostRace:
        now = read(session, params.sale_id)
        if unseen and now.shown_at is not None:
            raise HandedOut(shown_at=now.shown_at) from None
        raise IllegalTransition(sale_id=now.id, state=now.state) from None
    seen_at = session.scalar(select(Sale.shown_at).where(Sale.id == sale.id))  # ours by now
    session.add(
        SaleReversal(
            vending_point_id=sale.vending_point_id, sale_id=sale.id, meter_id=sale.meter_id,
            transfer_id=answer.id, reason=params.reason, note=params.note,
            may_be_used=seen_at is not None, money_minor=sale.charged_minor,
            reversed_at=at, business_date=answer.business_date, asked_by_id=actor.user_id,
            key=key,
        )
    )  # fmt: skip
    session.flush()


def _place(session: Session, params: Reversal) -> Place:
    return Place(vending_point_id=_sale(session, params.sale_id).vending_point_id)


def _asker_of(session: Session, sale: Sale, params: Reversal) -> int | None:
    """Tell who asked for just this, while it waits."""
    asked = select(ApprovalRequest.asked_by_id).where(
        ApprovalRequest.vending_point_id == sale.vending_point_id,
        ApprovalRequest.hash == REVERSE.freeze(params)[1],
        ApprovalRequest.state == ApprovalState.PENDING,
    )
    return session.scalars(asked.limit(1)).first()


def _describe(session: Session, params: Reversal) -> Sequence[Line]:
    sale = _sale(session, params.sale_id, joinedload(Sale.consumer), joinedload(Sale.meter))
    reason = REASONS.get(params.reason, params.reason)
    return (
        Line(N_("Sale"), SaleNumber(sale.id)),
        Line(N_("Receipt"), sale.receipt),
        Line(N_("Sold at"), sale.sold_at),
        Line(N_("Consumer"), sale.consumer.name if sale.consumer else None),
        Line(N_("Meter number"), identifiers.drn.format(sale.meter.drn) if sale.meter else None),
        Line(N_("Units"), sale.units),
        Line(N_("Money given back"), Money(params.amount_minor, sale.currency)),
        *drawer_lines(session, sale, _asker_of(session, sale, params)),
        Line(N_("Reason"), Sentence(reason)),
        Line(N_("Remark"), params.note or None),
        Line(N_("Token"), Sentence(RECALLED[sale.shown_at is not None])),
        Line(N_("May be taken back until"), until_when(session, sale, now_utc()), passing=True),
    )


REVERSE: Final = Deed(
    action="sale.reverse",
    label=N_("Take a sale back"),
    params=Reversal,
    permission=MAY_REVERSE,
    place=_place,
    amount_minor=lambda params: params.amount_minor,
    describe=_describe,
    check=_check,
    run=_run,
    asks=lambda _session, _params: True,
)
"""Always asks: a token that was made is worth its money to whoever holds its digits."""

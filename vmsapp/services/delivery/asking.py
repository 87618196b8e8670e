"""Asking for a receipt to be sent, and for one that was not to be sent once more."""

import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import (
    DELIVERY_MOVES,
    OPEN_DELIVERIES,
    Channel,
    Delivery,
    DeliveryState,
    PrintKind,
)
from vmsapp.scope import Actor
from vmsapp.services import prints
from vmsapp.services.delivery.addresses import address_of, masked
from vmsapp.services.delivery.senders import Senders
from vmsapp.services.delivery.sending import tokens_to_send
from vmsapp.services.receipts import Receipt
from vmsapp.services.setup import setup_at


class BeingSent(Refused):
    """One by this way is on its way already."""

    code = "delivery_being_sent"
    message = N_("This receipt is being sent that way already. Wait for what becomes of it.")


class NotToBeRetried(Conflict):
    """It was sent, or is under way."""

    code = "delivery_not_over"
    message = N_("Only a delivery that failed, or of which nobody knows, is sent once more.")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a receipt is to be sent.

    Attributes:
        nth: Which print the page said it would be.
        may_reprint: Whether who asks may make copies.
    """

    channel: Channel
    language: str
    nth: int
    may_reprint: bool


def ask(session: Session, actor: Actor, senders: Senders, receipt: Receipt, wish: Wish) -> Delivery:
    """Write down that a receipt is to be sent; the door tells the workers after the commit.

    Args:
        session: In the actor's scope.
        actor: Who asks.
        senders: Of this installation.
        receipt: As it was just read and marked as shown.
        wish: How.

    Raises:
        SmsNotSetUp, MailNotSetUp, MailPasswordLost: Nothing sends by this way.
        NoAddress, NoPhone, PhoneNotSendable, AddressTooFresh: Nowhere to send it to.
        TakenBack, SetRefused: Nothing to send.
        BeingSent: It is on its way already.
        NoReceipt, PrintedMeanwhile, NotAllowed: See ``prints.note_print``.
    """
    assert actor.user_id is not None, "who sends has signed in"
    to = _checked(session, senders, receipt, wish.channel)
    with atomic(session):
        _count(session, actor, receipt.sale.id, wish)
        if _under_way(session, receipt.sale.id, wish.channel):
            raise BeingSent
        now = now_utc()
        row = Delivery(
            sale_id=receipt.sale.id, vending_point_id=receipt.sale.vending_point_id,
            consumer_id=receipt.sale.consumer_id, channel=wish.channel.value,
            language=wish.language, nth=wish.nth, reference=secrets.token_hex(16),
            to_masked=to, asked_by_id=actor.user_id, asked_at=now,
            state=DeliveryState.WAITING, state_at=now, due_at=now, queued_at=now, attempts=0,
            message_id="",
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row


def retry(
    session: Session,
    actor: Actor,
    senders: Senders,
    receipt: Receipt,
    delivery_id: int,
    *,
    may_reprint: bool,
) -> Delivery:
    """Have a delivery sent once more; it counts as one more print.

    Raises:
        NotFound: This sale has no such delivery, as far as the actor sees.
        NotToBeRetried: It was sent, or is under way.
        NotAllowed: It would be a copy, and who asks may make none.
        Refused: As ``ask`` does.
    """
    assert actor.user_id is not None, "who sends has signed in"
    before = delivery_of(session, receipt.sale.id, delivery_id)
    channel = Channel(before.channel)
    to = _checked(session, senders, receipt, channel)
    with atomic(session):
        nth = prints.next_print(session, receipt.sale.id)
        wish = Wish(channel, before.language, nth, may_reprint)
        _count(session, actor, receipt.sale.id, wish)  # it locks the sale
        row = _locked(session, delivery_id)
        again = DeliveryState.WAITING in DELIVERY_MOVES[DeliveryState(row.state)]
        if row.open or not again:
            raise NotToBeRetried
        if _under_way(session, receipt.sale.id, channel):
            raise BeingSent
        now = now_utc()
        row.state, row.state_at, row.due_at, row.queued_at = DeliveryState.WAITING, now, now, now
        row.attempts, row.nth, row.to_masked, row.problem = 0, nth, to, None
        row.asked_by_id, row.asked_at = actor.user_id, now
        # a service that leaves out what it took would leave out what somebody wants again
        row.reference = secrets.token_hex(16)
        session.flush()
        return row


def deliveries_of(session: Session, sale_id: int) -> list[Delivery]:
    """List the deliveries of a sale in the asker's scope, the first one first."""
    return list(session.scalars(
        select(Delivery).where(Delivery.sale_id == sale_id).order_by(Delivery.id)
        .options(undefer(Delivery.asked_by)).execution_options(populate_existing=True)
    ))  # fmt: skip


def delivery_of(session: Session, sale_id: int, delivery_id: int) -> Delivery:
    """Fetch one delivery of a sale.

    Raises:
        NotFound: There is none, as far as the asker sees.
    """
    row = session.scalars(
        select(Delivery).where(Delivery.id == delivery_id, Delivery.sale_id == sale_id)
    ).first()
    if row is None:
        raise NotFound
    return row


def _checked(session: Session, senders: Senders, receipt: Receipt, channel: Channel) -> str:
    now = now_utc()
    to = address_of(receipt.consumer, channel, now)
    senders.of(channel, setup_at(session, now))
    tokens_to_send(receipt)
    return masked(to, channel)


def _count(session: Session, actor: Actor, sale_id: int, wish: Wish) -> None:
    prints.note_print(
        session, actor, sale_id, nth=wish.nth, kind=PrintKind(wish.channel.value),
        language=wish.language, may_reprint=wish.may_reprint,
    )  # fmt: skip


def _under_way(session: Session, sale_id: int, channel: Channel) -> bool:
    open_one = select(Delivery.id).where(
        Delivery.sale_id == sale_id, Delivery.channel == channel,
        Delivery.state.in_(OPEN_DELIVERIES),
    )  # fmt: skip
    return session.scalars(open_one.limit(1)).first() is not None


def _locked(session: Session, delivery_id: int) -> Delivery:
    return session.scalars(
        select(Delivery).where(Delivery.id == delivery_id)
        .with_for_update().execution_options(populate_existing=True)
    ).one()  # fmt: skip

"""Carrying a delivery out: digits are read now, the state is written before the sender is asked.

At most once by itself: a delivery whose sender was asked and did not say that it surely took
nothing is not sent again but by a person. A second text message with the same token does no
harm to the meter, but the consumer pays for a call, and the utility for the message.
"""

import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused, Unavailable, VmsError
from vmsapp.extensions import end_reading
from vmsapp.models import Delivery, DeliveryState, SaleState
from vmsapp.services import receipts
from vmsapp.services.delivery.addresses import address_of
from vmsapp.services.delivery.senders import Message, Outcome, Sender, Senders, hand_over
from vmsapp.services.delivery.states import Parcel, mark, move, parcels
from vmsapp.services.delivery.terms import PAUSES
from vmsapp.services.problems import Broken
from vmsapp.services.receipts import Receipt
from vmsapp.services.setup import setup_at

Writer = Callable[[Session, Receipt, Parcel, str], Message]
"""Writes a message: of a receipt, for a delivery, to an address. The doors have the words."""

log: Final = logging.getLogger(__name__)


class TakenBack(Refused):
    """The sale was reversed, or its money was given back, before the receipt was sent."""

    code = "delivery_taken_back"
    message = N_("The sale was taken back before its receipt was sent, so nothing was sent.")


class SetRefused(Refused):
    """The meter refused the key change that goes with the token."""

    code = "delivery_set_refused"
    message = N_(
        "The meter refused the key change that goes with this token, so it would not take the"
        " token either. Nothing was sent."
    )


class NotTakenInTime(Unavailable):
    """It waited too long, or was tried often enough."""

    code = "delivery_given_up"
    message = N_("It was tried again and again, and is not tried any more.")


def deliver(session: Session, senders: Senders, write: Writer, delivery_id: int) -> bool:
    """Send one delivery, if it waits and is due.

    Args:
        session: In the product's own scope, with no transaction open.
        senders: Of this installation.
        write: The doors' writer.
        delivery_id: Which.

    Returns:
        Whether something was done to it.
    """
    due = (Delivery.id == delivery_id, Delivery.state == DeliveryState.WAITING,
           Delivery.due_at <= now_utc())  # fmt: skip
    found = parcels(session, *due)
    if not found:
        return False
    (parcel,) = found
    try:
        sender, message = _ready(session, senders, write, parcel)
    except VmsError as error:
        session.rollback()
        return move(
            session, parcel, parcel.attempts, DeliveryState.WAITING, DeliveryState.FAILED, error
        )
    except Exception:
        session.rollback()
        move(
            session, parcel, parcel.attempts, DeliveryState.WAITING, DeliveryState.FAILED, Broken()
        )
        raise
    end_reading(session)
    if not mark(session, parcel, now_utc()):
        return False
    _hand_over(session, sender, message, parcel)
    return True


def tokens_to_send(receipt: Receipt) -> None:
    """Make sure that a receipt has tokens that may be sent.

    Raises:
        TakenBack: It has none, or none any more.
        SetRefused: Its meter would not take them.
    """
    if receipt.digits is None or receipt.sale.state != SaleState.ISSUED:
        raise TakenBack
    if receipt.set_refused:
        raise SetRefused


def _ready(
    session: Session, senders: Senders, write: Writer, parcel: Parcel
) -> tuple[Sender, Message]:
    now = now_utc()
    sender = senders.of(parcel.channel, setup_at(session, now))
    receipt = receipts.receipt(session, parcel.asker, parcel.sale_id)
    tokens_to_send(receipt)
    to = address_of(receipt.consumer, parcel.channel, now)
    return sender, write(session, receipt, parcel, to)


def _hand_over(session: Session, sender: Sender, message: Message, parcel: Parcel) -> None:
    """Ask the sender, and write what it says."""
    attempt, sending = parcel.attempts + 1, DeliveryState.SENDING
    answer = hand_over(sender, message, f"delivery {parcel.id}")
    if answer.outcome is Outcome.NOT_NOW:
        _put_off(session, parcel, attempt, answer.error)
    elif answer.outcome is Outcome.TAKEN:
        for old in (sending, DeliveryState.UNSURE):  # the sweep may have given up waiting
            if move(
                session, parcel, attempt, old, DeliveryState.SENT, message_id=answer.message_id
            ):
                break
    else:
        move(session, parcel, attempt, sending, DeliveryState(answer.outcome), answer.error)


def _put_off(session: Session, parcel: Parcel, attempt: int, error: VmsError | None) -> None:
    if attempt > len(PAUSES):
        move(session, parcel, attempt, DeliveryState.SENDING, DeliveryState.GIVEN_UP, error)
        return
    due = now_utc() + PAUSES[attempt - 1]
    move(
        session, parcel, attempt, DeliveryState.SENDING, DeliveryState.WAITING, error,
        due_at=due, queued_at=None,
    )  # fmt: skip

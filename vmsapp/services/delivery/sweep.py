"""Deliveries nobody is at any more: found by the clock, whatever became of message and worker."""

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Uncertain
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import Delivery, DeliveryState
from vmsapp.services.delivery.sending import NotTakenInTime
from vmsapp.services.delivery.states import move, parcels
from vmsapp.services.delivery.terms import KEPT_FOR, STALE_AFTER, SWEPT_AT_ONCE, UNCLAIMED_AFTER
from vmsapp.services.rows import rows_changed


class NoAnswer(Uncertain):
    """The worker was gone between asking the sender and writing its answer."""

    code = "delivery_no_answer"
    message = N_(
        "Nobody knows whether this left: the worker stopped while the sender was asked. Ask the"
        " customer before you send it again."
    )


def sweep(session: Session) -> list[int]:
    """Find deliveries that are due and tell which the workers are to be told of.

    What a dead worker left in the middle is unsure from then on; what waited too long is given up.

    Args:
        session: In the product's own scope, with no transaction open.
    """
    now = now_utc()
    left = (Delivery.state == DeliveryState.SENDING) & (Delivery.state_at < now - STALE_AFTER)
    late = (Delivery.state == DeliveryState.WAITING) & (Delivery.asked_at < now - KEPT_FOR)
    lost = parcels(session, left, limit=SWEPT_AT_ONCE)
    old = parcels(session, late, limit=SWEPT_AT_ONCE)
    end_reading(session)
    for one in lost:
        was, becomes = DeliveryState.SENDING, DeliveryState.UNSURE
        move(session, one, one.attempts, was, becomes, NoAnswer())
    for one in old:
        was, becomes = DeliveryState.WAITING, DeliveryState.GIVEN_UP
        move(session, one, one.attempts, was, becomes, NotTakenInTime())
    return _wanted(session)


def next_due(session: Session) -> int | None:
    """The delivery that is due longest, to be sent now that there is room."""
    due = select(Delivery.id).where(
        Delivery.state == DeliveryState.WAITING, Delivery.due_at <= now_utc()
    )
    found = session.scalar(due.order_by(Delivery.due_at, Delivery.id).limit(1))
    end_reading(session)
    return found


def _wanted(session: Session) -> list[int]:
    now = now_utc()
    with atomic(session, durable=True):
        waiting = (
            select(Delivery.id)
            .where(Delivery.state == DeliveryState.WAITING, Delivery.due_at <= now)
            .where(
                or_(Delivery.queued_at.is_(None), Delivery.queued_at < now - UNCLAIMED_AFTER)
            )
            .order_by(Delivery.due_at, Delivery.id).limit(SWEPT_AT_ONCE)
        )  # fmt: skip
        ids = list(session.scalars(waiting))
        rows_changed(session, update(Delivery).where(Delivery.id.in_(ids)).values(queued_at=now))
    return ids

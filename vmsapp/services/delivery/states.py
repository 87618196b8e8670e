"""The moves of a delivery, each a compare-and-set; whoever loses leaves it to who won."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.models import DELIVERY_MOVES, Channel, Delivery, DeliveryState, Sale, SaleState
from vmsapp.scope import EVERYTHING, Actor
from vmsapp.services import audit, prints
from vmsapp.services.delivery.terms import AT_ONCE, STALE_AFTER
from vmsapp.services.problems import problem_of
from vmsapp.services.rows import rows_changed


class LostDelivery(Exception):
    """Another moved it meanwhile."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery as it was read: what is compared must not follow the row."""

    id: int
    reference: str
    channel: Channel
    language: str
    nth: int | None
    sale_id: int
    vending_point_id: int
    attempts: int
    asked_by_id: int
    asked_by: str

    @property
    def asker(self) -> Actor:
        """In whose name it is sent, for the record."""
        return Actor(self.asked_by_id, self.asked_by, EVERYTHING)

    @property
    def copy(self) -> int:
        """Number of the copy; 0 is the original."""
        return (self.nth or 1) - 1


def parcels(session: Session, *where: ColumnElement[bool], limit: int = 1) -> list[Parcel]:
    """Read deliveries, the first ones first."""
    columns = (getattr(Delivery, each.name) for each in fields(Parcel))
    found = session.execute(select(*columns).where(*where).order_by(Delivery.id).limit(limit))
    return [Parcel(**dict(row) | {"channel": Channel(row["channel"])}) for row in found.mappings()]


def mark(session: Session, parcel: Parcel, now: datetime) -> bool:
    """Write that the sender is about to be asked, before it is.

    Not while enough are being sent, nor once the sale has no token to show.
    """
    with atomic(session, durable=True):
        busy = session.scalar(
            select(func.count()).select_from(Delivery)
            .where(Delivery.state == DeliveryState.SENDING, Delivery.state_at > now - STALE_AFTER)
        )  # fmt: skip
        if (busy or 0) >= AT_ONCE:
            return False
        issued = exists().where(Sale.id == Delivery.sale_id, Sale.state == SaleState.ISSUED)
        return rows_changed(
            session,
            update(Delivery)
            .where(
                *_own(parcel, parcel.attempts), Delivery.state == DeliveryState.WAITING,
                Delivery.due_at <= now, issued,
            )
            .values(state=DeliveryState.SENDING, state_at=now, attempts=parcel.attempts + 1),
        ) == 1  # fmt: skip


def move(
    session: Session,
    parcel: Parcel,
    attempt: int,
    old: DeliveryState,
    new: DeliveryState,
    error: VmsError | None = None,
    **values: Any,  # noqa: ANN401 - of any column
) -> bool:
    """Write what became of an attempt, unless it is another's meanwhile.

    One that surely was not sent counts as a print no more. What happened goes on record.

    Args:
        session: With no transaction open.
        parcel: The delivery as it was read.
        attempt: The number of the attempt.
        old: From which state.
        new: To which.
        error: Why, where there is a why.
        values: Of other columns.
    """
    assert new in DELIVERY_MOVES[old], f"{old} to {new}"
    over = new in {DeliveryState.FAILED, DeliveryState.GIVEN_UP}
    values |= {"state": new, "state_at": now_utc(), "problem": error and problem_of(error)}
    try:
        with atomic(session, durable=True):
            if over and parcel.nth is not None:  # first, for it locks the sale
                why = error.code if error else new.value
                prints.note_not_sent(session, parcel.asker, parcel.sale_id, nth=parcel.nth, why=why)
                values["nth"] = None
            changed = rows_changed(
                session,
                update(Delivery)
                .where(*_own(parcel, attempt), Delivery.state == old)
                .values(values),
            )
            if changed != 1:
                raise LostDelivery  # noqa: TRY301 - it takes the transaction back
            _note(session, parcel, new)
    except LostDelivery:
        return False
    return True


def _own(parcel: Parcel, attempt: int) -> tuple[ColumnElement[bool], ...]:
    """State which row is an attempt's: a person who sends it once more changes the reference."""
    return (
        Delivery.id == parcel.id,
        Delivery.reference == parcel.reference,
        Delivery.attempts == attempt,
    )


def _note(session: Session, parcel: Parcel, new: DeliveryState) -> None:
    actions = {DeliveryState.SENT: "receipt.sent", DeliveryState.UNSURE: "receipt.unsure"}
    if new in actions:
        audit.record(
            session, parcel.asker, actions[new], "sale", parcel.sale_id,
            vending_point_id=parcel.vending_point_id, copy=parcel.copy, kind=parcel.channel,
        )  # fmt: skip

"""Deliveries: receipts on their way to consumers, by mail and by text message."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Id, Moment, UtcDateTime
from vmsapp.models.user import username_of


class Channel(StrEnum):
    """By which way a receipt is sent."""

    MAIL = "mail"
    SMS = "sms"


class DeliveryState(StrEnum):
    """How far a delivery is.

    ``SENDING`` is written before the sender is asked: who finds it later knows that the message
    may have left. ``UNSURE`` is what becomes of it where no answer came; nothing but a person
    sends such a one again.
    """

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNSURE = "unsure"
    FAILED = "failed"
    GIVEN_UP = "given_up"


DELIVERY_MOVES: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.WAITING: frozenset(
        {DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.GIVEN_UP}
    ),
    DeliveryState.SENDING: frozenset(
        {
            DeliveryState.SENT, DeliveryState.WAITING, DeliveryState.UNSURE,
            DeliveryState.FAILED, DeliveryState.GIVEN_UP,
        }
    ),
    DeliveryState.UNSURE: frozenset({DeliveryState.SENT, DeliveryState.WAITING}),
    DeliveryState.FAILED: frozenset({DeliveryState.WAITING}),
    DeliveryState.GIVEN_UP: frozenset({DeliveryState.WAITING}),
    DeliveryState.SENT: frozenset(),
}  # fmt: skip
"""From which state to which; every move is a compare-and-set."""

OPEN_DELIVERIES: Final = (DeliveryState.WAITING, DeliveryState.SENDING)


class Delivery(PointScoped, Model):
    """One receipt to one address of its consumer.

    It holds neither digits nor the address: both are read when it is sent. The tokens of a key
    change are found by the sale.

    Attributes:
        language: The one the receipt is written in.
        nth: Which print of the sale it counts as; none, once it surely was not sent.
        reference: Told to the sender with every attempt, so that it can leave out what it has
            taken already.
        to_masked: Enough of the address to tell it from others; empty once the consumer's data
            were removed.
        due_at: From when on it may be sent.
        queued_at: When the workers were last told.
        attempts: How often the sender was asked, since a person last wanted it.
        message_id: What the sender calls it.
        problem: Why it was not sent, as ``services.problems`` writes it.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("channel IN ('mail', 'sms')", name="ck_delivery_channel"),
        CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed', 'given_up')",
            name="ck_delivery_state",
        ),
        CheckConstraint("attempts >= 0", name="ck_delivery_attempts"),
        CheckConstraint(
            "(nth IS NULL) = (state IN ('failed', 'given_up'))", name="ck_delivery_nth"
        ),
        Index(
            "ix_delivery_due",
            "due_at",
            sqlite_where=text("state IN ('waiting', 'sending')"),
            postgresql_where=text("state IN ('waiting', 'sending')"),
        ),
    )

    id: Mapped[Id]
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), index=True)
    consumer_id: Mapped[int] = mapped_column(ForeignKey("consumer.id"), index=True)
    channel: Mapped[str] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8))
    nth: Mapped[int | None]
    reference: Mapped[str] = mapped_column(String(32), unique=True)
    to_masked: Mapped[str] = mapped_column(String(120))
    asked_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)
    asked_at: Mapped[Moment]
    state: Mapped[str] = mapped_column(String(8), default=DeliveryState.WAITING)
    state_at: Mapped[Moment]
    due_at: Mapped[Moment]
    queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    message_id: Mapped[str] = mapped_column(String(120), default="")
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    asked_by: Mapped[str] = column_property(username_of(asked_by_id), deferred=True, raiseload=True)

    @property
    def open(self) -> bool:
        """Whether something goes on by itself."""
        return self.state in OPEN_DELIVERIES

    @property
    def may_retry(self) -> bool:
        """Whether a person may have it sent once more."""
        return DeliveryState.WAITING in DELIVERY_MOVES[DeliveryState(self.state)] and not self.open

"""Receipts on their way: who may have one sent, how far it is, and once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import current_app, flash, jsonify, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from flask_login import current_user
from limits import RateLimitItemPerMinute
from markupsafe import Markup
from werkzeug.wrappers import Response

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused, VmsError
from vmsapp.i18n import _
from vmsapp.models import Channel, Delivery, DeliveryState
from vmsapp.security import COUNTER
from vmsapp.services import receipts
from vmsapp.services.delivery import addresses, asking
from vmsapp.services.delivery.asking import Wish
from vmsapp.services.problems import error_of
from vmsapp.services.receipts import Receipt
from vmsapp.tasks import deliveries
from vmsapp.views.base import OfficeView, actor, sentence, session, utility
from vmsapp.views.look import digits, state

COUNTER_DEEDS: Final = (
    "can_find", "can_sell", "can_receipt", "can_reprint", "can_give_back", "can_give_free",
)  # fmt: skip
"""The counter's permissions, whichever of its views asks for them."""

SENT_A_MINUTE: Final = RateLimitItemPerMinute(20)
"""What one person may send: more than anybody sells in a minute."""

FOLLOWED_FOR: Final = timedelta(minutes=1)
"""A page follows what happens within so long."""

STATES: Final = {
    DeliveryState.WAITING: (N_("Waits to be sent"), None),
    DeliveryState.SENDING: (N_("Is being sent"), None),
    DeliveryState.SENT: (N_("Sent"), "good"),
    DeliveryState.UNSURE: (N_("Perhaps sent"), "warn"),
    DeliveryState.FAILED: (N_("Not sent"), "bad"),
    DeliveryState.GIVEN_UP: (N_("Given up"), "bad"),
}
"""Words and tones."""


class ReceiptsTooOften(Refused):
    """More receipts sent in a minute than anybody sells."""

    code = "receipts_too_often"
    message = N_("Only %(count)s receipts can be sent in a minute. Wait a minute and try again.")


@dataclass(frozen=True, slots=True)
class Way:
    """A way by which a receipt can be sent.

    Attributes:
        to: Where to, as it is shown.
        refusal: Why it cannot be sent there now, if so.
        page: Where that can be put right, for who may see it.
    """

    channel: Channel
    to: Markup
    refusal: str = ""
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery as a page shows it."""

    row: Delivery
    word: str
    mark: Markup
    problem: str
    again_at: datetime | None
    followed: bool
    may_retry: bool


def ways_of(receipt: Receipt) -> Sequence[Way]:
    """List the ways by which receipts are sent, and why this one cannot be; none not set up."""
    senders, found = deliveries.senders(), []
    for channel in Channel:
        if not senders.has(channel, utility()):
            continue
        to = digits(getattr(receipt.consumer, addresses.COLUMN[channel]))
        try:
            addresses.address_of(receipt.consumer, channel, now_utc())
            found.append(Way(channel, to))
        except Refused as error:
            may = current_app.extensions["appbuilder"].sm.has_access("can_show", "Consumers")
            page = url_for("Consumers.show", pk=receipt.consumer.id) if may else None
            found.append(Way(channel, to, sentence(error), page))
    return found


def sent_of(receipt: Receipt) -> Sequence[Sent]:
    """List a sale's deliveries; there are none before somebody has seen its token."""
    if receipt.first_shown or receipt.sale.issued_at is None:
        return ()
    now = now_utc()
    open_to_it = receipt.digits is not None
    return [_sent(row, now, open_to_it) for row in asking.deliveries_of(session(), receipt.sale.id)]


def send(receipt: Receipt, channel: Channel, nth: int, language: str, *, may_reprint: bool) -> None:
    """Have a receipt sent, and say so.

    Raises:
        VmsError: As ``asking.ask`` does.
        ReceiptsTooOften: The asker sends too much.
    """
    _not_too_often()
    wish = Wish(channel, language, nth, may_reprint)
    row = asking.ask(session(), actor(), deliveries.senders(), receipt, wish)
    deliveries.tell(row.id)
    flash(_("The receipt is being sent to %(to)s.", to=row.to_masked), "info")


class Sending(OfficeView):
    """Deliveries of a sale."""

    route_base = "/counter/deliveries"
    class_permission_name = COUNTER
    base_permissions = COUNTER_DEEDS

    @expose("/<int:sale_id>/<int:delivery_id>/state")
    @has_access
    @permission_name("receipt")
    def state(self, sale_id: int, delivery_id: int) -> Response:
        """Tell how far a delivery is, for the page that follows it."""
        row = asking.delivery_of(session(), sale_id, delivery_id)
        followed = _followed(row, now_utc()) and row.state == request.args.get("seen")
        word = str(gettext(STATES[DeliveryState(row.state)][0]))
        answer: Response = jsonify(done=0, total=0, text=word, finished=not followed)
        return answer

    @expose("/<int:sale_id>/<int:delivery_id>/retry", methods=["POST"])
    @has_access
    @permission_name("receipt")
    def retry(self, sale_id: int, delivery_id: int) -> Response:
        """Have a delivery sent once more."""
        asking.delivery_of(session(), sale_id, delivery_id)  # who may not see it goes no further
        try:
            _not_too_often()
            receipt = receipts.receipt(session(), actor(), sale_id)
            row = asking.retry(
                session(), actor(), deliveries.senders(), receipt, delivery_id,
                may_reprint=bool(self.appbuilder.sm.has_access("can_reprint", COUNTER)),
            )  # fmt: skip
        except VmsError as error:
            flash(sentence(error), "warning")
        else:
            deliveries.tell(row.id)
            flash(_("The receipt is being sent to %(to)s.", to=row.to_masked), "info")
        return redirect(url_for("Counter.sale", sale_id=sale_id))


def _sent(row: Delivery, now: datetime, open_to_it: bool) -> Sent:  # noqa: FBT001 - of a sale
    word, tone = STATES[DeliveryState(row.state)]
    waits = row.state == DeliveryState.WAITING and row.due_at > now
    return Sent(
        row=row,
        word=str(gettext(word)),
        mark=state(gettext(word), tone),
        problem=sentence(error_of(row.problem)) if row.problem else "",
        again_at=row.due_at if waits else None,
        followed=_followed(row, now),
        may_retry=row.may_retry and open_to_it,
    )


def _followed(row: Delivery, now: datetime) -> bool:
    return row.open and row.due_at <= now + FOLLOWED_FOR


def _not_too_often() -> None:
    limiter = current_app.extensions["appbuilder"].sm.limiter.limiter
    if not limiter.hit(SENT_A_MINUTE, "receipt", current_user.get_id()):
        raise ReceiptsTooOften(count=SENT_A_MINUTE.amount)

"""Receipts on their way: a message holds a delivery's id alone; its row says all else.

Digits are read when it is sent. Their words are the doors' affair: they leave their writer in
``app.extensions["vms_letters"]``.
"""

import logging
from typing import Final

from celery import shared_task
from flask import current_app
from kombu.exceptions import OperationalError

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.delivery import sweep as sweeping
from vmsapp.services.delivery.senders import Senders
from vmsapp.services.delivery.sending import deliver
from vmsapp.services.mail import mail_key
from vmsapp.tasks import celery

SEND: Final = "vmsapp.tasks.deliveries.send"

log = logging.getLogger(__name__)


def senders() -> Senders:
    """The senders of this installation."""
    app = current_app
    return Senders(
        app.extensions["vms_sms"],
        mail_key(str(app.config["SECRET_KEY"])),
        app.extensions["vms_settings"].ports_for_mail,
    )


def tell(delivery_id: int) -> None:
    """Tell the workers of a delivery; where the broker is away the sweep will."""
    try:
        celery.send_task(SEND, args=[delivery_id], retry=False)
    except (OperationalError, OSError):
        log.warning("delivery %s: the broker is away", delivery_id)


@shared_task(name=SEND)
def send(delivery_id: int) -> None:
    """Send a delivery, and have the next one sent."""
    session = db.session()
    with seen_by(SYSTEM):
        done = deliver(session, senders(), current_app.extensions["vms_letters"], delivery_id)
        following = sweeping.next_due(session) if done else None
    if following is not None:
        tell(following)


@shared_task(name="vmsapp.tasks.deliveries.sweep")
def sweep() -> None:
    """Send messages that were lost, and write down what dead workers left."""
    with seen_by(SYSTEM):
        wanted = sweeping.sweep(db.session())
    for delivery_id in wanted:
        tell(delivery_id)

"""Campaigns without a person: sets made, text messages sent, reports written.

The words are the doors' affair: they leave their writer of text messages in
``app.extensions["vms_campaign_letters"]``, and what puts a sentence into a language in
``app.extensions["vms_say"]``.
"""

from flask import current_app
from sqlalchemy.orm import Session

from vmsapp.scope import Actor
from vmsapp.services.campaigns import making, messages, report
from vmsapp.services.job_runs import Work
from vmsapp.tasks.deliveries import senders


def make(session: Session, actor: Actor, work: Work) -> None:
    """Make the sets of a campaign."""
    app = current_app
    making.make(
        session, app.extensions["vms_modules"], actor, work,
        table_set=app.extensions["vms_settings"].sta_tables,
    )  # fmt: skip


def send(session: Session, actor: Actor, work: Work) -> None:
    """Send the sets of a campaign by text message."""
    messages.send(session, actor, work, senders(), current_app.extensions["vms_campaign_letters"])


def write_report(session: Session, _actor: Actor, work: Work) -> None:
    """Write the report of a campaign."""
    app = current_app
    report.write_report(session, app.extensions["vms_settings"], work, app.extensions["vms_say"])

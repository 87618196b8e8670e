"""Reports without a person: what is due is found, and sent by jobs.

The words and the reports are the doors' affair: they leave their writer in
``app.extensions["vms_report_letters"]``.
"""

from celery import shared_task
from flask import current_app
from sqlalchemy.orm import Session

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.services.job_runs import Work
from vmsapp.services.reports import due, making
from vmsapp.services.reports.sending import send_all
from vmsapp.tasks.deliveries import senders


def send(session: Session, _actor: Actor, work: Work) -> None:
    """Send what a schedule's due time sends: its books are kept whatever the author sees now."""
    with seen_by(SYSTEM):
        send_all(session, work, senders(), current_app.extensions["vms_report_letters"])


def make(session: Session, actor: Actor, work: Work) -> None:
    """Make a sales report that reads many records."""
    making.make(session, actor, work)


@shared_task(name="vmsapp.tasks.reports.sweep")
def sweep() -> None:
    """Find what is due, and tell the workers of its jobs."""
    from vmsapp.tasks import background  # noqa: PLC0415 - it lists what this page does

    with seen_by(SYSTEM):
        wanted = due.sweep(db.session())
    for job_id in wanted:
        background.send(job_id)

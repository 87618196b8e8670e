"""Every few minutes: end requests that waited too long for a second person."""

from celery import shared_task

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.approvals.requests import expire


@shared_task(name="vmsapp.tasks.approvals.expire")
def end_late_requests() -> None:
    """Write the expiry down; pages and decisions go by the clock without it."""
    with seen_by(SYSTEM):
        expire(db.session())

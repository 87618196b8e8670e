"""The sums of sales without a person: every few seconds what was posted is added."""

from celery import shared_task

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.roll_ups import merge


@shared_task(name="vmsapp.tasks.roll_ups.merge")
def add_up() -> None:
    """Add what is listed; it needs no job's row, the list itself tells what is left."""
    with seen_by(SYSTEM):
        merge(db.session())

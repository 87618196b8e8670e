"""Every few seconds: settle sales whose outcome is open."""

from datetime import timedelta

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.vending.reconcile import Patience, reconcile

KIND = "reconcile"


@shared_task(name="vmsapp.tasks.reconcile.settle")
def settle() -> None:
    """Run one reconciliation, unless another worker is at it."""
    settings = current_app.extensions["vms_settings"]
    patience = Patience(
        take_after=timedelta(seconds=settings.pending_seconds),
        cancel_after=timedelta(seconds=settings.cancel_seconds),
    )
    with (
        seen_by(SYSTEM),
        jobs.recurring(db.session(), KIND) as job,
    ):
        if job is not None:
            job.result = reconcile(db.session(), current_app.extensions["vms_modules"], patience)

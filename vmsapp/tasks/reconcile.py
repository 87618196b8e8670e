"""Every few seconds: settle sales, key changes and engineering tokens that are open."""

from datetime import timedelta

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.doubt import Patience
from vmsapp.services.restore import standstill
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.settling import settle_everything

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
            modules = current_app.extensions["vms_modules"]
            try:
                standstill.check_modules(db.session(), modules, keep=True)
            except Standstill:
                job.result = {"standstill": 1}
                return
            job.result = settle_everything(db.session(), modules, patience)

"""Every few seconds: settle sales, key changes and engineering tokens that are open."""

from datetime import timedelta

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.campaigns.reconcile import reconcile_chunks
from vmsapp.services.doubt import Patience
from vmsapp.services.engineering.reconcile import reconcile_engineering
from vmsapp.services.key_changes.reconcile import reconcile_changes
from vmsapp.services.restore import standstill
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.vending.reconcile import reconcile

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
            job.result = reconcile(db.session(), modules, patience)
            changes = reconcile_changes(db.session(), modules, patience)
            job.result |= {f"key_changes_{state}": count for state, count in changes.items()}
            chunks = reconcile_chunks(db.session(), modules, patience)
            job.result |= {f"campaign_chunks_{state}": count for state, count in chunks.items()}
            tokens = reconcile_engineering(db.session(), modules, patience)
            job.result |= {f"engineering_{state}": count for state, count in tokens.items()}

"""Every minute: ask the security modules how they are."""

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.security_modules.health import look_at_all

KIND = "module_health"


@shared_task(name="vmsapp.tasks.modules.look")
def look() -> None:
    """Ask all of them, unless another worker is at it."""
    with seen_by(SYSTEM), jobs.recurring(db.session(), KIND) as job:
        if job is not None:
            job.result = look_at_all(db.session(), current_app.extensions["vms_modules"])

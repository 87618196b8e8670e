"""Every minute: ask the security modules how they are, and let a standby take over."""

from datetime import timedelta

from celery import shared_task
from celery.signals import worker_ready
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.security_modules.failover import fail_over
from vmsapp.services.security_modules.health import look_at_all

KIND = "module_health"


@shared_task(name="vmsapp.tasks.modules.look")
def look() -> None:
    """Ask all of them, unless another worker is at it."""
    registry = current_app.extensions["vms_modules"]
    after = current_app.extensions["vms_settings"].failover_seconds
    with seen_by(SYSTEM), jobs.recurring(db.session(), KIND) as job:
        if job is not None:
            told = look_at_all(db.session(), registry)
            moved = fail_over(db.session(), registry, timedelta(seconds=after)) if after else {}
            job.result = told | moved


@worker_ready.connect
def look_at_once(**_: object) -> None:
    """Ask when a worker begins, too: what was heard before it may be of long ago."""
    look.delay()

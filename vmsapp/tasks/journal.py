"""The token journal without a person: each night, every module's against what was sold."""

import logging
from typing import Final

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.security_modules.journal_check import compare_all

COMPARING: Final = "journal.compare"

log = logging.getLogger(__name__)


@shared_task(name="vmsapp.tasks.journal.compare")
def compare_journals() -> None:
    """Compare, unless another worker is at it."""
    with seen_by(SYSTEM), jobs.recurring(db.session(), COMPARING) as job:
        if job is not None:
            job.result = compare_all(db.session(), current_app.extensions["vms_modules"])
            if any(count > 0 for count in job.result.values()):
                log.critical("the token journal disagrees with what was sold: %s", job.result)

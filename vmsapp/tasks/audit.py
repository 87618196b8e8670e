"""The audit trail without a person: seal every few seconds, sign hourly, check nightly."""

import logging

from celery import shared_task
from flask import current_app

from vmsapp.extensions import db
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.audit.heads import sign
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.state import SIGNING, VERIFYING
from vmsapp.services.audit.verify import verify

log = logging.getLogger(__name__)


@shared_task(name="vmsapp.tasks.audit.seal")
def seal_events() -> None:
    """Give new events their places; it needs no job's row, the chain itself tells how far it is."""
    with seen_by(SYSTEM):
        seal(db.session())


@shared_task(name="vmsapp.tasks.audit.sign", throws=(HsmUnavailable, HsmTimeout))
def sign_head() -> None:
    """Have the head of the chain signed, unless another worker is at it.

    A module that is silent is told of by its own figures; here it is no error to look into.
    """
    with seen_by(SYSTEM), jobs.recurring(db.session(), SIGNING) as job:
        if job is not None:
            head = sign(db.session(), current_app.extensions["vms_modules"])
            job.result = {"place": head.place} if head else {}


@shared_task(name="vmsapp.tasks.audit.verify")
def verify_trail() -> None:
    """Check the whole trail and keep what was found."""
    with seen_by(SYSTEM), jobs.recurring(db.session(), VERIFYING) as job:
        if job is not None:
            found = verify(db.session(), current_app.extensions["vms_modules"])
            job.result = found.as_json()
            if found.fault:
                log.critical("the audit trail is broken: %s at %s", *found.fault)

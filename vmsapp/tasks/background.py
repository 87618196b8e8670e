"""Jobs that people ask for: a message holds a job's id alone, the row all else.

Doors call ``send`` after the commit. A message may be lost or come twice: a claim lets one
worker have the job, and the sweep sends again what nobody claimed.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from celery import shared_task
from flask import current_app
from flask_babel import force_locale
from kombu.exceptions import OperationalError
from sqlalchemy.orm import Session

from vmsapp.extensions import db
from vmsapp.scope import Actor, seen_by
from vmsapp.security import actor_for
from vmsapp.services import job_runs, job_sweep
from vmsapp.services.campaigns import terms as campaign_terms
from vmsapp.services.imports import batches
from vmsapp.services.job_pace import GiveWay
from vmsapp.services.job_runs import Work
from vmsapp.services.reports import due, making
from vmsapp.services.revenue_protection import running
from vmsapp.services.tariffs.simulating import SIMULATE
from vmsapp.tasks import campaigns, celery, exports, imports, reports, revenue, simulations

RUN: Final = "vmsapp.tasks.background.run"

Deed = Callable[[Session, Actor, Work], None]

DEEDS: Final[Mapping[str, Deed]] = {
    batches.CHECK: imports.check,
    batches.APPLY: imports.apply,
    batches.UNDO: imports.undo,
    exports.EXPORT: exports.export,
    SIMULATE: simulations.simulate,
    campaign_terms.MAKE: campaigns.make,
    campaign_terms.SEND: campaigns.send,
    campaign_terms.REPORT: campaigns.write_report,
    due.SEND: reports.send,
    making.MAKE: reports.make,
    running.RUN: revenue.look,
}
"""What each kind of job does."""

log = logging.getLogger(__name__)


def send(job_id: int) -> None:
    """Tell the workers that there is a job; where the broker is away the sweep will."""
    try:
        celery.send_task(RUN, args=[job_id], retry=False)
    except (OperationalError, OSError):
        log.warning("job %s: the broker is away", job_id)


@shared_task(name=RUN)
def run(job_id: int) -> None:
    """Run a job as whoever asked for it, in the language it was asked in."""
    session = db.session()
    try:
        folder = current_app.extensions["vms_settings"].waits_folder
        with job_runs.running(session, job_id, GiveWay(folder)) as work:
            if work is None:
                return
            actor = actor_for(session, work.actor_id)
            with seen_by(actor), force_locale(work.locale):
                DEEDS[work.kind](session, actor, work)
    finally:
        session.rollback()
        batches.left(session, job_id)
    waiting = job_runs.next_waiting(session)
    if waiting is not None:
        send(waiting)


@shared_task(name="vmsapp.tasks.background.sweep")
def sweep() -> None:
    """Send messages that were lost, and those of jobs whose worker died."""
    session = db.session()
    swept = job_sweep.sweep(session)
    for job_id in swept.ended:
        batches.left(session, job_id)
    for job_id in swept.wanted:
        send(job_id)


@shared_task(name="vmsapp.tasks.background.tidy")
def tidy() -> None:
    """Remove files of imports and exports after their days."""
    batches.remove_old_files(db.session(), current_app.extensions["vms_settings"])

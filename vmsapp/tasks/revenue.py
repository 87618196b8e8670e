"""The rules of revenue protection without a person: each night, and when somebody asks."""

from typing import Final

from celery import shared_task
from sqlalchemy.orm import Session

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.services import jobs
from vmsapp.services.job_runs import Work
from vmsapp.services.revenue_protection.running import run_rules

NIGHTLY: Final = "revenue.nightly"


@shared_task(name="vmsapp.tasks.revenue.run")
def run() -> None:
    """Ask the rules, unless another worker is at it."""
    with seen_by(SYSTEM), jobs.recurring(db.session(), NIGHTLY) as job:
        if job is not None:
            job.result = {"new": sum(run_rules(db.session()).values())}


def look(session: Session, actor: Actor, work: Work) -> None:
    """Ask the rules because somebody wants it now; they look at all there is, whoever asks."""

    def tell(current: Session, done: int, total: int) -> None:
        work.advance(current, done, total)

    with seen_by(SYSTEM):
        run_rules(session, actor, pause=lambda: work.stop_if_asked(session), tell=tell)

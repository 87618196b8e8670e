"""The proof of the books without a person: each night."""

from typing import Final

from celery import shared_task

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.proof.running import prove

PROVING: Final = "ledger.prove"


@shared_task(name="vmsapp.tasks.proof.run")
def run() -> None:
    """Prove, unless another worker is at it."""
    with seen_by(SYSTEM), jobs.recurring(db.session(), PROVING) as job:
        if job is not None:
            proof = prove(db.session())
            job.result = {"proof": proof.id, "faults": proof.faults}

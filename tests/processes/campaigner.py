"""A worker in a process of its own that makes one campaign, and halts where it is to be killed.

It says ``here`` when it halts: ``before`` or ``after`` the module made its n-th chunk, or ``end``
when it came to the end.
"""

import sys
import time
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.factories import PASSPHRASE
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.scope import EVERYTHING, Actor, seen_by
from vmsapp.services import job_runs
from vmsapp.services.campaigns import making
from vmsapp.sts.secret import SecretBytes

FOREVER = 600.0


def main() -> None:
    """Make the campaign of a job, halting at one point."""
    url, ring, record, job_id, user_id, chunk, where, nth = sys.argv[1:9]
    making.CHUNK = int(chunk)
    module = SoftModule(
        Keystore.open(Path(ring), SecretBytes(PASSPHRASE)), Results(Path(record)),
        limits=Limits(None, None),
    )  # fmt: skip
    real, calls = module.issue_key_changes, count(1)

    def halting(batch):
        this = next(calls) == int(nth)
        if this and where == "before":
            _halt()
        made = real(batch)
        if this and where == "after":
            _halt()
        return made

    module.issue_key_changes = halting
    registry = Registry((), {"soft": lambda _: module})
    engine = create_engine(url, hide_parameters=True)
    actor = Actor(int(user_id), "supervisor", EVERYTHING)
    with (
        Session(engine, expire_on_commit=False) as session,
        job_runs.running(session, int(job_id)) as work,
        seen_by(actor),
    ):
        assert work is not None
        making.make(session, registry, actor, work, table_set="production")
    sys.stdout.write("end\n")


def _halt() -> None:
    sys.stdout.write("here\n")
    sys.stdout.flush()
    time.sleep(FOREVER)


if __name__ == "__main__":
    main()

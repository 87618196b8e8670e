"""A worker killed with -9 half way through an import: the next goes on, nothing doubled or lost."""

import io
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from config import ROOT
from tests.web.importing import work, workbook
from tests.web.office import ADMIN, BOTH
from vmsapp.clock import now_utc
from vmsapp.models import Consumer, ImportBatch, ImportRow, Job, JobState

ROWS = 6_000
"""Twelve chunks of 500 at most."""
LEAST = 125
"""Rows of a chunk at least, whatever the machine."""


def worker(office, url: str, job_id: int) -> subprocess.Popen[str]:
    folder = str(office.extensions["vms_settings"].instance)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.processes.importer", url, folder, str(job_id)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@BOTH
@pytest.mark.processes
def test_a_worker_killed_half_way_loses_and_doubles_nothing(
    office, browse, shop, database_url, backend
):
    rows = [[f"K-{n:05}", f"Name {n}", "North", None] for n in range(ROWS)]
    admin = browse(ADMIN)
    admin.post("/imports/new/consumers", {"file": (io.BytesIO(workbook(rows)), "a.xlsx")})
    (batch,) = shop.rows(ImportBatch)
    assert work(office, batch.job_id).state == JobState.DONE
    before = shop.count(Consumer)
    admin.post(f"/imports/apply/{batch.id}")
    job_id = shop.rows(ImportBatch)[0].job_id

    first = worker(office, database_url, job_id)
    assert first.stdout
    said = [first.stdout.readline() for _ in range(2)]
    first.send_signal(signal.SIGKILL)
    first.stdout.read()
    first.stdout.close()
    assert said == ["chunk\n", "chunk\n"]
    assert first.wait() == -signal.SIGKILL
    (job,) = shop.rows(Job, Job.id == job_id)
    done = shop.count(Consumer) - before
    assert job.state == JobState.RUNNING
    assert 2 * LEAST <= done < ROWS, "it was killed half way"
    assert done == job.done == shop.count(ImportRow), "a chunk is whole or not at all"

    long_ago = now_utc() - timedelta(minutes=5)
    shop.change(lambda session: session.execute(
        update(Job).where(Job.id == job_id).values(heartbeat_at=long_ago)
    ))  # fmt: skip
    second = worker(office, database_url, job_id)
    output, _ = second.communicate(timeout=120)
    assert second.returncode == 0, output
    (batch,) = shop.rows(ImportBatch)
    assert (batch.state, batch.applied, batch.faulty) == ("applied", ROWS, 0)
    assert shop.count(Consumer) - before == ROWS
    with shop.engine.connect() as connection:
        assert connection.scalar(select(func.count(func.distinct(Consumer.number)))
                                 .where(Consumer.number.like("K-%"))) == ROWS  # fmt: skip
        assert connection.scalar(
            select(func.count(func.distinct(ImportRow.subject_id)))
        ) == ROWS  # fmt: skip

"""The worker settles sales on every broker: files by default, a server where one is given."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance without a demo, ready for a worker."""
    instance = tmp_path_factory.mktemp("worker") / "instance"
    subprocess.run(
        [sys.executable, "-m", "flask", "vms", "init"],
        cwd=ROOT, env={**os.environ, "VMS_INSTANCE": str(instance), "DEMO": "0"},
        check=True, capture_output=True,
    )  # fmt: skip
    return instance


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A broker that writes down all it is told, so that it is searched for secrets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [str(shutil.which("redis-server")), "--port", str(port), "--bind", "127.0.0.1",
         "--save", "", "--appendonly", "yes", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(timeout=60)


def finished_run(instance: Path) -> tuple[str, str, str | None] | None:
    """When the last reconciliation finished, how, and what went wrong."""
    with closing(sqlite3.connect(instance / "vms.sqlite")) as database:
        return database.execute(
            "SELECT finished_at, state, error FROM job"
            " WHERE kind = 'reconcile' AND state <> 'running' AND finished_at IS NOT NULL"
        ).fetchone()


def run_of_a_worker(instance: Path, **settings: str) -> tuple[str, str | None]:
    """Start a worker, wait for a run of its own, stop it; tell the run's state and error."""
    before = finished_run(instance)
    worker = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "worker"],
        cwd=ROOT,
        env={**os.environ, "VMS_INSTANCE": str(instance), "VMS_RECONCILE_SECONDS": "1", **settings},
    )
    until = time.monotonic() + 120  # it starts slowly where others keep the machine busy
    try:
        while (run := finished_run(instance)) in (None, before) and time.monotonic() < until:
            time.sleep(0.2)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=120)
    assert run is not None
    assert run != before, "the worker ran nothing"
    return run[1], run[2]


def test_the_worker_reconciles_through_files(prepared) -> None:
    assert run_of_a_worker(prepared) == ("done", None)


@pytest.mark.redis
def test_the_worker_reconciles_through_redis(prepared, redis_url) -> None:
    assert run_of_a_worker(prepared, BROKER_URL=redis_url) == ("done", None)

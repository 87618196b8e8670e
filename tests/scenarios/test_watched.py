"""Figures of real servers: whoever is asked tells the same, and a proxy opens nothing."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "c0ffee" * 8
PAGES = 'vms_web_seconds_count{kind="page",status="2xx"}'
PATIENCE_S = 240


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An installation without a demo, that several processes share."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "token").write_text(TOKEN)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VMS_", "DATABASE"))}
    shared = {
        **clean, "VMS_INSTANCE": str(folder / "instance"), "DEMO": "0",
        "VMS_METRICS_TOKEN_FILE": str(folder / "token"), "VMS_RECONCILE_SECONDS": "1",
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "flask", "vms", "init"], cwd=ROOT, env=shared, check=True,
        capture_output=True,
    )  # fmt: skip
    assert not (folder / "instance" / "metrics").exists(), "a command counts nothing"
    return shared


@pytest.fixture(scope="module")
def server(environ: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Two workers of gunicorn, as the unit starts four."""
    port = free_port()
    started = subprocess.Popen(
        [str(Path(sys.executable).with_name("gunicorn")), "--workers", "2", "--threads", "2",
         "--bind", f"127.0.0.1:{port}", "--no-control-socket", "vmsapp:create_app()"],
        cwd=ROOT, env=environ,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and status(f"{address}/healthz") != 200:
        time.sleep(0.1)
    yield address, started
    started.send_signal(signal.SIGTERM)
    started.wait(timeout=PATIENCE_S)


def fetch(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)  # a connection each: any of the workers
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def status(url: str, **headers: str) -> int:
    try:
        fetch(url, **headers)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
    return 200


def figure(told: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", told, re.MULTILINE)
    return float(found[1]) if found else 0.0


def ready(address: str) -> str:
    """Wait until all is: on a busy machine the first look takes longer than anybody waits."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and status(f"{address}/readyz") != 200:
        time.sleep(0.2)
    assert status(f"{address}/readyz") == 200
    return fetch(f"{address}/metrics")


def workers_of(server: subprocess.Popen[bytes]) -> set[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def pages_until_both_have_worked(address: str, folder: Path) -> int:
    """Ask for pages until both workers have counted some; tell how many there were."""
    for count in range(1, 200):
        assert status(f"{address}/login/") == 200
        if len(list(folder.glob("histogram_*.db"))) >= 2 and count >= 20:
            return count
    raise AssertionError("one worker answers everything")


def told_alike(address: str, wanted: float) -> set[float]:
    """What is told of the pages asked for, once the last is counted: that is after its answer."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and figure(fetch(f"{address}/metrics"), PAGES) != wanted:
        time.sleep(0.05)
    return {figure(fetch(f"{address}/metrics"), PAGES) for _ in range(12)}


def test_workers_that_share_a_machine_tell_their_sum_and_keep_it_when_one_is_killed(
    server, environ
) -> None:
    address, gunicorn = server
    folder = Path(environ["VMS_INSTANCE"]) / "metrics"
    asked = pages_until_both_have_worked(address, folder)
    assert told_alike(address, asked) == {asked}
    victim = min(workers_of(gunicorn))
    os.kill(victim, signal.SIGKILL)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and len(workers_of(gunicorn) - {victim}) < 2:
        time.sleep(0.1)
    for _ in range(20):
        assert status(f"{address}/login/") == 200
    assert told_alike(address, asked + 20.0) == {asked + 20.0}


def test_what_the_worker_does_is_told_by_the_web_server(server, environ) -> None:
    address, _ = server
    name = 'vms_task_seconds_count{outcome="done",task="reconcile.settle"}'
    before = figure(fetch(f"{address}/metrics"), name)
    worker = subprocess.Popen([sys.executable, "run.py", "worker"], cwd=ROOT, env=environ)
    try:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if figure(fetch(f"{address}/metrics"), name) > before:
                break
            time.sleep(0.3)
        told = fetch(f"{address}/metrics")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(timeout=PATIENCE_S)
    assert figure(told, name) > before
    assert figure(told, 'vms_run_age_seconds{kind="reconcile"}') < 60
    assert 'vms_figures_known{part="queue"} 1.0' in told


def test_gunicorn_answers_this_machine_and_the_bearer_alone(server) -> None:
    address, _ = server
    ready(address)
    for passed_on in ({"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}):
        assert status(f"{address}/metrics", **passed_on) == 401
        assert status(f"{address}/readyz", **passed_on) == 401
        assert status(f"{address}/metrics", **passed_on, Authorization=f"Bearer {TOKEN}") == 200
        assert status(f"{address}/metrics", **passed_on, Authorization=f"Bearer {TOKEN}x") == 401


def test_one_command_answers_this_machine_alone(product) -> None:
    told = ready(product.address)
    assert figure(told, 'vms_ready{part="modules"}') == 1
    assert figure(told, 'vms_ready{part="database"}') == 1
    for passed_on in ({"X-Forwarded-For": "10.0.0.1"}, {"X-Forwarded-Proto": "https"}):
        # the server must not take away what tells that the request was passed on
        assert status(f"{product.address}/metrics", **passed_on) == 403
        assert status(f"{product.address}/readyz", **passed_on) == 403
        assert status(f"{product.address}/login/", **passed_on) == 200


def test_its_log_is_json_where_that_is_wanted(environ) -> None:
    import json  # noqa: PLC0415 - here alone

    port = free_port()
    web = subprocess.Popen(
        [sys.executable, "run.py", "web"], cwd=ROOT, stderr=subprocess.PIPE, text=True,
        env={**environ, "VMS_PORT": str(port), "VMS_LOG_FORMAT": "json"},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and status(f"{address}/healthz") != 200:
        time.sleep(0.1)
    number = "5f2c9a1b03d7"
    assert status(f"{address}/nowhere-at-all", **{"X-Request-ID": number}) in (200, 404)
    web.send_signal(signal.SIGTERM)
    _, said = web.communicate(timeout=PATIENCE_S)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [one["message"].partition(":")[0] for one in lines if one.get("request_id") == number]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert {"level", "logger", "message"} <= set(line)

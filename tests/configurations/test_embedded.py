"""Embedded: ``run.py`` on SQLite and a broker of files, its processes killed while people sell."""

import os
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.estate import Operator
from benchmarks.running import WebServer, free_port
from tests.configurations.load import A_RETRY, Load, wait_for

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded") / "instance"


@pytest.fixture(scope="module")
def product(instance: Path) -> Iterator[WebServer]:
    port = free_port()
    environ = {
        "VMS_INSTANCE": str(instance), "VMS_PORT": str(port), "DEMO": "1",
        "VMS_MODULE_PORT": str(free_port()), "VMS_LOGIN_RATE": "1000 per 1 minute",
        "VMS_RECONCILE_SECONDS": "1", "VMS_PENDING_SECONDS": "1", "VMS_CANCEL_SECONDS": "12",
        "VMS_TOKENS_PER_METER_MINUTE": "100000", "VMS_TOKENS_PER_METER_DAY": "100000",
    }  # fmt: skip
    log = instance.parent / "run.log"
    started = WebServer("run.py", [sys.executable, "run.py"], environ, log, port=port)
    try:
        started.wait_ready()
        yield started
    finally:
        started.kill()


@pytest.fixture(scope="module")
def staff(product: WebServer, instance: Path) -> list[tuple[Operator, list[int]]]:
    (file,) = instance.glob("passwords-*.txt")
    words = dict(re.findall(r"^\s+(\w+)\s+(\S+)", file.read_text(), re.MULTILINE))
    with closing(sqlite3.connect(instance / "vms.sqlite")) as database:
        found = []
        for username in ("operator", "operator2"):
            point, region = database.execute(
                "SELECT v.id, v.region_id FROM vending_point v JOIN ab_user u"
                " ON u.vending_point_id = v.id WHERE u.username = ?", (username,),
            ).fetchone()  # fmt: skip
            meters = database.execute("SELECT id FROM meter WHERE region_id = ?", (region,))
            operator = Operator(username, words[username], point)
            found.append((operator, [row[0] for row in meters.fetchall()][:4]))
    return found


def child(product: WebServer, role: str) -> int | None:
    """The process of one kind that ``run.py`` started; what that one starts comes after it."""
    for pid in product.family():
        with suppress(FileNotFoundError):
            said = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if "run.py" in {Path(each).name for each in said} and role in said:
                return pid
    return None


def faults(product: WebServer) -> str:
    """What the product logged as its own error, with where it came from."""
    said = product.log.read_text(errors="replace")
    return "\n".join(
        said[each.start() :][:6000] for each in re.finditer(r"^.*ERROR.*$", said, re.M)
    )


def rows(instance: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(instance / "vms.sqlite", timeout=30)) as database:
        return database.execute(statement).fetchall()


def test_a_process_of_each_kind_is_killed_and_sellers_do_no_more_than_try_again(
    product, instance, staff
) -> None:
    with Load(product.port, staff) as load:
        load.each_sells()
        for role in ("web", "worker", "module"):
            before = child(product, role)
            os.kill(before, signal.SIGKILL)
            wait_for(lambda role=role, before=before: child(product, role) not in {None, before})
            load.each_sells(2)
        wait_for(product.ready)
    assert load.heard() <= A_RETRY, faults(product)
    wait_for(lambda: rows(instance, "SELECT id FROM sale WHERE state = 'pending'") == [])
    load.check_repeats()
    digits = dict(rows(instance, "SELECT sale_id, digits FROM token"))
    for deal in load.deals:
        assert deal.digits in (set(), {digits.get(deal.sale_id)}), deal
    sold = [deal for deal in load.deals if deal.digits]
    assert len({each for deal in sold for each in deal.digits}) == len(sold)
    states = dict(rows(instance, "SELECT state, count(*) FROM sale GROUP BY state"))
    assert states["issued"] == len(digits) >= len(sold)
    with closing(sqlite3.connect(instance / "module" / "results.sqlite")) as record:
        made = record.execute("SELECT count(*) FROM request WHERE outcome = 'issued'").fetchone()
    assert made == (len(digits),)

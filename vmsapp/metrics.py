"""Counts and times of what the product does, added up over all its processes.

A process writes what it counts into files of its own in a folder that all of one machine share;
whoever answers for them adds the files up. The library does both; ours is which file is whose.
A process holds the lowest *place* that is free, by a lock that ends with it. Who takes the place
next goes on with the figures found there: sums never fall, and there are never more files than
there were processes at once.

The files have their full size from the beginning. The library would let them grow with holes in
them, and a process that writes into a hole on a full disk is killed: a sale would be lost to a
figure about it. Where the files cannot be had, each process counts for itself.

Nothing here raises. What is recorded in a transaction is recorded after its commit
(``extensions.after_commit``).
"""

import fcntl
import logging
import os
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

SALE_STATES: Final = ("pending", "issued", "failed", "reversed")
PHASES: Final = ("reserve", "module", "complete")
"""Of a sale, in their order (docs/decisions/0002-three-phase-sale.md)."""
KINDS: Final = ("page", "file")
STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")
ENDS: Final = ("done", "failed")

IN_A_SALE: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
OF_A_TASK: Final = (0.1, 1.0, 10.0, 60.0, 600.0)
"""Upper ends of classes, in seconds."""

SIZES: Final = {"counter": 1 << 16, "histogram": 1 << 19}
"""Bytes of a place's files; a figure takes some 200."""
PLACES: Final = 256
"""Processes of one machine that count at once; more count for themselves."""
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library looks for the folder."""


class Places:
    """Which of the places in a folder is this process's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid, self._name, self._lock = 0, "", -1

    def name(self) -> str:
        """Name this process's place; a process that was forked takes another.

        Raises:
            OSError: There is none to be had.
        """
        pid = os.getpid()
        if pid != self._pid:
            if self._lock >= 0:
                os.close(self._lock)  # its parent's, whose lock stays
                self._lock = -1
            self._name, self._pid = self._take(), pid
        return self._name

    def _take(self) -> str:
        for number in range(PLACES):
            lock = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for kind, size in SIZES.items():
                    _prepare(self._folder / f"{kind}_{number}.db", size)
            except BlockingIOError:
                os.close(lock)
                continue
            except OSError:
                os.close(lock)
                raise
            self._lock = lock
            return str(number)
        raise OSError(f"all {PLACES} places in {self._folder} are taken")


def _prepare(path: Path, size: int) -> None:
    """Have a file of at least this size without holes; one that cannot be read begins anew.

    Raises:
        OSError: There is no room for it.
    """
    try:
        for _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            pass
        lacking = size - path.stat().st_size
    except (FileNotFoundError, RuntimeError, ValueError, struct.error):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(bytes(size))
        fresh.replace(path)  # whoever adds up meanwhile finds all of it or nothing
    else:
        if lacking > 0:
            with path.open("ab") as file:
                file.write(bytes(lacking))


class Measures:
    """All that processes count; what the database knows is read when it is asked for."""

    def __init__(self) -> None:
        nobodys = CollectorRegistry()  # whoever answers makes a registry of its own
        self.sales = Counter(
            "vms_sales", "Sales that came into a state.", ["state"], registry=nobodys
        )
        self.phases = Histogram(
            "vms_sale_phase_seconds", "How long a phase of a sale took.", ["phase"],
            registry=nobodys, buckets=IN_A_SALE,
        )  # fmt: skip
        self.modules = Histogram(
            "vms_module_seconds", "How long a security module took to answer a request.",
            ["module", "call", "outcome"], registry=nobodys, buckets=IN_A_SALE,
        )  # fmt: skip
        self.web = Histogram(
            "vms_web_seconds", "How long a request of a browser took.", ["kind", "status"],
            registry=nobodys, buckets=IN_A_SALE,
        )  # fmt: skip
        self.tasks = Histogram(
            "vms_task_seconds", "How long a task of the worker took.", ["task", "outcome"],
            registry=nobodys, buckets=OF_A_TASK,
        )  # fmt: skip
        self._begin_at_nothing()

    def _begin_at_nothing(self) -> None:
        """Have figures that are told from the beginning: one that appears with a fault hides it."""
        for state in SALE_STATES:
            self.sales.labels(state)
        for phase in PHASES:
            self.phases.labels(phase)
        for status in STATUSES:
            self.web.labels("page", status)

    @property
    def all(self) -> Sequence[MetricWrapperBase]:
        """Each of them."""
        return (self.sales, self.phases, self.modules, self.web, self.tasks)


class _Now:
    """What this process counts with; made when the first thing is counted or asked for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.folder: Path | None = None
        self.measures: Measures | None = None
        self.shared = False


_now: Final = _Now()


def begin(folder: Path | None) -> None:
    """Say where the processes of this machine count; nothing is written before one does.

    Args:
        folder: Theirs alone; None for a process that counts for itself.
    """
    with _now.lock:
        if folder != _now.folder:
            _now.folder, _now.measures = folder, None


def _measures() -> Measures:
    with _now.lock:
        if _now.measures is None:
            _now.shared = _now.folder is not None and _share(_now.folder)
            if not _now.shared:
                values.ValueClass = values.MutexValue
            _now.measures = Measures()
        return _now.measures


def _share(folder: Path) -> bool:
    """Have the library count in this process's place; whether there is one."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        places = Places(folder)
        os.environ[FOLDER] = str(folder)
        values.ValueClass = values.MultiProcessValue(places.name)  # type: ignore[no-untyped-call]
    except OSError as error:
        log.warning("figures are not shared with other processes: %s", error.strerror or error)
        return False
    return True


def collectors() -> list[Collector]:
    """Give what tells the figures of all processes, to be registered and answered with."""
    measures = _measures()
    if _now.shared:
        return [MultiProcessCollector(None, str(_now.folder))]  # type: ignore[no-untyped-call]
    return list(measures.all)


def count_sale(state: str) -> None:
    """Count a sale that came into a state, one of ``SALE_STATES``."""
    with _quietly():
        _measures().sales.labels(state).inc()


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Time a phase of a sale, one of ``PHASES``; what breaks off is not counted."""
    began = time.perf_counter()
    yield
    with _quietly():
        _measures().phases.labels(name).observe(time.perf_counter() - began)


def module_answered(module_id: int, call: str, outcome: str, seconds: float) -> None:
    """Count what a module said to a request, and how long it took.

    Args:
        module_id: Id of its row.
        call: What it was asked for.
        outcome: ``answered``, ``refused``, ``unavailable`` or ``timeout``.
        seconds: There and back.
    """
    with _quietly():
        _measures().modules.labels(str(module_id), call, outcome).observe(seconds)


def web_answered(kind: str, status: str, seconds: float) -> None:
    """Count a request; ``kind`` is one of ``KINDS``, ``status`` its class, such as ``2xx``."""
    with _quietly():
        _measures().web.labels(kind, status).observe(seconds)


@contextmanager
def task(name: str) -> Iterator[None]:
    """Time a task of the worker, and count whether it failed."""
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    finally:
        with _quietly():
            _measures().tasks.labels(name, outcome).observe(time.perf_counter() - began)


def _quietly() -> suppress:
    """Let nothing that goes wrong with a figure reach what it is about."""
    return suppress(OSError, ValueError)

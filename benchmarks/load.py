"""The morning of a month's first day: everybody buys, while an import and a campaign run.

As ``vend.py`` sets it up: PostgreSQL with fsync on, the module server, gunicorn with two workers
of four threads, a worker; everything on this machine, by loopback. First the raw statements of a
sale under pgbench, then sales as fast as they go; that is the capacity. Then the morning: sales at
half of it, in even steps, and beside them people who look up customers and reports, one import of
new customers, and one campaign that gives meters another key. At the end the yardstick again.

What background work does to people shows in the waits; how long its transactions lasted is read
from the database twenty times a second. Processor and memory are read of every process, and a page
is written now and then, to know what the disk alone takes.

    python benchmarks/load.py                    1,000,000 meters, a morning of ten minutes
    python benchmarks/load.py --meters 100000    fewer
    python benchmarks/load.py --quick            5,000 meters, a morning of 20 seconds
"""

import argparse
import gc
import heapq
import json
import os
import random  # noqa: TID251 - who is looked up next
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg
from sqlalchemy import select

from benchmarks import campaign, registration, running, vend
from benchmarks.till import LOST, Browser
from benchmarks.vend import percentile
from config import Settings
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.models import ImportBatch, Job, OfficeUser
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security import actor_for
from vmsapp.services.approvals.asking import submit
from vmsapp.services.campaigns import beginning, drafting
from vmsapp.services.campaigns.terms import Selection, Target, Wish
from vmsapp.services.imports import batches
from vmsapp.services.imports.kinds import kind_of
from vmsapp.services.sheets import Look, write_xlsx
from vmsapp.tasks import background

MILLION = 1_000_000
YARD = 8_000
MOST_MS, CHUNK_MS, SLOW_MS = 1000.0, 200.0, 300.0
GROWN = 1.1
"""Memory of a process at the end, to that of the morning's middle fifth, that still counts as flat:
caches fill until then, and what leaks goes on."""
REPORTS = ("/dashboard/", "/reports/sales/", "/reports/purchases/", "/sales/list/")
LOOKERS = 2


def main() -> int:
    """Set up, measure, print figures and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few meters, a short morning")
    parser.add_argument("--meters", type=int, help="how many; a million by default")
    parser.add_argument("--seconds", type=float, help="of the morning; ten minutes by default")
    asked = parser.parse_args()
    meters = asked.meters or (5_000 if asked.quick else MILLION)
    meters += (MILLION - meters) % vend.ALIKE  # the yardstick's meters begin where kinds do
    seconds = asked.seconds or (20.0 if asked.quick else 600.0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vms-load-")))
        folder.chmod(0o755)
        morning = Morning(folder, meters, stack)
        found = morning.run(8.0 if asked.quick else 30.0, seconds)
    found = {"bench": "load", "quick": asked.quick, "meters": meters} | found
    report(found)
    print(json.dumps(found))
    return 0


class Morning(vend.Bench):
    """Everything that runs, the worker too."""

    def __init__(self, folder: Path, meters: int, stack: ExitStack) -> None:
        self._size, self._folder = max(1_000, meters // 20), folder
        super().__init__(folder, meters, stack, yard=YARD, granian=False)
        named = self._environ | {"PGAPPNAME": "worker"}
        self._worker = running.worker(named, folder / "worker.log")
        stack.callback(self._worker.kill)
        self._worker.start()
        self._worker.wait_ready()

    def _prepare(self) -> None:
        """Add the keys and the meters of the campaign."""
        print(f"A campaign of {self._size:,} meters is made ready.", flush=True)
        without = self._environ | {"VMS_MODULE_SERVER": "0"}
        campaign.fill(without, self._size, first=70_000_000)  # others than the town's

    def run(self, first: float, seconds: float) -> dict[str, Any]:
        """Measure the yardstick, the capacity, the morning, and the yardstick again."""
        web = self._servers["gunicorn"]
        with psycopg.connect(self._database.dsn, autocommit=True) as connection:
            connection.execute("CHECKPOINT")  # a million meters were not filled in last night
        self._load(web, min(first, 3.0))  # warm
        yard = [self._yardstick(first)]
        full = self._load(web, first)
        capacity = len(full["sales"]) / full["seconds"]
        print(f"{yard[0]:.0f} sales/s raw, {capacity:.1f} sold; the morning begins.", flush=True)
        watch = Watch(self._database, {
            "web": web, "worker": self._worker, "module": self._module, "database": self._database,
        })  # fmt: skip
        disk, people = Disk(self._folder), self._people(web.port or 0)
        work = Background(self._environ, self._size)
        work.begin()
        gc.collect()
        gc.freeze()  # a walk through all of this would keep everybody here from asking
        for one in [watch, disk, *people]:
            one.start()
        work.morning = time.time()
        half = self._load(web, seconds, capacity / 2)
        for one in [watch, disk, *people]:
            one.over.set()
            one.join()
        done = work.done()
        yard.append(self._yardstick(first))
        return {
            "yardstick_per_s": round(statistics.median(yard), 1), "statements": self._statements,
            "vends_per_s": round(capacity, 1),
            "ratio": round(capacity / statistics.median(yard), 3),
            "full": waits(full["sales"]), "full_refused": full["refused"],
            "morning_s": seconds, "morning_per_s": round(len(half["sales"]) / half["seconds"], 1),
            "morning": waits(half["sales"]), "slowest": slowest(half["slowest"]),
            "prices": waits(half["quotes"]), "refused": half["refused"],
            "look_ups": waits([ms for one in people[:-1] for ms, *_ in one.seen]),
            "reports": waits([ms for ms, *_ in people[-1].seen]),
            "slowest_pages": heapq.nlargest(8, (seen for one in people for seen in one.seen)),
            "disk": waits([ms for ms, _ in disk.seen]),
            "disks_slowest": heapq.nlargest(3, disk.seen),
            "errors": [error for one in people for error in one.errors][:10],
            "background": done, "longest_transaction_ms": round(watch.of_worker.ms),
            "in_the_longest": watch.of_worker.doing.most_common(4),
            "transactions_seen": len(watch.of_worker.lasted),
            "transactions_above": sum(ms > CHUNK_MS for ms in watch.of_worker.lasted.values()),
            "webs_longest_ms": round(watch.of_web.ms),
            "in_the_webs_longest": watch.of_web.doing.most_common(4),
            "processes": watch.processes(), "load_average": round(os.getloadavg()[0], 1),
        } | self._promises  # fmt: skip

    def _people(self, port: int) -> list["Visitor"]:
        """Who looks customers up, and who looks at reports."""
        operators = self._town.operators
        people = [
            Visitor(port, (operators[n].username, operators[n].password), 0.2,
                    lambda chance: f"/counter/?q=Customer+{chance.randrange(10**4):07}")
            for n in range(LOOKERS)
        ]  # fmt: skip
        boss = ("supervisor", self._passwords["supervisor"])
        return [*people, Visitor(port, boss, 1.0, lambda chance: chance.choice(REPORTS))]


class Visitor(threading.Thread):
    """Asks for pages, one after the other, with a pause between."""

    def __init__(self, port: int, who: tuple[str, str], pause_s: float, next_page: Any) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: list[tuple[float, float, str]] = []  # ms, at s, what
        self.errors: list[str] = []
        self._browser, self._pause_s, self._next = Browser(port), pause_s, next_page
        self._chance = random.Random(who[0])
        self._browser.sign_in(*who)

    def run(self) -> None:
        """Look until it is over."""
        first = time.perf_counter()
        while not self.over.wait(self._pause_s):
            path = self._next(self._chance)
            began = time.perf_counter()
            try:
                status = self._browser.get(path).status
            except LOST as error:
                status = repr(error)
            took_ms = (time.perf_counter() - began) * 1000
            self.seen.append((round(took_ms, 1), round(began - first, 1), path))
            if status not in {200, 302}:
                self.errors.append(f"{path}: {status}")


@dataclass
class Background:
    """An import and a campaign, asked for as people do, and made by the worker."""

    environ: dict[str, str]
    size: int
    jobs: dict[str, int] = field(default_factory=dict)
    morning: float = 0.0
    """When it began, by the clock."""

    def begin(self) -> None:
        """Ask for both."""
        self._app = create_app(Settings.from_environ(self.environ))
        with self._app.app_context():
            with seen_by(SYSTEM):
                admin = db.session.scalars(
                    select(OfficeUser.id).where(OfficeUser.username == "admin")
                ).one()
                self._actor = actor_for(db.session(), admin)
                region, *_ = registration.names()
            path = Path(self.environ["VMS_INSTANCE"]) / "customers.xlsx"
            with path.open("wb") as file:
                rows = registration.consumers(self.size, region)
                rows = ([f"N{row[0]}", *row[1:]] for row in rows)
                write_xlsx(file, "consumers", registration.CONSUMERS, rows, Look(keep_text=True))
            settings = self._app.extensions["vms_settings"]
            with seen_by(self._actor), path.open("rb") as file:
                batch = batches.stage(
                    db.session(), self._actor, settings, kind_of("consumers"), file,
                    file_name=path.name, language="en", update_existing=False, although_same=True,
                )  # fmt: skip
                self.jobs["check"], self._batch = batch.job_id, batch.id
                wish = Wish(
                    name="Morning", reason="new keys", hand_out="next_sale",
                    selection=Selection(sgcs=(campaign.GROUPS["tcp"],)), target=Target(krn=2),
                    due_on=date(2099, 12, 31),
                )  # fmt: skip
                drafted = drafting.draft(db.session(), self._actor, wish).id
                begin = beginning.begin_of(db.session(), drafted)
                submit(db.session(), self._actor, beginning.START, begin, "load")
                newest = select(Job.id).order_by(Job.id.desc()).limit(1)
                self.jobs["campaign"] = db.session.scalars(newest).one()
                db.session.commit()
            for job_id in self.jobs.values():
                background.send(job_id)
            db.session.remove()
        self._confirming = threading.Thread(target=self._confirm, daemon=True)
        self._confirming.start()

    def _confirm(self) -> None:
        """Say yes to the import once it was checked."""
        with self._app.app_context():
            while self._state("check")["state"] in {"waiting", "running"}:
                time.sleep(0.3)
            with seen_by(self._actor):
                batch = batches.confirm(
                    db.session(), self._actor, self._batch, good_only=False, language="en"
                )
                self.jobs["apply"] = batch.job_id
            background.send(self.jobs["apply"])
            db.session.remove()

    def done(self) -> dict[str, Any]:
        """Wait for the end, and tell how far each came and how long it took.

        What the morning was too short for is made when it is over; that is told, too.
        """
        over, until = time.monotonic(), time.monotonic() + 600
        with self._app.app_context():
            states = {name: self._state(name) for name in list(self.jobs)}
            while time.monotonic() < until:
                ends = {name: self._state(name) for name in list(self.jobs)}
                open_ones = [one for one in ends.values() if one["state"] in {"waiting", "running"}]
                if not open_ones and "apply" in ends:
                    break
                time.sleep(0.3)
            with seen_by(SYSTEM):
                applied = db.session.get_one(ImportBatch, self._batch).applied
            db.session.remove()
            db.engine.dispose()
        return {
            "rows": self.size, "applied": applied, "after_s": round(time.monotonic() - over, 1),
            "at_the_end_of_the_morning": {name: one["done"] for name, one in states.items()},
        } | ends  # fmt: skip

    def _state(self, name: str) -> dict[str, Any]:
        with seen_by(SYSTEM):
            job = db.session.get_one(Job, self.jobs[name], populate_existing=True)
            took = (job.finished_at or job.heartbeat_at or job.made_at) - job.made_at
            told = {"state": job.state, "done": job.done, "took_s": round(took.total_seconds(), 1),
                    "asked_at_s": round(job.made_at.timestamp() - self.morning, 1)}  # fmt: skip
            db.session.rollback()
        return told


class Longest:
    """The transactions of some connections: how long they lasted, and what the longest did."""

    def __init__(self) -> None:
        self.ms, self.doing = 0.0, Counter[str]()
        self.lasted: dict[Any, float] = {}  # by when they began, ms
        self._seen = Counter[str]()

    def add(self, lasts: float, began: Any, doing: str) -> None:
        """Note the one that is open for the longest, as it was seen."""
        if began not in self.lasted:
            self._seen = Counter()
        self._seen[" ".join(doing.split())] += 1
        self.lasted[began] = lasts
        if lasts > self.ms:
            self.ms, self.doing = lasts, self._seen


class Disk(threading.Thread):
    """Writes a page where the database is, four times a second: what the disk alone takes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: list[tuple[float, float]] = []  # ms, at s
        self._file = folder / "page"

    def run(self) -> None:
        """Write until it is over."""
        first = time.perf_counter()
        with self._file.open("wb", buffering=0) as file:
            while not self.over.wait(0.25):
                began = time.perf_counter()
                file.write(bytes(8192))
                os.fsync(file.fileno())
                took_ms = (time.perf_counter() - began) * 1000
                self.seen.append((round(took_ms, 1), round(began - first, 1)))


class Watch(threading.Thread):
    """Reads what every process takes, and how long transactions last."""

    def __init__(self, database: running.Database, services: dict[str, running.Service]) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.of_worker, self.of_web = Longest(), Longest()
        self._database, self._services = database, services
        self._seen: dict[str, list[tuple[float, float]]] = {name: [] for name in services}

    def run(self) -> None:
        """Look until it is over."""
        due = 0.0
        with psycopg.connect(self._database.dsn, autocommit=True) as connection:
            while not self.over.wait(0.05):
                found = connection.execute(
                    "SELECT DISTINCT ON (1) application_name = 'worker',"
                    " extract(epoch FROM clock_timestamp() - xact_start) * 1000,"
                    " xact_start, concat_ws(' ', state, wait_event, left(query, 40))"
                    " FROM pg_stat_activity"
                    " WHERE backend_xid IS NOT NULL AND backend_type = 'client backend'"
                    " ORDER BY 1, xact_start"
                ).fetchall()
                for is_worker, lasts, began, doing in found:
                    one = self.of_worker if is_worker else self.of_web
                    one.add(float(lasts), began, doing)
                if time.monotonic() >= due:
                    due = time.monotonic() + 1
                    for name, service in self._services.items():
                        self._seen[name].append((service.spent(), megabytes(service)))

    def processes(self) -> dict[str, dict[str, Any]]:
        """What each kind of process took: seconds of the processor, and memory in each fifth."""
        told = {}
        for name, seen in self._seen.items():
            fifth = max(1, len(seen) // 5)
            mb = [
                statistics.median(mb for _, mb in seen[at : at + fifth])
                for at in range(0, len(seen) - fifth + 1, fifth)
            ]
            told[name] = {
                "cpu_s": round(seen[-1][0] - seen[0][0], 1), "mb": [round(one) for one in mb],
                "most_mb": round(max(mb for _, mb in seen)),
                "flat": mb[-1] <= mb[len(mb) // 2] * GROWN,
            }  # fmt: skip
        return told


def megabytes(service: running.Service) -> float:
    """Memory a service holds; of a database what its processes share counts once for each."""
    pages = 0
    for pid in service.family():
        with suppress(FileNotFoundError, ProcessLookupError):
            resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
            pages += int(resident) - int(shared)
    return pages * os.sysconf("SC_PAGE_SIZE") / MILLION


def waits(each: list[float]) -> dict[str, float]:
    """What of a hundred people waited, in milliseconds."""
    if len(each) < 2:
        return {"count": len(each)}
    return {
        "count": len(each), "p50_ms": round(statistics.median(each), 1),
        "p95_ms": round(percentile(each, 95), 1), "p99_ms": round(percentile(each, 99), 1),
        "most_ms": round(max(each), 1),
    }  # fmt: skip


def slowest(each: list[tuple[float, float, float]]) -> list[dict[str, float]]:
    """Tell of sales: how long they took, how much of it at the door, and when they were due."""
    names = ("ms", "at_the_door_ms", "at_s")
    return [{name: round(value, 1) for name, value in zip(names, one, strict=True)} for one in each]


def report(found: dict[str, Any]) -> None:
    """Print the table."""
    print(f"{found['meters']:,} meters; load average {found['load_average']}.")
    print(f"pgbench, {found['statements']} statements a sale: {found['yardstick_per_s']} a second")
    print(f"Sold: {found['vends_per_s']} a second, {found['ratio']} of it; {found['full']}")
    print(f"The morning, {found['morning_per_s']} a second for {found['morning_s']:.0f} s:")
    for name in ("morning", "prices", "look_ups", "reports", "disk"):
        print(f"  {name:10} {found[name]}")
    for slow in (*found["slowest"], *found["slowest_pages"], *found["disks_slowest"]):
        print(f"    {slow}")
    print(f"  background {found['background']}")
    seen, above = found["transactions_seen"], found["transactions_above"]
    print(f"  the worker's longest transaction that wrote: {found['longest_transaction_ms']} ms"
          f" (aim {CHUNK_MS:.0f}; {above} of {seen} seen took longer), in it:"
          f" {found['in_the_longest']}")  # fmt: skip
    print(f"  the web's: {found['webs_longest_ms']} ms, in it: {found['in_the_webs_longest']}")
    for name, one in found["processes"].items():
        print(f"  {name:10} {one}")
    refused = sum(found["refused"].values()) + len(found["errors"])
    found["met"] = {
        "no_error": not refused, "no_sale_above_1_s": found["morning"]["most_ms"] <= MOST_MS,
        "chunks_below_200_ms": found["longest_transaction_ms"] <= CHUNK_MS,
        "memory_flat": all(one["flat"] for one in found["processes"].values()),
    }  # fmt: skip
    print(f"  errors: {refused} {found['refused']} {found['errors']}")


if __name__ == "__main__":
    sys.exit(main())

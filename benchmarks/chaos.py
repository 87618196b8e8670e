"""Everything is killed at random while operators sell, and then the books must be right.

A database, a module server, a web server with two workers and a worker run as an administrator
would start them. Operators sell over HTTP, as docs tell them to: who gets no answer sends the
same form again, who is told to wait waits, some press twice. Meanwhile the database, the
module, the web server, one of its workers and the worker are killed with signal 9, or the
module freezes, each whenever it is its turn by chance, and started again a little later. At the
end all run again, nothing is killed any more, and what was done must settle by itself. Then the
product's own proof runs, and beside it the checks of ``chaos_checks``, in bare SQL.

    python benchmarks/chaos.py                  ten minutes
    python benchmarks/chaos.py --quick          one minute
    python benchmarks/chaos.py --seconds 300 --seed 7 --broker redis://127.0.0.1:6379/9
    python benchmarks/chaos.py --scaled         two of each behind nginx, RabbitMQ, a standby module

Scaled (``chaos_scaled``) the database is restarted too, disks are full for a while, the broker
loses all it holds, nginx is told to read its file again, and the clocks of all processes go back
an hour and come again.

``--keep FOLDER`` leaves instance, database and logs there for whoever looks for a fault.
"""

import argparse
import json
import os
import random  # noqa: TID251 - a seed repeats it
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg

from benchmarks import chaos_checks, estate, running
from benchmarks.chaos_sellers import Seller, Supervisor
from benchmarks.running import Database
from benchmarks.till import Door

SELLERS, METERS, POINTS = 8, 24, 4
QUIET_S = 240.0
"""How long all may take to settle once nothing is killed any more."""
GRACE_S = 2.0
"""How long something runs before it may be killed again: else nobody would sell."""
DEALS, HUSH_S = 2, 10.0
"""A blow waits until so many purchases ended, or for so long: a slow machine sells, too."""


@dataclass
class Stage:
    """What is killed, and what people need to sell there.

    Attributes:
        blows: What is done to each service; who stands there twice is hit twice as often.
        door: Where browsers find the product.
        environ: Of the product, to look at it from inside afterwards.
        records: The modules' own.
    """

    database: Database
    services: dict[str, Any]
    blows: dict[str, tuple[str, ...]]
    door: int | Door
    town: estate.Estate
    supervisor: tuple[str, str]
    environ: dict[str, str]
    records: list[Path]


class Killer:
    """Kills what runs, and starts it again."""

    def __init__(
        self, stage: Stage, chance: random.Random, ended: Callable[[], int]
    ) -> None:  # fmt: skip
        self.kills: Counter[str] = Counter()
        self._ended = ended
        self._services = stage.services
        self._blows = stage.blows
        self._chance = chance
        self._due: dict[str, float] = {}
        self._ready_since: dict[str, float] = {}
        self._undo: dict[str, tuple[float, Callable[[], None]]] = {}

    def run(self, seconds: float) -> None:
        """Kill and start until the time is over."""
        until = time.monotonic() + seconds
        strike, before = time.monotonic() + self._chance.uniform(1, 3), self._ended()
        while time.monotonic() < until:
            self._tend()
            late = time.monotonic() - strike
            if late >= 0 and (self._ended() >= before + DEALS or late >= HUSH_S):
                self._strike()
                before = self._ended()
                strike = time.monotonic() + self._chance.expovariate(1 / 2.5)
            time.sleep(0.02)

    def make_whole(self) -> None:
        """Have everything run."""
        for _due, undo in self._undo.values():
            undo()
        for service in self._services.values():
            service.wait_ready()

    def _tend(self) -> None:
        now = time.monotonic()
        for name in [name for name, (due, _) in self._undo.items() if now >= due]:
            self._undo.pop(name)[1]()
        for name, service in self._services.items():
            if name in self._due:
                if now >= self._due[name]:
                    del self._due[name]
                    service.start()
            elif not service.alive:  # gave up by itself, for what it needs was not there
                self._due[name] = now + 0.5
                self._ready_since.pop(name, None)
            if name not in self._ready_since and name not in self._due and service.ready():
                self._ready_since[name] = time.monotonic()

    def _strike(self) -> None:
        now = time.monotonic()
        ripe = [name for name, since in self._ready_since.items() if now - since > GRACE_S]
        blows = [(name, blow) for name in ripe if name not in self._undo
                 for blow in self._blows[name]]  # fmt: skip
        if not blows:
            return
        name, blow = self._chance.choice(blows)
        getattr(self, blow)(name)
        self.kills[f"{name} {SAID.get(blow, blow)}"] += 1

    def kill(self, name: str) -> None:
        """Kill it with all it started."""
        self._services[name].kill()
        del self._ready_since[name]
        self._due[name] = time.monotonic() + self._chance.uniform(0, 2)

    def child(self, name: str) -> None:
        """Kill one of its children, which it starts again itself."""
        children = self._services[name].family()[1:]
        if children:
            os.kill(self._chance.choice(children), signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """Stop it as it is for a while: it neither answers nor hangs up."""
        service = self._services[name]
        service.signal(signal.SIGSTOP)
        self._later(name, 0.5, 8, lambda: service.signal(signal.SIGCONT))

    def restart(self, name: str) -> None:
        """Tell it to end now, as its own tools do; it is started again."""
        os.kill(self._services[name].pid, signal.SIGINT)

    def reload(self, name: str) -> None:
        """Tell it to read its settings again."""
        os.kill(self._services[name].pid, signal.SIGHUP)

    def fill(self, name: str) -> None:
        """Leave no room on its disk for a while: no file may be written to."""
        service = self._services[name]
        service.leave_room(0)
        self._later(name, 1, 5, lambda: service.leave_room(None))

    def empty(self, name: str) -> None:
        """Lose all that waits in it."""
        with suppress(Exception):  # it may be on its way down
            self._services[name].empty()

    def back(self, name: str) -> None:
        """Put it back, and right again after a while."""
        clock = self._services[name]
        clock.put(-BACK_S)
        self._later(name, 3, 8, lambda: clock.put(0))

    def _later(self, name: str, least: float, most: float, undo: Callable[[], None]) -> None:
        self._undo[name] = time.monotonic() + self._chance.uniform(least, most), undo


SAID = {"freeze": "frozen", "fill": "disk full", "empty": "emptied", "back": "back an hour"}
BACK_S = 3600.0

BLOWS = {
    "database": ("kill", "kill", "child"),
    "module": ("kill", "kill", "freeze"),
    "web": ("kill", "child", "child"),
    "worker": ("kill",),
}
"""What is done to each; of a database's children one takes all others with it."""


def main() -> int:
    """Run, prove, print figures and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one minute")
    parser.add_argument("--seconds", type=float, help="how long things are killed")
    parser.add_argument("--seed", type=int, default=None, help="of what is killed when")
    parser.add_argument("--broker", help="a broker's URL; without it, files")
    parser.add_argument("--scaled", action="store_true", help="two of each behind nginx")
    parser.add_argument("--keep", type=Path, help="folder where everything stays")
    given = parser.parse_args()
    seconds = given.seconds or (60.0 if given.quick else 600.0)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    with ExitStack() as stack:
        if given.keep:
            folder = given.keep
            folder.mkdir(parents=True)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vms-chaos-")))
        folder.chmod(0o755)
        if given.scaled:
            from benchmarks.chaos_scaled import scaled  # noqa: PLC0415 - needs more servers

            stage = scaled(folder, METERS, POINTS, stack)
        else:
            stage = plain(folder, given.broker, stack)
        found = chaos(stage, seconds, seed)
    kind = {"bench": "chaos", "scaled": given.scaled, "quick": given.quick, "seed": seed}
    print(json.dumps(kind | found))
    return 0 if found["right"] else 1


def plain(folder: Path, broker: str | None, stack: ExitStack) -> Stage:
    """Set up one of each."""
    environ = environment(folder, broker)
    for place in ("database", "instance"):
        (folder / place).mkdir()
    database = Database(folder / "database", folder / "database.log")
    stack.callback(database.kill)
    database.make()
    environ["DATABASE_URL"] = database.url
    passwords = running.initialised(environ)
    town = estate.enlarge(environ, METERS, POINTS)
    services = {
        "database": database,
        "module": running.module_server(environ, folder / "module.log"),
        "web": running.gunicorn(environ, folder / "web.log"),
        "worker": running.worker(environ, folder / "worker.log"),
    }
    for service in services.values():
        stack.callback(service.kill)
        service.wait_ready()
    record = folder / "instance" / "module" / "results.sqlite"
    return Stage(
        database, services, BLOWS, services["web"].port or 0, town,
        ("supervisor", passwords["supervisor"]), environ, [record],
    )  # fmt: skip


def chaos(stage: Stage, seconds: float, seed: int) -> dict[str, object]:
    """Let everything be killed while people sell, and tell what stands at the end."""
    chance = random.Random(seed)
    database, town = stage.database, stage.town
    sellers = [
        Seller(
            stage.door, town.operators[n % POINTS], list(town.meters), random.Random(f"{seed} {n}")
        )
        for n in range(SELLERS)
    ]
    supervisor = Supervisor(stage.door, *stage.supervisor, random.Random(seed + 1))
    people = [*sellers, supervisor]
    for person in people:
        person.sign_in()
    for person in people:
        person.start()
    print(
        f"Killing for {seconds:.0f} s, seed {seed}: {SELLERS} sellers, {METERS} meters.", flush=True
    )
    killer = Killer(stage, chance, lambda: sum(seller.ended for seller in sellers))
    killer.run(seconds)
    killer.make_whole()
    began = time.monotonic()
    for person in people:
        person.stop()
    for person in people:
        person.join(QUIET_S)
    wait_for(lambda: pending(database) == 0, QUIET_S)
    settled = time.monotonic() - began
    deals = [deal for seller in sellers for deal in seller.deals]
    stuck = [person.name for person in people if person.is_alive() or person.failure]
    failures = [repr(person.failure) for person in people if person.failure]
    faults = [f"{name} did not come to an end" for name in stuck] + failures
    faults += chaos_checks.of_the_product(stage.environ)
    faults += chaos_checks.in_sql(database, stage.records, deals)
    return report(killer, deals, supervisor, database, faults, seconds, settled)


def environment(folder: Path, broker: str | None) -> dict[str, str]:
    """The settings of this run: the worker is quick, and meters get as many tokens as they like."""
    return {
        "VMS_INSTANCE": str(folder / "instance"), "DEMO": "1", "VMS_LOG_LEVEL": "WARNING",
        "VMS_MODULE_SERVER": "1", "VMS_MODULE_PORT": str(running.free_port()),
        "VMS_LOGIN_RATE": "100000 per 1 minute", "VMS_TOKENS_PER_METER_MINUTE": "100000",
        "VMS_TOKENS_PER_METER_DAY": "100000", "VMS_RECONCILE_SECONDS": "1",
        "VMS_PENDING_SECONDS": "2", "VMS_CANCEL_SECONDS": "12",
    } | ({"BROKER_URL": broker} if broker else {})  # fmt: skip


def pending(database: Database) -> int:
    """How many sales are open."""
    with psycopg.connect(database.dsn) as connection:
        row = connection.execute("SELECT count(*) FROM sale WHERE state = 'pending'").fetchone()
    assert row is not None
    return int(row[0])


def wait_for(come: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, or the time is over."""
    until = time.monotonic() + seconds
    while not come() and time.monotonic() < until:
        time.sleep(0.5)


def report(
    killer: Killer, deals: list, supervisor: Supervisor, database: Database, faults: list[str],
    seconds: float, settled: float,
) -> dict[str, object]:  # fmt: skip
    """Print what happened; give it as JSON."""
    with psycopg.connect(database.dsn) as connection:
        states = dict(
            connection.execute("SELECT state, count(*) FROM sale GROUP BY state").fetchall()
        )
        doubted = connection.execute(
            "SELECT count(*) FROM sale WHERE doubt_at IS NOT NULL"
        ).fetchone()[0]
    heard: Counter[str] = Counter()
    for deal in deals:
        heard.update(deal.heard)
    print("Killed:", ", ".join(f"{name} {n}" for name, n in sorted(killer.kills.items())))
    print("Heard by sellers:", ", ".join(f"{what} {n}" for what, n in sorted(heard.items())))
    print("Sales:", ", ".join(f"{n} {state}" for state, n in sorted(states.items())),
          f"; {doubted} were in doubt, money given back for {supervisor.given_back}")  # fmt: skip
    print(f"Everything was settled {settled:.0f} s after the last blow.")
    for fault in faults:
        print("FAULT:", fault)
    return {
        "seconds": seconds, "kills": sum(killer.kills.values()), "by_kind": dict(killer.kills),
        "sales": states, "in_doubt": doubted, "given_back": supervisor.given_back,
        "handed_out": sum(bool(deal.digits) for deal in deals), "unanswered": heard["lost"],
        "settled_s": round(settled, 1), "faults": len(faults), "right": not faults,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

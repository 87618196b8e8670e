"""The parent's side: an instance of its own for each test, and processes that work in it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import create_engine
from sqlalchemy import select as sql_select
from sqlalchemy.orm import Session

from tests.processes.books import Books
from vmsapp.models import Meter, OfficeUser
from vmsapp.scope import unscoped

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0
"""How long an answer may take before the test fails."""

ROUNDS: Final = 20
"""Reconciliations after which a sale that stays pending is taken to stay so for ever."""

Answer = dict[str, Any]


class Process:
    """One process of the product, told what to do and killed."""

    def __init__(self, pid: int, commands: Path, answers: Path, log: Path) -> None:
        self.pid = pid
        self._log = log
        # Opened for both ways a pipe waits for nobody, and never ends by itself here.
        self._commands = os.open(commands, os.O_RDWR)
        self._answers = os.open(answers, os.O_RDONLY)
        self._read = b""
        assert self.answer() == {"ready": pid}

    def tell(self, do: str, **command: Any) -> None:
        """Give a command; the answer is fetched later."""
        os.write(self._commands, json.dumps({"do": do, **command}).encode() + b"\n")

    def go_on(self) -> None:
        """Let the process go on from the point where it halts."""
        os.write(self._commands, b"go\n")

    def ask(self, do: str, **command: Any) -> Answer:
        """Give a command and wait for the answer."""
        self.tell(do, **command)
        return self.answer()

    def answer(self) -> Answer:
        """Wait for the next answer, or for the point the process halts at."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self._read:
            if not self._readable(deadline - time.monotonic()):
                raise AssertionError(f"no answer in time: {self._log.read_text()}")
            more = os.read(self._answers, 65_536)
            if not more:
                raise AssertionError(f"the process has ended: {self._log.read_text()}")
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return dict(json.loads(line))

    def has_answered(self) -> bool:
        """Tell whether an answer has begun to come."""
        return bool(self._read) or self._readable(0)

    def kill(self) -> None:
        """Kill the process with signal 9, and wait until the system has closed its files."""
        os.kill(self.pid, signal.SIGKILL)
        while os.read(self._answers, 65_536):
            pass

    def close(self) -> None:
        """End the process whatever it does; harmless once it has ended."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(self._commands)
        os.close(self._answers)

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._answers], [], [], max(seconds, 0))[0])


class Nursery:
    """The process that forks all others."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.seller"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def bear(self, folder: Path, env: dict[str, str], stops: list[str], faults: list[str]) -> Process:
        """Fork a process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        folder.mkdir()
        pipes = {name: folder / name for name in ("commands", "answers")}
        for pipe in pipes.values():
            os.mkfifo(pipe)
        log = folder / "log"
        paths = {name: str(path) for name, path in (*pipes.items(), ("log", log))}
        birth = {**paths, "env": env, "stops": stops, "faults": faults}
        self._process.stdin.write(json.dumps(birth) + "\n")
        return Process(int(self._process.stdout.readline()), log=log, **pipes)

    def close(self) -> None:
        """End the nursery."""
        self._process.kill()
        self._process.communicate()


@dataclass
class World:
    """An instance with its database, and the processes at work in it."""

    instance: Path
    url: str
    nursery: Nursery
    _processes: list[Process] = field(default_factory=list)

    def process(self, *stops: str, faults: tuple[str, ...] = ()) -> Process:
        """Start a process that halts at ``stops``, with a faulty line to its module."""
        folder = self.instance.with_name(f"process-{len(self._processes)}")
        process = self.nursery.bear(folder, self.environment(), [*stops], [*faults])
        self._processes.append(process)
        return process

    def environment(self) -> dict[str, str]:
        """Give the settings of this instance; rates per meter do not count here."""
        return {
            "VMS_INSTANCE": str(self.instance),
            "DATABASE_URL": self.url,
            "VMS_TOKENS_PER_METER_MINUTE": "100000",
            "VMS_TOKENS_PER_METER_DAY": "100000",
            "VMS_LOG_LEVEL": "ERROR",
        }

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open the database from here, to look at it or to prepare it."""
        engine = create_engine(self.url)
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()

    def prepare(self) -> Self:
        """Bring an empty instance up, with the demo utility, as a person would."""
        subprocess.run(
            [sys.executable, "-m", "flask", "vms", "init"],
            cwd=ROOT,
            env={**os.environ, **self.environment()},
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        return self

    def meters(self) -> list[int]:
        """Name four meters the operator sells to: of each length and each algorithm."""
        with self.session() as session, unscoped("choosing meters"):
            operator = session.query(OfficeUser).filter_by(username="operator").one()
            rows = session.scalars(
                sql_select(Meter).where(Meter.region_id == operator.region_id).order_by(Meter.id)
            )
            kinds = {(len(meter.drn), meter.algorithm): meter.id for meter in rows}
        assert len(kinds) == 4
        return list(kinds.values())

    def points(self) -> dict[str, int]:
        """Give the vending point each of two users sells at: from a float, and for cash."""
        with self.session() as session, unscoped("choosing vending points"):
            users = session.query(OfficeUser).filter(OfficeUser.username.startswith("operator"))
            own = {user.username: user.vending_point_id for user in users}
        return {"operator": own["operator"], "supervisor": own["operator2"]}

    def check_books(self) -> Counter[str]:
        """Prove that nothing is open and everything agrees.

        Returns:
            How many sales there are in each state.
        """
        with self.session() as session, unscoped("checking the books"):
            books = Books(session, self.instance)
            try:
                books.check()
            finally:
                books.close()
            return Counter(sale.state for sale in books.sales.values())

    def settle(self, **patience: float) -> Answer:
        """Reconcile in a new process until nothing moves; tell how often what came out."""
        counts: Counter[str] = Counter()
        clerk = self.process()
        while settled := clerk.ask("reconcile", **patience):
            assert settled.keys() != {"pending"} or counts["pending"] < ROUNDS, "nothing moves"
            counts.update(settled)
        return {state: n for state, n in counts.items() if state != "pending"}

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.close()


def kill_at(process: Process, point: str, do: str, command: dict[str, Any]) -> None:
    """Have a process do something, and kill it when it comes to a point."""
    process.tell(do, **command)
    assert process.answer() == {"at": point}
    process.kill()


def spend_elsewhere(world: World, form: dict[str, Any]) -> None:
    """Have the module use up the identifier of a form's sale for something else."""
    clerk = world.process()
    sale_id = clerk.ask("sell", **form)["sale_id"]
    clerk.ask("spend_elsewhere", sale_id=sale_id, request_id="X-elsewhere-1")

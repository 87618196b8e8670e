"""An instance of its own for each test, with the processes that work in it."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from tests.processes.books import Books, keystore_in
from tests.processes.nursery import PATIENCE_S, ROOT, Answer, Nursery, Process
from vmsapp.hsm.results import Results
from vmsapp.models import Meter, OfficeUser
from vmsapp.scope import unscoped

ROUNDS: Final = 20
"""Reconciliations after which a sale that stays pending is taken to stay so for ever."""


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
        engine = create_engine(self.url, hide_parameters=True)
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
                select(Meter).where(Meter.region_id == operator.region_id).order_by(Meter.id)
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
            module = self.instance / "module"
            results = Results(module / "results.sqlite")
            books = Books(session, keystore_in(module), results)
            try:
                books.check()
            finally:
                results.close()
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


def spend_elsewhere(world: World, form: dict[str, Any]) -> None:
    """Have the module use up the identifier of a form's sale for something else."""
    clerk = world.process()
    sale_id = clerk.ask("sell", **form)["sale_id"]
    clerk.ask("spend_elsewhere", sale_id=sale_id, request_id="X-elsewhere-1")

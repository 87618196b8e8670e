"""What the database and the broker know, as figures of Prometheus.

They are asked for when somebody scrapes, kept for a few seconds, and missing where they cannot
be had in time: ``vms_figures_known`` says which. All processes on all machines tell the same.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from flask import Flask
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import condition
from vmsapp.watch.parts import PATIENCE, Parts, ready
from vmsapp.watch.probe import Probe

KEEP: Final = 5.0
KEEP_KEYS: Final = 300.0
"""Seconds for which figures are told again; keys end by the day, and their meters are counted."""
STATEMENT: Final = 1.0
STATEMENT_KEYS: Final = 5.0
"""Seconds the database may take for one."""

KEY: Final = ("module", "sgc", "krn", "kt", "dkga")


class Figures(Collector):
    """Collects them all; for any number of threads."""

    def __init__(self, app: Flask, parts: Parts) -> None:
        self._app, self._parts = app, parts
        self._probes = {
            name: Probe(name, partial(self._ask, make, bound), keep=keep)
            for name, make, bound, keep in FIGURES
        }

    def collect(self) -> Iterable[Metric]:
        """Tell what can be told within ``parts.PATIENCE``."""
        until = time.monotonic() + PATIENCE
        for probe in self._probes.values():
            probe.begin()
        told = ready(self._parts.told())
        yield _by("vms_ready", "Whether a part is as a sale needs it.", "part", told)
        waiting = self._parts.broker.answer(until)
        answers = {name: probe.answer(until) for name, probe in self._probes.items()}
        for answer in answers.values():
            yield from answer.value or ()
        if waiting.value is not None:
            yield Gauge("vms_queue_messages", "Messages no worker took yet.", value=waiting.value)
        known = {name: not answer.why for name, answer in answers.items()}
        known["queue"] = not waiting.why
        yield _by("vms_figures_known", "Whether figures could be had in time.", "part", known)

    def forget(self) -> None:
        """Ask again next time."""
        for probe in self._probes.values():
            probe.forget()

    def _ask(self, make: Callable[[Session], Sequence[Metric]], bound: float) -> Sequence[Metric]:
        session = db.session
        with self._app.app_context(), seen_by(SYSTEM), condition.bounded(session(), bound):
            return make(session())


def _by(name: str, text: str, label: str, values: Any) -> Gauge:  # noqa: ANN401 - of numbers
    family = Gauge(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family


def _sales(session: Session) -> Sequence[Metric]:
    pending = condition.pending_sales(session)
    return [
        Gauge("vms_pending_sales", "Sales that are being settled.", value=pending.count),
        Gauge(
            "vms_pending_oldest_seconds", "How long the first of them has been.",
            value=pending.seconds(),
        ),
    ]  # fmt: skip


def _roll_ups(session: Session) -> Sequence[Metric]:
    left = condition.unsummed(session)
    return [
        Gauge("vms_roll_up_transfers", "Transfers that are in no sum yet.", value=left.count),
        Gauge(
            "vms_roll_up_lag_seconds", "How long the first of them has not been.",
            value=left.seconds(),
        ),
    ]  # fmt: skip


def _jobs(session: Session) -> Sequence[Metric]:
    jobs = condition.open_jobs(session)
    counts = {state: waiting.count for state, waiting in jobs.items()}
    ages = {state: waiting.seconds() for state, waiting in jobs.items()}
    runs = condition.last_runs(session)
    return [
        _by("vms_jobs", "Jobs that people asked for and are not done.", "state", counts),
        _by("vms_job_oldest_seconds", "How long ago the first was asked for.", "state", ages),
        _by("vms_run_age_seconds", "Time since a recurring job last ended.", "kind", runs),
        Gauge(
            "vms_deliveries_open", "Receipts on their way.",
            value=condition.open_deliveries(session),
        ),
    ]  # fmt: skip


def _modules(session: Session) -> Sequence[Metric]:
    """What the worker heard when it last asked; ``vms_ready`` is asked now."""
    told: dict[str, tuple[str, Callable[[condition.Module], float | None]]] = {
        "vms_module_up": ("Whether it answered when last asked.", lambda one: one.answers),
        "vms_module_serves": ("Whether tokens are asked of it.", lambda one: one.serves),
        "vms_module_locked": ("Whether it is locked.", lambda one: one.locked),
        "vms_module_seen_seconds": ("Since its last answer.", lambda one: one.seen_seconds),
        "vms_module_ping_seconds": ("There and back.", lambda one: one.latency_seconds),
        "vms_module_drift_seconds": ("Its clock less ours.", lambda one: one.drift_seconds),
        "vms_module_tokens_left": (
            "Tokens it may still make; missing where it counts none.",
            lambda one: one.tokens_left,
        ),
    }
    modules = condition.modules(session)
    found = []
    for name, (text, figure) in told.items():
        family = Gauge(name, text, labels=["module", "name"])
        for one in modules:
            value = figure(one)
            if value is not None:
                family.add_metric([str(one.id), one.name], float(value))
        found.append(family)
    return found


def _keys(session: Session) -> Sequence[Metric]:
    days = Gauge("vms_key_days_left", "Whole days until a vending key ends.", labels=KEY)
    meters = Gauge("vms_key_meters", "Meters that need a key that ends soon.", labels=KEY)
    for key in condition.keys(session):
        labels = [str(key.module_id), key.sgc, str(key.krn), str(key.kt), key.dkga]
        days.add_metric(labels, key.days)
        if key.meters is not None:
            meters.add_metric(labels, key.meters)
    return [days, meters]


def _books(session: Session) -> Sequence[Metric]:
    books = condition.books(session)
    return [
        Gauge("vms_ledger_faults", "Faults the last proof found.", value=books.ledger_faults),
        Gauge("vms_audit_fault", "Whether the trail is broken.", value=float(books.audit_fault)),
        Gauge(
            "vms_audit_lag_seconds", "How long the first event has had no place in the chain.",
            value=books.unsealed.seconds(),
        ),
        _by(
            "vms_journal_findings", "What modules and sales do not agree on.", "kind",
            {"not_sold": 0, **books.findings},
        ),
    ]  # fmt: skip


FIGURES: Final[
    Sequence[tuple[str, Callable[[Session], Sequence[Metric]], float, float]]
] = (
    ("sales", _sales, STATEMENT, KEEP),
    ("roll_ups", _roll_ups, STATEMENT, KEEP),
    ("jobs", _jobs, STATEMENT, KEEP),
    ("modules", _modules, STATEMENT, KEEP),
    ("keys", _keys, STATEMENT_KEYS, KEEP_KEYS),
    ("books", _books, STATEMENT, KEEP),
)  # fmt: skip
"""Name, what makes them, and how long it may take and will do."""

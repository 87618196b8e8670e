"""What a sale needs: the database, as this release knows it; the broker; the modules."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from config import ROOT
from vmsapp.clock import now_utc
from vmsapp.extensions import db, end_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import SecurityModule, SmAlgorithm
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.condition import bounded
from vmsapp.services.security_modules import open_module
from vmsapp.services.vending.tids import CLOCK_TOLERANCE
from vmsapp.tasks import broker
from vmsapp.watch.probe import Probe

PATIENCE: Final = 3.0
"""Seconds after which somebody who asks is told that a part does not answer."""
KEEP: Final = 2.0
"""Seconds for which what was found is told again."""
STATEMENT: Final = 2.0
"""Seconds the database may take for one."""
OK: Final = "ok"


class NotReady(Exception):
    """A part is there, and not as it should be; ``why`` is a code."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Parts:
    """Asks each part, all at once."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.database = Probe("the database", self._ask_database, keep=KEEP)
        self.broker = Probe("the broker", broker.waiting, keep=KEEP)
        self.modules = Probe("the security modules", self._ask_modules, keep=KEEP)

    def told(self) -> Mapping[str, str | Mapping[str, str]]:
        """Tell how each part is: ``ok`` or a code; of the modules each by its name."""
        until = time.monotonic() + PATIENCE
        for probe in (self.database, self.broker, self.modules):
            probe.begin()
        database, modules = self.database.answer(until), self.modules.answer(until)
        return {
            "database": database.why or OK,
            "migrations": database.why or database.value or OK,
            "broker": self.broker.answer(until).why or OK,
            "modules": modules.why or modules.value or {},
        }

    def forget(self) -> None:
        """Ask again next time."""
        for probe in (self.database, self.broker, self.modules):
            probe.forget()

    def _ask_database(self) -> str:
        """Tell whether the schema is this release's, or a later one's: a code, or nothing.

        A later one is well: releases are made so that the one before goes on beside them.
        """
        with self._app.app_context(), bounded(db.session(), STATEMENT):
            current = MigrationContext.configure(db.session().connection()).get_current_heads()
        return "" if all(not _lacks(head) for head in current or ("",)) else "behind"

    def _ask_modules(self) -> Mapping[str, str]:
        with self._app.app_context(), seen_by(SYSTEM):
            session, registry = db.session(), self._app.extensions["vms_modules"]
            rows = session.execute(
                select(SecurityModule.id, SecurityModule.name)
                .where(SecurityModule.id.in_(select(SmAlgorithm.module_id)))
                .order_by(SecurityModule.id)
            ).all()
            return {row.name: _module_is(session, registry, row.id) for row in rows}


def ready(told: Mapping[str, str | Mapping[str, str]]) -> dict[str, bool]:
    """Tell of each part whether it is well; the modules are when all that serve are."""
    return {name: all(each == OK for each in _each(how)) for name, how in told.items()}


def _each(how: str | Mapping[str, str]) -> list[str]:
    return [how] if isinstance(how, str) else list(how.values())


def _module_is(session: Session, registry: Registry, module_id: int) -> str:
    """Ask a module as a sale does before it begins; ``ok`` or a code."""
    try:
        module = open_module(session, registry, module_id)
        end_reading(session)
        status = module.status()
    except Exception as error:  # noqa: BLE001 - the others are to be asked all the same
        return str(getattr(error, "why", "no_answer"))
    if status.locked:
        return "locked"
    return OK if abs(now_utc() - status.time_utc) <= CLOCK_TOLERANCE else "clock"


def _lacks(head: str) -> bool:
    """Tell whether a database at this revision lacks one of this release's."""
    known = _revisions()
    return head == "" or (head in known and head not in known.heads)


class _Revisions(frozenset[str]):
    """All revisions of this release; ``heads`` are the last."""

    heads: frozenset[str]


@cache
def _revisions() -> _Revisions:
    scripts: Any = ScriptDirectory(str(ROOT / "migrations"))
    found = _Revisions(script.revision for script in scripts.walk_revisions())
    found.heads = frozenset(scripts.get_heads())
    return found

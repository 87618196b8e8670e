"""``flask vms after-restore``: the one procedure after any restore, and after any promotion.

It may be broken off at any point and run again: what was done is not done twice, and until it
ended all stand still.

Source: SALE.md 16 "Restore, promotion, standby"; docs/operations.md "Restore".
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, Refused, Unavailable
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import JournalEntry, ModuleStatus
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, NotSupported
from vmsapp.hsm.registry import Registry
from vmsapp.models import Installation, JournalCheck, SecurityModule
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.audit import heads
from vmsapp.services.audit.sealer import seal
from vmsapp.services.restore import standstill
from vmsapp.services.restore.anew import Begun, begin_anew, highest_in, lines_of
from vmsapp.services.restore.key_sets import open_again
from vmsapp.services.restore.settling import settle_engineering, settle_sales
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.security_modules.journal_check import compare
from vmsapp.services.security_modules.opening import open_module

log = logging.getLogger(__name__)

MAX_REASON: Final = 255


class NothingRestored(Refused):
    """Instance and modules agree."""

    code = "nothing_restored"
    message = N_(
        "Nothing tells of a restore: this system and its security modules agree. If a copy of the"
        " whole machine was put back, or a replica was promoted, run it with --anyway."
    )


class AfterRestoreReasonMissing(InvalidInput):
    """Whoever puts two histories together says why."""

    code = "after_restore_reason_missing"
    message = N_("Say what was restored, and why.")


class ModuleNotAsked(Unavailable):
    """A module in use cannot be asked what it made, so nothing is put together."""

    code = "module_not_asked"
    message = N_(
        "The security module “%(module)s” cannot be asked: %(why)s. Nothing is sold until it"
        " answers and after-restore has run."
    )

    def __init__(self, *, module: str, why: str) -> None:
        super().__init__(module=module, why=why)


@dataclass(frozen=True, slots=True)
class Report:
    """What was done.

    Attributes:
        begun: Epoch, series and floors.
        sales: Pending sales completed by a journal.
        engineering: Engineering tokens likewise.
        sets: Key changes opened again.
        findings: New findings by the module's name: what is left for a person.
        trail: Place up to which the audit trail was signed anew; None where nothing was lost.
        silent: Retired modules that could not be asked.
    """

    begun: Begun
    sales: int = 0
    engineering: int = 0
    sets: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    trail: int | None = None
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _InUse:
    """A module, and where its last comparison ended."""

    row_id: int
    name: str
    module: Module
    told: ModuleStatus
    compared: int


def after_restore(
    session: Session,
    registry: Registry,
    actor: Actor,
    reason: str,
    *,
    anyway: bool = False,
    at_least: int = 1,
) -> Report:
    """Put the database and the modules' journals together, then let selling go on.

    Args:
        session: In the system's scope, outside any transaction.
        registry: The security modules.
        actor: Who does it.
        reason: What was restored, and why; kept.
        anyway: Though nothing tells of a restore.
        at_least: Which epoch and receipt series it must be at the least: where the module's
            record was restored, too, nobody else knows which were used.

    Raises:
        NothingRestored: Nothing tells of one; nothing was done.
        AfterRestoreReasonMissing: No reason was given.
        ModuleNotAsked: A module in use does not answer; all stand still.
        HsmUnavailable, HsmTimeout: It stopped to in between; all stand still.
    """
    reason = reason.strip()[:MAX_REASON]
    if not reason:
        raise AfterRestoreReasonMissing
    _stand_still(session, registry, anyway=anyway)
    used, silent = _modules(session, registry)
    modules = {each.row_id: each.module for each in used}
    ends: dict[int, int] = {}
    highest = highest_in(_all_lines(used, ends))
    known = max([each.told.epoch or 1 for each in used], default=1)
    begun = begin_anew(session, actor, highest, known, at_least=at_least)
    for each in used:
        each.module.begin_epoch(begun.epoch)
    sales = settle_sales(session, modules)
    engineering = settle_engineering(session, modules)
    sets = sum(
        open_again(session, each.row_id, each.module, _lines(each.module, each.compared))
        for each in used
    )
    findings = {}
    for each in used:
        check = compare(session, registry, actor, each.row_id)
        findings[each.name] = check.found if check else 0
    trail = _sign_trail(session, registry, actor, reason)
    report = Report(begun, sales, engineering, sets, findings, trail, silent)
    _go_on(session, actor, used, ends, report, reason)
    return report


def _stand_still(session: Session, registry: Registry, *, anyway: bool) -> None:
    """Have all stand still until the end, also what looks at no module.

    Raises:
        NothingRestored: Nothing tells of a restore.
    """
    try:
        standstill.check_modules(session, registry)
    except Standstill:
        return
    if not anyway:
        raise NothingRestored
    standstill.notice(session, "told")


def _modules(session: Session, registry: Registry) -> tuple[list[_InUse], tuple[str, ...]]:
    """Open every module, those that are retired if they still answer.

    Raises:
        ModuleNotAsked: One in use does not answer.
    """
    rows = session.execute(
        select(
            SecurityModule.id, SecurityModule.name, SecurityModule.retired_at,
            func.max(JournalCheck.to_number).label("compared"),
        )
        .outerjoin(JournalCheck, JournalCheck.module_id == SecurityModule.id)
        .group_by(SecurityModule.id).order_by(SecurityModule.id)
    ).all()  # fmt: skip
    used, silent = [], []
    for row in rows:
        try:
            module, told = _opened(session, registry, row.id)
        except (HsmUnavailable, HsmTimeout) as silence:
            if row.retired_at is None:
                why = silence.why if isinstance(silence, HsmUnavailable) else "no_answer"
                raise ModuleNotAsked(module=row.name, why=why) from silence
            silent.append(row.name)
            continue
        used.append(_InUse(row.id, row.name, module, told, row.compared or 0))
    return used, tuple(silent)


def _opened(session: Session, registry: Registry, module_id: int) -> tuple[Module, ModuleStatus]:
    """Open a module that can be asked.

    Raises:
        HsmUnavailable, HsmTimeout: It cannot.
    """
    module = open_module(session, registry, module_id)
    end_reading(session)
    told = module.status()
    if told.locked:
        raise HsmUnavailable("locked", sent=False)
    return module, told


def _all_lines(used: list[_InUse], ends: dict[int, int]) -> Iterator[list[JournalEntry]]:
    """Read all journals, and note where each ends."""
    for each in used:
        ends[each.row_id] = 0
        for page in _lines(each.module):
            ends[each.row_id] = page[-1].number
            yield page


def _lines(module: Module, after: int = 0) -> Iterator[list[JournalEntry]]:
    """Read a journal; a kind of module that keeps none has none to read."""
    with suppress(NotSupported):
        yield from lines_of(module, after)


def _sign_trail(session: Session, registry: Registry, actor: Actor, reason: str) -> int | None:
    """Have the audit trail signed as it is now, as a new beginning where it lost signed events."""
    seal(session)
    try:
        heads.sign(session, registry)
    except heads.TrailBehind:
        return heads.accept_restore(session, registry, actor, reason).place
    except heads.NobodySigns:
        log.info("no module signs the audit trail")
    return None


def _go_on(
    session: Session,
    actor: Actor,
    used: list[_InUse],
    ends: Mapping[int, int],
    report: Report,
    reason: str,
) -> None:
    """Keep the marks of all modules as they are now, and end the standstill."""
    marks = {each.row_id: each.module.status() for each in used}
    with atomic(session, durable=True):
        for row_id, told in marks.items():
            standstill.keep_marks(session, row_id, told, ends[row_id])
        session.execute(update(Installation).values(standstill_since=None, standstill_why=None))
        audit.record(
            session, actor, "restore.over", "installation", 1, reason=reason,
            epoch=report.begun.epoch, sales=report.sales, engineering=report.engineering,
            key_changes=report.sets, findings=sum(report.findings.values()),
        )  # fmt: skip

"""Standing still after a restore: nothing is made until instance and modules agree again.

The instance notes of each module the epoch of its record and how far that was; a module tells
both, and what it issued last. They no longer match when

* the module issued under an id of this product what this database never asked for: it is older;
* its record holds fewer lines than before: the record is older;
* its epoch is another: a restored system began anew without this database, or without it.

Whoever finds that out first writes it down, and from then on all stand still: counter, free
tokens, engineering tokens, key changes, campaigns and worker.

Source: SALE.md 16 "Restore, promotion, standby".
"""

import logging
import re
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    exists,
    func,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused
from vmsapp.extensions import atomic, connection_of, end_reading
from vmsapp.hsm.answers import ModuleStatus
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, NotSupported
from vmsapp.hsm.registry import Registry
from vmsapp.models import (
    CampaignChunk,
    EngineeringToken,
    Installation,
    JournalCheck,
    JournalFinding,
    KeyChange,
    SaleAttempt,
    SecurityModule,
)
from vmsapp.scope import SYSTEM
from vmsapp.services import audit
from vmsapp.services.rows import rows_changed, run, table_of
from vmsapp.services.security_modules.opening import open_module
from vmsapp.statements import made_once

log = logging.getLogger(__name__)

LINES: Final = 200
"""Lines of a journal looked up at a time."""

OURS: Final = re.compile(r"[SKEC]-[0-9a-f]{24}\b")
"""How requests of sales, key changes, engineering tokens and campaigns are named here."""

WHYS: Final = {
    "told": "A backup was restored here.",
    "database_older": "The module issued tokens that this database never asked for.",
    "record_older": "The module's record holds less than it did.",
    "other_epoch": "The module's record belongs to another life of this system.",
}
"""How a restore was found out, for whoever looks after the system."""


class Standstill(Refused):
    """A backup was restored, and nobody has put the two histories together yet."""

    code = "standstill"
    message = N_(
        "This system was restored from a backup, or its security module was. So that no token is"
        " made twice, nothing is sold until an administrator has run “flask vms after-restore”"
        " on the server."
    )


def check(session: Session) -> None:
    """Refuse while all stand still; asks no module.

    Raises:
        Standstill: They do.
    """
    if session.scalar(select(Installation.standstill_since)) is not None:
        raise Standstill


def check_told(session: Session, module_id: int, module: Module, told: ModuleStatus) -> None:
    """Refuse while all stand still, and begin to where a module's word shows a restore.

    A word that seems to show one is asked for once more: between it and the look into the
    database somebody else may have sold.

    Args:
        session: With no transaction open but one that only read.
        module_id: The row's id.
        module: The module.
        told: What it just said.

    Raises:
        Standstill: All stand still.
        HsmUnavailable, HsmTimeout: It does not answer any more.
    """
    marks = _read(session, module_id, told)
    if marks is None:
        return
    if marks.standstill_since is None and _why(told, marks, marks.sequence) is None:
        return
    if marks.standstill_since is None:
        told, before = module.status(), marks.sequence
        marks = _read(session, module_id, told)
        why = _why(told, marks, before)
        if marks.standstill_since is None and why is None:
            return
        if why is not None:
            notice(session, why, module_id)
    raise Standstill


def would_begin(session: Session, module_id: int, told: ModuleStatus) -> bool:
    """Tell whether a module's word, were it asked as this one, would have all stand still.

    Args:
        session: With no transaction open but one that only read.
        module_id: The row's id.
        told: What a module said where it is not reached yet.
    """
    marks = _read(session, module_id, told)
    return marks is not None and _why(told, marks, marks.sequence) is not None


def check_modules(session: Session, registry: Registry, *, keep: bool = False) -> None:
    """Do the same with the word of every module in use; a silent one is passed over.

    What each issued since this was last kept is looked up, line by line: a sale that was under
    way while another was lost would hide it.

    Args:
        session: With no transaction open but one that only read.
        registry: The modules.
        keep: Write down how far that was; the worker does.

    Raises:
        Standstill: All stand still.
    """
    check(session)
    serving = select(SecurityModule.id).where(SecurityModule.retired_at.is_(None))
    for module_id in session.scalars(serving.order_by(SecurityModule.id)).all():
        try:
            module = open_module(session, registry, module_id)
            end_reading(session)
            check_told(session, module_id, module, module.status())
            _look_back(session, module_id, module, keep=keep)
        except (HsmUnavailable, HsmTimeout) as silence:
            log.info("module %s not asked for its marks (%s)", module_id, silence.code)
    end_reading(session)


def _look_back(session: Session, module_id: int, module: Module, *, keep: bool) -> None:
    """Look every line of a journal up that was not looked up before.

    Raises:
        Standstill: One speaks of what this database never asked for.
    """
    seen = before = _seen(session, module_id)
    end_reading(session)
    try:
        while entries := module.journal(seen, LINES):
            if not _all_known(
                session, {one.request_id for one in entries if _ours(one.request_id)}
            ):
                notice(session, "database_older", module_id)
                raise Standstill
            seen = entries[-1].number
    except NotSupported:
        return
    if keep and seen != before:
        with atomic(session):
            table = table_of(SecurityModule)
            session.execute(update(table).where(table.c.id == module_id).values(journal_seen=seen))


def _seen(session: Session, module_id: int) -> int:
    """Tell up to which line a journal was looked up, by this or by a comparison."""
    compared = select(func.max(JournalCheck.to_number)).where(JournalCheck.module_id == module_id)
    looked = select(SecurityModule.journal_seen).where(SecurityModule.id == module_id)
    found = session.scalar(looked)
    return (session.scalar(compared) or 0) if found is None else found


def _ours(request_id: str) -> bool:
    """Tell a request that this product makes from one of another system at the same module.

    That one is a finding of the token journal, and its TIDs are raised over; nothing is lost.
    """
    return OURS.match(request_id) is not None


def _all_known(session: Session, names: set[str]) -> bool:
    wanted = [*names, *(f"{name}.0" for name in names)]
    looks = [select(column).where(column.in_(wanted)) for column in _known_by()]
    found = {name.removesuffix(".0") for name in connection_of(session).scalars(union(*looks))}
    end_reading(session)
    return found >= {name.removesuffix(".0") for name in names}


def note_marks(session: Session, module_id: int, told: ModuleStatus) -> None:
    """Keep how far a module's record is, inside a transaction; who looks after modules does.

    A module seen for the first time is taken as it is; what was kept is never lowered here.
    """
    table = table_of(SecurityModule)
    mine = table.c.id == module_id
    if told.epoch is not None:
        session.execute(update(table).where(mine, table.c.epoch.is_(None)).values(epoch=told.epoch))
    if told.sequence is not None:
        fewer = or_(table.c.sequence.is_(None), table.c.sequence < told.sequence)
        session.execute(update(table).where(mine, fewer).values(sequence=told.sequence))


def keep_marks(session: Session, module_id: int, told: ModuleStatus, seen: int) -> None:
    """Take a module's marks as they are, inside a transaction: all is new.

    Args:
        session: Inside a transaction.
        module_id: The row's id.
        told: Its word.
        seen: The last line of its journal.
    """
    session.execute(
        update(SecurityModule)
        .where(SecurityModule.id == module_id)
        .values(epoch=told.epoch, sequence=told.sequence, journal_seen=seen)
    )


def notice(session: Session, why: str, module_id: int | None = None) -> None:
    """Have all stand still from now on, unless they do.

    Args:
        session: With no transaction open but one that only read, or inside one.
        why: Of ``WHYS``.
        module_id: Whose word showed it.
    """
    with atomic(session):
        still = rows_changed(
            session,
            update(Installation)
            .where(Installation.standstill_since.is_(None))
            .values(standstill_since=now_utc(), standstill_why=why),
        )
        if still:
            audit.record(
                session, SYSTEM, "restore.noticed", "installation", 1, why=why, module=module_id
            )
    if still:
        log.critical("standing still (%s), module %s: run flask vms after-restore", why, module_id)


def begin_told(session: Session, backup_of: datetime) -> None:
    """Have all stand still because a backup was restored here just now.

    Args:
        session: Outside any transaction.
        backup_of: When the backup was made.
    """
    with atomic(session, durable=True):
        session.execute(
            update(Installation).values(standstill_since=now_utc(), standstill_why="told")
        )
        audit.record(
            session, SYSTEM, "restore.made", "installation", 1,
            backup_of=backup_of.isoformat(timespec="seconds"),
        )  # fmt: skip


def _read(session: Session, module_id: int, told: ModuleStatus) -> Any:  # noqa: ANN401 - a row
    """Read a module's marks as they are now, which is after it spoke."""
    end_reading(session)
    last = told.last_request
    which = {"module_id": module_id, "last": last, "first_row": _first_row(last)}
    marks = run(session, _marks(), which).first()
    end_reading(session)  # no transaction is open while a module is asked
    return marks


def _why(told: ModuleStatus, marks: Any, sequence: int | None) -> str | None:  # noqa: ANN401
    """Tell how a module's word shows a restore; None where it shows none.

    Args:
        told: Its word.
        marks: Read after it.
        sequence: Of its record, as it was kept before it spoke.
    """
    if None not in (told.epoch, marks.epoch) and told.epoch != marks.epoch:
        return "other_epoch"
    if told.last_request is not None and _ours(told.last_request) and not marks.known:
        return "database_older"
    if told.sequence is not None and sequence is not None and told.sequence < sequence:
        return "record_older"
    return None


@made_once
def _marks() -> Select[*tuple[Any, ...]]:
    module_id: BindParameter[int] = bindparam("module_id")
    last: BindParameter[str] = bindparam("last")
    first_row: BindParameter[str] = bindparam("first_row")
    asked = [exists().where(column == last) for column in _known_by()]
    asked += [exists().where(column == first_row) for column in _rows_known_by()]
    installation, modules = table_of(Installation), table_of(SecurityModule)
    here, module = installation.c, modules.c
    return (
        select(here.standstill_since, module.epoch, module.sequence, or_(*asked).label("known"))
        .select_from(installation.join(modules, module.id == module_id))
        .where(here.id == 1)
    )


def _known_by() -> list[ColumnElement[str]]:
    """Columns that name requests made here, or found in a journal; asked past the scope."""
    models = (SaleAttempt, EngineeringToken, KeyChange, CampaignChunk, JournalFinding)
    return [table_of(model).c.request_id for model in models]


def _rows_known_by() -> list[ColumnElement[str]]:
    """Those that name rows of a batch: of one whose chunk is lost, its first row tells."""
    return [table_of(model).c.request_id for model in (KeyChange, JournalFinding)]


def _first_row(request_id: str | None) -> str | None:
    return request_id and f"{request_id}.0"

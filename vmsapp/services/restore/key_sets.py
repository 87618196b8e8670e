"""Key changes that a journal has and the database lacks: opened again, with their tokens.

The set may have left: from here on credits are made under the new key, and the set is printed
before them, until a person says again which key the meter has. What cannot be opened by itself
(the meter is not here, or has another change open, or another key) stays on the list.

Source: SALE.md 10 "Key change", 16 "Restore, promotion, standby".
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import Refused, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedTokens, JournalEntry, NotExecuted
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.requests import KeyChangeRequest, MeterConfig
from vmsapp.models import KeyChange, Meter, MeterState
from vmsapp.scope import SYSTEM
from vmsapp.services.key_changes.in_force import is_open
from vmsapp.services.key_changes.planning import Plan, Side
from vmsapp.services.key_changes.reserve import write_change
from vmsapp.services.key_changes.rows import lock_heads, lock_meter, read
from vmsapp.services.key_changes.settle import complete
from vmsapp.services.rows import parts

log = logging.getLogger(__name__)

SETS: Final = frozenset({"key_change", "key_changes"})
"""Operations that make a set."""
REASON: Final = "opened again after a restore"
NO_FORM: Final = "0" * 64
"""Stands for the digest of a form that is lost."""


class NotToOpen(Refused):
    """A set cannot be opened again by itself."""

    code = "set_not_to_open"

    def __init__(self, why: str) -> None:
        super().__init__(why=why)


def open_again(
    session: Session, module_id: int, module: Module, journal: Iterable[list[JournalEntry]]
) -> int:
    """Open every set of some lines that is not known here, where that can be.

    Args:
        session: Outside any transaction.
        module_id: The row's id.
        module: Whose journal it is.
        journal: Its lines, in order: those that were not compared yet.

    Returns:
        How many were opened.
    """
    count = 0
    for entries in journal:
        sets = [entry for entry in entries if entry.operation in SETS]
        for request_id, of_one in groupby(sets, lambda entry: entry.request_id):
            count += _open_some(session, module_id, module, request_id, list(of_one))
    return count


def _open_some(
    session: Session,
    module_id: int,
    module: Module,
    request_id: str,
    entries: Sequence[JournalEntry],
) -> int:
    """Open what is missing of one request: a set, or the rows of a batch."""
    known = _known(session, [_name(entry) for entry in entries])
    end_reading(session)
    if known >= {_name(entry) for entry in entries}:
        return 0
    found = module.fetch_result(request_id)
    if isinstance(found, NotExecuted):
        return 0
    count = 0
    for entry, tokens in zip(entries, _cut(entries, found), strict=True):
        if _name(entry) in known:
            continue
        try:
            _open(session, module_id, module, entry, tokens)
            count += 1
        except VmsError as error:
            session.rollback()
            log.warning("set %s not opened again (%s)", _name(entry), error.code)
    return count


def _open(
    session: Session, module_id: int, module: Module, entry: JournalEntry, tokens: IssuedTokens
) -> None:
    """Write a set down as it was asked for, and its tokens.

    Raises:
        NotToOpen: It cannot be, or the record does not tell how.
    """
    earlier = module.request_of(entry.request_id, entry.row)
    asked = earlier.key_change if earlier else None
    if asked is None:
        raise NotToOpen("not_told")
    meter_id = session.scalar(
        select(Meter.id).where(Meter.meter_pan == asked.meter.meter_pan)
        .where(Meter.state != MeterState.RETIRED)
    )  # fmt: skip
    if meter_id is None:
        raise NotToOpen("no_meter")
    with atomic(session, durable=True):
        meter = lock_meter(session, meter_id)
        made = _plan_of(asked, meter_id, module_id)
        lock_heads(session, meter.meter_pan, (made.old.base_date, made.new.base_date))
        if is_open(session, meter.meter_pan):
            raise NotToOpen("change_open")
        now = (meter.sgc, meter.krn, meter.kt, meter.ti)
        if now != (made.old.sgc, made.old.krn, made.old.kt, made.old.ti):
            raise NotToOpen("other_key")
        name = _name(entry)
        change_id = write_change(
            session, SYSTEM, meter, made, form_key=f"restored-{name}", body_hash=NO_FORM,
            reason=REASON, request_id=name, table_set=asked.table_set,
        ).id  # fmt: skip
    complete(session, SYSTEM, read(session, change_id), tokens)


def _plan_of(asked: KeyChangeRequest, meter_id: int, module_id: int) -> Plan:
    change = asked.change
    return Plan(
        meter_id, _side(change.meter), _side(change.new), change.meter.ea, change.meter.tct,
        change.three_tokens, module_id, (),
    )  # fmt: skip


def _side(config: MeterConfig) -> Side:
    key = config.key
    return Side(
        key.sgc, key.krn, key.kt, config.ti, config.base_date.value, config.ken, key.dkga
    )  # fmt: skip


def _known(session: Session, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in parts(names):
        found.update(
            session.scalars(select(KeyChange.request_id).where(KeyChange.request_id.in_(some)))
        )
    return found


def _name(entry: JournalEntry) -> str:
    """Call a row of a batch what its change here is called."""
    return entry.request_id if entry.row is None else f"{entry.request_id}.{entry.row}"


def _cut(entries: Sequence[JournalEntry], tokens: IssuedTokens) -> Iterator[IssuedTokens]:
    """Cut the tokens of a request into its sets: each has as many as its line has tags."""
    at = 0
    for entry in entries:
        yield tokens[at : at + len(entry.tags)]
        at += len(entry.tags)

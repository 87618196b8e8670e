"""Comparing what a module issued with the tokens here, so that no token is sold beside us.

Each night, and when somebody asks, every new line of each module's journal is looked up among
the sales, and every token made here since is looked up in the journal. What does not agree is
a *finding* and stays on the list until a person says what became of it; a sale that was
still being settled is settled by the next comparison.

The journal holds no digits: what stands for a token there is made by the module of ours.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedTokens, JournalEntry, NotExecuted
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import ModuleRefused, NotSupported
from vmsapp.hsm.registry import Registry
from vmsapp.models import (
    FindingKind,
    JournalCheck,
    JournalFinding,
    Sale,
    SaleAttempt,
    SaleState,
    SecurityModule,
    Token,
)
from vmsapp.scope import SYSTEM, Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.restore import standstill
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.rows import insert_missing, lock
from vmsapp.services.security_modules.journal_other_tokens import (
    SetHere,
    sets_asked_for,
    sets_made,
)
from vmsapp.services.security_modules.opening import open_module

log = logging.getLogger(__name__)

PAGE: Final = 1000
SETTLING: Final = timedelta(minutes=5)
"""A token this young may stand in the journal alone, or here alone, while it is written."""
WHOLE_JOURNAL: Final = ""
"""Stands for the request id of a finding about the journal as a whole."""


class FindingSettled(Conflict):
    """Somebody settled it before."""

    code = "finding_settled"
    message = N_("This was settled already.")


@dataclass(frozen=True, slots=True)
class Made:
    """What was made here, and what it was asked under.

    Attributes:
        sale_id: None for tokens without a sale.
        digits: One token, or the set in its order.
    """

    sale_id: int | None
    request_id: str
    digits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding before it is a row."""

    kind: FindingKind
    request_id: str
    entry: JournalEntry | None = None
    sale_id: int | None = None


def compare_all(session: Session, registry: Registry, actor: Actor = SYSTEM) -> dict[str, int]:
    """Compare the journal of every module in use; a silent one holds up no other.

    One that is retired is compared once more, so that its last tokens are, too.

    Returns:
        How many findings are new, by the module's name; -1 for one that could not be asked,
        unless it is retired and may be gone for good.
    """
    modules = session.execute(
        select(SecurityModule.id, SecurityModule.name, SecurityModule.retired_at,
               func.max(JournalCheck.started_at).label("compared_at"))
        .outerjoin(JournalCheck, JournalCheck.module_id == SecurityModule.id)
        .group_by(SecurityModule.id)
        .order_by(SecurityModule.id)
    ).all()  # fmt: skip
    end_reading(session)
    counts = {}
    for each in [one for one in modules if _to_compare(one.retired_at, one.compared_at)]:
        try:
            check = compare(session, registry, actor, each.id)
            counts[each.name] = check.found if check else 0
        except VmsError as error:
            session.rollback()
            log.warning("journal of module %s not compared (%s)", each.id, error.code)
            if each.retired_at is None:
                counts[each.name] = -1
    return counts


def _to_compare(retired_at: datetime | None, compared_at: datetime | None) -> bool:
    """Tell whether a module may have made what no comparison has seen.

    The last tokens of one that is retired are compared once they count as settled.
    """
    if retired_at is None or compared_at is None:
        return True
    return compared_at < retired_at + SETTLING


def compare(
    session: Session, registry: Registry, actor: Actor, module_id: int
) -> JournalCheck | None:
    """Compare the journal of one module from where the last comparison ended.

    The sales of all regions count, whoever asks.

    Returns:
        What was compared; None for a kind of module that keeps no journal.

    Raises:
        NotFound: There is no such module.
        HsmUnavailable, HsmTimeout: It does not answer; nothing was written.
    """
    with unscoped("a journal has the tokens of all regions"):
        return _compare(session, registry, actor, module_id)


def settle(session: Session, actor: Actor, finding_id: int, note: str) -> JournalFinding:
    """Write down what became of a finding.

    Raises:
        NotFound: There is none.
        FindingSettled: Somebody did before.
    """
    with atomic(session):
        if session.get(JournalFinding, finding_id) is None:
            raise NotFound
        finding = lock(session, JournalFinding, JournalFinding.id == finding_id)
        if finding.settled_at is not None:
            raise FindingSettled
        finding.settled_at, finding.settled_by_id = now_utc(), actor.user_id
        finding.note = note
        audit.record(
            session, actor, "journal.settled", "security_module", finding.module_id,
            finding_id=finding.id, kind=finding.kind, request_id=finding.request_id, note=note,
        )  # fmt: skip
    return finding


def _compare(
    session: Session, registry: Registry, actor: Actor, module_id: int
) -> JournalCheck | None:
    if session.get(SecurityModule, module_id) is None:
        raise NotFound
    last = session.scalars(
        select(JournalCheck)
        .where(JournalCheck.module_id == module_id)
        .order_by(JournalCheck.id.desc())
        .limit(1)
    ).first()
    after, since = (last.to_number, last.started_at) if last else (0, None)
    module = open_module(session, registry, module_id)
    end_reading(session)
    with suppress(Standstill):  # noticed before its traces become findings, which are known
        standstill.check_told(session, module_id, module, module.status())
    started = now_utc()
    try:
        found, to_number, seen = _from_the_journal(session, module, after)
    except NotSupported:
        return None
    open_again = _still_open(session, module, module_id)
    made = _made_here(session, module_id, since, started)
    end_reading(session)
    found += _from_here(module, [each for each in made if each.request_id not in seen])
    with atomic(session):
        _settle_open(session, module_id, open_again)
        new = [each for each in found if _add(session, module_id, each, started)]
        check = JournalCheck(
            module_id=module_id, started_at=started, from_number=after, to_number=to_number,
            entries=len(seen), tokens=len(made), found=len(new),
        )  # fmt: skip
        session.add(check)
        audit.record(
            session, actor, "journal.compared", "security_module", module_id,
            entries=len(seen), tokens=len(made), found=len(new),
        )  # fmt: skip
        for each in new:
            audit.record(
                session, actor, "journal.found", "security_module", module_id,
                kind=each.kind.value, request_id=each.request_id, sale_id=each.sale_id,
            )  # fmt: skip
    return check


def _from_the_journal(
    session: Session, module: Module, after: int
) -> tuple[list[Found], int, set[str]]:
    """Look every new line up among the sales.

    Returns:
        What does not agree, the number of the last line, and the ids that were seen.
    """
    found: list[Found] = []
    seen: set[str] = set()
    if after and not module.journal(after - 1, 1):
        return [Found(FindingKind.CUT_SHORT, WHOLE_JOURNAL)], after, seen
    while entries := [_by_row(entry) for entry in module.journal(after, PAGE)]:
        after = entries[-1].number
        seen.update(entry.request_id for entry in entries)
        found += _compared(session, module, entries)
        end_reading(session)
    return found, after, seen


def _by_row(entry: JournalEntry) -> JournalEntry:
    """Call a row of a batch what its change here is called."""
    if entry.row is None:
        return entry
    return replace(entry, request_id=f"{entry.request_id}.{entry.row}")


def _compared(session: Session, module: Module, entries: Sequence[JournalEntry]) -> list[Found]:
    rows = session.execute(
        select(SaleAttempt.request_id, Sale.id, Sale.state, Sale.request_id, Token.digits)
        .join(Sale, Sale.id == SaleAttempt.sale_id)
        .outerjoin(Token, Token.sale_id == Sale.id)
        .where(SaleAttempt.request_id.in_([entry.request_id for entry in entries]))
    ).all()
    end_reading(session)
    known = {row[0]: row[1:] for row in rows}
    sets = sets_asked_for(session, [e.request_id for e in entries if e.request_id not in known])
    end_reading(session)
    held = [row.digits for row in rows if row.digits is not None]
    held += [digits for each in sets.values() for digits in each.digits]
    tags = dict(zip(held, module.tags(held), strict=True)) if held else {}
    found = []
    for entry in entries:
        if entry.request_id not in known:
            kind = _disagreement_of_set(entry, sets.get(entry.request_id), tags)
            if kind:
                found.append(Found(kind, entry.request_id, entry))
            continue
        sale_id, state, present_id, digits = known[entry.request_id]
        kind = _disagreement(
            entry, state, tags.get(digits), is_present=entry.request_id == present_id
        )
        if kind:
            found.append(Found(kind, entry.request_id, entry, sale_id))
    return found


def _disagreement_of_set(
    entry: JournalEntry, here: SetHere | None, tags: Mapping[str, bytes]
) -> FindingKind | None:
    """Compare a set; the digits of one that was withdrawn never left, and no sale goes with it."""
    if here is None or here.given_up:
        return FindingKind.NOT_SOLD
    if not here.digits or entry.tags == tuple(tags[digits] for digits in here.digits):
        return None
    return FindingKind.OTHER_DIGITS


def _disagreement(
    entry: JournalEntry,
    state: str,
    tag: bytes | None,
    *,
    is_present: bool,
) -> FindingKind | None:
    if state == SaleState.PENDING:
        return FindingKind.OPEN
    if tag is None or not is_present:
        return FindingKind.NOT_SOLD
    return None if entry.tags == (tag,) else FindingKind.OTHER_DIGITS


def _made_here(
    session: Session, module_id: int, since: datetime | None, until: datetime
) -> list[Made]:
    """List the tokens of a module that were made here since the last comparison."""
    rows = session.execute(
        select(Sale.id, Sale.request_id, Token.digits)
        .join(Token, Token.sale_id == Sale.id)
        .where(Sale.module_id == module_id, Token.made_at < until - SETTLING)
        .where(*([Token.made_at >= since - SETTLING] if since else []))
    )
    made = [Made(sale_id, request_id, (digits,)) for sale_id, request_id, digits in rows]
    sets = sets_made(session, module_id, since and since - SETTLING, until - SETTLING)
    return made + [Made(None, request_id, digits) for request_id, digits in sets.items()]


def _from_here(module: Module, made: Iterable[Made]) -> list[Found]:
    """Ask the module for each token that stands in none of the new lines."""
    found = []
    for request_id, of_one in groupby(made, lambda each: each.request_id.partition(".")[0]):
        try:
            answer = module.fetch_result(request_id)
        except ModuleRefused:
            answer = NotExecuted()
        for each in of_one:
            if isinstance(answer, NotExecuted):
                found.append(Found(FindingKind.NOT_MADE, each.request_id, sale_id=each.sale_id))
            elif not _holds(answer, each):
                found.append(Found(FindingKind.OTHER_DIGITS, each.request_id, sale_id=each.sale_id))
    return found


def _holds(answer: IssuedTokens, made: Made) -> bool:
    """Tell whether a module's answer is what was made here, or has it as one of its rows."""
    digits = tuple(token.digits for token in answer)
    if made.request_id.partition(".")[1]:
        return set(made.digits) <= set(digits)
    return digits == made.digits


def _still_open(session: Session, module: Module, module_id: int) -> dict[int, FindingKind | None]:
    """Look again at what was being settled last time.

    Returns:
        By the number of the finding: what it has become; None if all is well now.
    """
    rows = session.execute(
        select(JournalFinding.id, JournalFinding.request_id, Sale.state, Sale.request_id,
               Token.digits)
        .join(Sale, Sale.id == JournalFinding.sale_id)
        .outerjoin(Token, Token.sale_id == Sale.id)
        .where(
            JournalFinding.module_id == module_id,
            JournalFinding.kind == FindingKind.OPEN,
            JournalFinding.settled_at.is_(None),
            Sale.state != SaleState.PENDING,
        )
    ).all()  # fmt: skip
    end_reading(session)
    became: dict[int, FindingKind | None] = {}
    for finding_id, request_id, state, present_id, digits in rows:
        if digits is None or request_id != present_id or state == SaleState.FAILED:
            became[finding_id] = FindingKind.NOT_SOLD
            continue
        answer = module.fetch_result(request_id)
        same = not isinstance(answer, NotExecuted) and [t.digits for t in answer] == [digits]
        became[finding_id] = None if same else FindingKind.OTHER_DIGITS
    return became


def _settle_open(session: Session, module_id: int, became: dict[int, FindingKind | None]) -> None:
    for finding_id, kind in became.items():
        finding = lock(session, JournalFinding, JournalFinding.id == finding_id)
        if kind is None:
            finding.settled_at = now_utc()
        else:
            finding.kind = kind
            audit.record(
                session, SYSTEM, "journal.found", "security_module", module_id,
                kind=kind.value, request_id=finding.request_id, sale_id=finding.sale_id,
            )  # fmt: skip


def _add(session: Session, module_id: int, found: Found, at: datetime) -> bool:
    """Write a finding down, unless it stands there already."""
    stands = session.scalar(
        select(JournalFinding.id).where(
            JournalFinding.module_id == module_id,
            JournalFinding.kind == found.kind,
            JournalFinding.request_id == found.request_id,
        )
    )
    if stands is not None:
        return False
    entry = found.entry
    insert_missing(
        session,
        JournalFinding,
        module_id=module_id,
        kind=found.kind.value,
        request_id=found.request_id,
        number=entry.number if entry else None,
        made_at=entry.at if entry else None,
        meter_pan=entry.meter_pan if entry else None,
        tid=entry.tid if entry else None,
        sale_id=found.sale_id,
        found_at=at,
    )
    return True

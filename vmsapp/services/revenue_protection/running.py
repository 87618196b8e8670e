"""Asking the rules, and keeping what they found: one live finding for each rule and subject.

Each part that a rule looked at is a transaction of its own, so a run may be stopped anywhere and
be begun anew: what is there already is not written twice. Nothing here narrows what is looked
at; what was found is seen by whoever sees its meter or its vending point.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Meter, RevenueFinding, RevenueState
from vmsapp.scope import SYSTEM, Actor
from vmsapp.services import audit
from vmsapp.services.revenue_protection.looking import Found, Look, Part, finding, whole
from vmsapp.services.revenue_protection.setting import Setting, note_run, settings
from vmsapp.services.rows import parts
from vmsapp.services.setup import NotSetUp, setup_at

RUN: Final = "revenue.run"
"""The kind of job."""

UNDER_WAY: Final = (RevenueState.OPEN, RevenueState.TAKEN)

Tell = Callable[[Session, int, int], None]
"""Told after each part, in its transaction: parts done, and parts there are."""

table = cast("Table", RevenueFinding.__table__)


def run_rules(
    session: Session,
    actor: Actor = SYSTEM,
    *,
    pause: Callable[[], None] = lambda: None,
    tell: Tell = lambda _session, _done, _total: None,
) -> Mapping[str, int]:
    """Ask all rules, and write down what is new and what is over.

    Args:
        session: Outside any transaction.
        actor: Who asks.
        pause: Called between statements; may raise to stop.
        tell: Told how far it is.

    Returns:
        How many findings are new, by rule.
    """
    asked = settings(session)
    meters = session.scalar(select(func.count()).select_from(Meter.__table__)) or 0
    total = sum(meters if one.rule.by_meter else 1 for one in asked.values())
    done, new = 0, {}
    for code, setting in asked.items():
        new[code] = 0
        for part in _parts(session, setting, pause):
            with atomic(session, durable=True):
                new[code] += _write(session, setting, part)
                done += part.size
                tell(session, min(done, total), total)
        with atomic(session, durable=True):
            note_run(session, code)
    with atomic(session):
        found = {code: count for code, count in new.items() if count}
        audit.record(session, actor, "revenue.looked", "revenue_finding", None, found=found)
        tell(session, total, total)
    return new


def _parts(session: Session, setting: Setting, pause: Callable[[], None]) -> Iterable[Part]:
    """Have a rule look; one that is switched off finds nothing."""
    if not setting.active:
        return [whole([])]
    now, zone, smallest = now_utc(), "UTC", None
    try:
        setup = setup_at(session, now)
        zone, smallest = setup.time_zone, setup.smallest_minor
    except NotSetUp:
        pass
    today = business_day(now, zone)
    return setting.rule.look(Look(session, today, zone, setting.numbers, smallest, pause))


def _write(session: Session, setting: Setting, part: Part) -> int:
    """Bring the findings of one part up to date.

    Returns:
        How many are new.
    """
    now, code = now_utc(), setting.rule.code
    live = {
        row.subject: row
        for row in session.execute(
            select(
                finding.id, finding.subject, finding.state, finding.facts, finding.ceased_at,
                finding.decided_at,
            )
            .where(finding.rule == code, finding.live, part.within)
        )
    }  # fmt: skip
    found = {one.subject: one for one in part.found}
    rested_until = now - timedelta(days=setting.numbers["rest"])
    rested = [
        row.id for subject, row in live.items()
        if subject in found and row.state == RevenueState.DECIDED and row.decided_at < rested_until
    ]  # fmt: skip
    _end(session, rested, RevenueState.DECIDED)
    again = {row.subject for row in live.values() if row.id in set(rested)}
    new = [one for subject, one in found.items() if subject not in live or subject in again]
    _insert(session, code, new, now)
    _refresh(session, [
        (row.id, found[subject].facts) for subject, row in live.items()
        if subject in found and _differs(row, found[subject])
    ])  # fmt: skip
    _cease(session, [row for subject, row in live.items() if subject not in found], now)
    return len(new)


def _differs(row: Any, one: Found) -> bool:  # noqa: ANN401 - a row of some columns
    return row.state in UNDER_WAY and (row.facts != dict(one.facts) or row.ceased_at is not None)


def _insert(session: Session, code: str, new: Sequence[Found], now: datetime) -> None:
    """Write findings, but for those that another run wrote at this moment."""
    dialect = session.get_bind().dialect.name
    add = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    for some in parts(new):
        session.execute(add.on_conflict_do_nothing(), [
            {
                "rule": code, "subject": one.subject, "facts": dict(one.facts), "live": True,
                "meter_id": one.meter_id, "vending_point_id": one.vending_point_id,
                "operator_id": one.operator_id, "sale_id": one.sale_id,
                "state": RevenueState.OPEN, "found_at": now,
            }
            for one in some
        ])  # fmt: skip


def _refresh(session: Session, changed: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Write the figures of today to what is open or under work."""
    if changed:
        session.connection().execute(
            update(table)
            .where(finding.id == bindparam("key"), finding.state.in_(UNDER_WAY))
            .values(facts=bindparam("now"), ceased_at=None),
            [{"key": key, "now": dict(facts)} for key, facts in changed],
        )


def _cease(session: Session, over: Sequence[Any], now: datetime) -> None:
    """Close what is no longer true; what somebody works on stays, and says so."""
    by_state: dict[str, list[int]] = {state: [] for state in RevenueState}
    for row in over:
        if row.ceased_at is None or row.state != RevenueState.TAKEN:
            by_state[row.state].append(row.id)
    _end(session, by_state[RevenueState.OPEN], RevenueState.OPEN,
         state=RevenueState.CEASED, ceased_at=now)  # fmt: skip
    _end(session, by_state[RevenueState.DECIDED], RevenueState.DECIDED, ceased_at=now)
    _end(session, by_state[RevenueState.TAKEN], RevenueState.TAKEN, live=True, ceased_at=now)


def _end(
    session: Session, keys: Sequence[int], was: RevenueState, **values: Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Change findings that still are what they were when they were read."""
    for some in parts(keys):
        session.execute(
            update(table).where(finding.id.in_(some), finding.state == was)
            .values({"live": False, **values})
        )  # fmt: skip

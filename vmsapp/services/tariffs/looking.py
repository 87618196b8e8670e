"""Looking at tariffs and their plans: which is in force, what hangs on them, who wrote them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import Session

from vmsapp.models import AuditEvent, Meter, Sale, TariffPlan
from vmsapp.scope import unscoped
from vmsapp.services.tariffs.rules import EVERYBODYS, last_sold_on

COUNTED: Final = 10_000
"""Sales under one plan are counted up to here."""

REMEMBERED: Final = 50
"""Changes that the history of a plan shows."""

MADE: Final = frozenset({"tariff_plan.added", "tariff_plan.copied", "tariff_plan.imported"})


@dataclass(frozen=True, slots=True)
class Overview:
    """A tariff in one line.

    Attributes:
        in_force: The plan in force.
        following: The next plan to come.
        meters: Meters that have it and are not retired.
    """

    in_force: TariffPlan | None = None
    following: TariffPlan | None = None
    meters: int = 0


@dataclass(frozen=True, slots=True)
class Dated:
    """A plan among the plans of its tariff.

    Attributes:
        row: The plan.
        until: Last day in force, the day before the next one's; ``None`` where none follows.
        state: ``past``, ``now`` or ``coming``.
        used: A sale points at it.
        fixed: It may not be written any more: it is used, or tokens were sold since it began.
    """

    row: TariffPlan
    until: date | None
    state: str
    used: bool
    fixed: bool


@dataclass(frozen=True, slots=True)
class History:
    """Who wrote a plan.

    Attributes:
        made: The event with which it began; plans that came with the demo have none.
        changes: Later ones, the newest first.
    """

    made: AuditEvent | None
    changes: Sequence[AuditEvent]


def overviews(session: Session, tariff_ids: Collection[int], today: date) -> dict[int, Overview]:
    """Sum up some tariffs, in two statements."""
    if not tariff_ids:
        return {}
    dated = select(TariffPlan).where(TariffPlan.tariff_id.in_(tariff_ids))
    plans: dict[int, list[TariffPlan]] = {}
    for row in session.scalars(dated.order_by(TariffPlan.effective_on)):
        plans.setdefault(row.tariff_id, []).append(row)
    meters = _meters(session, tariff_ids)
    return {
        number: Overview(
            in_force=next(
                (row for row in reversed(plans.get(number, [])) if row.effective_on <= today), None
            ),
            following=next(
                (row for row in plans.get(number, []) if row.effective_on > today), None
            ),
            meters=meters.get(number, 0),
        )
        for number in tariff_ids
    }


def plans_of(session: Session, tariff_id: int, today: date) -> list[Dated]:
    """List the plans of a tariff, the newest first."""
    used = exists(literal(1)).where(Sale.plan_id == TariffPlan.id)
    wanted = select(TariffPlan, used.label("used")).where(TariffPlan.tariff_id == tariff_id)
    with unscoped(EVERYBODYS):
        rows = session.execute(wanted.order_by(TariffPlan.effective_on)).all()
    last = last_sold_on(session, tariff_id) if rows else None
    now = max((row.effective_on for row, _ in rows if row.effective_on <= today), default=None)
    lasts = [row.effective_on - timedelta(days=1) for row, _ in rows[1:]]
    found = [
        Dated(
            row, until, _state(row.effective_on, now, today), used=bool(is_used),
            fixed=last is not None and row.effective_on <= last,
        )
        for (row, is_used), until in zip(rows, [*lasts, None], strict=False)
    ]  # fmt: skip
    return found[::-1]


def use_of(session: Session, row: TariffPlan) -> tuple[int, int]:
    """Count a plan's sales, up to one more than ``COUNTED``, and its tariff's meters."""
    some = select(Sale.id).where(Sale.plan_id == row.id).limit(COUNTED + 1).subquery()
    having = select(func.count(Meter.id)).where(
        Meter.tariff_id == row.tariff_id, Meter.state != "retired"
    )
    sales = select(func.count()).select_from(some)
    with unscoped(EVERYBODYS):
        counted = session.execute(select(sales.scalar_subquery(), having.scalar_subquery())).one()
    return counted[0], counted[1]


def history(session: Session, plan_id: int) -> History:
    """Tell who made a plan and who changed it."""
    events = select(AuditEvent).where(
        AuditEvent.subject == "tariff_plan", AuditEvent.subject_id == str(plan_id),
        AuditEvent.action.in_([*MADE, "tariff_plan.changed"]),
    )  # fmt: skip
    with unscoped("whoever may see a plan may see who wrote it"):
        found = session.scalars(events.order_by(AuditEvent.id.desc()).limit(REMEMBERED)).all()
    made = next((event for event in found if event.action in MADE), None)
    return History(made, [event for event in found if event is not made])


def _meters(session: Session, tariff_ids: Collection[int]) -> dict[int, int]:
    counted = (
        select(Meter.tariff_id, func.count())
        .where(Meter.tariff_id.in_(tariff_ids), Meter.state != "retired")
        .group_by(Meter.tariff_id)
    )
    with unscoped(EVERYBODYS):
        return {number: count for number, count in session.execute(counted) if number is not None}


def _state(day: date, now: date | None, today: date) -> str:
    if day > today:
        return "coming"
    return "now" if day == now else "past"

"""Writing tariffs and their plans.

A plan that sales were priced by is never changed again, and no plan is put before a day on
which tokens were sold: both follow from one rule, that a plan may be written only if it
begins after the tariff's last sale. Fixed fees make it so even for a plan that no sale points
at: a later sale may have paid a fee that was missed under it.

One writer at a time for each tariff, and none while a sale reads plans that are in force.
"""

from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import Tariff, TariffPlan
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.setup import currency_of, setup_at
from vmsapp.services.tariffs.errors import (
    OtherMeterType,
    PlanUsed,
    TariffIndexWrong,
    TariffInUse,
    TariffNameTaken,
)
from vmsapp.services.tariffs.reading import as_plan, rules_text
from vmsapp.services.tariffs.rules import (
    check_day,
    check_not_needed,
    check_plan_name,
    is_used,
    last_sold_on,
    meters_of,
    takes_out_of_force,
)
from vmsapp.services.vending.ground import hold_sales
from vmsapp.tariffs.plan import Plan

Row = TypeVar("Row", Tariff, TariffPlan)


def add_tariff(
    session: Session, actor: Actor, *, name: str, meter_type: str, tariff_index: str = ""
) -> Tariff:
    """Add a tariff without plans.

    Raises:
        TariffNameTaken: Another is called so.
        TariffIndexWrong: The index is none.
    """
    with atomic(session) as current:
        _check_name(current, name, but=None)
        index = _index(tariff_index)
        tariff = Tariff(name=name, meter_type=meter_type, tariff_index=index)
        _flush_named(current, tariff)
        audit.record(
            current, actor, "tariff.added", "tariff", tariff.id,
            after={"name": name, "meter_type": meter_type, "tariff_index": index},
        )  # fmt: skip
        return tariff


def rename(session: Session, actor: Actor, tariff_id: int, name: str) -> Tariff:
    """Call a tariff otherwise.

    Raises:
        TariffNameTaken: Another is called so.
    """
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        _check_name(current, name, but=tariff_id)
        before, tariff.name = tariff.name, name
        if before != name:
            _flush_named(current, tariff)
            audit.record(
                current, actor, "tariff.renamed", "tariff", tariff_id,
                before={"name": before}, after={"name": name},
            )  # fmt: skip
        return tariff


def give_index(session: Session, actor: Actor, tariff_id: int, tariff_index: str) -> Tariff:
    """Say which TI the meters of a tariff are to carry; empty: any.

    No key changes by that: it is offered at each meter that carries another.

    Raises:
        TariffIndexWrong: The index is none.
    """
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        before, tariff.tariff_index = tariff.tariff_index, _index(tariff_index)
        if before != tariff.tariff_index:
            audit.record(
                current, actor, "tariff.index_changed", "tariff", tariff_id,
                before={"tariff_index": before}, after={"tariff_index": tariff.tariff_index},
            )  # fmt: skip
        return tariff


def retire(session: Session, actor: Actor, tariff_id: int) -> Tariff:
    """Give a tariff to no further meter; meters that have it keep it and its plans."""
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        if not tariff.retired:
            tariff.retired = True
            audit.record(
                current, actor, "tariff.retired", "tariff", tariff_id, name=tariff.name,
                meters=meters_of(current, tariff_id),
            )  # fmt: skip
        return tariff


def take_back(session: Session, actor: Actor, tariff_id: int) -> Tariff:
    """Let a retired tariff be given to meters again."""
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        if tariff.retired:
            tariff.retired = False
            audit.record(current, actor, "tariff.taken_back", "tariff", tariff_id, name=tariff.name)
        return tariff


def delete_tariff(session: Session, actor: Actor, tariff_id: int) -> str:
    """Delete a tariff that no meter has and nothing was sold by, with its plans.

    Returns:
        What it was called.

    Raises:
        TariffInUse: Something hangs on it.
    """
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        name = tariff.name
        before = {"name": name, "meter_type": tariff.meter_type,
                  "tariff_index": tariff.tariff_index}  # fmt: skip
        hold_sales(current)
        if is_used(current, tariff_id):
            raise TariffInUse(name=name)
        plans = select(TariffPlan).where(TariffPlan.tariff_id == tariff_id)
        gone = [_written(row) for row in current.scalars(plans)]
        current.execute(delete(TariffPlan).where(TariffPlan.tariff_id == tariff_id))
        current.execute(delete(Tariff).where(Tariff.id == tariff_id))
        audit.record(
            current, actor, "tariff.deleted", "tariff", tariff_id,
            before=before, plans=gone,
        )  # fmt: skip
        return name


def add_plan(
    session: Session, actor: Actor, tariff_id: int, plan: Plan, effective_on: date
) -> TariffPlan:
    """Add a plan to a tariff.

    Args:
        session: Of the asker.
        actor: Who adds it.
        tariff_id: To which tariff.
        plan: Its rules, money in the utility's minor units.
        effective_on: First day in force, in the utility's time zone.

    Raises:
        NotFound: There is no such tariff.
        PlanDayTaken: Another plan of the tariff begins on that day.
        PlanTooEarly: Tokens were sold by another one on that day or later.
        PlanDayBeyond: No utility plans for such a year.
        PlanNameTaken: Another plan of the tariff is called so.
    """
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        row = _put(current, tariff, plan, effective_on)
        audit.record(
            current, actor, "tariff_plan.added", "tariff_plan", row.id,
            tariff=tariff.name, after=_written(row),
        )  # fmt: skip
        return row


def import_plan(
    session: Session, actor: Actor, tariff_id: int, plan: Plan, effective_on: date, file: str
) -> TariffPlan:
    """Add a plan out of a file; as ``add_plan``, with the file's name on record."""
    with atomic(session) as current:
        tariff = locked(current, tariff_id)
        row = _put(current, tariff, plan, effective_on)
        audit.record(
            current, actor, "tariff_plan.imported", "tariff_plan", row.id,
            tariff=tariff.name, file=file[:120], after=_written(row),
        )  # fmt: skip
        return row


def copy_plan(
    session: Session, actor: Actor, plan_id: int, *, tariff_id: int, name: str, effective_on: date
) -> TariffPlan:
    """Copy a plan to another day, or to another tariff for the same type of meters.

    Raises:
        OtherMeterType: The tariff is for meters of another type.
        NotFound, PlanDayTaken, PlanTooEarly, PlanDayBeyond, PlanNameTaken: As ``add_plan`` does.
    """
    with atomic(session) as current:
        row = _plan(current, plan_id)
        tariff = locked(current, tariff_id)
        of = current.get_one(Tariff, row.tariff_id)
        if of.meter_type != tariff.meter_type:
            raise OtherMeterType
        currency = currency_of(setup_at(current, now_utc()))
        plan = replace(as_plan(row, currency), name=name)
        made = _put(current, tariff, plan, effective_on)
        audit.record(
            current, actor, "tariff_plan.copied", "tariff_plan", made.id,
            tariff=tariff.name, copy_of=f"{row.name} ({row.id})", after=_written(made),
        )  # fmt: skip
        return made


def change_plan(
    session: Session, actor: Actor, plan_id: int, plan: Plan, effective_on: date
) -> TariffPlan:
    """Change a plan that nothing was sold under, be it in force or to come.

    Raises:
        PlanUsed: It explains sales, and stays.
        PlanNeeded: Put to a later day, it would leave meters without a plan.
        NotFound, PlanDayTaken, PlanTooEarly, PlanDayBeyond, PlanNameTaken: As ``add_plan`` does.
    """
    with atomic(session) as current:
        row = locked_plan(current, plan_id)
        before = _written(row)
        check_day(current, row.tariff_id, effective_on, but=plan_id)
        if plan.name != row.name:
            check_plan_name(current, row.tariff_id, plan.name, effective_on, but=plan_id)
        if takes_out_of_force(current, row, effective_on):
            check_not_needed(current, row)
        row.name, row.effective_on = plan.name, effective_on
        row.rules = rules_text(plan, currency_of(setup_at(current, now_utc())))
        current.flush()
        after = _written(row)
        if before != after:
            audit.record(
                current, actor, "tariff_plan.changed", "tariff_plan", plan_id,
                before=before, after=after,
            )  # fmt: skip
        return row


def remove_plan(session: Session, actor: Actor, plan_id: int) -> None:
    """Remove a plan that nothing was sold under.

    Raises:
        PlanUsed: It explains sales, and stays.
        PlanNeeded: It is the only one in force, and meters have the tariff.
    """
    with atomic(session) as current:
        row = locked_plan(current, plan_id)
        check_not_needed(current, row)
        tariff = current.get_one(Tariff, row.tariff_id)
        audit.record(
            current, actor, "tariff_plan.removed", "tariff_plan", plan_id,
            tariff=tariff.name, before=_written(row),
        )  # fmt: skip
        current.delete(row)


def locked(session: Session, tariff_id: int) -> Tariff:
    """Fetch a tariff, and let nobody else write it or its plans until the end."""
    return _fresh(session, select(Tariff).where(Tariff.id == tariff_id))


def locked_plan(session: Session, plan_id: int) -> TariffPlan:
    """Fetch a plan that may be written, and let nobody else write it or sell by it.

    Raises:
        PlanUsed: Tokens were sold since it began.
    """
    tariff_id = _plan(session, plan_id).tariff_id
    locked(session, tariff_id)
    hold_sales(session)
    row = _fresh(session, select(TariffPlan).where(TariffPlan.id == plan_id))
    last = last_sold_on(session, tariff_id)
    if last is not None and row.effective_on <= last:
        raise PlanUsed(name=row.name)
    return row


def _put(session: Session, tariff: Tariff, plan: Plan, effective_on: date) -> TariffPlan:
    """Add the row of a plan whose day is free."""
    hold_sales(session)
    check_day(session, tariff.id, effective_on, but=None)
    check_plan_name(session, tariff.id, plan.name, effective_on, but=None)
    rules = rules_text(plan, currency_of(setup_at(session, now_utc())))
    row = TariffPlan(tariff_id=tariff.id, name=plan.name, effective_on=effective_on, rules=rules)
    session.add(row)
    session.flush()
    return row


def _index(typed: str) -> str | None:
    """Read a tariff index.

    Raises:
        TariffIndexWrong: It has not two digits.
    """
    if typed and not (len(typed) == 2 and typed.isascii() and typed.isdigit()):
        raise TariffIndexWrong
    return typed or None


def _check_name(session: Session, name: str, but: int | None) -> None:
    """Refuse a name that another tariff has, be it in other capitals."""
    for number, other in session.execute(select(Tariff.id, Tariff.name)):
        if number != but and other.casefold() == name.casefold():
            raise TariffNameTaken


def _flush_named(session: Session, tariff: Tariff) -> None:
    session.add(tariff)
    try:
        session.flush()
    except IntegrityError as error:  # somebody else took the name at the same moment
        raise TariffNameTaken from error


def _plan(session: Session, plan_id: int) -> TariffPlan:
    row = session.get(TariffPlan, plan_id)
    if row is None:
        raise NotFound
    return row


def _fresh(session: Session, statement: Select[Row]) -> Row:
    """Fetch a row as it is now, locked; somebody may just have removed it."""
    fresh = statement.with_for_update().execution_options(populate_existing=True)
    row = session.scalars(fresh).first()
    if row is None:
        raise NotFound
    return row


def _written(row: TariffPlan) -> dict[str, Any]:
    """Write a plan as the audit trail keeps it."""
    return {"name": row.name, "effective_on": row.effective_on.isoformat(), "rules": row.rules}

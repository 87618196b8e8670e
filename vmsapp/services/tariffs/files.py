"""Plans as files: one taken out of a tariff, one put into it."""

from dataclasses import replace
from datetime import date
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import Setup, Tariff, TariffPlan
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.setup import currency_of, setup_at
from vmsapp.services.tariffs import editing
from vmsapp.services.tariffs.errors import (
    FileOfOtherCurrency,
    FileOfOtherDecimals,
    FileOfOtherMeterType,
    PlanWithoutDay,
)
from vmsapp.services.tariffs.reading import as_plan
from vmsapp.tariffs.plan import Settlement
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.plan_faults import faults_in
from vmsapp.tariffs.plan_file import MeterType, PlanFile, read_plan_file, write_plan_file
from vmsapp.tariffs.reader import InvalidDocument

MAX_BYTES: Final = 1_000_000
"""What a plan file may hold; the largest plan there can be takes a tenth of it."""

Fault = InvalidDocument | InvalidPlan


class PlanFileFaults(InvalidInput):
    """A file is no plan, or one that breaks rules: all that is wrong with it."""

    code = "plan_file_faults"
    message = N_("The file is not a plan that can be imported.")
    field = "file"

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__()
        self.faults = faults


def text_of(row: TariffPlan, tariff: Tariff, setup: Setup) -> str:
    """Write a plan as a file, with what a reader elsewhere needs to price by it."""
    currency = currency_of(setup)
    return write_plan_file(
        PlanFile(
            as_plan(row, currency), currency, MeterType(tariff.meter_type),
            Settlement(setup.settlement), row.effective_on, tariff.name,
        )
    )  # fmt: skip


def export_plan(session: Session, actor: Actor, row: TariffPlan, tariff: Tariff) -> str:
    """Write a plan as a file, and that it was taken away."""
    text = text_of(row, tariff, setup_at(session, now_utc()))
    with atomic(session) as current:
        audit.record(
            current, actor, "tariff_plan.exported", "tariff_plan", row.id,
            tariff=tariff.name, name=row.name,
        )  # fmt: skip
    return text


def import_text(
    session: Session,
    actor: Actor,
    tariff: Tariff,
    text: str,
    *,
    effective_on: date | None,
    file: str,
    name: str = "",
) -> TariffPlan:
    """Add the plan of a file to a tariff.

    Args:
        session: Of the asker.
        actor: Who imports it.
        tariff: Where it is put.
        text: The file.
        effective_on: First day in force; ``None`` for the day the file says.
        file: What the file is called.
        name: What the plan is to be called; empty for the name the file says.

    Raises:
        PlanFileFaults: With all that is wrong with it.
        FileOfOtherCurrency, FileOfOtherDecimals: Its prices mean something else here.
        FileOfOtherMeterType: They are for meters of another type.
        PlanWithoutDay: Nobody says from when it is in force.
        PlanDayTaken, PlanTooEarly, PlanDayBeyond, PlanNameTaken: As ``editing.add_plan`` does.
    """
    if faults := faults_in(text):
        raise PlanFileFaults(faults)
    found = read_plan_file(text)
    ours = currency_of(setup_at(session, now_utc()))
    if found.currency.code != ours.code:
        raise FileOfOtherCurrency(theirs=found.currency.code, ours=ours.code)
    if found.currency.exponent != ours.exponent:
        raise FileOfOtherDecimals(theirs=found.currency.exponent, ours=ours.exponent)
    if found.meter_type.value != tariff.meter_type:
        raise FileOfOtherMeterType
    day = effective_on or found.effective_on
    if day is None:
        raise PlanWithoutDay
    plan = replace(found.plan, name=name) if name else found.plan
    return editing.import_plan(session, actor, tariff.id, plan, day, file)

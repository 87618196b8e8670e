"""A tariff plan as a file: the rules, and what stands around them to price a purchase.

One JSON object: its format, what the meter measures, the currency, the settlement method,
optionally from when the plan is in force and which tariff it belongs to, then the rules of
``document``. Money and figures are text, so that no reader of the file rounds them. What
a file leaves out has the value a new plan has; a key nobody knows is refused, for a
misspelt one would price something else.

>>> file = read_plan_file('''{
...     "format": "vms-tariff-plan/1",
...     "currency": {"code": "USD", "decimals": 2},
...     "name": "Home",
...     "steps": [{"price": "0.10"}]
... }''')
>>> file.meter_type.value, file.settlement.value, file.plan.name
('electricity', 'down', 'Home')
>>> read_plan_file(write_plan_file(file)) == file
True
"""

import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from vmsapp.errors import N_
from vmsapp.money import Currency
from vmsapp.tariffs.document import parse, read_rules, rules_of
from vmsapp.tariffs.plan import Plan, Settlement
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.reader import InvalidDocument, Reader
from vmsapp.tariffs.terms import Terms

FORMAT: Final = "vms-tariff-plan/1"
MAX_DECIMALS: Final = 4
MAX_TARIFF_NAME: Final = 120


class MeterType(StrEnum):
    """What the meters of a plan measure."""

    ELECTRICITY = "electricity"
    WATER = "water"
    GAS = "gas"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan with what is needed to price by it, and to know it again.

    Attributes:
        plan: The rules.
        currency: Of its money, with the smallest payable coin.
        meter_type: What a unit is: kWh, m³ or minutes.
        settlement: Which way a purchase is rounded.
        effective_on: First day in force; ``None`` where the file does not say.
        tariff: Name of the tariff it belongs to.
    """

    plan: Plan
    currency: Currency
    meter_type: MeterType = MeterType.ELECTRICITY
    settlement: Settlement = Settlement.DOWN
    effective_on: date | None = None
    tariff: str | None = None

    def terms(self, max_units: Decimal) -> Terms:
        """Give what purchases under this plan are priced under.

        Args:
            max_units: Most one token may carry, in units.
        """
        return Terms(self.plan, self.currency, self.settlement, max_units)


def read_plan_file(text: str) -> PlanFile:
    """Read a plan file.

    Raises:
        InvalidDocument: Not what a plan file looks like, with its place.
        InvalidPlan: A plan that breaks a rule, with its sentence.
    """
    reader = parse(text)
    around = read_frame(reader)
    return PlanFile(plan=read_rules(reader, around["currency"]), **around)


def read_frame(reader: Reader) -> dict[str, Any]:
    """Read what stands around the rules; see ``read_plan_file``."""
    if reader.text("format") != FORMAT:
        # Another kind of file, or a later version: nothing else in it can be judged.
        raise InvalidDocument(f"{reader.place}.format", N_("%(format)s is expected"), format=FORMAT)
    return {
        "currency": _read_currency(reader),
        "meter_type": reader.word("meter_type", MeterType, MeterType.ELECTRICITY),
        "settlement": reader.word("settlement", Settlement, Settlement.DOWN),
        "effective_on": reader.day("effective_on"),
        "tariff": _read_tariff(reader),
    }


def _read_currency(reader: Reader) -> Currency:
    """Read the currency; without a coin, every amount can be paid."""
    part = reader.needed_part("currency")
    code, decimals = part.text("code"), part.whole("decimals")
    if not re.fullmatch("[A-Z]{3}", code):
        part.fault("code", N_("three capital letters are expected"))
    if not 0 <= decimals <= MAX_DECIMALS:
        part.fault("decimals", N_("0 to %(most)s is expected"), most=MAX_DECIMALS)
        decimals = MAX_DECIMALS
    coin = part.money_or_none("coin", Currency(code, decimals))
    if coin is not None and coin < 1:
        part.fault("coin", N_("an amount above 0 is expected"))
    part.finish()
    return Currency(code, decimals, max(coin or 1, 1))


def _read_tariff(reader: Reader) -> str | None:
    name = reader.text_or_none("tariff")
    if name is not None and not 0 < len(name.strip()) <= MAX_TARIFF_NAME:
        reader.fault(
            "tariff", N_("a name of at most %(most)s characters is expected"), most=MAX_TARIFF_NAME
        )
    return name


def write_plan_file(file: PlanFile) -> str:
    """Write a plan file: the same plan gives the same text, to the last space.

    Returns:
        JSON in a fixed order of keys, indented by two spaces, with a newline at the end.
    """
    currency = file.currency
    content: dict[str, object] = {
        "format": FORMAT,
        "meter_type": file.meter_type.value,
        "currency": {
            "code": currency.code,
            "decimals": currency.exponent,
            "coin": f"{currency.decimal(currency.coin_minor):f}",
        },
        "settlement": file.settlement.value,
    }
    if file.effective_on is not None:
        content["effective_on"] = file.effective_on.isoformat()
    if file.tariff is not None:
        content["tariff"] = file.tariff
    content |= rules_of(file.plan, currency)
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def place_of(fault: InvalidDocument | InvalidPlan) -> str:
    """Say where in the file a fault is, as ``steps[2].end``; empty for the whole of it."""
    if isinstance(fault, InvalidDocument):
        return str(fault.params["place"]).removeprefix("plan").removeprefix(".")
    row = "" if fault.row is None else f"[{fault.row}]"
    column = f".{fault.column}" if fault.column else ""
    return f"{fault.field or ''}{row}{column}"


def describe_fault(fault: InvalidDocument | InvalidPlan) -> str:
    """Say in one sentence what is wrong with a file, and where."""
    place = place_of(fault)
    what = str(fault)
    if isinstance(fault, InvalidDocument):
        why = str(fault.params["why"])
        what = f"{why if place else why[:1].upper() + why[1:]}."
    return f"{place}: {what}" if place else what

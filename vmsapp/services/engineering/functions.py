"""What a meter can be told by a token: each function with its value, its unit and its limits.

Source: IEC 62055-41:2018, "Class 2: Management"; STS 202-5 for the extended set. The standard
leaves tariff rate and water meter factor for later: 16 bits whose meaning the maker gives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vmsapp.errors import N_
from vmsapp.models import CreditMode, Meter, MeterType
from vmsapp.sts import mse
from vmsapp.sts.amount import MAX_TENTHS
from vmsapp.sts.mse import INDEX_BITS, INDEX_DATA_BITS, Management, Register

FIELD_MAX: Final = 0xFFFF
INDEX_MAX: Final = (1 << INDEX_BITS) - 1
DATA_MAX: Final = (1 << INDEX_DATA_BITS) - 1


class Function(StrEnum):
    """What a meter is told."""

    POWER_LIMIT = "power_limit"
    CLEAR_CREDIT = "clear_credit"
    CLEAR_TAMPER = "clear_tamper"
    PHASE_UNBALANCE = "phase_unbalance"
    TARIFF_RATE = "tariff_rate"
    WATER_FACTOR = "water_factor"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class Spec:
    """How a function is asked for.

    Attributes:
        subclass: Of the token.
        field: Makes the 16 bits of a value.
        least, most: The values it takes; both 0 where it takes none.
        unit: ``W``, or nothing.
        meter_types: The kinds of meters that have it; none for all of them.
        asks_number: The last four digits of the meter's number are asked for: what it does
            cannot be made good by another token, or cuts the supply.
    """

    subclass: Management
    field: Callable[[int], int]
    least: int = 0
    most: int = 0
    unit: str = ""
    meter_types: frozenset[str] = frozenset()
    asks_number: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a value goes with it."""
        return self.most > 0

    def fits(self, meter: Meter) -> bool:
        """Whether a meter of that kind has it."""
        return not self.meter_types or meter.meter_type in self.meter_types


_ELECTRICITY: Final = frozenset({str(MeterType.ELECTRICITY)})

FUNCTIONS: Final[Mapping[Function, Spec]] = {
    Function.POWER_LIMIT: Spec(
        Management.SET_MAXIMUM_POWER_LIMIT,
        lambda watts: mse.set_maximum_power_limit(watts, tid=0, rnd=0).value,
        least=1, most=MAX_TENTHS, unit=N_("W"), meter_types=_ELECTRICITY, asks_number=True,
    ),
    Function.CLEAR_CREDIT: Spec(
        Management.CLEAR_CREDIT,
        lambda register: mse.clear_credit(register, tid=0, rnd=0).value,
        most=Register.ALL, asks_number=True,
    ),
    Function.CLEAR_TAMPER: Spec(Management.CLEAR_TAMPER_CONDITION, lambda _none: 0),
    Function.PHASE_UNBALANCE: Spec(
        Management.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT,
        lambda watts: mse.set_maximum_phase_power_unbalance_limit(watts, tid=0, rnd=0).value,
        least=1, most=MAX_TENTHS, unit=N_("W"), meter_types=_ELECTRICITY,
    ),
    Function.TARIFF_RATE: Spec(
        Management.SET_TARIFF_RATE,
        lambda rate: mse.set_tariff_rate(rate, tid=0, rnd=0).value,
        most=FIELD_MAX,
    ),
    Function.WATER_FACTOR: Spec(
        Management.SET_WATER_METER_FACTOR,
        lambda factor: mse.set_water_meter_factor(factor, tid=0, rnd=0).value,
        most=FIELD_MAX, meter_types=frozenset({str(MeterType.WATER)}),
    ),
    Function.EXTENDED: Spec(Management.EXTENDED, lambda value: value, most=FIELD_MAX),
}  # fmt: skip
"""In the order of the cards."""

REGISTERS: Final[Mapping[str, tuple[Register, Register]]] = {
    MeterType.ELECTRICITY: (Register.ELECTRICITY, Register.ELECTRICITY_CURRENCY),
    MeterType.WATER: (Register.WATER, Register.WATER_CURRENCY),
    MeterType.GAS: (Register.GAS, Register.GAS_CURRENCY),
    MeterType.TIME: (Register.TIME, Register.TIME_CURRENCY),
}
"""The registers of each kind of meter: in units, in money."""


def own_register(meter: Meter) -> Register:
    """Tell which register a meter's credit is in."""
    units, money = REGISTERS[meter.meter_type]
    return money if meter.credit_mode == CreditMode.CURRENCY else units


def extended_value(index: int, data: int) -> int:
    """Join an index of STS 202-5, 0 to 63, and its data, 0 to 1023.

    Raises:
        FieldRangeError: One is outside its range.
    """
    return mse.set_extended(index, data, tid=0, rnd=0).value


def parted(value: int) -> tuple[int, int]:
    """Part a value of the extended set into its index and its data."""
    return value >> INDEX_DATA_BITS, value & DATA_MAX


def carried(function: Function, field: int) -> int:
    """Tell which value a token's field says: watts are rounded up to the next step it has."""
    watts = mse.ManagementToken(FUNCTIONS[function].subclass, 0, 0, field).watts
    return field if watts is None else watts

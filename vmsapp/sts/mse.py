"""Class 2 but key change: tokens that manage one meter, encrypted under its key.

====== ==== ===================================================
field  bits place in the 44 data bits
====== ==== ===================================================
RND       4 43..40, random
TID      24 39..16, minutes since the base date
Value    16 15..0, by sub-class:
====== ==== ===================================================

========= =================================== ==================================
sub-class does                                Value
========= =================================== ==================================
0         SetMaximumPowerLimit                watts, coded as in ``amount``
1         ClearCredit                         a register, FFFFh for all
2         SetTariffRate                       not yet defined
5         ClearTamperCondition                0
6         SetMaximumPhasePowerUnbalanceLimit  watts, coded as in ``amount``
7         SetWaterMeterFactor                 not yet defined
10        STS 202-5, extended set             Index 6 bits, Data 10 bits
11 to 15  the maker's own                     all 44 bits are the maker's
========= =================================== ==================================

Source: IEC 62055-41:2018, "Class 2: Management"; STS 202-5 for sub-class 10.

>>> set_maximum_power_limit(20_000, tid=5, rnd=3).watts
20004
>>> f"{clear_credit(Register.ALL, tid=5, rnd=3).value:04X}"
'FFFF'
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self

from vmsapp.sts.amount import decode_tenths, encode_tenths
from vmsapp.sts.errors import FieldRangeError, FormatError
from vmsapp.sts.fields import (
    DATA_BITS,
    RND_BITS,
    TID_BITS,
    VALUE_BITS,
    TokenClass,
    require_bits,
    require_flag,
    require_range,
    split_tid,
    with_tid,
)

INDEX_BITS: Final = 6
INDEX_DATA_BITS: Final = VALUE_BITS - INDEX_BITS
FLAG_INDEX: Final = 63
"""The index of STS 202-5 under which a flag is set: 9 bits which one, 1 bit its value."""
FLAG_INDEX_BITS: Final = INDEX_DATA_BITS - 1
PROPRIETARY: Final = range(11, 16)


class Management(IntEnum):
    """The sub-classes that do something to a meter."""

    SET_MAXIMUM_POWER_LIMIT = 0
    CLEAR_CREDIT = 1
    SET_TARIFF_RATE = 2
    CLEAR_TAMPER_CONDITION = 5
    SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT = 6
    SET_WATER_METER_FACTOR = 7
    EXTENDED = 10


POWER_LIMITS: Final = frozenset(
    (Management.SET_MAXIMUM_POWER_LIMIT, Management.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT)
)


class Register(IntEnum):
    """The credit registers of a meter."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2
    TIME = 3
    ELECTRICITY_CURRENCY = 4
    WATER_CURRENCY = 5
    GAS_CURRENCY = 6
    TIME_CURRENCY = 7
    ALL = 0xFFFF


_SUBCLASSES: Final = frozenset(Management)
_REGISTERS: Final = frozenset(Register)


@dataclass(frozen=True, slots=True)
class ManagementToken:
    """A token that manages a meter.

    Attributes:
        subclass: One of ``Management``.
        rnd: 4 random bits, 0 to 15.
        tid: Token identifier, 0 to 16 777 215.
        value: 16 bits, by sub-class.

    Raises:
        FieldRangeError: A field is outside its range, or no such register.
        FormatError: Another sub-class.
    """

    token_class: ClassVar = TokenClass.MANAGEMENT

    subclass: int
    rnd: int
    tid: int
    value: int

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, 0, 15)
        if self.subclass not in _SUBCLASSES:
            raise FormatError("SubClass", self.subclass, "does not manage a meter")
        require_bits("RND", self.rnd, RND_BITS)
        require_bits("TID", self.tid, TID_BITS)
        require_bits("Value", self.value, VALUE_BITS)
        if self.subclass == Management.CLEAR_CREDIT and self.value not in _REGISTERS:
            raise FieldRangeError("Register", self.value, "is not 0 to 7 or 65535")
        if self.subclass == Management.CLEAR_TAMPER_CONDITION and self.value:
            raise FieldRangeError("Pad", self.value, "is not 0")

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(subclass, *split_tid(data))

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return with_tid(self.rnd, self.tid, self.value)

    @property
    def watts(self) -> int | None:
        """The limit a power limit token sets; None of another token."""
        return decode_tenths(self.value) if self.subclass in POWER_LIMITS else None


@dataclass(frozen=True, slots=True)
class ProprietaryToken:
    """A maker's own management token; what its bits mean only the maker knows.

    Attributes:
        subclass: 11 to 15.
        data: 44 bits.

    Raises:
        FieldRangeError: A field is outside its range.
    """

    token_class: ClassVar = TokenClass.MANAGEMENT
    tid: ClassVar[None] = None

    subclass: int
    data: int

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, PROPRIETARY[0], PROPRIETARY[-1])
        require_bits("data", self.data, DATA_BITS)

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(subclass, data)


def set_maximum_power_limit(watts: int, *, tid: int, rnd: int) -> ManagementToken:
    """Limit the power the meter lets through, in whole watts, rounded up to the next step.

    Raises:
        InexactAmount, NegativeAmount, AmountTooLarge: No token can carry that limit.
        FieldRangeError: Another field is outside its range.
    """
    value = encode_tenths(watts, "watts")
    return ManagementToken(Management.SET_MAXIMUM_POWER_LIMIT, rnd, tid, value)


def set_maximum_phase_power_unbalance_limit(watts: int, *, tid: int, rnd: int) -> ManagementToken:
    """Limit the difference between phases; as ``set_maximum_power_limit``."""
    value = encode_tenths(watts, "watts")
    return ManagementToken(Management.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT, rnd, tid, value)


def clear_credit(register: int, *, tid: int, rnd: int) -> ManagementToken:
    """Empty one register, or all of them.

    Raises:
        FieldRangeError: No such register, or another field is outside its range.
    """
    return ManagementToken(Management.CLEAR_CREDIT, rnd, tid, register)


def set_tariff_rate(rate: int, *, tid: int, rnd: int) -> ManagementToken:
    """Set the tariff rate, 16 bits whose meaning the standard leaves for later.

    Raises:
        FieldRangeError: A field is outside its range.
    """
    return ManagementToken(Management.SET_TARIFF_RATE, rnd, tid, rate)


def clear_tamper_condition(*, tid: int, rnd: int) -> ManagementToken:
    """Forget that the meter was tampered with.

    Raises:
        FieldRangeError: A field is outside its range.
    """
    return ManagementToken(Management.CLEAR_TAMPER_CONDITION, rnd, tid, 0)


def set_water_meter_factor(factor: int, *, tid: int, rnd: int) -> ManagementToken:
    """Set the water meter factor, 16 bits whose meaning the standard leaves for later.

    Raises:
        FieldRangeError: A field is outside its range.
    """
    return ManagementToken(Management.SET_WATER_METER_FACTOR, rnd, tid, factor)


def set_extended(index: int, value: int, *, tid: int, rnd: int) -> ManagementToken:
    """Set one of the values of STS 202-5.

    Args:
        index: Which, 0 to 63; 63 is the group of flags (``set_flag``).
        value: 10 bits.
        tid: Token identifier.
        rnd: 4 random bits.

    Raises:
        FieldRangeError: A field is outside its range.
    """
    require_bits("Index", index, INDEX_BITS)
    require_bits("Data", value, INDEX_DATA_BITS)
    return ManagementToken(Management.EXTENDED, rnd, tid, index << INDEX_DATA_BITS | value)


def set_flag(flag: int, *, on: bool, tid: int, rnd: int) -> ManagementToken:
    """Turn one of the flags of STS 202-5 on or off; ``flag`` is 0 to 511.

    Raises:
        FieldRangeError: A field is outside its range.
    """
    require_bits("FlagIndex", flag, FLAG_INDEX_BITS)
    value = flag << 1 | require_flag("FlagValue", on)
    return set_extended(FLAG_INDEX, value, tid=tid, rnd=rnd)

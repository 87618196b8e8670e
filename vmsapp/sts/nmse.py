"""Class 1: tokens any meter obeys, which test it or make it show something. Not encrypted.

=========== ======= ======= ============================================
sub-class   Control MfrCode for
=========== ======= ======= ============================================
0           36 bits 8 bits  meters with a 2-digit manufacturer code
1           28      16      meters with a 4-digit one
2           36      8       STS 202-5 read: what the upper 6 bits name
6 to 10     28      16      the maker's own, with the maker's code
11 to 15    36      8       the same, with a 2-digit code
=========== ======= ======= ============================================

MfrCode is binary, and 0 in sub-classes 0 to 2. Bit n of Control is test number n + 1, all bits
together are test 0.

Source: IEC 62055-41:2018, "Class 1: Initiate Meter Test/Display"; STS 202-5 for sub-class 2.

>>> token = run_tests(MeterTest.LOAD_SWITCH)
>>> token.control, token.data
(1, 256)
>>> run_tests(MeterTest.ALL, four_digits=True).control == 2**28 - 1
True
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final, Self

from vmsapp.sts import identifiers
from vmsapp.sts.errors import FieldRangeError, ReservedToken
from vmsapp.sts.fields import DATA_BITS, TokenClass, require_bits, require_range

TWO_DIGITS: Final = 0
FOUR_DIGITS: Final = 1
READ: Final = 2
PROPRIETARY_FOUR_DIGITS: Final = range(6, 11)
PROPRIETARY_TWO_DIGITS: Final = range(11, 16)

NARROW_CODE_BITS: Final = 8
WIDE_CODE_BITS: Final = 16

READ_INDEX_BITS: Final = 6
READ_INDEX_SHIFT: Final = DATA_BITS - NARROW_CODE_BITS - READ_INDEX_BITS
READ_FLAG_GROUP: Final = 63
"""The index of STS 202-5 under which the meter's flags are read."""


class MeterTest(IntEnum):
    """The tests by their numbers."""

    ALL = 0
    LOAD_SWITCH = 1
    DISPLAY = 2
    CUMULATIVE_CONSUMPTION = 3
    KRN_AND_KT = 4
    TI = 5
    TOKEN_READER = 6
    MAXIMUM_POWER_LIMIT = 7
    TAMPER_STATUS = 8
    POWER_CONSUMPTION = 9
    SOFTWARE_VERSION = 10
    PHASE_POWER_UNBALANCE_LIMIT = 11
    WATER_METER_FACTOR = 12
    TARIFF_RATE = 13
    EA_NUMBER = 14
    KEY_CHANGE_TOKENS_SUPPORTED = 15
    SGC = 16
    KEN = 17
    DRN = 18

    @property
    def title(self) -> str:
        """What it does, in English."""
        return _TITLES[self]


_TITLES: Final = (
    "run all tests",
    "test the load switch",
    "test the displays",
    "display the cumulative consumption",
    "display KRN and KT",
    "display the TI",
    "test the token reader",
    "display the maximum power limit",
    "display the tamper status",
    "display the power consumption",
    "display the software version",
    "display the phase power unbalance limit",
    "display the water meter factor",
    "display the tariff rate",
    "display the EA number",
    "display the number of key change tokens supported",
    "display the SGC",
    "display the KEN",
    "display the DRN",
)


@dataclass(frozen=True, slots=True)
class DisplayToken:
    """A class 1 token.

    Attributes:
        subclass: 0 to 2 or 6 to 15.
        control: What to do, 36 or 28 bits as the table above says.
        manufacturer: Manufacturer code, 8 or 16 bits.

    Raises:
        FieldRangeError: A field is outside its range.
        ReservedToken: A sub-class kept for later, 3 to 5.
    """

    token_class: ClassVar = TokenClass.TEST
    tid: ClassVar[None] = None

    subclass: int
    control: int
    manufacturer: int = 0

    def __post_init__(self) -> None:
        code_bits = _code_bits(self.subclass)
        require_bits("Control", self.control, DATA_BITS - code_bits)
        require_bits("MfrCode", self.manufacturer, code_bits)

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        code_bits = _code_bits(subclass)
        return cls(subclass, data >> code_bits, data & (1 << code_bits) - 1)

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return self.control << _code_bits(self.subclass) | self.manufacturer

    @property
    def tests(self) -> tuple[MeterTest, ...]:
        """The tests the control bits ask for; empty for other sub-classes than 0 and 1."""
        if self.subclass > FOUR_DIGITS:
            return ()
        if self.control == (1 << DATA_BITS - _code_bits(self.subclass)) - 1:
            return (MeterTest.ALL,)
        return tuple(test for test in MeterTest if test and self.control >> test - 1 & 1)

    @property
    def read_index(self) -> int | None:
        """What an STS 202-5 read token names, 0 to 63; None of another token."""
        return self.control >> READ_INDEX_SHIFT if self.subclass == READ else None


def run_tests(*tests: MeterTest, four_digits: bool = False) -> DisplayToken:
    """Ask for tests.

    Args:
        tests: Which; at least one. ``ALL`` takes in the others.
        four_digits: For a meter with a 4-digit manufacturer code.

    Raises:
        FieldRangeError: No test, or one that does not exist.
    """
    subclass = FOUR_DIGITS if four_digits else TWO_DIGITS
    return DisplayToken(subclass, _control(tests, DATA_BITS - _code_bits(subclass)))


def read(index: int, rest: int = 0) -> DisplayToken:
    """Ask for one of the values of STS 202-5.

    Args:
        index: Which, 0 to 63; 63 is the group of flags.
        rest: The other 30 bits of Control, whose meaning is not public.

    Raises:
        FieldRangeError: A value does not fit.
    """
    require_bits("Index", index, READ_INDEX_BITS)
    require_bits("rest of Control", rest, READ_INDEX_SHIFT)
    return DisplayToken(READ, index << READ_INDEX_SHIFT | rest)


def proprietary(subclass: int, control: int, manufacturer: int | str) -> DisplayToken:
    """Make a maker's own token.

    Args:
        subclass: 6 to 10 for a maker with a 4-digit code, 11 to 15 for one with 2 digits.
        control: What to do, 28 or 36 bits.
        manufacturer: The maker's code, 100 to 9999 or 0 to 99.

    Raises:
        FieldRangeError: A value does not fit.
    """
    require_range("SubClass", subclass, PROPRIETARY_FOUR_DIGITS[0], PROPRIETARY_TWO_DIGITS[-1])
    code = identifiers.manufacturer.validate(manufacturer)
    if subclass in PROPRIETARY_FOUR_DIGITS:
        require_range("MfrCode", code, identifiers.manufacturer.SHORT_MAX + 1, 9999)
    else:
        require_range("MfrCode", code, 0, identifiers.manufacturer.SHORT_MAX)
    return DisplayToken(subclass, control, code)


def _control(tests: Iterable[MeterTest], bits: int) -> int:
    control = 0
    for test in tests:
        require_range("test", test, min(MeterTest), max(MeterTest))
        control |= 1 << test - 1 if test else (1 << bits) - 1
    if not control:
        raise FieldRangeError("tests", None, "are none")
    return control


def _code_bits(subclass: int) -> int:
    require_range("SubClass", subclass, 0, 15)
    if READ < subclass < PROPRIETARY_FOUR_DIGITS[0]:
        raise ReservedToken("SubClass", subclass, "is reserved in class 1")
    wide = subclass == FOUR_DIGITS or subclass in PROPRIETARY_FOUR_DIGITS
    return WIDE_CODE_BITS if wide else NARROW_CODE_BITS

"""A virtual meter: holds a key, remembers TIDs, is fed digits and answers as a real one.

It is the acceptance test of whatever makes tokens. Digits are read by ``meter_reader``, which
shares nothing with the modules that make them; amounts, rules and registers are its own too.

A token is taken in this order: digits, class, checksum, manufacturer's code, sub-class, then
key type, expiry and TID, then it is executed, and only then is its TID remembered: one that
could not be executed is not spent. Key change tokens carry no TID; they wait for each other, in
any order, for a few minutes after the last one, and are judged when the set is whole. Nothing in
them tells one set from another: halves of two sets make a key that is neither's.

The order of the tests inside one step, how long a set waits and how many TIDs are remembered
are not fixed by what is public: 50 TIDs and five minutes here.

Source: IEC 62055-41:2018, 7.3 "Token acceptance", "Token authentication", "Token validation".

>>> meter = VirtualMeter(SecretBytes(bytes.fromhex("0abc12def3456789")))
>>> meter.enter("2905 4347 1393 0985 1356"), meter.registers[0]
(<Result.ACCEPT: 1>, 256)
>>> meter.enter("2905 4347 1393 0985 1356")
<Result.USED_ERROR: 10>
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from vmsapp.sts.errors import CrcError, FormatError
from vmsapp.sts.identifiers import KeyType
from vmsapp.sts.meter_reader import PRODUCTION, Plain, StaTables, read
from vmsapp.sts.secret import SecretBytes

TIDS_REMEMBERED: Final = 50
SET_WAITS_SECONDS: Final = 5 * 60
UNITS_CAPACITY: Final = 999_999_999
"""What a register of units can hold: 99 999 999.9."""
MONEY_CAPACITY: Final = 10**15
"""What a register of money can hold, in 10⁻⁵ of the unit."""
WATTS_MAX: Final = 10_000_000
ALL_REGISTERS: Final = 0xFFFF

CAN_BECOME: Final = {
    0: {0, 1, 2, 3},
    1: {1, 2, 3},
    2: {1, 2},
    3: {1, 3},
}
"""Key types a meter of each key type may be changed to."""

DISPLAYS: Final = {
    0: "load switch",
    1: "displays",
    2: "registers",
    3: "krn kt",
    4: "ti",
    5: "token reader",
    6: "maximum power limit",
    7: "tamper status",
    8: "power",
    9: "software version",
    10: "phase power unbalance limit",
    11: "water meter factor",
    12: "tariff rate",
    13: "ea",
    14: "key change tokens",
    15: "sgc",
    16: "ken",
    17: "drn",
}
"""What each bit of a test token's Control makes this meter do; others it does not know."""


class Result(IntEnum):
    """What a meter answers, with the numbers meters display."""

    ACCEPT = 1
    FIRST_KCT = 2
    SECOND_KCT = 3
    OVERFLOW_ERROR = 4
    KEY_TYPE_ERROR = 5
    FORMAT_ERROR = 6
    RANGE_ERROR = 7
    FUNCTION_ERROR = 8
    OLD_ERROR = 9
    USED_ERROR = 10
    KEY_EXPIRED_ERROR = 11
    DDTK_ERROR = 12
    CRC_ERROR = 13
    MFR_CODE_ERROR = 14
    THIRD_KCT = 17
    FOURTH_KCT = 18

    @property
    def standard_name(self) -> str:
        """The name the standard gives it."""
        return _NAMES[self]


_NAMES: Final = {
    Result.ACCEPT: "Accept",
    Result.FIRST_KCT: "1stKCT",
    Result.SECOND_KCT: "2ndKCT",
    Result.OVERFLOW_ERROR: "OverflowError",
    Result.KEY_TYPE_ERROR: "KeyTypeError",
    Result.FORMAT_ERROR: "FormatError",
    Result.RANGE_ERROR: "RangeError",
    Result.FUNCTION_ERROR: "FunctionError",
    Result.OLD_ERROR: "OldError",
    Result.USED_ERROR: "UsedError",
    Result.KEY_EXPIRED_ERROR: "KeyExpiredError",
    Result.DDTK_ERROR: "DDTKError",
    Result.CRC_ERROR: "CRCError",
    Result.MFR_CODE_ERROR: "MfrCodeError",
    Result.THIRD_KCT: "3rdKCT",
    Result.FOURTH_KCT: "4thKCT",
}


_WAITING: Final = {
    3: Result.FIRST_KCT,
    4: Result.SECOND_KCT,
    8: Result.THIRD_KCT,
    9: Result.FOURTH_KCT,
}
"""What is answered to a key change token, by sub-class, while others of its set are missing."""


class _Refused(Exception):
    """Carries the result that ends the way of a token."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result


@dataclass
class VirtualMeter:
    """A meter with 64-bit or 128-bit keys.

    Attributes:
        key: 8 bytes for EA 07, 16 for EA 11, most significant first.
        kt: Key type of the key it has.
        krn: Key revision number.
        ti: Tariff index, 0 to 99.
        ken: Key expiry number.
        sgc: Supply group code; None until a set of tokens told it.
        drn: The number on its face.
        manufacturer: The maker's code.
        manufactured_tid: The minute it was made, which its memory of TIDs begins with.
        services: Sub-classes of credit it has registers for; an electricity meter has 0 and 4.
        tables: The tables of EA 07.
        clock: Seconds that only go forward, for the set of key change tokens.
        registers: What it holds, by sub-class: tenths of a unit, 10⁻⁵ of money.
        remembered: The TIDs it will not take again.
        shown: What the last accepted test token made it show.
    """

    key: SecretBytes
    kt: KeyType = KeyType.DUTK
    krn: int = 1
    ti: int = 1
    ken: int = 255
    sgc: int | None = None
    drn: str = "00000000000"
    manufacturer: int = 0
    manufactured_tid: int = 0
    services: frozenset[int] = frozenset(range(8))
    tables: StaTables = PRODUCTION
    clock: Callable[[], float] = time.monotonic
    registers: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(8), 0))
    remembered: list[int] = field(default_factory=list)
    shown: dict[str, object] = field(default_factory=dict)
    maximum_power_limit: int | None = None
    phase_power_unbalance_limit: int | None = None
    tariff_rate: int | None = None
    water_meter_factor: int | None = None
    tampered: bool = False
    extended: dict[int, int] = field(default_factory=dict)
    _sections: dict[int, int] = field(default_factory=dict, repr=False)
    _last_section_at: float = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self.remembered = self.remembered or [self.manufactured_tid] * TIDS_REMEMBERED

    @property
    def long_key(self) -> bool:
        """Whether its keys have 128 bits."""
        return len(self.key) == 16

    def enter(self, digits: str) -> Result:
        """Take twenty digits as a customer types them."""
        try:
            plain = read(digits, self.key.reveal(), self.tables)
            return (self._credit, self._test, self._manage, self._reserved)[plain.token_class](
                plain
            )
        except FormatError:
            return Result.FORMAT_ERROR
        except CrcError:
            return Result.CRC_ERROR
        except _Refused as refused:
            return refused.result

    def _reserved(self, plain: Plain) -> Result:
        return Result.FUNCTION_ERROR

    def _credit(self, plain: Plain) -> Result:
        if plain.subclass not in self.services:
            return Result.FUNCTION_ERROR
        if self.kt == 1:
            return Result.DDTK_ERROR
        tid = self._fresh_tid(plain)
        money = plain.subclass >= 4
        amount = _money(plain.data) if money else _units(plain.data)
        total = self.registers[plain.subclass] + amount
        if abs(total) > (MONEY_CAPACITY if money else UNITS_CAPACITY):
            return Result.OVERFLOW_ERROR
        self.registers[plain.subclass] = total
        return self._spent(tid)

    def _test(self, plain: Plain) -> Result:
        if plain.subclass in (0, 2, 11, 12, 13, 14, 15):
            control, code = divmod(plain.data, 1 << 8)
            bits = 36
        elif plain.subclass in (1, 6, 7, 8, 9, 10):
            control, code = divmod(plain.data, 1 << 16)
            bits = 28
        else:
            return Result.FUNCTION_ERROR
        own_only = plain.subclass > 2
        if code != self.manufacturer and (own_only or code != 0):
            return Result.MFR_CODE_ERROR
        if plain.subclass > 1:
            return Result.FUNCTION_ERROR  # no proprietary tests, and no STS 202-5
        wanted = [bit for bit in range(bits) if control >> bit & 1]
        known = [bit for bit in wanted if bit in DISPLAYS]
        if not known or (len(wanted) < bits and known != wanted):
            return Result.FUNCTION_ERROR
        self.shown = {DISPLAYS[bit]: self._display(bit) for bit in known}
        return Result.ACCEPT

    def _display(self, bit: int) -> object:
        return {
            2: dict(self.registers),
            3: (self.krn, int(self.kt)),
            4: self.ti,
            6: self.maximum_power_limit,
            7: self.tampered,
            10: self.phase_power_unbalance_limit,
            11: self.water_meter_factor,
            12: self.tariff_rate,
            13: 11 if self.long_key else 7,
            14: 4 if self.long_key else 3,
            15: self.sgc,
            16: self.ken,
            17: self.drn,
        }.get(bit, "ok")

    def _manage(self, plain: Plain) -> Result:
        if plain.subclass in (3, 4, 8, 9):
            return self._section(plain)
        act = {
            0: self._limit_power,
            1: self._clear_credit,
            2: self._set_rate,
            5: self._clear_tamper,
            6: self._limit_unbalance,
            7: self._set_factor,
            10: self._set_extended,
        }.get(plain.subclass)
        if act is None:
            return Result.FUNCTION_ERROR
        tid = self._fresh_tid(plain)
        act(plain.data & 0xFFFF)
        return self._spent(tid)

    def _limit_power(self, value: int) -> None:
        self.maximum_power_limit = _watts(value)

    def _limit_unbalance(self, value: int) -> None:
        self.phase_power_unbalance_limit = _watts(value)

    def _clear_credit(self, register: int) -> None:
        if register == ALL_REGISTERS:
            self.registers = dict.fromkeys(self.registers, 0)
        elif register in self.services:
            self.registers[register] = 0
        else:
            raise _Refused(Result.RANGE_ERROR)

    def _set_rate(self, value: int) -> None:
        self.tariff_rate = value

    def _clear_tamper(self, value: int) -> None:
        if value:
            raise _Refused(Result.RANGE_ERROR)
        self.tampered = False

    def _set_factor(self, value: int) -> None:
        self.water_meter_factor = value

    def _set_extended(self, value: int) -> None:
        index, data = divmod(value, 1 << 10)
        self.extended[index] = data

    def _fresh_tid(self, plain: Plain) -> int:
        """Test expiry and TID before anything is done."""
        tid = plain.data >> 16 & 0xFFFFFF
        if tid >> 16 > self.ken:
            raise _Refused(Result.KEY_EXPIRED_ERROR)
        if tid in self.remembered:
            raise _Refused(Result.USED_ERROR)
        if tid < min(self.remembered):
            raise _Refused(Result.OLD_ERROR)
        return tid

    def _spent(self, tid: int) -> Result:
        """Remember a TID in place of the smallest one."""
        self.remembered.remove(min(self.remembered))
        self.remembered.append(tid)
        return Result.ACCEPT

    # --- key change ---

    def _section(self, plain: Plain) -> Result:
        if plain.subclass == 9 and not self.long_key:
            return Result.FUNCTION_ERROR
        now = self.clock()
        if now - self._last_section_at > SET_WAITS_SECONDS:
            self._sections.clear()
        self._last_section_at = now
        self._sections[plain.subclass] = plain.data
        if not self._whole():
            return _WAITING[plain.subclass]
        sections, self._sections = self._sections, {}
        return self._change_key(sections)

    def _whole(self) -> bool:
        if self.long_key:
            return set(self._sections) == {3, 4, 8, 9}
        first = self._sections.get(3)
        return (
            first is not None
            and 4 in self._sections
            and (8 in self._sections or not first >> 34 & 1)
        )

    def _change_key(self, sections: dict[int, int]) -> Result:
        first, second = sections[3], sections[4]
        krn, ti, kt = first >> 36 & 0xF, second >> 32 & 0xFF, first >> 32 & 3
        sgc = self._group(sections)
        if not 1 <= krn <= 9 or ti > 99 or (sgc is not None and sgc > 999_999):
            return Result.RANGE_ERROR
        if self._misformed(sections):
            return Result.RANGE_ERROR
        if kt not in CAN_BECOME[self.kt]:
            return Result.KEY_TYPE_ERROR
        words = [first, sections[8], sections[9], second] if self.long_key else [first, second]
        self.key = SecretBytes(b"".join((word & 0xFFFFFFFF).to_bytes(4, "big") for word in words))
        self.ken = (first >> 40) * 16 + (second >> 40)
        self.krn, self.ti, self.kt = krn, ti, KeyType(kt)
        self.sgc = self.sgc if sgc is None else sgc
        if first >> 35 & 1:
            self.remembered = [0] * TIDS_REMEMBERED
        return Result.ACCEPT

    def _misformed(self, sections: dict[int, int]) -> bool:
        """Tell whether bits are set that must not be: 3KCT of a long key, the pad of a short."""
        three_tokens = sections[3] >> 34 & 1
        if self.long_key:
            return bool(three_tokens)
        return bool(three_tokens and sections[8] & 0xFFFFF)

    def _group(self, sections: dict[int, int]) -> int | None:
        """The supply group code the set tells, if it does."""
        if self.long_key:
            return (sections[9] >> 32) * 4096 + (sections[8] >> 32)
        return sections[8] >> 20 if sections[3] >> 34 & 1 else None


def _units(data: int) -> int:
    """Tenths of a unit."""
    return _floating(data >> 14 & 3, data & 0x3FFF)


def _watts(value: int) -> int:
    watts = _floating(value >> 14, value & 0x3FFF)
    if watts > WATTS_MAX:
        raise _Refused(Result.RANGE_ERROR)
    return watts


def _money(data: int) -> int:
    """10⁻⁵ of the currency's unit; the sign and the high exponent bits stand where RND does."""
    high = data >> 40
    magnitude = _floating((high & 7) * 4 + (data >> 14 & 3), data & 0x3FFF)
    return -magnitude if high & 8 else magnitude


def _floating(exponent: int, mantissa: int) -> int:
    """Add up the spans of the lower exponents, each of 2**14 of its own steps."""
    step, below = 1, 0
    for _ in range(exponent):
        below += 16384 * step
        step *= 10
    return below + mantissa * step

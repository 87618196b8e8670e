"""Tokens for the training meter: good ones, and each kind that a meter refuses.

They are made here, by the codec, under the training meter's own key. No security module is asked
and nothing is written to any book: what they carry is nobody's.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from vmsapp.errors import N_, Conflict, InvalidInput
from vmsapp.services.training.bench import BASE, KEY_BYTES, Offered, Training
from vmsapp.sts import workbench
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken, Service
from vmsapp.sts.errors import CrcError
from vmsapp.sts.keys import DecoderKey, KeyParameters
from vmsapp.sts.mse import (
    Register,
    clear_credit,
    clear_tamper_condition,
    set_maximum_power_limit,
)
from vmsapp.sts.nmse import MeterTest, run_tests
from vmsapp.sts.tid import MINUTES_PER_DAY, is_reserved, next_tid, skip_reserved, tid_from_datetime
from vmsapp.sts.token import Token

MOST_UNITS: Final = Decimal(10_000)
MOST_WATTS: Final = 100_000
PLAIN: Final = Decimal(5)
"""Units of the tokens whose amount does not matter."""
KRN_MAX: Final = 9


class Lesson(StrEnum):
    """What tokens can be made for."""

    CREDIT = "credit"
    POWER_LIMIT = "power_limit"
    CLEAR_CREDIT = "clear_credit"
    CLEAR_TAMPER = "clear_tamper"
    SHOW = "show"
    KEY_CHANGE = "key_change"
    USED = "used"
    OLD = "old"
    OTHER_METER = "other_meter"
    MISTYPED = "mistyped"
    EXPIRED = "expired"
    WATER = "water"
    FORMER_KEY = "former_key"


SHOWS: Final = (
    MeterTest.KRN_AND_KT, MeterTest.TI, MeterTest.SGC, MeterTest.KEN, MeterTest.DRN,
    MeterTest.EA_NUMBER, MeterTest.KEY_CHANGE_TOKENS_SUPPORTED, MeterTest.CUMULATIVE_CONSUMPTION,
    MeterTest.MAXIMUM_POWER_LIMIT, MeterTest.TAMPER_STATUS, MeterTest.ALL,
)  # fmt: skip
"""What a test token may have the training meter show."""


class TrainingFault(InvalidInput):
    """A number that no training token carries."""


class UnitsOutOfRange(TrainingFault):
    """Nothing, or more than is of use."""

    code = "training_units"
    message = N_("Enter from 0.1 to %(most)s kWh, no finer than tenths.")
    field = "units"

    def __init__(self) -> None:
        super().__init__(most=MOST_UNITS)


class WattsOutOfRange(TrainingFault):
    """Nothing, or more than is of use."""

    code = "training_watts"
    message = N_("Enter from 1 to %(most)s whole watts.")
    field = "watts"

    def __init__(self) -> None:
        super().__init__(most=Decimal(MOST_WATTS))


class IndexOutOfRange(TrainingFault):
    """Not two digits."""

    code = "training_index"
    message = N_("A tariff index has two digits.")
    field = "ti"


class NoFormerKey(Conflict):
    """The meter has had one key only."""

    code = "training_no_former_key"
    message = N_("The training meter has had one key only. Enter a key change first.")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to try.

    Attributes:
        units: kWh of a credit.
        watts: Of a power limit.
        ti: Tariff index of the new key, 2 digits; empty for the present one. A key that has the
            present one has the next revision, so that the display tells the two apart.
        test: What to show, a number of ``MeterTest``.
    """

    lesson: Lesson
    units: Decimal = PLAIN
    watts: int = 1_000
    ti: str = ""
    test: int = int(MeterTest.TI)


@dataclass(frozen=True, slots=True)
class Ask:
    """A lesson asked for: of which training meter, what, and when."""

    training: Training
    wish: Wish
    now: datetime


def make(training: Training, wish: Wish, now: datetime) -> Offered:
    """Make the tokens of a lesson and lay them beside the training meter.

    Raises:
        TrainingFault: A number cannot be.
        NoFormerKey: There was no key change yet.
    """
    offered = _MAKERS[wish.lesson](Ask(training, wish, now))
    training.offer(offered)
    return offered


def _one(lesson: Lesson, digits: str, value: object = "") -> Offered:
    return Offered(lesson.value, (digits,), str(value))


def _tid(ask: Ask) -> int:
    training = ask.training
    training.last_tid = next_tid(tid_from_datetime(ask.now, BASE), training.last_tid)
    return training.last_tid


def _rnd() -> int:
    return secrets.randbelow(16)


def _credit_of(tid: int, units: Decimal = PLAIN, service: Service = Service.ELECTRICITY) -> Token:
    return CreditToken.of_units(service, units, tid=tid, rnd=_rnd())


def _credit(ask: Ask) -> Offered:
    units = ask.wish.units
    if not 0 < units <= MOST_UNITS or units != round(units, 1):
        raise UnitsOutOfRange
    token = CreditToken.of_units(
        Service.ELECTRICITY, units, tid=_tid(ask), rnd=_rnd()
    )  # fmt: skip
    return _one(ask.wish.lesson, encode(token, ask.training.key), token.amount)


def _power_limit(ask: Ask) -> Offered:
    if not 1 <= ask.wish.watts <= MOST_WATTS:
        raise WattsOutOfRange
    token = set_maximum_power_limit(ask.wish.watts, tid=_tid(ask), rnd=_rnd())
    return _one(ask.wish.lesson, encode(token, ask.training.key), token.watts or "")


def _clear_credit(ask: Ask) -> Offered:
    token = clear_credit(Register.ALL, tid=_tid(ask), rnd=_rnd())
    return _one(ask.wish.lesson, encode(token, ask.training.key))


def _clear_tamper(ask: Ask) -> Offered:
    token = clear_tamper_condition(tid=_tid(ask), rnd=_rnd())
    return _one(ask.wish.lesson, encode(token, ask.training.key))


def _show(ask: Ask) -> Offered:
    test = next((one for one in SHOWS if one == ask.wish.test), MeterTest.ALL)
    return _one(ask.wish.lesson, encode(run_tests(test)), int(test))


def _key_change(ask: Ask) -> Offered:
    """Make a set that takes the meter to a key made at random: of another index or revision."""
    meter = ask.training.meter
    present = f"{meter.ti:02d}"
    ti = ask.wish.ti or present
    if len(ti) != 2 or not (ti.isascii() and ti.isdigit()):
        raise IndexOutOfRange
    krn = meter.krn % KRN_MAX + 1 if ti == present else meter.krn
    new_key = DecoderKey(ask.training.ea, secrets.token_bytes(KEY_BYTES[ask.training.ea]))
    tokens = workbench.change_tokens(
        ask.training.key, new_key, _parameters(ask.training, meter.krn, present),
        _parameters(ask.training, krn, ti), moment=ask.now,
    )  # fmt: skip
    return Offered(
        ask.wish.lesson.value, tuple(tokens), f"KRN {krn}" if ti == present else f"TI {ti}"
    )


def _parameters(training: Training, krn: int, ti: str) -> KeyParameters:
    return workbench.parameters_of(
        training.meter_pan, f"{training.meter.sgc:06d}", krn, ti, kt=int(training.meter.kt),
        ken=training.meter.ken, base_date=BASE.year, ea=training.ea, algorithm="04",
    )  # fmt: skip


def _used(ask: Ask) -> Offered:
    """Make a token of an identifier that the meter remembers."""
    tid = max(one for one in ask.training.meter.remembered if not is_reserved(one))
    return _one(ask.wish.lesson, encode(_credit_of(tid), ask.training.key))


def _old(ask: Ask) -> Offered:
    """Make a token of a day before the oldest identifier that the meter remembers."""
    tid = skip_reserved(min(ask.training.meter.remembered) - MINUTES_PER_DAY)
    return _one(ask.wish.lesson, encode(_credit_of(tid), ask.training.key))


def _other_meter(ask: Ask) -> Offered:
    other = DecoderKey(ask.training.ea, secrets.token_bytes(KEY_BYTES[ask.training.ea]))
    return _one(ask.wish.lesson, _unreadable(ask.training, encode(_credit_of(_tid(ask)), other)))


def _mistyped(ask: Ask) -> Offered:
    right = encode(_credit_of(_tid(ask)), ask.training.key)
    return _one(ask.wish.lesson, _unreadable(ask.training, _slipped(right)))


def _expired(ask: Ask) -> Offered:
    """Make a token of the first minute that the key's expiry number does not allow."""
    tid = skip_reserved((ask.training.meter.ken + 1) << 16)
    return _one(ask.wish.lesson, encode(_credit_of(tid), ask.training.key))


def _water(ask: Ask) -> Offered:
    token = _credit_of(_tid(ask), service=Service.WATER)
    return _one(ask.wish.lesson, encode(token, ask.training.key))


def _former_key(ask: Ask) -> Offered:
    if ask.training.former_key is None:
        raise NoFormerKey
    former = DecoderKey(ask.training.ea, ask.training.former_key)
    return _one(ask.wish.lesson, _unreadable(ask.training, encode(_credit_of(_tid(ask)), former)))


def _slipped(digits: str) -> str:
    """Write the last digit wrongly."""
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


def _unreadable(training: Training, digits: str) -> str:
    """See to it that the meter's checksum fails: by chance one in 65,536 would not."""
    while True:
        try:
            decode(digits, training.key)
        except CrcError:
            return digits
        digits = _slipped(digits)


_MAKERS: Final[dict[Lesson, Callable[[Ask], Offered]]] = {
    Lesson.CREDIT: _credit,
    Lesson.POWER_LIMIT: _power_limit,
    Lesson.CLEAR_CREDIT: _clear_credit,
    Lesson.CLEAR_TAMPER: _clear_tamper,
    Lesson.SHOW: _show,
    Lesson.KEY_CHANGE: _key_change,
    Lesson.USED: _used,
    Lesson.OLD: _old,
    Lesson.OTHER_METER: _other_meter,
    Lesson.MISTYPED: _mistyped,
    Lesson.EXPIRED: _expired,
    Lesson.WATER: _water,
    Lesson.FORMER_KEY: _former_key,
}

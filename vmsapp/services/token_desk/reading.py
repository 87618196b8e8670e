"""What digits say: a class 1 token by itself, any other as a security module reads it.

A module tells class, sub-class, TID and amount of what its keys read. A PrismToken service is
asked the same way; where it leaves one of them out, the reading has None there, and of key change
tokens it tells the section alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import Verified
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, NotSupported
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import VerifyRequest
from vmsapp.services.security_modules import open_module
from vmsapp.services.token_desk.keys import Candidate
from vmsapp.sts.amount import decode_tenths
from vmsapp.sts.block import split_block
from vmsapp.sts.credit import CURRENCY, CreditToken, CurrencyToken, Service
from vmsapp.sts.errors import StsError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.mse import POWER_LIMITS, Management
from vmsapp.sts.nmse import DisplayToken, MeterTest
from vmsapp.sts.tid import tid_to_datetime
from vmsapp.sts.token import from_digits, split_class

SECTIONS: Final = {3: 1, 4: 2, 8: 3, 9: 4}
"""Sub-class of a key change token, and which of the set it is."""
FIRST_OF_MAKER: Final = 11


class What(StrEnum):
    """Kinds of tokens."""

    CREDIT = "credit"
    MONEY = "money"
    SHOW = "show"
    KEY_CHANGE = "key_change"
    POWER_LIMIT = "power_limit"
    CLEAR_CREDIT = "clear_credit"
    TARIFF_RATE = "tariff_rate"
    CLEAR_TAMPER = "clear_tamper"
    UNBALANCE = "unbalance"
    WATER_FACTOR = "water_factor"
    EXTENDED = "extended"
    MAKERS = "makers"
    """The maker's own; what it does only the maker knows."""


_MANAGES: Final = {
    Management.SET_MAXIMUM_POWER_LIMIT: What.POWER_LIMIT,
    Management.CLEAR_CREDIT: What.CLEAR_CREDIT,
    Management.SET_TARIFF_RATE: What.TARIFF_RATE,
    Management.CLEAR_TAMPER_CONDITION: What.CLEAR_TAMPER,
    Management.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT: What.UNBALANCE,
    Management.SET_WATER_METER_FACTOR: What.WATER_FACTOR,
    Management.EXTENDED: What.EXTENDED,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a token says under a key.

    Attributes:
        key: Under which; None for a class 1 token, which needs none.
        outcome: ``valid``, ``key_expired`` or ``key_type``, as the module has it.
        subclass: 0 to 15.
        tid: Token identifier; None for a token without one.
        issued_at: The minute it stands for.
        amount: Units or money of a credit; watts of a limit; None where it carries none, or the
            module does not tell.
        meter_type: What a credit is for.
        value: 16 bits of another management token.
        section: Which of a key change set, 1 to 4.
        tests: What a class 1 token has the meter do; empty for a maker's own.
        manufacturer: Whose meters a class 1 token is for; 0 for all.
    """

    what: What
    key: Candidate | None
    outcome: str = "valid"
    token_class: int = 0
    subclass: int = 0
    tid: int | None = None
    issued_at: datetime | None = None
    amount: Decimal | None = None
    meter_type: str = ""
    value: int | None = None
    section: int = 0
    tests: tuple[MeterTest, ...] = ()
    manufacturer: int = 0


@dataclass(frozen=True, slots=True)
class Readings:
    """What came of asking the modules.

    Attributes:
        reading: Under the first key that reads the digits; None where none does.
        tried: Keys under which they were read.
        missing: Keys that no module holds, or under which it refused to read.
        silent: A module did not answer, so that nothing is known.
    """

    reading: Reading | None
    tried: Sequence[Candidate]
    missing: Sequence[Candidate]
    silent: bool = False


def class_of(digits: str) -> int:
    """Tell the class, 0 to 3; it is not encrypted."""
    return split_class(from_digits(digits))[1]


def test_token(digits: str) -> Reading | None:
    """Read a class 1 token, which any meter obeys; None where the digits are none."""
    block, token_class = split_class(from_digits(digits))
    if token_class != TokenClass.TEST:
        return None
    try:
        token = DisplayToken.from_data(*split_block(block, token_class=token_class))
    except StsError:
        return None
    own = token.subclass > 2
    return Reading(
        What.MAKERS if own else What.SHOW, None, token_class=token_class, subclass=token.subclass,
        tests=token.tests, manufacturer=token.manufacturer,
    )  # fmt: skip


def read(
    session: Session, registry: Registry, digits: str, keys: Sequence[Candidate], table_set: str
) -> Readings:
    """Have the modules read digits under each key, until one does.

    Nothing is written by it, here or there. No transaction stays open meanwhile.
    """
    tried, missing = [], [key for key in keys if key.config is None]
    silent = False
    for key in keys:
        if key.config is None or key.module_id is None:
            continue
        try:
            module = open_module(session, registry, key.module_id)
            end_reading(session)
            said = module.verify(VerifyRequest(key.config, digits, table_set))
        except (ModuleRefused, NotSupported):
            missing.append(key)
            continue
        except (HsmUnavailable, HsmTimeout):
            silent = True
            continue
        tried.append(key)
        reading = _reading(said, key)
        if reading is not None:
            return Readings(reading, tried, missing)
    return Readings(None, tried, missing, silent)


def _reading(said: Verified, key: Candidate) -> Reading | None:
    if said.token_class is None or said.subclass is None or key.config is None:
        return None
    issued_at = None if said.tid is None else tid_to_datetime(said.tid, key.config.base_date)
    plain = Reading(
        What.MAKERS, key, outcome=said.outcome, token_class=said.token_class,
        subclass=said.subclass, tid=said.tid, issued_at=issued_at,
    )  # fmt: skip
    if said.token_class == TokenClass.CREDIT:
        return _credit(said, plain)
    if said.subclass in SECTIONS:
        return replace(plain, what=What.KEY_CHANGE, section=SECTIONS[said.subclass])
    if said.subclass >= FIRST_OF_MAKER:
        return plain
    watts = None
    if said.subclass in set(POWER_LIMITS) and said.amount_field is not None:
        watts = Decimal(decode_tenths(said.amount_field))
    what = _MANAGES[Management(said.subclass)]
    return replace(plain, what=what, amount=watts, value=said.amount_field)


def _credit(said: Verified, plain: Reading) -> Reading:
    subclass, field, tid = plain.subclass, said.amount_field, said.tid or 0
    money = subclass >= CURRENCY
    service = Service(subclass - CURRENCY if money else subclass)
    amount = None
    if field is not None and money:
        amount = CurrencyToken(subclass, tid, field).amount
    elif field is not None:
        amount = CreditToken(subclass, 0, tid, field).amount
    what = What.MONEY if money else What.CREDIT
    return replace(plain, what=what, amount=amount, meter_type=service.name.lower())

"""From an answer to tokens: believed only where it is about what was asked.

A list may hold more than was asked for, so the token is looked for by class and sub-class, not
by its place. Each field that repeats the request must repeat it; a token of another meter, key
or amount is not passed on. One field may differ: the TID, which the service has the last word
on. It is then told as it is (SALE.md 7).
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, Literal

from vmsapp.errors import N_
from vmsapp.hsm import making
from vmsapp.hsm.answers import IssuedToken, IssuedTokens, KeyInfo, Verified
from vmsapp.hsm.drivers.prism.orders import Issuing, said_value
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChangeRequest,
    KeyRef,
    MeterConfig,
)
from vmsapp.sts import identifiers, tid
from vmsapp.sts.amount import decode_tenths, encode_tenths
from vmsapp.sts.codec import decode
from vmsapp.sts.errors import StsError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import BaseDate, EncryptionAlgorithm
from vmsapp.sts.token import from_digits, split_class

KCT_SETS: Final = {
    EncryptionAlgorithm.STA: ((3, 4), (3, 4, 8)),
    EncryptionAlgorithm.MISTY1: ((3, 4, 8, 9),),
}
"""Sub-classes of a whole set, in the order it is entered."""
NAME_MAX: Final = 40

_DIGITS: Final = re.compile(r"[0-9]{20}", re.ASCII)
_HEX: Final = re.compile(r"[0-9A-Fa-f]{17}", re.ASCII)
_NOT_A_NAME: Final = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)

Keys = Mapping[KeyRef, KeyInfo]


class WrongAnswer(HsmTimeout):
    """The service answered, but not what was asked: a token may exist that nobody may have.

    Attributes:
        field: Which part of the answer gave it away.
    """

    code = "hsm_wrong_answer"
    message = N_("The security module answered something else than was asked (%(field)s).")

    def __init__(self, field: str) -> None:
        super().__init__(field=field)
        self.field = field


def tokens_of(request: Issuing, answer: Any, keys: Keys, table_set: str) -> IssuedTokens:  # noqa: ANN401
    """Take the tokens that were asked for out of an answer.

    Args:
        request: What was asked.
        answer: What came back.
        keys: What is known of the keys the service holds.
        table_set: Name of the STA tables.

    Raises:
        WrongAnswer: It is about something else.
    """
    match request:
        case DisplayRequest():
            return (_display(request, answer, table_set),)
        case KeyChangeRequest():
            return _set(request, answer, keys, table_set)
        case _:
            return (_timed(request, answer, keys, table_set),)


def verified(answer: Any) -> Verified:  # noqa: ANN401 - what the IDL says
    """Read what the service says of digits.

    Raises:
        HsmUnavailable: ``protocol``: it says something the interface does not name.
    """
    outcome = _VERDICTS.get(answer.validationResult)
    if outcome is None:
        raise HsmUnavailable("protocol", sent=True)
    if outcome == "not_of_this_meter":
        return Verified(outcome)
    if answer.meterTestToken is not None:
        shown = answer.meterTestToken
        return Verified(outcome, shown.tokenClass, shown.subclass, control=shown.control)
    token = answer.token
    if token is None:
        if outcome == "valid":
            raise HsmUnavailable("protocol", sent=True)
        return Verified(outcome)
    key_change = token.tokenClass == TokenClass.MANAGEMENT and token.subclass in (3, 4, 8, 9)
    return Verified(
        outcome,
        token.tokenClass,
        token.subclass,
        None if key_change else token.tid,
        None if key_change else _field_said(token),
    )


_VERDICTS: Final[dict[str, Literal["valid", "not_of_this_meter", "key_expired", "key_type"]]] = {
    "EVerify.Ok": "valid",
    "EVerify.Crc": "not_of_this_meter",
    "EVerify.DdtkCredit": "key_type",
    "EVerify.KeyExpired": "key_expired",
}  # fmt: skip


def module_name(text: str) -> str:
    """Take a module's own name out of what it calls itself.

    >>> module_name("SMID.1:Prism:TSM250-123:20200101T000000Z:0123456789ABCDEF:1A2B")
    'TSM250-123'
    >>> module_name("TSM <b>250</b>")
    'TSMb250b'
    """
    fields = text.split(":")
    name = fields[2] if text.startswith("SMID.") and len(fields) > 2 else text
    return _NOT_A_NAME.sub("", name)[:NAME_MAX]


def _timed(
    request: CreditRequest | EngineeringRequest,
    answer: list[Any],
    keys: Keys,
    table_set: str,
) -> IssuedToken:
    """Find the one token of a credit or a management token, and check it field by field."""
    credit = isinstance(request, CreditRequest)
    token_class = TokenClass.CREDIT if credit else TokenClass.MANAGEMENT
    token = _only(answer, token_class, request.subclass)
    _check_meter(token, request.meter, keys)
    _require("reserved", not token.isReservedTid)
    _require("newConfig", token.newConfig is None)
    _check_tid(token.tid, request.tid, request.meter)
    field = _amount(request, token.transferAmount)
    return _issued(token, request.meter, keys, table_set, tid=token.tid, amount=field)


def _amount(request: CreditRequest | EngineeringRequest, said: float) -> int:
    """Read the amount as the token carries it: what was asked, or the next step above it."""
    _require("amount", isfinite(said) and said == int(said))
    if isinstance(request, EngineeringRequest):
        _require("amount", said == said_value(request))
        return request.value
    asked = request.amount_field
    nexts = [field for field in (asked, asked + 1) if field < 1 << 16]
    _require("amount", int(said) in [decode_tenths(field) for field in nexts])
    return encode_tenths(int(said))


def _set(request: KeyChangeRequest, answer: list[Any], keys: Keys, table_set: str) -> IssuedTokens:
    """Find the whole set of a key change, in its order, and check what it claims."""
    change = request.change
    allowed = KCT_SETS[identifiers.ea.validate(change.meter.ea)]
    if not change.three_tokens:
        allowed = tuple(kinds for kinds in allowed if kinds != (3, 4, 8))
    found = tuple(sorted(t.subclass for t in answer if t.tokenClass == TokenClass.MANAGEMENT))
    _require("tokens", len(answer) == len(found) and found in allowed)
    tokens = [_only(answer, TokenClass.MANAGEMENT, kind) for kind in found]
    for token in tokens:
        _check_meter(token, change.meter, keys)
    advice = [token.newConfig for token in answer if token.newConfig is not None]
    _require("newConfig", len(advice) == 1)
    new, to = change.new, advice[0]
    said = (to.toSgc, to.toKrn, to.toTi, to.toKen)
    _require("newConfig", said == (int(new.key.sgc), new.key.krn, int(new.ti), new.ken))
    _require("rollover", to.rollover == (change.meter.base_date is not new.base_date))
    _check_kcv(to.toVkKcv, new.key, keys)
    return tuple(_issued(token, change.meter, keys, table_set) for token in tokens)


def _display(request: DisplayRequest, answer: Any, table_set: str) -> IssuedToken:  # noqa: ANN401
    """A class 1 token is not encrypted: its digits themselves are read."""
    digits = _digits(answer)
    try:
        says = decode(digits)
    except StsError:
        says = None
    _require("digits", says == making.token_of(request))
    return IssuedToken(
        digits, int(TokenClass.TEST), request.subclass, None, None, "", "", table_set, demo=False
    )


def _only(answer: list[Any], token_class: int, subclass: int) -> Any:  # noqa: ANN401
    found = [t for t in answer if (t.tokenClass, t.subclass) == (token_class, subclass)]
    _require("tokens", len(found) == 1)
    return found[0]


def _check_meter(token: Any, meter: MeterConfig, keys: Keys) -> None:  # noqa: ANN401
    pan = meter.meter_pan
    _require("pan", token.pan == pan)
    _require("drn", token.drn in (pan, identifiers.meter_pan.drn_of(pan)))
    said = (token.ea, token.tct, token.sgc, token.krn, token.ti)
    asked = (meter.ea, meter.tct, int(meter.key.sgc), meter.key.krn, int(meter.ti))
    for field, one, other in zip(("ea", "tct", "sgc", "krn", "ti"), said, asked, strict=True):
        _require(field, one == other)
    _check_kcv(token.vkKcv, meter.key, keys)


def _check_kcv(said: str, ref: KeyRef, keys: Keys) -> None:
    """The check value tells whether the service means the same key as we do."""
    _require("kcv", ref in keys and said.upper() == keys[ref].kcv.upper())


def _check_tid(said: int, asked: int, meter: MeterConfig) -> None:
    """Take another TID, but none that no meter would take, or that counts from elsewhere."""
    _require("tid", 0 <= said <= tid.TID_MAX and not tid.is_reserved(said))
    _require("tid", tid.key_usable(said, meter.ken))
    moment = tid.tid_to_datetime(asked, meter.base_date)
    for other in BaseDate:
        if other is not meter.base_date:
            minutes = int((moment - other.moment).total_seconds()) // 60
            _require("base date", abs(said - minutes) > tid.MINUTES_PER_DAY)


def _digits(token: Any) -> str:  # noqa: ANN401
    """Read the digits, which must be the same written in both ways, and of the class said."""
    decimal, hexadecimal = token.tokenDec, token.tokenHex
    _require("digits", _DIGITS.fullmatch(decimal) and _HEX.fullmatch(hexadecimal))
    _require("digits", int(decimal) == int(hexadecimal, 16))
    try:
        _, token_class = split_class(from_digits(decimal))
    except StsError:
        token_class = None
    _require("digits", token_class == token.tokenClass)
    return str(decimal)


def _issued(
    token: Any,  # noqa: ANN401
    meter: MeterConfig,
    keys: Keys,
    table_set: str,
    *,
    tid: int | None = None,
    amount: int | None = None,
) -> IssuedToken:
    return IssuedToken(
        digits=_digits(token),
        token_class=token.tokenClass,
        subclass=token.subclass,
        tid=tid,
        amount_field=amount,
        kcv=keys[meter.key].kcv,
        module_id=module_name(token.idSm),
        table_set=table_set,
        demo=keys[meter.key].demo,
    )


def _field_said(token: Any) -> int | None:  # noqa: ANN401
    """Tell the amount as a token carries it; None where the scale is not known."""
    said = token.transferAmount
    if not isfinite(said) or said != int(said):
        return None
    coded: Callable[[int], int] = encode_tenths
    if token.tokenClass == TokenClass.CREDIT:
        known = token.subclass in making.UNITS
    else:
        known = True
        coded = encode_tenths if token.subclass in (0, 6) else int
    try:
        return coded(int(said)) if known else None
    except StsError:
        return None


def _require(field: str, holds: object) -> None:
    if not holds:
        raise WrongAnswer(field)

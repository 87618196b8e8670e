"""What a token says, in lines for people who know the standard's words.

>>> token = CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256)
>>> for name, value in describe(token, BaseDate.Y1993):
...     print(f"{name:<10}{value}")
class     0 credit
sub-class 0 electricity
RND       11
TID       1698595, 1996-03-25 13:55 UTC
amount    25.6 kWh (field 0100h)
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Final

from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keychange import FirstSection, MiddleSection, SecondSection, SupplyGroupSection
from vmsapp.sts.mse import (
    INDEX_DATA_BITS,
    POWER_LIMITS,
    Management,
    ManagementToken,
    ProprietaryToken,
    Register,
)
from vmsapp.sts.nmse import DisplayToken
from vmsapp.sts.tid import is_reserved, tid_to_datetime
from vmsapp.sts.token import Token

Lines = list[tuple[str, str]]

CLASSES: Final = {
    TokenClass.CREDIT: "credit",
    TokenClass.TEST: "test and display",
    TokenClass.MANAGEMENT: "management",
}


def describe(token: Token, base_date: BaseDate) -> Lines:
    """List a token's fields, each with its name; of a key nothing is shown.

    Args:
        token: As ``codec.decode`` gives it.
        base_date: What its TID counts from.
    """
    kind, lines = _fields(token)
    lines = [
        ("class", f"{token.token_class:d} {CLASSES[token.token_class]}"),
        ("sub-class", f"{token.subclass} {kind}"),
        *lines,
    ]
    if token.tid is not None:
        at = next((i for i, (name, _) in enumerate(lines) if name == "RND"), 1) + 1
        lines.insert(at, ("TID", _tid(token.tid, base_date)))
    return lines


def _tid(tid: int, base_date: BaseDate) -> str:
    reserved = ", the reserved 00:01" if is_reserved(tid) else ""
    return f"{tid}, {tid_to_datetime(tid, base_date):%Y-%m-%d %H:%M} UTC{reserved}"


@singledispatch
def _fields(token: object) -> tuple[str, Lines]:
    raise NotImplementedError(type(token).__name__)


@_fields.register
def _(token: CreditToken) -> tuple[str, Lines]:
    amount = f"{token.amount} {token.service.unit} (field {token.amount_field:04X}h)"
    return token.service.name.lower(), [("RND", str(token.rnd)), ("amount", amount)]


@_fields.register
def _(token: CurrencyToken) -> tuple[str, Lines]:
    amount = f"{token.amount:f} of the currency (field {token.amount_field:05X}h)"
    return f"{token.service.name.lower()} currency", [("amount", amount)]


@_fields.register
def _(token: DisplayToken) -> tuple[str, Lines]:
    lines = [("Control", f"{token.control:X}h"), ("MfrCode", str(token.manufacturer))]
    lines += [("test", f"{test:d} {test.title}") for test in token.tests]
    if token.read_index is not None:
        return "STS 202-5 read", [("Index", str(token.read_index)), *lines]
    return ("initiate meter test or display" if token.subclass <= 1 else "proprietary"), lines


@_fields.register
def _(token: ManagementToken) -> tuple[str, Lines]:
    kind = Management(token.subclass)
    show: Callable[[], str] = {
        Management.CLEAR_CREDIT: lambda: Register(token.value).name.lower().replace("_", " "),
        Management.EXTENDED: lambda: "Index {}, Data {}".format(
            *divmod(token.value, 1 << INDEX_DATA_BITS)
        ),
    }.get(kind, lambda: str(token.value))
    value = f"{token.watts} W" if kind in POWER_LIMITS else show()
    lines = [("RND", str(token.rnd)), ("value", f"{value} (field {token.value:04X}h)")]
    if kind is Management.CLEAR_TAMPER_CONDITION:
        lines.pop()  # its value is padding
    return kind.name.lower().replace("_", " "), lines


@_fields.register
def _(token: ProprietaryToken) -> tuple[str, Lines]:
    return "proprietary", [("data", f"{token.data:011X}h")]


@_fields.register
def _(token: FirstSection) -> tuple[str, Lines]:
    return "key change, 1st section", [
        ("KENHO", str(token.ken_high)),
        ("KRN", str(token.krn)),
        ("RO", f"{token.roll_over:d}" + (" roll-over: the base date changes" * token.roll_over)),
        ("3KCT", f"{token.three_tokens:d}"),
        ("KT", f"{token.kt:d} {token.kt.name}"),
        ("key", "not shown"),
    ]


@_fields.register
def _(token: SecondSection) -> tuple[str, Lines]:
    return "key change, 2nd section", [
        ("KENLO", str(token.ken_low)),
        ("TI", token.ti),
        ("key", "not shown"),
    ]


@_fields.register
def _(token: SupplyGroupSection) -> tuple[str, Lines]:
    return "key change, 3rd section", [("SGC", token.sgc)]


@_fields.register
def _(token: MiddleSection) -> tuple[str, Lines]:
    third = token.subclass == SupplyGroupSection.subclass
    name, ordinal = ("SGCLO", "3rd") if third else ("SGCHO", "4th")
    lines = [(name, f"{token.sgc_half:03X}h"), ("key", "not shown")]
    return f"key change, {ordinal} section", lines

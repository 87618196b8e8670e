"""From a request to a call: what the service is asked, and what it is never asked.

Amounts travel as floating-point numbers, but only whole ones below 2**25, which that format
holds exactly. Sub-classes 4 to 7, in money, are refused: what is public of the interface
contradicts itself about their scale, and a factor of 100,000 is not to be guessed.

The minute of the token is ours: ``EXTERNAL_CLOCK`` and the UTC second in which the request's
TID begins, so that a message sent twice makes no second TID. Key change tokens are never to be
thrown in unasked: the two fields that allow it are always sent, and always false.

Source: SALE.md 2 "Reserve stores every input", 7 "Reconcile and cancel".
"""

from dataclasses import dataclass
from typing import Any, Final

from vmsapp.hsm import making
from vmsapp.hsm.drivers.prism.frames import api
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeRequest,
    MeterConfig,
)
from vmsapp.sts.amount import MANTISSA_MAX, decode_tenths
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.mse import POWER_LIMITS, Management
from vmsapp.sts.tid import tid_to_datetime

EXTERNAL_CLOCK: Final = 1
I16_MAX: Final = 2**15 - 1

Issuing = CreditRequest | EngineeringRequest | DisplayRequest | KeyChangeRequest
"""What one message asks for."""


@dataclass(frozen=True, slots=True)
class Order:
    """A call: the method, and its arguments but the message's id and the sign-in."""

    method: str
    arguments: dict[str, Any]


def order(request: Issuing) -> Order:
    """Say a request in the service's words.

    Raises:
        ModuleRefused: ``parameters``: no token says that, or nobody knows how the service
            takes it.
    """
    match request:
        case DisplayRequest():
            making.token_of(request)
            if request.manufacturer > I16_MAX:
                raise ModuleRefused("parameters")
            return Order(
                "issueMeterTestToken",
                {
                    "subclass": request.subclass,
                    "control": request.control,
                    "mfrcode": request.manufacturer,
                },
            )
        case KeyChangeRequest():
            change = request.change
            return Order(
                "issueKeyChangeTokens",
                {
                    "meterConfig": meter_config(change.meter, three_tokens=change.three_tokens),
                    "newConfig": _amendment(change),
                },
            )
        case CreditRequest():
            if request.subclass not in making.UNITS:
                raise ModuleRefused("parameters")
            return _timed("issueCreditToken", request, decode_tenths(request.amount_field))
        case EngineeringRequest():
            return _timed("issueMseToken", request, said_value(request))


def said_value(request: EngineeringRequest) -> int:
    """Tell the number that says a management token's value to the service.

    A power limit is said in watts. Other values are said as they are, which is the same
    number whether or not the service codes it as an amount, up to 16383; above that only the
    register of a clear-credit token is known for certain not to be an amount.

    Raises:
        ModuleRefused: ``parameters``: another value above that.
    """
    if request.subclass in POWER_LIMITS:
        return decode_tenths(request.value)
    if request.value > MANTISSA_MAX and request.subclass != Management.CLEAR_CREDIT:
        raise ModuleRefused("parameters")
    return request.value


def meter_config(meter: MeterConfig, *, three_tokens: bool = False) -> Any:  # noqa: ANN401
    """Describe a meter with its present key; ``newConfig`` is never set."""
    return api.MeterConfigIn(
        drn=meter.meter_pan,
        ea=meter.ea,
        tct=meter.tct,
        sgc=int(meter.key.sgc),
        krn=meter.key.krn,
        ti=int(meter.ti),
        newConfig=None,
        allowKrnUpdate=False,
        ken=meter.ken,
        doe="0000",
        allow3Kct=three_tokens,
        allowKenUpdate=False,
    )


def token_time(tid: int, base_date: BaseDate) -> int:
    """Tell the UTC second in which a TID's minute begins.

    >>> token_time(0, BaseDate.Y2014)
    1388534400
    """
    return int(tid_to_datetime(tid, base_date).timestamp())


def _timed(method: str, request: CreditRequest | EngineeringRequest, amount: int) -> Order:
    making.token_of(request)
    exact = float(amount)
    assert int(exact) == amount, "every amount a token carries is a whole number below 2**25"
    return Order(
        method,
        {
            "meterConfig": meter_config(request.meter),
            "subclass": request.subclass,
            "transferAmount": exact,
            "tokenTime": token_time(request.tid, request.meter.base_date),
            "flags": EXTERNAL_CLOCK,
        },
    )


def _amendment(change: KeyChange) -> Any:  # noqa: ANN401
    new = change.new
    return api.MeterConfigAmendment(toSgc=int(new.key.sgc), toKrn=new.key.krn, toTi=int(new.ti))

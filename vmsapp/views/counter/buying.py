"""What was typed at the counter, read as a purchase."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from vmsapp.errors import InvalidInput, VmsError
from vmsapp.models import Setup
from vmsapp.services.meter_search import is_meter_number
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import MAX_UNITS
from vmsapp.services.vending import Purchase
from vmsapp.services.vending.errors import (
    LooksLikeMeterNumber,
    NumberUnreadable,
    ReceivedTooLittle,
)
from vmsapp.tariffs.errors import AboveTokenLimit, InvalidTender
from vmsapp.views.counter.typed import Typed
from vmsapp.views.numbers import ascii_digits, number_typed, read_number

METER_DIGITS: Final = frozenset({11, 13})
"""How long a meter number is; nobody pays so much."""

MAX_TENDER_MINOR: Final = 10**15
"""More than any token costs in any currency, in minor units; every column holds it."""


def purchase_of(meter_id: int, typed: Typed, settings: Setup) -> Purchase:
    """Read what was typed.

    Raises:
        NumberUnreadable: It is not a number, or finer than the smallest coin.
        LooksLikeMeterNumber: It was scanned into the wrong field.
        InvalidTender, AboveTokenLimit: No money, or far more than a token costs.
    """
    received = _money(typed.received, settings) if typed.received.strip() else None
    if typed.mode == "amount":
        tender = _money(typed.value, settings)
        return Purchase(meter_id, "amount", tender_minor=tender, received_minor=received)
    _refuse_meter_number(typed.value)
    number = read_number(typed.value)
    if number > MAX_UNITS:
        raise AboveTokenLimit(largest=MAX_UNITS)
    return Purchase(meter_id, "quantity", units=number, received_minor=received)


def quick_amounts(settings: Setup) -> Sequence[str]:
    """The amounts offered at one press, as they are typed.

    What the currency's decimals do not hold any more is left out.
    """
    places = settings.exponent
    amounts = [Decimal(text) for text in settings.quick_amounts.split()]
    fitting = [one for one in amounts if one == one.quantize(Decimal(1).scaleb(-places))]
    return [number_typed(one) for one in fitting]


def wrong_in_received(error: VmsError | None, typed: Typed) -> bool:
    """Tell whether an error speaks of what was handed over, not of what is bought."""
    if isinstance(error, ReceivedTooLittle):
        return True
    text = error.params.get("number", error.params.get("text")) if error else None
    return text is not None and text == ascii_digits(typed.received).strip()


def field_beside(error: VmsError | None, typed: Typed) -> str | None:
    """Name the field that an error stands beside; none of what cannot be put right there."""
    if not isinstance(error, InvalidInput):
        return None
    return "received" if wrong_in_received(error, typed) else "value"


def _money(text: str, settings: Setup) -> int:
    """Read an amount in minor units."""
    _refuse_meter_number(text, METER_DIGITS)
    number = read_number(text)
    currency = currency_of(settings)
    minor = number.scaleb(currency.exponent)
    if minor != minor.to_integral_value():
        example = str(currency.decimal(currency.minor_per_unit * 20))
        raise NumberUnreadable(text=text, example=example)
    if minor <= 0:
        raise InvalidTender
    if minor > MAX_TENDER_MINOR:
        raise AboveTokenLimit(largest=MAX_UNITS)
    return int(minor)


def _refuse_meter_number(text: str, lengths: frozenset[int] = frozenset()) -> None:
    """Refuse a meter number, and what is as long as one and mistyped."""
    number = ascii_digits(text).strip()
    if is_meter_number(number) or (number.isdecimal() and len(number) in lengths):
        raise LooksLikeMeterNumber(number=number)

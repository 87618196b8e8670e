"""What a purchase costs at this moment: the price the counter shows."""

from decimal import Decimal
from typing import Final

from vmsapp.api.asking import session, utility
from vmsapp.api.errors import DoesNotFit
from vmsapp.api.operations import Asked, Operation, Reply
from vmsapp.api.schemas import (
    UNIT_OF,
    ByAmount,
    FieldFault,
    Money,
    QuoteTold,
    QuoteWanted,
    Units,
    plain,
)
from vmsapp.api.v1.lines import lines_told
from vmsapp.clock import now_utc
from vmsapp.models import BearerScope, Meter, Setup
from vmsapp.security import COUNTER
from vmsapp.services import meters, vending
from vmsapp.services.meter_search import whole_number
from vmsapp.services.setup import installation
from vmsapp.services.tariffs import MAX_UNITS
from vmsapp.services.vending import Purchase
from vmsapp.tariffs.errors import AboveTokenLimit, InvalidTender


def make_quote(asked: Asked) -> Reply:
    """Price a purchase; nothing is written, and the sale prices it again."""
    return Reply(quote(asked.body))


def quote(wanted: QuoteWanted) -> QuoteTold:
    """Price what a program wants.

    Raises:
        VmsError: There is no such meter, or nothing can be sold to it.
    """
    settings = utility()
    found = whole_number(session(), wanted.meter_number)
    purchase = purchase_of(found.meter, wanted, settings)
    meter, point = meters.meter_to_sell_to(session(), found.meter.id)
    priced = vending.quote(session(), meter, point, purchase, now_utc(), setup=settings)
    currency = priced.currency

    def money(minor: int) -> Money:
        return Money(minor=minor, currency=currency.code, exponent=currency.exponent)

    on_token = priced.on_token
    return QuoteTold(
        meter_number=meter.drn,
        charged=money(priced.charged_minor),
        units=None
        if priced.in_money
        else Units(value=plain(on_token.sold), unit=UNIT_OF[meter.meter_type]),
        credit=None if on_token.credit_minor is None else money(on_token.credit_minor),
        lines=lines_told([line.as_dict() for line in priced.quote.lines], money),
        figures=priced.quote.figures(),
        epoch=installation(session()).epoch,
    )


def purchase_of(meter: Meter, wanted: QuoteWanted, settings: Setup) -> Purchase:
    """Read what is wanted, in the utility's currency and the meter's unit.

    Raises:
        DoesNotFit: In another currency, with other decimals, or in another unit.
        InvalidTender, AboveTokenLimit: No money, or far more than a token carries.
    """
    purchase = wanted.purchase
    if isinstance(purchase, ByAmount):
        amount = purchase.amount
        if (amount.currency, amount.exponent) != (settings.currency, settings.exponent):
            raise DoesNotFit(_unlike("/purchase/amount", "currency"))
        if amount.minor <= 0:
            raise InvalidTender
        return Purchase(meter.id, "amount", tender_minor=amount.minor)
    if purchase.units.unit != UNIT_OF[meter.meter_type]:
        raise DoesNotFit(_unlike("/purchase/units", "unit"))
    units = Decimal(purchase.units.value)
    if units > MAX_UNITS:
        raise AboveTokenLimit(largest=MAX_UNITS)
    return Purchase(meter.id, "quantity", units=units)


def _unlike(pointer: str, what: str) -> FieldFault:
    return FieldFault(at="body", pointer=pointer, code=f"other_{what}")


MAKE_QUOTE: Final = Operation(
    name="makeQuote",
    method="POST",
    address="/quotes",
    summary="Ask what a purchase costs now. Nothing is written.",
    door=make_quote,
    answers={200: QuoteTold},
    scope=BearerScope.QUOTES_READ,
    needs=frozenset({("can_sell", COUNTER)}),
    body=QuoteWanted,
    conflicts=(404, 409),
)

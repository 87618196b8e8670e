"""What a credit token carries: units, or money for a meter that rates itself.

==== ==== ============ =====================================
sub-class service      the amount is in
==== ==== ============ =====================================
0    4    electricity  0.1 kWh, or 10⁻⁵ of the currency's unit
1    5    water        0.1 m³, or the same
2    6    gas          0.1 m³, or the same
3    7    time         0.1 min, or the same
==== ==== ============ =====================================

The amount of a token in money has 20 bits, of which the upper 4 travel in the place of RND: a
sale stores them there, and the lower 16 as its amount field, as they stand in the token.

Source: IEC 62055-41:2018, "Class 0: Transfer credit"; SALE.md 13 "What a token carries".
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from vmsapp.models import MeterType
from vmsapp.money import Currency
from vmsapp.sts.amount import decode_units, encode_units
from vmsapp.sts.credit import CURRENCY
from vmsapp.sts.currency import decode_currency, encode_currency
from vmsapp.sts.fields import AMOUNT_BITS
from vmsapp.tariffs.credit import CreditQuote
from vmsapp.tariffs.engine import Quote

SUBCLASS: Final = {
    MeterType.ELECTRICITY: 0,
    MeterType.WATER: 1,
    MeterType.GAS: 2,
    MeterType.TIME: 3,
}
"""Sub-class of the credit token, in units, by meter type."""

FINEST: Final = Decimal("0.001")
"""What a sale's columns of units tell apart."""


@dataclass(frozen=True, slots=True)
class OnToken:
    """The amount of a token, as it is coded and as it is read.

    Attributes:
        subclass: 0 to 3 in units, 4 to 7 in money.
        high: The upper 4 bits of an amount of money; 0 in units.
        low: The 16 bits of the amount field.
        sold: In the sub-class's unit, in money no finer than a thousandth.
        carried: What the meter will add, never less than was sold; written the same way.
        credit_minor: The money sold, minor units; ``None`` in units.
        carried_minor: The money the meter will add, whole minor units; ``None`` in units.
    """

    subclass: int
    high: int
    low: int
    sold: Decimal
    carried: Decimal
    credit_minor: int | None = None
    carried_minor: int | None = None


def on_token(meter_type: str, quote: Quote | CreditQuote, currency: Currency) -> OnToken:
    """Code what a quote sells."""
    service = SUBCLASS[MeterType(meter_type)]
    if isinstance(quote, Quote):
        field = encode_units(quote.units)
        return OnToken(service, 0, field, quote.units, decode_units(field))
    credit = currency.decimal(quote.credit_minor)
    field = encode_currency(credit)
    return OnToken(
        subclass=CURRENCY + service,
        high=field >> AMOUNT_BITS,
        low=field & (1 << AMOUNT_BITS) - 1,
        sold=_storable(credit),
        carried=_storable(decode_currency(field)),
        credit_minor=quote.credit_minor,
        carried_minor=carried_minor(quote),
    )


def carried_minor(quote: CreditQuote) -> int:
    """Tell the whole minor units a meter will add."""
    currency = quote.terms.currency
    return minor_in(encode_currency(currency.decimal(quote.credit_minor)), currency.exponent)


def minor_in(field: int, exponent: int) -> int:
    """Tell the whole minor units in a coded amount of money.

    >>> minor_in(0x060AA, 2)
    100
    """
    return int(decode_currency(field).scaleb(exponent).to_integral_value(ROUND_FLOOR))


def _storable(money: Decimal) -> Decimal:
    return max(money.quantize(FINEST, ROUND_FLOOR), FINEST)

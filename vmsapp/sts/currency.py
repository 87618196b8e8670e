"""TransferAmount of currency tokens: a signed amount of money in 20 bits.

The same number format as ``amount``, with a sign and an exponent of 5 bits:

==== ===== ==================================================================
bits field meaning
==== ===== ==================================================================
1    s     sign: 1 takes away
5    e     exponent, 0 to 31
14   m     mantissa
==== ===== ==================================================================

The upper four bits travel where other tokens have their RND, the lower sixteen in the amount
field. The magnitude is ``10**e * m + offset(e)`` in steps of 10⁻⁵ of the currency's unit;
which currency it is the token does not say. Rounding is towards +infinity: more is given,
less is taken.

Source: IEC 62055-41:2018, "Amount: TransferAmount" and "S&E: SignAndExponent" of the currency
tokens.

>>> f"{encode_currency(Decimal(1)):05X}", f"{encode_currency(Decimal(-1)):05X}"
('060AA', '860A9')
>>> decode_currency(0x060AA), decode_currency(0x860A9)
(Decimal('1.00004'), Decimal('-0.99994'))
"""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from vmsapp.sts.amount import MANTISSA_BITS, MANTISSA_MAX, exact_amount, offset, step
from vmsapp.sts.errors import AmountTooLarge, InexactAmount
from vmsapp.sts.fields import no_number, require_bits

EXPONENT_BITS: Final = 5
EXPONENT_MAX: Final = (1 << EXPONENT_BITS) - 1
CURRENCY_BITS: Final = 1 + EXPONENT_BITS + MANTISSA_BITS
SIGN: Final = 1 << CURRENCY_BITS - 1

DECIMALS: Final = 5
MAX_FINE: Final = step(EXPONENT_MAX) * MANTISSA_MAX + offset(EXPONENT_MAX)
"""Largest amount either way, in 10⁻⁵ of the unit."""

_FINEST: Final = Decimal(1).scaleb(-DECIMALS)
_EXACT: Final = Context(prec=60)
_MAX_CURRENCY: Final = Decimal(MAX_FINE).scaleb(-DECIMALS, context=_EXACT)


def encode_fine(amount: int) -> int:
    """Write an amount as the 20-bit field, rounded to the next value towards +infinity.

    Args:
        amount: In 10⁻⁵ of the currency's unit, ``-MAX_FINE`` to ``MAX_FINE``.

    Raises:
        InexactAmount: Not a whole number.
        AmountTooLarge: Outside that range.
    """
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise InexactAmount("amount in 1e-5", no_number(amount), "is not a whole number")
    magnitude = abs(amount)
    if magnitude > MAX_FINE:
        raise AmountTooLarge("amount in 1e-5", amount, f"is beyond {MAX_FINE}")
    exponent = 0
    while exponent < EXPONENT_MAX and offset(exponent + 1) <= magnitude:
        exponent += 1
    steps, rest = divmod(magnitude - offset(exponent), step(exponent))
    if amount < 0:
        return SIGN | exponent << MANTISSA_BITS | steps
    # A step past the last mantissa is the first value of the next exponent: adding carries over.
    return (exponent << MANTISSA_BITS | steps) + (rest > 0)


def decode_fine(field: int) -> int:
    """Read the 20-bit field: the amount in 10⁻⁵ of the currency's unit.

    Raises:
        FieldRangeError: ``field`` does not fit 20 bits.
    """
    require_bits("currency amount field", field, CURRENCY_BITS)
    exponent = field >> MANTISSA_BITS & EXPONENT_MAX
    magnitude = step(exponent) * (field & MANTISSA_MAX) + offset(exponent)
    return -magnitude if field & SIGN else magnitude


def encode_currency(amount: Decimal | int) -> int:
    """Write an amount in the currency's unit as the 20-bit field, rounded towards +infinity.

    Raises:
        InexactAmount: A float, or no number at all.
        NotANumber: Infinite or not a number.
        AmountTooLarge: Beyond about 1.8e30 either way.
    """
    exact = exact_amount("amount of currency", amount)
    if exact.copy_abs() > _MAX_CURRENCY:
        raise AmountTooLarge("amount of currency", str(exact), f"is beyond {_MAX_CURRENCY}")
    fine = exact.quantize(_FINEST, rounding=ROUND_CEILING, context=_EXACT)
    return encode_fine(int(fine.scaleb(DECIMALS, context=_EXACT)))


def decode_currency(field: int) -> Decimal:
    """Read the 20-bit field in the currency's unit, exact, with five decimals.

    Raises:
        FieldRangeError: ``field`` does not fit 20 bits.
    """
    return Decimal(decode_fine(field)).scaleb(-DECIMALS, context=_EXACT)

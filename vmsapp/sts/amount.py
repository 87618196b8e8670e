"""TransferAmount: a quantity in 16 bits, as a decimal floating-point number.

==== ======= =============================================
bits field   meaning
==== ======= =============================================
2    e       exponent
14   m       mantissa
==== ======= =============================================

The value is ``10**e * m + offset(e)``, in tenths of a unit for credit (0.1 kWh, 0.1 m³,
0.1 min) and in watts for power limits; each exponent's range begins where the one below ends:

= ======= ================= =====
e offset  range             step
= ======= ================= =====
0 0       0..16383          1
1 16384   16384..180214     10
2 180224  180224..1818524   100
3 1818624 1818624..18201624 1000
= ======= ================= =====

What does not fall on a step is rounded up, in the customer's favour, which may reach into the
next exponent.

Source: IEC 62055-41:2018, "Amount: TransferAmount".

>>> encode_units(Decimal("25.6"))
256
>>> decode_units(encode_units(Decimal("1638.5")))
Decimal('1639.4')
"""

from decimal import ROUND_CEILING, Context, Decimal
from typing import Final

from vmsapp.sts.errors import (
    AmountTooLarge,
    InexactAmount,
    NegativeAmount,
    NotANumber,
)
from vmsapp.sts.fields import AMOUNT_BITS, no_number, require_bits

MANTISSA_BITS: Final = 14
MANTISSA_MAX: Final = (1 << MANTISSA_BITS) - 1


def step(exponent: int) -> int:
    """Tell the distance of neighbouring values of an exponent.

    >>> step(3)
    1000
    """
    return int(10**exponent)


def offset(exponent: int) -> int:
    """Tell the lowest value of an exponent: all the steps of the exponents below it.

    >>> [offset(e) for e in range(4)]
    [0, 16384, 180224, 1818624]
    """
    return (1 << MANTISSA_BITS) * (step(exponent) // 9)


EXPONENTS: Final = range(4)
OFFSETS: Final = tuple(map(offset, EXPONENTS))
STEPS: Final = tuple(map(step, EXPONENTS))

MAX_TENTHS: Final = STEPS[-1] * MANTISSA_MAX + OFFSETS[-1]
"""Largest amount a token can carry, in tenths of a unit: 18 201 624."""

_TENTH: Final = Decimal("0.1")
_MAX_UNITS: Final = Decimal(MAX_TENTHS).scaleb(-1)
_EXACT: Final = Context(prec=28)  # the caller's own context may be narrower


def encode_tenths(tenths: int, field: str = "amount in tenths") -> int:
    """Write a value as the 16-bit field, rounded up to the next step.

    Args:
        tenths: Tenths of a unit, or watts, 0 to ``MAX_TENTHS``.
        field: What an error calls it.

    Raises:
        InexactAmount: Not a whole number.
        NegativeAmount, AmountTooLarge: Outside the range.

    >>> f"{encode_tenths(180_223):04X}"
    '8000'
    """
    if not isinstance(tenths, int) or isinstance(tenths, bool):
        raise InexactAmount(field, no_number(tenths), "is not a whole number")
    if tenths < 0:
        raise NegativeAmount(field, tenths, "is below zero")
    if tenths > MAX_TENTHS:
        raise AmountTooLarge(field, tenths, f"is above {MAX_TENTHS}")
    exponent = 0
    while (mantissa := _mantissa(tenths, exponent)) > MANTISSA_MAX:
        exponent += 1
    return exponent << MANTISSA_BITS | mantissa


def decode_tenths(field: int) -> int:
    """Read the 16-bit field: what the meter credits, in tenths of a unit, or watts.

    Raises:
        FieldRangeError: ``field`` does not fit 16 bits.

    >>> decode_tenths(0xFFFF) == MAX_TENTHS
    True
    """
    require_bits("amount field", field, AMOUNT_BITS)
    exponent = field >> MANTISSA_BITS
    return STEPS[exponent] * (field & MANTISSA_MAX) + OFFSETS[exponent]


def encode_units(units: Decimal | int) -> int:
    """Write a quantity in whole units as the 16-bit field, rounded up to a tenth first.

    Args:
        units: Exact quantity in kWh, m³ or min, 0 to 1 820 162.4.

    Raises:
        InexactAmount: A float, or no number at all.
        NotANumber: Infinite or not a number.
        NegativeAmount, AmountTooLarge: Outside the range.
    """
    exact = exact_amount("amount in units", units)
    if exact < 0:
        raise NegativeAmount("amount in units", str(exact), "is below zero")
    if exact > _MAX_UNITS:
        raise AmountTooLarge("amount in units", str(exact), f"is above {_MAX_UNITS}")
    tenths = exact.quantize(_TENTH, rounding=ROUND_CEILING, context=_EXACT)
    return encode_tenths(int(tenths.scaleb(1, context=_EXACT)))


def decode_units(field: int) -> Decimal:
    """Read the 16-bit field in whole units, exact, with one decimal.

    Raises:
        FieldRangeError: ``field`` does not fit 16 bits.
    """
    return Decimal(decode_tenths(field)).scaleb(-1, context=_EXACT)


def exact_amount(field: str, amount: Decimal | int) -> Decimal:
    """Hand back an amount as an exact, finite decimal.

    Raises:
        InexactAmount: A float, or no number at all.
        NotANumber: Infinite or not a number.
    """
    if not isinstance(amount, Decimal | int) or isinstance(amount, bool):
        raise InexactAmount(field, no_number(amount), "is neither a Decimal nor a whole number")
    exact = Decimal(amount)
    if not exact.is_finite():
        raise NotANumber(field, str(exact), "is not a finite number")
    return exact


def _mantissa(tenths: int, exponent: int) -> int:
    """Steps from the exponent's offset up to ``tenths``, rounded up.

    Between the last value of one exponent and the offset of the next lies less than a step, so
    the first exponent whose mantissa is not too large never makes it negative.
    """
    return -((OFFSETS[exponent] - tenths) // STEPS[exponent])

"""TransferAmount: a quantity in 16 bits, as a decimal floating-point number.

==== ======= =============================================
bits field   meaning
==== ======= =============================================
2    e       exponent
14   m       mantissa
==== ======= =============================================

The value in tenths of a unit (0.1 kWh, 0.1 m³, 0.1 min) is ``10**e * m + offset(e)``; each
exponent's range begins where the one below ends:

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

from vmsapp.sts.errors import FieldRangeError
from vmsapp.sts.fields import AMOUNT_BITS, require_bits, require_range

MANTISSA_BITS: Final = 14
MANTISSA_MAX: Final = (1 << MANTISSA_BITS) - 1
OFFSETS: Final = (0, 16_384, 180_224, 1_818_624)
"""Lowest value of each exponent, in tenths."""

STEPS: Final = (1, 10, 100, 1_000)
"""Distance of neighbouring values of each exponent, in tenths."""

MAX_TENTHS: Final = 18_201_624
"""Largest amount a token can carry, in tenths of a unit."""

_TENTH: Final = Decimal("0.1")
_MAX_UNITS: Final = Decimal(MAX_TENTHS).scaleb(-1)
_EXACT: Final = Context(prec=28)  # the caller's own context may be narrower


def encode_tenths(tenths: int) -> int:
    """Write a quantity as the 16-bit field, rounded up to the next step.

    Args:
        tenths: Tenths of a unit, 0 to ``MAX_TENTHS``.

    Raises:
        FieldRangeError: Outside that range.

    >>> f"{encode_tenths(180_223):04X}"
    '8000'
    """
    require_range("amount in tenths", tenths, 0, MAX_TENTHS)
    exponent = 0
    while (mantissa := _mantissa(tenths, exponent)) > MANTISSA_MAX:
        exponent += 1
    return exponent << MANTISSA_BITS | mantissa


def decode_tenths(field: int) -> int:
    """Read the 16-bit field: what the meter credits, in tenths of a unit.

    Raises:
        FieldRangeError: ``field`` does not fit 16 bits.

    >>> decode_tenths(0xFFFF) == MAX_TENTHS
    True
    """
    require_bits("amount field", field, AMOUNT_BITS)
    exponent = field >> MANTISSA_BITS
    return STEPS[exponent] * (field & MANTISSA_MAX) + OFFSETS[exponent]


def encode_units(units: Decimal) -> int:
    """Write a quantity in whole units as the 16-bit field, rounded up to a tenth first.

    Args:
        units: Exact quantity in kWh, m³ or min, 0 to 1 820 162.4.

    Raises:
        FieldRangeError: Outside that range or not a number.
    """
    if not units.is_finite() or not 0 <= units <= _MAX_UNITS:
        raise FieldRangeError("amount in units", str(units), f"is not 0 to {_MAX_UNITS}")
    tenths = units.quantize(_TENTH, rounding=ROUND_CEILING, context=_EXACT)
    return encode_tenths(int(tenths.scaleb(1, context=_EXACT)))


def decode_units(field: int) -> Decimal:
    """Read the 16-bit field in whole units, exact, with one decimal.

    Raises:
        FieldRangeError: ``field`` does not fit 16 bits.
    """
    return Decimal(decode_tenths(field)).scaleb(-1, context=_EXACT)


def _mantissa(tenths: int, exponent: int) -> int:
    """Steps from the exponent's offset up to ``tenths``, rounded up.

    Between the last value of one exponent and the offset of the next lies less than a step, so
    the first exponent whose mantissa is not too large never makes it negative.
    """
    return -((OFFSETS[exponent] - tenths) // STEPS[exponent])

"""Money: integers in a currency's minor unit, and the ways of rounding to it.

An amount is a whole number of minor units (cents, fils); the currency's exponent
says how many make one. Prices and rates are exact decimals; only here, and by a named
direction, does an exact figure become money.

Source: ISO 4217 for codes and exponents.

>>> Currency("USD", 2).format(Money(4350, "USD"))
'43.50'
>>> Currency("TND", 3).parse("1.5")
Money(minor=1500, currency='TND')
"""

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Self

MAX_MINOR = 10**15
"""Largest amount taken anywhere, either sign: far above any sale, far below 63 bits."""

Exact = int | Decimal | Fraction
"""An exact number; floats are not."""


class MoneyFormatError(ValueError):
    """The text is not an amount of this currency."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of one currency in its minor unit."""

    minor: int
    currency: str

    def _same(self, other: Self) -> None:
        if self.currency != other.currency:
            msg = f"{self.currency} and {other.currency} do not add"
            raise ValueError(msg)

    def __add__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Self) -> "Money":
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency as the utility uses it.

    Attributes:
        code: ISO 4217 code, three capitals.
        exponent: Decimals of the minor unit, 0 to 4.
        coin_minor: Smallest payable coin in minor units, at least 1.
    """

    code: str
    exponent: int
    coin_minor: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.exponent <= 4:
            msg = f"exponent {self.exponent} is not between 0 and 4"
            raise ValueError(msg)
        if self.coin_minor < 1:
            msg = f"coin {self.coin_minor} is not at least one minor unit"
            raise ValueError(msg)

    @property
    def minor_per_unit(self) -> int:
        """Minor units that make one unit."""
        return int(10**self.exponent)

    def parse(self, text: str) -> Money:
        """Read an amount written with a decimal point.

        Raises:
            MoneyFormatError: Not a number, too many decimals, or beyond ``MAX_MINOR``.
        """
        try:
            amount = Decimal(text.strip())
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or amount.adjusted() > 15:
            msg = f"{text!r} is not an amount"
            raise MoneyFormatError(msg)
        # Compared as typed: arithmetic would round away what comes after its 28th digit.
        if amount != amount.quantize(Decimal(1).scaleb(-self.exponent)):
            msg = f"{text!r} has more than {self.exponent} decimals"
            raise MoneyFormatError(msg)
        minor = amount.scaleb(self.exponent)
        if abs(minor) > MAX_MINOR:
            msg = f"{text!r} is too large"
            raise MoneyFormatError(msg)
        return Money(int(minor), self.code)

    def decimal(self, minor: int) -> Decimal:
        """Write minor units as an exact decimal of the unit."""
        return Decimal(minor).scaleb(-self.exponent)

    def format(self, money: Money) -> str:
        """Write an amount plainly, for files and logs; pages use the reader's way."""
        return f"{self.decimal(money.minor):.{self.exponent}f}"


def round_half_up(exact: Exact) -> int:
    """Round to the nearest whole number, halves away from zero."""
    above, below = exact.as_integer_ratio()
    whole = (2 * abs(above) + below) // (2 * below)
    return whole if above >= 0 else -whole


def round_up(exact: Exact) -> int:
    """Round towards plus infinity."""
    return math.ceil(exact)


def round_down(exact: Exact) -> int:
    """Round towards minus infinity."""
    return math.floor(exact)

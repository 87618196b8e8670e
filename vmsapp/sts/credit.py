"""Class 0: tokens that give credit, in units or in money.

====== ==== ==========================================================
field  bits place in the 44 data bits
====== ==== ==========================================================
RND       4 43..40, random, so that equal sales differ; in currency
            tokens the sign and high exponent bits of the amount
TID      24 39..16, minutes since the base date
Amount   16 15..0, see ``amount``, of currency ``currency``
====== ==== ==========================================================

==== ==== ============ ================
sub-class service      the amount is in
==== ==== ============ ================
0    4    electricity  0.1 kWh, money
1    5    water        0.1 m³, money
2    6    gas          0.1 m³, money
3    7    time         0.1 min, money
==== ==== ============ ================

What a token carries may be more than was asked for: amounts are rounded to what the field can
hold. The token made is the answer to "how much", not the amount it was made of.

Source: IEC 62055-41:2018, "Class 0: Credit".

>>> token = CreditToken.of_units(Service.ELECTRICITY, Decimal("1638.35"), tid=5, rnd=11)
>>> token.amount
Decimal('1638.4')
>>> CurrencyToken.of_amount(Service.WATER, Decimal(-1), tid=5).amount
Decimal('-0.99994')
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import ClassVar, Final, Self

from vmsapp.sts.amount import decode_units, encode_units
from vmsapp.sts.currency import CURRENCY_BITS, decode_currency, encode_currency
from vmsapp.sts.errors import ZeroAmount
from vmsapp.sts.fields import (
    AMOUNT_BITS,
    RND_BITS,
    TID_BITS,
    TokenClass,
    require_bits,
    require_range,
    split_tid,
    with_tid,
)


class Service(IntEnum):
    """What a credit is for: the sub-class of a token in units."""

    ELECTRICITY = 0
    WATER = 1
    GAS = 2
    TIME = 3

    @property
    def unit(self) -> str:
        """The unit of an amount."""
        return ("kWh", "m³", "m³", "min")[self]


CURRENCY: Final = len(Service)
"""What is added to a service for the sub-class of a token in money."""

_LAST: Final = max(Service)


@dataclass(frozen=True, slots=True)
class CreditToken:
    """A credit in units, as the meter will read it.

    Attributes:
        subclass: 0 electricity, 1 water, 2 gas, 3 time.
        rnd: 4 random bits, 0 to 15.
        tid: Token identifier, 0 to 16 777 215.
        amount_field: The coded amount, 16 bits.

    Raises:
        FieldRangeError: A field is outside its range.
    """

    token_class: ClassVar = TokenClass.CREDIT

    subclass: int
    rnd: int
    tid: int
    amount_field: int

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, 0, _LAST)
        require_bits("RND", self.rnd, RND_BITS)
        require_bits("TID", self.tid, TID_BITS)
        require_bits("amount field", self.amount_field, AMOUNT_BITS)

    @classmethod
    def of_units(cls, service: Service, units: Decimal | int, *, tid: int, rnd: int) -> Self:
        """Give at least so many units, rounded up to what the field can hold.

        Args:
            service: What for.
            units: kWh, m³ or min, exact, above 0 and up to 1 820 162.4.
            tid: Token identifier.
            rnd: 4 random bits.

        Raises:
            InexactAmount, NotANumber, ZeroAmount, NegativeAmount, AmountTooLarge: No token can
                carry that amount.
            FieldRangeError: Another field is outside its range.
        """
        field = encode_units(units)
        if not field:
            raise ZeroAmount("amount in units", str(units), "is nothing to give")
        return cls(service, rnd, tid, field)

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(subclass, *split_tid(data))

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return with_tid(self.rnd, self.tid, self.amount_field)

    @property
    def service(self) -> Service:
        """What the credit is for."""
        return Service(self.subclass)

    @property
    def amount(self) -> Decimal:
        """What the meter gives, in whole units with one decimal."""
        return decode_units(self.amount_field)


@dataclass(frozen=True, slots=True)
class CurrencyToken:
    """A credit in money, for a meter that knows its own tariff; it may take money away.

    Attributes:
        subclass: 4 electricity, 5 water, 6 gas, 7 time.
        tid: Token identifier, 0 to 16 777 215.
        amount_field: The coded amount, 20 bits; the upper 4 travel in the place of RND.

    Raises:
        FieldRangeError: A field is outside its range.
    """

    token_class: ClassVar = TokenClass.CREDIT

    subclass: int
    tid: int
    amount_field: int

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, CURRENCY, CURRENCY + _LAST)
        require_bits("TID", self.tid, TID_BITS)
        require_bits("currency amount field", self.amount_field, CURRENCY_BITS)

    @classmethod
    def of_amount(cls, service: Service, amount: Decimal | int, *, tid: int) -> Self:
        """Give an amount of money, or take it if negative, rounded towards +infinity.

        Args:
            service: What for.
            amount: In the currency's unit, exact, not 0, up to about 1.8e30 either way.
            tid: Token identifier.

        Raises:
            InexactAmount, NotANumber, ZeroAmount, AmountTooLarge: No token can carry that.
            FieldRangeError: Another field is outside its range.
        """
        field = encode_currency(amount)
        if not decode_currency(field):
            raise ZeroAmount("amount of currency", str(amount), "is nothing to give")
        return cls(CURRENCY + service, tid, field)

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        high, tid, low = split_tid(data)
        return cls(subclass, tid, high << AMOUNT_BITS | low)

    @property
    def data(self) -> int:
        """The 44 data bits."""
        low = self.amount_field & (1 << AMOUNT_BITS) - 1
        return with_tid(self.amount_field >> AMOUNT_BITS, self.tid, low)

    @property
    def service(self) -> Service:
        """What the credit is for."""
        return Service(self.subclass - CURRENCY)

    @property
    def amount(self) -> Decimal:
        """What the meter gives or takes, in the currency's unit with five decimals."""
        return decode_currency(self.amount_field)

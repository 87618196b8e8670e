"""The price of one purchase, by quantity or by amount.

Money is taken in this order: fee arrears, oldest first; the current fee; the penalty;
energy with its taxes, step by step; rounding; change. Everything is pure: the same terms,
standing and wish give the same quote, today and years later.

>>> from datetime import date
>>> from vmsapp.money import Currency
>>> from vmsapp.tariffs.plan import Plan, Step
>>> plan = Plan("Home", (Step(Decimal(0), None, Decimal("0.1"), Decimal(5)),), None)
>>> terms = Terms(plan, Currency("USD", 2), Settlement.DOWN, max_units=Decimal("1638.3"))
>>> standing = Standing(Decimal(0), (), date(2024, 3, 5))
>>> quote_by_quantity(terms, standing, Decimal(60)).charged_minor
630
>>> quote = quote_by_amount(terms, standing, 1000)
>>> str(quote.units), quote.charged_minor, quote.change_minor
('95.2', 1000, 0)
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from vmsapp.money import Money, round_down, round_half_up, round_up
from vmsapp.tariffs.charges import charge_lines, payable_minor
from vmsapp.tariffs.errors import (
    AmountTooSmall,
    BelowSmallestPurchase,
    InvalidQuantity,
    InvalidTender,
)
from vmsapp.tariffs.inverse import units_for_all, units_that_fit
from vmsapp.tariffs.limits import tightest_limit
from vmsapp.tariffs.plan import GRID, Settlement, fits
from vmsapp.tariffs.quote import Line, LineKind, Quote
from vmsapp.tariffs.terms import Standing, Terms

__all__ = [
    "Line",
    "LineKind",
    "Quote",
    "Standing",
    "Terms",
    "quote_by_amount",
    "quote_by_quantity",
]

TO_COIN: Final[dict[Settlement, Callable[[Fraction], int]]] = {
    Settlement.DOWN: round_down,
    Settlement.UP: round_up,
    Settlement.NEAREST: round_half_up,
}


def quote_by_quantity(terms: Terms, standing: Standing, units: Decimal) -> Quote:
    """Price exactly these units; the amount is rounded to the smallest payable coin.

    Args:
        terms: What is sold under.
        standing: The service point's counters.
        units: More than 0, on the grid.

    Returns:
        A quote with no change; what the coin added or took off is a rounding line.

    Raises:
        InvalidQuantity: Not more than 0, or off the grid.
        BelowSmallestPurchase: Less than the plan sells at once.
        AboveLimit: One of its kinds, with the largest quantity possible.
    """
    if not fits(units, GRID) or units <= 0:
        raise InvalidQuantity(units=units)
    limit = tightest_limit(terms, standing)
    _check_smallest(terms, units)
    if units > limit.largest:
        raise limit.error(largest=limit.largest)
    exact_coins = Fraction(payable_minor(terms, standing, units), terms.currency.coin_minor)
    payable = TO_COIN[terms.settlement](exact_coins) * terms.currency.coin_minor
    return _quote(terms, standing, units, charged=payable, received=payable)


def quote_by_amount(terms: Terms, standing: Standing, tender_minor: int) -> Quote:
    """Find what this money buys.

    Down gives the largest quantity whose amount payable fits, the rest is change. Up and
    nearest take the tender whole and round the units; the difference is a rounding line.
    Where a limit or the next fine stops the units, the rest is change in all three.

    Args:
        terms: What is sold under.
        standing: The service point's counters.
        tender_minor: Minor units, more than 0.

    Raises:
        InvalidTender: Not more than 0.
        AmountTooSmall: Does not buy one grid step; names the smallest purchase's amount.
        BelowSmallestPurchase: Buys less than the plan sells at once.
        AboveLimit: One of its kinds: nothing can be bought now, whatever the money.
    """
    if tender_minor <= 0:
        raise InvalidTender
    limit = tightest_limit(terms, standing)
    units = units_that_fit(terms, standing, tender_minor, limit.largest)
    if not units:
        raise AmountTooSmall(minimum=_minimum(terms, standing))
    charged = payable_minor(terms, standing, units)
    if terms.settlement is not Settlement.DOWN:
        whole = units_for_all(terms, standing, tender_minor, limit.largest)
        if whole is not None:
            # Where a grid step costs less than money can tell, more may fit for the same.
            units, charged = max(units, whole), tender_minor
    _check_smallest(terms, units)
    return _quote(terms, standing, units, charged=charged, received=tender_minor)


def _check_smallest(terms: Terms, units: Decimal) -> None:
    smallest = terms.plan.smallest_units
    if smallest is not None and units < smallest:
        raise BelowSmallestPurchase(smallest=smallest)


def _minimum(terms: Terms, standing: Standing) -> Money:
    """Price the smallest purchase the plan allows."""
    units = terms.plan.smallest_units or GRID
    return Money(payable_minor(terms, standing, units), terms.currency.code)


def _quote(
    terms: Terms, standing: Standing, units: Decimal, *, charged: int, received: int
) -> Quote:
    """Put the lines together; what they miss to ``charged`` is rounding."""
    lines = charge_lines(terms, standing, units)
    rounding = charged - sum(line.amount_minor for line in lines)
    if rounding:
        lines = (*lines, Line(LineKind.ROUNDING, rounding))
    return Quote(
        units=units,
        lines=lines,
        received_minor=received,
        change_minor=received - charged,
        charged_minor=charged,
        bought_before=standing.bought,
        bought_after=standing.bought + units,
    )

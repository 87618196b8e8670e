"""The price of one purchase, by quantity or by amount.

Money is taken in this order: fee arrears, oldest first; the current fee; debts; the
penalty; energy with its taxes, step by step; levies; rounding; change. Everything is pure:
the same terms, standing and wish give the same quote, today and years later.

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

from decimal import Decimal

from vmsapp.money import Money
from vmsapp.tariffs.cost import Cost, all_the_money_buys, most_that_fit
from vmsapp.tariffs.errors import AmountTooSmall, InvalidQuantity, InvalidTender
from vmsapp.tariffs.figures import GRID, fits
from vmsapp.tariffs.limits import (
    check_money,
    check_smallest,
    smallest_tenths,
    tightest_limit,
)
from vmsapp.tariffs.need import Need
from vmsapp.tariffs.plan import Settlement
from vmsapp.tariffs.prices import tenths
from vmsapp.tariffs.quote import Line, LineKind, Quote
from vmsapp.tariffs.share import fees_by_amount, fees_by_quantity, least_fees
from vmsapp.tariffs.terms import Debt, FeeDue, Standing, Terms, Used

__all__ = [
    "Debt",
    "FeeDue",
    "Line",
    "LineKind",
    "Quote",
    "Standing",
    "Terms",
    "Used",
    "charged_by_quantity",
    "need_by_amount",
    "quote_by_amount",
    "quote_by_quantity",
]


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
        BelowSmallestPurchase, BelowSmallestAmount: Less than the plan sells at once.
        AboveLimit: One of its kinds, with the largest quantity possible.
        AboveMoneyLimit: One of its kinds, with what can still be spent.
    """
    quote = _by_quantity(terms, standing, units)
    check_money(terms, standing, quote.charged_minor)
    return quote


def charged_by_quantity(terms: Terms, standing: Standing, units: Decimal) -> int:
    """Tell what these units come to, minor units, where more may be paid with them.

    Raises:
        InvalidInput: As ``quote_by_quantity`` does, but for the limits of money: they are of all
            that is paid.
    """
    return _by_quantity(terms, standing, units).charged_minor


def _by_quantity(terms: Terms, standing: Standing, units: Decimal) -> Quote:
    if not fits(units, GRID) or units <= 0:
        raise InvalidQuantity(units=units)
    limit = tightest_limit(terms, standing)
    check_smallest(terms, units)
    if units > limit.largest:
        raise limit.error(largest=limit.largest)
    bought = tenths(units)
    fees = fees_by_quantity(terms, standing, bought)
    payable = Cost.of(terms, standing, fees).minor(bought)
    charged = terms.to_coin(payable)
    return Quote(
        terms, standing, units, fees,
        payable_minor=payable, charged_minor=charged, received_minor=charged,
    )  # fmt: skip


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
        BelowSmallestAmount: Less than is taken at once.
        AboveMoneyLimit: One of its kinds, with what can still be spent.
        AmountTooSmall: Does not pay what is due and the smallest purchase, whole in every
            settlement; names the least amount that does, were no more taken of debts.
        AboveLimit: One of its kinds: nothing can be bought now, whatever the money.
    """
    if tender_minor <= 0:
        raise InvalidTender
    check_money(terms, standing, tender_minor)
    limit = tightest_limit(terms, standing)
    smallest = smallest_tenths(terms.plan)

    def needed(fees: tuple[FeeDue, ...]) -> int:
        return Cost.of(terms, standing, fees).minor(smallest)

    fees = fees_by_amount(terms, standing, tender_minor, needed)
    cost = Cost.of(terms, standing, fees)
    bought = most_that_fit(cost, tender_minor, limit.tenths)
    if bought < smallest:
        raise AmountTooSmall(minimum=Money(cost.minor(smallest), terms.currency.code))
    taken_whole = False
    if terms.settlement is not Settlement.DOWN:
        whole = all_the_money_buys(cost, tender_minor, limit.tenths, terms.settlement)
        taken_whole = whole is not None
        # Where a grid step costs less than money can tell, more may fit for the same.
        bought = max(bought, whole or 0)
    payable = cost.minor(bought)
    return Quote(
        terms, standing, bought * GRID, fees,
        payable_minor=payable,
        charged_minor=tender_minor if taken_whole else payable,
        received_minor=tender_minor,
    )  # fmt: skip


def need_by_amount(terms: Terms, standing: Standing) -> Need:
    """Tell what a tender must hold beside debts, of which ``standing`` has none yet."""
    prices = terms.prices
    cost = Cost.of(terms, standing, least_fees(terms, standing))
    parts = cost.parts(smallest_tenths(terms.plan))
    # Half-up: what comes to less than half a minor unit more than the tender is paid by it.
    return Need(2 * parts - prices.scale + 1, 2 * prices.debt, 2 * prices.scale)

"""How much can be bought, and the rule that says so."""

from decimal import ROUND_FLOOR, Decimal
from typing import Final, NamedTuple

from vmsapp.money import Money
from vmsapp.tariffs import errors
from vmsapp.tariffs.cost import counted_before
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.plan import Most, Plan, Span
from vmsapp.tariffs.prices import tenths
from vmsapp.tariffs.terms import Standing, Terms, Used

UNITS_ERRORS: Final = {
    Span.SALE: errors.AboveLargestPurchase,
    Span.DAY: errors.AboveDaysUnits,
    Span.MONTH: errors.AboveMonthsUnits,
}
MONEY_ERRORS: Final = {
    Span.SALE: errors.AboveLargestAmount,
    Span.DAY: errors.AboveDaysMoney,
    Span.MONTH: errors.AboveMonthsMoney,
}
NOTHING: Final = Used(Decimal(0), 0)


class Limit(NamedTuple):
    """The most that can be bought, in units, and how passing it is named."""

    largest: Decimal
    error: type[errors.AboveLimit]

    @property
    def tenths(self) -> int:
        """The most in tenths."""
        return tenths(self.largest)


def tightest_limit(terms: Terms, standing: Standing) -> Limit:
    """Find the limit of units that is reached first.

    Past a closed last penalty band no fine is written, so nothing is sold there.

    Returns:
        The limit, its quantity on the grid and not below the smallest purchase.

    Raises:
        AboveLimit: One of its kinds: not even the smallest purchase is possible.
    """
    plan = terms.plan
    rooms = [Limit(terms.max_units, errors.AboveTokenLimit)]
    if (end := plan.steps[-1].end) is not None:
        counted = counted_before(plan, standing) * GRID
        rooms.append(Limit(end - counted, errors.AboveLastStep))
    if plan.penalties and (high := plan.penalties[-1].high) is not None:
        rooms.append(Limit(high, errors.AboveLargestPurchase))
    rooms += [
        Limit(most.units - _used(most, standing).units, UNITS_ERRORS[most.span])
        for most in plan.limits.most
        if most.units is not None
    ]
    room, error = min(rooms, key=lambda limit: limit.largest)
    largest = max(room.quantize(GRID, ROUND_FLOOR), Decimal(0))
    if tenths(largest) < smallest_tenths(plan):
        raise error(largest=Decimal(0))
    return Limit(largest, error)


def smallest_tenths(plan: Plan) -> int:
    """Give the least a plan sells at once, in tenths: one where it does not say."""
    return tenths(plan.limits.smallest_units or GRID)


def check_smallest(terms: Terms, units: Decimal) -> None:
    """Refuse fewer units than are sold at once.

    Raises:
        BelowSmallestPurchase: With the least.
    """
    smallest = terms.plan.limits.smallest_units
    if smallest is not None and units < smallest:
        raise errors.BelowSmallestPurchase(smallest=smallest)


def check_money(terms: Terms, standing: Standing, minor: int) -> None:
    """Refuse less or more money than is taken at once, in a day or in a month.

    Args:
        terms: With the limits.
        standing: With what counts against them.
        minor: Money handed over.

    Raises:
        BelowSmallestAmount: With the least.
        AboveMoneyLimit: One of its kinds, with what can still be spent.
    """
    limits, code = terms.plan.limits, terms.currency.code
    if limits.smallest_minor is not None and minor < limits.smallest_minor:
        raise errors.BelowSmallestAmount(smallest=Money(limits.smallest_minor, code))
    for most in limits.most:
        if most.minor is None:
            continue
        room = max(most.minor - _used(most, standing).minor, 0)
        if minor > room:
            raise MONEY_ERRORS[most.span](largest=Money(room, code))


def _used(most: Most, standing: Standing) -> Used:
    """What a span already counts; a purchase by itself begins with nothing."""
    return NOTHING if most.span is Span.SALE else standing.used.get(most.span, NOTHING)

"""How much can be bought at once, and the rule that says so."""

from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

from vmsapp.tariffs.errors import (
    AboveLargestPurchase,
    AboveLastStep,
    AboveLimit,
    AboveTokenLimit,
)
from vmsapp.tariffs.plan import GRID
from vmsapp.tariffs.steps import counted_before
from vmsapp.tariffs.terms import Standing, Terms


class Limit(NamedTuple):
    """The most that can be bought, in units, and how passing it is named."""

    largest: Decimal
    error: type[AboveLimit]


def tightest_limit(terms: Terms, standing: Standing) -> Limit:
    """Find the limit that is reached first.

    Past a closed last penalty band no fine is written, so nothing is sold there.

    Returns:
        The limit, its quantity on the grid and not below the smallest purchase.

    Raises:
        AboveLimit: One of its kinds: not even the smallest purchase is possible.
    """
    plan = terms.plan
    rooms = [Limit(terms.max_units, AboveTokenLimit)]
    if (end := plan.steps[-1].end) is not None:
        rooms.append(Limit(end - counted_before(plan, standing.bought), AboveLastStep))
    if plan.largest_units is not None:
        rooms.append(Limit(plan.largest_units, AboveLargestPurchase))
    if plan.penalties and (high := plan.penalties[-1].high) is not None:
        rooms.append(Limit(high, AboveLargestPurchase))
    room, error = min(rooms, key=lambda limit: limit.largest)
    largest = max(room.quantize(GRID, ROUND_FLOOR), Decimal(0))
    if largest < (plan.smallest_units or GRID):
        raise error(largest=Decimal(0))
    return Limit(largest, error)

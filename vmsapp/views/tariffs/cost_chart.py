"""Drawing what a purchase costs against its units.

Between the ends of steps and the limits of bands cost is a straight line (see
``tariffs.cost``), so a curve needs few points: both sides of each place where it bends or
jumps. The template ``tariffs/_chart.html`` draws what stands here, without a script.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from vmsapp.i18n import figure_text
from vmsapp.money import Currency
from vmsapp.tariffs.cost import Cost, counted_before
from vmsapp.tariffs.errors import AboveLimit
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.limits import tightest_limit
from vmsapp.tariffs.plan import FULL_SHARE, Plan
from vmsapp.tariffs.prices import tenths
from vmsapp.tariffs.share import fees_by_quantity
from vmsapp.tariffs.terms import Standing, Terms

WIDTH: Final = 1000
HEIGHT: Final = 400
PARTS: Final = 5
"""How many parts an axis has."""

SAMPLES: Final = 60
"""Points of a curve that jumps where no step or band does: fees that take a share."""

NICE: Final = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
USUAL_UNITS: Final = Decimal(500)
"""How far a chart goes for a plan that says nothing of where it changes."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What each purchase costs at one service point.

    Attributes:
        name: Of the plan.
        points: Units and currency units, from the smallest purchase to the largest shown;
            none where nothing can be bought.
    """

    name: str
    points: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves as they are drawn.

    Attributes:
        lines: Name of each curve and its points, as SVG writes them.
        units: Marks along the axis of units, from 0.
        money: Marks along the axis of money, from 0.
        mark: Where on the axis of units one purchase stands, ``None`` for nowhere.
    """

    lines: tuple[tuple[str, str], ...]
    units: tuple[str, ...]
    money: tuple[str, ...]
    mark: str | None

    width: int = WIDTH
    height: int = HEIGHT

    def across(self, place: int) -> str:
        """Where a mark of the units' axis stands."""
        return _place(Decimal(place) / PARTS, WIDTH)

    def up(self, place: int) -> str:
        """Where a mark of the money's axis stands."""
        return _place(1 - Decimal(place) / PARTS, HEIGHT)


def chart_of(
    plans: Sequence[tuple[str, Terms]], standings: Sequence[Standing], at: Decimal | None = None
) -> Chart:
    """Draw what plans cost side by side.

    Args:
        plans: Name and terms of each.
        standings: The service point's counters under each.
        at: Units of one purchase that is to be marked.
    """
    most = max(
        far_enough(terms.plan, standing, at)
        for (_, terms), standing in zip(plans, standings, strict=True)
    )
    step = nice(most / PARTS)
    curves = [
        curve(name, terms, standing, step * PARTS)
        for (name, terms), standing in zip(plans, standings, strict=True)
    ]
    return _draw(curves, step, at)


def far_enough(plan: Plan, standing: Standing, at: Decimal | None = None) -> Decimal:
    """Tell how many units show all places where a plan changes its price, and a purchase."""
    counted = counted_before(plan, standing) * GRID
    ends = [step.start - counted for step in plan.steps]
    ends += [band.low for band in plan.penalties]
    changes = max(ends, default=Decimal(0))
    known = max(changes, at or Decimal(0))
    return known * Decimal("1.25") if known > 0 else USUAL_UNITS


def curve(name: str, terms: Terms, standing: Standing, most: Decimal) -> Curve:
    """Work out the points of a plan's curve.

    Args:
        name: Of the plan.
        terms: What is sold under.
        standing: The service point's counters.
        most: Units where the chart ends; the curve may end before.
    """
    try:
        limit = tightest_limit(terms, standing).tenths
    except AboveLimit:
        return Curve(name, ())
    least = tenths(terms.plan.limits.smallest_units or GRID)
    last = min(limit, tenths(most))
    bends = sorted({at for at in _bends(terms, standing, last) if least < at < last})
    places = [at for at in (least, *bends, last) if least <= at <= last]
    return Curve(name, tuple((at * GRID, _money(terms, standing, at)) for at in places))


def _bends(terms: Terms, standing: Standing, last: int) -> Iterator[int]:
    """List both sides of each place where the cost may bend or jump, in tenths."""
    prices = terms.prices
    counted = counted_before(terms.plan, standing)
    for end in (*(start - counted for start in prices.starts), *(low for low, _ in prices.bands)):
        yield from (end, end + 1)
    fee = terms.plan.fixed_fee
    if fee is not None and fee.arrears_share != FULL_SHARE:
        yield from (last * place // SAMPLES for place in range(SAMPLES))


def _money(terms: Terms, standing: Standing, bought: int) -> Decimal:
    """Price tenths in currency units."""
    cost = Cost.of(terms, standing, fees_by_quantity(terms, standing, bought))
    return _in_units(cost.minor(bought), terms.currency)


def _in_units(minor: int, currency: Currency) -> Decimal:
    return Decimal(minor).scaleb(-currency.exponent)


def nice(step: Decimal) -> Decimal:
    """Give the next length of an axis' part that people like to read.

    >>> [str(nice(Decimal(text))) for text in ("0.13", "7", "21", "100", "101")]
    ['0.2', '10', '25', '100', '200']
    """
    if step <= 0:
        return Decimal(1)
    ten = Decimal(1).scaleb(step.adjusted())
    found = next(ten * one for one in NICE if ten * one >= step)
    return found.normalize() if found < 1 else found.quantize(Decimal("0.1")).normalize() + 0


def _draw(curves: Sequence[Curve], step: Decimal, at: Decimal | None) -> Chart:
    highest = max((money for curve in curves for _, money in curve.points), default=Decimal(0))
    rise = nice(highest / PARTS)
    wide, high = step * PARTS, rise * PARTS
    return Chart(
        lines=tuple(
            (
                curve.name,
                " ".join(
                    f"{_place(units / wide, WIDTH)},{_place(1 - money / high, HEIGHT)}"
                    for units, money in curve.points
                ),
            )
            for curve in curves
        ),
        units=tuple(figure_text(step * place) for place in range(PARTS + 1)),
        money=tuple(figure_text(rise * place) for place in range(PARTS + 1)),
        mark=_place(at / wide, WIDTH) if at is not None and at <= wide else None,
    )


def _place(share: Decimal, length: int) -> str:
    """Write a place on an axis."""
    place = (share * length).quantize(GRID, ROUND_CEILING)
    return f"{place.normalize() + 0:f}"

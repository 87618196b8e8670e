"""The lines of a purchase: how exact figures become money.

Each fee, debt, fine, tax and levy is rounded half-up to the minor unit on its own. Energy
takes what remains of the amount payable, which is the exact total rounded once; among the
steps it is spread by running totals, so that no line is below 0. Where the taxes of free
energy round up to more than the whole, the rounding line takes the difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

from vmsapp.money import round_half_up
from vmsapp.tariffs.cost import Cost, counted_before
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.levies import Base, FlatLevy, UnitLevy
from vmsapp.tariffs.plan import Plan
from vmsapp.tariffs.prices import tenths
from vmsapp.tariffs.rates import ZERO, of_tender, percent
from vmsapp.tariffs.terms import FeeDue, Standing, Terms

NO_UNITS: Final = Decimal(0)
FORTY_DIGITS: Final = Context(prec=40)
WRITTEN_OUT: Final = 10**40
"""Largest denominator stored: many inclusive prices together make one of thousands of digits."""


class LineKind(StrEnum):
    """What a line is for, in the order money is taken."""

    FEE_ARREARS = "fee_arrears"
    FEE = "fee"
    DEBT = "debt"
    PENALTY = "penalty"
    ENERGY = "energy"
    CREDIT = "credit"
    """Money for a meter that rates itself (see ``credit``)."""
    TAX = "tax"
    LEVY = "levy"
    ROUNDING = "rounding"


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a quote.

    Attributes:
        kind: What it is for.
        amount_minor: Minor units; below 0 only in a rounding line.
        units: Energy, and levies per unit: the units.
        rate: Energy and levies per unit: currency units per unit; percents: percent.
        base_minor_exact: Percents: what they are of; all others: the amount before it was
            rounded. Minor units.
        period_start: Fees: first day of the period paid.
        step: Energy and its tax: number of the step, from 1.
        name: Levies and debts: what they are called.
    """

    kind: LineKind
    amount_minor: int
    units: Decimal | None = None
    rate: Decimal | None = None
    base_minor_exact: Fraction | None = None
    period_start: date | None = None
    step: int | None = None
    name: str | None = None
    is_percent: bool = False

    @property
    def exact_minor(self) -> Fraction:
        """The figure before it was rounded to money, in minor units."""
        if self.base_minor_exact is None:
            return Fraction(self.amount_minor)
        if self.is_percent and self.rate is not None:
            return self.base_minor_exact * percent(self.rate)
        return self.base_minor_exact

    def as_dict(self) -> dict[str, str | int | bool | None]:
        """Write the line with its base, rate and rounding, for storage as JSON."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "amount_minor": self.amount_minor,
            "units": _plain(self.units),
            "rate": _plain(self.rate),
            "is_percent": self.is_percent,
            "base_minor_exact": _plain(self.base_minor_exact),
            "rounding_minor_exact": _plain(self.amount_minor - self.exact_minor),
            "period_start": self.period_start.isoformat() if self.period_start else None,
            "step": self.step,
        }


def _plain(value: Decimal | Fraction | None) -> str | None:
    """Write a number in digits, a fraction as ``n/d``; one of endless length to 40 digits."""
    if value is None:
        return None
    if isinstance(value, Fraction):
        if value.denominator <= WRITTEN_OUT:
            return str(value)
        value = FORTY_DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{value:f}"


class _Portion(NamedTuple):
    """The units of a purchase that fall into one step, and their exact price."""

    number: int
    units: Decimal
    energy: Fraction
    """Minor units, without taxes."""


def lines_of(
    terms: Terms,
    standing: Standing,
    fees: tuple[FeeDue, ...],
    units: Decimal,
    charged_minor: int,
) -> tuple[Line, ...]:
    """Explain a purchase line by line, in the order money is taken.

    Args:
        terms: It is priced under.
        standing: The service point's counters before it.
        fees: It pays.
        units: It gives.
        charged_minor: It costs: percents of the whole are of this.

    Returns:
        Lines that add up to ``charged_minor``.
    """
    cost = Cost.of(terms, standing, fees)
    portions = tuple(_portions(terms, standing, units))
    before = [*due_lines(terms, standing, fees), *_fine(terms, units)]
    taxes = {portion.number: _tax(terms, portion) for portion in portions}
    levies = [*levy_lines(terms, fees, charged_minor, units, portions)]
    taken = [*before, *(tax for tax in taxes.values() if tax), *levies]
    payable = cost.minor(tenths(units))
    remains = payable - sum(line.amount_minor for line in taken)
    energy = _energy(terms, portions, max(remains, 0))
    lines = [*before, *_with_taxes(energy, taxes), *levies]
    rounding = charged_minor - sum(line.amount_minor for line in lines)
    return (*lines, *([Line(LineKind.ROUNDING, rounding)] if rounding else []))


def _portions(terms: Terms, standing: Standing, units: Decimal) -> Iterator[_Portion]:
    """Spread a purchase over the steps it touches."""
    before = counted_before(terms.plan, standing) * GRID
    after, rates = before + units, terms.rates
    for number, step in enumerate(terms.plan.steps, 1):
        low = max(step.start, before)
        high = after if step.end is None else min(step.end, after)
        if high > low:
            parts = tenths(high - low) * rates.net[number - 1] * terms.currency.minor_per_unit
            yield _Portion(number, high - low, Fraction(parts, 10 * rates.scale))


def due_lines(terms: Terms, standing: Standing, fees: tuple[FeeDue, ...]) -> Iterator[Line]:
    """Charge what is due whatever is bought: fees, then debts."""
    yield from _fees(terms, fees)
    yield from _debts(standing)


def _fees(terms: Terms, fees: tuple[FeeDue, ...]) -> Iterator[Line]:
    net = terms.rates.part[Base.FEE]
    for fee in fees:
        exact = fee.amount_minor * net
        yield Line(
            LineKind.FEE_ARREARS if fee.missed else LineKind.FEE,
            round_half_up(exact),
            base_minor_exact=exact,
            period_start=fee.start,
        )


def _debts(standing: Standing) -> Iterator[Line]:
    for debt in standing.debts:
        yield Line(LineKind.DEBT, debt.amount_minor, name=debt.name)


def fine_minor(plan: Plan, units: Decimal) -> int:
    """Find the fine for one purchase; exactly on a limit it is the lower one."""
    for band in plan.penalties:
        if band.low < units and (band.high is None or units <= band.high):
            return band.fine_minor
    return 0


def _fine(terms: Terms, units: Decimal) -> Iterator[Line]:
    if fine := fine_minor(terms.plan, units):
        exact = fine * terms.rates.part[Base.PENALTY]
        yield Line(LineKind.PENALTY, round_half_up(exact), base_minor_exact=exact)


def _tax(terms: Terms, portion: _Portion) -> Line | None:
    """Tax one step's energy at the step's own rate."""
    rate = terms.plan.steps[portion.number - 1].tax_percent
    if not rate:
        return None
    return Line(
        LineKind.TAX,
        round_half_up(portion.energy * terms.rates.tax[portion.number - 1]),
        rate=rate,
        base_minor_exact=portion.energy,
        step=portion.number,
        is_percent=True,
    )


def _energy(terms: Terms, portions: tuple[_Portion, ...], remains: int) -> Iterator[Line]:
    """Spread what remains over the steps: each ends where the exact running total rounds to."""
    exact, charged = ZERO, 0
    for portion in portions:
        exact += portion.energy
        total = remains if portion is portions[-1] else min(round_half_up(exact), remains)
        yield Line(
            LineKind.ENERGY,
            total - charged,
            units=portion.units,
            rate=_rate(terms, portion.number),
            base_minor_exact=portion.energy,
            step=portion.number,
        )
        charged = total


def _rate(terms: Terms, number: int) -> Decimal:
    """Give a step's price for people; one taken out of a gross price may go on and on."""
    if not terms.plan.tax_inclusive:
        return terms.plan.steps[number - 1].price
    net = Fraction(terms.rates.net[number - 1], terms.rates.scale)
    exact = Decimal(net.numerator) / Decimal(net.denominator)
    return round(exact, 6).normalize() if Fraction(exact) != net else exact


def _with_taxes(energy: Iterator[Line], taxes: dict[int, Line | None]) -> Iterator[Line]:
    for line in energy:
        yield line
        assert line.step is not None
        if (tax := taxes[line.step]) is not None:
            yield tax


def levy_lines(
    terms: Terms,
    fees: tuple[FeeDue, ...],
    charged_minor: int,
    units: Decimal = NO_UNITS,
    portions: tuple[_Portion, ...] = (),
) -> Iterator[Line]:
    """Charge each levy that comes to anything, in their order.

    Where no units are sold only the percents of fees and of the whole charge do.
    """
    exact = _levies_exact(terms, fees, units, portions)
    for levy, part in zip(terms.plan.levies, exact, strict=True):
        minor = charged_minor * percent(levy.rate) if of_tender(levy) else part
        if not minor:
            continue
        if isinstance(levy, FlatLevy):
            yield Line(LineKind.LEVY, round_half_up(minor), base_minor_exact=minor, name=levy.name)
        elif isinstance(levy, UnitLevy):
            touched = [p.units for p in portions if not levy.steps or p.number in levy.steps]
            yield Line(
                LineKind.LEVY,
                round_half_up(minor),
                units=sum(touched, NO_UNITS),
                rate=levy.rate,
                base_minor_exact=minor,
                name=levy.name,
            )
        else:
            yield Line(
                LineKind.LEVY,
                round_half_up(minor),
                rate=levy.rate,
                base_minor_exact=minor / percent(levy.rate),
                name=levy.name,
                is_percent=True,
            )


def _levies_exact(
    terms: Terms, fees: tuple[FeeDue, ...], units: Decimal, portions: tuple[_Portion, ...]
) -> list[Fraction]:
    """Add up what each levy takes of the steps, the fees, the fine and the flat levies."""
    plan, rates, per_unit = terms.plan, terms.rates, terms.currency.minor_per_unit
    bought = [(tenths(portion.units), rates.unit[portion.number - 1]) for portion in portions]
    total = [
        Fraction(per_unit * sum(count * parts[place] for count, parts in bought), 10 * rates.scale)
        for place in range(len(plan.levies))
    ]

    def add(amount: Fraction | int, taken: tuple[Fraction, ...]) -> None:
        for place, share in enumerate(taken):
            if share:
                total[place] += share * amount

    for base, minor in (
        (Base.FEE, sum(fee.amount_minor for fee in fees)),
        (Base.PENALTY, fine_minor(plan, units)),
    ):
        if minor:
            add(minor * rates.part[base], rates.of_part[base])
    touched = {portion.number for portion in portions}
    for levy in plan.levies:
        if isinstance(levy, FlatLevy) and touched & set(levy.steps or touched):
            add(levy.amount_minor, rates.flat[levy.name])
    return total

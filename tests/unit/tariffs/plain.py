"""The rules of a purchase, worked out the plain and slow way, to check the engine by.

Everything is a fraction of a minor unit, found tenth by tenth and part by part from the
docstrings of plans and levies; nothing here is shared with the engine but its values.
"""

import math
from fractions import Fraction

from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import Accumulation, Settlement


def half_up(exact) -> int:
    return math.floor(exact + Fraction(1, 2))


def percent(rate) -> Fraction:
    return Fraction(rate) / 100


def counted(plan, standing) -> Fraction:
    """Units the steps have counted already."""
    if plan.accumulation is Accumulation.SALE:
        return Fraction(0)
    first = plan.steps[0].end
    if plan.accumulation is Accumulation.FIRST_OF_MONTH and standing.bought > 0 and first:
        return Fraction(max(standing.bought, first))
    return Fraction(standing.bought)


def units_by_step(plan, standing, bought: int) -> dict[int, Fraction]:
    """Put each tenth into the first step whose end it does not pass."""
    before, found = counted(plan, standing) * 10, {}
    ends = [math.inf if step.end is None else step.end * 10 for step in plan.steps]
    for tenth in range(int(before) + 1, int(before) + bought + 1):
        number = next(number for number, end in enumerate(ends, 1) if tenth <= end)
        found[number] = found.get(number, 0) + 1
    return {number: Fraction(count, 10) for number, count in found.items()}


def levied(plan, places: dict, units: dict[int, Fraction], flats: set[str]) -> dict[str, dict]:
    """Work out every levy but those of the whole charge, place by place.

    Args:
        plan: With the levies.
        places: What each place holds: step numbers and "fee", "penalty", "flat" to parts.
        units: Of each step.
        flats: Flat levies that are charged.
    """
    amounts = {}
    for levy in plan.levies:
        mine = amounts[levy.name] = dict.fromkeys(places, Fraction(0))
        for place, parts in places.items():
            if isinstance(place, int) and levy.steps and place not in levy.steps:
                continue
            if isinstance(levy, UnitLevy):
                mine[place] = Fraction(levy.rate) * units.get(place, 0)
            elif isinstance(levy, FlatLevy):
                mine[place] = Fraction(levy.amount_minor) * (place == "flat" and levy.name in flats)
            elif Base.TENDER not in levy.base:
                of = sum(parts.get(base, 0) for base in levy.base)
                of += sum(amounts[other][place] for other in set(levy.of_levies))
                mine[place] = percent(levy.rate) * of
    return amounts


def total(amounts: dict[str, dict]) -> Fraction:
    return sum((sum(mine.values()) for mine in amounts.values()), Fraction(0))


def net_price(plan, number: int) -> Fraction:
    """The price of one unit of a step without taxes, in currency units."""
    step = plan.steps[number - 1]
    if not plan.tax_inclusive:
        return Fraction(step.price)

    def gross(net) -> Fraction:
        tax = net * percent(step.tax_percent)
        places = {number: {Base.ENERGY: net, Base.STEP_TAX: tax}}
        return net + tax + total(levied(plan, places, {number: Fraction(1)}, set()))

    at_nothing = gross(Fraction(0))
    return (Fraction(step.price) - at_nothing) / (gross(Fraction(1)) - at_nothing)


def net_of(plan, minor: int, base: Base) -> Fraction:
    """A fee or a fine without the levies on it."""
    if not plan.tax_inclusive:
        return Fraction(minor)
    return minor / (1 + total(levied(plan, {base.value: {base: Fraction(1)}}, {}, set())))


def fine(plan, bought: int) -> int:
    """The fine of the band (low, high] that holds the purchase."""
    for band in plan.penalties:
        if band.low * 10 < bought and (band.high is None or bought <= band.high * 10):
            return band.fine_minor
    return 0


class Plain:
    """All exact figures of one purchase of ``bought`` tenths."""

    def __init__(self, terms, standing, fees, bought: int) -> None:
        plan, per_unit = terms.plan, 10**terms.currency.exponent
        self.terms, self.debts = terms, [debt.amount_minor for debt in standing.debts]
        units = units_by_step(plan, standing, bought)
        self.energy = {n: net_price(plan, n) * units[n] * per_unit for n in units}
        self.taxes = {n: e * percent(plan.steps[n - 1].tax_percent) for n, e in self.energy.items()}
        self.fees = [net_of(plan, fee.amount_minor, Base.FEE) for fee in fees]
        self.fine = net_of(plan, fine(plan, bought), Base.PENALTY)
        places = {
            n: {Base.ENERGY: self.energy[n], Base.STEP_TAX: self.taxes[n]} for n in self.energy
        }
        places |= {
            "fee": {Base.FEE: sum(self.fees)},
            "penalty": {Base.PENALTY: self.fine},
            "flat": {},
        }
        flats = {
            levy.name
            for levy in plan.levies
            if isinstance(levy, FlatLevy) and (not levy.steps or set(levy.steps) & set(units))
        }
        minor_units = {n: amount * per_unit for n, amount in units.items()}
        levies = levied(plan, places, minor_units, flats)
        self.levies = {name: sum(mine.values()) for name, mine in levies.items()}
        parts = [*self.energy.values(), *self.taxes.values(), *self.fees, *self.debts]
        parts += [self.fine, *self.levies.values()]
        of_all = [levy for levy in plan.levies if is_of_all(levy)]
        self.exact = sum(parts) / (1 - sum(percent(levy.rate) for levy in of_all))
        self.payable = half_up(self.exact)

    def lines(self, charged: int) -> list[tuple[str, int]]:
        """Every line as its kind and amount, in the order of the page."""
        levies = dict(self.levies)
        for levy in self.terms.plan.levies:
            if is_of_all(levy):
                levies[levy.name] = charged * percent(levy.rate)
        due = [("fee", half_up(fee)) for fee in self.fees] + [("debt", debt) for debt in self.debts]
        penalty = [("penalty", half_up(self.fine))] if self.fine else []
        taxes = {n: half_up(tax) for n, tax in self.taxes.items()}
        last = [("levy", half_up(levy)) for levy in levies.values() if levy]
        others = sum(amount for _, amount in [*due, *penalty, *last]) + sum(taxes.values())
        remains = max(self.payable - others, 0)
        lines = [*due, *penalty]
        running, given = Fraction(0), 0
        for n, exact in self.energy.items():
            running += exact
            upto = remains if n == max(self.energy) else min(half_up(running), remains)
            lines.append(("energy", upto - given))
            given = upto
            if self.terms.plan.steps[n - 1].tax_percent:
                lines.append(("tax", taxes[n]))
        lines += last
        rounding = charged - sum(amount for _, amount in lines)
        return lines + ([("rounding", rounding)] if rounding else [])


def is_of_all(levy) -> bool:
    return isinstance(levy, PercentLevy) and Base.TENDER in levy.base


def to_coin(terms, minor: int) -> int:
    coins = Fraction(minor, terms.currency.coin_minor)
    ways = {Settlement.DOWN: math.floor, Settlement.UP: math.ceil, Settlement.NEAREST: half_up}
    return ways[terms.settlement](coins) * terms.currency.coin_minor

"""What a quantity costs: fees, penalty, and energy with its taxes, in that order.

How exact figures become money: what the steps cost with their taxes is added up step by
step, and each running total is rounded half-up to the minor unit; a step is charged the
difference between its running total and the one before it. Its tax is rounded half-up,
and its energy is what remains. So the lines make the rounded total, whatever the number
of steps, and no line is below 0: a tax is at most its energy, so half of the step at most.
"""

from decimal import Decimal
from fractions import Fraction

from vmsapp.money import round_half_up
from vmsapp.tariffs.arrears import period_start
from vmsapp.tariffs.plan import Plan
from vmsapp.tariffs.quote import Line, LineKind
from vmsapp.tariffs.steps import Portion, counted_before, spread
from vmsapp.tariffs.terms import Standing, Terms


def exact_cost(terms: Terms, standing: Standing, units: Decimal) -> Fraction:
    """Price a quantity before any rounding.

    Args:
        terms: What it is sold under.
        standing: The service point's counters.
        units: More than 0, within the last step.

    Returns:
        Minor units, all that is due included.
    """
    per_unit = terms.currency.minor_per_unit
    portions = _portions(terms, standing, units)
    energy = sum((p.energy(per_unit) + p.tax(per_unit) for p in portions), Fraction())
    fees = sum(line.amount_minor for line in fee_lines(terms, standing))
    return fees + fine_minor(terms.plan, units) + energy


def payable_minor(terms: Terms, standing: Standing, units: Decimal) -> int:
    """Price a quantity in money, half-up to the minor unit: what its lines add up to."""
    return round_half_up(exact_cost(terms, standing, units))


def charge_lines(terms: Terms, standing: Standing, units: Decimal) -> tuple[Line, ...]:
    """Explain a quantity's price line by line, in the order money is taken."""
    fine = fine_minor(terms.plan, units)
    return (
        *fee_lines(terms, standing),
        *([Line(LineKind.PENALTY, fine)] if fine else []),
        *energy_lines(terms, standing, units),
    )


def fee_lines(terms: Terms, standing: Standing) -> tuple[Line, ...]:
    """Charge each fee period due, whole; those before the current one are arrears."""
    fee = terms.plan.fixed_fee
    if fee is None:
        return ()
    current = period_start(standing.today, fee.period)
    return tuple(
        Line(
            LineKind.FEE_ARREARS if start < current else LineKind.FEE,
            fee.amount_minor,
            period_start=start,
        )
        for start in standing.fee_periods_due
    )


def fine_minor(plan: Plan, units: Decimal) -> int:
    """Find the fine for one purchase; exactly on a limit it is the lower one."""
    for band in plan.penalties:
        if band.low < units and (band.high is None or units <= band.high):
            return band.fine_minor
    return 0


def energy_lines(terms: Terms, standing: Standing, units: Decimal) -> tuple[Line, ...]:
    """Charge each step touched: a line of energy and, where it is taxed, one of tax."""
    per_unit = terms.currency.minor_per_unit
    lines: list[Line] = []
    total = Fraction()
    for portion in _portions(terms, standing, units):
        energy, tax = portion.energy(per_unit), portion.tax(per_unit)
        charged = round_half_up(total + energy + tax) - round_half_up(total)
        total += energy + tax
        lines += _step_lines(portion, charged, round_half_up(tax), energy)
    return tuple(lines)


def _step_lines(portion: Portion, charged: int, tax: int, base: Fraction) -> list[Line]:
    """Split what a step is charged into energy and tax."""
    step, number = portion.step, portion.number
    lines = [Line(LineKind.ENERGY, charged - tax, portion.units, step.price, base, step=number)]
    if step.tax_percent:
        lines.append(
            Line(LineKind.TAX, tax, rate=step.tax_percent, base_minor_exact=base, step=number)
        )
    return lines


def _portions(terms: Terms, standing: Standing, units: Decimal) -> tuple[Portion, ...]:
    before = counted_before(terms.plan, standing.bought)
    return spread(terms.plan.steps, before, units)

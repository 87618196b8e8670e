"""How fast a price is found, beside a plain loop over steps, taxes and fees.

The plan has 10 steps, 5 taxes and levies and a fine; the purchase pays a fee, 12 missed ones
and a debt. The yardstick adds the same purchase up in fractions, once for a quantity: it turns
no money into units and explains nothing. Yardstick and engine are timed in turn, round after
round; figures are medians of the rounds, a ratio is the median of the rounds'.

    python benchmarks/tariffs.py           20 seconds
    python benchmarks/tariffs.py --quick   two seconds
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vmsapp.money import Currency
from vmsapp.tariffs.engine import (
    Debt,
    FeeDue,
    Standing,
    Terms,
    quote_by_amount,
    quote_by_quantity,
)
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Penalty, Plan, Settlement, Step

AIMS = {"by quantity": 250, "by amount": 600}
"""Microseconds not to be passed."""

TIMES = 100
UNITS = Decimal("437.3")
USD = Currency("USD", 2)


def main() -> None:
    """Time everything, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    terms, standing = Terms(plan(), USD, Settlement.DOWN, Decimal("1638.3")), due()
    tender = check(terms, standing)
    works = {
        "by quantity": lambda: quote_by_quantity(terms, standing, UNITS),
        "by amount": lambda: quote_by_amount(terms, standing, tender),
        "by quantity, with lines": lambda: quote_by_quantity(terms, standing, UNITS).lines,
        "by amount, with lines": lambda: quote_by_amount(terms, standing, tender).lines,
        "plan made ready": lambda: replace(terms).prices,
    }
    microseconds: dict[str, list[float]] = {name: [] for name in works}
    ratios: dict[str, list[float]] = {name: [] for name in works}
    plain_times = []
    for _ in range(5 if quick else 51):
        for name, work in works.items():
            before = timed(lambda: plain(terms, standing, UNITS))
            microseconds[name].append(timed(work))
            after = timed(lambda: plain(terms, standing, UNITS))
            plain_times += [before, after]
            ratios[name].append((before + after) / 2 / microseconds[name][-1])
    report(microseconds, ratios, statistics.median(plain_times), quick=quick)


def timed(work: Callable[[], object]) -> float:
    """Microseconds a piece of work takes."""
    start = time.perf_counter()
    for _ in range(TIMES):
        work()
    return (time.perf_counter() - start) / TIMES * 1e6


def plan() -> Plan:
    """Ten steps, five taxes and levies, a fee, a fine."""
    ends = [Decimal(50 * number) for number in range(1, 10)]
    steps = tuple(
        Step(start, end, Decimal("0.075") + Decimal(number) / 80, Decimal(number % 3 * 5))
        for number, (start, end) in enumerate(zip([Decimal(0), *ends], [*ends, None], strict=True))
    )
    levies = (
        UnitLevy("Fuel", Decimal("0.0132")),
        PercentLevy("Excise", Decimal("2.5"), frozenset({Base.ENERGY}), steps=(5, 6, 7)),
        PercentLevy("VAT", Decimal(16), frozenset({Base.ENERGY, Base.FEE}), ("Fuel", "Excise")),
        FlatLevy("Stamp", 75, (4, 5)),
        PercentLevy("Street light", Decimal("1.5"), frozenset({Base.TENDER})),
    )
    fee = FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None)
    fines = (Penalty(Decimal(0), Decimal(400), 0), Penalty(Decimal(400), None, 1200))
    return Plan("Ten steps", steps, fee, fines, levies=levies)


def due() -> Standing:
    """Units bought, twelve missed months, the current one and a debt."""
    missed = [date(2023, month, 1) for month in range(3, 13)] + [date(2024, m, 1) for m in (1, 2)]
    fees = [FeeDue(FeePeriod.MONTH, start, 200, missed=True) for start in missed]
    current = FeeDue(FeePeriod.MONTH, date(2024, 3, 1), 200, missed=False)
    return Standing(Decimal("37.5"), (*fees, current), date(2024, 3, 5), debts=(Debt("Loan", 500),))


def plain(terms: Terms, standing: Standing, units: Decimal) -> int:  # noqa: C901, PLR0912 - one loop after the other
    """Add up one purchase by the rules, in fractions of the currency's unit.

    Prices without taxes, no share for arrears, no coin: what the plan above needs.
    """
    plan, total = terms.plan, Fraction(0)
    before, after = standing.bought, standing.bought + units
    energy: dict[int, Fraction] = {}
    bought: dict[int, Fraction] = {}
    for number, step in enumerate(plan.steps, 1):
        high = after if step.end is None else min(after, step.end)
        low = max(before, step.start)
        if high > low:
            bought[number] = Fraction(high - low)
            energy[number] = bought[number] * Fraction(step.price)
            total += energy[number] * (1 + Fraction(step.tax_percent) / 100)
    fees = sum((Fraction(fee.amount_minor, 100) for fee in standing.fees_due), Fraction(0))
    debts = sum((Fraction(debt.amount_minor, 100) for debt in standing.debts), Fraction(0))
    fine = Fraction(0)
    for band in plan.penalties:
        if band.low < units and (band.high is None or units <= band.high):
            fine = Fraction(band.fine_minor, 100)
    levied: dict[str, dict[int, Fraction]] = {}
    whole = Fraction(1)
    for levy in plan.levies:
        mine = levied[levy.name] = {}
        steps = [number for number in bought if not levy.steps or number in levy.steps]
        if isinstance(levy, UnitLevy):
            for number in steps:
                mine[number] = Fraction(levy.rate) * bought[number]
        elif isinstance(levy, FlatLevy):
            mine[0] = Fraction(levy.amount_minor, 100) if steps else Fraction(0)
        elif Base.TENDER in levy.base:
            whole -= Fraction(levy.rate) / 100
        else:
            rate = Fraction(levy.rate) / 100
            for number in steps:
                of = energy[number] if Base.ENERGY in levy.base else Fraction(0)
                for name in levy.of_levies:
                    of += levied[name].get(number, 0)
                mine[number] = rate * of
            mine[0] = rate * fees if Base.FEE in levy.base else Fraction(0)
        for amount in mine.values():
            total += amount
    exact = (total + fees + debts + fine) / whole * 100
    return (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


def check(terms: Terms, standing: Standing) -> int:
    """Make sure that both say the same, in both directions; gives the tender to price."""
    charged = quote_by_quantity(terms, standing, UNITS).charged_minor
    assert charged == plain(terms, standing, UNITS), "yardstick and engine differ"
    assert quote_by_amount(terms, standing, charged).units == UNITS, "no inverse"
    return charged


def report(
    microseconds: dict[str, list[float]],
    ratios: dict[str, list[float]],
    plain_time: float,
    *,
    quick: bool,
) -> None:
    """Print what was measured."""
    figures = {name: round(statistics.median(times), 1) for name, times in microseconds.items()}
    medians = {name: round(statistics.median(found), 1) for name, found in ratios.items()}
    print(f"{'':30}{'µs':>8}{'x plain':>9}{'aim, µs':>9}")
    print(f"{'plain loop':30}{plain_time:>8.1f}")
    for name, figure in figures.items():
        print(f"{name:30}{figure:>8.1f}{medians[name]:>9.1f}{AIMS.get(name, ''):>9}")
    missed = [name for name, aim in AIMS.items() if figures[name] > aim]
    print("every aim reached" if not missed else f"not reached: {', '.join(missed)}")
    line = {
        "benchmark": "tariffs", "quick": quick, "plain_us": round(plain_time, 1),
        "us": figures, "ratios": medians, "missed": missed,
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    main()

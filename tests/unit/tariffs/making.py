"""Short ways to write plans, terms and standings in tests."""

from datetime import date
from decimal import Decimal

from vmsapp.money import Currency
from vmsapp.tariffs.engine import FeeDue, LineKind, Standing, Terms
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Penalty, Plan, Settlement, Step

D = Decimal
TODAY = date(2024, 3, 5)
MAX = D("1638.3")


def units(text: str | int | None) -> Decimal | None:
    return None if text is None else D(text)


def steps(*rows: tuple) -> tuple[Step, ...]:
    """Rows of (end, price) or (end, price, tax); each starts where the one before it ends."""
    made, start = [], D(0)
    for end, price, *tax in rows:
        made.append(Step(start, units(end), D(price), D(*tax or ["0"])))
        start = units(end)
    return tuple(made)


def flat(price: str, tax: str = "0", **rest) -> Plan:
    """One step without end."""
    return Plan("Flat", steps((None, price, tax)), rest.pop("fee", None), **rest)


def stepped(*rows: tuple, **rest) -> Plan:
    return Plan("Stepped", steps(*rows), rest.pop("fee", None), **rest)


def bands(*rows: tuple) -> tuple[Penalty, ...]:
    """Rows of (low, high, fine)."""
    return tuple(Penalty(D(low), units(high), fine) for low, high, fine in rows)


def terms(plan: Plan, settlement=Settlement.DOWN, *, exponent=2, coin=1) -> Terms:
    return Terms(plan, Currency("XTS", exponent, coin), settlement, MAX)


def monthly(amount=200, *, most=None, share="100") -> FixedFee:
    return FixedFee(amount, FeePeriod.MONTH, True, most, D(share))


def months_due(*amounts: int) -> tuple[FeeDue, ...]:
    """Fees of the months up to March 2024, the last one current."""
    first = 4 - len(amounts)
    return tuple(
        FeeDue(FeePeriod.MONTH, date(2024, first + place, 1), amount, first + place < 3)
        for place, amount in enumerate(amounts)
    )


def standing(bought: str | int = 0, due: tuple[FeeDue, ...] = (), **rest) -> Standing:
    return Standing(D(bought), due, TODAY, **rest)


def kinds(quote) -> list[tuple[LineKind, int]]:
    """What each line is for, and its amount."""
    return [(line.kind, line.amount_minor) for line in quote.lines]


def named(quote) -> dict[str, int]:
    """The amount of each levy and debt."""
    return {line.name: line.amount_minor for line in quote.lines if line.name}

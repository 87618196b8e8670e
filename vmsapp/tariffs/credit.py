"""A sale to a meter that rates itself: money goes on the token, not units.

Sold by amount only. The tender is taken whole; what fees, debts and the percents of the
whole tender leave of it is the credit. Steps, penalty, levies of energy, flat levies and
limits of units play no part.

>>> from datetime import date
>>> from decimal import Decimal
>>> from vmsapp.money import Currency
>>> from vmsapp.tariffs.levies import Base, PercentLevy
>>> from vmsapp.tariffs.plan import Plan, Settlement, Step
>>> levy = PercentLevy("Street light", Decimal(5), frozenset({Base.TENDER}))
>>> plan = Plan("Prepaid", (Step(Decimal(0), None, Decimal(1), Decimal(0)),), None, levies=(levy,))
>>> terms = Terms(plan, Currency("USD", 2), Settlement.DOWN, max_units=Decimal("1638.3"))
>>> quote = quote_for_currency(terms, Standing(Decimal(0), (), date(2024, 3, 5)), 1000)
>>> quote.credit_minor, [(line.kind.value, line.amount_minor) for line in quote.lines]
(950, [('credit', 950), ('levy', 50)])
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from vmsapp.money import Money
from vmsapp.tariffs.errors import AmountTooSmall, InvalidTender
from vmsapp.tariffs.limits import check_money
from vmsapp.tariffs.lines import Line, LineKind, due_lines, levy_lines
from vmsapp.tariffs.need import Need
from vmsapp.tariffs.share import fees_by_amount, least_fees
from vmsapp.tariffs.terms import FeeDue, Standing, Terms


@dataclass(frozen=True)
class CreditQuote:
    """What a tender puts on the token of a currency-mode meter; shown, not promised.

    Attributes:
        terms: It was priced under.
        standing: What was due at the service point.
        fees: Fixed fees it pays, oldest first.
        received_minor: What the customer hands over; all of it is charged.
    """

    terms: Terms
    standing: Standing
    fees: tuple[FeeDue, ...]
    received_minor: int

    @property
    def charged_minor(self) -> int:
        """The whole tender."""
        return self.received_minor

    @property
    def change_minor(self) -> int:
        """Nothing goes back."""
        return 0

    @property
    def credit_minor(self) -> int:
        """What the token carries, at least 1 minor unit."""
        return self.total_minor(LineKind.CREDIT)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The calculation, in the order money is taken.

        Each fee, debt and levy is rounded half-up on its own and the credit is what remains.
        Should their roundings leave it nothing, a rounding line gives it 1 minor unit.
        """
        due = [*due_lines(self.terms, self.standing, self.fees)]
        levies = [*levy_lines(self.terms, self.fees, self.charged_minor)]
        remains = self.charged_minor - sum(line.amount_minor for line in (*due, *levies))
        credit = Line(LineKind.CREDIT, max(remains, 1), base_minor_exact=self._exact_credit())
        short = [Line(LineKind.ROUNDING, remains - 1)] if remains < 1 else []
        return (*due, credit, *levies, *short)

    def _exact_credit(self) -> Fraction:
        """The credit before anything is rounded, in minor units."""
        due = Fraction(_due(self.terms, self.standing, self.fees), self.terms.prices.scale)
        return (self.charged_minor - due) * (1 - self.terms.rates.whole)

    def total_minor(self, kind: LineKind) -> int:
        """Add the lines of one kind, in minor units."""
        return sum(line.amount_minor for line in self.lines if line.kind is kind)

    def as_dict(self) -> dict[str, object]:
        """Write the whole calculation for storage as JSON: numbers are ints or text."""
        return {
            "credit_minor": self.credit_minor,
            "received_minor": self.received_minor,
            "change_minor": self.change_minor,
            "charged_minor": self.charged_minor,
            "lines": [line.as_dict() for line in self.lines],
        }

    def figures(self) -> dict[str, str | int]:
        """Give what a customer sees, to compare a quote shown with the one reserved.

        Returns:
            The amounts and the total of each kind of line, in minor units. Survives JSON
            unchanged.
        """
        return {
            "received_minor": self.received_minor,
            "change_minor": self.change_minor,
            "charged_minor": self.charged_minor,
            **{f"{kind.value}_minor": self.total_minor(kind) for kind in LineKind},
        }


def quote_for_currency(terms: Terms, standing: Standing, tender_minor: int) -> CreditQuote:
    """Find what of this money goes on the token.

    Args:
        terms: What is sold under; currency, fee, levies and limits of money count.
        standing: The service point's counters.
        tender_minor: Minor units, more than 0.

    Raises:
        InvalidTender: Not more than 0.
        BelowSmallestAmount: Less than is taken at once.
        AboveMoneyLimit: One of its kinds, with what can still be spent.
        AmountTooSmall: Leaves no credit; names the least amount that does, were no more taken
            of debts.
    """
    if tender_minor <= 0:
        raise InvalidTender
    check_money(terms, standing, tender_minor)

    def needed(fees: tuple[FeeDue, ...]) -> int:
        return _least(terms, standing, fees)

    fees = fees_by_amount(terms, standing, tender_minor, needed)
    if (least := needed(fees)) > tender_minor:
        raise AmountTooSmall(minimum=Money(least, terms.currency.code))
    return CreditQuote(terms, standing, fees, tender_minor)


def _due(terms: Terms, standing: Standing, fees: tuple[FeeDue, ...]) -> int:
    """Add up fees and debts with what percents of the whole tender take of it, in parts."""
    prices = terms.prices
    due = prices.fee * sum(fee.amount_minor for fee in fees)
    return due + prices.debt * sum(debt.amount_minor for debt in standing.debts)


def need_of_currency(terms: Terms, standing: Standing) -> Need:
    """Tell what a tender must hold beside debts, of which ``standing`` has none yet."""
    return _need(terms, standing, least_fees(terms, standing))


def _least(terms: Terms, standing: Standing, fees: tuple[FeeDue, ...]) -> int:
    """Find the least tender whose credit rounds to 1 minor unit, halves up."""
    return _need(terms, standing, fees).least(0)


def _need(terms: Terms, standing: Standing, fees: tuple[FeeDue, ...]) -> Need:
    # A minor unit of credit takes as much of the tender as one of a debt.
    debt = terms.prices.debt
    return Need(2 * _due(terms, standing, fees) + debt, 2 * debt, 2 * terms.prices.scale)

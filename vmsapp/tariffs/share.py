"""How many of the fees due one purchase pays, where a plan spares part of it for energy.

The current fee is always paid. Of the missed ones as many are paid, oldest first, each
whole with its levies, as the plan's share of the charge covers and as leave enough for the
smallest purchase; the others stay due. A share of 100 percent takes all of them, whatever
remains.
"""

from collections.abc import Callable
from fractions import Fraction

from vmsapp.tariffs.cost import Cost
from vmsapp.tariffs.plan import FULL_SHARE
from vmsapp.tariffs.rates import percent
from vmsapp.tariffs.terms import FeeDue, Standing, Terms

Fees = tuple[FeeDue, ...]


def fees_by_amount(
    terms: Terms, standing: Standing, tender_minor: int, needed: Callable[[Fees], int]
) -> Fees:
    """Choose the fees that a tender pays.

    Args:
        terms: With the plan's share.
        standing: With what is due.
        tender_minor: Minor units.
        needed: The least tender that pays some fees and buys something after them.

    Returns:
        The least that must be paid, where the tender is too small for anything.
    """
    share = _share(terms)
    if share is None:
        return standing.fees_due
    least, *more = _choices(standing)
    for fees in reversed(more):
        if _covers(terms, fees, share * tender_minor) and needed(fees) <= tender_minor:
            return fees
    return least


def least_fees(terms: Terms, standing: Standing) -> Fees:
    """Give the fees that every tender pays, however small."""
    return standing.fees_due if _share(terms) is None else _choices(standing)[0]


def fees_by_quantity(terms: Terms, standing: Standing, bought: int) -> Fees:
    """Choose the fees that a purchase of ``bought`` tenths pays."""
    share = _share(terms)
    if share is None:
        return standing.fees_due
    least, *more = _choices(standing)
    for fees in reversed(more):
        charged = terms.to_coin(Cost.of(terms, standing, fees).minor(bought))
        if _covers(terms, fees, share * charged):
            return fees
    return least


def _share(terms: Terms) -> Fraction | None:
    """Give the share of the charge for missed fees, ``None`` for all of it."""
    fee = terms.plan.fixed_fee
    if fee is None or fee.arrears_share == FULL_SHARE:
        return None
    return percent(fee.arrears_share)


def _choices(standing: Standing) -> list[Fees]:
    """List what may be paid: no missed fee, the oldest, the two oldest, ..., all of them."""
    missed = tuple(fee for fee in standing.fees_due if fee.missed)
    current = tuple(fee for fee in standing.fees_due if not fee.missed)
    return [(*missed[:count], *current) for count in range(len(missed) + 1)]


def _covers(terms: Terms, fees: Fees, minor: Fraction) -> bool:
    """Tell whether an amount pays the missed ones among some fees."""
    missed = sum(fee.amount_minor for fee in fees if fee.missed)
    return terms.prices.fee * missed <= minor * terms.prices.scale

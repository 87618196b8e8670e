"""Sales to meters that rate themselves, by hand: what of the money goes on the token."""

import json

import pytest

from tests.unit.tariffs.making import (
    D,
    bands,
    flat,
    kinds,
    monthly,
    months_due,
    standing,
    stepped,
    terms,
)
from vmsapp.money import Money
from vmsapp.tariffs import errors
from vmsapp.tariffs.credit import quote_for_currency
from vmsapp.tariffs.engine import Debt, LineKind, Used
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy
from vmsapp.tariffs.plan import Limits, Most, Span

FEE_TAX = PercentLevy("VAT", D(10), frozenset({Base.FEE}))


def of_all(rate: str, name="Street light") -> PercentLevy:
    return PercentLevy(name, D(rate), frozenset({Base.TENDER}))


def test_credit_is_the_tender_less_arrears_fee_debts_and_percents_of_the_tender():
    # 50.00 less 2.00, 2.00, debt 5.00, 10 % of the fees 0.40 and 4 % of the tender 2.00.
    plan = flat("0.1", fee=monthly(), levies=(FEE_TAX, of_all("4")))
    there = standing(0, months_due(200, 200), debts=(Debt("Loan", 500),))
    quote = quote_for_currency(terms(plan), there, 5000)
    assert kinds(quote) == [
        (LineKind.FEE_ARREARS, 200),
        (LineKind.FEE, 200),
        (LineKind.DEBT, 500),
        (LineKind.CREDIT, 3860),
        (LineKind.LEVY, 40),
        (LineKind.LEVY, 200),
    ]
    assert (quote.credit_minor, quote.charged_minor, quote.change_minor) == (3860, 5000, 0)
    assert quote.fees == there.fees_due


def test_steps_fines_units_and_what_depends_on_them_play_no_part():
    plan = stepped(
        (10, "1", "50"),  # closed and used up
        penalties=bands((0, 5, 700)),
        levies=(UnitLevy("Fuel", D("0.5")), FlatLevy("Stamp", 75), PercentLevy("VAT", D(20))),
        limits=Limits(D(5), most=(Most(Span.DAY, D(5)),)),
    )
    there = standing(10, used={Span.DAY: Used(D(5), 0)})
    assert kinds(quote_for_currency(terms(plan), there, 7)) == [(LineKind.CREDIT, 7)]


@pytest.mark.parametrize(("exponent", "tender", "levy"), [(0, 150, 2), (2, 149, 1), (3, 1050, 11)])
def test_percent_of_the_tender_is_rounded_half_up_and_the_credit_takes_the_rest(
    exponent, tender, levy
):
    # 1 % of 150 is 1.5 -> 2, of 149 1.49 -> 1, of 1050 10.5 -> 11 minor units.
    quote = quote_for_currency(
        terms(flat("1", levies=(of_all("1"),)), exponent=exponent), standing(), tender
    )
    assert kinds(quote) == [(LineKind.CREDIT, tender - levy), (LineKind.LEVY, levy)]


def test_inclusive_fee_holds_the_levy_on_it():
    # 2.30 is 2.00 and 15 %.
    levy = PercentLevy("VAT", D(15), frozenset({Base.FEE}))
    plan = flat("1", fee=monthly(230), levies=(levy,), tax_inclusive=True)
    quote = quote_for_currency(terms(plan), standing(0, months_due(230)), 1000)
    assert kinds(quote) == [(LineKind.FEE, 200), (LineKind.CREDIT, 770), (LineKind.LEVY, 30)]


def test_minimum_leaves_one_minor_unit_of_credit():
    # Fee 2.00, 10 % of it 0.20, debt 1.00: 3.21 leaves 0.01.
    plan = flat("1", fee=monthly(), levies=(FEE_TAX,))
    there = standing(0, months_due(200), debts=(Debt("Loan", 100),))
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_for_currency(terms(plan), there, 320)
    assert caught.value.minimum == Money(321, "XTS")
    assert quote_for_currency(terms(plan), there, 321).credit_minor == 1


def test_minimum_counts_what_percents_of_the_tender_take():
    # Debt 1.00 and half a minor unit of credit, 100.5, are 50 % of 201: the levy takes 100.5,
    # which is 101 by half-up, and leaves 0. Rounding gives the credit its minor unit.
    plan = flat("1", levies=(of_all("50"),))
    there = standing(0, debts=(Debt("Loan", 100),))
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_for_currency(terms(plan), there, 200)
    assert caught.value.minimum == Money(201, "XTS")
    assert kinds(quote_for_currency(terms(plan), there, 201)) == [
        (LineKind.DEBT, 100),
        (LineKind.CREDIT, 1),
        (LineKind.LEVY, 101),
        (LineKind.ROUNDING, -1),
    ]
    assert kinds(quote_for_currency(terms(plan), there, 202))[1:] == [
        (LineKind.CREDIT, 1),
        (LineKind.LEVY, 101),
    ]


def test_share_for_arrears_spares_the_credit():
    # A quarter of 4.00 pays one of two missed months; 1.00 is the current one.
    plan = flat("1", fee=monthly(100, share="25"))
    there = standing(0, months_due(100, 100, 100))
    assert quote_for_currency(terms(plan), there, 400).credit_minor == 200
    assert quote_for_currency(terms(plan), there, 399).credit_minor == 299
    with pytest.raises(errors.AmountTooSmall) as caught:
        quote_for_currency(terms(plan), there, 100)
    assert caught.value.minimum == Money(101, "XTS")


@pytest.mark.parametrize("tender", [0, -1])
def test_tender_not_above_zero_is_refused(tender):
    with pytest.raises(errors.InvalidTender):
        quote_for_currency(terms(flat("1")), standing(), tender)


def test_limits_of_money_are_held():
    limits = Limits(smallest_minor=100, most=(Most(Span.DAY, minor=1000),))
    there = standing(0, used={Span.DAY: Used(D(0), 400)})
    under = terms(flat("1", limits=limits))
    assert quote_for_currency(under, there, 600).credit_minor == 600
    with pytest.raises(errors.AboveDaysMoney) as caught:
        quote_for_currency(under, there, 601)
    assert caught.value.largest == Money(600, "XTS")
    with pytest.raises(errors.BelowSmallestAmount):
        quote_for_currency(under, there, 99)


def test_stored_calculation_and_figures_survive_json():
    plan = flat("1", fee=monthly(), levies=(of_all("2.5"),))
    quote = quote_for_currency(terms(plan), standing(0, months_due(200)), 1010)
    # 2.5 % of 10.10 is 0.2525 -> 0.25: the credit is 7.85, exactly 7.8475 before rounding.
    stored = json.loads(json.dumps(quote.as_dict()))
    assert (stored["credit_minor"], stored["charged_minor"], stored["change_minor"]) == (
        785,
        1010,
        0,
    )
    credit = stored["lines"][1]
    assert (credit["kind"], credit["base_minor_exact"], credit["rounding_minor_exact"]) == (
        "credit",
        "3139/4",
        "1/4",
    )
    figures = json.loads(json.dumps(quote.figures()))
    assert figures == quote.figures()
    assert (figures["credit_minor"], figures["fee_minor"], figures["levy_minor"]) == (785, 200, 25)

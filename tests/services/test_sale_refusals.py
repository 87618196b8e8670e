"""Every rule that refuses a sale, and that a refusal leaves nothing behind."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from tests import factories
from tests.factories import (
    BLOCKED,
    DOMESTIC,
    ENDED_BASE_DATE,
    EXPIRED_KEY,
    FUTURE_TARIFF,
    HARBOUR,
    LEGACY_11,
    MARKET,
    NO_CONSUMER,
    NO_KEY,
    NO_TARIFF,
    NOT_INSTALLED,
    RETIRED,
    SOUTH_OPERATOR,
    SOUTHERN,
    STOCK,
    WATER,
)
from tests.shop import Shop
from vmsapp.errors import VmsError
from vmsapp.models import (
    AuditEvent,
    Counter,
    Installation,
    LedgerTransfer,
    Meter,
    Sale,
    Setup,
    SmAlgorithm,
    SpentTid,
    TidHead,
    VendingPointAccount,
)
from vmsapp.money import Money
from vmsapp.services.security_modules import MeterWithoutKey, NoModule
from vmsapp.services.setup import NotSetUp
from vmsapp.services.tariffs import NoPlanInForce
from vmsapp.services.vending.errors import (
    BaseDateEnded,
    FormOutdated,
    InsufficientFunds,
    KeyExpired,
    MeterBlocked,
    MeterNotInUse,
    MeterWithoutConsumer,
    MeterWithoutTariff,
    NoSuchMeter,
    NothingToPay,
    NoVendingPoint,
    QuoteChanged,
    ReceivedTooLittle,
    SoldByAmount,
    TariffOfAnotherType,
)
from vmsapp.tariffs.errors import (
    AboveTokenLimit,
    AmountTooSmall,
    InvalidQuantity,
    InvalidTender,
)

SHOWN = {"units": "50.0"}
"""Figures of a form whose meter cannot be priced; the refusal comes before they count."""

BY_METER = [
    (NO_CONSUMER, MeterWithoutConsumer),
    (NOT_INSTALLED, MeterWithoutConsumer),
    (NO_TARIFF, MeterWithoutTariff),
    (FUTURE_TARIFF, NoPlanInForce),
    (NO_KEY, MeterWithoutKey),
    (BLOCKED, MeterBlocked),
    (STOCK, MeterNotInUse),
    (RETIRED, MeterNotInUse),
    (WATER, TariffOfAnotherType),
    (SOUTHERN, NoSuchMeter),
]


def refused(shop: Shop, error: type[VmsError], form: object, **how: object) -> VmsError:
    """Submit a form that must be refused with this error and leave nothing behind."""
    before = written(shop)
    with pytest.raises(error) as caught:
        shop.submit(form, **how)
    assert type(caught.value) is error
    assert written(shop) == before
    assert str(caught.value)  # every hole of the sentence has its value
    return caught.value


def written(shop: Shop) -> list[int]:
    models = (Sale, SpentTid, TidHead, Counter, LedgerTransfer, AuditEvent, VendingPointAccount)
    return [shop.count(model) for model in models]


@pytest.mark.parametrize(("meter", "error"), BY_METER)
def test_a_meter_that_cannot_be_sold_to_is_refused_by_name(shop, module, meter, error):
    refused(shop, error, shop.form(meter, shown=SHOWN))
    assert module.asked == []


def test_a_meter_that_rates_itself_is_not_sold_to_by_quantity(shop, module):
    in_money = update(Meter).where(Meter.id == shop.utility.meters[LEGACY_11])
    shop.change(lambda session: session.execute(in_money.values(credit_mode="currency")))
    with pytest.raises(SoldByAmount):
        shop.quote(LEGACY_11)
    refused(shop, SoldByAmount, shop.form(shown=SHOWN))
    assert module.asked == []


def test_money_that_does_not_pay_what_was_chosen_is_refused_with_what_is_missing(shop, module):
    # 50 units at 0.10 are 5.00
    form = shop.form(units="50")
    short = replace(form, purchase=replace(form.purchase, received_minor=499))
    error = refused(shop, ReceivedTooLittle, short)
    assert error.params["missing"] == Money(1, "USD")
    assert module.asked == []


@pytest.mark.parametrize(("meter", "error"), [(EXPIRED_KEY, KeyExpired),
                                              (ENDED_BASE_DATE, BaseDateEnded)])  # fmt: skip
def test_no_identifier_is_given_that_the_key_or_its_base_date_does_not_allow(shop, meter, error):
    refused(shop, error, shop.form(meter))


def test_an_unknown_meter_and_one_of_another_region_get_the_same_answer(shop):
    hidden = refused(shop, NoSuchMeter, shop.form(SOUTHERN, shown=SHOWN))
    shop.utility.meters["nowhere"] = 10**9
    absent = refused(shop, NoSuchMeter, shop.form("nowhere", shown=SHOWN))
    del shop.utility.meters["nowhere"]
    assert (hidden.code, hidden.message) == (absent.code, absent.message)


@pytest.mark.parametrize("point", [MARKET, "nowhere"])
def test_a_vending_point_that_is_not_the_operators_sells_nothing(shop, point):
    shop.utility.points["nowhere"] = 10**9
    refused(shop, NoVendingPoint, shop.form(point=point))
    del shop.utility.points["nowhere"]


def test_the_other_operator_sells_at_the_other_point(shop):
    assert shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR).state == "issued"


@pytest.mark.parametrize("units", ["0", "-1", "0.05", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_quantity_that_is_none_is_refused(shop, units):
    refused(shop, InvalidQuantity, shop.form(units=units, shown=SHOWN))


@pytest.mark.parametrize("tender", [0, -1, -(10**15)])
def test_an_amount_of_nothing_is_refused(shop, tender):
    refused(shop, InvalidTender, shop.form(tender=tender, shown=SHOWN))


def test_an_amount_that_does_not_cover_what_is_due_names_the_smallest_that_does(shop):
    error = refused(shop, AmountTooSmall, shop.form(DOMESTIC, tender=200, shown=SHOWN))
    assert error.params["minimum"].minor == 201  # the fee of 2.00 and a tenth of a unit


@pytest.mark.parametrize("units", ["1820162.5", "9999999999"])
def test_more_than_a_token_can_carry_is_refused(shop, units):
    refused(shop, AboveTokenLimit, shop.form(units=units, shown=SHOWN))


def test_a_quantity_whose_price_rounds_to_nothing_is_refused(shop):
    def cheap(session):
        tariff = factories.add_tariff(session, "Cheap", factories.step("0", None, "0.01"))
        session.execute(
            update(Meter)
            .where(Meter.id == shop.utility.meters[LEGACY_11])
            .values(tariff_id=tariff.id)
        )

    shop.change(cheap)
    refused(shop, NothingToPay, shop.form(units="0.1", shown=SHOWN))


@pytest.mark.parametrize("key", ["2-abc", "0-abc", "abc", "", "１-abc"])
def test_a_key_of_another_epoch_is_refused(shop, key):
    refused(shop, FormOutdated, shop.form(key=key or "-"))


def test_after_a_restore_an_old_form_is_refused_but_a_sale_it_made_is_found(shop):
    form = shop.form()
    sale = shop.submit(form)
    other = shop.form()
    shop.change(lambda s: s.execute(update(Installation).values(epoch=2)))
    refused(shop, FormOutdated, other)
    assert shop.submit(form).id == sale.id


BROKEN = [
    (lambda session: session.execute(delete(SmAlgorithm)), NoModule),
    (lambda session: session.execute(delete(Setup)), NotSetUp),
    (lambda session: session.execute(delete(Installation)), NotSetUp),
]


@pytest.mark.parametrize(("breaker", "error"), BROKEN)
def test_a_utility_that_is_not_set_up_sells_nothing(shop, breaker, error):
    form = shop.form()
    shop.change(breaker)
    refused(shop, error, form)


def limit_account(shop, **values):
    shop.change(
        lambda s: s.add(
            VendingPointAccount(
                vending_point_id=shop.utility.points[HARBOUR], limited=True, **values
            )
        )
    )


@pytest.mark.parametrize(("balance", "credit", "sells"), [
    (500, 0, True), (499, 0, False), (0, 500, True), (0, 499, False), (-100, 600, True),
])  # fmt: skip
def test_a_limited_point_sells_to_its_credit_limit_and_not_beyond(shop, balance, credit, sells):
    limit_account(shop, balance_minor=balance, credit_limit_minor=credit)
    form = shop.form()
    if not sells:
        error = refused(shop, InsufficientFunds, form)
        assert error.params["needed"] == Money(500, factories.CURRENCY)
        return
    assert shop.submit(form).state == "issued"
    account = shop.account()
    assert (account.balance_minor, account.pending_minor) == (balance - 500, 0)


def test_a_price_that_changed_since_it_was_shown_is_not_charged(shop):
    form = shop.form()
    plan = shop.rows(factories.TariffPlan, factories.TariffPlan.name == "Flat")[0]
    shop.change(
        lambda s: factories.add_plan(
            s, plan.tariff_id, factories.step("0", None, "0.12"), name="Flat 2",
            effective_on=factories.TODAY,
        )
    )  # fmt: skip
    error = refused(shop, QuoteChanged, form)
    assert error.quote.charged_minor == 600
    assert shop.sell(shown=error.quote.figures()).charged_minor == 600


def test_units_bought_since_the_price_was_shown_change_it(shop):
    form = shop.form(DOMESTIC, units="60")
    shop.sell(DOMESTIC, units="60")
    error = refused(shop, QuoteChanged, form)
    assert error.quote.charged_minor == 820  # worked table: 60 bought, fee paid, 60 more


def test_a_month_that_began_since_the_price_was_shown_changes_it(shop):
    shop.sell(DOMESTIC, units="60")
    form = shop.form(DOMESTIC, units="60")
    shop.clock.forward(days=15)
    assert refused(shop, QuoteChanged, form).quote.charged_minor == 800


def test_a_figure_that_was_never_shown_is_not_honoured(shop):
    shown = shop.quote(LEGACY_11)
    refused(shop, QuoteChanged, shop.form(shown=shown | {"charged_minor": 1}))


def test_the_refusal_of_an_expired_key_tells_when_it_expired(shop):
    error = refused(shop, KeyExpired, shop.form(EXPIRED_KEY))
    # KEN 50: 51 times 2**16 minutes after 2014-01-01
    expected = factories.BaseDate.Y2014.moment + timedelta(minutes=51 * 2**16)
    assert error.params["expired_at"] == expected

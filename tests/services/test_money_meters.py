"""Meters that rate themselves are given money: what is due is taken, the rest is on the token."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests import factories
from tests.services.test_meter_types import virtual
from vmsapp.models import AccountKind, FeePayment, LedgerAccount, LedgerEntry, MeterType
from vmsapp.services.explanations import explained_sale
from vmsapp.services.vending.amounts import minor_in
from vmsapp.services.vending.errors import LooksRepeated
from vmsapp.sts.meter import Result

SUBCLASSES = [
    (MeterType.ELECTRICITY, 4), (MeterType.WATER, 5), (MeterType.GAS, 6), (MeterType.TIME, 7),
]  # fmt: skip
"""IEC 62055-41, "Class 0: Transfer credit": the sub-classes 4 to 7 carry money."""

NAME = "sold to here"


@pytest.fixture
def kind(shop, request):
    """Hang a meter in money of the kind asked for, under a plan with a fee of 2.00 a month."""
    kind = getattr(request, "param", MeterType.ELECTRICITY)

    def add(session):
        product = factories.add_product(session, "09", kind)
        tariff = factories.add_tariff(
            session, f"Money for {kind}", factories.step("0", None, "0.10"),
            meter_type=kind, fixed_fee=factories.fee(200),
        )  # fmt: skip
        region = shop.utility.regions["north"]
        return factories.add_meter(
            session, 900, product=product, tariff=tariff, region=region, credit_mode="currency"
        )

    shop.utility.meters[NAME] = shop.change(add)
    yield kind
    del shop.utility.meters[NAME]


@pytest.mark.parametrize(("kind", "subclass"), SUBCLASSES, indirect=["kind"])
def test_each_kind_of_meter_adds_the_money_in_its_own_register(shop, keystore, kind, subclass):
    # 10.00 less the fee of 2.00 are 8.00: in 1e-5 the range of exponent 2 begins at 180 224 and
    # has steps of 100, so the next value above 800 000 is 180 224 + 6198 * 100 = 800 024.
    sale = shop.sell(NAME, tender=1000)
    assert (sale.state, sale.subclass, sale.charged_minor) == ("issued", subclass, 1000)
    assert (sale.credit_minor, sale.units, sale.change_minor) == (800, Decimal("8.000"), 0)
    (token,) = shop.tokens(sale)
    assert (token.token_class, token.subclass) == (0, subclass)
    assert token.amount_field == 2 << 14 | 6198
    meter = virtual(shop, keystore)
    assert meter.enter(token.digits) is Result.ACCEPT
    assert {place: held for place, held in meter.registers.items() if held} == {subclass: 800_024}


def test_a_large_amount_carries_the_next_step_and_both_are_told(shop, keystore, kind):
    # 20 000.00 less 2.00: 1 999 800 000 in 1e-5 lies above 1 820 426 24 (exponent 5: steps of
    # 100 000): 182 042 624 + 18178 * 100 000 is past the mantissa, so exponent 6 from
    # 1 820 442 624 in steps of a million: 1 820 442 624 + 180 * 1 000 000 = 2 000 442 624.
    sale = shop.sell(NAME, tender=2_000_000)
    (token,) = shop.tokens(sale)
    assert token.amount_field == 6 << 14 | 180
    assert sale.rnd == (6 << 14 | 180) >> 16
    assert sale.amount_field == (6 << 14 | 180) & 0xFFFF
    assert sale.credit_minor == 1_999_800
    assert sale.calculation["carried_minor"] == 2_000_442
    assert sale.units_carried == Decimal("20004.426")
    meter = virtual(shop, keystore)
    assert meter.enter(token.digits) is Result.ACCEPT
    assert meter.registers[4] == 2_000_442_624


def test_money_is_no_units_and_its_limits_and_fees_count_all_the_same(shop, kind):
    shop.sell(NAME, tender=1000)
    second = shop.sell(NAME, tender=300)
    assert second.credit_minor == 300  # the fee of this month is paid
    assert shop.counters(NAME) == {factories.TODAY: Decimal(0)}
    assert (second.bought_before, second.bought_after) == (Decimal(0), Decimal(0))
    assert shop.count(FeePayment) == 1
    (account,) = shop.rows(LedgerAccount, LedgerAccount.kind == AccountKind.ENERGY)
    entries = shop.rows(LedgerEntry, LedgerEntry.account_id == account.id)
    assert sorted(entry.amount_minor for entry in entries) == [-800, -300]


def test_a_failed_sale_in_money_gives_everything_back(shop, module, kind):
    module.refuse("parameters")
    sale = shop.sell(NAME, tender=1000)
    assert sale.state == "failed"
    assert shop.counters(NAME) == {factories.TODAY: Decimal(0)}
    assert shop.count(FeePayment) == 0


def test_asked_again_with_a_higher_identifier_it_is_the_same_money(shop, module, keystore, kind):
    # 20 000.00 less 2.00 as above: the upper bits of its amount stand where others have RND
    for _ in range(4):  # random bits would be others, sooner or later
        module.refuse("tid_spent")
        sale = shop.sell(NAME, tender=2_000_000)
        assert (sale.state, sale.attempt) == ("issued", 2)
        (token,) = shop.tokens(sale)
        assert token.amount_field == 6 << 14 | 180
    assert virtual(shop, keystore).enter(token.digits) is Result.ACCEPT


def test_what_was_sold_in_money_can_be_explained(shop, kind):
    sale = shop.sell(NAME, tender=1000)
    why = shop.do(lambda session, _actor: explained_sale(session, sale.id)[2])
    assert (why.credit_minor, why.carried_minor, why.charged_minor) == (800, 800, 1000)
    assert [(part.kind, part.amount_minor) for part in why.parts] == [("fee", 200), ("credit", 800)]


def test_minor_units_of_a_coded_amount_are_whole_ones():
    # 1.00004 of the currency, in a currency with 3 decimals
    assert minor_in(0x060AA, 3) == 1000


def test_what_was_handed_over_is_kept_with_its_change_and_changes_no_price(shop):
    form = shop.form(units="50")
    paid = replace(form, purchase=replace(form.purchase, received_minor=2000))
    sale = shop.submit(paid)
    assert (sale.charged_minor, sale.received_minor, sale.change_minor) == (500, 2000, 1500)
    assert sale.calculation["received_minor"] == 500
    assert shop.submit(paid).id == sale.id  # sent once more it is the same sale


@pytest.mark.parametrize("received", [None, 5000])
def test_the_same_amount_again_is_asked_about_whatever_banknote_it_is_paid_with(shop, received):
    first = shop.sell(tender=2000)
    form = shop.form(tender=2000, repeat_confirmed=False)
    again = replace(form, purchase=replace(form.purchase, received_minor=received))
    with pytest.raises(LooksRepeated) as asked:
        shop.submit(again)
    assert asked.value.params["sale_id"] == first.id

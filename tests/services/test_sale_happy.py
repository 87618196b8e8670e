"""A sale that goes well: the right token for the right money, all of it on record."""

from datetime import date
from decimal import Decimal

import pytest

from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    NOW,
    STS6_11,
    STS6_13,
    THIS_MONTH,
    TODAY,
)
from tests.faults import down, during, request_lost
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import SaleAttempt, SpentTid
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.tid import BaseDate, tid_from_datetime


@pytest.mark.parametrize("meter", [LEGACY_11, LEGACY_13, STS6_11, STS6_13])
@pytest.mark.parametrize("wish", [{"units": "50"}, {"tender": 500}], ids=["quantity", "amount"])
def test_the_digits_carry_what_was_bought_under_the_meters_own_key(shop, keystore, meter, wish):
    sale = shop.sell(meter, **wish)
    minute = tid_from_datetime(NOW, BaseDate.Y2014)
    assert shop.decode(sale, keystore) == CreditToken(
        subclass=0, rnd=sale.rnd, tid=minute, amount_field=500
    )
    assert (sale.state, sale.units, sale.charged_minor) == ("issued", Decimal(50), 500)
    assert (sale.tid, sale.amount_field) == (minute, 500)


def test_reserve_stores_every_input_of_the_token(shop):
    sale = shop.sell(STS6_13)
    meter = shop.meter(STS6_13)
    same = ("meter_pan", "sgc", "krn", "kt", "ti", "base_date", "ea", "tct")
    assert [getattr(sale, name) for name in same] == [getattr(meter, name) for name in same]
    assert (sale.dkga, sale.ken, sale.table_set, sale.subclass) == ("04", 255, "production", 0)
    assert sale.module_id == shop.utility.module_id
    assert (sale.service_point_id, sale.counter_period) == (shop.point_of(STS6_13), TODAY)
    assert (sale.bought_before, sale.bought_after) == (Decimal(0), Decimal(50))


def test_the_moment_of_the_sale_decides_its_day_and_hour_in_the_utilitys_zone(shop):
    shop.at(NOW.replace(hour=21, minute=30))  # half past midnight in Nairobi
    sale = shop.sell()
    assert (sale.sold_at, sale.business_date, sale.local_hour) == (
        shop.clock.now,
        date(2026, 3, 18),
        0,
    )


def test_a_token_remembers_its_module_its_key_and_that_it_is_a_demonstration(shop, keystore):
    sale = shop.sell()
    (token,) = shop.tokens(sale)
    assert (token.module_name, token.table_set, token.demo) == (
        keystore.module_id,
        "production",
        True,
    )
    ref = KeyRef(sale.sgc, sale.krn, sale.kt, sale.dkga)
    assert token.kcv == keystore.vending_key(ref)[0].kcv
    assert (token.tid, token.amount_field, token.token_class) == (sale.tid, 500, 0)


def test_a_sale_that_its_seller_completes_is_marked_as_shown(shop):
    sale = shop.sell()
    assert (sale.shown_at, sale.issued_at, sale.doubt_at) == (NOW, NOW, None)


def test_what_the_module_is_asked_is_on_record_before_it_is_asked(shop, module):
    sale = shop.sell()
    (attempt,) = shop.rows(SaleAttempt, SaleAttempt.sale_id == sale.id)
    (spent,) = shop.rows(SpentTid, SpentTid.meter_pan == sale.meter_pan)
    assert (attempt.request_id, attempt.module_id, attempt.tid) == (
        sale.request_id,
        sale.module_id,
        sale.tid,
    )
    assert (spent.request_id, spent.tid) == (sale.request_id, sale.tid)
    assert module.asked == [("issue_credit", sale.request_id)]


FEE_DUE = [  # units, charged: the worked table of the tariff rules, fee of this month due
    ("60", 800),
    ("100", 1200),
    ("100.1", 1202),
    ("250", 4350),
]


@pytest.mark.parametrize(("units", "charged"), FEE_DUE)
def test_two_steps_and_a_fee_cost_what_the_worked_table_says(shop, units, charged):
    sale = shop.sell(DOMESTIC, units=units)
    assert (sale.state, sale.charged_minor, sale.units) == ("issued", charged, Decimal(units))
    assert shop.counters(DOMESTIC) == {TODAY: Decimal(units)}
    assert shop.fees(DOMESTIC) == [THIS_MONTH]


def test_a_second_sale_of_the_month_pays_no_fee_and_goes_on_where_the_first_ended(shop):
    shop.sell(DOMESTIC, units="60")
    second = shop.sell(DOMESTIC, units="60")
    assert second.charged_minor == 820  # worked table: 60 bought, fee paid, 60 more
    assert (second.bought_before, second.bought_after) == (Decimal(60), Decimal(120))


def test_money_that_buys_no_more_units_is_given_back_as_change(shop):
    sale = shop.sell(tender=1005)  # a tenth of a unit costs one cent: 100.5 units
    assert (sale.received_minor, sale.charged_minor, sale.change_minor) == (1005, 1005, 0)
    other = shop.sell(DOMESTIC, tender=1201)  # worked table: 100.0 units for 12.00
    assert (other.charged_minor, other.change_minor, other.units) == (1200, 1, Decimal(100))


def test_the_calculation_is_kept_line_by_line_with_its_plan(shop):
    sale = shop.again(shop.sell(DOMESTIC, units="60"))
    kinds = [(line["kind"], line["amount_minor"]) for line in sale.calculation["lines"]]
    assert kinds == [("fee", 200), ("energy", 600)]
    assert sale.calculation["plan"] == "Domestic"
    assert sale.calculation["plan_id"] == sale.plan_id


def test_no_transaction_is_open_while_the_module_is_asked(shop, module):
    busy = []
    module.always("issue_credit", during(lambda: busy.append(shop.engine.pool.checkedout())))
    module.always("fetch_result", during(lambda: busy.append(shop.engine.pool.checkedout())))
    module.once("issue_credit", during(lambda: busy.append(shop.engine.pool.checkedout()), down))
    shop.sell()
    module.once("issue_credit", request_lost)
    shop.sell()
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert busy == [0, 0, 0]


def test_a_sale_belongs_to_the_day_it_was_sold_and_reports_read_that(shop):
    sale = shop.sell()
    assert (sale.business_date, sale.currency, sale.exponent) == (TODAY, "USD", 2)

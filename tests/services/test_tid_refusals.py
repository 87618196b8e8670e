"""A module that has used an identifier for something else: once more, with a higher one."""

import pytest

from tests.factories import LEGACY_11, LEGACY_SGC
from tests.faults import down, during
from vmsapp.models import AuditEvent, SaleAttempt, SpentTid, TidHead, VendingKey

REASONS = ["tid_spent", "tid_too_old"]


def head_of(shop, sale):
    return shop.rows(TidHead, TidHead.meter_pan == sale.meter_pan)[0].last_tid


@pytest.mark.parametrize("reason", REASONS)
def test_a_tid_refusal_is_answered_by_the_next_higher_identifier(shop, module, keystore, reason):
    minute = shop.sell(units="1").tid
    module.refuse(reason, highest_tid=minute + 9)
    sale = shop.sell()
    assert (sale.state, sale.tid, sale.attempt) == ("issued", minute + 10, 2)
    assert shop.decode(sale, keystore).tid == minute + 10
    assert head_of(shop, sale) == minute + 10


def test_both_attempts_and_both_identifiers_are_kept(shop, module):
    module.refuse("tid_spent", highest_tid=0)
    sale = shop.sell()
    attempts = shop.rows(SaleAttempt, SaleAttempt.sale_id == sale.id)
    assert [row.request_id.rpartition("-")[2] for row in attempts] == ["1", "2"]
    assert sale.request_id == attempts[1].request_id
    spent = shop.rows(SpentTid, SpentTid.meter_pan == sale.meter_pan)
    assert {row.request_id: row.tid for row in spent} == {
        row.request_id: row.tid for row in attempts
    }
    assert shop.count(AuditEvent, AuditEvent.action == "sale.asked_again") == 1


def test_the_new_identifier_is_on_record_before_the_module_is_asked_again(shop, module):
    seen = []
    module.refuse("tid_spent", highest_tid=0)
    module.once("issue_credit", during(lambda: seen.append(shop.count(SaleAttempt))))
    shop.sell()
    assert seen == [2]


def test_the_head_is_not_lowered_by_a_module_that_knows_less(shop, module):
    first = shop.sell(units="1")
    module.refuse("tid_spent", highest_tid=first.tid - 500)
    assert shop.sell().tid == first.tid + 2


@pytest.mark.parametrize("reason", REASONS)
def test_a_second_tid_refusal_fails_the_sale(shop, module, reason):
    module.refuse(reason, highest_tid=0, times=2)
    sale = shop.sell()
    assert (sale.state, sale.failure, sale.attempt) == ("failed", reason, 2)
    assert module.count("issue_credit") == 2


def test_a_real_module_that_used_the_identifiers_names_its_highest(shop, module, keystore):
    first = shop.sell(units="1")
    # the database forgets: the head is put back, as a restore from a backup would
    shop.change(lambda s: setattr(s.get_one(TidHead, (first.meter_pan, "14")), "last_tid", None))
    remove_spent(shop, first)
    sale = shop.sell()
    assert (sale.state, sale.tid, sale.attempt) == ("issued", first.tid + 1, 2)


def remove_spent(shop, sale):
    """Take an identifier out of a table nothing is ever removed from, past its guard."""
    if shop.engine.dialect.name == "sqlite":
        lift = "DROP TRIGGER tid_no_delete"
    else:
        lift = "SET LOCAL session_replication_role = replica"

    def remove(session):
        session.connection().exec_driver_sql(lift)
        session.delete(session.get_one(SpentTid, (sale.meter_pan, sale.base_date, sale.tid)))

    shop.change(remove)


def test_after_a_tid_refusal_a_module_that_is_down_leaves_the_sale_pending(shop, module):
    module.refuse("tid_spent", highest_tid=0)
    module.once("issue_credit", down)
    sale = shop.sell()
    assert (sale.state, sale.attempt) == ("pending", 2)
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}


def test_a_tid_refusal_found_by_the_worker_is_asked_again_in_its_next_run(shop, module):
    module.refuse("tid_spent", highest_tid=0, heard=False)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"pending": 1}
    assert shop.reconcile() == {"issued": 1}
    assert (shop.again(sale).attempt, shop.again(sale).tid) == (2, sale.tid + 1)


def test_an_identifier_far_ahead_of_the_clock_is_not_taken_from_a_module(shop, module):
    first = shop.sell(units="1")
    module.refuse("tid_spent", highest_tid=first.tid + 3_000)
    sale = shop.sell()
    assert (sale.state, sale.failure) == ("failed", "tid_ahead")
    assert head_of(shop, sale) == first.tid + 1


def test_an_identifier_beyond_the_keys_expiry_is_not_taken_from_a_module(shop, module):
    first = shop.sell(units="1")
    ken = first.tid >> 16

    def shorten(session):
        for key in session.query(VendingKey).where(VendingKey.sgc == LEGACY_SGC):
            key.ken = ken

    shop.change(shorten)
    module.refuse("tid_spent", highest_tid=(ken + 1) << 16)
    sale = shop.sell(LEGACY_11)
    assert (sale.state, sale.failure) == ("failed", "key_expired")


def test_a_worker_and_a_seller_who_both_hear_the_refusal_raise_the_identifier_once(shop, module):
    def worker_raises_it():
        shop.clock.forward(minutes=1)
        assert shop.reconcile() == {"pending": 1}
        assert shop.rows(SaleAttempt)[-1].tid == shop.rows(SpentTid)[-1].tid

    module.refuse("tid_spent", highest_tid=0)
    refuse = module._once["issue_credit"].pop()

    def refused_and_overtaken(call):
        try:
            return refuse(call)
        finally:
            worker_raises_it()

    module.once("issue_credit", refused_and_overtaken)
    sale = shop.sell()
    assert (sale.state, sale.attempt, shop.count(SaleAttempt)) == ("pending", 2, 2)
    assert shop.reconcile() == {"issued": 1}

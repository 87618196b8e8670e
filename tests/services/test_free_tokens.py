"""Free and compensation tokens: by two people, within their quotas, on the books, once."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests import factories
from tests.factories import (
    BLOCKED,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    NO_TARIFF,
    STS6_11,
)
from tests.faults import answer_lost, down, put_off, request_lost
from tests.services.gifts import Gifts
from tests.services.pair import MAKER, THIRD, make_pair
from tests.services.test_proof import broken, found, proved
from tests.services.test_reversals import sums
from tests.shop import in_threads
from tests.till import Till
from vmsapp.errors import NotAllowed
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.models import (
    ApprovalRequest,
    AuditEvent,
    FreeToken,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Sale,
    SaleReversal,
    VendingPointAccount,
)
from vmsapp.services import ledger, receipts
from vmsapp.services.approvals import asking, deciding
from vmsapp.services.approvals.errors import AlreadyDecided, OwnRequest
from vmsapp.services.free_tokens.deed import GIVE
from vmsapp.services.free_tokens.errors import (
    ForSaleOfFree,
    ForUnknownSale,
    FreeAmountMissing,
    FreeNoteMissing,
    FreeNoteTooLong,
    FreeReasonMissing,
    FreeTokensOfTheDay,
    FreeUnitsUsed,
    FreeValueUsed,
)
from vmsapp.services.vending.errors import (
    MeterBlocked,
    MeterWithoutTariff,
    NoVendingPoint,
    SaleUnderway,
)
from vmsapp.services.vending.reversal import REVERSE, reversal_for
from vmsapp.tariffs.errors import InvalidQuantity

TO_ASK = ("free_tokens", "compensation")


@pytest.fixture
def gifts(shop):
    return Gifts(shop, make_pair(shop))


def quota(shop, **values):
    """Set quotas from a moment ago."""
    Till(shop).setup(**values)


def booked(shop, sale):
    """What the transfers of a sale moved, by kind and detail of the account."""
    accounts = {row.id: (row.kind, row.detail) for row in shop.rows(LedgerAccount)}
    mine = {
        one.id: one.kind for one in shop.rows(LedgerTransfer, LedgerTransfer.sale_id == sale.id)
    }
    told = {}
    for entry in shop.rows(LedgerEntry, LedgerEntry.transfer_id.in_(mine)):
        told[(mine[entry.transfer_id], *accounts[entry.account_id])] = entry.amount_minor
    return told


# given


def test_what_two_people_give_costs_nothing_and_the_meter_takes_it(shop, gifts, keystore):
    sale = gifts.give(units="20", note="Storm of Monday")
    assert (sale.state, sale.kind, sale.units) == ("issued", "compensation", Decimal(20))
    assert (sale.charged_minor, sale.received_minor, sale.change_minor) == (0, 0, 0)
    assert sale.operator_id == gifts.pair.ids[MAKER]
    assert sale.receipt_number == 1
    assert shop.decode(sale, keystore).amount_field == 200  # 20 units in tenths
    (row,) = shop.rows(FreeToken)
    assert (row.sale_id, row.kind, row.reason, row.note) == (
        sale.id, "compensation", "outage", "Storm of Monday",
    )  # fmt: skip
    assert (row.value_minor, row.business_date) == (200, sale.business_date)  # 20 at 0.10


def test_the_digits_are_first_shown_to_whoever_opens_the_receipt(shop, gifts):
    sale = gifts.give()
    assert sale.shown_at is None
    receipt = shop.do(receipts.receipt, sale.id)
    assert (receipt.digits, receipt.first_shown) == (shop.digits(sale), True)
    assert shop.again(sale).shown_at == shop.clock.now
    assert receipt.free.reason == "outage"


def test_it_is_on_record_with_its_reason_and_both_people(shop, gifts):
    sale = gifts.give(note="Storm")
    (reserved,) = shop.rows(AuditEvent, AuditEvent.action == "sale.reserved")
    assert reserved.actor_id == gifts.pair.ids[MAKER]
    told = {name: reserved.details[name] for name in ("kind", "reason", "note", "value_minor")}
    assert told == {"kind": "compensation", "reason": "outage", "note": "Storm",
                    "value_minor": 200}  # fmt: skip
    assert reserved.subject_id == str(sale.id)
    (issued,) = shop.rows(AuditEvent, AuditEvent.action == "sale.issued")
    assert issued.actor_id == gifts.pair.ids["checker"]


def test_the_worth_stands_against_free_tokens_and_no_money_moved(shop, gifts):
    sale = gifts.give(DOMESTIC, kind="free", reason="social", units="20")
    # on the domestic plan's first step, without its fee of 2.00
    assert booked(shop, sale) == {
        ("sale", "free_tokens", "free"): 200, ("sale", "energy", "electricity"): -200,
    }  # fmt: skip
    assert shop.change(ledger.trial_balance) == 0
    assert (shop.account().balance_minor, shop.account().pending_minor) == (0, 0)
    assert (proved(shop).faults, proved(shop).findings) == (0, [])


def test_the_worth_is_that_of_the_step_reached_without_its_tax(shop, gifts):
    shop.sell(DOMESTIC, units="100")
    sale = gifts.give(DOMESTIC, units="10")
    assert shop.rows(FreeToken)[0].value_minor == 200  # step 2: 0.20, its 5 % is a tax
    assert sale.calculation["lines"] == []
    assert sale.calculation["value_minor"] == 200


def test_a_float_is_left_alone_even_an_empty_one(shop, gifts):
    row = VendingPointAccount(vending_point_id=shop.utility.points[HARBOUR], limited=True)
    shop.change(lambda session: session.add(row))
    gifts.give()
    assert (shop.account().balance_minor, shop.account().pending_minor) == (0, 0)


def test_what_was_given_moves_no_step_pays_no_fee_and_counts_no_unit(shop, gifts):
    sale = gifts.give(DOMESTIC, units="100")
    assert set(shop.counters(DOMESTIC).values()) == {0}
    assert shop.fees(DOMESTIC) == []
    assert (sale.bought_before, sale.bought_after) == (0, 0)
    # fee 2.00 and 100 at 0.10: as if nothing had been given
    assert shop.sell(DOMESTIC, units="100").charged_minor == 1200


def test_limits_of_purchases_do_not_bind_what_is_given(shop, gifts):
    quota(shop, smallest_units=Decimal(50), tokens_a_day=1)
    assert gifts.give(units="5").state == "issued"
    shop.clock.forward(minutes=5)
    assert shop.sell(units="50").state == "issued"  # the day's one purchase
    assert gifts.give(units="6").state == "issued"


def test_the_counter_does_not_take_a_purchase_for_a_repeat_of_a_gift(shop, gifts):
    gifts.give(units="50", by=MAKER)
    with shop.session():
        assert shop.sell(units="50", repeat_confirmed=False).state == "issued"


def test_a_shift_knows_nothing_of_it(shop, gifts):
    quota(shop, shifts_used=True)
    till = Till(shop)
    shift = till.open(1000)
    sale = gifts.give()
    assert sale.shift_id is None
    assert till.figures(shift).count == 0


def test_meters_of_the_other_generation_are_given_tokens_too(shop, gifts, keystore):
    sale = gifts.give(STS6_11, units="3.5")
    assert shop.decode(sale, keystore).amount_field == 35


def test_a_meter_that_rates_itself_is_given_money(shop, gifts):
    def add(session):
        product = factories.add_product(session, "09")
        tariff = factories.add_tariff(
            session, "Money", factories.step("0", None, "0.10"), fixed_fee=factories.fee(200)
        )
        region = shop.utility.regions["north"]
        return factories.add_meter(
            session, 901, product=product, tariff=tariff, region=region, credit_mode="currency"
        )

    shop.utility.meters["money"] = shop.change(add)
    with pytest.raises(FreeAmountMissing):
        gifts.ask("money", units="20")
    sale = gifts.give("money", units="", credit_minor=800)
    assert (sale.credit_minor, sale.subclass, sale.charged_minor) == (800, 4, 0)
    assert booked(shop, sale)[("sale", *TO_ASK)] == 800
    assert (shop.do(receipts.receipt, sale.id).digits, proved(shop).faults) == (
        shop.digits(sale),
        0,
    )


def test_what_is_worth_nothing_is_given_and_proves_itself(shop, gifts):
    def lifeline(session):
        tariff = factories.add_tariff(session, "Lifeline", factories.step("0", None, "0"))
        meter = session.get_one(factories.Meter, shop.utility.meters[LEGACY_13])
        meter.tariff_id = tariff.id

    shop.change(lifeline)
    sale = gifts.give(LEGACY_13)
    assert (sale.state, booked(shop, sale)) == ("issued", {})
    assert proved(shop).findings == []


# two people, each time


def test_nobody_gives_alone_whatever_the_rules_say(shop, gifts):
    request = gifts.ask()
    assert isinstance(request, ApprovalRequest)
    assert shop.count(Sale) == 0
    with pytest.raises(OwnRequest):
        gifts.approve(request, by=MAKER)
    assert shop.count(Sale) == 0


def test_who_lacks_the_right_neither_asks_nor_approves(shop, gifts):
    with pytest.raises(NotAllowed):
        shop.do(asking.submit, GIVE, gifts.gift(), "1-k")
    request = gifts.ask()
    with pytest.raises(NotAllowed):
        shop.do(deciding.approve, request.id, request.hash)
    assert shop.count(Sale) == 0


def test_a_vending_point_out_of_sight_is_an_unknown_one(shop, gifts):
    region = shop.utility.regions["north"].id

    def only_the_north(session):
        session.get_one(factories.OfficeUser, gifts.pair.ids[MAKER]).region_id = region
        session.get_one(factories.OfficeUser, gifts.pair.ids[MAKER]).all_regions = False

    shop.change(only_the_north)
    with pytest.raises(NoVendingPoint):
        gifts.ask(point=MARKET)


def test_what_was_refused_or_withdrawn_gives_nothing(shop, gifts):
    refused, withdrawn = gifts.ask(), gifts.ask(units="21")
    gifts.pair.do("checker", deciding.refuse, refused.id, "no outage that day")
    gifts.pair.do(MAKER, deciding.withdraw, withdrawn.id)
    for request in (refused, withdrawn):
        with pytest.raises(AlreadyDecided):
            gifts.approve(request)
    assert (shop.count(Sale), shop.count(FreeToken)) == (0, 0)


def test_the_same_form_asks_once_and_an_approved_one_gives_once(shop, gifts):
    gift = gifts.gift()
    first, again = (gifts.ask(key="1-f", gift=gift) for _ in range(2))
    assert first.id == again.id
    done, sale = gifts.approve(first)
    with pytest.raises(AlreadyDecided):
        gifts.approve(first)
    assert gifts.ask(key="1-f", gift=gift).id == first.id
    assert (done.state, shop.count(Sale), len(shop.tokens(sale))) == ("approved", 1, 1)


def test_a_form_from_before_a_restore_gives_nothing(shop, gifts):
    request = gifts.ask(key="0-old")
    done, sale = gifts.approve(request)
    assert (done.state, done.outcome["code"], sale) == ("failed", "form_outdated", None)


def test_another_consumer_than_was_asked_for_gets_nothing(shop, gifts):
    request = gifts.ask()

    def move(session):
        point = session.get_one(factories.ServicePoint, shop.point_of(LEGACY_11))
        point.consumer_id = session.get_one(
            factories.ServicePoint, shop.point_of(LEGACY_13)
        ).consumer_id

    shop.change(move)
    done, _sale = gifts.approve(request)
    assert (done.state, done.outcome["code"]) == ("failed", "consumer_changed")
    assert shop.count(Sale) == 0


# reasons


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"reason": ""}, FreeReasonMissing),
        ({"kind": "sale", "reason": "other", "note": "x"}, FreeReasonMissing),
        ({"kind": "free", "reason": "outage"}, FreeReasonMissing),
        ({"reason": "other"}, FreeNoteMissing),
        ({"note": "x" * 256}, FreeNoteTooLong),
        ({"units": ""}, FreeAmountMissing),
        ({"units": "many"}, FreeAmountMissing),
        ({"credit_minor": 5}, FreeAmountMissing),
        ({"units": "NaN"}, FreeAmountMissing),
        ({"units": "Infinity"}, FreeAmountMissing),
        ({"units": "0"}, FreeAmountMissing),
        ({"units": "-5"}, FreeAmountMissing),
        ({"credit_minor": -5, "units": ""}, FreeAmountMissing),
        ({"units": "0.05"}, InvalidQuantity),
        ({"kind": "free", "reason": "social", "for_sale_id": 1}, ForSaleOfFree),
        ({"for_sale_id": 99}, ForUnknownSale),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(shop, gifts, values, refusal):
    with pytest.raises(refusal):
        gifts.ask(**values)
    assert shop.count(ApprovalRequest) == 0


def test_a_compensation_names_a_purchase_of_this_consumer_alone(shop, gifts):
    own, other = shop.sell(), shop.sell(DOMESTIC)
    with pytest.raises(ForUnknownSale):
        gifts.ask(for_sale_id=other.id)
    given = gifts.give(reason="faulty_credit", for_sale_id=own.id)
    assert shop.rows(FreeToken)[0].for_sale_id == own.id
    with pytest.raises(ForUnknownSale):  # a gift is no purchase
        gifts.ask(for_sale_id=given.id)


@pytest.mark.parametrize(
    ("meter", "refusal"), [(BLOCKED, MeterBlocked), (NO_TARIFF, MeterWithoutTariff)]
)
def test_what_nothing_is_sold_to_is_given_nothing(gifts, meter, refusal):
    with pytest.raises(refusal):
        gifts.ask(meter)


# quotas


def test_the_quota_of_a_meters_month_is_refused_with_its_figures(shop, gifts):
    quota(shop, free_units_a_month=Decimal(20))
    gifts.give(units="12")
    with pytest.raises(FreeUnitsUsed) as caught:
        gifts.ask(units="8.1")
    assert caught.value.params == {"used": 12, "quota": 20, "left": 8}
    assert gifts.give(units="8").state == "issued"
    assert gifts.give(DOMESTIC, units="20").state == "issued"  # each meter has its own
    with pytest.raises(FreeUnitsUsed):
        gifts.ask(units="0.1")


def test_the_quota_begins_anew_with_the_month(shop, gifts):
    quota(shop, free_units_a_month=Decimal(20))
    gifts.give(units="20")
    shop.clock.forward(days=15)  # the first of April
    assert gifts.give(units="20").business_date == date(2026, 4, 1)


def test_a_vending_points_month_has_a_worth(shop, gifts):
    quota(shop, free_value_a_month=500)
    gifts.give(units="30")
    with pytest.raises(FreeValueUsed) as caught:
        gifts.ask(DOMESTIC, units="21")
    told = {name: value.minor for name, value in caught.value.params.items()}
    assert told == {"used": 300, "quota": 500, "worth": 210}
    assert gifts.give(units="20").state == "issued"
    assert gifts.give(LEGACY_13, point=MARKET, units="50").state == "issued"


def test_a_vending_points_day_has_a_number_of_tokens(shop, gifts):
    quota(shop, free_tokens_a_day=1)
    gifts.give()
    with pytest.raises(FreeTokensOfTheDay) as caught:
        gifts.ask(DOMESTIC)
    assert caught.value.params == {"used": 1, "quota": 1}
    shop.clock.forward(days=1)
    assert gifts.give(DOMESTIC).state == "issued"


def test_what_waits_is_asked_about_again_when_it_is_approved(shop, gifts):
    quota(shop, free_units_a_month=Decimal(20))
    first, second = gifts.ask(units="15"), gifts.ask(units="14")
    gifts.approve(first)
    done, sale = gifts.approve(second)
    assert (done.state, done.outcome["code"], sale) == ("failed", "free_units_used", None)
    assert shop.count(Sale) == 1


def test_failed_ones_and_those_nobody_saw_count_no_longer(shop, gifts, module):
    quota(shop, free_units_a_month=Decimal(20))
    module.once("issue_credit", down)
    _done, failed = gifts.approve(gifts.ask(units="20"))
    assert failed.state == "failed"
    unseen = gifts.give(units="20")
    taken_back(gifts, unseen, "not_handed_out")
    seen = gifts.give(units="20")
    shop.do(receipts.receipt, seen.id)
    taken_back(gifts, seen, "test")
    with pytest.raises(FreeUnitsUsed):  # whoever saw the digits may have used them
        gifts.ask(units="1")


def test_two_who_approve_at_once_do_not_give_more_than_the_quota(shop, gifts):
    quota(shop, free_units_a_month=Decimal(20))
    one, other = gifts.ask(units="15"), gifts.ask(units="14", by=THIRD)
    outcomes = in_threads(
        lambda: gifts.approve(one, by=THIRD), lambda: gifts.approve(other, by="checker")
    )
    states = sorted(done.state for done, _sale in outcomes)
    assert states in (["approved", "failed"], ["approved", "pending"]), outcomes
    assert shop.count(FreeToken) == 1


def test_two_who_approve_for_two_meters_do_not_give_more_than_the_points_quota(shop, gifts):
    quota(shop, free_tokens_a_day=1)
    one, other = gifts.ask(), gifts.ask(DOMESTIC, by=THIRD)
    outcomes = in_threads(
        lambda: gifts.approve(one, by=THIRD), lambda: gifts.approve(other, by="checker")
    )
    assert sorted(done.state for done, _sale in outcomes) == ["approved", "failed"]
    assert shop.count(FreeToken) == 1


def test_two_who_approve_the_same_give_it_once(shop, gifts):
    request = gifts.ask()
    outcomes = in_threads(
        lambda: gifts.approve(request, by=THIRD), lambda: gifts.approve(request, by="checker")
    )
    kinds = sorted(type(one).__name__ for one in outcomes)
    assert kinds == ["AlreadyDecided", "tuple"], outcomes
    assert shop.count(Sale) == 1


# the module, and what dies in between


def test_a_silent_module_is_noticed_before_anything_is_decided(shop, gifts, module):
    request = gifts.ask()
    module.once("status", down)
    with pytest.raises(HsmUnavailable):
        gifts.approve(request)
    assert (gifts.pair.again(request).state, shop.count(Sale)) == ("pending", 0)
    assert gifts.approve(request)[1].state == "issued"


def test_a_lost_answer_is_fetched_by_the_worker_with_the_same_digits(shop, gifts, module):
    module.once("issue_credit", answer_lost)
    done, sale = gifts.approve(gifts.ask())
    assert (done.state, sale.state) == ("approved", "pending")
    assert (shop.account().pending_minor, proved(shop).faults) == (0, 0)
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    stands = shop.again(sale)
    assert (stands.tid, stands.shown_at) == (sale.tid, None)
    assert shop.tokens(sale)[0].tid == sale.tid
    assert (len(shop.tokens(sale)), proved(shop).faults) == (1, 0)


def test_what_never_reached_the_module_is_asked_again_then_given_up(shop, gifts, module):
    module.always("issue_credit", request_lost)
    _done, sale = gifts.approve(gifts.ask())
    shop.clock.forward(minutes=11)
    shop.reconcile()
    assert shop.again(sale).state == "failed"
    (transfer,) = shop.rows(LedgerTransfer)
    assert (transfer.state, proved(shop).faults) == ("voided", 0)
    assert set(shop.counters(LEGACY_11).values()) == {0}


def test_an_approval_whose_server_died_is_finished_by_the_worker(shop, gifts):
    done = gifts.pair.approve(gifts.ask())  # committed; the module was never asked
    assert done.state == "approved"
    (sale,) = shop.rows(Sale)
    assert sale.state == "pending"
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert len(shop.tokens(sale)) == 1


def test_a_spent_identifier_is_raised_once_and_at_once(shop, gifts, module):
    def spent(_call):
        raise ModuleRefused("tid_spent", highest_tid=None)

    module.once("issue_credit", spent)
    _done, sale = gifts.approve(gifts.ask())
    assert (sale.state, sale.attempt, sale.shown_at) == ("issued", 2, None)


def test_a_sale_under_way_is_waited_for_and_then_refused(shop, gifts, module, monkeypatch):
    monkeypatch.setattr("vmsapp.services.free_tokens.making.UNDERWAY_WAIT_S", 0.0)
    request = gifts.ask()
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    with pytest.raises(SaleUnderway) as caught:
        gifts.approve(request)
    assert caught.value.params["sale_id"] == sale.id
    assert gifts.pair.again(request).state == "pending"
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert gifts.approve(request)[1].state == "issued"


def test_one_in_doubt_can_be_given_up_so_that_the_meter_is_free(shop, gifts, module):
    module.once("issue_credit", answer_lost)
    _done, sale = gifts.approve(gifts.ask())
    shop.clock.forward(minutes=1)
    module.once("fetch_result", put_off("rate"))
    shop.reconcile()
    shop.seal(shop.again(sale))
    assert shop.reconcile() == {"reversed": 1}
    assert (shop.again(sale).shown_at, proved(shop).faults) == (None, 0)
    assert set(sums(shop).values()) == {0}


# taken back


def taken_back(gifts, sale, reason="test"):
    params = gifts.shop.change(lambda s: reversal_for(s, sale.id, reason, ""))
    done = gifts.pair.approve(gifts.pair.ask(REVERSE, f"r{sale.id}", params=params))
    assert done.state == "approved", done.outcome


def test_it_is_taken_back_without_any_money(shop, gifts):
    till = Till(shop)
    shift = till.open(1000)
    sale = gifts.give()
    shop.do(receipts.receipt, sale.id)
    taken_back(gifts, sale)
    assert shop.again(sale).state == "reversed"
    (row,) = shop.rows(SaleReversal)
    assert (row.money_minor, row.may_be_used) == (0, True)
    assert booked(shop, sale) == {
        ("sale", *TO_ASK): 200, ("sale", "energy", "electricity"): -200,
        ("reversal", *TO_ASK): -200, ("reversal", "energy", "electricity"): 200,
    }  # fmt: skip
    assert set(shop.counters(LEGACY_11).values()) == {0}
    assert (till.figures(shift).taken_back, proved(shop).faults) == (0, 0)
    assert shop.do(receipts.receipt, sale.id).digits is None


# what the database and the proof keep


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'sale'",
        "charged_minor = 1, received_minor = 1",
        "kind = 'present'",
    ],
)
def test_the_database_itself_knows_that_only_gifts_cost_nothing(shop, gifts, change):
    sale = gifts.give()
    with pytest.raises(IntegrityError):
        shop.change(lambda s: s.execute(text(f"UPDATE sale SET {change} WHERE id = {sale.id}")))


def test_the_database_refuses_a_purchase_without_money(shop):
    sale = shop.sell()
    with pytest.raises(IntegrityError):
        shop.change(
            lambda s: s.execute(
                text(f"UPDATE sale SET charged_minor = 0, received_minor = 0 WHERE id = {sale.id}")
            )
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE free_token SET value_minor = value_minor + 1",
        "UPDATE free_token SET kind = 'free'",
        "DELETE FROM free_token",
    ],
)
def test_the_proof_finds_a_gift_whose_paper_says_something_else(shop, gifts, statement):
    gifts.give()
    assert found(shop) == {}
    broken(shop, statement)
    assert found(shop) == {"free_differs": 1}


def test_the_proof_finds_money_taken_for_a_gift(shop, gifts):
    gifts.give()
    broken(shop, "UPDATE ledger_account SET kind = 'cash' WHERE kind = 'free_tokens'")
    assert found(shop) == {"free_differs": 1, "amount_differs": 1}

"""A deed cut into parts asks for the second person as it would have whole."""

import pytest

from tests.factories import HARBOUR, LEGACY_11, LEGACY_13, MARKET, SOUTHERN, STS6_11, SUPERVISOR
from tests.faults import request_lost
from tests.services.pair import CHECKER, MAKER, THIRD, make_pair
from tests.shop import in_threads
from vmsapp.models import ApprovalRequest, FloatMovement
from vmsapp.services.approvals import asking, deciding
from vmsapp.services.float_terms import CHANGE_TERMS, Terms
from vmsapp.services.floats import PAY_IN, TAKE_OUT
from vmsapp.services.vending.give_back import (
    GIVE_BACK,
    GivenBackBefore,
    NothingToGiveBack,
    Step,
    give_back_for,
    request_for,
    step_of,
    waiting_for,
)

FROM = 1000
"""From which amount on the rules of these tests ask, in minor units."""


@pytest.fixture
def pair(shop):
    made = make_pair(shop)
    made.rule(PAY_IN, FROM)
    made.rule(TAKE_OUT, FROM)
    return made


def pay_in(pair, amount_minor, slip, **values):
    """Pay in on a slip of its own, with a form of its own."""
    return pair.ask(key=f"key {slip}", amount_minor=amount_minor, reference=f"{slip}", **values)


@pytest.mark.parametrize(("second", "asks"), [(399, False), (400, True), (401, True)])
def test_parts_ask_when_their_sum_reaches_the_amount(pair, second, asks):
    assert pay_in(pair, 600, 1) is None
    assert (pay_in(pair, second, 2) is not None) is asks
    assert pair.shop.account().balance_minor == (600 if asks else 600 + second)


@pytest.mark.parametrize(("ago", "asks"), [
    ({"hours": 24, "seconds": -1}, True), ({"hours": 24}, False),
])  # fmt: skip
def test_what_was_done_24_hours_ago_counts_no_more(pair, ago, asks):
    pay_in(pair, 600, 1)
    pair.shop.clock.forward(**ago)
    assert (pay_in(pair, 400, 2) is not None) is asks


def test_what_was_done_elsewhere_by_another_or_the_other_way_does_not_count(pair):
    pay_in(pair, 900, 1)
    assert pay_in(pair, 900, 2, point=MARKET) is None
    assert pay_in(pair, 900, 3, by=THIRD) is None
    assert pair.ask(TAKE_OUT, key="out", amount_minor=900, reference="V 1") is None
    assert pay_in(pair, 100, 4) is not None
    assert pair.ask(TAKE_OUT, key="out 2", amount_minor=100, reference="V 2") is not None


def test_what_a_second_person_approved_or_refused_does_not_count(pair):
    assert pair.approve(pay_in(pair, 5000, 1)).state == "approved"
    pair.do(CHECKER, deciding.refuse, pay_in(pair, 5000, 2).id, "no such slip")
    assert pay_in(pair, 5000, 3).state == "pending"
    assert pay_in(pair, 999, 4) is None
    assert pay_in(pair, 1, 5).state == "pending"


def test_a_key_used_twice_does_not_pass_money_off_as_approved(pair):
    """The approved request of one point says nothing of a movement at another."""
    pay_in(pair, 900, 1)
    elsewhere = pair.ask(key="key 9", amount_minor=FROM, reference="9", point=MARKET)
    pair.shop.change(lambda s: setattr(s.get(ApprovalRequest, elsewhere.id), "key", "key 1"))
    pair.approve(elsewhere)
    assert pay_in(pair, 100, 2) is not None


def test_what_was_done_before_the_rule_was_on_counts(shop):
    pair = make_pair(shop)
    pay_in(pair, 5000, 1)
    pair.rule(PAY_IN, FROM)
    assert pay_in(pair, 1, 2) is not None


def test_two_parts_done_at_once_are_counted_one_after_the_other(pair):
    outcomes = in_threads(*[lambda n=n: pay_in(pair, 600, n) for n in range(3)])
    assert outcomes.count(None) == 1, outcomes
    assert pair.shop.account().balance_minor == 600
    assert pair.shop.count(ApprovalRequest) == 2


def test_the_same_form_sent_twice_at_once_is_not_two_parts(pair):
    assert in_threads(*[lambda: pay_in(pair, 600, 1)] * 3) == [None] * 3
    assert (pair.shop.count(FloatMovement), pair.shop.count(ApprovalRequest)) == (1, 0)


def test_all_that_is_left_is_taken_out_once_by_a_form_sent_twice_at_once(pair):
    pay_in(pair, 600, 1)
    out = in_threads(
        *[lambda: pair.ask(TAKE_OUT, key="out", amount_minor=600, reference="V 1")] * 3
    )
    assert out == [None] * 3
    assert pair.shop.account().balance_minor == 0


def test_a_credit_limit_is_no_sum_of_parts(pair):
    pair.rule(CHANGE_TERMS, FROM)
    point = pair.shop.utility.points[HARBOUR]
    for key, credit in (("t1", 900), ("t2", 999)):
        assert pair.ask(CHANGE_TERMS, key=key, params=Terms(point, True, credit)) is None


# money given back for sales in doubt: 50 units cost 500


@pytest.fixture
def doubt(shop, module):
    """Make a sale whose outcome the worker could not find out."""

    def make(meter=LEGACY_11, **form):
        module.once("issue_credit", request_lost)
        module.always("fetch_result", request_lost)
        sale = shop.sell(meter, **form)
        shop.clock.forward(minutes=1)
        shop.reconcile()
        return shop.again(sale)

    return make


def give_back(pair, sale, by=MAKER):
    def deed(session, actor):
        return asking.submit(
            session, actor, GIVE_BACK, give_back_for(session, sale.id), f"{by} {sale.id}"
        )

    return pair.do(by, deed)


@pytest.mark.parametrize(("start", "asks"), [(1000, True), (1001, False)])
def test_money_given_back_in_parts_asks_when_the_sum_reaches_the_amount(pair, doubt, start, asks):
    pair.rule(GIVE_BACK, start)
    first, second = doubt(LEGACY_11), doubt(LEGACY_13)
    assert give_back(pair, first) is None
    assert (give_back(pair, second) is not None) is asks
    assert (pair.shop.again(second).sealed_at is None) is asks


@pytest.mark.parametrize(("ago", "asks"), [
    ({"hours": 24, "minutes": -1, "seconds": -1}, True), ({"hours": 24, "minutes": -1}, False),
])  # fmt: skip
def test_money_given_back_24_hours_ago_counts_no_more(pair, doubt, ago, asks):
    pair.rule(GIVE_BACK, FROM)
    give_back(pair, doubt(LEGACY_11))
    pair.shop.clock.forward(**ago)  # a minute more passes until the next is in doubt
    assert (give_back(pair, doubt(LEGACY_13)) is not None) is asks


def test_money_given_back_elsewhere_by_another_or_by_two_does_not_count(pair, doubt):
    pair.rule(GIVE_BACK, FROM)
    give_back(pair, doubt(LEGACY_11))
    elsewhere = doubt(SOUTHERN, point=MARKET, by=SUPERVISOR)
    assert give_back(pair, elsewhere) is None
    assert give_back(pair, doubt(LEGACY_13), by=THIRD) is None
    large = doubt(STS6_11, units="200")
    assert pair.approve(give_back(pair, large)).state == "approved"
    small = doubt(LEGACY_13, units="49")
    assert give_back(pair, small) is None  # 500 and 490


def test_two_parts_given_back_at_once_are_counted_one_after_the_other(pair, doubt):
    pair.rule(GIVE_BACK, FROM)
    sales = [doubt(LEGACY_11), doubt(LEGACY_13), doubt(STS6_11)]
    outcomes = in_threads(*[lambda sale=sale: give_back(pair, sale) for sale in sales])
    assert outcomes.count(None) == 1, outcomes
    assert sum(pair.shop.again(sale).sealed_at is not None for sale in sales) == 1


def test_money_is_given_back_once_whoever_notes_it(pair, doubt):
    sale = doubt()
    assert give_back(pair, sale) is None
    for who in (MAKER, THIRD):
        with pytest.raises(GivenBackBefore) as refused:
            give_back(pair, sale, by=who)
        assert refused.value.params == {"sale_id": sale.id, "by_id": pair.ids[MAKER]}
    assert pair.shop.again(sale).sealed_by_id == pair.ids[MAKER]
    assert pair.trail("sale.sealed") == ["sale.sealed"]


def test_two_who_note_it_at_once_do_not_both_hand_it_out(pair, doubt):
    sale = doubt()
    people = (MAKER, CHECKER, THIRD)
    outcomes = in_threads(*[lambda who=who: give_back(pair, sale, by=who) for who in people])
    assert outcomes.count(None) == 1, outcomes
    assert [type(one) for one in outcomes].count(GivenBackBefore) == 2, outcomes
    assert pair.trail("sale.sealed") == ["sale.sealed"]


def test_a_request_for_money_that_another_gave_back_meanwhile_fails(pair, doubt):
    pair.rule(GIVE_BACK, 500)
    sale = doubt()
    request = give_back(pair, sale)
    pair.shop.seal(sale)
    failed = pair.approve(request)
    assert (failed.state, failed.outcome["code"]) == ("failed", GivenBackBefore.code)


def test_a_sale_tells_its_step_and_its_newest_request(pair, doubt, shop, module):
    pair.rule(GIVE_BACK, 500)
    module.once("issue_credit", request_lost)
    fresh = shop.sell(LEGACY_13)
    assert step_of(fresh) == Step.NOT_YET
    with pytest.raises(NothingToGiveBack):
        give_back(pair, fresh)
    sale = doubt()
    assert step_of(sale) == Step.POSSIBLE
    request = give_back(pair, sale)

    def told(session, _actor):
        newest = request_for(session, sale)
        return (
            newest.id,
            newest.asked_by,
            newest.decided_by,
            waiting_for(session, [sale.id, fresh.id]),
        )

    assert pair.do(THIRD, told) == (request.id, MAKER, None, {sale.id: request.id})
    pair.do(CHECKER, deciding.refuse, request.id, "the token was made")
    assert pair.do(THIRD, told) == (request.id, MAKER, CHECKER, {})
    assert step_of(shop.seal(sale)) == Step.GIVEN
    assert step_of(shop.sell(STS6_11)) == Step.SETTLED

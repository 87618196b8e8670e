"""Commits that break, or are written though they seemed to break: one sale, one token."""

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.faults import answer_lost, down, during
from tests.shop import in_threads
from vmsapp.models import Sale, SpentTid, TidHead, Token
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import vending
from vmsapp.services.vending.errors import Busy, OutcomeUnknown
from vmsapp.services.vending.issue import issue
from vmsapp.services.vending.settle import complete, read


def gone_after_the_first_look(monkeypatch):
    """The database tells once that the key is new; asked again, it is gone, once."""
    finds, looks = vending.find_replay, []

    def find(session, request):
        looks.append(request)
        if len(looks) == 2:
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))
        return finds(session, request)

    monkeypatch.setattr(vending, "find_replay", find)


def test_a_reservation_whose_commit_was_lost_but_written_goes_on_as_one_sale(shop, module):
    sale = shop.sell(weather=["lost"])
    assert sale.state == "issued"
    assert (shop.count(Sale), shop.count(Token), module.count("issue_credit")) == (1, 1, 1)


def test_a_reservation_whose_commit_broke_is_tried_again(shop, module):
    assert shop.sell(weather=["broken", "broken"]).state == "issued"
    assert (shop.count(Sale), shop.count(SpentTid), shop.count(Token)) == (1, 1, 1)


def test_after_three_broken_commits_the_system_is_busy_and_nothing_was_written(shop, module):
    with pytest.raises(Busy):
        shop.sell(weather=["broken"] * 3)
    assert (shop.count(Sale), shop.count(TidHead), module.asked) == (0, 0, [])


def test_a_database_that_cannot_be_asked_leaves_the_outcome_unknown_and_one_sale(
    shop, module, monkeypatch
):
    form = shop.form()
    gone_after_the_first_look(monkeypatch)
    with pytest.raises(OutcomeUnknown):
        shop.submit(form, weather=["lost"])
    assert (shop.count(Sale), module.asked) == (1, [])
    assert shop.submit(form).state == "pending"  # load the page again
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert shop.count(Token) == 1


def test_a_completion_whose_commit_broke_leaves_the_sale_pending_and_the_worker_finishes_it(
    shop, module
):
    sale = shop.sell(weather=["fine", "broken"])
    assert (sale.state, shop.count(Token)) == ("pending", 0)
    made = module.inner.fetch_result(sale.request_id)[0].digits
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert (shop.digits(sale), module.count("issue_credit")) == (made, 1)


def test_a_completion_whose_commit_was_lost_but_written_is_issued_once(shop):
    sale = shop.sell(weather=["fine", "lost"])
    assert (sale.state, sale.receipt_number, shop.count(Token)) == ("issued", 1, 1)


@pytest.mark.parametrize(("weather", "state"), [("broken", "pending"), ("lost", "failed")])
def test_a_failure_whose_commit_is_unknown_is_what_stands_in_the_database(
    shop, module, weather, state
):
    module.once("issue_credit", down)
    sale = shop.sell(weather=["fine", weather])
    assert (sale.state, shop.again(sale).state) == (state, state)


def test_when_even_the_reading_fails_the_outcome_of_a_completion_is_unknown(
    shop, module, monkeypatch
):
    gone_after_the_first_look(monkeypatch)
    with pytest.raises(OutcomeUnknown):
        shop.sell(weather=["fine", "broken"])
    assert shop.rows(Sale)[0].state == "pending"


def test_a_worker_whose_commit_breaks_goes_on_with_the_next_sale(shop, module):
    module.once("issue_credit", answer_lost, answer_lost)
    first, second = shop.sell(), shop.sell("sts6 11")
    shop.clock.forward(minutes=1)
    assert shop.reconcile(weather=["fine", "broken"]) == {"pending": 1, "issued": 1}
    assert [shop.again(s).state for s in (first, second)] == ["pending", "issued"]


def test_a_mistake_of_our_own_is_not_taken_for_weather(shop, monkeypatch):
    def wrong(*_, **__):
        raise IntegrityError("INSERT", {}, Exception("ck_sale_units"))

    monkeypatch.setattr(vending, "issue", wrong)
    with pytest.raises(IntegrityError):
        shop.sell()


def test_of_two_completions_one_wins_and_both_tell_the_same(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    (token,) = module.inner.fetch_result(sale.request_id)

    def finish():
        with shop.session() as session, seen_by(SYSTEM):
            return complete(session, SYSTEM, read(session, sale.id), token, show=False)

    sales = in_threads(finish, finish)
    assert [row.state for row in sales] == ["issued", "issued"]
    assert {row.receipt_number for row in sales} == {1}
    assert shop.count(Token) == 1


def test_a_seller_overtaken_by_the_worker_obeys_what_stands(shop, module):
    def worker_completes():
        shop.clock.forward(minutes=1)
        assert shop.reconcile() == {"issued": 1}

    def answered_late(call):
        token = call()
        worker_completes()
        return token

    module.once("issue_credit", answered_late)
    sale = shop.sell()
    assert (sale.state, sale.receipt_number, sale.shown_at) == ("issued", 1, None)
    assert shop.count(Token) == 1


def test_a_seller_whose_sale_the_worker_cancelled_obeys_that(shop, module):
    def worker_cancels():
        shop.clock.forward(minutes=11)
        assert shop.reconcile() == {"failed": 1}

    module.once("issue_credit", during(worker_cancels))
    sale = shop.sell()
    assert (sale.state, sale.failure, shop.count(Token)) == ("failed", "cancelled", 0)


def sold_by_another_first(shop, monkeypatch, form):
    """The same form arrives at once: the other is through, then this one's commit breaks."""
    looks, reserves, seen = vending.check_module_ready, vending.reserve, []

    def look(*args):
        if not seen:
            seen.append("another")
            shop.submit(form)
            seen.append("this one")
        looks(*args)

    def reserve(*args, **options):
        if seen[-1] == "this one":
            seen.append("broken")
            raise OperationalError("INSERT", {}, Exception("server closed the connection"))
        return reserves(*args, **options)

    monkeypatch.setattr(vending, "check_module_ready", look)
    monkeypatch.setattr(vending, "reserve", reserve)


@pytest.mark.parametrize(("fault", "state"), [(None, "issued"), (down, "failed")])
def test_a_broken_reservation_whose_form_another_settled_asks_for_no_token(
    shop, module, monkeypatch, fault, state
):
    form = shop.form()
    if fault:
        module.once("issue_credit", fault)
    sold_by_another_first(shop, monkeypatch, form)
    assert shop.submit(form).state == state
    assert (shop.count(Sale), module.count("issue_credit")) == (1, 1)
    assert shop.count(Token) == (state == "issued")


def test_a_sale_that_is_settled_is_never_asked_for_again(shop, module):
    sale = shop.sell()
    with shop.session() as session, seen_by(SYSTEM):
        assert issue(session, shop.registry, SYSTEM, read(session, sale.id)).state == "issued"
    assert module.count("issue_credit") == 1

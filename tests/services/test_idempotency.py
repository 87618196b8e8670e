"""One form, one sale: whatever is sent twice, late, from two windows or with other values."""

import dataclasses

import pytest

from tests.factories import DOMESTIC, LEGACY_11, MARKET, SOUTH_OPERATOR, STS6_11
from tests.faults import Late, down, request_lost
from tests.shop import in_threads
from vmsapp.errors import VmsError
from vmsapp.models import Sale, Token
from vmsapp.services import vending
from vmsapp.services.vending.errors import IdempotencyConflict, NoVendingPoint


def test_the_same_form_sent_again_shows_the_sale_it_made(shop, module):
    form = shop.form()
    first, second = shop.submit(form), shop.submit(form)
    assert (first.id, first.request_id) == (second.id, second.request_id)
    assert (shop.count(Sale), shop.count(Token), module.count("issue_credit")) == (1, 1, 1)


def test_a_pending_sale_is_replayed_as_pending_and_the_module_is_not_asked_again(shop, module):
    module.once("issue_credit", request_lost)
    form = shop.form()
    assert [shop.submit(form).state, shop.submit(form).state] == ["pending", "pending"]
    assert module.count("issue_credit") == 1


def test_a_failed_sale_is_replayed_as_failed(shop, module):
    module.once("issue_credit", down)
    form = shop.form()
    assert [shop.submit(form).state, shop.submit(form).state] == ["failed", "failed"]
    assert shop.submit(form).failure == "unavailable_down"


def test_a_replay_is_served_though_the_price_has_changed_since(shop):
    form = shop.form(DOMESTIC)
    first = shop.submit(form)
    assert shop.submit(form).id == first.id  # the fee is paid now: a new quote would differ


@pytest.mark.parametrize("other", [{"units": "51"}, {"tender": 500}, {"meter": STS6_11}])
def test_the_same_key_for_another_purchase_is_a_conflict(shop, other):
    form = shop.form()
    sale = shop.submit(form)
    with pytest.raises(IdempotencyConflict) as caught:
        shop.sell(**{"meter": LEGACY_11} | other, key=form.key)
    assert caught.value.params == {"sale_id": sale.id}
    assert shop.count(Sale) == 1


def test_the_same_key_with_another_quote_is_a_conflict(shop):
    form = shop.form()
    shop.submit(form)
    with pytest.raises(IdempotencyConflict):
        shop.submit(dataclasses.replace(form, quote_shown=form.quote_shown | {"change_minor": 1}))


def test_confirming_the_repetition_does_not_make_it_another_purchase(shop):
    form = shop.form(repeat_confirmed=False)
    sale = shop.submit(form)
    assert shop.submit(dataclasses.replace(form, repeat_confirmed=True)).id == sale.id


def test_the_same_key_at_another_vending_point_is_another_sale(shop):
    form = shop.form()
    sale = shop.submit(form)
    other = shop.sell("of the other region", point=MARKET, by=SOUTH_OPERATOR, key=form.key)
    assert (other.id != sale.id, other.state) == (True, "issued")


def test_a_replay_checks_the_scope_again(shop):
    form = shop.form()
    shop.submit(form)
    with pytest.raises(NoVendingPoint):
        shop.submit(form, by=SOUTH_OPERATOR)


def test_a_window_that_looked_just_before_the_other_wrote_shows_the_others_sale(
    shop, module, monkeypatch
):
    form = shop.form(DOMESTIC)  # the other sale pays the fee: priced again it would differ
    finds, others = vending.find_replay, [lambda: shop.submit(form)]

    def look(session, request):
        found = finds(session, request)
        if others:
            session.commit()
            others.pop()()
        return found

    monkeypatch.setattr(vending, "find_replay", look)
    assert shop.submit(form).state == "issued"
    assert (shop.count(Sale), module.count("issue_credit")) == (1, 1)


@pytest.mark.parametrize("windows", [2, 4])
def test_the_same_form_from_several_windows_at_once_makes_one_sale(shop, module, windows):
    form = shop.form()
    sales = in_threads(*[lambda: shop.submit(form)] * windows)
    assert not [sale for sale in sales if isinstance(sale, VmsError)]
    assert len({sale.id for sale in sales}) == 1
    assert (shop.count(Token), module.count("issue_credit")) == (1, 1)


def test_a_late_request_of_a_sale_that_went_through_makes_no_second_token(shop, module):
    late = Late()
    module.once("issue_credit", late)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    shop.reconcile()
    assert late.arrive().digits == shop.digits(sale)
    assert shop.count(Token) == 1

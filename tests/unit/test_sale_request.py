"""The form of a sale: what makes two of them the same, and the epoch in its key."""

from dataclasses import replace
from decimal import Decimal

import pytest

from vmsapp.models import MOVES, SaleState
from vmsapp.services.vending.request import Purchase, SaleRequest, new_key

FIGURES = {"units": "50.0", "charged_minor": 500}
BY_UNITS = SaleRequest(1, "1-a", Purchase(3, "quantity", units=Decimal(50)), FIGURES)
BY_MONEY = SaleRequest(1, "1-a", Purchase(3, "amount", tender_minor=500), FIGURES)


def test_the_same_quantity_written_otherwise_is_the_same_purchase():
    other = replace(BY_UNITS, purchase=Purchase(3, "quantity", units=Decimal("50.0")))
    assert other.body_hash() == BY_UNITS.body_hash()


def test_neither_key_nor_point_nor_confirmation_are_part_of_what_is_bought():
    other = replace(BY_UNITS, key="1-b", vending_point_id=2, repeat_confirmed=True)
    assert other.body_hash() == BY_UNITS.body_hash()


OTHER = [
    BY_MONEY,
    replace(BY_UNITS, purchase=Purchase(4, "quantity", units=Decimal(50))),
    replace(BY_UNITS, purchase=Purchase(3, "quantity", units=Decimal("50.1"))),
    replace(BY_UNITS, quote_shown=FIGURES | {"charged_minor": 501}),
    replace(BY_MONEY, purchase=Purchase(3, "amount", tender_minor=501)),
]


def test_each_other_purchase_has_a_hash_of_its_own():
    hashes = {request.body_hash() for request in (BY_UNITS, *OTHER)}
    assert len(hashes) == 1 + len(OTHER)
    assert {len(value) for value in hashes} == {64}


def test_figures_in_another_order_are_the_same_figures():
    turned = dict(reversed(FIGURES.items()))
    assert replace(BY_UNITS, quote_shown=turned).body_hash() == BY_UNITS.body_hash()


KEYS = [("1-a", 1), ("16-a", 16), ("abc", 0), ("", 0), ("-1-a", 0), ("１-a", 0), ("1", 1)]


@pytest.mark.parametrize(("key", "epoch"), KEYS)
def test_a_key_tells_the_epoch_of_its_form(key, epoch):
    assert replace(BY_UNITS, key=key).epoch == epoch


def test_a_new_key_is_random_fits_its_column_and_carries_its_epoch():
    keys = {new_key(12) for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) <= 60 for key in keys)
    assert {replace(BY_UNITS, key=key).epoch for key in keys} == {12}


@pytest.mark.parametrize("given", [{"mode": "amount", "units": Decimal(1)},
                                   {"mode": "quantity", "tender_minor": 1}])  # fmt: skip
def test_a_purchase_without_what_its_mode_reads_is_our_mistake(given):
    with pytest.raises(AssertionError, match="by amount or by quantity"):
        Purchase(3, **given)


def test_a_sale_is_pending_then_issued_or_failed_and_only_an_issued_one_reversed():
    allowed = {(a.value, b.value) for a, into in MOVES.items() for b in into}
    assert allowed == {("pending", "issued"), ("pending", "failed"), ("issued", "reversed")}
    assert set(MOVES) == set(SaleState)

"""Processes killed with signal 9 at named points: one payment, one token, whatever happens."""

import pytest

from tests.processes.nursery import kill_at
from tests.processes.world import spend_elsewhere

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

RETRY_SEES = {
    # the sale was not written: the retry makes it
    "locked": "issued",
    "reserving": "issued",
    # written: the retry shows it, and the reconciler settles it
    "reserved": "pending",
    "module_asked": "pending",
    "module_writing": "pending",
    "module_answered": "pending",
    "answered": "pending",
    "completing": "pending",
    # settled
    "completed": "issued",
}
"""What a form sent again shows after a seller was killed at a point."""


def leave_pending(world, form, at):
    """Kill a seller at a point after its reservation; give the sale."""
    kill_at(world.process(at), at, "sell", form)
    left = world.process().ask("sell", **form)
    assert left["state"] == "pending"
    return left["sale_id"]


@pytest.mark.parametrize("point", RETRY_SEES)
def test_a_seller_killed_anywhere_leaves_one_sale_with_one_token(world, form, point):
    kill_at(world.process(point), point, "sell", form)
    again = world.process()
    assert again.ask("sell", **form)["state"] == RETRY_SEES[point]
    assert world.settle() == ({"issued": 1} if RETRY_SEES[point] == "pending" else {})
    assert again.ask("sell", **form)["state"] == "issued"
    assert world.check_books() == {"issued": 1}


def test_the_token_a_killed_seller_had_in_hand_is_the_one_the_customer_gets(world, form):
    sale_id = leave_pending(world, form, "answered")
    made = world.process().ask("ask_module", sale_id=sale_id)["fetched"]
    world.settle()
    assert world.process().ask("sell", **form)["digits"] == made["digits"]


@pytest.mark.parametrize("point", ["refused", "raising_tid", "raised_tid", "module_asked"])
def test_a_seller_killed_while_it_asks_for_a_higher_identifier_leaves_one_token(world, form, point):
    seller = world.process("reserved", point)
    seller.tell("sell", **form)
    assert seller.answer() == {"at": "reserved"}
    spend_elsewhere(world, form)
    seller.go_on()
    if point == "module_asked":  # the refusal is written first, and then the token
        assert seller.answer() == {"at": point}
        seller.go_on()
    assert seller.answer() == {"at": point}
    seller.kill()
    world.settle()
    assert world.process().ask("sell", **form)["state"] == "issued"
    assert world.check_books() == {"issued": 1}


@pytest.mark.parametrize(
    ("left_at", "point"),
    [
        ("reserved", "doubted"),
        ("reserved", "module_asked"),
        ("reserved", "module_answered"),
        ("reserved", "completing"),
        ("module_answered", "found"),
        ("module_answered", "completing"),
        ("module_answered", "settled"),
    ],
)
def test_a_reconciler_killed_anywhere_is_followed_by_one_that_makes_the_token(
    world, form, left_at, point
):
    leave_pending(world, form, left_at)
    kill_at(world.process(point), point, "reconcile", {})
    world.settle()
    assert world.process().ask("sell", **form)["state"] == "issued"
    assert world.check_books() == {"issued": 1}


@pytest.mark.parametrize("point", ["module_asked", "cancelled", "failing", "settled"])
def test_a_reconciler_killed_while_it_gives_up_leaves_no_token_and_no_charge(world, form, point):
    leave_pending(world, form, "reserved")
    kill_at(world.process(point), point, "reconcile", {"cancel_after": 0})
    world.settle(cancel_after=0)
    assert world.process().ask("sell", **form)["state"] == "failed"
    assert world.check_books() == {"failed": 1}


@pytest.mark.parametrize("point", ["found", "completing", "settled"])
def test_a_reconciler_killed_over_money_given_back_leaves_a_reversed_sale(world, form, point):
    sale_id = leave_pending(world, form, "module_answered")
    kill_at(world.process("doubted"), "doubted", "reconcile", {})
    assert world.process().ask("seal", sale_id=sale_id) == {"state": "pending"}
    kill_at(world.process(point), point, "reconcile", {})
    world.settle()
    assert world.process().ask("sell", **form)["state"] == "reversed"
    assert world.check_books() == {"reversed": 1}

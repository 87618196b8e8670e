"""Several processes at one sale: whoever comes second reads again and obeys what stands."""

from contextlib import contextmanager

import pytest
from sqlalchemy import update

from tests.processes.world import spend_elsewhere
from vmsapp.models import TidHead

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]


TOO_FAR = 100_000
"""Minutes ahead of the clock at which no identifier is given out: more than two days."""


def halted(process, *points):
    """Let a process go on from point to point until it halts at the last."""
    for point in points[:-1]:
        assert process.answer() == {"at": point}
        process.go_on()
    assert process.answer() == {"at": points[-1]}
    return process


def seller_of(world, form, *points):
    """Start a seller that halts at points, and give the form to it."""
    seller = world.process(*points)
    seller.tell("sell", **form)
    return seller


def reconcilers(world, point, *later_points, count=2, **patience):
    """Start reconcilers that all halt at one point, and wait until they do."""
    started = [world.process(point, *later_points) for _ in range(count)]
    for clerk in started:
        clerk.tell("reconcile", **patience)
    return [halted(clerk, point) for clerk in started]


@contextmanager
def head_moved(world, minutes):
    """Move the last identifier given out ahead, and back at the end."""
    for step in (minutes, -minutes):
        with world.session() as session, session.begin():
            session.execute(update(TidHead).values(last_tid=TidHead.last_tid + step))
        if step == minutes:
            yield


@pytest.mark.parametrize(
    ("seller_at", "reconcilers_at"), [("reserved", "doubted"), ("answered", "found")]
)
def test_two_reconcilers_and_a_seller_at_one_sale_make_one_token(
    world, form, seller_at, reconcilers_at
):
    seller = halted(seller_of(world, form, seller_at), seller_at)
    clerks = reconcilers(world, reconcilers_at)
    for process in (seller, *clerks):
        process.go_on()
    assert [clerk.answer() for clerk in clerks] == [{"issued": 1}, {"issued": 1}]
    sold = seller.answer()
    assert sold["state"] == "issued"
    assert world.process().ask("sell", **form)["digits"] == sold["digits"]
    assert world.check_books() == {"issued": 1}


def test_three_who_hold_one_refusal_ask_once_more_between_them(world, form):
    seller = halted(seller_of(world, form, "reserved", "refused", "raised_tid"), "reserved")
    spend_elsewhere(world, form)
    seller.go_on()
    halted(seller, "refused")
    first, second = reconcilers(world, "found_refused")
    seller.go_on()
    halted(seller, "raised_tid")
    first.go_on()
    assert first.answer() == {"pending": 1}
    seller.go_on()
    assert seller.answer()["state"] == "issued"
    second.go_on()
    assert second.answer() == {"issued": 1}
    assert world.check_books() == {"issued": 1}


def test_a_late_reader_of_a_refusal_does_not_fail_a_sale_that_asks_again(world, form):
    seller = halted(seller_of(world, form, "reserved", "refused", "raised_tid"), "reserved")
    spend_elsewhere(world, form)
    seller.go_on()
    halted(seller, "refused")
    (late,) = reconcilers(world, "found_refused", count=1)
    seller.go_on()
    halted(seller, "raised_tid")
    with head_moved(world, TOO_FAR):  # so that no identifier is left to the late one
        late.go_on()
        assert late.answer() == {"pending": 1}
    seller.go_on()
    assert seller.answer()["state"] == "issued"
    assert world.check_books() == {"issued": 1}


def test_a_cancel_of_the_first_request_does_not_fail_a_sale_that_asks_again(world, form):
    seller = halted(seller_of(world, form, "reserved", "raised_tid"), "reserved")
    (hasty,) = reconcilers(world, "cancelling", count=1, cancel_after=0)
    spend_elsewhere(world, form)
    seller.go_on()
    halted(seller, "raised_tid")
    hasty.go_on()
    assert hasty.answer() == {"pending": 1}
    seller.go_on()
    assert seller.answer()["state"] == "issued"
    assert world.check_books() == {"issued": 1}


def test_two_who_give_a_sale_up_give_its_money_back_once(world, form):
    seller = halted(seller_of(world, form, "reserved", "refused"), "reserved")
    clerks = reconcilers(world, "cancelling", "cancelled", cancel_after=0)
    clerks[0].go_on()  # its cancel is on record before the seller asks
    halted(clerks[0], "cancelled")
    seller.go_on()
    halted(seller, "refused")
    clerks[1].go_on()
    halted(clerks[1], "cancelled")
    for process in (seller, *clerks):
        process.go_on()
    assert [clerk.answer() for clerk in clerks] == [{"failed": 1}, {"failed": 1}]
    assert seller.answer()["state"] == "failed"
    assert world.check_books() == {"failed": 1}


def test_a_seller_whose_request_was_cancelled_before_it_came_makes_no_token(world, form):
    seller = halted(seller_of(world, form, "reserved"), "reserved")
    assert world.settle(cancel_after=0) == {"failed": 1}
    seller.go_on()
    assert seller.answer()["state"] == "failed"
    assert world.check_books() == {"failed": 1}


def test_a_new_process_gets_the_same_digits_for_the_same_request(world, form):
    first = world.process()
    sold = first.ask("sell", **form)
    first.kill()
    answers = [world.process().ask("ask_module", sale_id=sold["sale_id"]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["issued"] == answers[0]["fetched"]
    assert answers[0]["issued"]["digits"] == sold["digits"]

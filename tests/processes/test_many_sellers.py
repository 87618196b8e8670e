"""Many processes that sell to few meters, over good lines and bad ones."""

import pytest

from vmsapp.services.vending import new_key

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

SELLERS = 8
ORDERS = 16
SHARED = 6
FAULTS = (
    "fine", "late_by_a_moment", "twice", "behind_the_next", "answer_lost", "overtaking",
    "request_lost", "not_sent", "behind_the_next", "broken_off", "fine",
)  # fmt: skip


def orders_of(seller, count, meters, points):
    """Write the forms of one seller: by quantity and by amount, every fourth sent twice."""
    username = ("operator", "supervisor")[seller // 2 % 2]
    for number in range(count):
        size = 1 + (7 * seller + 5 * number) % 40
        wish = {"units": f"{size}.{number % 10}"} if number % 3 else {"tender_minor": 450 + size}
        yield wish | {
            "username": username,
            "vending_point_id": points[username],
            "meter_id": meters[(seller + number) % len(meters)],
            "key": new_key(1),
            "twice": number % 4 == 0,
        }


def sell_all(sellers, lists):
    """Have all sellers work through their lists at once; give each one's answers."""
    for seller, orders in zip(sellers, lists, strict=True):
        seller.tell("run", orders=orders)
    return [seller.answer()["sold"] for seller in sellers]


def test_eight_processes_sell_to_four_meters_and_every_sale_has_its_one_token(world):
    meters, points = world.meters(), world.points()
    sellers = [world.process() for _ in range(SELLERS)]
    lists = [list(orders_of(i, ORDERS, meters, points)) for i in range(SELLERS)]
    sold = [answer for answers in sell_all(sellers, lists) for answer in answers]
    assert {answer["state"] for answer in sold} == {"issued"}
    digits = {(answer["key"], answer["sale_id"], answer["digits"]) for answer in sold}
    assert len(digits) == SELLERS * ORDERS < len(sold)  # whatever was sent twice came out once
    assert world.check_books() == {"issued": SELLERS * ORDERS}


def test_a_form_that_two_processes_send_at_once_is_sold_once(world):
    meters, points = world.meters(), world.points()
    sellers = [world.process() for _ in range(SELLERS)]
    # beyond the first step, and with the fee paid, prices stand still
    first = [
        order | {"meter_id": meter, "tender_minor": 5_000, "twice": False}
        for meter in meters
        for order in orders_of(0, 1, meters, points)
    ]
    sellers[0].ask("run", orders=first)
    shared = []
    for pair in range(0, SELLERS, 2):
        orders = list(orders_of(pair, SHARED, meters, points))
        quoted = [order | sellers[pair].ask("quote", **order) for order in orders]
        shared += [quoted, quoted]
    sold = [answer for answers in sell_all(sellers, shared) for answer in answers]
    assert {answer.get("state") for answer in sold} <= {"issued", "pending"}
    made = {(answer["key"], answer["sale_id"]) for answer in sold}
    assert len(made) == SHARED * SELLERS // 2
    assert world.check_books() == {"issued": len(made) + len(first)}


def test_bad_lines_to_the_module_cost_nobody_a_token_and_give_nobody_two(world):
    meters, points = world.meters(), world.points()
    sellers = [world.process(faults=FAULTS[i:] + FAULTS[:i]) for i in range(SELLERS)]
    patient = world.process(faults=FAULTS)
    hasty = world.process(faults=FAULTS[3:] + FAULTS[:3])
    lists = [list(orders_of(i, ORDERS, meters, points)) for i in range(SELLERS)]
    for seller, orders in zip(sellers, lists, strict=True):
        seller.tell("run", orders=orders)
    while not all(seller.has_answered() for seller in sellers):
        patient.ask("reconcile")
        hasty.ask("reconcile", cancel_after=0)
    sold = [answer for seller in sellers for answer in seller.answer()["sold"]]
    assert not [answer for answer in sold if "refused" in answer]
    late = sum(process.ask("deliver")["delivered"] for process in (*sellers, patient, hasty))
    assert late > SELLERS, "the lines were too good"
    world.settle()
    ends = world.check_books()
    assert ends.total() == SELLERS * ORDERS
    assert ends["issued"]
    assert ends["failed"]

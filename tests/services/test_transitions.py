"""Every move of ``docs/sale-states.md`` tried: those it allows are made, all others are refused."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from tests.factories import LEGACY_11, SUPERVISOR
from tests.faults import down, request_lost
from tests.keyring import KeyShop, soft_module
from vmsapp.hsm.registry import Registry
from vmsapp.models import CHANGE_MOVES, MOVES, ChangeState, KeyChange, Sale, SaleState
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.key_changes import rows
from vmsapp.services.key_changes.errors import IllegalMove
from vmsapp.services.vending.errors import IllegalTransition
from vmsapp.services.vending.settle import LostRace, complete, fail, move, read

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sale-states.md").read_text()
FAULTS = {"issued": (), "failed": (down,), "pending": (request_lost,), "reversed": ()}
NEEDS = {"issued": {"receipt_series": 1, "receipt_number": 9}}
"""What the database wants to see on a row in a state."""


def moves_on_page(title):
    """The matrix below a heading: each pair, and whether it is allowed."""
    below = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in below.strip().partition("\n\n")[0].splitlines()
    ]
    head, _, *body = lines
    return {
        (row[0], to): cell == "yes"
        for row in body
        for to, cell in zip(head[1:], row[1:], strict=True)
    }


OF_SALES = moves_on_page("Moves of a sale")
OF_CHANGES = moves_on_page("Moves of a key change")


def split(moves, *, allowed):
    return [pair for pair, may in moves.items() if may == allowed]


def sale_in(shop, module, state):
    module.once("issue_credit", *FAULTS[state])
    sale = shop.sell()
    if state == "reversed":
        shop.change(lambda s: move(s, sale, SaleState.REVERSED))
        sale = shop.again(sale)
    assert sale.state == state
    return sale


@pytest.mark.parametrize(
    ("page", "code", "states"),
    [(OF_SALES, MOVES, SaleState), (OF_CHANGES, CHANGE_MOVES, ChangeState)],
    ids=["sale", "key change"],
)
def test_the_page_has_a_cell_for_every_pair_and_the_code_the_same_moves(page, code, states):
    assert set(page) == {(a.value, b.value) for a in states for b in states}
    allowed = {(a.value, b.value) for a, reached in code.items() for b in reached}
    assert set(split(page, allowed=True)) == allowed


def test_every_place_the_page_names_is_there():
    places = re.findall(r"\| `(\w+)\.([\w.]*?)\.?(\w+)` \|", PAGE)
    assert len(places) == 16
    for room, module, name in places:
        path = ".".join(filter(None, ("vmsapp.services", room, module)))
        assert callable(getattr(import_module(path), name)), path


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("state", "to"), split(OF_SALES, allowed=True))
def test_a_move_of_the_table_is_made(shop, module, state, to):
    sale = sale_in(shop, module, state)
    shop.change(lambda s: move(s, sale, SaleState(to), **NEEDS.get(to, {})))
    assert shop.again(sale).state == to


@pytest.mark.parametrize(("state", "to"), split(OF_SALES, allowed=False))
def test_a_move_that_is_not_in_the_table_is_refused(shop, module, state, to):
    sale = sale_in(shop, module, state)
    with pytest.raises(IllegalTransition):
        shop.change(lambda s: move(s, sale, SaleState(to)))
    assert shop.again(sale).state == state


@pytest.mark.parametrize("changed", [{"state": "failed"}, {"request_id": "S-other-2"}])
def test_who_read_something_else_than_stands_loses_the_race(shop, module, changed):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.change(lambda s: s.execute(update(Sale).values(**changed)))
    with pytest.raises(LostRace):
        shop.change(lambda s: move(s, sale, SaleState.FAILED))


def test_a_state_that_is_none_is_refused_by_the_database(shop, module):
    sale_in(shop, module, "pending")
    with pytest.raises(IntegrityError):
        shop.change(lambda s: s.execute(update(Sale).values(state="doubtful")))


@pytest.mark.parametrize("state", ["issued", "failed", "reversed"])
def test_a_settled_sale_is_neither_completed_nor_failed_again(shop, module, state):
    sale = sale_in(shop, module, state)
    token = module.inner.issue_credit
    for deed in (lambda s, held: fail(s, SYSTEM, held, "test"),
                 lambda s, held: complete(s, SYSTEM, held, token, show=True)):  # fmt: skip
        with shop.session() as session, seen_by(SYSTEM):
            held = read(session, sale.id)
            with pytest.raises(IllegalTransition):
                deed(session, held)
    stands = shop.again(sale)
    assert (stands.state, stands.receipt_number) == (state, sale.receipt_number)
    assert shop.account().pending_minor == 0


# key changes


@pytest.fixture
def set_in(shop, ring, blank_record, tmp_path):
    """Give a key change that stands in a state."""
    with soft_module(ring, blank_record, tmp_path) as module:
        shop.registry = Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)
        keys = KeyShop(shop, SUPERVISOR)

        def make(state):
            module.once("issue_key_change", request_lost)
            change = keys.start(LEGACY_11, krn=2)
            assert change.state == "reserved"
            shop.change(lambda s: s.execute(update(KeyChange).values(state=state)))
            return stands(shop)

        yield make


def stands(shop):
    return shop.rows(KeyChange)[0]


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("state", "to"), split(OF_CHANGES, allowed=True))
def test_a_move_of_a_key_change_in_the_table_is_made(shop, set_in, state, to):
    change = set_in(state)
    shop.change(lambda s: rows.move(s, change, ChangeState(to)))
    assert stands(shop).state == to


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("state", "to"), split(OF_CHANGES, allowed=False))
def test_a_move_of_a_key_change_that_is_not_in_the_table_is_refused(shop, set_in, state, to):
    change = set_in(state)
    with pytest.raises(IllegalMove):
        shop.change(lambda s: rows.move(s, change, ChangeState(to)))
    assert stands(shop).state == state


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("changed", [{"state": "failed"}, {"request_id": "K-other-2"}])
def test_who_read_another_key_change_than_stands_loses_the_race(shop, set_in, changed):
    change = set_in("reserved")
    shop.change(lambda s: s.execute(update(KeyChange).values(**changed)))
    with pytest.raises(rows.LostRace):
        shop.change(lambda s: rows.move(s, change, ChangeState.COMPLETED))

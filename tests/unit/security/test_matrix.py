"""The matrix of permissions: what its cells stand for, bring along and say of a group."""

import pytest

from vmsapp.api.v1 import OPERATIONS
from vmsapp.security import GROUPS, READY_MADE
from vmsapp.security.groups import ADMINISTRATORS
from vmsapp.security.matrix import (
    ALL_CELLS,
    CELLS,
    DECLARED,
    MATRIX,
    cells_held,
    permissions_of,
    state_of,
    with_needs,
)
from vmsapp.security.permissions import ADMINISTRATORS_ALONE, EVERYBODY


def test_who_may_edit_may_see():
    assert with_needs({"Products.edit"}) == {"Products.edit", "Products.see"}
    assert permissions_of("Products.edit") >= {
        ("can_edit", "Products"), ("can_list", "Products"), ("can_show", "Products"),
        ("menu_access", "Products list"), ("menu_access", "System"),
    }  # fmt: skip


def test_a_deed_that_needs_a_deed_brings_all_it_needs():
    assert with_needs({"Counter.give_back"}) == {
        "Counter.give_back", "Counter.sell", "Counter.see",
    }  # fmt: skip


def test_what_a_form_looks_up_comes_along_without_its_screen():
    held = permissions_of("VendingPoints.add")
    assert {pair for pair in held if pair[1] == "Regions"} == {("can_look_up", "Regions")}
    assert ("menu_access", "Regions list") not in held
    assert state_of(CELLS["Regions.see"], held) == "none"


def test_a_cell_of_which_a_part_is_held_is_neither_held_nor_not():
    sell = CELLS["Counter.sell"]
    whole = permissions_of("Counter.sell")
    assert state_of(sell, whole) == "all"
    assert state_of(sell, whole - {("can_receipt", "Counter")}) == "some"
    assert state_of(sell, permissions_of("Counter.see")) == "none"


@pytest.mark.parametrize("key", CELLS)
def test_each_cell_is_told_from_all_others(key):
    assert cells_held(permissions_of(key)) == with_needs({key})
    for other in ALL_CELLS - with_needs({key}):
        assert state_of(CELLS[other], permissions_of(key)) == "none", other


def test_what_everybody_may_do_is_in_no_cell():
    assert set() == DECLARED & EVERYBODY
    assert set() == DECLARED & ADMINISTRATORS_ALONE


def test_no_screen_stands_in_the_matrix_twice():
    codes = [screen.code for screens in MATRIX.values() for screen in screens]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("name", GROUPS)
def test_a_ready_made_group_holds_its_cells_and_no_part_of_another(name):
    cells = READY_MADE[name].cells
    assert cells == with_needs(cells)
    for key, cell in CELLS.items():
        assert state_of(cell, GROUPS[name]) == ("all" if key in cells else "none"), key
        if key not in cells:  # where the matrix says no, no door of it opens
            assert cell.own & GROUPS[name] == set(), key


def test_administrators_hold_every_cell():
    assert READY_MADE[ADMINISTRATORS].cells == set(CELLS)


def test_the_system_is_closed_to_operators_by_default():
    """The manual, 3.4 "User Group": "System" is not suggested open to operators."""
    system = {key for screen in MATRIX["System"] for key in (c.key for c in screen.cells.values())}
    assert len(system) > 10
    for name in ("Operator", "Supervisor", "Engineer"):
        assert READY_MADE[name].cells & system == set(), name
        assert ("menu_access", "System") not in GROUPS[name]


def test_auditors_see_and_touch_nothing():
    deeds = {key.split(".")[1] for key in READY_MADE["Auditor"].cells}
    assert deeds == {"see", "export", "figures"}


def test_channels_hold_what_the_api_asks_for_and_no_cell_more():
    asked = set().union(*(operation.needs for operation in OPERATIONS))
    assert len(asked) > 3
    assert asked <= GROUPS["Channel"]
    for key in READY_MADE["Channel"].cells:
        assert CELLS[key].own & asked, key

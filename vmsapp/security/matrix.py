"""The matrix of permissions: what a user group may do, screen by screen, in words.

A ``Screen`` is a row under its group of the menu; its ``Cell``s are the deeds there: to see,
add, edit and delete, and those with a name of their own. A cell stands for the framework's
permissions: its own, and those it needs besides, such as the search for a region in a form.

A new screen is one line here, and its cells' keys in ``vmsapp.security.groups``:

    Screen("Counter", ...) -> "Counter.see", "Counter.sell"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from vmsapp.errors import N_
from vmsapp.security.permissions import (
    APPROVALS,
    AUDIT,
    CAMPAIGNS,
    CASH_REPORT,
    CLOCK,
    COUNTER,
    DASHBOARD,
    ENGINEERING,
    ENGINEERING_REFUSALS,
    FIRST_STEPS,
    FLOAT_REPORT,
    FLOATS,
    FREE_REPORT,
    IMPORTS,
    INACTIVE,
    JOBS,
    KEY_REPORT,
    LICENCE,
    MODULES,
    PROOF,
    PURCHASE_RECORDS,
    PURCHASES,
    REPORT_INDEX,
    REVENUE,
    SALES_REPORT,
    SAVED_REPORTS,
    SECOND_LOOKS,
    SECOND_PERSON,
    SETUP,
    SHIFTS,
    STEP_REPORT,
    TARIFFS,
    TAX_REPORT,
    TEST_TOKENS,
    TOKEN_DESK,
    TOKEN_JOURNAL,
    TOKEN_RECORDS,
    TRAINING,
    Permission,
)

DEEDS: Final[Mapping[str, str]] = {
    "see": N_("See"),
    "add": N_("Add"),
    "edit": N_("Edit"),
    "delete": N_("Delete"),
}
"""The columns of the matrix; other deeds share the last one."""

State = Literal["all", "some", "none"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A deed on a screen.

    Attributes:
        key: ``screen.deed``: its name in forms and in the ready-made groups.
        word: What the deed is called.
        own: The permissions that make it.
        along: Permissions it cannot do without, which other cells bring along, too.
        needs: Keys of the cells that come with it.
    """

    key: str
    screen: str
    word: str
    own: frozenset[Permission]
    along: frozenset[Permission] = frozenset()
    needs: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """What it is called on record."""
        return f"{self.screen}: {self.word}"


@dataclass(frozen=True, slots=True)
class Deed:
    """A deed with a name of its own, the permissions that make it, and those that come along."""

    code: str
    word: str
    permissions: tuple[Permission, ...]
    needs: tuple[str, ...] = ("see",)
    along: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of the product.

    Attributes:
        code: How its cells' keys begin.
        menu: Its entry in the menu, which ``see`` opens; none for a screen without one.
        see: What ``see`` permits besides; without it nothing there can be seen by itself.
        deeds: Which of add, edit and delete there are.
        others: Deeds with names of their own.
        looks_up: Permissions that come with seeing it, such as the searches of its filters.
        known_as: The screen its permissions name, if that is not the code.
    """

    code: str
    title: str
    menu: str | None = None
    see: tuple[str, ...] = ("can_list", "can_show")
    deeds: tuple[str, ...] = ()
    others: tuple[Deed, ...] = ()
    looks_up: frozenset[Permission] = frozenset()
    known_as: str | None = None
    cells: dict[str, Cell] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Make the cells."""
        screen = self.known_as or self.code
        made = {}
        if self.see:
            own = {(deed, screen) for deed in self.see}
            made["see"] = self._cell("see", DEEDS["see"], own | self._entry(), (), self.looks_up)
        for deed in self.deeds:
            made[deed] = self._cell(deed, DEEDS[deed], {(f"can_{deed}", screen)}, ("see",))
        for other in self.others:
            own = {*other.permissions} | (set() if self.see else self._entry())
            made[other.code] = self._cell(other.code, other.word, own, other.needs, other.along)
        object.__setattr__(self, "cells", made)

    def _entry(self) -> set[Permission]:
        return {("menu_access", self.menu)} if self.menu else set()

    def _cell(
        self,
        code: str,
        word: str,
        own: Iterable[Permission],
        needs: Iterable[str],
        along: frozenset[Permission] = frozenset(),
    ) -> Cell:
        needed = frozenset(f"{self.code}.{need}" for need in needs)
        return Cell(f"{self.code}.{code}", self.title, word, frozenset(own), along, needed)


_REGIONS: Final = frozenset({("can_look_up", "Regions")})
_PRODUCTS: Final = frozenset({("can_look_up", "Products")})
_TARIFFS: Final = frozenset({("can_look_up", "Tariffs")})
"""The searches of fields and filters: who narrows a list by regions need not see their screen."""
_TRIES: Final = frozenset({("can_try", TARIFFS), ("menu_access", "Price trial")})
"""Whoever sees tariffs may try their prices."""
_RESTORED: Final = frozenset({("menu_access", "After a restore")})
"""Whoever sees the token journal sees what of it a restore lost."""
_SHELF: Final = frozenset({("can_show", REPORT_INDEX), ("menu_access", "Report index")})
"""Whoever sees a report sees the page that leads to all of them."""
_RUNS: Final = frozenset({("can_run", IMPORTS)})
"""Handing files in, applying and taking them back, of whichever kind may be imported."""
_WATCHES: Final = frozenset({("can_show", JOBS)})
"""Following the own jobs, and fetching what they made: long lists are written in the background."""
_USERS: Final = "UserDBModelView"
_WRITTEN: Final = ("add", "edit", "delete")


def _report(code: str, title: str, export: str, looks_up: frozenset[Permission]) -> Screen:
    """Make the row of a report without an entry in the menu: the page of all reports has it."""
    taken = Deed("export", export, (("can_export", code),))
    return Screen(code, title, see=("can_show",), others=(taken,), looks_up=_SHELF | looks_up)


def _export(screen: str, word: str) -> Deed:
    """Taking a list away as a file."""
    return Deed("export", word, (("can_export", screen),), along=_WATCHES)


MATRIX: Final[Mapping[str, tuple[Screen, ...]]] = {
    N_("Vending"): (
        Screen(COUNTER, N_("Counter"), "Vending counter", see=("can_find",), others=(
            Deed("sell", N_("Sell"), (("can_sell", COUNTER), ("can_receipt", COUNTER),
                                      ("menu_access", "Open sales"))),
            Deed("reprint", N_("Print copies"), (("can_reprint", COUNTER),), ("sell",)),
            Deed("give_back", N_("Give money back"), (("can_give_back", COUNTER),), ("sell",)),
            Deed("give_free", N_("Give tokens without money"), (("can_give_free", COUNTER),)),
        )),
        Screen("Sales", N_("Sales"), "Sales list", looks_up=_REGIONS | _PRODUCTS | _TARIFFS,
               others=(
            Deed("reverse", N_("Take sales back"), (("can_reverse", "Sales"),)),
            _export("Sales", N_("Export sales")),
        )),
        Screen(SHIFTS, N_("Shifts"), "Shifts list", others=(
            Deed("work", N_("Open and close the own shift"), (("can_work", SHIFTS),)),
            Deed("cash", N_("Put cash in and take it out"), (("can_cash", SHIFTS),)),
            Deed("close_others", N_("Close the shifts of others"), (("can_close_others", SHIFTS),),
                 ("work",)),
            Deed("figures", N_("See what others' counts came to"), (("can_figures", SHIFTS),)),
            _export(SHIFTS, N_("Export shifts")),
        )),
        Screen(FLOATS, N_("Floats"), "Floats list", looks_up=_REGIONS, others=(
            Deed("move", N_("Pay in and take out"), (("can_move", FLOATS),)),
            Deed("terms", N_("Set the terms"), (("can_terms", FLOATS),)),
            _export(FLOATS, N_("Export floats")),
        )),
        Screen(APPROVALS, N_("Approvals"), "Approvals list", others=(
            Deed("decide", N_("Ask and decide"),
                 (("can_decide", APPROVALS), ("can_withdraw", APPROVALS))),
            _export(APPROVALS, N_("Export approvals")),
        )),
        Screen(TOKEN_DESK, N_("Token desk"), "Token desk", see=(), others=(
            Deed("look", N_("Look tokens up"), (("can_look", TOKEN_DESK),), ()),
        )),
        Screen(TRAINING, N_("Training meter"), "Training meter", see=(), others=(
            Deed("train", N_("Train on a virtual meter"), (("can_train", TRAINING),), ()),
        )),
    ),
    N_("Registration"): (
        Screen("Consumers", N_("Consumers"), "Consumers list", deeds=_WRITTEN,
               looks_up=_REGIONS, others=(
            Deed("retire", N_("Retire and take back"),
                 (("retire", "Consumers"), ("take_back", "Consumers"), ("can_undo", "Consumers"))),
            Deed("id_number", N_("See and search ID numbers"), (("can_id_number", "Consumers"),)),
            Deed("confirm_address", N_("Confirm new addresses"),
                 (("can_confirm_address", "Consumers"),)),
            Deed("export_person", N_("Hand over a person's data"),
                 (("can_export_person", "Consumers"),)),
            _export("Consumers", N_("Export consumers")),
            Deed("debts", N_("Enter debts and write them off"), (("can_debts", "Consumers"),)),
            Deed("anonymise", N_("Remove personal data"), (("can_anonymise", "Consumers"),)),
        )),
        Screen("Meters", N_("Meters"), "Meters list", deeds=_WRITTEN,
               looks_up=_REGIONS | _PRODUCTS | _TARIFFS, others=(
            _export("Meters", N_("Export meters")),
            Deed("bind", N_("Bind, unbind and swap"), (("can_bind", "Meters"),)),
            Deed("block", N_("Block and release"), (("can_block", "Meters"),)),
            Deed("retire", N_("Activate, store, retire and take back"),
                 (("can_retire", "Meters"),)),
            Deed("correct", N_("Correct the record"), (("can_correct", "Meters"),)),
            Deed("change_key", N_("Change keys"), (("can_change_key", "Meters"),)),
            Deed("confirm_key", N_("Confirm key changes"), (("can_confirm_key", "Meters"),)),
            Deed("refuse_key", N_("Say that a meter refused its key change"),
                 (("can_refuse_key", "Meters"),)),
        )),
        Screen(IMPORTS, N_("Imports"), "Imports list", others=(
            Deed("consumers", N_("Import consumers"), (("can_consumers", IMPORTS),),
                 along=_RUNS),
            Deed("meters", N_("Import meters"), (("can_meters", IMPORTS),), along=_RUNS),
            Deed("meters_with_consumers", N_("Import meters with consumers"),
                 (("can_meters_with_consumers", IMPORTS),), along=_RUNS),
            Deed("opening_figures", N_("Import opening figures of meters"),
                 (("can_opening_figures", IMPORTS),), along=_RUNS),
            _export(IMPORTS, N_("Export the list of imports")),
        )),
        Screen(JOBS, N_("Jobs"), "Jobs list", others=(
            Deed("others", N_("Cancel those of others"), (("can_act_for_others", JOBS),)),
            _export(JOBS, N_("Export the list of jobs")),
        )),
    ),
    N_("Engineering"): (
        Screen(ENGINEERING, N_("Engineering tokens"), "Engineering tokens", others=(
            Deed("digits", N_("See and print the digits"), (("can_digits", ENGINEERING),)),
            Deed("make", N_("Make tokens"), (("can_make", ENGINEERING),), ("digits",)),
            Deed("reprint", N_("Print copies of slips"), (("can_reprint", ENGINEERING),),
                 ("digits",)),
            _export(ENGINEERING, N_("Export engineering tokens")),
        )),
        Screen(ENGINEERING_REFUSALS, N_("Refused engineering tokens"),
               "Engineering refusals", others=(
            _export(ENGINEERING_REFUSALS, N_("Export refused engineering tokens")),
        )),
        Screen(CAMPAIGNS, N_("Campaigns"), "Campaigns", looks_up=_REGIONS, others=(
            Deed("make", N_("Make, pause and stop campaigns"), (("can_make", CAMPAIGNS),)),
            _export(CAMPAIGNS, N_("Export campaigns")),
        )),
        Screen(TEST_TOKENS, N_("Test tokens"), "Test tokens", others=(
            Deed("make", N_("Make cards of test tokens"), (("can_make", TEST_TOKENS),)),
            _export(TEST_TOKENS, N_("Export test tokens")),
        )),
    ),
    N_("Reports"): (
        Screen(DASHBOARD, N_("Today"), "Dashboard", see=("can_show",), looks_up=_SHELF),
        Screen(SALES_REPORT, N_("Sales report"), "Sales report", see=("can_show",),
               looks_up=_SHELF | _REGIONS | _PRODUCTS | _TARIFFS, others=(
            _export(SALES_REPORT, N_("Export the sales report")),
        )),
        _report(TAX_REPORT, N_("Tax report"), N_("Export the tax report"),
                _REGIONS | _PRODUCTS | _TARIFFS),
        _report(STEP_REPORT, N_("Step statistics"), N_("Export the step statistics"),
                _REGIONS | _PRODUCTS | _TARIFFS),
        _report(CASH_REPORT, N_("Cash-up"), N_("Export the cash-up"),
                _REGIONS),
        _report(FLOAT_REPORT, N_("Float statement"), N_("Export the float statement"),
                _REGIONS),
        _report(SECOND_LOOKS, N_("Copies and reversals"), N_("Export copies and reversals"),
                _REGIONS | _PRODUCTS | _TARIFFS),
        _report(FREE_REPORT, N_("Free tokens"), N_("Export free tokens"),
                _REGIONS | _PRODUCTS | _TARIFFS),
        _report(KEY_REPORT, N_("Key expiry"), N_("Export key expiry"),
                _REGIONS),
        Screen(TOKEN_RECORDS, N_("Token records"), "Token records", see=("can_list",),
               looks_up=_SHELF, others=(
            Deed("digits", N_("See the digits that were handed out"),
                 (("can_digits", TOKEN_RECORDS),)),
            _export(TOKEN_RECORDS, N_("Export token records")),
        )),
        Screen(PURCHASES, N_("Purchase statistics"), "Purchase statistics", see=("can_show",),
               looks_up=_SHELF | _REGIONS, others=(
            Deed("export", N_("Export purchase statistics"), (("can_export", PURCHASES),)),
        )),
        Screen(PURCHASE_RECORDS, N_("Purchase records"), "Purchase records", see=("can_list",),
               looks_up=_SHELF | _REGIONS, others=(
            _export(PURCHASE_RECORDS, N_("Export purchase records")),
        )),
        Screen(INACTIVE, N_("Inactive consumers"), "Inactive consumers", see=("can_list",),
               looks_up=_SHELF | _REGIONS, others=(
            _export(INACTIVE, N_("Export inactive consumers")),
        )),
        Screen(SAVED_REPORTS, N_("Saved reports"), "Saved reports", see=("can_list",), others=(
            Deed("schedule", N_("Have reports sent by e-mail"),
                 (("can_schedule", SAVED_REPORTS),), along=_WATCHES),
        )),
        Screen(REVENUE, N_("Revenue protection"), "Revenue protection", looks_up=_REGIONS,
               others=(
            Deed("work", N_("Take findings on and write about them"), (("can_work", REVENUE),)),
            Deed("decide", N_("Say what was behind findings"), (("can_decide", REVENUE),),
                 ("work",)),
            Deed("run", N_("Ask the rules now"), (("can_run", REVENUE),), along=_WATCHES),
            Deed("rules", N_("Set what revenue protection looks for"), (("can_rules", REVENUE),)),
            _export(REVENUE, N_("Export findings")),
        )),
    ),
    N_("System"): (
        Screen("Regions", N_("Regions"), "Regions list", deeds=_WRITTEN, looks_up=_REGIONS, others=(
            Deed("move", N_("Move and merge"), (("can_move", "Regions"),)),
            _export("Regions", N_("Export regions")),
        )),
        Screen("Products", N_("Products"), "Products list", deeds=_WRITTEN, looks_up=_PRODUCTS,
               others=(_export("Products", N_("Export products")),)),
        Screen("VendingPoints", N_("Vending points"), "Vending points list", deeds=_WRITTEN,
               looks_up=_REGIONS, others=(
            Deed("close", N_("Close and reopen"), (("can_close", "VendingPoints"),)),
            _export("VendingPoints", N_("Export vending points")),
        )),
        Screen(TARIFFS, N_("Tariffs"), "Tariffs list", deeds=_WRITTEN,
               looks_up=_TARIFFS | _TRIES, others=(
            Deed("plan", N_("Write plans"), (("can_plan", TARIFFS),)),
            Deed("simulate", N_("Try plans over real sales"), (("can_simulate", TARIFFS),),
                 along=_WATCHES | _REGIONS),
            _export(TARIFFS, N_("Export tariffs and plans")),
        )),
        Screen(MODULES, N_("Security modules"), "Security modules", deeds=("add",), others=(
            Deed("change", N_("Rename, move and retire"), (("can_change", MODULES),)),
            Deed("test", N_("Test"), (("can_test", MODULES),)),
            Deed("import", N_("Load key files"), (("can_import", MODULES),)),
            Deed("replace_keys", N_("Replace keys"), (("can_replace_keys", MODULES),), ("import",)),
            Deed("remove_key", N_("Remove keys"), (("can_remove_key", MODULES),)),
            Deed("assign", N_("Let one take over"), (("can_assign", MODULES),)),
            _export(MODULES, N_("Export the modules")),
        )),
        Screen("Users", N_("Users"), "List Users", known_as=_USERS, looks_up=_REGIONS,
               deeds=("add", "edit"), others=(
            Deed("suspend", N_("Suspend and activate"),
                 (("suspend", _USERS), ("activate", _USERS), ("end_sessions", _USERS))),
            Deed("give_code", N_("Hand out a one-time code"), (("give_code", _USERS),)),
            Deed("second_factor", N_("Reset the second factor"),
                 (("reset_second_factor", _USERS),)),
            Deed("bearers", N_("Make and withdraw bearers of programs"),
                 (("can_bearers", _USERS),)),
            _export(_USERS, N_("Export users")),
        )),
        Screen("UserGroups", N_("User groups"), "List Roles", deeds=_WRITTEN,
               others=(_export("UserGroups", N_("Export user groups")),)),
        Screen("FirstSteps", N_("First steps"), "System first steps", see=("can_show",),
               known_as=FIRST_STEPS),
        Screen(AUDIT, N_("Audit trail"), "Audit trail", others=(
            _export(AUDIT, N_("Export")),
        )),
        Screen(TOKEN_JOURNAL, N_("Token journal"), "Token journal", looks_up=_RESTORED, others=(
            _export(TOKEN_JOURNAL, N_("Export the journal")),
            Deed("compare", N_("Compare with the sales"), (("can_compare", TOKEN_JOURNAL),)),
            Deed("settle", N_("Settle findings, and book what a restore lost"),
                 (("can_settle", TOKEN_JOURNAL),)),
        )),
        Screen(PROOF, N_("Ledger proof"), "Ledger proof", others=(
            Deed("run", N_("Run the proof"), (("can_run", PROOF),)),
            _export(PROOF, N_("Export the list of proofs")),
        )),
        Screen(SETUP, N_("Setup"), "System setup", see=("can_show",), others=(
            Deed("change", N_("Change the setup"), (("can_change", SETUP),)),
        )),
        Screen("SecondPerson", N_("Second person"), "Second person", see=(), others=(
            Deed("change", N_("Set the rules"), (("can_change", SECOND_PERSON),), ()),
        )),
        Screen(LICENCE, N_("Licence"), "System licence", see=("can_show",), others=(
            Deed("install", N_("Install"), (("can_install", LICENCE),)),
            Deed("give_up", N_("Return to the open edition"), (("can_give_up", LICENCE),)),
        )),
        Screen("Clock", N_("Clock"), "System clock", see=(), others=(
            Deed("accept", N_("Accept a wrong clock"), (("can_accept", CLOCK),), ()),
        )),
    ),
}  # fmt: skip
"""Every screen that may be given or taken, in the order of the menu."""

CELLS: Final[Mapping[str, Cell]] = {
    cell.key: cell
    for screens in MATRIX.values()
    for screen in screens
    for cell in screen.cells.values()
}
"""Every cell by its key, in the order of the page."""

_MENUS: Final[Mapping[str, frozenset[Permission]]] = {
    cell.key: frozenset({("menu_access", menu)})
    for menu, screens in MATRIX.items()
    for screen in screens
    for cell in screen.cells.values()
}
"""The group of the menu that each cell opens."""

_BROUGHT: Final = frozenset().union(
    *(cell.along for cell in CELLS.values()), *_MENUS.values()
)  # fmt: skip
"""Permissions that come along: to hold one says nothing about a cell."""

DECLARED: Final = _BROUGHT.union(*(cell.own for cell in CELLS.values()))
"""Every permission that some cell stands for."""

ALL_CELLS: Final = frozenset(CELLS)


def with_needs(keys: Iterable[str]) -> frozenset[str]:
    """Add the cells that come with those chosen: who may edit may see."""
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += CELLS[key].needs
    return frozenset(found)


def permissions_of(*keys: str) -> frozenset[Permission]:
    """Tell what somebody who holds these cells may do."""
    return frozenset().union(
        *(CELLS[key].own | CELLS[key].along | _MENUS[key] for key in with_needs(keys))
    )


def state_of(cell: Cell, held: Iterable[Permission]) -> State:
    """Tell how much of a cell is held; what comes along with other cells does not count."""
    telling = cell.own - _BROUGHT
    count = len(telling & frozenset(held))
    return "all" if count == len(telling) else "some" if count else "none"


def cells_held(held: Iterable[Permission]) -> frozenset[str]:
    """List the keys of the cells that are held whole."""
    held = frozenset(held)
    return frozenset(key for key, cell in CELLS.items() if state_of(cell, held) == "all")

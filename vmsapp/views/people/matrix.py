"""The matrix of permissions on pages: a field with a box for each cell, and a table to read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from flask import render_template
from flask_babel import gettext
from markupsafe import Markup
from wtforms import Field

from vmsapp.i18n import labelled
from vmsapp.security.matrix import CELLS, DEEDS, MATRIX, Cell, Screen, State, state_of, with_needs
from vmsapp.security.permissions import Permission
from vmsapp.services.reach import Own, may_give

KEPT: Final = "part:"
"""Marks a cell that is held in part and shall stay so; without script it always does."""


@dataclass(frozen=True, slots=True)
class Box:
    """A cell as it is drawn.

    Attributes:
        state: Whether all, some or none of its permissions are held.
        open: Whether the asker may give it.
        groups: The toggles of the page it follows.
    """

    cell: Cell
    state: State
    open: bool
    groups: str

    @property
    def word(self) -> str:
        """What the deed is called."""
        return str(gettext(self.cell.word))

    @property
    def name(self) -> str:
        """What the box is called where its row and column are not seen."""
        name = labelled(gettext(self.cell.screen), self.word)
        return str(gettext("%(name)s, in part", name=name)) if self.state == "some" else name

    @property
    def needs(self) -> str:
        """Keys of the cells that come with it."""
        return " ".join(sorted(with_needs([self.cell.key]) - {self.cell.key}))


@dataclass(frozen=True, slots=True)
class Line:
    """A screen as it is drawn: a box or nothing in each column, and the other deeds."""

    title: str
    group: str
    columns: list[tuple[str, Box | None]]
    others: list[Box]


class Sheet:
    """The matrix with what is held in it."""

    def __init__(self, states: dict[str, State], own: Own = None) -> None:
        self._states, self._own = states, own
        self.columns = [(f"c-{code}", str(gettext(word))) for code, word in DEEDS.items()]

    def menus(self) -> Iterator[tuple[str, str, list[Line]]]:
        """The groups of the menu: name of their toggle, word, screens."""
        for number, (menu, screens) in enumerate(MATRIX.items()):
            group = f"m-{number}"
            yield group, str(gettext(menu)), [self._line(screen, group) for screen in screens]

    def _line(self, screen: Screen, menu: str) -> Line:
        group = f"s-{screen.code}"
        boxes = {
            code: Box(
                cell, self._states[cell.key], may_give(cell, self._own),
                f"{menu} {group} c-{code if code in DEEDS else 'other'}",
            )
            for code, cell in screen.cells.items()
        }  # fmt: skip
        return Line(
            str(gettext(screen.title)), group,
            [(str(gettext(word)), boxes.get(code)) for code, word in DEEDS.items()],
            [box for code, box in boxes.items() if code not in DEEDS],
        )  # fmt: skip


def states(held: Iterable[Permission]) -> dict[str, State]:
    """Tell of every cell how much of it is held."""
    held = frozenset(held)
    return {key: state_of(cell, held) for key, cell in CELLS.items()}


class MatrixWidget:
    """Draws the field as a table."""

    def __call__(self, field: "MatrixField", **_attributes: Any) -> Markup:  # noqa: ANN401
        """Draw it; a cell the asker may not give cannot be pressed."""
        sheet = Sheet(field.states(), field.own)
        return Markup(render_template("groups/matrix.html", sheet=sheet, field=field))  # noqa: S704


class MatrixField(Field):
    """The cells a group holds; ``data`` are its permissions.

    Attributes:
        there: How much of each cell the group holds.
        chosen: Keys of the cells that were ticked.
        kept: Keys of those that are held in part and were left alone.
        own: What the asker may give.
    """

    widget = MatrixWidget()

    def __init__(self, label: Any = None, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(label, *args, **options)
        self.chosen: frozenset[str] = frozenset()
        self.kept: frozenset[str] = frozenset()
        self.there: dict[str, State] = states(())
        self.own: Own = None

    def process_data(self, value: Any) -> None:  # noqa: ANN401 - permissions, or nothing yet
        """Note what the group holds."""
        self.data = value
        self.there = states((one.permission.name, one.view_menu.name) for one in value or ())

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read which boxes were ticked; a box there is not is left out."""
        kept = {value.removeprefix(KEPT) for value in valuelist if value.startswith(KEPT)}
        self.chosen = frozenset(CELLS.keys() & set(valuelist))
        self.kept = frozenset(CELLS.keys() & (kept - self.chosen))

    def states(self) -> dict[str, State]:
        """What the table shows: what was sent, else what is there."""
        if self.raw_data is None:
            return self.there
        return {key: self._sent(cell) for key, cell in CELLS.items()}

    def _sent(self, cell: Cell) -> State:
        if cell.key in self.chosen:
            return "all"
        if cell.key in self.kept:
            return "some"
        return "none" if may_give(cell, self.own) else self.there[cell.key]

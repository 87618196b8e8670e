"""Adding, removing and moving the rows of a plan's form, as a press of a button asks.

It is done to what was sent, before the form reads it, so that all that was typed stays,
readable or not. What levies say of steps and of other levies by number moves along; where
steps and bands begin and end stays in its place, else the plan would have a gap.

>>> sent = MultiDict([("steps-0-end", "150"), ("steps-0-price", "3"), ("steps-4-price", "x")])
>>> [*arranged(sent, Deed("steps", "down", 0)).items()]
[('steps-0-end', '150'), ('steps-1-price', '3'), ('steps-0-price', 'x')]
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import MultiDict

from vmsapp.views.tariffs.plan_form import MOST_ROWS

Sent = MultiDict[str, str]

DEED: Final = re.compile(r"(steps|penalties|levies)\.(?:(add)|(remove|up|down)\.([0-9]{1,3}))")
ROW_NUMBER: Final = re.compile(r"[0-9]{1,4}")
ROW: Final = re.compile(r"(steps|penalties|levies)-([0-9]{1,4})-(\w+)")
FOLLOWS: Final = {"steps": ("start", "end"), "penalties": ("low", "high")}
"""Of parts whose rows follow on one another: where a row begins, and where it ends."""

MOVES: Final = {"up": -1, "down": 1}
"""Deeds that put a row before or behind its neighbour, and in which direction."""

FIRST: Final = {"steps": "end", "penalties": "high", "levies": "name"}
"""What is typed first into a new row."""

SAY: Final = {"steps": ("levies", "steps"), "levies": ("levies", "of_levies")}
"""Fields that name rows of a part by their number, from 1."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done to the rows of a part; ``row`` counts from 0."""

    part: str
    what: str
    row: int = 0


def read_deed(text: str) -> Deed | None:
    """Read the value of a button."""
    found = DEED.fullmatch(text)
    if found is None:
        return None
    part, add, what, row = found.groups()
    return Deed(part, add) if add else Deed(part, what, int(row))


def arranged(sent: Sent, deed: Deed) -> Sent:
    """Do a deed to what was sent; what cannot be done changes nothing but gaps in the numbers."""
    numbers = rows_of(sent, deed.part)
    places = _order(len(numbers), deed)
    moved = {numbers[old]: new for new, old in enumerate(places)}
    made: Sent = MultiDict()
    for key, values in sent.lists():
        found = ROW.fullmatch(key)
        if found is None or found[1] != deed.part:
            made.setlist(key, values)
        elif int(found[2]) in moved:
            stays = deed.what in MOVES and found[3] in FOLLOWS.get(deed.part, ())
            place = numbers.index(int(found[2])) if stays else moved[int(found[2])]
            made.setlist(f"{deed.part}-{place}-{found[3]}", values)
    if deed.what == "add" and len(numbers) < MOST_ROWS[deed.part]:
        _add_row(made, deed.part, len(numbers))
    elif deed.part in SAY:
        _rename(made, deed.part, {old + 1: new + 1 for new, old in enumerate(places)})
    return made


def rows_of(sent: Sent, part: str) -> list[int]:
    """The numbers under which the rows of a part were sent, in their order."""
    found = (ROW.fullmatch(key) for key in sent)
    return sorted({int(one[2]) for one in found if one and one[1] == part})


def field_after(sent: Sent, deed: Deed) -> str:
    """Name where one goes on: in a new row its first field, else the same button, if it can.

    Where it cannot, and after a removal, it is the row: Enter once more does nothing there,
    while on a button it would do another deed, and in a text field save the plan.
    """
    count = len(rows_of(sent, deed.part))
    if not count:
        return f"{deed.part}-add"
    if deed.what == "add":
        return f"{deed.part}-{count - 1}-{FIRST[deed.part]}"
    row = max(0, min(deed.row + MOVES.get(deed.what, 0), count - 1))
    stays = (deed.what, row) not in {("up", 0), ("down", count - 1)} and deed.what in MOVES
    return f"{deed.part}-{row}-{deed.what if stays else 'row'}"


def _order(count: int, deed: Deed) -> Sequence[int]:
    """Give the rows' former places in their new order."""
    places = list(range(count))
    other = deed.row + MOVES.get(deed.what, 0)
    if deed.what == "remove":
        return [place for place in places if place != deed.row]
    if 0 <= deed.row < count and 0 <= other < count:
        places[deed.row], places[other] = places[other], places[deed.row]
    return places


def _add_row(made: Sent, part: str, row: int) -> None:
    """Begin a row where the one before it ends."""
    if part not in FOLLOWS:
        made.setlist(f"{part}-{row}-kind", ["percent"])
        made.setlist(f"{part}-{row}-base", ["energy"])
        return
    start, end = FOLLOWS[part]
    made.setlist(f"{part}-{row}-{start}", [made.get(f"{part}-{row - 1}-{end}", "") if row else "0"])


def _rename(made: Sent, part: str, names: Mapping[int, int]) -> None:
    """Have fields that name rows by number name them by their new numbers."""
    where, field = SAY[part]
    for key, values in list(made.lists()):
        found = ROW.fullmatch(key)
        if found is not None and (found[1], found[3]) == (where, field):
            known = (int(value) for value in values if ROW_NUMBER.fullmatch(value))
            made.setlist(key, [str(names[old]) for old in known if old in names])

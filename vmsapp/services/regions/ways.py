"""How a region is written in files: its way from the top, such as Country / Province / City.

Names of regions are shared, ways are not. A stroke within a name that could be taken for the
one between names is doubled, and a region at the top whose name another region has, too, gets
a stroke before it.

>>> written(["Kenya", "Rift Valley", "Nakuru/Njoro"]), written(["Kenya", "East / West"])
('Kenya / Rift Valley / Nakuru/Njoro', 'Kenya / East // West')
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import Region
from vmsapp.models.folding import folded

BETWEEN: Final = " / "
TOP: Final = "/ "
"""Before a region at the top whose name is shared."""

_LIKE_BETWEEN: Final = re.compile(r"(?:(?<=\s)|(?<!.))/+|/+(?=\s|$)", re.DOTALL)


def written(names: Sequence[str]) -> str:
    """Write the names from the top down as one text that no other names give."""
    return BETWEEN.join(_LIKE_BETWEEN.sub(lambda run: run[0] * 2, name) for name in names)


def ways(session: Session) -> dict[int, str]:
    """How each region is written that the session sees, from the highest that it sees."""
    return _ways(_names_of(session))


def known_names(session: Session) -> list[tuple[str, int]]:
    """What each region may be called in a file: first as it is written there, then in short.

    A name that is shared comes once for each that has it, so that it is known to be so; a
    short name that is written like the way of another region is none.
    """
    found = _names_of(session)
    ways = _ways(found)
    taken = {folded(way): key for key, way in ways.items()}
    plain = [(BETWEEN.join(names), key) for key, names in found.items() if len(names) > 1]
    short = [*((names[-1], key) for key, names in found.items()), *plain]
    known = [(way, key) for key, way in ways.items()]
    return known + [(name, key) for name, key in short if taken.get(folded(name), key) == key]


def _names_of(session: Session) -> dict[int, list[str]]:
    """The names from the highest region that is seen down, by id, a region before those below."""
    rows = session.execute(select(Region.id, Region.name, Region.path).order_by(Region.path)).all()
    names = {row.id: row.name for row in rows}
    return {
        row.id: [names[key] for part in row.path.split(".") if part and (key := int(part)) in names]
        for row in rows
    }


def _ways(found: dict[int, list[str]]) -> dict[int, str]:
    counted = Counter(folded(names[-1]) for names in found.values())
    return {
        key: TOP + written(names)
        if len(names) == 1 and counted[folded(names[0])] > 1 else written(names)
        for key, names in found.items()
    }  # fmt: skip

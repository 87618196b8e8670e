"""What a change of the tree is refused for, one error a rule."""

from collections.abc import Sequence
from typing import Final

from vmsapp.errors import N_, Conflict, InvalidInput, Refused

NAMED: Final = 10
"""How many users a sentence names."""


class RegionNameTaken(InvalidInput):
    """Of two regions at one place with the same name nobody knows which is meant."""

    code = "region_name_taken"
    message = N_(
        "There is a region “%(name)s” at this place already. Choose another name, or merge the two."
    )
    field = "name"

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class RegionThere(RegionNameTaken):
    """The region one wants to add was added before; ``region_id`` is its id."""

    code = "region_there"
    message = N_(
        "There is a region “%(name)s” at this place already. Open it to add what belongs to it,"
        " or choose another name."
    )

    def __init__(self, *, name: str, region_id: int) -> None:
        super().__init__(name=name)
        self.region_id = region_id


class WrongPlace(InvalidInput):
    """A level of the tree was left out or put upside down."""

    code = "wrong_place"
    message = N_(
        "“%(name)s” cannot stand there: a province or state belongs to a country,"
        " a city or town to a province or state."
    )
    field = "parent"

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class CannotMerge(InvalidInput):
    """One into itself, or a city into a country."""

    code = "cannot_merge"
    message = N_("“%(name)s” can only be merged into another region of the same level.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class RecordsClash(Conflict):
    """A later table allows one row a region, and both have one."""

    code = "records_clash"
    message = N_(
        "“%(name)s” was not merged: both regions have a record of which each may have only one."
    )

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class RegionInUse(Conflict):
    """Something hangs on the region."""

    code = "region_in_use"
    message = N_(
        "“%(name)s” was not deleted, because something still belongs to it."
        " Merge it into another region instead."
    )

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class UsersLeftOutside(Refused):
    """A user's vending point must lie in the user's region."""

    code = "users_left_outside"
    message = N_(
        "The vending point of these users would no longer lie in their region: %(names)s."
        " Give them a wider region or another vending point first."
    )

    def __init__(self, *, names: Sequence[str]) -> None:
        more = len(names) - NAMED
        named = ", ".join(names[:NAMED])
        super().__init__(names=f"{named} (+{more})" if more > 0 else named)

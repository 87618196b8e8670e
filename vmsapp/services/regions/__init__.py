"""Regions: the tree of countries, provinces or states, and cities or towns.

``changes`` writes the tree, ``tree`` reads it, ``places`` keeps users and their vending
points together, ``ways`` says how regions are written in files.
"""

from vmsapp.services.regions.changes import (
    NAME,
    add,
    delete,
    merge,
    move,
    one_at_a_time,
    referring,
    rename,
)
from vmsapp.services.regions.errors import RegionThere
from vmsapp.services.regions.places import refuse_users_outside, users_outside
from vmsapp.services.regions.tree import (
    FOUND,
    Counts,
    Level,
    Plan,
    belongings,
    containing,
    levels,
    plan_merge,
    plan_move,
    search,
    targets,
)
from vmsapp.services.regions.ways import known_names, ways

__all__ = [
    "FOUND",
    "NAME",
    "Counts",
    "Level",
    "Plan",
    "RegionThere",
    "add",
    "belongings",
    "containing",
    "delete",
    "known_names",
    "levels",
    "merge",
    "move",
    "one_at_a_time",
    "plan_merge",
    "plan_move",
    "referring",
    "refuse_users_outside",
    "rename",
    "search",
    "targets",
    "users_outside",
    "ways",
]

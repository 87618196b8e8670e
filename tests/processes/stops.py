"""Named points between the phases of a sale, where a process can be made to halt.

The product has no hooks for this: a point is a function of its own, wrapped in the one
process that is to halt before or after it.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

VENDING = "vmsapp.services.vending"
KEYS = "vmsapp.services.key_changes"
SOFT = "vmsapp.hsm.drivers.soft:SoftModule"

POINTS = {
    # a seller, in the order it comes by
    "locked": ("after", f"{VENDING}.reserve:lock_ground"),
    "reserving": ("after", f"{VENDING}:reserve"),
    "reserved": ("before", f"{VENDING}:issue"),
    "module_asked": ("before", "vmsapp.hsm.results:Transaction.add"),
    "module_writing": ("after", "vmsapp.hsm.results:Transaction.add"),
    "module_answered": ("after", f"{SOFT}.issue_credit"),
    "refused": ("before", f"{VENDING}.issue:after_refusal"),
    "raising_tid": ("after", f"{VENDING}.issue:spend_tid"),
    "raised_tid": ("after", f"{VENDING}.issue:_raise_tid"),
    "answered": ("before", f"{VENDING}.issue:complete"),
    "completing": ("after", f"{VENDING}.settle:_complete"),
    "completed": ("after", f"{VENDING}.issue:complete"),
    # the reconciler, besides
    "doubted": ("before", f"{VENDING}.reconcile:_settle"),
    "found": ("before", f"{VENDING}.reconcile:complete"),
    "found_refused": ("before", f"{VENDING}.reconcile:after_refusal"),
    "cancelling": ("before", f"{SOFT}.cancel"),
    "cancelled": ("after", f"{SOFT}.cancel"),
    "failing": ("after", "vmsapp.services.ledger:void"),
    "settled": ("after", f"{VENDING}.reconcile:_settle"),
    # who changes a key
    "set_reserved": ("before", f"{KEYS}.start:issue"),
    "back_reserved": ("before", f"{KEYS}.answers:issue"),
    "set_made": ("after", f"{SOFT}.issue_key_change"),
    "set_answered": ("before", f"{KEYS}.settle:complete"),
    "set_completing": ("after", f"{KEYS}.settle:move"),
    "set_taken": ("before", f"{KEYS}.reconcile:_settle"),
    "set_found": ("before", f"{KEYS}.reconcile:complete"),
}
"""What a process halts before or after, by name."""


def stop_at(
    name: str, halt: Callable[[str], None], put: Callable[[Any, str, Any], None] = setattr
) -> None:
    """Make this process call ``halt`` whenever it comes by a point.

    Args:
        name: Which point.
        halt: Told the point's name.
        put: Puts the function that halts in the place of the one that does not.
    """
    when, place = POINTS[name]
    module, _, path = place.partition(":")
    *owners, attribute = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    function = getattr(owner, attribute)

    @functools.wraps(function)
    def halting(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            halt(name)
        result = function(*args, **kwargs)
        if when == "after":
            halt(name)
        return result

    put(owner, attribute, halting)

"""Every deed that may ask for a second person. A new one is one line here."""

from typing import Any, Final

from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.rules import CHANGE_RULE
from vmsapp.services.floats import CHANGE_TERMS, PAY_IN, TAKE_OUT
from vmsapp.services.vending.give_back import GIVE_BACK

DEEDS: Final[dict[str, Deed[Any]]] = {
    deed.action: deed for deed in (GIVE_BACK, PAY_IN, TAKE_OUT, CHANGE_TERMS, CHANGE_RULE)
}

RULED: Final[dict[str, Deed[Any]]] = {
    action: deed for action, deed in DEEDS.items() if deed.asks is None
}
"""Those for which a rule decides; the others decide themselves."""

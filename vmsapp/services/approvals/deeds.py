"""Every deed that may ask for a second person. A new one is one line here."""

from typing import Any, Final

from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.rules import CHANGE_RULE
from vmsapp.services.campaigns.beginning import START
from vmsapp.services.debt_write_offs import WRITE_OFF
from vmsapp.services.debts import ENTER
from vmsapp.services.engineering.making import MAKING
from vmsapp.services.float_terms import CHANGE_TERMS
from vmsapp.services.floats import PAY_IN, TAKE_OUT
from vmsapp.services.free_tokens.deed import GIVE
from vmsapp.services.registration.correcting import CORRECT
from vmsapp.services.security_modules.import_deeds import KEY_IMPORT, KEY_REPLACE
from vmsapp.services.vending.give_back import GIVE_BACK
from vmsapp.services.vending.reversal import REVERSE

_ALL: Final[tuple[Deed[Any], ...]] = (
    GIVE_BACK,
    REVERSE,
    PAY_IN,
    TAKE_OUT,
    CHANGE_TERMS,
    KEY_IMPORT,
    KEY_REPLACE,
    CORRECT,
    ENTER,
    WRITE_OFF,
    GIVE,
    *MAKING.values(),
    START,
    CHANGE_RULE,
)

DEEDS: Final[dict[str, Deed[Any]]] = {deed.action: deed for deed in _ALL}

RULED: Final[dict[str, Deed[Any]]] = {
    action: deed for action, deed in DEEDS.items() if deed.asks is None
}
"""Those for which a rule decides; the others decide themselves."""

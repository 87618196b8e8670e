"""Words for states and kinds, and the small ways of writing that templates use."""

from decimal import Decimal
from typing import Final

from flask import Flask
from flask_babel import gettext

from vmsapp.errors import N_, VmsError
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError, ModuleRefused
from vmsapp.hsm.keystore import REASONS
from vmsapp.models.user import Role
from vmsapp.security import READY_MADE
from vmsapp.services.vending.errors import (
    CannotSellKind,
    IllegalTransition,
    LooksRepeated,
    MeterNotInUse,
)
from vmsapp.sts import identifiers

METER_STATES: Final = {
    "stock": N_("In stock"),
    "active": N_("Active"),
    "blocked": N_("Blocked"),
    "retired": N_("Retired"),
}
METER_TYPES: Final = {
    "electricity": N_("Electricity"),
    "water": N_("Water"),
    "gas": N_("Gas"),
    "time": N_("Time"),
}
UNITS: Final = {
    "electricity": N_("kWh"),
    "water": N_("m³"),
    "gas": N_("m³"),
    "time": N_("min"),
}
SALE_STATES: Final = {
    "pending": N_("being settled"),
    "issued": N_("sold"),
    "failed": N_("not sold"),
    "reversed": N_("taken back"),
}
FAILURES: Final = {
    "module_unavailable": N_("The security module cannot be reached."),
    "cancelled": N_("The security module did not answer in time, so the sale was cancelled."),
    "base_date_ended": N_("The meter's base date has ended; it needs a key change."),
    "key_expired": N_("The vending key has expired; an administrator must load a new one."),
    "tid_ahead": N_("The meter's token identifiers run ahead of the clock."),
    **{
        reason: N_("The security module refused: %(reason)s.")
        for reason in ModuleRefused.REASONS
        if reason not in {"key_expired", "cancelled"}
    },
}
VISIBLE_TAIL: Final = 4

CODES: Final[dict[type[VmsError], dict[str, dict[str, str]]]] = {
    MeterNotInUse: {"state": METER_STATES},
    LooksRepeated: {"state": SALE_STATES},
    IllegalTransition: {"state": SALE_STATES},
    CannotSellKind: {"why": METER_TYPES},
    ModuleRefused: {"reason": ModuleRefused.REASONS},
    HsmUnavailable: {"why": HsmUnavailable.WHYS},
    KeystoreError: {"why": REASONS},
}
"""Values of an error that are codes, and the words for them."""


def init_app(app: Flask) -> None:
    """Give templates their words."""
    app.jinja_env.globals.update(
        meter_state=lambda state: gettext(METER_STATES[state]),
        meter_type=lambda kind: gettext(METER_TYPES[kind]),
        unit_name=lambda kind: gettext(UNITS[kind]),
        sale_state=lambda state: gettext(SALE_STATES[state]),
        failure=failure_sentence,
    )
    app.jinja_env.filters.update(
        drn=identifiers.drn.format,
        groups=token_groups,
        masked=masked,
        decimal=Decimal,
        group_name=group_name,
    )


def failure_sentence(code: str) -> str:
    """Say why a sale failed."""
    message = FAILURES.get(code, N_("The sale could not be carried out."))
    reason = ModuleRefused.REASONS.get(code)
    return str(gettext(message, reason=gettext(reason)) if reason else gettext(message))


def worded(error: VmsError, name: str, value: object) -> object:
    """Put the word for a code in its place in an error's sentence."""
    words = CODES.get(type(error), {}).get(name, {})
    return gettext(words[value]) if isinstance(value, str) and value in words else value


def token_groups(digits: str) -> list[str]:
    """Cut twenty digits into five groups of four."""
    return [digits[start : start + 4] for start in range(0, len(digits), 4)]


def masked(text: str) -> str:
    """Hide all but the last characters."""
    return "•" * max(0, len(text) - VISIBLE_TAIL) + text[-VISIBLE_TAIL:]


def group_name(group: Role) -> str:
    """Name a user group: one that came with the product in the reader's language, else as typed."""
    delivered = READY_MADE.get(group.ready_made)
    if delivered is not None and group.name == group.ready_made:
        return str(gettext(delivered.name))
    return str(group.name)


def group_description(group: Role) -> str:
    """Say what a user group is for, in the same way."""
    delivered = READY_MADE.get(group.ready_made)
    if delivered is not None and group.description is None:
        return str(gettext(delivered.description))
    return group.description or ""

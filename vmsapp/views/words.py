"""Words for states and kinds, and the small ways of writing that templates use."""

from decimal import Decimal
from typing import Final

from flask import Flask
from flask_babel import gettext

from vmsapp.errors import N_, VmsError
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError, ModuleRefused
from vmsapp.hsm.keystore import REASONS
from vmsapp.models import Consumer
from vmsapp.models.user import Role
from vmsapp.security import READY_MADE
from vmsapp.services.campaigns.errors import CampaignMoved
from vmsapp.services.key_changes.errors import IllegalMove
from vmsapp.services.problems import KeptError
from vmsapp.services.registration.meter_errors import (
    OtherKindOfPlace,
    StateMoved,
    TariffOfOtherType,
    TypeOfProduct,
)
from vmsapp.services.security_modules.assigning import ModuleCannot
from vmsapp.services.security_modules.changing import StillServes
from vmsapp.services.security_modules.finding import NoModule
from vmsapp.services.shifts.errors import ShiftMoved
from vmsapp.services.vending.errors import (
    IllegalTransition,
    LooksRepeated,
    MeterNotInUse,
    TariffOfAnotherType,
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
ALGORITHMS: Final = {"legacy": N_("Legacy"), "sts6": N_("STS6")}
UNITS: Final = {
    "electricity": N_("kWh"),
    "water": N_("m³"),
    "gas": N_("m³"),
    "time": N_("min"),
}
CHANGE_STATES: Final = {
    "reserved": N_("being made"),
    "completed": N_("not confirmed yet"),
    "confirmed": N_("confirmed"),
    "withdrawn": N_("key change withdrawn"),
    "failed": N_("not made"),
    "refused": N_("refused by the meter"),
}
SALE_KINDS: Final = {
    "sale": N_("Purchase"),
    "free": N_("Free token"),
    "compensation": N_("Compensation"),
}
CAMPAIGN_STATES: Final = {
    "draft": N_("planned"),
    "running": N_("being made"),
    "paused": N_("paused"),
    "made": N_("tokens made"),
    "stopped": N_("stopped for good"),
    "discarded": N_("discarded"),
}
SALE_STATES: Final = {
    "pending": N_("being settled"),
    "issued": N_("sold"),
    "failed": N_("not sold"),
    "reversed": N_("taken back"),
}
DOWN: Final = N_(
    "The security module does not answer. Try again in a minute; if it stays so, tell an"
    " administrator."
)
APART: Final = N_(
    "The security module and this system do not know each other any more. An administrator must"
    " look at the module's connection."
)
UNAVAILABLE: Final = {
    "locked": N_(
        "The security module is locked since it was started. An administrator must open it with"
        " its passphrase."
    ),
    "keystore": N_(
        "The security module cannot open its keys. An administrator must put its files in order."
    ),
    "storage": N_("The security module cannot write any more. An administrator must make room."),
    "clock": N_(
        "The clock of the security module and ours differ. An administrator must set them right."
    ),
    "rate": N_(
        "Too many tokens were made for this meter in a short time. Wait a minute, then try again;"
        " after many tokens in a day, wait until tomorrow."
    ),
    "key_limit": N_(
        "All that may be sold in a day in this supply group has been sold. Sell again tomorrow, or"
        " ask an administrator for a higher limit."
    ),
    "client_rate": N_("The security module is asked too often. Try again in a moment."),
    "self_check": N_(
        "The security module made a token that it could not read back, and gave it to nobody. Tell"
        " an administrator."
    ),
    "no_keys": N_("The security module holds no keys. An administrator must load its key file."),
    "circuit": N_(
        "The security module failed several times and rests for up to a minute. Try again then."
    ),
    "busy": N_("The security module has too much to do. Try again in a moment."),
    "hardware": N_("The security module reports a fault of its hardware. Tell an administrator."),
    "licence": N_(
        "The security module's own licence is used up or has ended. An administrator must renew it."
    ),
    **dict.fromkeys(("refused", "unreachable", "no_answer", "broken_off"), DOWN),
    **dict.fromkeys(
        ("unknown_module", "unknown_driver", "not_tls", "certificate", "secret", "protocol",
         "permission"),
        APART,
    ),
}  # fmt: skip
"""What an operator reads of a module that makes no token; one for each ``HsmUnavailable.WHYS``."""

FAILURES: Final = {
    "module_unavailable": DOWN,
    **{f"unavailable_{why}": sentence for why, sentence in UNAVAILABLE.items()},
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
SHIFT_STATES: Final = {
    "open": N_("open"),
    "counted": N_("counted"),
    "closed": N_("closed"),
}
VISIBLE_TAIL: Final = 4

CODES: Final[dict[type[VmsError], dict[str, dict[str, str]]]] = {
    NoModule: {"algorithm": ALGORITHMS},
    ModuleCannot: {"algorithm": ALGORITHMS},
    StillServes: {"algorithm": ALGORITHMS},
    MeterNotInUse: {"state": METER_STATES},
    LooksRepeated: {"state": SALE_STATES},
    IllegalTransition: {"state": SALE_STATES},
    TariffOfAnotherType: {"tariff_type": METER_TYPES, "meter_type": METER_TYPES},
    TariffOfOtherType: {"tariff_type": METER_TYPES, "meter_type": METER_TYPES},
    TypeOfProduct: {"product_type": METER_TYPES, "meter_type": METER_TYPES},
    OtherKindOfPlace: {"counted": METER_TYPES, "meter_type": METER_TYPES},
    StateMoved: {"state": METER_STATES},
    ShiftMoved: {"state": SHIFT_STATES},
    IllegalMove: {"state": CHANGE_STATES},
    CampaignMoved: {"state": CAMPAIGN_STATES},
    ModuleRefused: {"reason": ModuleRefused.REASONS},
    HsmUnavailable: {"why": HsmUnavailable.WHYS},
    KeystoreError: {"why": REASONS},
}
"""Values of an error that are codes, and the words for them."""


def init_app(app: Flask) -> None:
    """Give templates their words."""
    app.jinja_env.globals.update(
        meter_state=lambda state: gettext(METER_STATES[state]),
        meter_type=meter_type_name,
        unit_name=unit_name,
        sale_state=lambda state: gettext(SALE_STATES[state]),
        failure=failure_sentence,
        consumer_text=consumer_text,
    )
    app.jinja_env.filters.update(
        drn=identifiers.drn.format,
        groups=token_groups,
        spoken=token_spoken,
        masked=masked,
        decimal=Decimal,
        group_name=group_name,
    )


def meter_type_name(kind: str) -> str:
    """Name what a meter counts."""
    return str(gettext(METER_TYPES[kind]))


def unit_name(kind: str) -> str:
    """Name the unit a meter counts in."""
    return str(gettext(UNITS[kind]))


def failure_sentence(code: str) -> str:
    """Say why a sale failed."""
    unknown = DOWN if code.startswith("unavailable_") else N_("The sale could not be carried out.")
    message = FAILURES.get(code, unknown)
    reason = ModuleRefused.REASONS.get(code)
    return str(gettext(message, reason=gettext(reason)) if reason else gettext(message))


def change_failure(code: str) -> str:
    """Say why no key change tokens were made."""
    if code == "cancelled":
        return str(
            gettext("The security module did not answer in time, so it was told not to make them.")
        )
    return failure_sentence(code)


def worded(error: VmsError, name: str, value: object) -> object:
    """Put the word for a code in its place in an error's sentence."""
    kind = type(error)
    if isinstance(error, KeptError):  # from a row: of the kind of error the code is left
        kind = next((one for one in CODES if one.code == error.code), kind)
    words = CODES.get(kind, {}).get(name, {})
    return gettext(words[value]) if isinstance(value, str) and value in words else value


def token_groups(digits: str) -> list[str]:
    """Cut twenty digits into five groups of four."""
    return [digits[start : start + 4] for start in range(0, len(digits), 4)]


def token_spoken(digits: str) -> str:
    """Write a token so that it is read out digit by digit, with a pause behind each group.

    >>> token_spoken("12345678")
    '1 2 3 4, 5 6 7 8'
    """
    return ", ".join(" ".join(group) for group in token_groups(digits))


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


CONSUMER_STATES: Final = {
    "active": (N_("Active consumer"), "good"),
    "retired": (N_("Former consumer"), "warn"),
    "anonymised": (N_("Data removed"), "bad"),
}
"""Words and tones."""


def consumer_state(consumer: Consumer) -> tuple[str, str]:
    """The word and the tone of whether a consumer still buys, or is known at all."""
    code = "retired" if consumer.retired else "active"
    word, tone = CONSUMER_STATES["anonymised" if consumer.anonymised_at else code]
    return str(gettext(word)), tone


def consumer_text(consumer: Consumer | None) -> str:
    """Name and number of a consumer, for names are shared; nobody is one out of sight."""
    if consumer is None:
        return str(gettext("Outside your region"))
    return f"{consumer.name} · {consumer.number}"

"""The words of engineering tokens: what the meter will do, values, states, reasons."""

from collections.abc import Mapping
from typing import Final

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _
from vmsapp.models import EngineeringToken
from vmsapp.services.engineering.functions import FUNCTIONS, Function, carried, parted
from vmsapp.services.engineering.making import NAMES, REGISTER_NAMES
from vmsapp.sts.nmse import MeterTest
from vmsapp.views.look import number_text
from vmsapp.views.words import failure_sentence

STATES: Final = {
    "reserved": N_("being made"),
    "issued": N_("made"),
    "failed": N_("not made"),
}
TONES: Final = {"reserved": "warn", "issued": "good", "failed": "bad"}

DOES: Final[Mapping[Function, str]] = {
    Function.POWER_LIMIT: N_(
        "The meter switches off when more than this power is drawn, until less is."
    ),
    Function.CLEAR_CREDIT: N_(
        "The meter forgets the balance it has. What is lost cannot be brought back by a token: it"
        " would have to be sold again."
    ),
    Function.CLEAR_TAMPER: N_(
        "The meter forgets that it was opened or tampered with, and supplies again."
    ),
    Function.PHASE_UNBALANCE: N_(
        "A three-phase meter switches off when its phases differ by more than this power."
    ),
    Function.TARIFF_RATE: N_(
        "The meter keeps this rate. The standard leaves its meaning to the maker: take the number"
        " from the meter's manual."
    ),
    Function.WATER_FACTOR: N_(
        "The meter keeps this factor for its pulses. The standard leaves its meaning to the maker:"
        " take the number from the meter's manual."
    ),
    Function.EXTENDED: N_(
        "The meter keeps a value of the extended set (STS 202-5). Which index means what stands in"
        " the meter's manual."
    ),
}
"""What a card says the meter will do."""

ICONS: Final[Mapping[Function, str]] = {
    Function.POWER_LIMIT: "bolt",
    Function.CLEAR_CREDIT: "cash",
    Function.CLEAR_TAMPER: "shield",
    Function.PHASE_UNBALANCE: "adjustments",
    Function.TARIFF_RATE: "chart",
    Function.WATER_FACTOR: "meter",
    Function.EXTENDED: "settings",
}

TESTS: Final[Mapping[MeterTest, str]] = {
    MeterTest.ALL: N_("Run all tests of the meter"),
    MeterTest.LOAD_SWITCH: N_("Test the load switch"),
    MeterTest.DISPLAY: N_("Test the display"),
    MeterTest.CUMULATIVE_CONSUMPTION: N_("Show the cumulative consumption"),
    MeterTest.KRN_AND_KT: N_("Show the key revision number (KRN)"),
    MeterTest.TI: N_("Show the tariff index (TI)"),
    MeterTest.TOKEN_READER: N_("Test the token reader"),
    MeterTest.MAXIMUM_POWER_LIMIT: N_("Show the maximum power limit"),
    MeterTest.TAMPER_STATUS: N_("Show the tamper status"),
    MeterTest.POWER_CONSUMPTION: N_("Show the power drawn now"),
    MeterTest.SOFTWARE_VERSION: N_("Show the software version"),
    MeterTest.PHASE_POWER_UNBALANCE_LIMIT: N_("Show the phase unbalance limit"),
    MeterTest.WATER_METER_FACTOR: N_("Show the water meter factor"),
    MeterTest.TARIFF_RATE: N_("Show the tariff rate"),
    MeterTest.EA_NUMBER: N_("Show the encryption algorithm (EA)"),
    MeterTest.KEY_CHANGE_TOKENS_SUPPORTED: N_("Show how many key change tokens it takes"),
    MeterTest.SGC: N_("Show the supply group code (SGC)"),
    MeterTest.KEN: N_("Show the key expiry number (KEN)"),
    MeterTest.DRN: N_("Show the meter number (DRN)"),
}
"""What each test token makes a meter do, in the manual's order."""


def function_name(code: str) -> str:
    """What a function is called."""
    return str(gettext(NAMES[Function(code)]))


def test_name(number: int) -> str:
    """What a test is called."""
    return str(gettext(TESTS[MeterTest(number)]))


def value_said(code: str, wanted: int) -> str | None:
    """Write a value as somebody wanted it; none where the function takes none."""
    function = Function(code)
    if not FUNCTIONS[function].takes_value:
        return None
    if function is Function.CLEAR_CREDIT:
        return str(gettext(REGISTER_NAMES[wanted])) if wanted in REGISTER_NAMES else str(wanted)
    if function is Function.EXTENDED:
        index, data = parted(wanted)
        return str(_("index %(index)s: %(data)s", index=index, data=data))
    if FUNCTIONS[function].unit:
        return watts(wanted)
    return number_text(wanted)


def carried_said(token: EngineeringToken) -> str | None:
    """Write the value a token carries, where it is not what was wanted."""
    function = Function(token.function)
    if not FUNCTIONS[function].unit:
        return None
    on_token = carried(function, token.value)
    return None if on_token == token.wanted else watts(on_token)


def watts(number: int) -> str:
    """Write a power."""
    return str(_("%(number)s W", number=number_text(number)))


def why_not_made(code: str) -> str:
    """Say why no token was made."""
    if code == "cancelled":
        return str(_("The security module did not answer in time, so it was told not to make it."))
    return failure_sentence(code)

"""Words of the training meter: lessons, answers and what the display shows."""

from typing import Final, NamedTuple

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _
from vmsapp.services.training import Entry, Lesson, Offered
from vmsapp.views.engineering.token_words import TESTS


class Taught(NamedTuple):
    """A lesson in words: what it is called, and what to watch."""

    name: str
    watch: str


LESSONS: Final[dict[Lesson, Taught]] = {
    Lesson.CREDIT: Taught(
        N_("Credit"), N_("The balance grows. Entered once more, the meter answers UsedError.")
    ),
    Lesson.POWER_LIMIT: Taught(
        N_("Maximum power"), N_("From then on the meter switches off above so many watts.")
    ),
    Lesson.CLEAR_CREDIT: Taught(N_("Clear the balance"), N_("The balance falls to nothing.")),
    Lesson.CLEAR_TAMPER: Taught(
        N_("Clear the tamper state"), N_("The meter forgets that its cover was opened.")
    ),
    Lesson.SHOW: Taught(
        N_("Display a value"), N_("Any meter takes it, as often as it is entered; it needs no key.")
    ),
    Lesson.KEY_CHANGE: Taught(
        N_("Key change"),
        N_(
            "Enter all tokens of the set within five minutes, in any order. Tokens made before do"
            " not work afterwards."
        ),
    ),
    Lesson.USED: Taught(
        N_("A token that was used"), N_("The meter knows its identifier and answers UsedError.")
    ),
    Lesson.OLD: Taught(
        N_("A token that is too old"), N_("It is older than all that the meter remembers.")
    ),
    Lesson.OTHER_METER: Taught(
        N_("A token of another meter"), N_("The checksum fails: the meter has another key.")
    ),
    Lesson.MISTYPED: Taught(
        N_("A token with a wrong digit"), N_("The checksum fails, as with another meter’s token.")
    ),
    Lesson.EXPIRED: Taught(
        N_("A token of an expired key"), N_("Its minute is past the key’s expiry number.")
    ),
    Lesson.WATER: Taught(
        N_("A token for water"), N_("An electricity meter has no such register: FunctionError.")
    ),
    Lesson.FORMER_KEY: Taught(
        N_("A token under the former key"),
        N_("After a key change: the checksum fails, and the customer needs a new token."),
    ),
}

WORKS: Final = (
    Lesson.CREDIT, Lesson.POWER_LIMIT, Lesson.CLEAR_CREDIT, Lesson.CLEAR_TAMPER, Lesson.SHOW,
    Lesson.KEY_CHANGE,
)  # fmt: skip
FAILS: Final = tuple(lesson for lesson in Lesson if lesson not in WORKS)

WHYS: Final = {
    "Accept": N_("The meter took the token."),
    "1stKCT": N_("The first key change token is noted. The meter waits for the others."),
    "2ndKCT": N_("The second key change token is noted. The meter waits for the others."),
    "3rdKCT": N_("The third key change token is noted. The meter waits for the others."),
    "4thKCT": N_("The fourth key change token is noted. The meter waits for the others."),
    "OverflowError": N_("The balance would grow beyond what the meter can hold."),
    "KeyTypeError": N_("The meter may not be given a key of this type."),
    "FormatError": N_("These are not twenty digits of a token."),
    "RangeError": N_("The token carries a value that this meter does not take."),
    "FunctionError": N_("This meter cannot do what the token asks for."),
    "OldError": N_("The token is older than all tokens that the meter remembers."),
    "UsedError": N_("The meter took this token before. Nothing is lost, and nothing is added."),
    "KeyExpiredError": N_("The meter’s key had expired before this token was made."),
    "DDTKError": N_("With the key of its maker the meter takes no credit."),
    "CRCError": N_(
        "The meter cannot read the token: a digit is wrong, it is for another meter, or it was made"
        " under another key."
    ),
    "MfrCodeError": N_("The token is for the meters of another maker."),
}
"""What each answer of the standard means; the word itself is the same in every language."""

CHANGED: Final = {
    "balance": N_("Balance in kWh"),
    "money": N_("Balance in money"),
    "power_limit": N_("Maximum power in watts"),
    "unbalance": N_("Phases may be unequal by, in watts"),
    "tariff_rate": N_("Tariff rate"),
    "tampered": N_("Cover was opened"),
    "krn": N_("Key revision number (KRN)"),
    "ti": N_("Tariff index (TI)"),
}

SHOWN: Final = {
    "load switch": N_("Load switch"),
    "displays": N_("Display"),
    "registers": N_("Balance in kWh"),
    "krn kt": N_("KRN and key type"),
    "ti": N_("Tariff index (TI)"),
    "token reader": N_("Token reader"),
    "maximum power limit": N_("Maximum power in watts"),
    "tamper status": N_("Tamper state"),
    "power": N_("Power drawn"),
    "software version": N_("Software version"),
    "phase power unbalance limit": N_("Phases may be unequal by, in watts"),
    "water meter factor": N_("Water meter factor"),
    "tariff rate": N_("Tariff rate"),
    "ea": N_("Encryption algorithm"),
    "key change tokens": N_("Key change tokens it takes"),
    "sgc": N_("Supply group code (SGC)"),
    "ken": N_("Key expiry number (KEN)"),
    "drn": N_("Meter number"),
}

YES_NO: Final = {"yes": N_("Yes"), "no": N_("No")}


def why(entry: Entry) -> str:
    """Say why the meter answered so."""
    return str(gettext(WHYS[entry.word]))


def changes(entry: Entry) -> list[tuple[str, str, str]]:
    """What an entry changed: name, before, after."""
    return [
        (gettext(CHANGED[name]), _value(before), _value(after))
        for name, before, after in entry.changes
    ]


def shown(entry: Entry) -> list[tuple[str, str]]:
    """What an entry made the meter show."""
    return [(gettext(SHOWN[name]), _value(value)) for name, value in entry.shown]


def offered_text(offered: Offered) -> str:
    """What tokens are for, and what they carry."""
    lesson = Lesson(offered.lesson)
    name = str(gettext(LESSONS[lesson].name))
    match lesson:
        case Lesson.CREDIT:
            return str(_("%(name)s: %(value)s kWh", name=name, value=offered.value))
        case Lesson.POWER_LIMIT:
            return str(_("%(name)s: %(value)s W", name=name, value=offered.value))
        case Lesson.KEY_CHANGE:
            return str(_("%(name)s to %(value)s", name=name, value=offered.value))
        case Lesson.SHOW:
            test = next(word for one, word in TESTS.items() if int(one) == int(offered.value))
            return str(gettext(test))
        case _:
            return name


def _value(value: str) -> str:
    return str(gettext(YES_NO[value])) if value in YES_NO else value or "–"

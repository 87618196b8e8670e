"""Words of the token desk: what a meter would answer, why, and what to do."""

from decimal import Decimal
from typing import Any, Final, NamedTuple

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, isolated, labelled, money_text, units_text
from vmsapp.models import Setup
from vmsapp.services.token_desk import Answer, Look
from vmsapp.services.token_desk.answers import DISPLAYED, MEMORY
from vmsapp.services.token_desk.keys import Candidate, Whose
from vmsapp.services.token_desk.reading import Reading, What
from vmsapp.services.token_desk.records import Kind, Made
from vmsapp.sts.identifiers import drn as drns
from vmsapp.sts.mse import Register
from vmsapp.sts.nmse import MeterTest
from vmsapp.views.look import digits
from vmsapp.views.words import CHANGE_STATES, SALE_STATES, unit_name


class Said(NamedTuple):
    """An answer in words: what happens, why, and how it is meant."""

    text: str
    why: str
    tone: str


ANSWERS: Final[dict[Answer, Said]] = {
    Answer.TAKES: Said(
        N_("The meter takes this token, unless it took it before."),
        N_(
            "If it took it before, it answers UsedError: what the token carries is on the meter"
            " already. Have it entered once more, and read what the display says."
        ),
        "success",
    ),
    Answer.TOO_OLD: Said(
        N_("This token is too old, if the meter took those that were made since."),
        N_(
            "Up to %(newer)s tokens were made for this meter since, and a meter remembers the last"
            " %(memory)s it took. If it took so many it answers OldError, to this token for ever."
        ),
        "warning",
    ),
    Answer.ANY_METER: Said(
        N_("Any meter takes this token. It gives no credit."),
        N_("It has the meter test or display something, as often as it is entered."),
        "success",
    ),
    Answer.MAKERS_METERS: Said(
        N_("Only meters of one maker take this token. It gives no credit."),
        N_("What it does, the maker knows. Other meters answer MfrCodeError or FunctionError."),
        "warning",
    ),
    Answer.NEW_KEY_FIRST: Said(
        N_("The meter takes this token after its key change tokens."),
        N_(
            "It was made under the new key. Until the key change tokens were entered, all of them,"
            " the meter answers CRCError. They are on the slip before this token."
        ),
        "warning",
    ),
    Answer.OLD_KEY: Said(
        N_("The meter takes this token only if it has not taken its key change tokens yet."),
        N_(
            "It was made under the old key, and key change tokens were handed out since. Once they"
            " are entered the meter answers CRCError."
        ),
        "warning",
    ),
    Answer.KEY_CHANGED: Said(
        N_("The meter does not take this token: its key was changed since."),
        N_("The token was made under a key that the meter has no more. It answers CRCError."),
        "danger",
    ),
    Answer.DEFAULT_KEY: Said(
        N_("The meter does not take this token, unless it still has the key of its maker."),
        N_("The token was made under a default key, and not under the one on our record."),
        "danger",
    ),
    Answer.SET_OPEN: Said(
        N_("This is a key change token: the meter takes it with the others of its set."),
        N_(
            "They are entered one after the other, within a few minutes, in any order. If the meter"
            " took them already it answers CRCError, and nothing is lost."
        ),
        "success",
    ),
    Answer.SET_TAKEN: Said(
        N_("This is a key change token that the meter took before."),
        N_("Somebody confirmed that it has the new key. It answers CRCError, and nothing is lost."),
        "warning",
    ),
    Answer.SET_REFUSED: Said(
        N_("This is a key change token that the meter refused."),
        N_("The old key counts again. Do not have it entered: the meter might take it now."),
        "danger",
    ),
    Answer.SET_UNKNOWN: Said(
        N_("This is a key change token, and no key change of this meter here has it."),
        N_("A meter that takes the whole set gets a key that this system does not know of."),
        "danger",
    ),
    Answer.EXPIRED: Said(
        N_("The meter does not take this token: its key had expired when the token was made."),
        N_("The meter answers KeyExpiredError. It needs a key change."),
        "danger",
    ),
    Answer.NO_CREDIT: Said(
        N_("The meter does not take this token: its key takes no credit."),
        N_("The meter still has a default or common key. It needs a key change first."),
        "danger",
    ),
    Answer.OTHER_METER: Said(
        N_("The meter does not take this token: it was made for another meter."),
        N_("It was made for meter %(other)s. Any other meter answers CRCError."),
        "danger",
    ),
    Answer.SLIP: Said(
        N_("The meter does not take these digits: one or two of them are wrong."),
        N_(
            "They are nearly a token of this meter. Compare what is marked with the slip, and enter"
            " it again. The meter answers CRCError."
        ),
        "danger",
    ),
    Answer.UNREAD: Said(
        N_("The meter does not take these digits: one is wrong, or they are for another meter."),
        N_(
            "No key that this meter has or had reads them. Compare the digits with the slip, and"
            " the number on the slip with that on the meter. The meter answers CRCError."
        ),
        "danger",
    ),
    Answer.NEEDS_METER: Said(
        N_("Enter the meter’s number, too: only with it the digits can be read."),
        N_("No token that you may see was made here with these digits for a meter you may see."),
        "info",
    ),
    Answer.SILENT: Said(
        N_("What the meter would answer cannot be told now."),
        N_(
            "The security module does not answer, and it alone reads tokens. Try again in a minute."
        ),
        "warning",
    ),
}

KINDS: Final = {
    What.CREDIT: N_("Credit"),
    What.MONEY: N_("Credit in money"),
    What.SHOW: N_("Test or display"),
    What.KEY_CHANGE: N_("Key change"),
    What.POWER_LIMIT: N_("Sets the maximum power"),
    What.CLEAR_CREDIT: N_("Clears the balance"),
    What.TARIFF_RATE: N_("Sets the tariff rate"),
    What.CLEAR_TAMPER: N_("Clears the tamper state"),
    What.UNBALANCE: N_("Sets how unequal the phases may be"),
    What.WATER_FACTOR: N_("Sets the water meter factor"),
    What.EXTENDED: N_("Sets a value of the extended set"),
    What.MAKERS: N_("The maker’s own"),
}

TESTS: Final = {
    MeterTest.ALL: N_("Run all tests"),
    MeterTest.LOAD_SWITCH: N_("Test the load switch"),
    MeterTest.DISPLAY: N_("Test the display"),
    MeterTest.CUMULATIVE_CONSUMPTION: N_("Display the cumulative consumption"),
    MeterTest.KRN_AND_KT: N_("Display KRN and key type"),
    MeterTest.TI: N_("Display the tariff index"),
    MeterTest.TOKEN_READER: N_("Test the token reader"),
    MeterTest.MAXIMUM_POWER_LIMIT: N_("Display the maximum power"),
    MeterTest.TAMPER_STATUS: N_("Display the tamper state"),
    MeterTest.POWER_CONSUMPTION: N_("Display the power drawn"),
    MeterTest.SOFTWARE_VERSION: N_("Display the software version"),
    MeterTest.PHASE_POWER_UNBALANCE_LIMIT: N_("Display how unequal the phases may be"),
    MeterTest.WATER_METER_FACTOR: N_("Display the water meter factor"),
    MeterTest.TARIFF_RATE: N_("Display the tariff rate"),
    MeterTest.EA_NUMBER: N_("Display the encryption algorithm"),
    MeterTest.KEY_CHANGE_TOKENS_SUPPORTED: N_("Display how many key change tokens it takes"),
    MeterTest.SGC: N_("Display the supply group code"),
    MeterTest.KEN: N_("Display the key expiry number"),
    MeterTest.DRN: N_("Display the meter number"),
}

KEYS: Final = {
    Whose.PRESENT: N_("the key on record"),
    Whose.NEW: N_("the new key, which nobody confirmed yet"),
    Whose.FORMER: N_("a former key"),
    Whose.DEFAULT: N_("a default key"),
}

NUMBERS_OF: Final = {
    0: N_("Meters with numbers of 11 digits"),
    1: N_("Meters with numbers of 13 digits"),
}
"""Whose meters a test token's sub-class is for."""

NOT_OURS: Final = N_("Not ours: no token that you may see was made here with these digits.")
UNSOLD: Final = N_(
    "A security module made this token, and no sale here has it. Tell an administrator."
)
TAKEN_BACK: Final = N_("This sale was taken back. Do not hand the token out again.")
DEMO: Final = N_("Made for demonstration: no real meter takes it.")
TELLS_NOT: Final = N_("The security module does not tell")

LEFT_TO_RIGHT, ENDED = "\u2066", "\u2069"
"""Around what keeps its direction in every language."""

Pair = tuple[str, Any]


def said(look: Look) -> Said:
    """What a meter would answer, in the reader's language."""
    answer = ANSWERS[look.answer]
    newer = look.since.newer if look.since else 0
    other = drns.format(look.made.drn) if look.made else ""
    values = {"newer": newer, "memory": MEMORY, "other": other}
    return Said(gettext(answer.text), gettext(answer.why, **values), answer.tone)


def displayed(look: Look) -> str:
    """What would stand on the display, in the standard's words; empty where there is no saying."""
    word = DISPLAYED.get(look.answer, "")
    return f"{word} / UsedError" if look.answer is Answer.TAKES else word


def token_facts(look: Look, settings: Setup) -> list[Pair]:
    """What the token says of itself: name and value."""
    reading = look.reading
    if reading is None:
        return []
    facts: list[Pair] = [(_("What it is"), _kind(reading)), *_carried(reading, settings)]
    if reading.issued_at is not None:
        facts.append((_("Issued (the token’s own minute)"), reading.issued_at))
        facts.append((_("Token identifier (TID)"), digits(str(reading.tid))))
    if reading.key is not None:
        facts.append((_("Made under"), key_text(reading.key)))
    if look.since is not None:
        facts.append((_("Tokens made since"), look.since.newer))
        if look.since.newest is not None:
            facts.append((_("The newest of them"), look.since.newest))
    return facts


def _carried(reading: Reading, settings: Setup) -> list[Pair]:
    """What it carries, or has the meter do."""
    match reading.what:
        case What.CREDIT | What.MONEY:
            return [(_("Amount"), _amount(reading, settings))]
        case What.POWER_LIMIT | What.UNBALANCE:
            return [(_("Limit"), _watts(reading))]
        case What.CLEAR_CREDIT:
            return [(_("Which register"), _register(reading))]
        case What.SHOW if reading.subclass in NUMBERS_OF:
            return [
                (_("For"), gettext(NUMBERS_OF[reading.subclass])),
                (_("What it does"), _tests(reading)),
            ]
    return []


def made_facts(made: Made) -> list[Pair]:
    """What our books say of it."""
    facts: list[Pair] = [(_("Made on"), made.at)]
    if made.by:
        facts.append((_("By"), made.by))
    if made.point:
        facts.append((_("Vending point"), made.point))
    if made.consumer:
        facts.append((_("Consumer"), made.consumer))
    facts.append((_("Meter number"), digits(drns.format(made.drn))))
    if made.charged_minor:
        facts.append((_("Paid"), money_text(made.charged_minor, made.currency, made.exponent)))
    if made.kind is Kind.KEY_CHANGE:
        place = _("Token %(number)s of %(total)s", number=made.number, total=made.of)
        facts.append((_("Place in its set"), place))
    words = CHANGE_STATES if made.kind is Kind.KEY_CHANGE else SALE_STATES
    if made.state in words:
        facts.append((_("State"), gettext(words[made.state])))
    return facts


def made_word(made: Made | None) -> str:
    """Whether we made it, in one line."""
    if made is None:
        return str(gettext(NOT_OURS))
    return str(
        {
            Kind.SALE: _("Ours: sold here."),
            Kind.KEY_CHANGE: _("Ours: of a key change made here."),
            Kind.ENGINEERING: _("Ours: an engineering token made here."),
            Kind.UNSOLD: gettext(UNSOLD),
        }[made.kind]
    )


def warnings(look: Look) -> list[str]:
    """What must not be overlooked."""
    found = []
    if look.made is not None and look.made.state == "reversed":
        found.append(str(gettext(TAKEN_BACK)))
    if look.made is not None and look.made.demo:
        found.append(str(gettext(DEMO)))
    found += [
        str(
            _(
                "No security module holds the key of supply group %(sgc)s, revision %(krn)s, so it"
                " could not be tried.",
                sgc=key.name.sgc,
                krn=key.name.krn,
            )
        )
        for key in look.missing
    ]
    return found


def key_text(key: Candidate) -> str:
    """Which of the meter's keys one is, with its name, which runs from left to right."""
    name = f"{LEFT_TO_RIGHT}SGC {key.name.sgc}, KRN {key.name.krn}, TI {key.name.ti}{ENDED}"
    return labelled(gettext(KEYS[key.whose]), name)


def _kind(reading: Reading) -> str:
    word = str(gettext(KINDS[reading.what]))
    if reading.what is What.KEY_CHANGE:
        return str(_("%(kind)s, section %(number)s", kind=word, number=reading.section))
    return word


def _amount(reading: Reading, settings: Setup) -> str:
    if reading.amount is None:
        return str(gettext(TELLS_NOT))
    if reading.what is What.MONEY:
        return isolated(f"{reading.amount.normalize():f} {settings.currency}")
    return f"{units_text(reading.amount)} {unit_name(reading.meter_type)}"


def _watts(reading: Reading) -> str:
    if reading.amount is None:
        return str(gettext(TELLS_NOT))
    return f"{units_text(Decimal(reading.amount))} W"


def _register(reading: Reading) -> str:
    if reading.value is None:
        return str(gettext(TELLS_NOT))
    return str(_("all")) if reading.value == Register.ALL else str(reading.value)


def _tests(reading: Reading) -> str:
    return " · ".join(str(gettext(TESTS[test])) for test in reading.tests)

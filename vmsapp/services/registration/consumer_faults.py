"""What may be said of a consumer, field by field; the faults of what may not."""

import re
from collections.abc import Iterator
from typing import Final

from config import LANGUAGES
from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.models import Consumer, Gender
from vmsapp.services.registration.drafts import ConsumerDraft

NUMBER: Final = re.compile(r"[A-Z0-9/-]{1,20}")
"""A number as it is kept: in capitals."""

PHONE: Final = re.compile(r"(?=.*[0-9].*[0-9])[0-9+][0-9 +()./,;-]*")
"""Digits with what people write between them; two numbers may follow one another."""

EMAIL: Final = re.compile(r"[^@\s,;<>]+@[^@\s.,;<>]+(\.[^@\s.,;<>]+)+")

GENDERS: Final = frozenset(map(str, Gender))

LONGEST: Final = {
    column.key: column.type.length  # type: ignore[attr-defined]
    for column in Consumer.__table__.columns
    if column.key in {"name", "address", "id_number", "email", "phone"}
}
"""Characters that fit into a column."""


class NameMissing(InvalidInput):
    """Nobody could be told from others."""

    code = "consumer_name_missing"
    message = N_("Enter the consumer's name.")
    field = "name"


class TooLong(InvalidInput):
    """It does not fit."""

    code = "too_long"
    message = N_("At most %(count)s characters fit.")

    def __init__(self, *, count: int) -> None:
        super().__init__(count=count)


class NumberUnfit(InvalidInput):
    """A number is written on receipts and typed at counters."""

    code = "consumer_number_unfit"
    message = N_("A consumer number has 1 to 20 of the letters A to Z, digits, - and /.")
    field = "number"


class NumberTaken(InvalidInput):
    """Another consumer has it, in whichever region: the answer does not tell whose it is."""

    code = "consumer_number_taken"
    message = N_("The consumer number %(number)s is taken. Choose another, or leave it empty.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberTwice(InvalidInput):
    """The rows to be registered give it to two."""

    code = "consumer_number_twice"
    message = N_("The consumer number %(number)s stands in these rows twice.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberMissing(InvalidInput):
    """Who has a number keeps one."""

    code = "consumer_number_missing"
    message = N_("A consumer that is registered keeps a number. Enter one.")
    field = "number"


class RegionUnknown(InvalidInput):
    """None was chosen, or one the actor does not see."""

    code = "consumer_region_unknown"
    message = N_("Choose a region.")
    field = "region"


class GenderUnfit(InvalidInput):
    """Not one of the four."""

    code = "gender_unfit"
    message = N_("Choose a gender from the list.")
    field = "gender"


class EmailUnfit(InvalidInput):
    """Nothing could be sent there."""

    code = "email_unfit"
    message = N_("This is no e-mail address.")
    field = "email"


class PhoneUnfit(InvalidInput):
    """Nobody could be called."""

    code = "phone_unfit"
    message = N_("Type a telephone number with digits, like +254 20 123456.")
    field = "phone"


class LanguageUnfit(InvalidInput):
    """The product does not speak it."""

    code = "language_unfit"
    message = N_("Choose a language from the list.")
    field = "language"


def number_of(draft: ConsumerDraft) -> str:
    """The number as it is kept: capitals and small letters would be taken for one another."""
    return draft.number.upper()


def own_faults(draft: ConsumerDraft) -> Iterator[tuple[str, VmsError]]:
    """Tell what is wrong with a draft by itself: columns and errors."""
    if not draft.name:
        yield "name", NameMissing()
    if draft.number and not NUMBER.fullmatch(number_of(draft)):
        yield "number", NumberUnfit()
    for column, longest in LONGEST.items():
        if len(getattr(draft, column) or "") > longest:
            yield column, TooLong(count=longest)
    if draft.gender not in GENDERS:
        yield "gender", GenderUnfit()
    if draft.email and not EMAIL.fullmatch(draft.email):
        yield "email", EmailUnfit()
    if draft.phone and not PHONE.fullmatch(draft.phone):
        yield "phone", PhoneUnfit()
    if draft.language not in LANGUAGES:
        yield "language", LanguageUnfit()

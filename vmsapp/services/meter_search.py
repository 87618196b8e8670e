"""The one box of the counter: whose meter is it, by whatever number or name the customer has.

A whole meter number, or the MeterPAN that some meters show, is that meter and no other. All
else is a part of a meter number, or of a consumer's name, number or telephone; the number of
an identity card is looked up only for who may see such numbers, and that is put on record.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, false, func, select, union
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.errors import N_, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, Meter, MeterInstallation, ServicePoint
from vmsapp.models.search import SEARCHED
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.meters import meters_with_places
from vmsapp.services.vending.errors import UnknownMeter
from vmsapp.sts import identifiers
from vmsapp.sts.errors import CheckDigitError, StsError

MAX_FOUND: Final = 20
"""Meters shown for one search; more than that asks for a longer search."""

POOL: Final = 2000
"""So many meters that fit are put in order by name. Of more it is any so many: a longer search is
asked for then, and to put a million in order takes seconds."""

Places = Select[Meter, ServicePoint, Consumer]

LEAST_OF_A_CARD: Final = 5
"""So much of an identity card's number finds it; of less too many begin with it."""

LEAST_OF_A_PHONE: Final = 4
PAN_DIGITS: Final = identifiers.meter_pan.DIGITS


class WrongCheckDigit(InvalidInput):
    """As long as a meter number, and none: a digit was misread or mistyped."""

    code = "wrong_check_digit"
    message = N_(
        "%(number)s is no meter number: its check digit is wrong. Read it from the meter once"
        " more, or scan it."
    )
    field = "q"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


@dataclass(frozen=True, slots=True)
class Found:
    """A meter in a list of results."""

    meter: Meter
    consumer: Consumer | None


def find_meters(
    session: Session, text: str, *, actor: Actor | None = None, by_card: bool = False
) -> list[Found]:
    """Find meters by their number, or by their consumer.

    Args:
        session: In the asker's scope.
        text: As typed, in ASCII digits; spaces and hyphens in numbers do not matter.
        actor: Who asks; needed ``by_card``.
        by_card: Look for the number of an identity card, too.

    Returns:
        Up to ``MAX_FOUND`` + 1; a whole meter number or MeterPAN gives that meter alone.

    Raises:
        WrongCheckDigit: Nothing is found, and the text is as long as a meter number.
    """
    text = text.strip()
    number = identifiers.drn.compact(text)
    if not number:
        return []
    if number.isdigit():
        exact = _found(session, meters_with_places().where(_is_meter(number)))
        if exact:
            return exact
    found = _found(session, _narrowed(_by_parts(session, text, number)))
    if by_card and actor is not None and _may_be_card(text):
        found = _with_cards(session, actor, text, found)
    phone = "".join(mark for mark in text if mark in "+0123456789")
    if not found and len(phone) >= LEAST_OF_A_PHONE:
        found = _found(session, _narrowed(at_consumers(_has_phone(phone))))
    if not found:
        _check_digits(number)
    return found


def whole_number(session: Session, number: str) -> Found:
    """Find the one meter of a whole number or MeterPAN: for programs, which never guess.

    Raises:
        WrongCheckDigit: A digit of it is wrong.
        UnknownMeter: There is none in the asker's scope.
    """
    if not is_meter_number(number):
        raise WrongCheckDigit(number=number)
    found = _found(session, meters_with_places().where(_is_meter(number)))
    if not found:
        raise UnknownMeter(number=number)
    return found[0]


def is_meter_number(text: str) -> bool:
    """Tell whether a text is a whole meter number or MeterPAN, its check digits right."""
    number = identifiers.drn.compact(text)
    check = identifiers.meter_pan if len(number) == PAN_DIGITS else identifiers.drn
    try:
        check.validate(number)
    except StsError:
        return False
    return True


def _is_meter(number: str) -> ColumnElement[bool]:
    return Meter.meter_pan == number if len(number) == PAN_DIGITS else Meter.drn == number


def _by_parts(session: Session, text: str, number: str) -> Any:  # noqa: ANN401 - a select
    """Select the ids of the meters that a part of a number, or of a consumer's texts, finds."""
    people = SEARCHED[Consumer].narrow(session, select(Consumer.id), text)
    ids = at_consumers(Consumer.id.in_(people)).limit(POOL)
    if not number.isdigit():
        return ids
    numbers = SEARCHED[Meter].narrow(session, select(Meter.id), number).limit(POOL)
    return union(*(select(next(iter(part.subquery().c))) for part in (ids, numbers)))


def at_consumers(whose: ColumnElement[bool]) -> Select[int]:
    """Select the ids of the meters that hang at consumers now."""
    return (
        select(MeterInstallation.meter_id)
        .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
        .join(Consumer, Consumer.id == ServicePoint.consumer_id)
        .where(MeterInstallation.removed_at.is_(None), whose)
    )


def _narrowed(ids: Any) -> Places:  # noqa: ANN401 - a select of ids
    return meters_with_places(ids).order_by(Consumer.name, Meter.drn).limit(MAX_FOUND + 1)


def _may_be_card(text: str) -> bool:
    return len(text) >= LEAST_OF_A_CARD and any(mark.isdigit() for mark in text)


def _with_cards(session: Session, actor: Actor, text: str, found: list[Found]) -> list[Found]:
    """Add whose card's number is or begins with a text, and put on record that it was asked."""
    card = Consumer.id_number
    whose = (card != "") & card.startswith(text, autoescape=True)
    with atomic(session):
        hits = _found(session, _narrowed(at_consumers(whose)))
        audit.record(
            session, actor, "consumer.id_number_searched", "consumer", None,
            found=[hit.consumer.number for hit in hits if hit.consumer],
        )  # fmt: skip
    known = {hit.meter.id for hit in found}
    return [*found, *(hit for hit in hits if hit.meter.id not in known)]


def _has_phone(phone: str) -> ColumnElement[bool]:
    return _bare(Consumer.phone).contains(phone, autoescape=True) if phone else false()


def _bare(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """A phone number without the signs people put between its digits."""
    bare: ColumnElement[str] = column.expression
    for mark in " -()":
        bare = func.replace(bare, mark, "")
    return bare


def _check_digits(number: str) -> None:
    """Say so where a text is a meter number but for its check digits.

    Raises:
        WrongCheckDigit: It is.
    """
    check = identifiers.meter_pan if len(number) == PAN_DIGITS else identifiers.drn
    try:
        check.validate(number)
    except CheckDigitError:
        raise WrongCheckDigit(number=number) from None
    except StsError:
        return


def _found(session: Session, statement: Places) -> list[Found]:
    return [Found(meter, consumer) for meter, _, consumer in session.execute(statement)]

"""What the palette finds besides pages: a few meters and consumers, as the asker sees them.

It is asked while somebody types, so each statement ends with the first few rows it meets, in
whatever order: a common name among a million costs no more than a rare one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import Consumer, Meter
from vmsapp.models.search import SEARCHED
from vmsapp.services import meter_search
from vmsapp.services.meter_search import Found
from vmsapp.services.meters import meters_with_places
from vmsapp.sts import identifiers

MOST: Final = 5
"""Of each kind; the lists themselves show more."""

LEAST: Final = 3
LEAST_OF_SIGNS: Final = 2
"""Characters that are looked for: less finds nearly everybody. Chinese names are shorter."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records that were found; ``refusal`` says why a number cannot be one."""

    meters: Sequence[Found] = ()
    consumers: Sequence[Consumer] = ()
    refusal: meter_search.WrongCheckDigit | None = None


def find_records(session: Session, text: str, *, meters: bool, consumers: bool) -> Records:
    """Find meters by number or consumer, and consumers by number, name or telephone.

    A card's number finds nobody here: that is looked up where it is put on record.

    Args:
        session: In the asker's scope.
        text: As typed, in ASCII digits.
        meters: Whether the asker may look for meters.
        consumers: Whether the asker may see consumers.

    Returns:
        ``MOST`` of each; a whole meter number finds that meter alone.
    """
    text = text.strip()
    if len(text) < (LEAST if text.isascii() else LEAST_OF_SIGNS) or not (meters or consumers):
        return Records()
    if meter_search.is_meter_number(text):
        return Records(meter_search.find_meters(session, text)[:MOST] if meters else ())
    statement = SEARCHED[Consumer].narrow(session, select(Consumer), text).limit(MOST)
    people = session.scalars(statement).all()
    found = _meters(session, text, people) if meters else []
    refusal = None
    if meters and not found and not people:  # spaced as telephones are, or a digit is wrong
        try:
            found = meter_search.find_meters(session, text)[:MOST]
        except meter_search.WrongCheckDigit as error:
            refusal = error
    return Records(found, people if consumers else (), refusal)


def _meters(session: Session, text: str, people: Sequence[Consumer]) -> list[Found]:
    """Find meters by a part of their number, and those that hang at consumers."""
    number = identifiers.drn.compact(text)
    ids: list[int] = []
    if number.isdigit():
        by_number = SEARCHED[Meter].narrow(session, select(Meter.id), number)
        ids += session.scalars(by_number.limit(MOST))
    if people and len(ids) < MOST:
        at = meter_search.at_consumers(Consumer.id.in_([row.id for row in people]))
        ids += session.scalars(at.limit(MOST - len(ids)))
    if not ids:
        return []
    rows = session.execute(meters_with_places().where(Meter.id.in_(ids)).order_by(Meter.drn))
    return [Found(meter, consumer) for meter, _place, consumer in rows]

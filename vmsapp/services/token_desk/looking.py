"""One look-up: who asks is put on record, then the digits are looked for and read.

A meter need not be named: a test token needs none, and a token that was sold here names its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.extensions import begin_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import Meter
from vmsapp.scope import Actor
from vmsapp.services.token_desk import asking, records
from vmsapp.services.token_desk.answers import Answer, Since, answer, since
from vmsapp.services.token_desk.keys import Candidate, candidates
from vmsapp.services.token_desk.reading import Reading, Readings, class_of, read, test_token
from vmsapp.services.token_desk.records import Made, Near
from vmsapp.services.token_desk.typed import digits_of, meter_of


@dataclass(frozen=True, slots=True)
class Look:
    """What a look-up found; its ``repr`` does not show the digits.

    Attributes:
        digits: Twenty, as typed.
        token_class: 0 to 3, which anybody can read.
        meter: Whose answer is told; None where none was named and none is known.
        named: The meter was typed, and not found by the token.
        answer: What it would answer.
        reading: What the token says; None where no key reads it.
        made: What our books say; None where it is not ours, as far as the asker may see.
        since: Token identifiers given out since.
        near: The token that may have been meant.
        missing: Keys that could not be tried.
    """

    digits: str
    token_class: int
    meter: Meter | None
    named: bool
    answer: Answer
    reading: Reading | None
    made: Made | None
    since: Since | None
    near: Near | None
    missing: Sequence[Candidate]

    def __repr__(self) -> str:
        return f"Look(answer={self.answer.value!r}, digits=…)"


def look_up(
    session: Session, registry: Registry, actor: Actor, digits: str, number: str, *, table_set: str
) -> Look:
    """Tell what twenty digits are, and what a meter would answer to them.

    Args:
        session: In the asker's scope.
        registry: The security modules.
        actor: Who asks.
        digits: As typed, in ASCII digits.
        number: Of the meter, as typed; empty for none.
        table_set: Name of the STA tables in use.

    Raises:
        InvalidInput: Digits or number can be put right.
        TooManyLookUps: Wait.
    """
    begin_reading(session)
    typed, named = digits_of(digits), meter_of(session, number)
    made = records.find(session, typed, named)
    asking.note(session, actor, typed, named, made)
    begin_reading(session)
    meter = named or _own_meter(session, made)
    shown = test_token(typed)
    if shown is not None:
        readings = Readings(shown, (), ())
    elif meter is None:
        readings = Readings(None, (), ())
    else:
        keys = candidates(session, meter)
        readings = read(session, registry, typed, keys, table_set)
        begin_reading(session)
    reading = readings.reading
    later = near = None
    if meter is not None and reading is not None and reading.key and reading.key.config:
        if reading.tid is not None:
            later = since(session, meter, reading.tid, reading.key.config.base_date)
            made = made or records.unsold(session, meter, reading.tid)
    elif meter is not None and reading is None and made is None:
        near = records.nearest(session, typed, meter)
    return Look(
        digits=typed, token_class=class_of(typed), meter=meter, named=named is not None,
        answer=answer(meter, readings, made, near, later), reading=reading, made=made, since=later,
        near=near, missing=readings.missing,
    )  # fmt: skip


def _own_meter(session: Session, made: Made | None) -> Meter | None:
    """Fetch the meter a token was made for, if it may be seen."""
    if made is None or made.meter_id is None:
        return None
    return session.scalars(select(Meter).where(Meter.id == made.meter_id)).first()

"""What a meter would answer to a token, as far as anybody can know it from here.

Nobody tells us what a meter took. From our records: which token identifiers were given out for it
since, which key it has or may have, and what became of key changes. A meter remembers the 50
newest identifiers it took and refuses those (``UsedError``) and all that are older than the
oldest of them (``OldError``).

Source: IEC 62055-41:2018, 7.3 "Token acceptance", "Token authentication", "Token validation".
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.models import ChangeState, Meter, SpentTid
from vmsapp.services.token_desk.keys import Whose
from vmsapp.services.token_desk.reading import Reading, Readings, What
from vmsapp.services.token_desk.records import Kind, Made, Near
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import tid_to_datetime

MEMORY: Final = 50
"""Token identifiers a meter remembers; a module refuses older ones likewise (SALE.md 6)."""


class Answer(StrEnum):
    """What a meter would answer."""

    TAKES = "takes"
    """It takes it, unless it took it before."""
    TOO_OLD = "too_old"
    """It is older than the meter remembers, if the meter took the newer ones."""
    ANY_METER = "any_meter"
    """A test or display token."""
    MAKERS_METERS = "makers_meters"
    """A class 1 token that only one maker's meters obey."""
    NEW_KEY_FIRST = "new_key_first"
    """It takes it once it took the key change tokens."""
    OLD_KEY = "old_key"
    """It takes it only while it has not taken the key change tokens yet."""
    KEY_CHANGED = "key_changed"
    """It was made under a key that the meter has no more."""
    DEFAULT_KEY = "default_key"
    """It was made under a key that meters have before a utility gives them theirs."""
    SET_OPEN = "set_open"
    """One of the key change tokens that go before each credit now."""
    SET_TAKEN = "set_taken"
    """Of a key change that was confirmed."""
    SET_REFUSED = "set_refused"
    """Of a key change that the meter refused."""
    SET_UNKNOWN = "set_unknown"
    """A key change token that no change here has."""
    EXPIRED = "expired"
    """Its key had expired when it was made."""
    NO_CREDIT = "no_credit"
    """A key of this type takes no credit."""
    OTHER_METER = "other_meter"
    """It was made for another meter."""
    SLIP = "slip"
    """One or two digits differ from a token of this meter."""
    UNREAD = "unread"
    """No key of the meter reads it: mistyped, or another meter's."""
    NEEDS_METER = "needs_meter"
    """Without a meter nothing more can be told."""
    SILENT = "silent"
    """The security module did not answer."""


DISPLAYED: Final = {
    Answer.TAKES: "Accept",
    Answer.TOO_OLD: "OldError",
    Answer.ANY_METER: "Accept",
    Answer.MAKERS_METERS: "MfrCodeError",
    Answer.NEW_KEY_FIRST: "CRCError",
    Answer.OLD_KEY: "CRCError",
    Answer.KEY_CHANGED: "CRCError",
    Answer.DEFAULT_KEY: "CRCError",
    Answer.SET_TAKEN: "CRCError",
    Answer.EXPIRED: "KeyExpiredError",
    Answer.NO_CREDIT: "DDTKError",
    Answer.OTHER_METER: "CRCError",
    Answer.SLIP: "CRCError",
    Answer.UNREAD: "CRCError",
}
"""The standard's word for each that has one; a meter may show a number or a sign instead."""


@dataclass(frozen=True, slots=True)
class Since:
    """Token identifiers given out for the meter since this one, under its base date.

    Attributes:
        newer: How many; a few may have come to nothing.
        newest: Which minute the last of them stands for; None where there is none.
    """

    newer: int
    newest: datetime | None


def since(session: Session, meter: Meter, tid: int, base: BaseDate) -> Since:
    """Count what was given out since; identifiers belong to the number, whoever sold."""
    count, last = session.execute(
        select(func.count(), func.max(SpentTid.tid)).where(
            SpentTid.meter_pan == meter.meter_pan, SpentTid.base_date == base.value,
            SpentTid.tid > tid,
        )
    ).one()  # fmt: skip
    return Since(count, None if last is None else tid_to_datetime(last, base))


def answer(
    meter: Meter | None,
    read: Readings,
    made: Made | None,
    near: Near | None,
    later: Since | None,
) -> Answer:
    """Choose what a meter would answer.

    Args:
        meter: Which; None where none is known.
        read: What the modules read.
        made: What our books say.
        near: The token that may have been meant, where nothing reads it.
        later: What was given out since.
    """
    reading = read.reading
    if reading is not None and reading.key is None:
        return Answer.ANY_METER if reading.what is What.SHOW else Answer.MAKERS_METERS
    if meter is None:
        return Answer.NEEDS_METER
    if made is not None and made.meter_id != meter.id:
        return Answer.OTHER_METER
    if reading is None:
        return _unread(read, made, near)
    if reading.what is What.KEY_CHANGE:
        return _of_set(made)
    return _under(reading, later)


def _unread(read: Readings, made: Made | None, near: Near | None) -> Answer:
    if made is not None and made.kind is Kind.KEY_CHANGE:
        return _of_set(made)
    if read.silent:
        return Answer.SILENT
    if made is not None:
        return Answer.KEY_CHANGED  # ours, and no key the records still name reads it
    return Answer.SLIP if near else Answer.UNREAD


def _of_set(made: Made | None) -> Answer:
    if made is None:
        return Answer.SET_UNKNOWN
    return {
        ChangeState.COMPLETED.value: Answer.SET_OPEN,
        ChangeState.CONFIRMED.value: Answer.SET_TAKEN,
        ChangeState.REFUSED.value: Answer.SET_REFUSED,
    }.get(made.state, Answer.SET_UNKNOWN)


def _under(reading: Reading, later: Since | None) -> Answer:
    assert reading.key is not None
    if reading.outcome == "key_expired":
        return Answer.EXPIRED
    if reading.outcome == "key_type":
        return Answer.NO_CREDIT
    of_key = {
        Whose.NEW: Answer.NEW_KEY_FIRST,
        Whose.FORMER: Answer.KEY_CHANGED,
        Whose.DEFAULT: Answer.DEFAULT_KEY,
    }.get(reading.key.whose)
    if of_key is not None:
        return of_key
    if reading.key.meanwhile:
        return Answer.OLD_KEY
    return Answer.TOO_OLD if later is not None and later.newer >= MEMORY else Answer.TAKES

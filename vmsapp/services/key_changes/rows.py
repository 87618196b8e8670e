"""The rows of key changes: their locks, and every write to them by compare-and-set."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, joinedload

from vmsapp.models import CHANGE_MOVES, ChangeState, KeyChange, Meter
from vmsapp.services.key_changes.errors import IllegalMove, NoSuchChange
from vmsapp.services.registration.meter_locks import lock_both
from vmsapp.services.rows import hold, rows_changed
from vmsapp.services.vending.tids import lock_head


class LostRace(Exception):
    """Somebody else moved the change first."""


def lock_meter(session: Session, meter_id: int) -> Meter:
    """Lock the place where a meter hangs, and the meter: from here on no sale to it begins.

    Raises:
        NoSuchMeter: It is not there, or out of sight.
        MeterMoved: It was bound, unbound or swapped between the two.
    """
    _points, meters = lock_both(session, [meter_id])
    return meters[meter_id]


def lock_heads(session: Session, meter_pan: str, base_dates: Iterable[str]) -> None:
    """Lock the heads of a meter's token identifiers, after its place, in one order.

    There is one for each base date: the identifiers of the new one are counted apart.
    """
    for base_date in sorted(set(base_dates)):
        lock_head(session, meter_pan, base_date)


def lock_heads_of(session: Session, change: KeyChange) -> None:
    """Lock the heads a change concerns.

    Before them the meter, shared: the tokens that are written refer to it, and who reserves
    holds it when asking for the heads.
    """
    meter = select(Meter.id).where(Meter.id == change.meter_id)
    hold(session, meter.with_for_update(read=True, key_share=True))
    lock_heads(session, change.meter_pan, (change.old_base_date, change.new_base_date))


def read(session: Session, change_id: int) -> KeyChange:
    """Read a change as it stands now, with its tokens; the session lets go of it.

    A compare-and-set compares with it later, so it must stay as it was read.

    Raises:
        NoSuchChange: There is none, or its meter is out of sight.
    """
    change = session.scalars(
        select(KeyChange)
        .where(KeyChange.id == change_id)
        .options(joinedload(KeyChange.tokens))
        .execution_options(populate_existing=True)
    ).unique().one_or_none()  # fmt: skip
    if change is None:
        raise NoSuchChange
    session.expunge(change)
    return change


def move(
    session: Session,
    change: KeyChange,
    to: ChangeState,
    *also: ColumnElement[bool],
    **values: object,
) -> None:
    """Move a change by compare-and-set on its state and request id.

    Raises:
        IllegalMove: The table of states does not hold the move.
        LostRace: It is no longer what the caller read.
    """
    if to not in CHANGE_MOVES[ChangeState(change.state)]:
        raise IllegalMove(state=change.state)
    changed = rows_changed(
        session,
        update(KeyChange)
        .where(KeyChange.id == change.id, KeyChange.state == change.state)
        .where(KeyChange.request_id == change.request_id, *also)
        .values(state=to, **values),
    )
    if changed != 1:
        raise LostRace

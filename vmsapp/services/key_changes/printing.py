"""Prints of key change tokens that go to the customer by themselves, counted before they leave."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.extensions import atomic
from vmsapp.models import (
    ChangeState,
    Consumer,
    KeyChange,
    KeyChangePrint,
    Meter,
    PrintKind,
)
from vmsapp.scope import Actor
from vmsapp.services.engineering.showing import consumer_of
from vmsapp.services.key_changes.errors import NoSuchChange, NothingToHandOut
from vmsapp.services.key_changes.reserve import note
from vmsapp.services.key_changes.rows import read
from vmsapp.services.prints import Printed, PrintedMeanwhile, prints_with
from vmsapp.services.receipts import PRODUCTION_TABLES


@dataclass(frozen=True, slots=True)
class Handed:
    """A set of key change tokens as it is handed out.

    Attributes:
        meter: With its region.
        consumer: Who has the meter now, as far as the asker sees it.
        marks: Words that must stand on it: ``DEMO``, ``TEST``.
    """

    change: KeyChange
    meter: Meter
    consumer: Consumer | None
    marks: tuple[str, ...]


def handed(session: Session, meter_id: int, change_id: int) -> Handed:
    """Read a set that may be handed out.

    Raises:
        NoSuchChange: It is not this meter's, or out of sight.
        NothingToHandOut: It is not completed, or somebody said what the meter did.
    """
    change = read(session, change_id)
    if change.meter_id != meter_id:
        raise NoSuchChange
    if change.state != ChangeState.COMPLETED:
        raise NothingToHandOut(number=change.number)
    meter = session.scalars(
        select(Meter).where(Meter.id == meter_id).options(joinedload(Meter.region))
    ).one()
    demo = (N_("DEMO"),) if any(one.demo for one in change.tokens) else ()
    test = (N_("TEST"),) if change.table_set != PRODUCTION_TABLES else ()
    return Handed(change, meter, consumer_of(session, meter_id), (*demo, *test))


def prints_of(session: Session, change_id: int) -> list[Printed]:
    """List the prints of a set in the asker's scope, the first one first."""
    return prints_with(session, KeyChangePrint.key_change_id, change_id)


def note_print(
    session: Session, actor: Actor, change_id: int, *, nth: int, kind: PrintKind, language: str
) -> None:
    """Count a print before it leaves.

    Args:
        session: The request's.
        actor: Who prints.
        change_id: Whose tokens.
        nth: Which print the preview said it would be.
        kind: How it leaves.
        language: The one it is printed in.

    Raises:
        NoSuchChange: There is none, or it is out of sight.
        NothingToHandOut: Its tokens are not handed out any more.
        PrintedMeanwhile: It would be another print than the preview said.
    """
    assert actor.user_id is not None, "who prints has signed in"
    with atomic(session):
        change = session.scalars(
            select(KeyChange)
            .where(KeyChange.id == change_id)
            .with_for_update().execution_options(populate_existing=True)
        ).one_or_none()  # fmt: skip
        if change is None:
            raise NoSuchChange
        if change.state != ChangeState.COMPLETED:
            raise NothingToHandOut(number=change.number)
        newest = select(func.max(KeyChangePrint.nth)).where(
            KeyChangePrint.key_change_id == change_id
        )
        if nth != (session.scalar(newest) or 0) + 1:
            raise PrintedMeanwhile
        session.add(
            KeyChangePrint(
                key_change_id=change_id, meter_id=change.meter_id, nth=nth, kind=kind,
                language=language, printed_at=now_utc(), printed_by_id=actor.user_id,
            )
        )  # fmt: skip
        note(session, actor, "printed", change, copy=nth - 1, kind=kind.value)

"""Prints of an engineering token's slip: counted before they leave, as those of receipts."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, NotAllowed, Refused
from vmsapp.extensions import atomic
from vmsapp.models import EngineeringPrint, EngineeringState, EngineeringToken, PrintKind
from vmsapp.scope import Actor
from vmsapp.services.engineering.errors import NoSuchToken
from vmsapp.services.engineering.reserve import note
from vmsapp.services.prints import Printed, PrintedMeanwhile, prints_with


class NothingToPrint(Refused):
    """The token has no digits, or they were never shown."""

    code = "engineering_no_digits"
    message = N_("Record %(number)s has no digits to print.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


def prints_of(session: Session, token_id: int) -> list[Printed]:
    """List the prints of a token in the asker's scope, the first one first."""
    return prints_with(session, EngineeringPrint.token_id, token_id)


def note_print(
    session: Session,
    actor: Actor,
    token_id: int,
    *,
    nth: int,
    kind: PrintKind,
    language: str,
    may_reprint: bool,
) -> None:
    """Count a print before it leaves.

    Args:
        session: The request's.
        actor: Who prints.
        token_id: Whose slip it is.
        nth: Which print the preview said it would be.
        kind: How it leaves.
        language: The one it is printed in.
        may_reprint: Whether who prints may make copies.

    Raises:
        NoSuchToken: There is none, or it is out of sight.
        NothingToPrint: It has no digits.
        PrintedMeanwhile: It would be another print than the preview said.
        NotAllowed: It would be a copy, and who asks may make none.
    """
    assert actor.user_id is not None, "who prints has signed in"
    with atomic(session):
        token = session.scalars(
            select(EngineeringToken)
            .where(EngineeringToken.id == token_id)
            .with_for_update().execution_options(populate_existing=True)
        ).one_or_none()  # fmt: skip
        if token is None:
            raise NoSuchToken
        if token.state != EngineeringState.ISSUED or token.shown_at is None:
            raise NothingToPrint(number=token.number)
        newest = select(func.max(EngineeringPrint.nth)).where(EngineeringPrint.token_id == token_id)
        if nth != (session.scalar(newest) or 0) + 1:
            raise PrintedMeanwhile
        if nth > 1 and not may_reprint:
            raise NotAllowed
        session.add(
            EngineeringPrint(
                token_id=token_id, meter_id=token.meter_id,
                vending_point_id=token.vending_point_id, nth=nth, kind=kind, language=language,
                printed_at=now_utc(), printed_by_id=actor.user_id,
            )
        )  # fmt: skip
        note(session, actor, "printed", token, copy=nth - 1, kind=kind.value)

"""The rows of engineering tokens: read as they stand, and moved by compare-and-set."""

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from vmsapp.models import ENGINEERING_MOVES, EngineeringState, EngineeringToken
from vmsapp.services.engineering.errors import IllegalMove, NoSuchToken
from vmsapp.services.rows import rows_changed


class LostRace(Exception):
    """Somebody else moved the token first."""


def read(session: Session, token_id: int) -> EngineeringToken:
    """Read a token as it stands now; the session lets go of it.

    A compare-and-set compares with it later, so it must stay as it was read.

    Raises:
        NoSuchToken: There is none, or it is out of sight.
    """
    token = session.scalars(
        select(EngineeringToken)
        .where(EngineeringToken.id == token_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if token is None:
        raise NoSuchToken
    session.expunge(token)
    return token


def of_form(session: Session, form_key: str) -> EngineeringToken | None:
    """Find the token a form made, whoever sent it; the session lets go of it."""
    token = session.scalars(
        select(EngineeringToken)
        .where(EngineeringToken.form_key == form_key)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if token is not None:
        session.expunge(token)
    return token


def move(
    session: Session,
    token: EngineeringToken,
    to: EngineeringState,
    *also: ColumnElement[bool],
    **values: object,
) -> None:
    """Move a token by compare-and-set on its state and request id.

    Raises:
        IllegalMove: The table of states does not hold the move.
        LostRace: It is no longer what the caller read.
    """
    if to not in ENGINEERING_MOVES[EngineeringState(token.state)]:
        raise IllegalMove(state=token.state)
    compare_and_set(session, token, *also, state=to, **values)


def compare_and_set(
    session: Session, token: EngineeringToken, *also: ColumnElement[bool], **values: object
) -> None:
    """Write to a token if it still is what was read.

    Raises:
        LostRace: It is not.
    """
    changed = rows_changed(
        session,
        update(EngineeringToken)
        .where(EngineeringToken.id == token.id, EngineeringToken.state == token.state)
        .where(EngineeringToken.request_id == token.request_id, *also)
        .values(**values),
    )
    if changed != 1:
        raise LostRace

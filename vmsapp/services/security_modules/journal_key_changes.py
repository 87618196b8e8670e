"""The sets of key change tokens that were asked for here, to be held against a journal."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import ChangeState, KeyChange, KeyChangeToken


@dataclass(frozen=True, slots=True)
class SetHere:
    """A set as it stands here.

    Attributes:
        digits: In the order they are entered; none while it is being made, or if it was withdrawn.
        given_up: It counts as never made.
    """

    digits: tuple[str, ...]
    given_up: bool


def sets_asked_for(session: Session, request_ids: Iterable[str]) -> dict[str, SetHere]:
    """Find sets by the ids under which the module was asked."""
    rows = session.execute(
        select(KeyChange.request_id, KeyChange.state, KeyChangeToken.digits)
        .outerjoin(KeyChangeToken, KeyChangeToken.key_change_id == KeyChange.id)
        .where(KeyChange.request_id.in_(list(request_ids)))
        .order_by(KeyChange.id, KeyChangeToken.number)
    )
    found: dict[str, SetHere] = {}
    for request_id, state, digits in rows:
        before = found[request_id].digits if request_id in found else ()
        more = () if digits is None else (digits,)
        found[request_id] = SetHere((*before, *more), state == ChangeState.FAILED)
    return found


def sets_made(
    session: Session, module_id: int, since: datetime | None, until: datetime
) -> dict[str, tuple[str, ...]]:
    """List the sets of a module that were completed here in a time, by their request ids."""
    rows = session.execute(
        select(KeyChange.request_id, KeyChangeToken.digits)
        .join(KeyChangeToken, KeyChangeToken.key_change_id == KeyChange.id)
        .where(KeyChange.module_id == module_id, KeyChangeToken.made_at < until)
        .where(*([KeyChangeToken.made_at >= since] if since else []))
        .order_by(KeyChange.id, KeyChangeToken.number)
    )
    found: dict[str, tuple[str, ...]] = {}
    for request_id, digits in rows:
        found[request_id] = (*found.get(request_id, ()), digits)
    return found

"""Tokens without a sale that were asked for here, to be held against a journal.

Sets of key change tokens, and engineering tokens, which are sets of one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import (
    ChangeState,
    EngineeringDigits,
    EngineeringState,
    EngineeringToken,
    KeyChange,
    KeyChangeToken,
)
from vmsapp.services.rows import parts


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
    found: dict[str, SetHere] = {}
    for ids in parts(list(request_ids)):
        rows = session.execute(
            select(KeyChange.request_id, KeyChange.state, KeyChangeToken.digits)
            .outerjoin(KeyChangeToken, KeyChangeToken.key_change_id == KeyChange.id)
            .where(KeyChange.request_id.in_(ids))
            .order_by(KeyChange.id, KeyChangeToken.number)
        )
        for request_id, state, digits in rows:
            before = found[request_id].digits if request_id in found else ()
            more = () if digits is None else (digits,)
            found[request_id] = SetHere((*before, *more), state == ChangeState.FAILED)
        found |= _engineering_asked_for(session, ids)
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
    return found | _engineering_made(session, module_id, since, until)


def _engineering_asked_for(session: Session, request_ids: Sequence[str]) -> dict[str, SetHere]:
    rows = session.execute(
        select(EngineeringToken.request_id, EngineeringToken.state, EngineeringDigits.digits)
        .outerjoin(EngineeringDigits, EngineeringDigits.token_id == EngineeringToken.id)
        .where(EngineeringToken.request_id.in_(request_ids))
    )
    return {
        request_id: SetHere(
            () if digits is None else (digits,), state == EngineeringState.FAILED
        )
        for request_id, state, digits in rows
    }  # fmt: skip


def _engineering_made(
    session: Session, module_id: int, since: datetime | None, until: datetime
) -> dict[str, tuple[str, ...]]:
    rows = session.execute(
        select(EngineeringToken.request_id, EngineeringDigits.digits)
        .join(EngineeringDigits, EngineeringDigits.token_id == EngineeringToken.id)
        .where(EngineeringToken.module_id == module_id, EngineeringDigits.made_at < until)
        .where(*([EngineeringDigits.made_at >= since] if since else []))
    )
    return {request_id: (digits,) for request_id, digits in rows}

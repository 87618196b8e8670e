"""First phase of a key change: lock, check again, write every input of the set down.

It is not reserved while a token of the meter is being made, and none is made while it is.

Source: SALE.md, "10. Key change".
"""

import secrets
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import ChangeState, KeyChange, Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.broken_off import TRIES, is_worth_a_try
from vmsapp.services.key_changes import errors as wrong
from vmsapp.services.key_changes.in_force import is_open
from vmsapp.services.key_changes.planning import Plan, Side, Wish, plan
from vmsapp.services.key_changes.rows import lock_heads, lock_meter, read
from vmsapp.services.registration.meter_locks import refuse_busy
from vmsapp.sts import identifiers

SIDE: Final = ("sgc", "krn", "kt", "ti", "base_date", "ken", "dkga")


def new_request_id() -> str:
    """Make the id under which the module is asked for a set."""
    return f"K-{secrets.token_hex(12)}-1"


def reserved(
    session: Session,
    form_key: str,
    body_hash: str,
    write: Callable[[str], KeyChange],
) -> tuple[KeyChange, bool]:
    """Reserve once for a form, trying again what the database broke off.

    Args:
        session: Outside any transaction but one that only read.
        form_key: Made with the form.
        body_hash: Digest of what it asks for.
        write: Reserves under a request id, inside a durable transaction.

    Returns:
        The change, and whether the form had made it before.

    Raises:
        FormUsed: It was sent before for something else.
        Busy: The database broke it off too often.
    """
    request_id, tries = new_request_id(), 0
    while True:
        before = _of_form(session, form_key, body_hash)
        if before is not None:
            return before, before.request_id != request_id
        try:
            with atomic(session, durable=True):
                change_id = write(request_id).id
            return _told(session, change_id), False
        except VmsError:
            if _of_form(session, form_key, body_hash) is None:
                raise
        except DBAPIError as error:
            tries += 1
            if not is_worth_a_try(error):
                raise
            if tries == TRIES:
                raise wrong.Busy from error


def _of_form(session: Session, form_key: str, body_hash: str) -> KeyChange | None:
    found = session.execute(
        select(KeyChange.id, KeyChange.body_hash).where(KeyChange.form_key == form_key)
    ).one_or_none()
    if found is None:
        end_reading(session)
        return None
    if found.body_hash != body_hash:
        raise wrong.FormUsed
    return _told(session, found.id)


def _told(session: Session, change_id: int) -> KeyChange:
    change = read(session, change_id)
    end_reading(session)
    return change


def reserve(
    session: Session, actor: Actor, wish: Wish, *, form_key: str, request_id: str, table_set: str
) -> KeyChange:
    """Write a reserved change, inside the caller's transaction.

    Raises:
        NoSuchMeter: There is none in the actor's scope.
        ChangeOpen, MetersBusy, MeterAway: Not now.
        VmsError: As ``planning.plan`` says.
    """
    meter = lock_meter(session, wish.meter_id)
    if meter.state == MeterState.RETIRED:
        raise wrong.MeterAway(drn=identifiers.drn.format(meter.drn))
    made = plan(session, meter, wish)
    lock_heads(session, meter.meter_pan, (made.old.base_date, made.new.base_date))
    if is_open(session, meter.meter_pan):
        raise wrong.ChangeOpen(drn=identifiers.drn.format(meter.drn))
    refuse_busy(session, [meter])
    return write_change(
        session, actor, meter, made, form_key=form_key, body_hash=wish.body_hash(),
        reason=wish.reason.strip(), request_id=request_id, table_set=table_set,
    )  # fmt: skip


def write_change(
    session: Session,
    actor: Actor,
    meter: Meter,
    made: Plan,
    *,
    form_key: str,
    body_hash: str,
    reason: str,
    request_id: str,
    table_set: str,
    undoes_id: int | None = None,
) -> KeyChange:
    """Write every input of a set, under the meter's locks."""
    change = KeyChange(
        meter_id=meter.id,
        meter_pan=meter.meter_pan,
        state=ChangeState.RESERVED,
        undoes_id=undoes_id,
        form_key=form_key,
        body_hash=body_hash,
        reason=reason,
        **_columns("old", made.old),
        **_columns("new", made.new),
        ea=made.ea,
        tct=made.tct,
        three_tokens=made.three_tokens,
        table_set=table_set,
        request_id=request_id,
        module_id=made.module_id,
        reserved_at=now_utc(),
        reserved_by_id=actor.user_id,
    )
    session.add(change)
    session.flush()
    note(
        session, actor, "reserved", change, before=_told_side(made.old), after=_told_side(made.new),
        tokens=made.token_count, reason=reason, request_id=request_id, undoes=undoes_id,
    )  # fmt: skip
    return change


def note(
    session: Session,
    actor: Actor,
    deed: str,
    change: KeyChange,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    """Write down what was done to a change, at its meter."""
    audit.record(
        session, actor, f"key_change.{deed}", "meter", change.meter_id,
        key_change=change.id, **details,
    )  # fmt: skip


def side_of(change: KeyChange, which: str) -> Side:
    """Read one side of a change from its columns."""
    return Side(**{name: getattr(change, f"{which}_{name}") for name in SIDE})


def _columns(which: str, side: Side) -> dict[str, object]:
    return {f"{which}_{name}": getattr(side, name) for name in SIDE}


def _told_side(side: Side) -> dict[str, object]:
    return {name: getattr(side, name) for name in SIDE}

"""The other phases of a key change: ask the module, then complete, fail or withdraw.

No transaction is open and no lock is held while the module is asked. A set that is reserved is
asked for again under the same request id, which makes the same digits.

Source: SALE.md 7 "Reconcile and cancel", 10 "Key change".
"""

import logging

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedTokens
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, RequestReused
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyChange as Change
from vmsapp.hsm.requests import KeyChangeRequest, KeyRef, MeterConfig
from vmsapp.models import ChangeState, KeyChange, KeyChangeToken
from vmsapp.scope import Actor
from vmsapp.services.broken_off import is_weather
from vmsapp.services.key_changes.errors import IllegalMove
from vmsapp.services.key_changes.planning import Side
from vmsapp.services.key_changes.reserve import note, side_of
from vmsapp.services.key_changes.rows import LostRace, lock_heads_of, move, read
from vmsapp.services.security_modules import open_module, timed
from vmsapp.sts.identifiers import BaseDate

log = logging.getLogger(__name__)


def request_of(change: KeyChange) -> KeyChangeRequest:
    """Make the module's request from the change's stored columns alone."""
    return KeyChangeRequest(
        request_id=change.request_id,
        change=Change(
            _config(change, side_of(change, "old")),
            _config(change, side_of(change, "new")),
            change.three_tokens,
        ),
        table_set=change.table_set,
        asked_at=now_utc(),
    )


def _config(change: KeyChange, side: Side) -> MeterConfig:
    return MeterConfig(
        meter_pan=change.meter_pan,
        key=KeyRef(sgc=side.sgc, krn=side.krn, kt=side.kt, dkga=side.dkga),
        ti=side.ti,
        base_date=BaseDate(side.base_date),
        ken=side.ken,
        ea=change.ea,
        tct=change.tct,
    )


def ask(session: Session, registry: Registry, change: KeyChange) -> IssuedTokens:
    """Put the stored request to the module the change names.

    Raises:
        ModuleRefused, HsmUnavailable, HsmTimeout: As the module's interface says.
    """
    module = open_module(session, registry, change.module_id)
    end_reading(session)
    with timed(change.module_id, "key_change"):
        return module.issue_key_change(request_of(change))


def issue(session: Session, registry: Registry, actor: Actor, change: KeyChange) -> KeyChange:
    """Ask for the set of a change just reserved, and obey the answer.

    A commit whose outcome is unknown is read again, as of a sale.

    Returns:
        The change: completed, failed, or still reserved when nobody knows.
    """
    if change.state != ChangeState.RESERVED:
        return change
    try:
        return _issue(session, registry, actor, change)
    except DBAPIError as error:
        if not is_weather(error):
            raise
        log.warning("key change %s: a commit broke off", change.id)
        return read(session, change.id)


def _issue(session: Session, registry: Registry, actor: Actor, change: KeyChange) -> KeyChange:
    try:
        tokens = ask(session, registry, change)
    except ModuleRefused as refusal:
        return fail(session, actor, change, refusal.reason)
    except HsmUnavailable as error:
        log.warning("key change %s: module unavailable (%s)", change.id, error.why)
        if error.sent:
            return read(session, change.id)
        return fail(session, actor, change, f"unavailable_{error.why}", unless_in_doubt=True)
    except (HsmTimeout, RequestReused) as error:
        log.warning("key change %s: outcome open (%s)", change.id, error.code)
        return read(session, change.id)
    return complete(session, actor, change, tokens)


def complete(session: Session, actor: Actor, change: KeyChange, tokens: IssuedTokens) -> KeyChange:
    """Store the set: from here on it may be handed out, and the new key counts.

    A set that takes another back makes that one refused in the same transaction. One that was
    withdrawn or settled meanwhile stays so, and its digits are not written down.

    Args:
        session: Outside any transaction.
        actor: Who completes it.
        change: As it was reserved or read.
        tokens: What the module made for its request id.
    """
    assert len(tokens) == change.token_count, "a set is whole"
    try:
        with atomic(session, durable=True):
            lock_heads_of(session, change)
            at = now_utc()
            if change.undoes_id is not None:
                _take_back(session, actor, change)
            move(session, change, ChangeState.COMPLETED, completed_at=at)
            session.add_all(
                KeyChangeToken(
                    key_change_id=change.id, number=number, meter_id=change.meter_id,
                    digits=token.digits, subclass=token.subclass, kcv=token.kcv,
                    module_name=token.module_id, demo=token.demo, made_at=at,
                )
                for number, token in enumerate(tokens, start=1)
            )  # fmt: skip
            note(
                session, actor, "completed", change, tokens=len(tokens), module=tokens[0].module_id
            )
    except LostRace:
        pass
    return read(session, change.id)


def _take_back(session: Session, actor: Actor, back: KeyChange) -> None:
    """Have the change count as refused that this set takes back."""
    undone = session.scalars(select(KeyChange).where(KeyChange.id == back.undoes_id)).one()
    session.expunge(undone)
    if undone.state != ChangeState.COMPLETED:
        raise LostRace  # this set was withdrawn meanwhile, and the other one confirmed
    move(
        session, undone, ChangeState.REFUSED,
        closed_at=back.reserved_at, closed_by_id=back.reserved_by_id, proof=back.proof,
        shown_krn=back.shown_krn, shown_ti=back.shown_ti, note=back.reason,
    )  # fmt: skip
    note(session, actor, "refused", undone, reason=back.reason, back=back.id)


def fail(
    session: Session, actor: Actor, change: KeyChange, reason: str, *, unless_in_doubt: bool = False
) -> KeyChange:
    """Give up a set that surely was not made; the key in force stays.

    Args:
        session: Outside any transaction.
        actor: Who gives it up.
        change: As it was reserved or read.
        reason: Stable code.
        unless_in_doubt: Leave it alone once the worker has taken it up.
    """
    no_doubt = (KeyChange.doubt_at.is_(None),) if unless_in_doubt else ()
    try:
        with atomic(session, durable=True):
            lock_heads_of(session, change)
            move(
                session, change, ChangeState.FAILED, *no_doubt, failure=reason, closed_at=now_utc()
            )
            note(session, actor, "failed", change, reason=reason)
    except LostRace:
        pass
    return read(session, change.id)


def withdraw(session: Session, actor: Actor, change_id: int) -> KeyChange:
    """Give up a change whose digits have not left; they never do, made or not.

    Asked twice it is done once.

    Raises:
        NoSuchChange: There is none, or its meter is out of sight.
        IllegalMove: It is completed, or settled otherwise.
    """
    try:
        with atomic(session, durable=True):
            change = read(session, change_id)
            if change.state == ChangeState.WITHDRAWN:
                return change
            lock_heads_of(session, change)
            move(
                session, change, ChangeState.WITHDRAWN,
                closed_at=now_utc(), closed_by_id=actor.user_id,
            )  # fmt: skip
            note(session, actor, "withdrawn", change)
    except LostRace:
        raise IllegalMove(state=read(session, change_id).state) from None
    return read(session, change_id)

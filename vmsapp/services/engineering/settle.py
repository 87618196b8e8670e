"""The other phases of an engineering token: ask the module, then complete or fail.

No transaction is open and no lock is held while the module is asked, and nothing is read but
what was stored.

Source: SALE.md, "6. The module's own net", "7. Reconcile and cancel".
"""

import logging
import secrets
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, RequestReused
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import EngineeringRequest, KeyRef, MeterConfig
from vmsapp.models import EngineeringDigits, EngineeringState, EngineeringToken
from vmsapp.scope import Actor
from vmsapp.services.engineering.reserve import RND_BITS, note
from vmsapp.services.engineering.rows import LostRace, compare_and_set, move, read
from vmsapp.services.security_modules import open_module, timed
from vmsapp.services.vending.errors import BaseDateEnded, KeyExpired, TidAhead
from vmsapp.services.vending.issue import MAX_ATTEMPTS, TID_REFUSALS
from vmsapp.services.vending.tids import MeterKey, lock_head, spend_tid
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate

log = logging.getLogger(__name__)

FIRST: Final = 1


def request_of(token: EngineeringToken) -> EngineeringRequest:
    """Make the module's request from the token's stored columns alone."""
    return EngineeringRequest(
        request_id=token.request_id,
        meter=MeterConfig(
            meter_pan=token.meter_pan,
            key=KeyRef(sgc=token.sgc, krn=token.krn, kt=token.kt, dkga=token.dkga),
            ti=token.ti,
            base_date=BaseDate(token.base_date),
            ken=token.ken,
            ea=token.ea,
            tct=token.tct,
        ),
        subclass=token.subclass,
        value=token.value,
        tid=token.tid,
        rnd=token.rnd,
        table_set=token.table_set,
        asked_at=now_utc(),
    )


def ask(session: Session, registry: Registry, token: EngineeringToken) -> IssuedToken:
    """Put the stored request to the module the token names.

    Raises:
        ModuleRefused, HsmUnavailable, HsmTimeout: As the module's interface says.
    """
    module = open_module(session, registry, token.module_id)
    end_reading(session)
    with timed(token.module_id, "engineering"):
        return module.issue_engineering(request_of(token))


def issue(
    session: Session, registry: Registry, actor: Actor, token: EngineeringToken
) -> EngineeringToken:
    """Ask for the digits of a token just reserved, and obey the answer.

    Returns:
        The token: issued, failed, or still reserved when nobody knows.
    """
    if token.state != EngineeringState.RESERVED:
        return token
    try:
        made = ask(session, registry, token)
    except ModuleRefused as refusal:
        after = obey(session, actor, token, refusal)
        again = after.state == EngineeringState.RESERVED and after.attempt > token.attempt
        return issue(session, registry, actor, after) if again else after
    except HsmUnavailable as error:
        log.warning("engineering token %s: module unavailable (%s)", token.id, error.why)
        if error.sent or token.attempt > FIRST:
            return read(session, token.id)
        return fail(session, actor, token, f"unavailable_{error.why}", unless_in_doubt=True)
    except (HsmTimeout, RequestReused) as error:
        log.warning("engineering token %s: outcome open (%s)", token.id, error.code)
        return read(session, token.id)
    return complete(session, actor, token, made)


def obey(
    session: Session, actor: Actor, token: EngineeringToken, refusal: ModuleRefused
) -> EngineeringToken:
    """Obey a definite no: give it a higher identifier, once, or fail."""
    if refusal.reason not in TID_REFUSALS or token.attempt >= MAX_ATTEMPTS:
        return fail(session, actor, token, refusal.reason)
    try:
        return _raise_tid(session, actor, token, refusal.highest_tid)
    except (BaseDateEnded, KeyExpired, TidAhead) as rule:
        return fail(session, actor, token, rule.code)
    except LostRace:
        return read(session, token.id)


def complete(
    session: Session, actor: Actor, token: EngineeringToken, made: IssuedToken
) -> EngineeringToken:
    """Store the digits: from here on they may be handed out.

    What was settled meanwhile stays so, and its digits are not written down.

    Args:
        session: Outside any transaction.
        actor: Who completes it.
        token: As it was reserved or read.
        made: What the module made for its request id.
    """
    try:
        with atomic(session, durable=True):
            at = now_utc()
            move(session, token, EngineeringState.ISSUED, issued_at=at)
            session.add(
                EngineeringDigits(
                    token_id=token.id, meter_id=token.meter_id,
                    vending_point_id=token.vending_point_id, digits=made.digits, kcv=made.kcv,
                    module_name=made.module_id, demo=made.demo, made_at=at,
                )
            )  # fmt: skip
            note(session, actor, "issued", token, tid=made.tid, module=made.module_id)
    except LostRace:
        pass
    return read(session, token.id)


def fail(
    session: Session,
    actor: Actor,
    token: EngineeringToken,
    reason: str,
    *,
    unless_in_doubt: bool = False,
) -> EngineeringToken:
    """Give up a token that surely was not made; its identifier stays spent.

    Args:
        session: Outside any transaction.
        actor: Who gives it up.
        token: As it was reserved or read.
        reason: Stable code.
        unless_in_doubt: Leave it alone once the worker has taken it up.
    """
    no_doubt = (EngineeringToken.doubt_at.is_(None),) if unless_in_doubt else ()
    try:
        with atomic(session, durable=True):
            move(
                session, token, EngineeringState.FAILED, *no_doubt, failure=reason,
                failed_at=now_utc(),
            )  # fmt: skip
            note(session, actor, "failed", token, reason=reason)
    except LostRace:
        pass
    return read(session, token.id)


def request_ids(token: EngineeringToken) -> list[str]:
    """Every id under which the module was asked for a token, the newest first."""
    stem = token.request_id.rpartition("-")[0]
    return [f"{stem}-{attempt}" for attempt in range(token.attempt, 0, -1)]


def _raise_tid(
    session: Session, actor: Actor, token: EngineeringToken, highest: int | None
) -> EngineeringToken:
    """Give a token the next identifier above all the module has used, under a new id.

    Raises:
        LostRace: Somebody else moved it first.
        BaseDateEnded, KeyExpired, TidAhead: There is no such identifier.
    """
    key = MeterKey(
        identifiers.meter_pan.drn_of(token.meter_pan), token.meter_pan,
        BaseDate(token.base_date), token.ken, token.sgc,
    )  # fmt: skip
    with atomic(session, durable=True):
        head = lock_head(session, token.meter_pan, token.base_date)
        attempt = token.attempt + 1
        request_id = f"{token.request_id.rpartition('-')[0]}-{attempt}"
        tid = spend_tid(
            session, head, key, moment=token.reserved_at, request_id=request_id,
            highest_used=highest,
        )  # fmt: skip
        compare_and_set(
            session, token, request_id=request_id, tid=tid, attempt=attempt,
            rnd=secrets.randbits(RND_BITS),
        )  # fmt: skip
        note(session, actor, "asked_again", token, tid=tid, request_id=request_id)
    return read(session, token.id)

"""First phase of an engineering token: lock, check, write every input of its digits down.

It is not reserved while another token of the meter, or a set that changes its key, is being
made. While a key change waits to be confirmed it is made under the new key, and that set goes
before it.

Source: SALE.md, "2. Reserve stores every input", "5. TID", "9. Lock order", "10. Key change".
"""

import secrets
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import EngineeringState, EngineeringToken, Meter, MeterState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.engineering import errors as wrong
from vmsapp.services.engineering.functions import FUNCTIONS, Function
from vmsapp.services.engineering.wish import REASON_MAX, Wish, check
from vmsapp.services.key_changes.in_force import KeyInForce, key_in_force
from vmsapp.services.registration.meter_locks import lock_both, refuse_busy
from vmsapp.services.security_modules.finding import key_for, module_for
from vmsapp.services.setup import installation
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.services.vending.tids import MeterKey, check_clock, lock_head, spend_tid
from vmsapp.sts import identifiers

RND_BITS: Final = 4


def new_request_id() -> str:
    """Make the id under which the module is asked for a token."""
    return f"E-{secrets.token_hex(12)}-1"


def epoch_of(form_key: str) -> int:
    """Read the epoch out of a form's key, ``<epoch>-<random>``; 0 for one of another shape."""
    head = form_key.partition("-")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def check_epoch(session: Session, form_key: str) -> None:
    """Refuse a form that was made before the system was restored.

    Raises:
        EngineeringFormOutdated: It was.
    """
    if epoch_of(form_key) != installation(session).epoch:
        raise wrong.EngineeringFormOutdated


def lock_meter(session: Session, meter_id: int) -> Meter:
    """Lock the place where a meter hangs, and the meter: from here on no sale to it begins.

    Raises:
        NoSuchMeter, MeterMoved: It is not there, or hangs elsewhere since.
    """
    if session.scalar(select(Meter.id).where(Meter.id == meter_id)) is None:
        raise NoSuchMeter
    _points, meters = lock_both(session, [meter_id])
    return meters[meter_id]


def check_meter(session: Session, wish: Wish) -> tuple[Meter, KeyInForce, int]:
    """Lock a meter and refuse what cannot be done to it now.

    Returns:
        The meter, the key that counts, and the 16 bits of the value.

    Raises:
        VmsError: One of ``engineering.errors``, or the meter is busy or out of sight.
    """
    meter = lock_meter(session, wish.meter_id)
    if meter.state == MeterState.RETIRED:
        raise wrong.MeterAway(drn=identifiers.drn.format(meter.drn))
    value = check(wish, meter)
    refuse_busy(session, [meter])
    return meter, key_in_force(session, meter), value


def reserve(
    session: Session, actor: Actor, wish: Wish, *, form_key: str, request_id: str
) -> EngineeringToken:
    """Write a reserved token, inside the caller's transaction.

    Args:
        session: Inside a transaction.
        actor: Who wants it.
        wish: What the meter is to do.
        form_key: Made with the form, with the epoch of the installation before it.
        request_id: Under which the module will be asked.

    Raises:
        VmsError: As ``check_epoch`` and ``check_meter``; no module holds the key; no identifier
            is left; the clock is behind.
    """
    check_epoch(session, form_key)
    meter, in_force, value = check_meter(session, wish)
    module = module_for(session, in_force.algorithm)
    key = key_for(
        session, module.id, sgc=in_force.sgc, krn=in_force.krn, kt=in_force.kt,
        dkga=in_force.algorithm.dkga,
    )  # fmt: skip
    head = lock_head(session, meter.meter_pan, key.base_date)
    moment = now_utc()  # the locks are held
    check_clock(session, moment)
    tid = spend_tid(
        session, head, MeterKey.of_meter(meter, key), moment=moment, request_id=request_id
    )
    token = EngineeringToken(
        meter_id=meter.id,
        meter_pan=meter.meter_pan,
        vending_point_id=actor.sight.vending_point_id,
        state=EngineeringState.RESERVED,
        form_key=form_key,
        body_hash=wish.body_hash(),
        epoch=epoch_of(form_key),
        function=wish.function,
        wanted=wish.wanted,
        reason=wish.reason.strip()[:REASON_MAX],
        sgc=in_force.sgc,
        krn=in_force.krn,
        kt=in_force.kt,
        ti=in_force.ti,
        base_date=key.base_date,
        ken=key.ken,
        dkga=key.dkga,
        ea=meter.ea,
        tct=meter.tct,
        table_set=wish.table_set,
        subclass=FUNCTIONS[Function(wish.function)].subclass,
        value=value,
        tid=tid,
        rnd=secrets.randbits(RND_BITS),
        request_id=request_id,
        module_id=module.id,
        key_change_id=in_force.change_id,
        reserved_at=moment,
        reserved_by_id=actor.user_id,
    )
    session.add(token)
    session.flush()
    note(
        session, actor, "reserved", token, function=token.function, wanted=token.wanted,
        value=value, tid=tid, reason=token.reason, request_id=request_id,
        key_change=token.key_change_id,
    )  # fmt: skip
    return token


def note(
    session: Session,
    actor: Actor,
    deed: str,
    token: EngineeringToken,
    **details: Any,  # noqa: ANN401 - whatever JSON can hold
) -> None:
    """Write down what was done to a token, at its meter."""
    audit.record(
        session, actor, f"engineering.{deed}", "meter", token.meter_id,
        vending_point_id=token.vending_point_id, token=token.id, **details,
    )  # fmt: skip

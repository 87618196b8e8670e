"""Second phase of a sale: ask the module, with what is stored and nothing else.

No transaction is open and no lock is held. The answer decides: a token completes the
sale, a definite no fails it, and silence leaves it pending for the worker.
"""

import logging
import secrets
from typing import Final

from sqlalchemy import BindParameter, Select, bindparam, select, update
from sqlalchemy.orm import Session

from vmsapp import metrics
from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, RequestReused
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import CreditRequest, KeyRef, MeterConfig
from vmsapp.models import Meter, Sale, SaleAttempt, SaleState, SmAlgorithm
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.key_changes.in_force import with_module
from vmsapp.services.restore import standstill
from vmsapp.services.rows import rows_changed, run
from vmsapp.services.security_modules import open_module, timed
from vmsapp.services.vending.errors import (
    BaseDateEnded,
    KeyExpired,
    ModuleClockDiffers,
    TidAhead,
)
from vmsapp.services.vending.reserve import RND_BITS
from vmsapp.services.vending.settle import LostRace, complete, fail, read
from vmsapp.services.vending.tids import CLOCK_TOLERANCE, MeterKey, lock_head, spend_tid
from vmsapp.statements import made_once
from vmsapp.sts.fields import AMOUNT_BITS
from vmsapp.sts.identifiers import BaseDate

log = logging.getLogger(__name__)

TID_REFUSALS: Final = frozenset({"tid_spent", "tid_too_old"})
"""Refusals that a higher token identifier answers, once a sale."""

MAX_ATTEMPTS: Final = 2


def check_module_ready(session: Session, registry: Registry, meter_id: int) -> None:
    """Refuse to sell while a sale must fail: the module is silent or locked, or its clock is off.

    Asked before any lock, and before anything is written: a sale that must fail would spend
    a token identifier, and whoever tries again and again would send the meter's far ahead of
    the clock. ``ping`` would not do: it is answered without asking the module, and few times a
    second. A module that is slow is dealt with when the token is asked for.

    Raises:
        ModuleClockDiffers: By more than two minutes.
        HsmUnavailable: It cannot make a token now.
        Standstill: A backup was restored.
    """
    module_id = run(session, _module_of(), {"meter_id": meter_id}).scalar()
    if module_id is None:
        return
    try:
        module = open_module(session, registry, module_id)
        end_reading(session)
        status = module.status()
    except HsmTimeout:
        standstill.check(session)
        return
    if status.locked:
        raise HsmUnavailable("locked", sent=False)
    standstill.check_told(session, module_id, module, status)
    ours, theirs = now_utc(), status.time_utc
    if abs(ours - theirs) > CLOCK_TOLERANCE:
        raise ModuleClockDiffers(ours=ours, theirs=theirs)


@made_once
def _module_of() -> Select[int]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    return with_module(select(SmAlgorithm.module_id).select_from(Meter)).where(Meter.id == meter_id)


def credit_request(sale: Sale) -> CreditRequest:
    """Make the module's request from the sale's stored columns alone."""
    high = sale.rnd if sale.in_money else 0
    return CreditRequest(
        request_id=sale.request_id,
        meter=MeterConfig(
            meter_pan=sale.meter_pan,
            key=KeyRef(sgc=sale.sgc, krn=sale.krn, kt=sale.kt, dkga=sale.dkga),
            ti=sale.ti,
            base_date=BaseDate(sale.base_date),
            ken=sale.ken,
            ea=sale.ea,
            tct=sale.tct,
        ),
        subclass=sale.subclass,
        amount_field=high << AMOUNT_BITS | sale.amount_field,
        tid=sale.tid,
        rnd=0 if sale.in_money else sale.rnd,
        table_set=sale.table_set,
        asked_at=now_utc(),
    )


def issue(
    session: Session, registry: Registry, actor: Actor, sale: Sale, *, show: bool = True
) -> Sale:
    """Ask for the token of a sale just reserved, and obey the answer.

    Args:
        session: Outside any transaction.
        registry: The security modules.
        actor: In whose name what becomes of it is written down.
        sale: As it was reserved.
        show: Whoever asks hands the digits out now.

    Returns:
        The sale: issued, failed, or still pending when nobody knows.
    """
    if sale.state != SaleState.PENDING:
        return sale
    try:
        token = ask(session, registry, sale)
    except ModuleRefused as refusal:
        return after_refusal(session, registry, actor, sale, refusal, at_once=True, show=show)
    except HsmUnavailable as error:
        log.warning("sale %s: module unavailable (%s), sent=%s", sale.id, error.why, error.sent)
        if error.sent or sale.attempt > 1:
            return read(session, sale.id)
        return fail(session, actor, sale, f"unavailable_{error.why}", unless_in_doubt=True)
    except (HsmTimeout, RequestReused) as error:
        log.warning("sale %s: outcome open (%s)", sale.id, error.code)
        return read(session, sale.id)
    return complete(session, actor, sale, token, show=show)


def ask(session: Session, registry: Registry, sale: Sale) -> IssuedToken:
    """Put the stored request to the module the sale names.

    Raises:
        ModuleRefused, HsmUnavailable, HsmTimeout: As the module's interface says.
    """
    module = open_module(session, registry, sale.module_id)
    end_reading(session)
    with metrics.phase("module"), timed(sale.module_id, "credit"):
        return module.issue_credit(credit_request(sale))


def after_refusal(
    session: Session,
    registry: Registry,
    actor: Actor,
    sale: Sale,
    refusal: ModuleRefused,
    *,
    at_once: bool,
    show: bool = False,
) -> Sale:
    """Obey a definite no: raise the identifier and ask once more, or fail.

    Args:
        session: Outside any transaction.
        registry: The security modules.
        actor: In whose name what becomes of it is written down.
        sale: As it was asked for.
        refusal: What the module answered.
        at_once: Ask now; the worker asks on its next round.
        show: As for ``issue``.
    """
    if refusal.reason not in TID_REFUSALS or sale.attempt >= MAX_ATTEMPTS:
        return fail(session, actor, sale, refusal.reason)
    try:
        again = _raise_tid(session, actor, sale, refusal.highest_tid)
    except (BaseDateEnded, KeyExpired, TidAhead) as rule:
        return fail(session, actor, sale, rule.code)
    except LostRace:
        return read(session, sale.id)
    if at_once:
        return issue(session, registry, actor, again, show=show)
    return again


def _raise_tid(session: Session, actor: Actor, sale: Sale, highest: int | None) -> Sale:
    """Give the sale the next identifier above all the module has used, under a new id.

    Raises:
        LostRace: Somebody else moved the sale first.
        BaseDateEnded, KeyExpired, TidAhead: There is no such identifier.
    """
    with atomic(session, durable=True):
        head = lock_head(session, sale.meter_pan, sale.base_date)
        request_id = f"{sale.request_id.rpartition('-')[0]}-{sale.attempt + 1}"
        tid = spend_tid(
            session,
            head,
            MeterKey.of_sale(sale),
            moment=sale.sold_at,
            request_id=request_id,
            highest_used=highest,
        )
        changed = rows_changed(
            session,
            update(Sale)
            .where(
                Sale.id == sale.id,
                Sale.state == SaleState.PENDING,
                Sale.request_id == sale.request_id,
            )
            .values(
                request_id=request_id,
                tid=tid,
                attempt=sale.attempt + 1,
                rnd=sale.rnd if sale.in_money else secrets.randbits(RND_BITS),
            ),
        )
        if changed != 1:
            raise LostRace
        session.add(
            SaleAttempt(
                request_id=request_id, sale_id=sale.id, module_id=sale.module_id, tid=tid,
                asked_at=now_utc(),
            )
        )  # fmt: skip
        audit.record(
            session, actor, "sale.asked_again", "sale", sale.id,
            vending_point_id=sale.vending_point_id, tid=tid, request_id=request_id,
        )  # fmt: skip
    return read(session, sale.id)

"""What the database holds open and a journal has: settled by what the journal says.

A sale was asked for under a number, and again under the next where an identifier had to be
raised. The lost interval may have gone an attempt further than the database knows, so each
attempt is looked for, at each module.

Source: SALE.md 16 "Restore, promotion, standby".
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedToken, NotExecuted
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.models import (
    EngineeringState,
    EngineeringToken,
    Sale,
    SaleAttempt,
    SaleState,
    SpentTid,
)
from vmsapp.scope import SYSTEM
from vmsapp.services.engineering import rows as engineering_rows
from vmsapp.services.engineering import settle as engineering
from vmsapp.services.rows import insert_missing, rows_changed
from vmsapp.services.vending import settle
from vmsapp.services.vending.issue import MAX_ATTEMPTS
from vmsapp.services.vending.tids import lock_head

log = logging.getLogger(__name__)

Modules = Mapping[int, Module]
"""By the id of their rows."""
FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Made:
    """What a journal has of something open."""

    module_id: int
    attempt: int
    request_id: str
    token: IssuedToken


def settle_sales(session: Session, modules: Modules) -> int:
    """Complete every pending sale of which a journal has an attempt.

    Returns:
        How many were completed; the others are left to the worker.
    """
    ids = session.scalars(
        select(Sale.id).where(Sale.state == SaleState.PENDING).order_by(Sale.id)
    ).all()
    end_reading(session)
    count = 0
    for sale_id in ids:
        sale = settle.read(session, sale_id)
        end_reading(session)
        made = _made(modules, sale.request_id)
        if made is None:
            continue
        try:
            if (made.request_id, made.module_id) != (sale.request_id, sale.module_id):
                sale = _adopt_sale(session, modules[made.module_id], sale, made)
            done = settle.complete(session, SYSTEM, sale, made.token, show=False)
            count += done.state != SaleState.PENDING
        except (VmsError, settle.LostRace):
            session.rollback()
            log.exception("sale %s: not settled by the journal", sale_id)
    return count


def settle_engineering(session: Session, modules: Modules) -> int:
    """Do the same with engineering tokens that are reserved."""
    ids = session.scalars(
        select(EngineeringToken.id)
        .where(EngineeringToken.state == EngineeringState.RESERVED)
        .order_by(EngineeringToken.id)
    ).all()
    end_reading(session)
    count = 0
    for token_id in ids:
        token = engineering_rows.read(session, token_id)
        end_reading(session)
        made = _made(modules, token.request_id)
        if made is None:
            continue
        if (made.request_id, made.module_id) != (token.request_id, token.module_id):
            token = _adopt_engineering(session, token, made)
        done = engineering.complete(session, SYSTEM, token, made.token)
        count += done.state == EngineeringState.ISSUED
    return count


def _made(modules: Modules, request_id: str) -> Made | None:
    """Find the attempt that a module carried out; at most one was."""
    stem = request_id.rpartition("-")[0]
    for attempt in range(MAX_ATTEMPTS, FIRST - 1, -1):
        name = f"{stem}-{attempt}"
        for module_id, module in modules.items():
            try:
                found = module.fetch_result(name)
            except ModuleRefused:
                continue
            if not isinstance(found, NotExecuted):
                return Made(module_id, attempt, name, found[0])
    return None


def _adopt_sale(session: Session, module: Module, sale: Sale, made: Made) -> Sale:
    """Write an attempt down that the database lost, as when it was made."""
    asked = module.request_of(made.request_id)
    tid = made.token.tid
    assert tid is not None, "a credit has one"
    credit = asked.credit if asked else None
    rnd = sale.rnd if credit is None or sale.in_money else credit.rnd
    with atomic(session, durable=True):
        spend(session, sale.meter_pan, sale.base_date, tid, made.request_id)
        changed = rows_changed(
            session,
            update(Sale)
            .where(Sale.id == sale.id, Sale.state == SaleState.PENDING)
            .where(Sale.request_id == sale.request_id)
            .values(
                request_id=made.request_id, attempt=made.attempt, tid=tid, rnd=rnd,
                module_id=made.module_id,
            ),
        )  # fmt: skip
        if changed != 1:
            raise settle.LostRace
        insert_missing(
            session, SaleAttempt, request_id=made.request_id, sale_id=sale.id,
            module_id=made.module_id, tid=tid, asked_at=now_utc(),
        )  # fmt: skip
    return settle.read(session, sale.id)


def _adopt_engineering(session: Session, token: EngineeringToken, made: Made) -> EngineeringToken:
    tid = made.token.tid
    assert tid is not None, "an engineering token has one"
    with atomic(session, durable=True):
        spend(session, token.meter_pan, token.base_date, tid, made.request_id)
        engineering_rows.compare_and_set(
            session, token, request_id=made.request_id, attempt=made.attempt, tid=tid,
            module_id=made.module_id,
        )  # fmt: skip
    return engineering_rows.read(session, token.id)


def spend(session: Session, meter_pan: str, base_date: str, tid: int, request_id: str) -> None:
    """Note that an identifier was spent, under the head's lock."""
    head = lock_head(session, meter_pan, base_date)
    head.last_tid = max(head.last_tid or 0, tid)
    session.flush()
    insert_missing(
        session, SpentTid, meter_pan=meter_pan, base_date=base_date, tid=tid,
        request_id=request_id,
    )  # fmt: skip

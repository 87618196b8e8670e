"""What becomes of sales whose outcome is open.

The worker takes every sale that has been pending for a while, stamps doubt on it and
asks the module what it knows of the request. Only the module's own record decides.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import Sale, SaleAttempt, SaleState
from vmsapp.scope import SYSTEM
from vmsapp.services.rows import rows_changed
from vmsapp.services.security_modules import open_module
from vmsapp.services.vending.issue import after_refusal, ask
from vmsapp.services.vending.settle import complete, fail, read

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a pending sale is left alone, and how long it is asked for again."""

    take_after: timedelta = timedelta(seconds=30)
    cancel_after: timedelta = timedelta(minutes=10)


def reconcile(
    session: Session,
    registry: Registry,
    patience: Patience = Patience(),
) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many sales are now ``issued``, ``reversed``, ``failed`` or still ``pending``.
    """
    counts: dict[str, int] = {}
    for sale_id in _due(session, patience):
        try:
            sale = _take(session, sale_id)
            if sale.state == SaleState.PENDING:
                sale = _settle(session, registry, sale, patience)
            state = sale.state
        except (VmsError, DBAPIError) as error:
            session.rollback()  # a sale that cannot be settled does not hold up the others
            log.warning("sale %s: not settled (%s)", sale_id, error.code)
            state = SaleState.PENDING
        counts[state] = counts.get(state, 0) + 1
    return counts


def _due(session: Session, patience: Patience) -> Sequence[int]:
    now = now_utc()
    ids = session.scalars(
        select(Sale.id)
        .where(Sale.state == SaleState.PENDING)
        # a sale from the future was made before the clock was set back: it is old, too
        .where(or_(Sale.sold_at <= now - patience.take_after, Sale.sold_at > now))
        .order_by(Sale.sold_at, Sale.id)
    ).all()
    end_reading(session)
    return ids


def _take(session: Session, sale_id: int) -> Sale:
    """Stamp doubt on a pending sale: from here on its seller leaves it to the worker."""
    with atomic(session, durable=True):
        rows_changed(
            session,
            update(Sale)
            .where(Sale.id == sale_id, Sale.state == SaleState.PENDING)
            .where(Sale.doubt_at.is_(None))
            .values(doubt_at=now_utc()),
        )
    sale = read(session, sale_id)
    end_reading(session)
    return sale


def _settle(session: Session, registry: Registry, sale: Sale, patience: Patience) -> Sale:
    """Ask the module for the result; ask again while young, cancel when old."""
    module = open_module(session, registry, sale.module_id)
    end_reading(session)
    try:
        found = module.fetch_result(sale.request_id)
        if not isinstance(found, NotExecuted):
            return complete(session, SYSTEM, sale, found[0], show=False)
        if now_utc() - sale.sold_at < patience.cancel_after:
            token = ask(session, registry, sale)
            return complete(session, SYSTEM, sale, token, show=False)
    except ModuleRefused as refusal:
        return after_refusal(session, registry, SYSTEM, sale, refusal, at_once=False)
    except (HsmUnavailable, HsmTimeout) as silence:
        log.warning("sale %s: %s (%s)", sale.id, silence.code, getattr(silence, "why", ""))
        if now_utc() - sale.sold_at < patience.cancel_after:
            return sale
    return _cancel(session, registry, sale)


def _cancel(session: Session, registry: Registry, sale: Sale) -> Sale:
    """Have every module ever asked promise never to execute the request; then fail.

    Raises:
        HsmUnavailable, HsmTimeout: One is silent; the sale stays pending.
    """
    attempts = session.execute(
        select(SaleAttempt.request_id, SaleAttempt.module_id).where(SaleAttempt.sale_id == sale.id)
    ).all()
    modules = {row.module_id: open_module(session, registry, row.module_id) for row in attempts}
    end_reading(session)
    for row in attempts:
        answer = modules[row.module_id].cancel(row.request_id)
        if not isinstance(answer, Cancelled):
            return complete(session, SYSTEM, sale, answer[0], show=False)
    return fail(session, SYSTEM, sale, "cancelled")

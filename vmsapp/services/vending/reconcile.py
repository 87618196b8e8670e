"""What becomes of sales whose outcome is open.

The worker takes every sale that has been pending for a while, stamps doubt on it and
asks the module what it knows of the request. Only the module's own record decides.
"""

import logging
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import Sale, SaleAttempt, SaleState
from vmsapp.scope import SYSTEM
from vmsapp.services.doubt import PLAIN, Open, Patience, settle_open
from vmsapp.services.security_modules import open_module
from vmsapp.services.vending.issue import after_refusal, ask
from vmsapp.services.vending.settle import complete, fail, read

log = logging.getLogger(__name__)

SALES: Final = Open(Sale, SaleState.PENDING, Sale.sold_at, read, "sale")


def reconcile(session: Session, registry: Registry, patience: Patience = PLAIN) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many sales are now ``issued``, ``reversed``, ``failed`` or still ``pending``.
    """
    return settle_open(
        session, SALES, lambda sale: _settle(session, registry, sale, patience), patience
    )


def _settle(session: Session, registry: Registry, sale: Sale, patience: Patience) -> Sale:
    """Ask the module for the result; ask again while young, cancel when old."""
    module = open_module(session, registry, sale.module_id)
    end_reading(session)
    try:
        found = module.fetch_result(sale.request_id)
        if not isinstance(found, NotExecuted):
            return complete(session, SYSTEM, sale, found[0], show=False)
        if patience.still_young(sale.sold_at):
            token = ask(session, registry, sale)
            return complete(session, SYSTEM, sale, token, show=False)
    except ModuleRefused as refusal:
        return after_refusal(session, registry, SYSTEM, sale, refusal, at_once=False)
    except (HsmUnavailable, HsmTimeout) as silence:
        log.warning("sale %s: %s (%s)", sale.id, silence.code, getattr(silence, "why", ""))
        if patience.still_young(sale.sold_at):
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

"""What becomes of sets whose outcome is open: as of sales, and by the same worker.

Source: SALE.md, "7. Reconcile and cancel", "10. Key change".
"""

import logging
from collections.abc import Sequence
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import ChangeState, KeyChange
from vmsapp.scope import SYSTEM
from vmsapp.services.key_changes.rows import read
from vmsapp.services.key_changes.settle import ask, complete, fail
from vmsapp.services.rows import rows_changed
from vmsapp.services.security_modules import open_module
from vmsapp.services.vending.reconcile import Patience

log = logging.getLogger(__name__)

PLAIN: Final = Patience()


def reconcile_changes(
    session: Session,
    registry: Registry,
    patience: Patience = PLAIN,
) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many changes are now ``completed``, ``failed``, ``withdrawn`` or still ``reserved``.
    """
    counts: dict[str, int] = {}
    for change_id in _due(session, patience):
        try:
            change = _take(session, change_id)
            if change.state == ChangeState.RESERVED:
                change = _settle(session, registry, change, patience)
            state = change.state
        except (VmsError, DBAPIError) as error:
            session.rollback()  # one that cannot be settled does not hold up the others
            log.warning("key change %s: not settled (%s)", change_id, error.code)
            state = ChangeState.RESERVED
        counts[state] = counts.get(state, 0) + 1
    return counts


def _due(session: Session, patience: Patience) -> Sequence[int]:
    now = now_utc()
    ids = session.scalars(
        select(KeyChange.id)
        .where(KeyChange.state == ChangeState.RESERVED)
        # one from the future was reserved before the clock was set back: it is old, too
        .where(or_(KeyChange.reserved_at <= now - patience.take_after, KeyChange.reserved_at > now))
        .order_by(KeyChange.id)
    ).all()
    end_reading(session)
    return ids


def _take(session: Session, change_id: int) -> KeyChange:
    """Stamp doubt on a reserved change: from here on its maker leaves it to the worker."""
    with atomic(session, durable=True):
        rows_changed(
            session,
            update(KeyChange)
            .where(KeyChange.id == change_id, KeyChange.state == ChangeState.RESERVED)
            .where(KeyChange.doubt_at.is_(None))
            .values(doubt_at=now_utc()),
        )
    change = read(session, change_id)
    end_reading(session)
    return change


def _settle(
    session: Session, registry: Registry, change: KeyChange, patience: Patience
) -> KeyChange:
    """Ask the module for the result; ask again while young, cancel when old."""
    module = open_module(session, registry, change.module_id)
    end_reading(session)
    young = now_utc() - change.reserved_at < patience.cancel_after
    try:
        found = module.fetch_result(change.request_id)
        if not isinstance(found, NotExecuted):
            return complete(session, SYSTEM, change, found)
        if young:
            return complete(session, SYSTEM, change, ask(session, registry, change))
    except ModuleRefused as refusal:
        return fail(session, SYSTEM, change, refusal.reason)
    except (HsmUnavailable, HsmTimeout) as silence:
        log.warning("key change %s: %s", change.id, silence.code)
        if young:
            return change
    answer = module.cancel(change.request_id)
    if not isinstance(answer, Cancelled):
        return complete(session, SYSTEM, change, answer)
    return fail(session, SYSTEM, change, "cancelled")

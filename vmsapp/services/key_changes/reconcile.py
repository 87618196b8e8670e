"""What becomes of sets whose outcome is open: as of sales, and by the same worker.

Source: SALE.md, "7. Reconcile and cancel", "10. Key change".
"""

import logging
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import ChangeState, KeyChange
from vmsapp.scope import SYSTEM
from vmsapp.services.doubt import PLAIN, Open, Patience, settle_open
from vmsapp.services.key_changes.rows import read
from vmsapp.services.key_changes.settle import ask, complete, fail
from vmsapp.services.security_modules import open_module

log = logging.getLogger(__name__)

CHANGES: Final = Open(
    KeyChange, ChangeState.RESERVED, KeyChange.reserved_at, read, "key change",
    only=KeyChange.chunk_id.is_(None),
)  # fmt: skip
"""Those of a campaign's chunk are settled with it: the module was asked under the chunk's id."""


def reconcile_changes(
    session: Session, registry: Registry, patience: Patience = PLAIN
) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many changes are now ``completed``, ``failed``, ``withdrawn`` or still ``reserved``.
    """
    return settle_open(
        session, CHANGES, lambda change: _settle(session, registry, change, patience), patience
    )


def _settle(
    session: Session, registry: Registry, change: KeyChange, patience: Patience
) -> KeyChange:
    """Ask the module for the result; ask again while young, cancel when old."""
    module = open_module(session, registry, change.module_id)
    end_reading(session)
    young = patience.still_young(change.reserved_at)
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

"""What becomes of engineering tokens whose outcome is open: as of sales, and by the same worker.

Source: SALE.md, "7. Reconcile and cancel".
"""

import logging
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import EngineeringState, EngineeringToken
from vmsapp.scope import SYSTEM
from vmsapp.services.doubt import PLAIN, Open, Patience, settle_open
from vmsapp.services.engineering.rows import read
from vmsapp.services.engineering.settle import ask, complete, fail, obey, request_ids
from vmsapp.services.security_modules import open_module

log = logging.getLogger(__name__)

TOKENS: Final = Open(
    EngineeringToken, EngineeringState.RESERVED, EngineeringToken.reserved_at, read,
    "engineering token",
)  # fmt: skip


def reconcile_engineering(
    session: Session, registry: Registry, patience: Patience = PLAIN
) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many tokens are now ``issued``, ``failed`` or still ``reserved``.
    """
    return settle_open(
        session, TOKENS, lambda token: _settle(session, registry, token, patience), patience
    )


def _settle(
    session: Session, registry: Registry, token: EngineeringToken, patience: Patience
) -> EngineeringToken:
    """Ask the module for the result; ask again while young, cancel when old."""
    module = open_module(session, registry, token.module_id)
    end_reading(session)
    young = patience.still_young(token.reserved_at)
    try:
        found = module.fetch_result(token.request_id)
        if not isinstance(found, NotExecuted):
            return complete(session, SYSTEM, token, found[0])
        if young:
            return complete(session, SYSTEM, token, ask(session, registry, token))
    except ModuleRefused as refusal:
        return obey(session, SYSTEM, token, refusal)
    except (HsmUnavailable, HsmTimeout) as silence:
        log.warning("engineering token %s: %s", token.id, silence.code)
        if young:
            return token
    for request_id in request_ids(token):  # every id it was ever asked under must be given up
        answer = module.cancel(request_id)
        if not isinstance(answer, Cancelled):
            return complete(session, SYSTEM, token, answer[0])
    return fail(session, SYSTEM, token, "cancelled")

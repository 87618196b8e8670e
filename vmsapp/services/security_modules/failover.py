"""A standby takes over by itself where a module server has been silent for too long.

Only between module servers, and only where both hold the very same keys: then the same request
makes the same digits at either. A module behind PrismToken makes another token each time, and
one on this server's own disk is silent when this server is. What moves is the algorithm, as when
a person lets a module take over; a sale under way ends at the module it began with.

Source: SALE.md 16 "Restore, promotion, standby"; SECURITY-MODULES.md 5.3.
"""

import logging
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import Refused
from vmsapp.extensions import end_reading
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.registry import Registry
from vmsapp.models import AuditEvent, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.scope import SYSTEM
from vmsapp.services.security_modules.assigning import assign

log = logging.getLogger(__name__)

DRIVER: Final = "tcp"

CheckValues = dict[tuple[str, int, int, str], str]


def fail_over(session: Session, registry: Registry, after: timedelta) -> dict[str, int]:
    """Let standbys serve what silent modules served; ask ``look_at_all`` first.

    Args:
        session: In sight of everything, with no transaction open but one that only read.
        registry: Where modules are opened.
        after: How long a module must have been silent.

    Returns:
        How many algorithms were ``moved``, and how many ``stay`` with a silent module because
        no standby can take them over; empty where none is silent for so long.
    """
    found: dict[str, int] = defaultdict(int)
    for algorithm, standby_id in _wanted(session, after).items():
        moved = standby_id is not None and _moved(session, registry, algorithm, standby_id)
        found["moved" if moved else "stay"] += 1
    return dict(found)


def _wanted(session: Session, after: timedelta) -> dict[str, int | None]:
    """Name the algorithms of silent modules, each with its standby if there is one."""
    modules = session.scalars(
        select(SecurityModule)
        .where(SecurityModule.driver == DRIVER, SecurityModule.retired_at.is_(None))
        .options(joinedload(SecurityModule.health))
        .order_by(SecurityModule.id)
        .execution_options(populate_existing=True)
    ).all()
    served = {row.algorithm: row.module_id for row in session.scalars(select(SmAlgorithm))}
    now = now_utc()
    silent = {one.id for one in modules if _fails(one) and now - _since(session, one) >= after}
    ready = [one.id for one in modules if one.id not in served.values() and _well(one)]
    keys = {one.id: _check_values(session, one.id) for one in modules}
    wanted = {
        algorithm: next((one for one in ready if keys[one] and keys[one] == keys[module_id]), None)
        for algorithm, module_id in sorted(served.items())
        if module_id in silent
    }
    end_reading(session)
    return wanted


def _fails(module: SecurityModule) -> bool:
    """Tell whether a module that answered once did not do so when it was asked last."""
    health = module.health
    return health is not None and health.failed_at is not None and health.seen_at is not None


def _since(session: Session, module: SecurityModule) -> datetime:
    """Tell when a silent module was first found silent.

    When it was last heard would not do: where no worker ran for an hour, nobody asked it.
    """
    found = session.scalar(
        select(func.max(AuditEvent.at)).where(
            AuditEvent.subject == "security_module", AuditEvent.subject_id == str(module.id),
            AuditEvent.action == "module.silent",
        )
    )  # fmt: skip
    return found or now_utc()


def _well(module: SecurityModule) -> bool:
    """Tell whether a module answered when it was asked last, and makes tokens."""
    health = module.health
    return (
        health is not None
        and health.failed_at is None
        and health.seen_at is not None
        and not health.locked
        and not health.alerts
    )


def _moved(session: Session, registry: Registry, algorithm: str, standby_id: int) -> bool:
    try:
        assign(session, registry, SYSTEM, algorithm, standby_id)
    except (Refused, HsmUnavailable, HsmTimeout) as error:
        session.rollback()
        log.warning("standby %s does not take over %s (%s)", standby_id, algorithm, error.code)
        return False
    log.warning("standby %s takes over %s", standby_id, algorithm)
    return True


def _check_values(session: Session, module_id: int) -> CheckValues:
    keys = session.scalars(select(VendingKey).where(VendingKey.module_id == module_id))
    return {(key.sgc, key.krn, key.kt, key.dkga): key.kcv for key in keys}

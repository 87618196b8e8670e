"""How every module is, asked again and again, and which of its keys end before long.

A module is asked outside of any transaction, for it may be slow to answer; what it says is
written over what it said before.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import Refused
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import ModuleStatus
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.registry import Registry
from vmsapp.models import (
    Algorithm,
    Meter,
    MeterState,
    ModuleHealth,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.scope import SYSTEM, Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.restore import standstill
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.rows import insert_missing, rows_changed
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.services.security_modules.opening import open_module
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import key_expires_at

log = logging.getLogger(__name__)

OTHER_MODULE: Final = "other_module"
"""Alert of ours: who answers there calls itself otherwise than the module that was added."""
WARN_DAYS: Final = (90, 30, 7)
"""So many days before its end a key is warned of, each time more urgently."""
TOKENS_LOW: Final = 1000
"""Tokens left from which on somebody should see to the module's own licence."""
INHIBIT_WARNING: Final = timedelta(days=30)
DRIFT_SECONDS: Final = 120
"""From here on nothing is sold: the module's clock and ours lie too far apart."""
QUIET: Final = timedelta(minutes=5)
"""A module that was not asked for so long is not known to be well: the worker stands still."""


Served = Mapping[str, int]
"""The module that serves each algorithm."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A key that ends before long, or has ended.

    Attributes:
        ends_at: Its expiry, or the moment until which it may be used, whichever is first.
        days: Whole days left; below zero once it is over.
        meters: How many meters in use need it.
    """

    key: VendingKey
    ends_at: datetime
    days: int
    meters: int

    @property
    def within(self) -> int:
        """Which of ``WARN_DAYS`` it is within."""
        return min(days for days in WARN_DAYS if self.days < days)


def look(
    session: Session, registry: Registry, module_id: int, *, actor: Actor = SYSTEM
) -> ModuleHealth:
    """Ask a module how it is and write it down, with its keys as it lists them.

    Args:
        session: With no transaction open but one that only read.
        registry: Where modules are opened.
        module_id: Which module.
        actor: On whose behalf; what a person asks for is put on record.
    """
    status = None
    try:
        told, status = _told(session, registry, module_id)
    except (HsmUnavailable, HsmTimeout) as error:
        why = error.why if isinstance(error, HsmUnavailable) else "no_answer"
        told = {"failed_at": now_utc(), "failed_why": why}
    with atomic(session, durable=True):
        insert_missing(
            session, ModuleHealth, module_id=module_id, locked=False, firmware="", alerts=[]
        )
        row = session.get_one(ModuleHealth, module_id, populate_existing=True)
        if told.get("failed_why") == "circuit" and row.failed_why:
            told["failed_why"] = row.failed_why  # why it was opened says more
        _note_turn(session, module_id, row, told)
        if status is not None:
            standstill.note_marks(session, module_id, status)
        rows_changed(
            session,
            update(ModuleHealth).where(ModuleHealth.module_id == module_id).values(**told),
        )
        if actor is not SYSTEM:
            audit.record(
                session, actor, "module.tested", "security_module", module_id,
                outcome=told.get("failed_why") or "answered",
            )  # fmt: skip
    if told.get("seen_at") and not told["locked"]:
        _copy_keys(session, registry, module_id)
    return session.get_one(ModuleHealth, module_id, populate_existing=True)


def _note_turn(
    session: Session, module_id: int, before: ModuleHealth, told: Mapping[str, Any]
) -> None:
    """Put on record when a module stops answering, and when it answers again."""
    why = told.get("failed_why")
    if why and before.failed_at is None:
        audit.record(session, SYSTEM, "module.silent", "security_module", module_id, why=why)
    elif not why and before.failed_at is not None:
        audit.record(
            session, SYSTEM, "module.answers", "security_module", module_id,
            silent_since=before.failed_at.isoformat(timespec="seconds"),
        )  # fmt: skip


def look_at_all(session: Session, registry: Registry) -> dict[str, int]:
    """Ask every module that is not retired.

    Returns:
        How many answered, and how many did not.
    """
    ids = session.scalars(
        select(SecurityModule.id).where(SecurityModule.retired_at.is_(None))
        .order_by(SecurityModule.id)
    ).all()  # fmt: skip
    seen = [look(session, registry, module_id).failed_at is None for module_id in ids]
    return {"answered": sum(seen), "silent": len(seen) - sum(seen)}


def ends_at(key: VendingKey) -> datetime:
    """Tell the first moment at which no token can be made with a key any more."""
    expires = key_expires_at(key.ken, BaseDate(key.base_date))
    return min(expires, key.issue_until) if key.issue_until else expires


def endings(session: Session, module_id: int | None = None) -> list[Ending]:
    """List the keys that end within 90 days, those that meters use first, then the nearest.

    Args:
        session: To read with.
        module_id: Of one module alone; by default of all that are not retired.
    """
    keys = select(VendingKey).options(joinedload(VendingKey.module))
    if module_id is None:
        keys = keys.join(VendingKey.module).where(SecurityModule.retired_at.is_(None))
    else:
        keys = keys.where(VendingKey.module_id == module_id)
    return endings_of(session, session.scalars(keys).all())


def endings_of(
    session: Session, keys: Iterable[VendingKey], served: Served | None = None
) -> list[Ending]:
    """The same of keys that were read already; ``served`` as for ``meters_under``."""
    now, most = now_utc(), timedelta(days=WARN_DAYS[0])
    near = [(key, end) for key in keys if (end := ends_at(key)) - now < most]
    if not near:
        return []
    used = meters_under(session, [key for key, _ in near], served)
    found = [Ending(key, end, (end - now).days, used.get(key.id, 0)) for key, end in near]
    return sorted(found, key=lambda one: (not one.meters, one.ends_at, one.key.id))


def meters_under(
    session: Session, keys: Sequence[VendingKey], served: Served | None = None
) -> dict[int, int]:
    """Count the meters in use that need each of some keys; those without any are left out.

    A meter needs the key of the module that serves its algorithm. All regions count.

    Args:
        session: To read with.
        keys: Of any modules.
        served: The module of each algorithm, for who has read it already.
    """
    if served is None:
        served = {row.algorithm: row.module_id for row in session.scalars(select(SmAlgorithm))}
    names = {
        (algorithm.value, key.sgc, key.krn, key.kt): key.id
        for algorithm in Algorithm
        for key in keys
        if key.dkga == algorithm.dkga and served.get(algorithm) == key.module_id
    }
    if not names:
        return {}
    which = or_(
        *(
            and_(Meter.algorithm == algorithm, Meter.sgc == sgc, Meter.krn == krn, Meter.kt == kt)
            for algorithm, sgc, krn, kt in names
        )
    )
    named = (Meter.algorithm, Meter.sgc, Meter.krn, Meter.kt)
    counted = select(*named, func.count()).where(which, Meter.state != MeterState.RETIRED)
    with unscoped("a key serves the meters of all regions"):
        rows = session.execute(counted.group_by(*named)).all()
    return {names[algorithm, sgc, krn, kt]: count for algorithm, sgc, krn, kt, count in rows}


def _told(
    session: Session, registry: Registry, module_id: int
) -> tuple[dict[str, Any], ModuleStatus]:
    """Ask, and say it in the columns of the row, too."""
    row = session.get_one(SecurityModule, module_id, populate_existing=True)
    known, ours = registry.described(module_id), row.module_id
    if known is not None and known.params != row.params:
        registry.forget(module_id)  # another process reaches it elsewhere now
    module = open_module(session, registry, module_id)
    end_reading(session)
    ping_now = getattr(module, "ping_now", module.ping)  # an open circuit says nothing of today
    ping, status, now = ping_now(), module.status(), now_utc()
    with suppress(Standstill):  # how it is, is to be seen all the same
        standstill.check_told(session, module_id, module, status)
    alerts = list(status.alerts)
    if status.module_id and status.module_id != ours:
        alerts.append(OTHER_MODULE)
    said = {
        "seen_at": now,
        "latency_ms": round(ping.latency_ms),
        "drift_seconds": round((status.time_utc - now).total_seconds()),
        "locked": status.locked,
        "protection": status.protection,
        "firmware": status.firmware[:60],
        "tokens_left": status.tokens_left,
        "per_second": None if status.per_second is None else int(status.per_second),
        "inhibited_from": status.inhibited_from,
        "alerts": alerts,
        "failed_at": None,
        "failed_why": None,
    }
    return said, status


def _copy_keys(session: Session, registry: Registry, module_id: int) -> None:
    """Follow what was loaded into the module elsewhere, by its second custodian say.

    Whoever asked how it is did none of that: the product noticed it.
    """
    try:
        copy_key_list(session, registry, SYSTEM, module_id)
    except (HsmUnavailable, HsmTimeout, Refused) as error:
        log.warning("module %s lists no keys: %s", module_id, error.code)

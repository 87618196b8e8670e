"""Which module serves an algorithm: exactly one, and changed in one transaction.

A module may take an algorithm over only if it holds every key that meters in use need, with
the same check value: then the same request makes the same digits there. That is also how a
standby takes over.

Source: SECURITY-MODULES.md 5.3; SALE.md 16 "Restore, promotion, standby".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.hsm.registry import Registry
from vmsapp.models import (
    Algorithm,
    KeyChange,
    Meter,
    MeterState,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.key_changes.in_force import IS_BEING_CHANGED, algorithm_now
from vmsapp.services.key_changes.uses import changed_to
from vmsapp.services.rows import insert_missing, lock
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.services.security_modules.opening import open_module


class ModuleCannot(Refused):
    """This kind of module does not make tokens of that algorithm."""

    code = "module_cannot"
    message = N_("“%(module)s” does not make tokens for %(algorithm)s meters.")


class ModuleRetired(Refused):
    """A retired module serves nothing."""

    code = "module_retired"
    message = N_("“%(module)s” is retired. Take it back first.")


class KeysMissing(Refused):
    """Meters in use need keys the module lacks.

    Attributes:
        missing: Which, with how many meters need each.
    """

    code = "keys_missing"
    message = N_(
        "“%(module)s” lacks keys that %(meters)s meters need, or holds others under their name."
        " Load them there first."
    )

    def __init__(self, *, module: str, missing: Sequence["Missing"]) -> None:
        super().__init__(module=module, meters=sum(each.meters for each in missing))
        self.missing = tuple(missing)


@dataclass(frozen=True, slots=True)
class Missing:
    """A key that meters need and a module does not have.

    Attributes:
        kcv: Check value of the key that serves them now.
        other: Check value of the key the module holds under that name; None for none.
        meters: How many meters are under it.
    """

    sgc: str
    krn: int
    kt: int
    dkga: str
    kcv: str
    other: str | None
    meters: int


@dataclass(frozen=True, slots=True)
class Lack:
    """A key that meters need and the module that serves them does not have.

    Attributes:
        meters: How many meters are under it.
    """

    sgc: str
    krn: int
    kt: int
    dkga: str
    meters: int


@dataclass(frozen=True, slots=True)
class Served:
    """An algorithm, the module that serves it, and the keys that module lacks for it."""

    algorithm: str
    module_id: int
    lacks: list[Lack]


def cover(session: Session, algorithm: str, module_id: int) -> list[Missing]:
    """List what a module lacks to serve the meters that are served now and not retired.

    Every meter of the utility counts, whoever asks: it is the algorithm that moves, and so do
    those that are being taken to a key. Meters whose key no module holds now lose nothing.
    """
    dkga = Algorithm(algorithm).dkga
    with unscoped("an algorithm serves the meters of all regions"):
        needed = session.execute(
            select(Meter.sgc, Meter.krn, Meter.kt, func.count())
            .where(Meter.algorithm == algorithm, Meter.state != MeterState.RETIRED)
            .group_by(Meter.sgc, Meter.krn, Meter.kt)
            .union_all(changed_to(dkga))
        ).all()
    counts: Counter[tuple[str, int, int]] = Counter()
    for sgc, krn, kt, meters in needed:
        counts[sgc, krn, kt] += meters
    theirs = _check_values(session, module_id)
    serving = session.scalar(
        select(SmAlgorithm.module_id).where(SmAlgorithm.algorithm == algorithm)
    )
    now = _check_values(session, serving) if serving is not None else {}
    found = []
    for (sgc, krn, kt), meters in sorted(counts.items()):
        name = (sgc, krn, kt, dkga)
        wanted, held = now.get(name), theirs.get(name)
        if wanted is not None and wanted != held:
            found.append(Missing(sgc, krn, kt, dkga, wanted, held, meters))
    return found


def served(session: Session) -> list[Served]:
    """Tell which module serves each algorithm, and which keys it lacks for that.

    One statement: the keys that the next tokens of meters in use need, of those being taken to a
    key that one, and their module does not have, those of the most meters first. Whoever asks, the
    meters of all regions count.
    """
    algorithm, of_change = algorithm_now(), KeyChange.__table__.c
    named = (
        algorithm.label("algorithm"),
        func.coalesce(of_change.new_sgc, Meter.sgc).label("sgc"),
        func.coalesce(of_change.new_krn, Meter.krn).label("krn"),
        func.coalesce(of_change.new_kt, Meter.kt).label("kt"),
    )
    by_algorithm = (
        select(*named, func.count().label("meters"))
        .select_from(Meter)
        .outerjoin(KeyChange.__table__, IS_BEING_CHANGED)
        .where(Meter.state != MeterState.RETIRED)
        .group_by(*named)
        .subquery()
    )
    dkga = case(*((by_algorithm.c.algorithm == one.value, one.dkga) for one in Algorithm))
    needed = select(by_algorithm, dkga.label("dkga")).subquery()
    key = and_(
        VendingKey.module_id == SmAlgorithm.module_id, VendingKey.sgc == needed.c.sgc,
        VendingKey.krn == needed.c.krn, VendingKey.kt == needed.c.kt,
        VendingKey.dkga == needed.c.dkga,
    )  # fmt: skip
    lacks = ~select(VendingKey.id).where(key).exists()
    of_each = (
        select(SmAlgorithm.algorithm, SmAlgorithm.module_id, needed.c.sgc, needed.c.krn,
               needed.c.kt, needed.c.dkga, needed.c.meters)
        .outerjoin(needed, and_(needed.c.algorithm == SmAlgorithm.algorithm, lacks))
        .order_by(SmAlgorithm.algorithm, needed.c.meters.desc(), needed.c.sgc, needed.c.krn,
                  needed.c.kt)
    )  # fmt: skip
    found: dict[str, Served] = {}
    with unscoped("an algorithm serves the meters of all regions"):
        for algorithm, module_id, sgc, *lack in session.execute(of_each):
            one = found.setdefault(algorithm, Served(algorithm, module_id, []))
            if sgc is not None:
                one.lacks.append(Lack(sgc, *lack))
    return list(found.values())


def assign(
    session: Session, registry: Registry, actor: Actor, algorithm: str, module_id: int
) -> None:
    """Let a module serve an algorithm from now on.

    Its keys are read from it first, outside of any transaction: what stood here may be old.
    A sale that was reserved before is asked of the module it names.

    Raises:
        NotFound: There is no such module.
        ModuleRetired, ModuleCannot, KeysMissing: It cannot.
        HsmUnavailable, HsmTimeout: It does not tell its keys.
    """
    row = session.get(SecurityModule, module_id)
    if row is None:
        raise NotFound
    if row.retired_at is not None:
        raise ModuleRetired(module=row.name)
    module = open_module(session, registry, module_id)
    if algorithm not in module.capabilities.algorithms:
        raise ModuleCannot(module=row.name, algorithm=algorithm)
    copy_key_list(session, registry, actor, module_id)
    with atomic(session, durable=True):
        before = session.scalar(
            select(SmAlgorithm.module_id).where(SmAlgorithm.algorithm == algorithm)
        )
        insert_missing(session, SmAlgorithm, algorithm=algorithm, module_id=module_id)
        served = lock(session, SmAlgorithm, SmAlgorithm.algorithm == algorithm)
        missing = cover(session, algorithm, module_id)
        if missing:
            raise KeysMissing(module=row.name, missing=missing)
        if before == served.module_id == module_id:
            return
        served.module_id = module_id
        audit.record(
            session, actor, "security_module.assigned", "security_module", module_id,
            algorithm=algorithm, before=before,
        )  # fmt: skip


def _check_values(session: Session, module_id: int) -> dict[tuple[str, int, int, str], str]:
    keys = session.scalars(select(VendingKey).where(VendingKey.module_id == module_id))
    return {(key.sgc, key.krn, key.kt, key.dkga): key.kcv for key in keys}

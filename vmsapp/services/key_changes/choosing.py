"""Which vending keys there are for a meter, and why it cannot be given some of them.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.models import Algorithm, Meter, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.services.key_changes.planning import (
    Warned,
    becomes_sts6,
    check,
    check_served,
    key_warnings,
    present_key,
)
from vmsapp.services.security_modules.health import ends_at


@dataclass(frozen=True, slots=True)
class Choice:
    """A vending key, as one that a meter might be given.

    Attributes:
        key: With its module, and how that is.
        own: The meter has it now; chosen, it brings another tariff index alone.
        ends_at: The first moment at which no token can be made with it any more.
        ended: That is past.
        refusal: Why it cannot be chosen.
        warned: What to think of it.
    """

    key: VendingKey
    own: bool
    ends_at: datetime
    ended: bool
    refusal: VmsError | None
    warned: tuple[Warned, ...]


def choices(session: Session, meter: Meter) -> list[Choice]:
    """List the keys of all modules in use: the meter's own, those it can get, then the others.

    A key that the meter's module holds, too, is listed there alone.

    Raises:
        NoModule, MeterWithoutKey: Nothing can be made for the meter.
    """
    old = present_key(session, meter)
    sts6, now = becomes_sts6(session, meter), now_utc()
    served = {
        Algorithm(row.algorithm).dkga: row.module_id
        for row in session.execute(select(SmAlgorithm.algorithm, SmAlgorithm.module_id))
    }
    keys = session.scalars(
        select(VendingKey)
        .join(VendingKey.module)
        .options(contains_eager(VendingKey.module).joinedload(SecurityModule.health))
        .where(SecurityModule.retired_at.is_(None))
        .order_by(
            (VendingKey.module_id != old.module_id), VendingKey.sgc, VendingKey.krn,
            VendingKey.kt, VendingKey.dkga, VendingKey.module_id,
        )
    ).all()  # fmt: skip

    def choice(key: VendingKey) -> Choice:
        refusal = None
        try:
            if key.id != old.id:
                _check_module(key, old, served.get(key.dkga))
                check(old, key, now, sts6=sts6)
        except VmsError as error:
            refusal = error
        ends = ends_at(key)
        warned = () if refusal else tuple(key_warnings(key, meter))
        return Choice(key, key.id == old.id, ends, ends <= now, refusal, warned)

    found = [choice(key) for key in _once(keys)]
    return sorted(found, key=lambda one: (not one.own, one.refusal is not None))


def _check_module(key: VendingKey, old: VendingKey, serving: int | None) -> None:
    """Ask that one module holds both keys and serves them.

    Raises:
        NotServed, TwoModules: It does not.
    """
    check_served(serving, old.module_id)
    check_served(key.module_id, old.module_id)


def _once(keys: Sequence[VendingKey]) -> Iterator[VendingKey]:
    """Leave out what a module listed before has, too."""
    seen = set()
    for key in keys:
        name = (key.sgc, key.krn, key.kt, key.dkga)
        if name not in seen:
            seen.add(name)
            yield key

"""Which key the tokens of a meter are made under now, and which set goes before them.

From the moment a change is completed until somebody says what the meter did, its tokens are
made under the new key, and the set is handed out before each. While a set is being made no
other token is.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import Session

from vmsapp.models import OPEN_CHANGES, Algorithm, ChangeState, KeyChange, Meter
from vmsapp.models.key_change import DKGAS
from vmsapp.services.key_changes.errors import KeyChangeUnderway

change = KeyChange.__table__.c  # past the scope: a meter has one key, whoever asks


@dataclass(frozen=True, slots=True)
class KeyInForce:
    """What names the decoder key of a meter, but for the vending key's own base date and KEN.

    Attributes:
        change_id: The change whose set goes before each token.
    """

    algorithm: Algorithm
    sgc: str
    krn: int
    kt: int
    ti: str
    change_id: int | None = None


def key_in_force(session: Session, meter: Meter) -> KeyInForce:
    """Read a meter again, and tell under which key a token for it is made now.

    Every credit and engineering token asks here, under the meter's locks.

    Raises:
        KeyChangeUnderway: A set is being made.
    """
    rows = session.execute(_with_open_changes(), {"meter_id": meter.id}).all()
    if any(row.state == ChangeState.RESERVED for row in rows):
        raise KeyChangeUnderway(drn=meter.drn, meter_id=meter.id)
    row = rows[0]
    if row.id is None:
        algorithm = Algorithm(meter.algorithm)
        return KeyInForce(algorithm, meter.sgc, meter.krn, meter.kt, meter.ti)
    return KeyInForce(DKGAS[row.new_dkga], row.new_sgc, row.new_krn, row.new_kt, row.new_ti, row.id)


@cache
def _with_open_changes() -> Select[*tuple[Any, ...]]:
    """Make the statement once: that takes longer than to run it."""
    meter_id: BindParameter[int] = bindparam("meter_id")
    return (
        select(Meter, change.id, change.state, change.new_sgc, change.new_krn, change.new_kt,
               change.new_ti, change.new_dkga)
        .outerjoin(
            KeyChange.__table__,
            (change.meter_pan == Meter.meter_pan) & change.state.in_(OPEN_CHANGES),
        )
        .where(Meter.id == meter_id)
        .execution_options(populate_existing=True)
    )  # fmt: skip


def newest_open() -> ScalarSelect[int]:
    """Select the id of the newest open change of the ``Meter`` a statement reads."""
    return (
        select(func.max(change.id))
        .where(change.meter_pan == Meter.meter_pan, change.state.in_(OPEN_CHANGES))
        .correlate(Meter)
        .scalar_subquery()
    )


def being_made(session: Session, meter_pans: Iterable[str]) -> set[str]:
    """Tell for which of these meters a set is being made, by their MeterPANs."""
    return set(session.scalars(
        select(change.meter_pan)
        .where(change.state == ChangeState.RESERVED, change.meter_pan.in_(list(meter_pans)))
    ))  # fmt: skip


def is_open(session: Session, meter_pan: str) -> bool:
    """Tell whether nobody knows yet which key a meter has."""
    found = select(change.id).where(
        change.meter_pan == meter_pan, change.state.in_(OPEN_CHANGES)
    ).limit(1)  # fmt: skip
    return session.scalar(found) is not None

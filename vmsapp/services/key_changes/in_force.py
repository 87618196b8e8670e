"""Which key the tokens of a meter are made under now, and which set goes before them.

From the moment a change is completed until somebody says what the meter did, its tokens are
made under the new key, and the set is handed out before each. While a set is being made no
other token is.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Row, ScalarSelect, Select, bindparam, func, select
from sqlalchemy.orm import Session

from vmsapp.models import OPEN_CHANGES, Algorithm, ChangeState, KeyChange, Meter
from vmsapp.models.key_change import DKGAS
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.statements import made_once

change = KeyChange.__table__.c  # past the scope: a meter has one key, whoever asks

IS_OPEN: Final = (change.meter_pan == Meter.meter_pan) & change.state.in_(OPEN_CHANGES)
"""Joins to a ``Meter`` its open change; there is one at most."""

OF_CHANGE: Final = (
    change.id.label("change_id"), change.state.label("change_state"), change.new_sgc,
    change.new_krn, change.new_kt, change.new_ti, change.new_dkga,
)  # fmt: skip
"""What of it tells the key that is in force."""


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
    return told_by(meter, session.execute(_with_open_changes(), {"meter_id": meter.id}).one())


def told_by(meter: Meter, row: Row[*tuple[Any, ...]]) -> KeyInForce:
    """Tell the same of a meter that was just read, with its open change.

    Args:
        meter: The meter.
        row: Holds the columns of ``OF_CHANGE``, empty where no change is open.

    Raises:
        KeyChangeUnderway: A set is being made.
    """
    if row.change_state == ChangeState.RESERVED:
        raise KeyChangeUnderway(drn=meter.drn, meter_id=meter.id)
    if row.change_id is None:
        algorithm = Algorithm(meter.algorithm)
        return KeyInForce(algorithm, meter.sgc, meter.krn, meter.kt, meter.ti)
    return KeyInForce(
        DKGAS[row.new_dkga], row.new_sgc, row.new_krn, row.new_kt, row.new_ti, row.change_id
    )


@made_once
def _with_open_changes() -> Select[*tuple[Any, ...]]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    return (
        select(Meter, *OF_CHANGE)
        .outerjoin(KeyChange.__table__, IS_OPEN)
        .where(Meter.id == meter_id)
        .execution_options(populate_existing=True)
    )


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

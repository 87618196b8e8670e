"""Which key the tokens of a meter are made under now, and which set goes before them.

From the moment a change is completed until somebody says what the meter did, its tokens are
made under the new key, and the set is handed out before each. While a set is being made no
other token is.

Source: SALE.md, "10. Key change".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    case,
    func,
    select,
)
from sqlalchemy.orm import Session

from vmsapp.models import (
    OPEN_CHANGES,
    Algorithm,
    ChangeState,
    KeyChange,
    Meter,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.models.key_change import DKGAS
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.statements import made_once

change = KeyChange.__table__.c  # past the scope: a meter has one key, whoever asks


def _newest_open() -> ScalarSelect[int]:
    """Select the id of the newest open change of the ``Meter`` a statement reads.

    Two are open while the set back of a refused change is being made.
    """
    return (
        select(func.max(change.id))
        .where(change.meter_pan == Meter.meter_pan, change.state.in_(OPEN_CHANGES))
        .correlate(Meter)
        .scalar_subquery()
    )


IS_NEWEST_OPEN: Final = (
    (change.meter_pan == Meter.meter_pan) & change.closed_at.is_(None)
    & (change.id == _newest_open())
)  # fmt: skip
"""Joins that change to a ``Meter``. Its number alone would do, but where the table was empty when
PostgreSQL planned, each row that a campaign wrote since is looked at, and asked for the newest."""

IS_BEING_CHANGED: Final = (
    (change.meter_pan == Meter.meter_pan) & change.closed_at.is_(None) & change.undoes_id.is_(None)
)
"""Joins to a ``Meter`` the change to another key that is open; there is one at most. One that takes
a change back ends at the key of the record."""

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
        .outerjoin(KeyChange.__table__, IS_NEWEST_OPEN)
        .where(Meter.id == meter_id)
        .execution_options(populate_existing=True)
    )


def with_module(
    statement: Select[*tuple[Any, ...]],
    changes: Any = KeyChange.__table__,  # noqa: ANN401 - the table, or the class within the scope
) -> Select[*tuple[Any, ...]]:
    """Join to a statement's ``Meter`` its open change, and the module that makes its tokens now.

    Args:
        statement: Reads a ``Meter``.
        changes: What is joined as its change: the class where it is read as such.
    """
    return statement.outerjoin(changes, IS_NEWEST_OPEN).outerjoin(
        SmAlgorithm, SmAlgorithm.algorithm == algorithm_now()
    )


def with_key(
    statement: Select[*tuple[Any, ...]],
    changes: Any = KeyChange.__table__,  # noqa: ANN401 - likewise
) -> Select[*tuple[Any, ...]]:
    """Join the same, and the vending key with which that module makes them."""
    key = VendingKey
    dkga = case(
        (algorithm_now() == Algorithm.LEGACY.value, Algorithm.LEGACY.dkga),
        else_=Algorithm.STS6.dkga,
    )
    return with_module(statement, changes).outerjoin(
        key,
        (key.module_id == SmAlgorithm.module_id) & (key.dkga == dkga)
        & (key.sgc == func.coalesce(change.new_sgc, Meter.sgc))
        & (key.krn == func.coalesce(change.new_krn, Meter.krn))
        & (key.kt == func.coalesce(change.new_kt, Meter.kt)),
    )  # fmt: skip


def algorithm_now() -> ColumnElement[str]:
    """State the algorithm of a ``Meter``'s tokens, its open change joined."""
    return case(
        (change.new_dkga.is_(None), Meter.algorithm),
        (change.new_dkga == Algorithm.LEGACY.dkga, Algorithm.LEGACY.value),
        else_=Algorithm.STS6.value,
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

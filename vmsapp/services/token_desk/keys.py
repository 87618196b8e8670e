"""Keys a meter has, had or may have, as far as our records name them; never a key itself.

Source: SALE.md, "10. Key change": from its completion until a person confirmed it, nobody knows
which of two keys the meter has.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from vmsapp.hsm.requests import KeyRef, MeterConfig
from vmsapp.models import (
    CHANGES_MADE,
    Algorithm,
    ChangeState,
    KeyChange,
    Meter,
    Sale,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.models.key_change import DKGAS
from vmsapp.sts.identifiers import BaseDate, KeyType

change = KeyChange.__table__.c  # past the scope: the meter was seen, and its keys are its own
sale = Sale.__table__.c

MOST_KEYS: Final = 12
"""A token that no key of so many reads is some other meter's, or mistyped."""

MOST_DEFAULT: Final = 4
NEEDS_NO_GROUP: Final = (KeyType.DDTK, KeyType.DITK)
"""Types of the keys that makers give meters before a utility does."""


class Whose(StrEnum):
    """Which of the meter's keys one is."""

    PRESENT = "present"
    NEW = "new"
    """Of a change that nobody confirmed yet: the meter may have it."""
    FORMER = "former"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Name:
    """What names a decoder key, but for the meter."""

    sgc: str
    krn: int
    kt: int
    ti: str
    dkga: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key to try.

    Attributes:
        config: What the module is asked with; None where the module holds no such key.
        module_id: Which module.
        meanwhile: A change away from it is open: the meter may have another key by now.
    """

    whose: Whose
    name: Name
    config: MeterConfig | None
    module_id: int | None
    meanwhile: bool = False


def candidates(session: Session, meter: Meter) -> list[Candidate]:
    """List the keys to try, the likeliest first, each once."""
    named: dict[Name, Whose] = {}
    for whose, name in _names(session, meter):
        named.setdefault(name, whose)
    keys = _keys(session, named)
    found = [
        _candidate(meter, whose, name, keys.get((name.sgc, name.krn, name.kt, name.dkga)))
        for name, whose in named.items()
    ][: MOST_KEYS - MOST_DEFAULT]
    if Whose.NEW in named.values():
        found[0] = replace(found[0], meanwhile=True)
    return found + [
        one for one in _defaults(session, meter) if one.name not in {each.name for each in found}
    ]


def _names(session: Session, meter: Meter) -> Iterator[tuple[Whose, Name]]:
    own = Algorithm(meter.algorithm).dkga
    yield Whose.PRESENT, Name(meter.sgc, meter.krn, meter.kt, meter.ti, own)
    sides = [
        *(change[f"new_{part}"] for part in ("sgc", "krn", "kt", "ti", "dkga")),
        *(change[f"old_{part}"] for part in ("sgc", "krn", "kt", "ti", "dkga")),
    ]
    rows = session.execute(
        select(change.state, *sides)
        .where(change.meter_pan == meter.meter_pan, change.state.in_(CHANGES_MADE))
        .where(change.state != ChangeState.RESERVED)
        .order_by(change.id.desc())
        .limit(MOST_KEYS)
    ).all()
    for state, *parts in rows:
        is_open = state == ChangeState.COMPLETED
        yield (Whose.NEW if is_open else Whose.FORMER), Name(*parts[:5])
        yield Whose.FORMER, Name(*parts[5:])
    # what a correction of the record replaced stands on the sales alone
    used = (
        select(sale.sgc, sale.krn, sale.kt, sale.ti, sale.dkga)
        .where(sale.meter_id == meter.id, sale.meter_pan == meter.meter_pan)
        .distinct()
        .limit(MOST_KEYS)
    )
    for row in session.execute(used).all():
        yield Whose.FORMER, Name(*row)


def _keys(
    session: Session, names: dict[Name, Whose]
) -> dict[tuple[str, int, int, str], VendingKey]:
    wanted: list[ColumnElement[bool]] = [
        (VendingKey.sgc == name.sgc) & (VendingKey.krn == name.krn) & (VendingKey.kt == name.kt)
        & (VendingKey.dkga == name.dkga)
        for name in names
    ]  # fmt: skip
    rows = _serving(session, or_(*wanted))
    return {(key.sgc, key.krn, key.kt, key.dkga): key for key in rows}


def _serving(session: Session, *where: ColumnElement[bool]) -> list[VendingKey]:
    """Keys of the modules that serve their generation."""
    rows = session.execute(
        select(VendingKey, SmAlgorithm.algorithm)
        .join(SmAlgorithm, SmAlgorithm.module_id == VendingKey.module_id)
        .where(*where)
        .order_by(VendingKey.kt.desc(), VendingKey.sgc, VendingKey.krn)
    ).all()
    return [key for key, algorithm in rows if DKGAS[key.dkga] == algorithm]


def _defaults(session: Session, meter: Meter) -> list[Candidate]:
    rows = _serving(session, VendingKey.kt.in_([int(kt) for kt in NEEDS_NO_GROUP]))
    mine = [key for key in rows if DKGAS[key.dkga] == meter.algorithm][:MOST_DEFAULT]
    return [
        _candidate(meter, Whose.DEFAULT, Name(key.sgc, key.krn, key.kt, meter.ti, key.dkga), key)
        for key in mine
    ]


def _candidate(meter: Meter, whose: Whose, name: Name, key: VendingKey | None) -> Candidate:
    if key is None:
        return Candidate(whose, name, None, None)
    config = MeterConfig(
        meter_pan=meter.meter_pan, key=KeyRef(name.sgc, name.krn, name.kt, name.dkga), ti=name.ti,
        base_date=BaseDate(key.base_date), ken=key.ken, ea=meter.ea, tct=meter.tct,
    )  # fmt: skip
    return Candidate(whose, name, config, key.module_id)

"""Key expiry: until when each vending key serves, and how many meters need it.

A meter needs the key of the module that serves its algorithm. Meters are counted as the asker
sees them; keys that no such meter needs are for those who see everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.models import Algorithm, Meter, MeterState, Region, SecurityModule, SmAlgorithm
from vmsapp.models import VendingKey as Key
from vmsapp.scope import below, current_sight
from vmsapp.services.reports.lines import Answer, Line, totals_of
from vmsapp.services.reports.question import Figures, Question
from vmsapp.services.security_modules.health import ends_at

Name = tuple[str, str, int, int]
"""Algorithm, supply group, revision and type of a key, as meters name it."""


class Expiry(NamedTuple):
    """A key, and when it ends.

    Attributes:
        ends_on: The UTC day of the first moment at which it makes no token; ``None`` where
            no module in service has it.
    """

    algorithm: str
    sgc: str
    krn: int
    kt: int
    base_date: str
    module: str
    module_id: int
    ends_on: date | None
    days: int | None


@dataclass(frozen=True, slots=True)
class Metered(Figures):
    """Meters in use that need a key."""

    meters: int = 0


ALL = Expiry("", "", 0, 0, "", "", 0, None, None)


def key_report(session: Session, question: Question) -> Answer[Metered]:
    """List the keys, those that end first at the top, and what meters need that is not there."""
    needed = _needed(session, question)
    served = {row.algorithm: row.module_id for row in session.scalars(select(SmAlgorithm))}
    keys = session.scalars(
        select(Key)
        .join(Key.module)
        .where(SecurityModule.retired_at.is_(None))
        .options(joinedload(Key.module))
    ).all()
    lines = [*_held(keys, needed, served), *_missing(keys, needed, served)]
    seen = [line for line in lines if line.figures.meters or current_sight().everything]
    seen.sort(key=lambda line: (line.apart.ends_on or date.min, line.name))
    return Answer(seen, totals_of(seen, lambda _apart: ALL))


def _needed(session: Session, question: Question) -> dict[Name, int]:
    named = (Meter.algorithm, Meter.sgc, Meter.krn, Meter.kt)
    statement = select(*named, func.count()).where(Meter.state != MeterState.RETIRED)
    if question.region_id is not None:
        region = Region.__table__.c
        top = select(region.path).where(region.id == question.region_id).scalar_subquery()
        inside = select(region.id).where(below(region.path, top))
        statement = statement.where(Meter.region_id.in_(inside))
    rows = session.execute(statement.group_by(*named))
    return {(algorithm, sgc, krn, kt): count for algorithm, sgc, krn, kt, count in rows}


def _name(key: Key) -> Name:
    algorithm = next(one for one in Algorithm if one.dkga == key.dkga)
    return algorithm.value, key.sgc, key.krn, key.kt


def _held(
    keys: Iterable[Key], needed: Mapping[Name, int], served: Mapping[str, int]
) -> Iterable[Line[Metered]]:
    now = now_utc()
    for key in keys:
        name, end = _name(key), ends_at(key)
        serves = served.get(name[0]) == key.module_id
        apart = Expiry(
            *name, key.base_date, key.module.name, key.module_id, end.date(), (end - now).days
        )
        yield Line(key.id, key.sgc, apart, Metered(needed.get(name, 0) if serves else 0))


def _missing(
    keys: Iterable[Key], needed: Mapping[Name, int], served: Mapping[str, int]
) -> Iterable[Line[Metered]]:
    there = {_name(key) for key in keys if served.get(_name(key)[0]) == key.module_id}
    for number, name in enumerate(sorted(set(needed) - there), 1):
        apart = Expiry(*name, "", "", 0, None, None)
        yield Line(-number, name[1], apart, Metered(needed[name]))

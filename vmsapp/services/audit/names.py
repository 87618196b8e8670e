"""Names of what events are about, as far as the reader sees it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import String, cast, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp.models import (
    AuditEvent,
    Campaign,
    Consumer,
    Meter,
    OfficeUser,
    Product,
    Region,
    SecurityModule,
    Tariff,
    TariffPlan,
    VendingPoint,
)
from vmsapp.models.user import Role
from vmsapp.scope import current_sight

Subject = tuple[str, int]
"""A kind of thing, and which of them."""

LONGEST_ID: Final = 9
"""Digits that every column of ids can be compared with."""

NAMED: Final[Mapping[str, InstrumentedAttribute[Any]]] = {
    "user": OfficeUser.username,
    "user_group": Role.name,
    "region": Region.name,
    "product": Product.model,
    "vending_point": VendingPoint.name,
    "tariff": Tariff.name,
    "tariff_plan": TariffPlan.name,
    "security_module": SecurityModule.name,
    "consumer": Consumer.number,
    "meter": Meter.drn,
    "campaign": Campaign.name,
}
"""The column by which a thing of each kind is called."""

CALLED: Final = ("name", "model", "username", "drn", "number")
"""What that column is called in an event's details."""


def subject_of(event: AuditEvent) -> Subject:
    """Tell what an event was done to; its number is 0 if that kind of thing has no name."""
    return event.subject, _number(event.subject_id) if event.subject in NAMED else 0


def point_of(event: AuditEvent) -> Subject:
    """Tell at which vending point it was done; its number is 0 if at none."""
    return "vending_point", event.vending_point_id or 0


def names_of(session: Session, subjects: Iterable[Subject]) -> dict[Subject, str]:
    """Name what the asker sees of them, in one statement at most."""
    wanted: dict[str, set[int]] = {}
    for kind, number in subjects:
        if number:
            wanted.setdefault(kind, set()).add(number)
    if not wanted:
        return {}
    named = union_all(
        *(
            select(literal(kind).label("kind"), key.label("id"), cast(name, String).label("name"))
            .where(key.in_(sorted(numbers)))
            for kind, numbers in wanted.items()
            for name, key in [(NAMED[kind], NAMED[kind].class_.id)]
        )
    ).subquery()  # fmt: skip
    rows = session.execute(select(named.c.kind, named.c.id, named.c.name))
    return {(kind, number): name for kind, number, name in rows}


def name_then(event: AuditEvent) -> str:
    """Read what a thing was called out of its own event, for it may be gone since.

    Only for who sees everything: to others it may be there and not theirs to see.
    """
    if event.subject not in NAMED or not current_sight().everything:
        return ""
    sides = (event.details, event.details.get("after"), event.details.get("before"))
    known = (side.get(called) for side in sides if isinstance(side, dict) for called in CALLED)
    return next((name for name in known if isinstance(name, str)), "")


def _number(text: str | None) -> int:
    if text and text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID:
        return int(text)
    return 0

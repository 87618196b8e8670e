"""What a new instance still lacks before a token can be sold: the steps, and what is there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, exists, func, literal, select, true
from sqlalchemy.orm import Session

from vmsapp.models import (
    Consumer,
    Meter,
    MeterInstallation,
    Product,
    Region,
    ServicePoint,
    Setup,
    SmAlgorithm,
    TariffPlan,
    VendingKey,
    VendingPoint,
)
from vmsapp.models.base import Model
from vmsapp.scope import unscoped

MOST: Final = 1000
"""Rows are counted as far as this: a checklist need not know how many millions there are."""

WHY: Final = "whether an instance is ready does not depend on who asks"

STEPS: Final[dict[str, type[Model]]] = {
    "region": Region,
    "product": Product,
    "vending_point": VendingPoint,
    "tariff": TariffPlan,
    "security_module": VendingKey,
    "setup": Setup,
    "consumer": Consumer,
    "meter": Meter,
}
"""In the order in which they are done, each with the table that tells it is done.

A security module is ready when it serves an algorithm and has a vending key; a meter when it
has a tariff and is bound to a consumer.
"""

NEEDS: Final[Mapping[str, Collection[str]]] = {
    "vending_point": ("region",),
    "tariff": ("setup",),
    "consumer": ("region",),
    "meter": ("region", "product"),
}
"""Steps that cannot be done before others; a tariff's prices are in the currency of Setup."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of the steps.

    Attributes:
        count: Rows there are, at most ``MOST`` and one more.
        state: ``done``, ``next`` for the first that can be done now, else ``later``.
        waits_for: The first missing step that must be done before this one.
    """

    name: str
    count: int
    state: str
    waits_for: str | None = None

    @property
    def begun(self) -> bool:
        """Whether there is something, though nothing that is ready."""
        return self.state != "done" and self.count > 0


def first_steps(session: Session, doable: Collection[str] = STEPS) -> list[Step]:
    """Look how far an instance is, in one statement.

    Args:
        session: To read with.
        doable: Steps that whoever asks can do; the next one is one of them.
    """
    counts = []
    for name, model in STEPS.items():
        most = 1 if model is Setup else MOST + 1  # of dated rows one is in force
        some = select(literal(1).label("one")).select_from(model).limit(most)
        if name == "security_module":
            some = some.where(exists(SmAlgorithm.algorithm))
        counts.append(select(func.count()).select_from(some.subquery()).scalar_subquery())
    with unscoped(WHY):
        *found, sold_to = session.execute(select(*counts, _meter_ready())).one()
    there = dict(zip(STEPS, found, strict=True))
    done = {name: bool(count) for name, count in there.items()} | {"meter": bool(sold_to)}
    waits = {
        name: next((need for need in NEEDS.get(name, ()) if not there[need]), None)
        for name in there if not done[name]
    }  # fmt: skip
    up = next((name for name, need in waits.items() if need is None and name in doable), None)
    return [
        Step(name, count, "done" if done[name] else "next" if name == up else "later",
             waits.get(name))
        for name, count in there.items()
    ]  # fmt: skip


def is_ready(session: Session) -> bool:
    """Tell whether no step is missing."""
    there = [exists(select(literal(1)).select_from(model)) for model in STEPS.values()]
    with unscoped(WHY):
        every = select(true()).where(*there, exists(SmAlgorithm.algorithm), _meter_ready())
        return session.scalar(every) is not None


def _meter_ready() -> ColumnElement[bool]:
    hangs = MeterInstallation.removed_at.is_(None), MeterInstallation.meter_id == Meter.id
    there = ServicePoint.id == MeterInstallation.service_point_id
    return exists(literal(1)).where(
        *hangs, there, ServicePoint.consumer_id.is_not(None), Meter.tariff_id.is_not(None)
    )

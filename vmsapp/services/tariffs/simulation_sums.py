"""What a simulation adds up: few figures, however many sales there are.

While it runs it holds one place's figures, the sums of all places before, the ten that win and
lose most and the first refusals. All of it goes into a row as JSON, and comes back from there.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from vmsapp.models.simulation import Basis

MOST_NAMED: Final = 10
"""Winners, and losers, that are named."""

MOST_REFUSED: Final = 50
"""Refused sales that are listed; all are counted."""

PARTS: Final = ("energy", "fee", "penalty", "tax", "rounding")
"""What an amount is made of."""

PART_OF: Final = {
    "energy": "energy", "fee": "fee", "fee_arrears": "fee", "penalty": "penalty",
    "tax": "tax", "levy": "tax", "rounding": "rounding",
}  # fmt: skip
"""Which part a line of a calculation belongs to; debts are no price and are left out."""


@dataclass(slots=True)
class Figures:
    """Sums of some places, as they were and as they would be.

    Attributes:
        places: Places with a sale that was priced.
        sales: Priced ones; what is refused stands apart.
        real_minor, draft_minor: What was paid, and what would be, minor units; without debts.
        real_units, draft_units: The same of units.
        real_parts, draft_parts: What the amounts are made of, by ``PARTS``.
        better, worse: Places that would pay less, or get more units for their money; and those
            the other way.
    """

    places: int = 0
    sales: int = 0
    real_minor: int = 0
    draft_minor: int = 0
    real_units: Decimal = Decimal(0)
    draft_units: Decimal = Decimal(0)
    real_parts: Counter[str] = field(default_factory=Counter)
    draft_parts: Counter[str] = field(default_factory=Counter)
    better: int = 0
    worse: int = 0

    @property
    def minor(self) -> int:
        """By how much more would be paid."""
        return self.draft_minor - self.real_minor

    @property
    def units(self) -> Decimal:
        """How many more units would be bought."""
        return self.draft_units - self.real_units

    @property
    def same(self) -> int:
        """Places for which nothing would change."""
        return self.places - self.better - self.worse

    def gain(self, basis: str) -> Decimal:
        """How much better off: money saved, or units gained."""
        return Decimal(-self.minor) if basis == Basis.UNITS else self.units

    def add(self, other: "Figures") -> None:
        """Add those of more places."""
        for name in ("places", "sales", "real_minor", "draft_minor", "real_units", "draft_units",
                     "better", "worse"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.real_parts.update(other.real_parts)
        self.draft_parts.update(other.draft_parts)

    def as_json(self) -> dict[str, Any]:
        """Write them as JSON can hold them."""
        return {
            "places": self.places, "sales": self.sales, "better": self.better, "worse": self.worse,
            "real_minor": self.real_minor, "draft_minor": self.draft_minor,
            "real_units": f"{self.real_units:f}", "draft_units": f"{self.draft_units:f}",
            "real_parts": dict(self.real_parts), "draft_parts": dict(self.draft_parts),
        }  # fmt: skip

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Figures":
        """Read what ``as_json`` wrote."""
        exact = {name: Decimal(kept[name]) for name in ("real_units", "draft_units")}
        parts = {name: Counter(kept[name]) for name in ("real_parts", "draft_parts")}
        return cls(**{**kept, **exact, **parts})


def parts_of(lines: Iterable[tuple[str, int]]) -> Counter[str]:
    """Add the lines of a calculation up by what they are for."""
    found: Counter[str] = Counter()
    for kind, minor in lines:
        if kind in PART_OF:
            found[PART_OF[kind]] += minor
    return found


@dataclass(frozen=True, order=True, slots=True)
class Named:
    """A place that wins or loses, by how much, and what stands behind it."""

    gain: Decimal
    place_id: int
    meter_id: int
    consumer_id: int
    real_minor: int
    draft_minor: int
    real_units: str
    draft_units: str


@dataclass(slots=True)
class Sums:
    """All that is kept of a simulation.

    Attributes:
        edges: Monthly units at which a band ends; behind the last lies an open one.
        bands: Figures of each band, by the units a place really bought in the month.
        products: The same by the product of the meter.
        winners, losers: The places that win and lose most, the most first.
        refused: How many sales the draft refuses, by the code of the sentence.
        refusals: The first of them.
        refused_minor: What was paid for them.
        older_minor: Missed fees of months before, which the draft leaves as they are.
        in_money: Sales of money on tokens: their meters rate themselves.
        walked: Places that are through, with and without a sale.
    """

    basis: str
    edges: list[str]
    total: Figures = field(default_factory=Figures)
    bands: list[Figures] = field(default_factory=list)
    products: dict[int, Figures] = field(default_factory=dict)
    winners: list[Named] = field(default_factory=list)
    losers: list[Named] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    refused_minor: int = 0
    older_minor: int = 0
    in_money: int = 0
    walked: int = 0

    def __post_init__(self) -> None:
        self.bands = self.bands or [Figures() for _ in range(len(self.edges) + 1)]

    def close(
        self, place: Figures, place_id: int, product_id: int, meter_id: int, consumer_id: int
    ) -> None:
        """Take in a place whose sales are all through."""
        if not place.sales:
            return
        gain = place.gain(self.basis)
        place.places, place.better, place.worse = 1, int(gain > 0), int(gain < 0)
        self.total.add(place)
        self.bands[self._band(place.real_units)].add(place)
        self.products.setdefault(product_id, Figures()).add(place)
        named = Named(
            gain, place_id, meter_id, consumer_id, place.real_minor, place.draft_minor,
            f"{place.real_units:f}", f"{place.draft_units:f}",
        )  # fmt: skip
        if gain > 0:
            self.winners = heapq.nlargest(MOST_NAMED, [*self.winners, named])
        if gain < 0:
            self.losers = heapq.nsmallest(MOST_NAMED, [*self.losers, named])

    def refuse(self, sale_id: int, paid_minor: int, problem: Mapping[str, Any]) -> None:
        """Count a sale that the draft refuses."""
        self.refused[problem["code"]] += 1
        self.refused_minor += paid_minor
        if len(self.refusals) < MOST_REFUSED:
            self.refusals.append({"sale_id": sale_id, "paid_minor": paid_minor, **problem})

    def _band(self, units: Decimal) -> int:
        """Bands are (start, end], as steps are."""
        return sum(units > Decimal(edge) for edge in self.edges)

    @property
    def held(self) -> int:
        """Rows of sales and places held: a few, however many there were."""
        return len(self.winners) + len(self.losers) + len(self.refusals)

    def as_json(self) -> dict[str, Any]:
        """Write it as JSON can hold it."""
        return {
            "basis": self.basis, "edges": self.edges, "total": self.total.as_json(),
            "bands": [one.as_json() for one in self.bands],
            "products": {str(key): one.as_json() for key, one in self.products.items()},
            "winners": [_named(one) for one in self.winners],
            "losers": [_named(one) for one in self.losers],
            "refused": dict(self.refused), "refusals": self.refusals,
            "refused_minor": self.refused_minor, "older_minor": self.older_minor,
            "in_money": self.in_money, "walked": self.walked,
        }  # fmt: skip

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Sums":
        """Read what ``as_json`` wrote."""
        named = {
            name: [Named(**{**one, "gain": Decimal(one["gain"])}) for one in kept[name]]
            for name in ("winners", "losers")
        }
        return cls(**{
            **kept, **named, "total": Figures.of(kept["total"]),
            "bands": [Figures.of(one) for one in kept["bands"]],
            "products": {int(key): Figures.of(one) for key, one in kept["products"].items()},
            "refused": Counter(kept["refused"]), "refusals": list(kept["refusals"]),
        })  # fmt: skip


def _named(one: Named) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Named.__slots__} | {"gain": f"{one.gain:f}"}

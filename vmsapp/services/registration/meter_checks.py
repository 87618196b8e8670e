"""What is wrong with meters that are to be registered or changed.

Everything a row is compared with is read once for all rows: ``Known``. Then each row is looked
at by itself, and all that is wrong with it is said.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import (
    Algorithm,
    CreditMode,
    Meter,
    Product,
    Region,
    SmAlgorithm,
    Tariff,
    VendingKey,
)
from vmsapp.scope import unscoped
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.rows import among
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import drn as drns

AT_ONCE: Final = 2_000
"""Rows asked for in one statement: no database takes more parameters than it can."""

CIPHERS: Final = {Algorithm.LEGACY: (7,), Algorithm.STS6: (7, 11)}
BASE_DATES: Final = ("93", "14", "35")
CREDIT_MODES: Final = frozenset(CreditMode)
KEY_TYPES: Final = frozenset(identifiers.KeyType)
CARRIERS: Final = frozenset(identifiers.TokenCarrier)
YEARS: Final = {"93": "1993", "14": "2014", "35": "2035"}
DEFAULT_BASE_DATE: Final = "14"
"""Where neither the row nor a vending key says: the one in force since 1993 ended."""

SGC: Final = re.compile(r"[0-9]{6}")
TI: Final = re.compile(r"[0-9]{2}")

pan_of = lru_cache(maxsize=4 * AT_ONCE)(identifiers.meter_pan.of_drn)
"""The MeterPAN of a number, which a chunk of rows asks for more than once."""

Value = TypeVar("Value", int, str)
Column = tuple[str, VmsError]
"""A fault of one row: the draft's field, and the rule broken."""


@dataclass(frozen=True, slots=True)
class KeyOf:
    """The public side of a vending key, as far as a meter's record depends on it."""

    base_date: str
    ken: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A meter that has a number already."""

    meter_id: int
    state: str
    seen: bool


@dataclass(frozen=True, slots=True)
class Added:
    """A meter that was registered.

    Attributes:
        columns: What ``columns_of`` made of its row.
        brought_back: It was on record before, as retired.
    """

    meter_id: int
    columns: Mapping[str, Any]
    brought_back: bool


@dataclass(frozen=True, slots=True)
class Known:
    """What rows are compared with, by id or name.

    Attributes:
        products: Model, meter type and manufacturer code.
        tariffs: Name, meter type, and whether it is retired.
        regions: Names of those the asker sees.
        keys: By algorithm, supply group, revision and key type.
    """

    products: Mapping[int, tuple[str, str, str]]
    tariffs: Mapping[int, tuple[str, str, bool]]
    regions: Mapping[int, str]
    keys: Mapping[tuple[str, str, int, int], KeyOf]

    def key_of(self, draft: MeterDraft) -> KeyOf | None:
        """The vending key a meter's tokens would be made with."""
        return self.keys.get((draft.algorithm, draft.sgc, draft.krn or 0, draft.kt or 0))


def known(session: Session, drafts: Sequence[MeterDraft]) -> Known:
    """Read what these rows are compared with; regions in the asker's scope."""
    products = {draft.product_id for draft in drafts if draft.product_id is not None}
    tariffs = {draft.tariff_id for draft in drafts if draft.tariff_id is not None}
    regions = {draft.region_id for draft in drafts if draft.region_id is not None}
    made_of = (Product.id, Product.model, Product.meter_type, Product.manufacturer_code)
    priced = (Tariff.id, Tariff.name, Tariff.meter_type, Tariff.retired)
    return Known(
        products={
            row[0]: (row[1], row[2], row[3])
            for some in batches(products)
            for row in session.execute(select(*made_of).where(Product.id.in_(some)))
        },
        tariffs={
            row[0]: (row[1], row[2], row[3])
            for some in batches(tariffs)
            for row in session.execute(select(*priced).where(Tariff.id.in_(some)))
        },
        regions={
            row[0]: row[1]
            for some in batches(regions)
            for row in session.execute(select(Region.id, Region.name).where(Region.id.in_(some)))
        },
        keys=_keys(session, {draft.sgc for draft in drafts}),
    )


def batches(values: Iterable[Value]) -> Iterator[list[Value]]:
    """Give values in order, as many at a time as one statement takes."""
    ordered = sorted(values)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _keys(session: Session, sgcs: set[str]) -> dict[tuple[str, str, int, int], KeyOf]:
    key = VendingKey
    told = (SmAlgorithm.algorithm, key.sgc, key.krn, key.kt, key.dkga, key.base_date, key.ken)
    serving = select(*told).join(SmAlgorithm, SmAlgorithm.module_id == key.module_id)
    return {
        (row.algorithm, row.sgc, row.krn, row.kt): KeyOf(row.base_date, row.ken)
        for some in batches(sgcs)
        for row in session.execute(serving.where(key.sgc.in_(some)))
        if Algorithm(row.algorithm).dkga == row.dkga
    }


def taken(session: Session, pans: Iterable[str]) -> dict[str, Taken]:
    """Tell which numbers meters have already, of whatever region, retired ones included."""
    table = Meter.__table__.c
    found: dict[str, Taken] = {}
    with unscoped("a number is unique over all regions"):
        for some in batches(set(pans)):
            rows = select(table.meter_pan, table.id, table.state).where(
                among(session, table.meter_pan, some)
            )
            found |= {
                pan: Taken(meter_id, state, seen=False)
                for pan, meter_id, state in session.execute(rows)
            }
    ids = [one.meter_id for one in found.values()]
    seen = {
        number
        for some in batches(ids)
        for number in session.scalars(select(Meter.id).where(among(session, Meter.id, some)))
    }
    return {pan: Taken(one.meter_id, one.state, one.meter_id in seen) for pan, one in found.items()}


def faults_of(draft: MeterDraft, facts: Known) -> Iterator[Column]:
    """Say all that is wrong with a row by itself, but for its number."""
    yield from _thing_faults(draft, facts)
    yield from _key_faults(draft, facts)


def _thing_faults(draft: MeterDraft, facts: Known) -> Iterator[Column]:
    product = facts.products.get(draft.product_id or 0)
    if product is None:
        yield "product_id", wrong.ProductMissing()
    elif draft.meter_type not in {"", product[1]}:
        error = wrong.TypeOfProduct(
            product=product[0], product_type=product[1], meter_type=draft.meter_type
        )
        yield "meter_type", error
    if draft.region_id not in facts.regions:
        yield "region_id", wrong.RegionMissing()
    if draft.credit_mode not in CREDIT_MODES:
        yield "credit_mode", wrong.CreditModeUnknown()
    if draft.tariff_id is None:
        return
    tariff = facts.tariffs.get(draft.tariff_id)
    if tariff is None:
        yield "tariff_id", wrong.TariffMissing()
    elif product is not None and tariff[1] != product[1]:
        other = wrong.TariffOfOtherType(
            tariff=tariff[0], tariff_type=tariff[1], meter_type=product[1]
        )
        yield "tariff_id", other


def _key_faults(draft: MeterDraft, facts: Known) -> Iterator[Column]:
    ciphers = CIPHERS.get(draft.algorithm)  # type: ignore[call-overload] # a text as typed
    if ciphers is None:
        yield "algorithm", wrong.AlgorithmUnknown()
    elif draft.ea not in ciphers:
        yield "ea", wrong.CipherWrong()
    if not SGC.fullmatch(draft.sgc):
        yield "sgc", wrong.SgcWrong()
    if not TI.fullmatch(draft.ti):
        yield "ti", wrong.TiWrong()
    if draft.krn is None or not 1 <= draft.krn <= 9:
        yield "krn", wrong.KrnWrong()
    if draft.kt not in KEY_TYPES:
        yield "kt", wrong.KtWrong()
    if draft.tct not in CARRIERS:
        yield "tct", wrong.TctWrong()
    key = facts.key_of(draft)
    if draft.base_date not in {"", *BASE_DATES}:
        yield "base_date", wrong.BaseDateWrong()
    elif key is not None and draft.base_date not in {"", key.base_date}:
        error = wrong.BaseDateOfKey(sgc=draft.sgc, krn=draft.krn or 0, year=YEARS[key.base_date])
        yield "base_date", error


def tariff_fault(draft: MeterDraft, facts: Known, now: int | None) -> Iterator[Column]:
    """Refuse a retired tariff, unless the meter has it now."""
    tariff = facts.tariffs.get(draft.tariff_id or 0)
    if tariff is not None and tariff[2] and draft.tariff_id != now:
        yield "tariff_id", wrong.TariffRetired(tariff=tariff[0])


def warnings_of(draft: MeterDraft, facts: Known) -> Iterator[Column]:
    """Say what is odd about a row without mistakes, and yet may be."""
    product, number = facts.products[draft.product_id or 0], drns.compact(draft.number)
    code = drns.manufacturer(number)
    if code != product[2]:
        error = wrong.ProductOfOtherMaker(
            number=drns.format(number), code=code, product=product[0], wanted=product[2]
        )
        yield "number", error
    if draft.tariff_id is None:
        yield "tariff_id", wrong.TariffLacking(number=drns.format(number))
    if facts.key_of(draft) is None:
        assert draft.krn is not None
        lacking = wrong.KeyLacking(number=drns.format(number), sgc=draft.sgc, krn=draft.krn)
        yield "sgc", lacking


def columns_of(draft: MeterDraft, number: str, facts: Known) -> dict[str, Any]:
    """Write what a row without mistakes says into the columns of a meter."""
    key = facts.key_of(draft)
    assert draft.product_id is not None
    return {
        "drn": number,
        "meter_pan": pan_of(number),
        "meter_type": facts.products[draft.product_id][1],
        "credit_mode": draft.credit_mode,
        "algorithm": draft.algorithm,
        "product_id": draft.product_id,
        "tariff_id": draft.tariff_id,
        "region_id": draft.region_id,
        "sgc": draft.sgc,
        "krn": draft.krn,
        "kt": draft.kt,
        "ti": draft.ti,
        "base_date": draft.base_date or (DEFAULT_BASE_DATE if key is None else key.base_date),
        "ea": draft.ea,
        "tct": draft.tct,
    }


def recorded(columns: Mapping[str, Any], facts: Known) -> dict[str, Any]:
    """Write the columns of a meter for the audit trail: rows by name and id."""
    told = {name: value for name, value in columns.items() if not name.endswith("_id")}
    product, tariff = columns["product_id"], columns["tariff_id"]
    names = {
        "product": (facts.products.get(product, ("?",))[0], product),
        "tariff": (facts.tariffs.get(tariff, ("?",))[0], tariff),
        "region": (facts.regions.get(columns["region_id"], "?"), columns["region_id"]),
    }
    return told | {
        name: None if number is None else f"{word} ({number})"
        for name, (word, number) in names.items()
    }

"""The columns of a meter in a sheet, and the drafts made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_
from vmsapp.models import Meter, Product, Tariff
from vmsapp.services.imports.consumers import REGION_NOTE, offered
from vmsapp.services.regions import known_names
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.meter_page import vending_keys
from vmsapp.services.sheets.cleaners import Digits, Number, Text, Value, western
from vmsapp.services.sheets.columns import Column, told_columns
from vmsapp.services.sheets.names import Choice, Words, in_any_language

LONGEST_NUMBER: Final = 24
"""Characters of a number with what stands between its digits."""

HEADINGS: Final = {
    "number": N_("Meter number"),
    "product": N_("Product"),
    "region": N_("Region"),
    "tariff": N_("Tariff"),
    "algorithm": N_("Algorithm"),
    "sgc": N_("Supply group code (SGC)"),
    "ti": N_("Tariff index (TI)"),
    "krn": N_("Key revision number (KRN)"),
    "kt": N_("Key type (KT)"),
    "base_date": N_("Base date"),
    "ea": N_("Encryption algorithm (EA)"),
    "tct": N_("Token carrier (TCT)"),
    "credit_mode": N_("Credited with"),
}
NOTES: Final = {
    "number": N_("Needed: 11 or 13 digits with the check digit. Keep the cells as text."),
    "product": N_("Needed: the model of a product."),
    "region": REGION_NOTE,
    "algorithm": N_("Needed: Legacy or STS6."),
    "sgc": N_("Needed: 6 digits. Keep the cells as text."),
    "ti": N_("Needed: 2 digits. Keep the cells as text."),
    "krn": N_("1 to 9; left empty, 1."),
    "kt": N_("0 to 3; left empty, 2."),
    "base_date": N_("1993, 2014 or 2035; left empty, that of the vending key."),
    "ea": N_("07 or, for STS6 meters, 11; left empty, 07."),
    "tct": N_("01 magnetic card or 02 number; left empty, 02."),
    "credit_mode": N_("Units or money; left empty, units."),
}
ALGORITHMS: Final = {N_("Legacy"): "legacy", N_("STS6"): "sts6"}
CREDITS: Final = {N_("Units"): "units", N_("Money, which the meter rates itself"): "currency"}
YEARS: Final = (("1993", "93"), ("2014", "14"), ("2035", "35"))
EMPTY: Final = {"krn": 1, "kt": 2, "base_date": "", "ea": 7, "tct": 2, "credit_mode": "units",
                "tariff": None}  # fmt: skip
NEEDED: Final = frozenset({"number", "product", "region", "algorithm", "sgc", "ti"})
TOLD: Final = {
    "state": N_("State"), "blocked_reason": N_("Blocked because"), "meter_type": N_("Meter type"),
    "consumer": N_("Consumer"),
}  # fmt: skip
"""Headings of what an export tells besides, and no import changes."""
RETIRED: Final = N_("Retired")
TEXTS: Final = (
    *HEADINGS.values(), *NOTES.values(), *ALGORITHMS, *CREDITS, *TOLD.values(), RETIRED,
)  # fmt: skip

FIELDS: Final = {"product": "product_id", "region": "region_id", "tariff": "tariff_id"}
"""Columns whose draft holds an id."""


BLANK: Final[Mapping[str, Any]] = {
    "number": "", "product_id": None, "region_id": None, "algorithm": "", "sgc": "", "ti": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MeterNumber:
    """A meter number as a text; what is wrong with it as a number the service says."""

    def __call__(self, value: Value) -> str:
        """Give the text with Western digits."""
        return western(Text(LONGEST_NUMBER, exact=True)(value))


@dataclass(frozen=True, slots=True)
class Whole:
    """A small whole number."""

    least: int
    most: int

    def __call__(self, value: Value) -> int:
        """Give the number."""
        return int(Number(0, self.least, self.most)(value))


@dataclass(frozen=True, slots=True)
class SaysRetired:
    """The state as an export tells it: whether it is that of a retired meter."""

    words: Words

    def __call__(self, value: Value) -> bool:
        """Compare it with the word in every language."""
        return str(value) in {RETIRED, "retired", *self.words.get(RETIRED, {}).values()}


def meter_columns(session: Session, words: Words, language: str) -> list[Column]:
    """The columns of a meter, knowing what the session sees."""
    regions = known_names(session)
    products = session.execute(select(Product.model, Product.id).order_by(Product.model)).all()
    tariffs = session.execute(
        select(Tariff.name, Tariff.id, Tariff.retired).order_by(Tariff.name)
    ).all()
    cleaners: dict[str, Any] = {
        "number": MeterNumber(),
        "product": Choice([(row.model, row.id) for row in products]),
        "region": Choice(regions, "ambiguous_region"),
        "tariff": Choice([(row.name, row.id) for row in tariffs]),
        "algorithm": Choice([*in_any_language(ALGORITHMS, words),
                             *((code, code) for code in ALGORITHMS.values())]),
        "sgc": Digits(6, 6), "ti": Digits(2, 2), "krn": Whole(1, 9), "kt": Whole(0, 3),
        "base_date": Choice([(said, pair[1]) for pair in YEARS for said in pair]),
        "ea": Choice([("07", 7), ("7", 7), ("STA", 7), ("11", 11), ("MISTY1", 11)]),
        "tct": Choice([("01", 1), ("1", 1), ("02", 2), ("2", 2)]),
        "credit_mode": Choice([*in_any_language(CREDITS, words),
                               ("money", "currency"), ("currency", "currency")]),
    }  # fmt: skip

    def spoken(texts: Mapping[str, str]) -> list[str]:
        return [words.get(text, {}).get(language) or text for text in texts]

    choices: dict[str, Sequence[str]] = {
        "product": [row.model for row in products],
        "region": offered(regions),
        "tariff": [row.name for row in tariffs if not row.retired],
        "algorithm": spoken(ALGORITHMS), "base_date": [year for year, _ in YEARS],
        "ea": ["07", "11"], "tct": ["01", "02"], "credit_mode": spoken(CREDITS),
    }  # fmt: skip
    examples = {"number": "0700 0000 013", "sgc": "123457", "ti": "01", "krn": "1", "kt": "2"}
    for algorithm, key in vending_keys(session)[:1]:  # such meters can be sold to here
        (text,) = (text for text, code in ALGORITHMS.items() if code == algorithm)
        (examples["algorithm"],) = spoken({text: algorithm})
        examples["base_date"] = next(year for year, code in YEARS if code == key.base_date)
    taken = [
        Column(
            name, heading, cleaners[name], required=name in NEEDED, empty=EMPTY.get(name, ""),
            note=NOTES.get(name, ""), width=24 if name in {"product", "region", "tariff"} else 16,
            example=examples.get(name, ""), choices=choices.get(name, ()),
            keep_text=name in {"number", "sgc", "ti", "ea", "tct"},
        )
        for name, heading in HEADINGS.items()
    ]  # fmt: skip
    state, *told = told_columns(TOLD)
    return [*taken, replace(state, clean=SaysRetired(words)), *told]


def draft_of(meter: Meter) -> MeterDraft:
    """What a meter on record is, as a draft."""
    return MeterDraft(
        number=meter.drn, product_id=meter.product_id, region_id=meter.region_id,
        algorithm=meter.algorithm, sgc=meter.sgc, ti=meter.ti, krn=meter.krn, kt=meter.kt,
        base_date=meter.base_date, ea=meter.ea, tct=meter.tct, tariff_id=meter.tariff_id,
        meter_type=meter.meter_type, credit_mode=meter.credit_mode,
    )  # fmt: skip


def drafted(row: Mapping[str, object], base: MeterDraft | None) -> MeterDraft:
    """Make a draft of a row; a column that is missing leaves what is on record."""
    said: dict[str, Any] = {
        FIELDS.get(name, name): value for name, value in row.items() if name in HEADINGS
    }
    if base is None:
        return MeterDraft(**{**BLANK, **said})
    kept = {name: getattr(base, name) for name in base.__slots__}
    return MeterDraft(**{**kept, "meter_type": "", **said})

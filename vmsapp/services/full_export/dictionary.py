"""The data dictionary: what each file and column of an export means, as rows.

Meanings come from the models' docstrings, then from ``words``; what may stand in a column from
its type, its constraints and its foreign key.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import CheckConstraint, Column, MetaData, Table

from vmsapp.models.base import Model
from vmsapp.models.types import FixedPoint
from vmsapp.services.full_export.cells import kind_of
from vmsapp.services.full_export.left_out import COLUMNS, TABLES
from vmsapp.services.full_export.words import BY_COLUMN, BY_NAME, OLD_AND_NEW
from vmsapp.services.full_export.words import TABLES as TABLES_SAID

FOLDER: Final = "tables"
"""Where the tables' files stand."""

MONEY: Final = "_minor"
"""How the name of a column in minor units ends."""

MORE_MONEY: Final = frozenset({"setup.free_value_a_month"})
"""Columns in minor units whose names do not say so."""

CURRENCY: Final = ("currency", "exponent")
"""Added to each file that has money and does not say of which currency."""

CURRENCY_SAID: Final = (
    "ISO 4217 code of the money in this row.",
    "Decimals of the currency: minor units are 10 to the minus exponent.",
)

HEADINGS: Final = (
    "file", "column", "type", "unit", "may_be_empty", "refers_to", "values", "meaning",
)  # fmt: skip

_ENDINGS: Final = {
    MONEY: "minor units of the currency", "_percent": "percent", "_seconds": "seconds",
    "_ms": "milliseconds", "_hours": "hours", "tid": "minutes since the base date",
    "floor": "minutes since the base date",
}  # fmt: skip
_ATTRIBUTES: Final = re.compile(r" {4}([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)")
_AMONG: Final = re.compile(r"(\w+) IN \(([^()]*)\)")


class Entry(NamedTuple):
    """What a column means; the fields are ``HEADINGS``."""

    file: str
    column: str
    type: str
    unit: str
    may_be_empty: str
    refers_to: str
    values: str
    meaning: str


def exported(metadata: MetaData) -> list[Table]:
    """The tables that have a file of their own, by name."""
    return [table for name, table in sorted(metadata.tables.items()) if name not in TABLES]


def columns_of(table: Table) -> list[Column[Any]]:
    """The columns that the file of a table has, in their order."""
    return [one for one in table.columns if f"{table.name}.{one.name}" not in COLUMNS]


def added_to(table: Table) -> tuple[str, ...]:
    """Columns that the file of a table has besides: the currency of its money."""
    names = {one.name for one in columns_of(table)}
    money = any(_is_money(one) for one in columns_of(table))
    return tuple(one for one in CURRENCY if one not in names) if money else ()


def file_of(table: Table) -> str:
    """The file of a table."""
    return f"{FOLDER}/{table.name}.csv"


def about(table: Table) -> str:
    """What a table holds, in a sentence or two."""
    return TABLES_SAID.get(table.name) or _doc_of(table.name)[0]


def entries(metadata: MetaData) -> Iterator[Entry]:
    """Tell what each column of each table's file means."""
    for table in exported(metadata):
        among = _choices(table)
        for column in columns_of(table):
            yield _entry(table, column, among)
        for name, said in zip(CURRENCY, CURRENCY_SAID, strict=True):
            if name in added_to(table):
                kind = "text" if name == "currency" else "integer"
                yield Entry(file_of(table), name, kind, "", "no", "", "", said)


def _entry(table: Table, column: Column[Any], among: Mapping[str, str]) -> Entry:
    refers = next((f"{FOLDER}/{key.column.table.name}.csv: {key.column.name}"
                   for key in column.foreign_keys), "")  # fmt: skip
    return Entry(
        file_of(table), column.name, _type_of(column), _unit_of(column),
        "yes" if column.nullable or column.name == "digits" else "no",
        refers, among.get(column.name, ""), meaning(table, column),
    )  # fmt: skip


def meaning(table: Table, column: Column[Any]) -> str:
    """Tell what a column means; an empty text where nobody said it."""
    name = column.name
    said = BY_COLUMN.get(f"{table.name}.{name}") or _doc_of(table.name)[1].get(name)
    if said or name in BY_NAME:
        return said or BY_NAME[name]
    for start, words in OLD_AND_NEW.items():
        rest = name.removeprefix(start)
        if rest != name and rest in BY_NAME:
            return words + BY_NAME[rest]
    return _by_ending(name)


def _by_ending(name: str) -> str:
    deed = name.removesuffix("_by_id").removesuffix("_at").replace("_", " ")
    if name.endswith("_by_id"):
        return f"The user who did this: {deed}."
    return f"When this was: {deed}." if name.endswith("_at") else ""


def _type_of(column: Column[Any]) -> str:
    kind = kind_of(column)[0]
    return f"{kind}({column.type.scale})" if isinstance(column.type, FixedPoint) else kind


def _is_money(column: Column[Any]) -> bool:
    return column.name.endswith(MONEY) or f"{column.table.name}.{column.name}" in MORE_MONEY


def _unit_of(column: Column[Any]) -> str:
    if _is_money(column):
        return _ENDINGS[MONEY]
    if isinstance(column.type, FixedPoint):
        return "kWh, m³ or minutes, by the meter type"
    return next((unit for end, unit in _ENDINGS.items() if column.name.endswith(end)), "")


def _choices(table: Table) -> dict[str, str]:
    """What may stand in the columns that have a list of values."""
    found: dict[str, str] = {}
    for rule in table.constraints:
        if isinstance(rule, CheckConstraint) and (among := _AMONG.fullmatch(str(rule.sqltext))):
            found.setdefault(among[1], among[2].replace("'", "").replace(", ", " | "))
    return found


@cache
def _models() -> dict[str, type[Model]]:
    """The model of each table: of several the one that names the table, the product's own."""
    named = [one.class_ for one in Model.registry.mappers if "__tablename__" in vars(one.class_)]
    own = sorted(named, key=lambda one: len(one.__mro__))
    return {one.__tablename__: one for one in own}


@cache
def _doc_of(table: str) -> tuple[str, dict[str, str]]:
    """Read what a model's docstrings say of it and of its attributes."""
    model, first, found = _models().get(table), "", dict[str, str]()
    for one in reversed(model.__mro__ if model else ()):
        doc = inspect.cleandoc(one.__dict__.get("__doc__") or "")
        if one is model:
            first = _plain(doc.split("\n\n")[0])
        found |= dict(_attributes(doc.partition("Attributes:")[2]))
    return first, found


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    names: list[str] = []
    said = ""
    for line in [*text.splitlines(), ""]:
        begun = _ATTRIBUTES.match(line)
        if begun or not line.startswith("        "):
            yield from ((name, _plain(said)) for name in names)
            names, said = (begun[1].split(", "), begun[2]) if begun else ([], "")
        else:
            said += f" {line.strip()}"


def _plain(text: str) -> str:
    words = " ".join(text.replace("``", "").split())
    return words[:1].upper() + words[1:]

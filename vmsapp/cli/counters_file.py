"""Counters of a former system, read from a CSV file and set."""

import csv
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import click

from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.money import Currency, MoneyFormatError
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.counters import BadRows, CounterRow, set_counters
from vmsapp.services.setup import currency_of, setup_at

COLUMNS: Final = (
    "meter", "service_point", "units", "period_start", "money", "fees_paid_until", "attached_on",
)  # fmt: skip
MOST_ROWS: Final = 200_000
FIRST_ROW: Final = 2
"""Row of the first figures, as a spreadsheet counts them: above it stand the names."""

Numbered = list[tuple[int, CounterRow]]
Faults = list[tuple[int, str]]
"""Rows of the file, each with what is wrong there."""


class Unreadable(ValueError):
    """A cell is not what its column holds; the text says so."""


def set_from(file: Path, *, replace: bool, dry_run: bool) -> None:
    """Set what the file says, or say what is wrong with each row and end with status 1."""
    with seen_by(SYSTEM):
        session = db.session()
        currency = currency_of(setup_at(session, now_utc()))
        rows, faults = read(file, currency)
        try:
            count = set_counters(
                session, SYSTEM, [row for _, row in rows],
                replace=replace, dry_run=dry_run or bool(faults),
            )  # fmt: skip
        except BadRows as bad:
            faults += [(rows[place][0], str(error)) for place, error in bad.faults]
    for number, why in sorted(faults):
        click.echo(printable(f"Row {number}: {why}"), err=True)
    if faults:
        click.echo(f"{len(faults)} rows cannot be set; nothing was changed.", err=True)
        sys.exit(1)
    click.echo(f"Service points {'looked at' if dry_run else 'set'}: {count}")


def read(file: Path, currency: Currency) -> tuple[Numbered, Faults]:
    """Read the file's rows, and what is wrong with those that cannot be read.

    Raises:
        click.ClickException: It is no such table.
    """
    rows: Numbered = []
    faults: Faults = []
    for number, cells in _table(file):
        try:
            rows.append((number, row_of(cells, currency)))
        except Unreadable as why:
            faults.append((number, str(why)))
    if not rows and not faults:
        raise click.ClickException(f"{file} has no rows.")
    return rows, faults


def _table(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Give the rows that hold something, each with its number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            names = _names(next(reader, []))
            for number, cells in enumerate(reader, FIRST_ROW):
                if number - FIRST_ROW >= MOST_ROWS:
                    raise click.ClickException(f"At most {MOST_ROWS} rows at once; split the file.")
                if any(cell.strip() for cell in cells):
                    yield number, _cells(names, cells)
    except (UnicodeDecodeError, csv.Error):
        raise click.ClickException(f"{file} is no CSV file in UTF-8.") from None


def _names(header: list[str]) -> list[str]:
    names = [name.strip().lower() for name in header]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or not names or len(set(names)) < len(names):
        what = f"there is no column {unknown[0]!r}" if unknown else "a column is named twice"
        raise click.ClickException(
            f"The first line names the columns: {what if names else 'it is empty'}. Columns are"
            f" {', '.join(COLUMNS)}."
        )
    return names


def _cells(names: list[str], cells: list[str]) -> dict[str, str]:
    """Name the cells; those past the header are named by nothing and refused later."""
    named = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
    return named | ({"": "more"} if any(cells[len(names) :]) else {})


def row_of(cells: dict[str, str], currency: Currency) -> CounterRow:
    """Read one row.

    Raises:
        Unreadable: A cell is not what its column holds.
    """
    if "" in cells:
        raise Unreadable("There are more cells than columns.")
    return CounterRow(
        meter=cells.get("meter") or None,
        service_point_id=_whole(cells, "service_point"),
        units=_number(cells, "units"),
        period_start=_day(cells, "period_start"),
        charged_minor=_money(cells, currency),
        fees_paid_until=_day(cells, "fees_paid_until"),
        attached_on=_day(cells, "attached_on"),
    )


def _whole(cells: dict[str, str], name: str) -> int | None:
    text = cells.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Unreadable(f"{name}: {text!r} is not a number of a service point.")
    return int(text)


def _number(cells: dict[str, str], name: str) -> Decimal | None:
    text = cells.get(name)
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Unreadable(f"{name}: {text!r} is not a number.")
    return number


def _money(cells: dict[str, str], currency: Currency) -> int | None:
    text = cells.get("money")
    if not text:
        return None
    try:
        return currency.parse(text).minor
    except MoneyFormatError:
        raise Unreadable(
            f"money: {text!r} is not an amount with at most {currency.exponent} decimals."
        ) from None


def _day(cells: dict[str, str], name: str) -> date | None:
    text = cells.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{name}: {text!r} is not a day like 2026-01-31.") from None

"""A list of vending keys in the clear, as JSON or CSV, and what each row of it says.

A row has ``sgc``, ``krn``, ``dkga`` and ``vk``; where they are not the usual ones ``kt`` (2),
``bdt`` (2014), ``ken`` (255), ``name``, ``demo`` (yes); where there are any the bounds ``act``
and ``iut`` (days or moments), ``ulm`` (tenths of a unit a day), ``tlm`` (tokens a day) and
``allow_kct_to`` (``600675/2 600676/1``); and ``kcv`` to compare with.
"""

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from vmsapp.cli.files import read_private
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore import REASONS, NewKey, checked
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts import identifiers
from vmsapp.sts.errors import StsError
from vmsapp.sts.secret import SecretBytes

LIST_BYTES_MAX: Final = 256 * 1024
NEEDED: Final = ("sgc", "krn", "dkga", "vk")
USUAL: Final = {"kt": "2", "bdt": "2014", "ken": "255", "name": "", "demo": ""}
BOUNDS: Final = ("act", "iut", "ulm", "tlm", "allow_kct_to", "kcv")
YES: Final = frozenset({"yes", "true", "1"})
NO: Final = frozenset({"", "no", "false", "0"})
REF: Final = re.compile(r"(\d{6})/(\d)/(\d)/(0\d)")

Row = dict[str, str]


class Wrong(ValueError):
    """A row that cannot be, in a sentence that does not show the key."""


def read_list(path: Path) -> list[NewKey]:
    """Read a list from a file that is its owner's alone.

    Raises:
        click.ClickException: It is no list, or a row of it is wrong.
    """
    text = read_private(path, LIST_BYTES_MAX + 1)
    if len(text) > LIST_BYTES_MAX:
        raise click.ClickException(f"{path} is too large for a list of keys.")
    read = {".json": _json_rows, ".csv": _csv_rows}.get(path.suffix.lower())
    if read is None:
        raise click.UsageError(f"{path} is a list if its name ends in .json or .csv.")
    try:
        rows = read(text)
    except (ValueError, TypeError, AttributeError, RecursionError, csv.Error):
        raise click.ClickException(f"{path} holds no list of keys that can be read.") from None
    if not rows:
        raise click.ClickException(f"{path} holds no keys.")
    keys = []
    for number, row in enumerate(rows, start=1):
        try:
            keys.append(key_of(row))
        except Wrong as wrong:
            raise click.ClickException(f"Key {number} of {path}: {wrong}") from None
    return keys


def key_of(row: Row) -> NewKey:
    """Make a key of a row.

    Raises:
        Wrong: A value is missing, or cannot be.
    """
    unknown = row.keys() - {*NEEDED, *USUAL, *BOUNDS}
    if unknown:
        raise Wrong(f"there is no column {', '.join(sorted(unknown))}.")
    missing = [name for name in NEEDED if not row.get(name)]
    if missing:
        raise Wrong(f"{', '.join(missing)} is missing.")
    row = USUAL | {name: value for name, value in row.items() if value}
    key = NewKey(
        KeyRef(row["sgc"], _number(row, "krn"), _number(row, "kt"), row["dkga"].zfill(2)),
        _read(identifiers.base_date.validate, row, "bdt"),
        _number(row, "ken"),
        row["name"],
        _is_demo(row),
        SecretBytes(_value(row["vk"])),
        active_from=_optional(_moment, row, "act"),
        issue_until=_optional(_moment, row, "iut"),
        tenths_per_day=_optional(int, row, "ulm"),
        tokens_per_day=_optional(int, row, "tlm"),
        changes_to=_optional(_changes, row, "allow_kct_to") or (),
    )
    _compare(key, row.get("kcv"))
    return key


def ref_of(text: str) -> KeyRef:
    """Read a key's name, ``600675/1/2/04``.

    Raises:
        ValueError: It is none.
    """
    found = REF.fullmatch(text)
    if found is None:
        raise ValueError(text)
    sgc, krn, kt, dkga = found.groups()
    return KeyRef(sgc, int(krn), int(kt), dkga)


def _json_rows(text: str) -> list[Row]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise TypeError
    return [{name: _as_text(value) for name, value in row.items()} for row in rows]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(f"{sgc}/{krn}" for sgc, krn in value)
    return "" if value is None else str(value).strip()


def _csv_rows(text: str) -> list[Row]:
    rows = csv.DictReader(text.lstrip("\ufeff").splitlines(), strict=True)
    return [{name.strip().lower(): value.strip() for name, value in row.items()} for row in rows]


def _compare(key: NewKey, kcv: str | None) -> None:
    try:
        info = checked(key)
    except KeystoreError as error:
        raise Wrong(f"{REASONS[error.why]}.") from None
    if kcv and kcv.upper() != info.kcv:
        raise Wrong(f"its check value is {info.kcv}, not {kcv.upper()}.")


def _read(read: Callable[[str], Any], row: Row, name: str) -> Any:
    try:
        return read(row[name])
    except (ValueError, StsError):
        raise Wrong(f"{name} cannot be {row[name]}.") from None


def _optional(read: Callable[[str], Any], row: Row, name: str) -> Any:
    return _read(read, row, name) if name in row else None


def _number(row: Row, name: str) -> int:
    return int(_read(int, row, name))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _changes(text: str) -> tuple[tuple[str, int], ...]:
    pairs = [pair.split("/") for pair in text.split()]
    return tuple((sgc, int(krn)) for sgc, krn in pairs)


def _is_demo(row: Row) -> bool:
    said = row["demo"].lower()
    if said not in YES | NO:
        raise Wrong(f"demo is yes or no, not {row['demo']}.")
    return said in YES


def _value(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise Wrong("vk is not in hexadecimal digits.") from None

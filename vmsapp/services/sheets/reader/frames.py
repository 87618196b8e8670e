"""What the reading process says: frames of JSON, each after its length in four bytes.

The first frame describes the file, ``{"kind": …}``; then come lists of rows,
``[[number, [cell, …]], …]``; the last is ``{"end": …}`` or ``{"error": code, "params": …}``.
A cell is a text, a number, true or false, null where it is empty, or an object that names
what JSON has no word for: ``{"date": …}``, ``{"moment": …}``, ``{"error": "#N/A"}``,
``{"formula": ""}`` (one without its value) and ``{"time": …}``.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import IO, Any, Final

from vmsapp.services.sheets.errors import RowTooLong

LONGEST_FRAME: Final = 4 << 20
"""Bytes of a frame at most."""
LENGTH: Final = 4
_CHUNK: Final = 250
"""Rows a frame holds."""

Row = tuple[int, list[Any]]


def _word(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return {"time": str(value)}


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_word).encode


def frame(content: object) -> bytes:
    """One frame."""
    data = _ENCODE(content).encode("utf-8", "replace")
    return len(data).to_bytes(LENGTH, "big") + data


def send(to: IO[bytes], content: object) -> None:
    """Write a frame and wait until it is taken."""
    to.write(frame(content))
    to.flush()


def send_rows(to: IO[bytes], rows: Iterable[Row]) -> None:
    """Write rows as they come.

    Raises:
        RowTooLong: One alone is longer than a frame.
    """
    waiting: Iterator[Row] = iter(rows)
    while chunk := list(islice(waiting, _CHUNK)):
        for part in _parts(chunk):
            to.write(part)
        to.flush()


def _parts(chunk: list[Row]) -> Iterator[bytes]:
    made = frame(chunk)
    if len(made) <= LONGEST_FRAME:
        yield made
    elif len(chunk) == 1:
        raise RowTooLong(row=chunk[0][0])
    else:
        half = len(chunk) // 2
        yield from _parts(chunk[:half])
        yield from _parts(chunk[half:])

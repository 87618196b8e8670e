r"""Values as they stand in an export's files, and CSV as RFC 4180 has it.

Nothing is an empty cell, a text without letters is ``""``: so they are told apart, as the COPY
of PostgreSQL does. Lines end with a carriage return and a line feed.

>>> line(["7", None, "", 'say "no" twice', "a,b"])
'7,,"","say ""no"" twice","a,b"\r\n'
>>> moment(datetime(2026, 3, 17, 9, 30, tzinfo=UTC))
'2026-03-17T09:30:00Z'
"""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, DateTime, Integer, LargeBinary
from sqlalchemy.types import TypeEngine

from vmsapp.models.types import FixedPoint, UtcDateTime

_ODD: Final = frozenset('",\r\n')


def line(cells: Iterable[str | None]) -> str:
    """Write a line of cells."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(text: str | None) -> str:
    if text is None:
        return ""
    if not text or not _ODD.isdisjoint(text):
        return f'"{text.replace(chr(34), chr(34) * 2)}"'
    return text


def moment(value: datetime) -> str:
    """Write a time as RFC 3339, in UTC; one without a zone is of this machine's zone."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def document(value: object) -> str:
    """Write JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _truth(value: bool) -> str:  # noqa: FBT001 - it is the value
    return "true" if value else "false"


def _decimal(value: Decimal) -> str:
    return f"{value:f}"


def _bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


Writer = Callable[[Any], str]

_KINDS: Final[tuple[tuple[type[TypeEngine[Any]], str, Writer], ...]] = (
    (UtcDateTime, "time", moment),
    (FixedPoint, "decimal", _decimal),
    (DateTime, "time", moment),
    (Date, "date", date.isoformat),
    (Boolean, "truth", _truth),
    (JSON, "json", document),
    (LargeBinary, "base64", _bytes),
    (BigInteger, "integer", str),
    (Integer, "integer", str),
)


def kind_of(column: Column[Any]) -> tuple[str, Writer]:
    """Tell what a column's values are called, and what writes them."""
    for kind, name, write in _KINDS:
        if isinstance(column.type, kind):
            return name, write
    return "text", str

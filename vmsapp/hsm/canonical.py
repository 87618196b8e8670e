r"""JSON with one spelling, in which what a file says is compared byte by byte.

Names sorted, no spaces, ASCII alone, whole numbers only, a line feed at the end of a file.
Whatever else would read the same is refused: a name that stands twice, a space, a number
written another way, a byte behind the end.

>>> read_exactly(b'{"a":1,"b":[]}\n')
{'a': 1, 'b': []}
>>> read_exactly(b'{"a":0,"a":1}\n')
Traceback (most recent call last):
ValueError: not written in the one spelling
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

NUMBER_DIGITS_MAX: Final = 20
MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


def canonical(value: object) -> bytes:
    """Write a value in its one spelling, without the line feed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_exactly(raw: bytes) -> dict[str, Any]:
    """Read a file that is one object in its one spelling, and a line feed.

    Args:
        raw: Of a bounded length, which is the caller's affair.

    Raises:
        ValueError: It is anything else.
    """
    try:
        found = json.loads(
            raw, parse_float=_refuse, parse_constant=_refuse, parse_int=_whole_number
        )
        exact = canonical(found) + b"\n" == raw
    except RecursionError:
        exact = False
    if not exact or not isinstance(found, dict):
        _refuse()
    return found


def moment_text(moment: datetime) -> str:
    """Write a moment to the second: ``2026-11-27T08:00:00Z``."""
    return moment.astimezone(UTC).strftime(MOMENT)


def moment_of(text: str) -> datetime:
    """Read what ``moment_text`` wrote.

    Raises:
        ValueError: It is written otherwise.
        TypeError: It is no text.
    """
    moment = datetime.strptime(text, MOMENT).replace(tzinfo=UTC)
    if moment_text(moment) != text:
        _refuse()
    return moment


def _whole_number(digits: str) -> int:
    return int(digits) if len(digits) <= NUMBER_DIGITS_MAX else _refuse()


def _refuse(*_: object) -> NoReturn:
    msg = "not written in the one spelling"
    raise ValueError(msg)

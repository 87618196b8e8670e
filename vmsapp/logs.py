r"""The log: one line a message, when it was in UTC, and nothing that could pass for a line.

What people type may get into a message by way of a library's. Line breaks and other
marks that are not seen are written out, so nobody writes a line of their own; a traceback's
lines are set in, as an error's text may have line breaks.

>>> record = logging.makeLogRecord({"name": "vms", "levelname": "INFO", "created": 0.0,
...                                 "msg": "refused %s", "args": ("a\nINFO vms: all is well",)})
>>> Lines().format(record)
'1970-01-01T00:00:00Z INFO vms: refused a\\nINFO vms: all is well'

For programs that read logs each message is an object of JSON instead, with the ids of the
request and the sale it is about, where there are any:

>>> with about_request("5f2c9a1b03d7"), about_sale(7):
...     Json().format(record)
'{"time": "1970-01-01T00:00:00.000Z", "level": "INFO", "logger": "vms", "message": "refused a\\nINFO vms: all is well", "request_id": "5f2c9a1b03d7", "sale_id": 7}'
"""  # noqa: E501 - a line of the log is one line

import json
import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

SET_IN: Final = "    "
ID_BYTES: Final = 6
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
"""An id that somebody else gave a request."""
DIGITS_OF_A_TOKEN: Final = 20
SERVERS: Final = ("gunicorn.error", "gunicorn.access")
"""Loggers that write for themselves."""

Format = Literal["lines", "json"]

_request: ContextVar[str] = ContextVar("request", default="")
_sale: ContextVar[int | None] = ContextVar("sale", default=None)


def request_id() -> str:
    """The id of the request or task that is being answered; empty where there is none."""
    return _request.get()


def id_for(given: str | None) -> str:
    """Take an id that was sent along if it is one, or make one.

    What could be a token's digits is none: it would stand in the log.

    >>> id_for("4f0c2b9e-7d1a-4c55-9a6e-2f3b8d1c0e7a")
    '4f0c2b9e-7d1a-4c55-9a6e-2f3b8d1c0e7a'
    >>> len(id_for("5649-3153-7254-5031-3471")), len(id_for("a b")), len(id_for(None))
    (12, 12, 12)
    """
    if given and ID.fullmatch(given):
        plain = re.sub(r"[._-]", "", given)
        if not re.search(rf"\d{{{DIGITS_OF_A_TOKEN}}}", plain):
            return given
    return secrets.token_hex(ID_BYTES)


@contextmanager
def about_request(number: str) -> Iterator[None]:
    """Have messages of the block name a request or task."""
    token = _request.set(number)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def about_sale(sale_id: int | None) -> Iterator[None]:
    """Have messages of the block name a sale."""
    token = _sale.set(sale_id)
    try:
        yield
    finally:
        _sale.reset(token)


def begin_request(number: str) -> None:
    """Have messages of this thread name a request, until the next call; empty for none."""
    _request.set(number)


class Lines(logging.Formatter):
    """How a message is written; a traceback follows, set in."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's
        """Write the line itself."""
        return _visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - the library's
        """Write a traceback so that no line of it begins as a message does."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(SET_IN + _visible(line) for line in lines)


def _visible(line: str) -> str:
    """Write out what is not seen."""
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii")
        for mark in line
    )


class Json(logging.Formatter):
    """A message as an object on one line: ``time`` in UTC, ``level``, ``logger``, ``message``.

    Where there are any: ``request_id``, ``sale_id``, and ``error``, a traceback. What is not ASCII
    is written out, and so no mark ends the line or passes for another.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if number := _request.get():
            said["request_id"] = number
        if (sale_id := _sale.get()) is not None:
            said["sale_id"] = sale_id
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said)


def begin(level: str, form: Format = "lines") -> None:
    """Write the log to standard error, unless it goes somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=level, handlers=[handler])
    if form == "json":
        for name in SERVERS:
            for theirs in logging.getLogger(name).handlers:
                theirs.setFormatter(Json())


def formatter(form: Format) -> logging.Formatter:
    """Make what writes messages in a form."""
    return Json() if form == "json" else Lines()

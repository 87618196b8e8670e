r"""The log: one line a message, when it was in UTC, and nothing that could pass for a line.

What people type may get into a message by way of a library's. Line breaks and other
marks that are not seen are written out, so nobody writes a line of their own; a traceback's
lines are set in, as an error's text may have line breaks.

>>> record = logging.makeLogRecord({"name": "vms", "levelname": "INFO", "created": 0.0,
...                                 "msg": "refused %s", "args": ("a\nINFO vms: all is well",)})
>>> Lines().format(record)
'1970-01-01T00:00:00Z INFO vms: refused a\\nINFO vms: all is well'
"""

import logging
import time
from typing import Any, Final

SET_IN: Final = "    "


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


def begin(level: str) -> None:
    """Write the log to standard error, unless it goes somewhere already."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler])

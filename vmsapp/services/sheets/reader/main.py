"""The reading process from its first step to its last."""

import json
import resource
import sys
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from vmsapp.services.sheets.errors import (
    NoHeadings,
    ReaderStopped,
    TooManyRows,
    UnreadableFile,
)
from vmsapp.services.sheets.reader.frames import Row, send, send_rows
from vmsapp.services.sheets.reader.kinds import kind_of
from vmsapp.services.sheets.reader.text import open_text
from vmsapp.services.sheets.reader.workbook import open_workbook


class Task(NamedTuple):
    """What the process is asked for, as one argument of JSON.

    Attributes:
        name: What the file is called.
        encoding: Of a CSV file, if a person said it.
        rows: Rows allowed, without the headings.
        columns: Columns allowed.
        unpacked: Bytes a workbook may unpack to.
        memory: Bytes of address space the process may have.
        seconds: Of processor time.
    """

    name: str
    encoding: str | None
    rows: int
    columns: int
    unpacked: int
    memory: int
    seconds: int


class _Counted:
    """Rows that say something, and how many there were."""

    def __init__(self, rows: Iterator[Row], limit: int) -> None:
        self._rows, self._limit = rows, limit
        self.count = self.empty = 0

    def __iter__(self) -> Iterator[Row]:
        for number, cells in self._rows:
            if cells.count("") == len(cells) or not any(map(_says, cells)):
                self.empty += 1
                continue
            if self.count > self._limit:  # the headings are one more
                raise TooManyRows(limit=self._limit)
            self.count += 1
            yield number, cells


def _says(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else True


def confine(task: Task) -> None:
    """Take from this process what it does not need, before it sees the file."""
    for what, limit in (
        (resource.RLIMIT_AS, task.memory),
        (resource.RLIMIT_CPU, task.seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(what, (limit, limit))


def read(file: IO[bytes], to: IO[bytes], task: Task) -> None:
    """Read a file and write its frames."""
    head: dict[str, Any]
    try:
        if kind_of(file, task.name) == "xlsx":
            head, rows = open_workbook(file, task.unpacked, task.columns)
        else:
            head, rows = open_text(file, task.columns, task.encoding)
        send(to, head)
        counted = _Counted(rows, task.rows)
        send_rows(to, counted)
        if not counted.count:
            raise NoHeadings
        send(to, {"end": {"rows": counted.count - 1, "empty": counted.empty}})
    except UnreadableFile as error:
        send(to, {"error": error.code, "params": error.params})
    except MemoryError:
        head = {}
        send(to, {"error": ReaderStopped.code, "params": {}})


def main() -> None:
    """Do what the one argument says."""
    task = Task(**json.loads(sys.argv[-1]))
    confine(task)
    read(sys.stdin.buffer, sys.stdout.buffer, task)

"""Files of strangers as rows, read in a process of their own.

That process has little memory, little time, no secrets and nothing to write; what it dies
of is one error here. Rows come as they are asked for: the process waits while nobody asks,
and ends when nobody will.

    with reading(path, "meters.xlsx", limits) as sheet:
        for number, cells in sheet.rows():
            ...
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from config import Settings
from vmsapp.services.sheets.errors import KINDS, FileTooLarge, ReaderStopped, TakesTooLong
from vmsapp.services.sheets.reader.frames import LENGTH, LONGEST_FRAME

_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from vmsapp.services.sheets.reader.main import main; main()"
)
_ROOT: Final = str(Path(__file__).resolve().parents[3])


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may be, and what its reader may use.

    Attributes:
        file_mb: Its size.
        rows: Rows without the headings.
        columns: Columns.
        unpacked_mb: What a workbook unpacks to.
        memory_mb: Address space of the reading process.
        seconds: Of its processor time, and of waiting for it.
    """

    file_mb: int = 20
    rows: int = 100_000
    columns: int = 100
    unpacked_mb: int = 200
    memory_mb: int = 1_024
    seconds: int = 60


def limits_from(settings: Settings) -> Limits:
    """The limits an installation sets."""
    return Limits(
        file_mb=settings.import_mb,
        rows=settings.import_rows,
        unpacked_mb=10 * settings.import_mb,
        memory_mb=settings.import_memory_mb,
        seconds=settings.import_seconds,
    )


class Odd(NamedTuple):
    """A cell that is no value.

    Attributes:
        kind: ``error`` (``#N/A``), ``formula`` without its value, or ``time`` without a day.
        shown: What the cell shows.
    """

    kind: str
    shown: str


Read = str | float | bool | date | datetime | Odd
"""A cell as it was read; an empty one is an empty text, and every number a float."""

Row = tuple[int, list[Read]]
"""A row's number as Excel shows it, and its cells; the last ones may be missing."""


@dataclass(slots=True)
class Sheet:
    """A file that is being read.

    Attributes:
        about: What is to be said of it: ``kind`` (``xlsx``, ``csv``), ``height`` (about how
            many rows, the headings and empty ones among them); of a workbook
            ``sheet``, ``others`` and ``hidden`` (names of sheets that are not read),
            ``merged`` (the first areas) and ``merged_count``; of a CSV file ``encoding``
            and ``separator``.
        count: Rows after the headings, known when all were read.
        empty: Rows without a word, which were left out; known then too.
    """

    about: Mapping[str, Any]
    _frames: Iterator[Any]
    count: int | None = None
    empty: int | None = None

    def rows(self) -> Iterator[Row]:
        """All rows that say something, the headings first.

        Raises:
            UnreadableFile: What was not seen before the rows were.
        """
        for frame in self._frames:
            match frame:
                case list():
                    yield from frame
                case {"end": {"rows": int(count), "empty": int(empty)}}:
                    self.count, self.empty = count, empty
                    return
                case _:
                    raise ReaderStopped


@contextmanager
def reading(
    path: Path, name: str, limits: Limits | None = None, encoding: str | None = None
) -> Iterator[Sheet]:
    """Read a file; leaving ends its process, whatever it is at.

    Args:
        path: Where it lies.
        name: What its owner calls it.
        limits: What is allowed.
        encoding: Of a CSV file, one of ``reader.text.ENCODINGS``, where a person chose it.

    Raises:
        UnreadableFile: Why it cannot be read, as one of the kinds in ``errors``.
    """
    limits = limits or Limits()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limits.file_mb << 20:
            raise FileTooLarge(size=-(-size >> 20), limit=limits.file_mb)
        process = _start(file, name, limits, encoding)
    try:
        frames = _Frames(process, limits.seconds)
        about = next(frames)
        if not isinstance(about, dict):
            raise ReaderStopped
        yield Sheet(about, frames)
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def decimal_sign(about: Mapping[str, Any]) -> str | None:
    """The decimal sign of a file's texts, where it can be told: commas part its columns."""
    return "." if about.get("separator") == "," else None


def _start(
    file: IO[bytes], name: str, limits: Limits, encoding: str | None
) -> subprocess.Popen[bytes]:
    task = {
        "name": name, "encoding": encoding, "rows": limits.rows, "columns": limits.columns,
        "unpacked": limits.unpacked_mb << 20, "memory": limits.memory_mb << 20,
        "seconds": limits.seconds,
    }  # fmt: skip
    return subprocess.Popen(  # noqa: S603 - our own
        [sys.executable, "-I", "-c", _START, _ROOT, json.dumps(task)],
        stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/",
        bufsize=0,
    )  # fmt: skip


@dataclass(slots=True)
class _Frames:
    """What the process says, frame by frame, while it is in time."""

    process: subprocess.Popen[bytes]
    seconds_left: float
    buffer: bytearray = field(default_factory=bytearray)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - JSON
        length = int.from_bytes(self._take(LENGTH), "big")
        if length > LONGEST_FRAME:
            raise ReaderStopped
        data = self._take(length)
        try:
            content = json.loads(data, object_hook=_word)
            if isinstance(content, dict) and "error" in content:
                error = KINDS[content["error"]](**content["params"])
            elif isinstance(content, list):
                return [(number, cells) for number, cells in content]
            else:
                return content
        except (ValueError, TypeError, LookupError, RecursionError):
            raise ReaderStopped from None  # it was taken over, or is out of order
        raise error

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.buffer += self._more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _more(self) -> bytes:
        """Wait for more; only waiting is counted, not what is done with the rows meanwhile."""
        assert self.process.stdout
        pipe, begun = self.process.stdout.fileno(), time.monotonic()
        ready, _, _ = select.select([pipe], [], [], max(self.seconds_left, 0))
        self.seconds_left -= time.monotonic() - begun
        if not ready:
            raise TakesTooLong
        more = os.read(pipe, 1 << 18)
        if not more:
            ended = self.process.wait()
            raise TakesTooLong if ended == -signal.SIGXCPU else ReaderStopped
        return more


def _word(found: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Read what JSON has no word for."""
    match found:
        case {"date": str(text), **rest} if not rest:
            return date.fromisoformat(text)
        case {"moment": str(text), **rest} if not rest:
            return datetime.fromisoformat(text)
        case (
            {"formula": str(text), **rest}
            | {"time": str(text), **rest}
            | {"error": str(text), **rest}
        ) if not rest:
            return Odd(next(iter(found)), text)
        case _:
            return found

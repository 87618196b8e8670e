"""A CSV file as rows: which encoding, which separator, and what stands between quotes."""

import csv
import io
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from vmsapp.services.sheets.errors import (
    BrokenQuotes,
    RowTooLong,
    TooManyColumns,
    UnknownEncoding,
)
from vmsapp.services.sheets.parts import LONGEST_CELL
from vmsapp.services.sheets.reader.frames import Row
from vmsapp.services.sheets.text import GUARDED

ENCODINGS: Final = ("utf-8", "utf-16", "gb18030", "windows-1252", "windows-1256")
"""What a person may say a file is in."""
SEPARATORS: Final = ",;\t|"

_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_RUNS: Final = re.compile(rb"[\x80-\xff]+")
_COMMON_HAN: Final = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")
_ENOUGH: Final = 0.9
_LONG_RUN: Final = 2
_SAMPLE: Final = 1 << 20


def open_text(
    file: IO[bytes], columns_limit: int, encoding: str | None = None
) -> tuple[dict[str, Any], Iterator[Row]]:
    """Open a CSV file: what is to be said of it, and its rows, empty ones among them.

    Raises:
        UnreadableFile: Of any kind.
    """
    data = file.read()
    name = encoding or encoding_of(data)
    try:
        text = data.decode("utf-8-sig" if name == "utf-8" else name)
    except UnicodeError as error:
        raise UnknownEncoding from error
    separator, text = _separator_of(text)
    head = {"kind": "csv", "encoding": name.removesuffix("-sig"), "separator": separator,
            "height": text.count("\n") + 1}  # fmt: skip
    return head, _rows(text, separator, columns_limit)


def encoding_of(data: bytes) -> str:
    """Tell the encoding: by its mark, as UTF-8 if it is that, else by the company bytes keep.

    Chinese text in GB18030 has nearly all its high bytes in pairs of the common plane;
    Arabic text in Windows-1256 has them in words; Western text has single letters with marks.

    >>> encoding_of("Zoë".encode()), encoding_of("Zoë, café".encode("windows-1252"))
    ('utf-8', 'windows-1252')
    >>> encoding_of("姓名,张伟".encode("gb18030")), encoding_of("محمد علي".encode("windows-1256"))
    ('gb18030', 'windows-1256')
    """
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            return name
    if _decodes(data, "utf-8"):
        return "utf-8"
    runs = _RUNS.findall(data[:_SAMPLE])
    high = sum(map(len, runs)) or 1
    paired = sum(len(run) for run in runs if _COMMON_HAN.fullmatch(run))
    if paired / high >= _ENOUGH and _decodes(data, "gb18030"):
        return "gb18030"
    in_words = sum(len(run) for run in runs if len(run) > _LONG_RUN)
    return "windows-1256" if 2 * in_words > high else "windows-1252"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _separator_of(text: str) -> tuple[str, str]:
    """Tell the separator from the first line that says anything, or from Excel's own ``sep=``."""
    first = text[:8].splitlines()[:1]
    if first and re.fullmatch("sep=.", first[0], re.IGNORECASE) and first[0][-1] in SEPARATORS:
        return first[0][-1], text[5:].removeprefix("\r").removeprefix("\n")
    line = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    outside = re.sub('"[^"]*"?', "", line)
    return max(SEPARATORS, key=outside.count), text


def _rows(text: str, separator: str, columns_limit: int) -> Iterator[Row]:
    """Number the rows; what was written to look like no formula gets its own look back."""
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, 1):
            if len(cells) > columns_limit:
                raise TooManyColumns(limit=columns_limit)
            yield number, [_plain(cell) if cell[:1] == "'" else cell for cell in cells]
    except csv.Error as error:
        kind = RowTooLong if "limit" in str(error) else BrokenQuotes
        raise kind(row=number + 1) from error


def _plain(cell: str) -> str:
    return cell[1:] if GUARDED.match(cell[1:]) else cell

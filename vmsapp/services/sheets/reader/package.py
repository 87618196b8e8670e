"""An Excel workbook as the ZIP file it is: opened with suspicion, rebuilt from what was checked.

The directory is believed in nothing: every part is unpacked here within the limit, looked
at, and put into a new archive without compression. What parses the workbook afterwards sees
these bytes and no others, so no part can grow, and none can be read in two ways.
"""

import io
import re
import zlib
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from vmsapp.services.sheets.errors import ForbiddenXml, UnpacksTooLarge, UnreadableFile

MEMBERS: Final = 2_000
"""Parts of a workbook at most."""
RATIO: Final = 200
"""Times a part may be larger than it is packed, beyond ``SMALL``; tables have 10 to 40."""
SMALL: Final = 4 << 20
_STEP: Final = 1 << 20

_NEEDED: Final = re.compile(
    r"\[Content_Types\]\.xml|_rels/[^/]*\.rels|xl/(?!(media|drawings|charts|embeddings)/).*\.(xml|rels)",
    re.IGNORECASE,
)
"""Parts that are read; pictures and the like are not even unpacked."""
_ENCODING: Final = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)["']""")
_DEFINITION: Final = re.compile(rb"<!(?!--|\[CDATA\[)")
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<", b"\x00\x00")
"""How a text begins that is not in UTF-8."""

_BROKEN: Final = (
    BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error,
)  # fmt: skip
"""What is raised on the way through a damaged archive."""

Parts = dict[str, bytes]


def parts_of(file: IO[bytes], limit: int) -> Parts:
    """Unpack what is needed of a workbook.

    Args:
        file: The workbook.
        limit: Bytes all parts may have together.

    Raises:
        UnpacksTooLarge: They have more, or claim to, or one is packed too tightly.
        ForbiddenXml: One defines entities, or is not in UTF-8.
        UnreadableFile: Damaged.
    """
    try:
        with ZipFile(file) as book:
            infos = [info for info in book.infolist() if _NEEDED.fullmatch(info.filename)]
            _check_directory(infos, limit)
            parts, left = Parts(), limit
            for info in infos:
                parts[info.filename] = data = _unpacked(book, info, left)
                left -= len(data)
                _check_xml(data)
    except _BROKEN as error:
        raise UnreadableFile from error
    return parts


def rebuilt(parts: Parts) -> io.BytesIO:
    """Make an archive of the parts, without compression."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_STORED) as book:
        for name, data in parts.items():
            book.writestr(ZipInfo(name), data)
    file.seek(0)
    return file


def _check_directory(infos: list[ZipInfo], limit: int) -> None:
    if len(infos) > MEMBERS or len({info.filename.casefold() for info in infos}) < len(infos):
        raise UnreadableFile
    if sum(info.file_size for info in infos) > limit:
        raise UnpacksTooLarge(limit=limit >> 20)
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise UnreadableFile
        if info.file_size > max(SMALL, RATIO * info.compress_size):
            raise UnpacksTooLarge(limit=limit >> 20)


def _unpacked(book: ZipFile, info: ZipInfo, limit: int) -> bytes:
    """Unpack a part; it ends where its size said, by its checksum, or it is damaged."""
    chunks, size = [], 0
    with book.open(info) as part:
        while chunk := part.read(_STEP):
            size += len(chunk)
            if size > limit:
                raise UnpacksTooLarge(limit=limit >> 20)
            chunks.append(chunk)
    if size != info.file_size:
        raise UnreadableFile
    return b"".join(chunks)


def _check_xml(data: bytes) -> None:
    head = data[:200]
    named = _ENCODING.search(head)
    if head.startswith(_MARKS) or (
        named and named[1].lower() not in {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
    ):
        raise ForbiddenXml
    if _DEFINITION.search(data):
        raise ForbiddenXml

"""What a file is by its content, whatever its name says."""

from typing import IO, Final
from zipfile import BadZipFile, ZipFile

from vmsapp.services.sheets.errors import (
    EmptyFile,
    OtherSpreadsheet,
    ProtectedWorkbook,
    UnknownFileKind,
    UnreadableFile,
    WrongExtension,
)

EXTENSIONS: Final = {"xlsx": ("xlsx",), "csv": ("csv", "txt", "tsv")}
"""The endings of a name that go with a content."""

_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""A container of the old Office, and of any workbook under a password."""
_OLD_SHEET: Final = (b"\x09\x08", b"\x09\x04", b"\x09\x02", b"\x09\x00")
_NO_TEXT: Final = (
    b"%PDF",
    b"{\\rtf",
    b"<?xml",
    b"<!doctype",
    b"<html",
    b"<table",
    b"\x1f\x8b",
    b"Rar!",
)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_BINARY: Final = frozenset(range(9)) | frozenset(range(14, 27)) | frozenset(range(28, 32))


def kind_of(file: IO[bytes], name: str) -> str:
    """Tell an Excel workbook, ``xlsx``, from text, ``csv``.

    Args:
        file: The file; it stands at its beginning afterwards.
        name: What it is called; an ending of another kind is refused.

    Raises:
        UnreadableFile: It is something else, or its name is of another kind.
    """
    head = file.read(4096)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise EmptyFile
    kind = _zipped(file) if head.startswith(b"PK") else _flat(file, head)
    file.seek(0)
    extension = name.rpartition(".")[2].casefold() if "." in name else ""
    if extension and extension not in EXTENSIONS[kind]:
        raise WrongExtension(extension=f".{extension[:20]}", kind=f".{kind}")
    return kind


def _zipped(file: IO[bytes]) -> str:
    try:
        with ZipFile(file) as book:
            names = set(book.namelist())
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableFile from error
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        raise OtherSpreadsheet(kind=".xlsb")
    if {"mimetype", "content.xml"} <= names:
        raise OtherSpreadsheet(kind=".ods")
    raise UnknownFileKind


def _flat(file: IO[bytes], head: bytes) -> str:
    if head.startswith(_COMPOUND):
        file.seek(0)
        if "EncryptedPackage".encode("utf-16-le") in file.read():
            raise ProtectedWorkbook
        raise OtherSpreadsheet(kind=".xls")
    if head.startswith(_OLD_SHEET):
        raise OtherSpreadsheet(kind=".xls")
    lowered = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lowered.startswith(tuple(sign.lower() for sign in _NO_TEXT)):
        raise UnknownFileKind
    if not head.startswith(_UTF_16) and not _BINARY.isdisjoint(head):
        raise UnknownFileKind
    return "csv"

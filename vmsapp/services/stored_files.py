"""Files of imports and exports: under random names in folders of the instance, for some days.

Names that people give are kept in rows; on the disk stands none of them.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from config import Settings
from vmsapp.errors import N_, NotFound
from vmsapp.services.sheets.errors import EmptyFile, FileTooLarge

UPLOADS: Final = "uploads"
DOWNLOADS: Final = "downloads"

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_PIECE: Final = 1 << 20
_LONGEST_NAME: Final = 120
_YOUNG_SECONDS: Final = 3600
"""A file so young may not stand in its row yet."""


class FileGone(NotFound):
    """It was removed, as files are after some days."""

    code = "file_gone"
    message = N_("The file is not kept any more. Hand it in or make it again.")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was stored: its random name, SHA-256 in hexadecimal digits, bytes."""

    name: str
    sha256: str
    size: int


def store(settings: Settings, source: IO[bytes]) -> Stored:
    """Store a file that was handed in.

    Raises:
        EmptyFile: It has no bytes.
        FileTooLarge: It has more than the installation takes.
    """
    digest, size, limit = hashlib.sha256(), 0, settings.import_mb << 20
    name = secrets.token_hex(16)
    with _new(folder_of(settings, UPLOADS) / name) as file:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise FileTooLarge(size=-(-size >> 20), limit=settings.import_mb)
            digest.update(piece)
            file.write(piece)
        if not size:
            raise EmptyFile
    return Stored(name, digest.hexdigest(), size)


@contextmanager
def making(settings: Settings) -> Iterator[tuple[str, IO[bytes]]]:
    """Make a file to be fetched; without its end it is removed."""
    name = secrets.token_hex(16)
    with _new(folder_of(settings, DOWNLOADS) / name) as file:
        yield name, file


def path_of(settings: Settings, folder: str, name: str | None) -> Path:
    """Where a file lies.

    Raises:
        FileGone: It is not there any more.
    """
    if not name or not _NAME.fullmatch(name):
        raise FileGone
    path = folder_of(settings, folder) / name
    if not path.is_file():
        raise FileGone
    return path


def remove(settings: Settings, folder: str, name: str | None) -> None:
    """Remove a file, if it is there."""
    with suppress(FileGone, FileNotFoundError):
        path_of(settings, folder, name).unlink()


def remove_strays(settings: Settings, folder: str, known: Collection[str]) -> int:
    """Remove files that stand in no row; what a dead process left behind."""
    before, removed = time.time() - _YOUNG_SECONDS, 0
    for path in folder_of(settings, folder).iterdir():
        if path.name not in known and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def folder_of(settings: Settings, folder: str) -> Path:
    """One of the folders, for its owner alone."""
    path = settings.instance / folder
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def safe_name(name: str, otherwise: str) -> str:
    """A file's name as it is kept and shown: its last part, without controls."""
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(sign for sign in last if sign.isprintable()).strip()
    return clean[-_LONGEST_NAME:] or otherwise


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise

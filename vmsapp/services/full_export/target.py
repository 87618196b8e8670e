"""Where an export goes: a folder or a ZIP archive, its files for their owner alone.

Both are new: nothing is written over. What failed half way is removed again.
"""

import hashlib
import os
import shutil
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from vmsapp.clock import now_utc

OWNER_ALONE: Final = 0o600
FOLDER_OF_OWNER: Final = 0o700
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""Before which a ZIP archive knows no time."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the export."""

    name: str
    rows: int
    size: int
    sha256: str


class File:
    """A file under way: counts what is written and hashes it."""

    def __init__(self, name: str, to: IO[bytes]) -> None:
        self.name, self._to = name, to
        self.rows = self._size = 0
        self._sum = hashlib.sha256()

    def write(self, text: str, *, rows: int = 0) -> None:
        """Write a text, and count the rows in it."""
        content = text.encode()
        self._to.write(content)
        self._sum.update(content)
        self._size += len(content)
        self.rows += rows

    def written(self) -> Written:
        """Tell what was written so far."""
        return Written(self.name, self.rows, self._size, self._sum.hexdigest())


class Target(ABC):
    """Takes files one after the other, and what is to be said of them all."""

    def __init__(self) -> None:
        self.files: list[Written] = []
        self.about: dict[str, Any] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[File]:
        """Begin a file; it is complete at the end."""
        with self._open(name) as to:
            file = File(name, to)
            yield file
        self.files.append(file.written())

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """Open a new file."""


class Folder(Target):
    """A new folder."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _open(self, name: str) -> IO[bytes]:
        path = self._path / name
        path.parent.mkdir(mode=FOLDER_OF_OWNER, exist_ok=True)
        return os.fdopen(_new(path), "wb", buffering=1 << 20)


class Archive(Target):
    """A new ZIP archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__()
        self._archive = archive

    def _open(self, name: str) -> IO[bytes]:
        about = zipfile.ZipInfo(name, max(EARLIEST, now_utc().timetuple()[:6]))
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = OWNER_ALONE << 16
        return self._archive.open(about, "w", force_zip64=True)


@contextmanager
def target(path: Path) -> Iterator[Target]:
    """Begin an export: an archive where the name ends with ``.zip``, else a folder.

    Raises:
        FileExistsError: Something is there already.
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)  # the export itself is its owner's alone
    if path.suffix.lower() == ".zip":
        with _archive(path) as made:
            yield made
        return
    path.mkdir(mode=FOLDER_OF_OWNER)
    try:
        yield Folder(path)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def _archive(path: Path) -> Iterator[Target]:
    with os.fdopen(_new(path), "wb") as file:
        try:
            with zipfile.ZipFile(file, "w") as archive:
                yield Archive(archive)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)

"""Files of a backup: written for their owner alone, to the disk, with their digests."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file must be.

    Attributes:
        size: Bytes.
        sha256: Hex.
    """

    size: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        return asdict(self)


def private_folder(path: Path) -> None:
    """Make a folder for its owner alone, and those above it that are not there yet."""
    if not path.exists():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a new file, mode 0600, which is on the disk when the block has ended.

    Raises:
        FileExistsError: It is there.
    """
    private_folder(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def copy(source: Path, to: Path) -> None:
    """Copy a file that nobody writes to."""
    with source.open("rb") as reading, new_file(to) as writing:
        while chunk := reading.read(CHUNK):
            writing.write(chunk)


def digest_of(path: Path) -> Digest:
    """Read a file and tell what it is."""
    seen, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            seen.update(chunk)
            size += len(chunk)
    return Digest(size, seen.hexdigest())


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk, too."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Key files that wait for a second custodian, sealed as they came, on the module's own disk.

Whoever sends a file knows no more of it than its preview; whoever approves it has the
passphrase, and is somebody else.
"""

import base64
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from vmsapp.clock import now_utc
from vmsapp.hsm.canonical import canonical, moment_of, moment_text, read_exactly
from vmsapp.hsm.errors import KeyFileRefused
from vmsapp.hsm.key_file.model import FILE_BYTES_MAX

FOLDER: Final = "pending"
WAITING_MAX: Final = 10
WAIT: Final = timedelta(hours=24)
ACTOR_CHARACTERS_MAX: Final = 120
DIGEST_DIGITS: Final = 64
RECORD_BYTES_MAX: Final = 2 * FILE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A key file that waits.

    Attributes:
        digest: SHA-256 of the file, 64 hex digits: its name here.
        by: Who sent it.
        at: When, to the second.
        blob: The file.
    """

    digest: str
    by: str
    at: datetime
    blob: bytes

    def __repr__(self) -> str:
        return f"PendingFile(digest={self.digest!r}, by={self.by!r}, at={self.at!r})"


class Pending:
    """The files that wait in one folder, at most ten, each for at most 24 hours.

    Several processes may share the folder; that two of them at once may let in an eleventh
    does no harm.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime] = now_utc) -> None:
        self._folder = folder
        self._clock = clock

    @classmethod
    def beside(cls, keystore: Path, clock: Callable[[], datetime] = now_utc) -> Self:
        """Take the folder ``pending`` beside a keystore."""
        return cls(keystore.with_name(FOLDER), clock)

    def add(self, blob: bytes, *, actor: str) -> PendingFile:
        """Let a file wait; one that waits already goes on doing so under who sent it first.

        Args:
            blob: A file that was read and found fit (``KeyImport.inspect``).
            actor: Who sends it.

        Raises:
            KeyFileRefused: ``too_large`` or ``pending_full``.
        """
        if len(blob) > FILE_BYTES_MAX:
            raise KeyFileRefused("too_large", most=FILE_BYTES_MAX)
        digest = hashlib.sha256(blob).hexdigest()
        waiting = {each.digest: each for each in self.all()}
        if digest in waiting:
            return waiting[digest]
        if len(waiting) >= WAITING_MAX:
            raise KeyFileRefused("pending_full", most=WAITING_MAX)
        at = self._clock().replace(microsecond=0)
        record = PendingFile(digest, actor[:ACTOR_CHARACTERS_MAX], at, blob)
        self._write(record)
        return record

    def all(self) -> list[PendingFile]:
        """List what waits, oldest first; what waited for too long, or is damaged, goes."""
        found = []
        for path in self._folder.glob(f"{'[0-9a-f]' * DIGEST_DIGITS}.json"):
            record = _read(path)
            if record is not None and abs(self._clock() - record.at) < WAIT:
                found.append(record)
            else:
                path.unlink(missing_ok=True)
        return sorted(found, key=lambda each: (each.at, each.digest))

    def get(self, digest: str) -> PendingFile:
        """Find a file by its digest, or the beginning of it that no other has.

        Raises:
            KeyFileRefused: ``pending_none``.
        """
        found = [each for each in self.all() if digest and each.digest.startswith(digest)]
        if len(found) != 1:
            raise KeyFileRefused("pending_none")
        return found[0]

    def for_approval(self, digest: str, *, actor: str) -> PendingFile:
        """Find a file for who wants to approve it.

        Raises:
            KeyFileRefused: ``pending_none``, or ``pending_same``: they sent it.
        """
        found = self.get(digest)
        if found.by == actor:
            raise KeyFileRefused("pending_same")
        return found

    def remove(self, digest: str) -> None:
        """Let a file wait no longer.

        Raises:
            KeyFileRefused: ``pending_none``.
        """
        self._path(self.get(digest).digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    def _write(self, record: PendingFile) -> None:
        """Write aside and put in place, so that nobody reads half of it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f"{secrets.token_hex(8)}.new"
        members = {
            "by": record.by,
            "at": moment_text(record.at),
            "file": base64.b64encode(record.blob).decode(),
        }
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(canonical(members) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path(record.digest))


def _read(path: Path) -> PendingFile | None:
    """Read a record; None for one that is not as it was written."""
    try:
        with path.open("rb") as file:
            members = read_exactly(file.read(RECORD_BYTES_MAX))
        blob = base64.b64decode(members["file"], validate=True)
        by, at = members["by"], moment_of(members["at"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    digest = hashlib.sha256(blob).hexdigest()
    fits = digest == path.stem and isinstance(by, str)
    return PendingFile(digest, by, at, blob) if fits else None

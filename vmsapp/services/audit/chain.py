"""The chain: an event as bytes, and the hash that binds it to all before it.

An event becomes one line of JSON with sorted names and without spaces, in ASCII, holding
every column of ``audit_event``: times in UTC to the microsecond, what is missing as
``null``. A link is the SHA-256 of the hash before (32 bytes; zeros before the first), the
place (8 bytes, big end first) and those bytes. ``version`` says by which rules; it stands
in the bytes and beside each hash, so that rules may change and old hashes still be
checked.

>>> link(GENESIS, 1, {"id": 7, "at": datetime(2026, 1, 2, tzinfo=UTC), "details": {}})
'2d8d69b224d00406b89441aa45c7c42dde02316387f0f666e6e63d938eb02736'
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import AuditEvent, AuditSeal

VERSION: Final = 1
PLACE_BYTES: Final = 8
GENESIS: Final = "00" * 32
"""What stands before the first event."""

events = AuditEvent.__table__
seals = AuditSeal.__table__
"""Plain tables: the trail is sealed and checked whole, whoever asks."""


class UnknownVersion(ValueError):
    """A hash was made by rules this release does not know."""


def canonical(event: Mapping[str, Any], version: int = VERSION) -> bytes:
    """Put an event into bytes, always the same for the same values.

    Args:
        event: Every column of ``audit_event`` by name.
        version: The rules.

    Raises:
        UnknownVersion: There are no such rules.
    """
    if version != VERSION:
        raise UnknownVersion(version)
    values = plain_event(event)
    text = json.dumps({"version": version, "event": values}, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def plain_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Put an event into what JSON has words for, as it is hashed."""
    return {name: _plain(value) for name, value in event.items()}


def link(before: str, place: int, event: Mapping[str, Any], version: int = VERSION) -> str:
    """Hash an event in its place, after the hash before it."""
    bound = bytes.fromhex(before) + place.to_bytes(PLACE_BYTES, "big")
    return hashlib.sha256(bound + canonical(event, version)).hexdigest()


def head_of(session: Session) -> tuple[int, str]:
    """Tell the place and the hash of the last event in the chain."""
    newest = select(seals.c.place, seals.c.hash).order_by(seals.c.place.desc()).limit(1)
    found = session.execute(newest).first()
    return (found.place, found.hash) if found else (0, GENESIS)


def hash_at(session: Session, place: int) -> str | None:
    """Tell the hash in a place, ``None`` where the chain does not reach it."""
    return session.scalar(select(seals.c.hash).where(seals.c.place == place))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value

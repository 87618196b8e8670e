"""The journal: one line for whatever a module issued, chained, in the module's own record.

A line is written in the transaction that writes the token, so there is no moment at which
one is there without the other. It holds no digits: each token is stood for by a *tag*, an HMAC
of its digits under a key that never leaves the module. Each line's ``chain`` takes in the one
before, and is sealed by a ``mac`` under another such key: whoever can write the file can cut a
line out, but not make the rest whole again.

A batch has one line, whose digest takes in all its rows.

Source: SALE.md 16 (what a restore is compared with); docs/decisions/0020.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vmsapp import sealing
from vmsapp.hsm.answers import JournalEntry
from vmsapp.hsm.results import BatchRow, Line, Record, Results

TAG_BYTES: Final = 16
CHAIN_PURPOSE: Final = "journal chain"
TAG_PURPOSE: Final = "journal tags"
"""What the keys of a module's seals and tags are made for."""
PAGE: Final = 1000
ENTRIES: Final = 16_000
"""After so many entries no further line is given with them."""
_BEFORE_THE_FIRST: Final = bytes(32)
_SAID: Final = (
    "request_id", "operation", "args_hash", "meter_pan", "base_date", "tid", "key", "tenths",
    "sealed", "tags",
)  # fmt: skip
"""What a line's digest takes in, in this order, for ever."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of the journal found.

    Attributes:
        lines: How many are there.
        tokens: How many tokens they speak of.
        chain: The last line's; 32 zero bytes where there is none. Kept elsewhere, it gives
            away a journal that was cut short or rolled back.
        without_line: Requests issued that stand in no line.
        broken_at: Number of the first line that is not as it was written; None for none.
        why: ``gap``, ``chain``, ``seal``, ``request`` (missing, or not as it was) or empty.
    """

    lines: int
    tokens: int
    chain: bytes
    without_line: int
    broken_at: int | None = None
    why: str = ""


def tag(key: bytes, digits: str) -> bytes:
    """Make what stands for a token: 16 bytes."""
    return sealing.mac(key, digits.encode())[:TAG_BYTES]


def tags(key: bytes, digits: Iterable[str]) -> list[bytes]:
    """Make what stands for each of many tokens."""
    return [whole[:TAG_BYTES] for whole in sealing.macs(key, map(str.encode, digits))]


def line_of(
    key: bytes, last: Line | None, record: Record, rows: Sequence[BatchRow], at: datetime
) -> Line:
    """Make the line that follows ``last``."""
    assert record.tags is not None, "only what was issued has a line"
    number = last.number + 1 if last else 1
    tokens = sum([len(row.tags) for row in rows] or [len(record.tags)]) // TAG_BYTES
    digest = _digest(record, rows)
    at = at.replace(microsecond=0)
    chain = _chain(_chain_of(last), number, at, record.request_id, tokens, digest)
    return Line(number, at, record.request_id, tokens, digest, chain, sealing.mac(key, chain))


def entries(results: Results, after: int, limit: int) -> list[JournalEntry]:
    """Read lines as ``SecurityModule.journal`` gives them."""
    found: list[JournalEntry] = []
    for line in results.lines(after, limit):
        if len(found) > ENTRIES:
            break  # of batches few lines fill a page
        record = results.find(line.request_id)
        if record is None:
            continue  # struck out: ``verify`` says so
        rows: list[Record | BatchRow] = [*results.rows(line.request_id)] or [record]
        found += [_entry(line, record, row) for row in rows]
    return found


def verify(results: Results, key: bytes | None) -> Finding:
    """Check every line against the one before and against what it speaks of.

    Args:
        results: The module's record.
        key: Makes the seals; None to check the chain alone, without any secret.
    """
    last: Line | None = None
    tokens = 0
    while page := results.lines(last.number if last else 0, PAGE):
        for line in page:
            why = _wrong(results, key, last, line)
            if why:
                number = last.number if last else 0
                without = results.issued_without_line()
                return Finding(number, tokens, _chain_of(last), without, line.number, why)
            last, tokens = line, tokens + line.tokens
    without = results.issued_without_line()
    return Finding(last.number if last else 0, tokens, _chain_of(last), without)


def _wrong(results: Results, key: bytes | None, last: Line | None, line: Line) -> str:
    if line.number != (last.number if last else 0) + 1:
        return "gap"
    chain = _chain(_chain_of(last), line.number, line.at, line.request_id, line.tokens, line.digest)
    if chain != line.chain:
        return "chain"
    if key is not None and not sealing.same(sealing.mac(key, chain), line.mac):
        return "seal"
    record = results.find(line.request_id)
    if record is None or _digest(record, results.rows(line.request_id)) != line.digest:
        return "request"
    return ""


def _entry(line: Line, record: Record, row: Record | BatchRow) -> JournalEntry:
    tags = row.tags or b""
    return JournalEntry(
        line.number,
        line.at,
        line.request_id,
        row.row if isinstance(row, BatchRow) else None,
        record.operation,
        row.meter_pan,
        row.base_date,
        record.tid,
        tuple(tags[start : start + TAG_BYTES] for start in range(0, len(tags), TAG_BYTES)),
    )


def _digest(record: Record, rows: Iterable[BatchRow]) -> bytes:
    values = (getattr(record, name) for name in _SAID)
    plain = [value.hex() if isinstance(value, bytes) else value for value in values]
    said = hashlib.sha256(json.dumps(plain, separators=(",", ":")).encode() + b"\n")
    for row in rows:
        said.update(_row_said(row))
    return said.digest()


def _row_said(row: BatchRow) -> bytes:
    """Write a row as JSON of number, MeterPAN, base date, key and tags, for ever.

    By hand, for a campaign has a million of them: digits and a key's name need no escape.
    """
    said = f'[{row.row},"{row.meter_pan}","{row.base_date}","{row.key}","{row.tags.hex()}"]\n'
    return said.encode()


def _chain(
    before: bytes, number: int, at: datetime, request_id: str, tokens: int, digest: bytes
) -> bytes:
    head = f"VMS journal 1\n{number} {int(at.timestamp())} {tokens} {request_id}\n"
    return hashlib.sha256(head.encode() + before + digest).digest()


def _chain_of(line: Line | None) -> bytes:
    return line.chain if line else _BEFORE_THE_FIRST

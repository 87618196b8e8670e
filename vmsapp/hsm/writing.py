"""How a request and its answer are written down: what makes it the same one, and its seals."""

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from enum import Enum
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm import journal, policy
from vmsapp.hsm.answers import IssuedToken, IssuedTokens
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import (
    NOT_THE_REQUEST,
    CreditRequest,
    DisplayRequest,
    KeyChangeBatch,
    MeterRequest,
    Request,
)
from vmsapp.hsm.results import BatchRow, Line, Record, Results
from vmsapp.sts.secret import SecretBytes

_IN_COMMON: Final = ("module_id", "table_set")
_OF_EACH: Final = tuple(name for name in IssuedToken.__slots__ if name not in _IN_COMMON)
_DEFLATED: Final = b"z"
"""Begins what was pressed together; JSON begins with a brace."""
_PRESS_FROM: Final = 4096


def args_of(request: Request) -> str:
    """Write what makes a request the same request, as canonical JSON."""
    fields = {k: v for k, v in asdict(request).items() if k not in NOT_THE_REQUEST}
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_enum_value)


def hash_of(args: str) -> str:
    """SHA-256 of the arguments, hex."""
    return hashlib.sha256(args.encode()).hexdigest()


class Seals:
    """The keys that seal a module's record, made of what its keys lie in.

    Args:
        module_id: The module's own name.
        sealing_key: Makes the key for a purpose.
    """

    def __init__(self, module_id: str, sealing_key: Callable[[str], SecretBytes]) -> None:
        self._module_id = module_id
        self._result_key = sealing_key("results")
        self._tag_key = sealing_key(journal.TAG_PURPOSE)
        self._chain_key = sealing_key(journal.CHAIN_PURPOSE)

    def seal(self, request_id: str, sets: tuple[IssuedTokens, ...]) -> bytes:
        """Seal tokens, bound to the id they were issued under."""
        first = sets[0][0]
        document = {name: getattr(first, name) for name in _IN_COMMON} | {
            "sets": [[[getattr(token, name) for name in _OF_EACH] for token in one] for one in sets]
        }
        plain = json.dumps(document, separators=(",", ":")).encode()
        if len(plain) > _PRESS_FROM:
            plain = _DEFLATED + zlib.compress(plain)
        return sealing.seal(self._result_key.reveal(), plain, aad=request_id.encode())

    def unseal(self, request_id: str, sealed: bytes) -> tuple[IssuedTokens, ...]:
        """Open what was sealed, by this release or an earlier one.

        Raises:
            HsmUnavailable: ``storage``: it was altered.
        """
        try:
            plain = sealing.unseal(self._result_key.reveal(), sealed, aad=request_id.encode())
        except sealing.SealBroken as error:
            raise HsmUnavailable("storage", sent=True) from error
        if plain.startswith(_DEFLATED):
            plain = zlib.decompress(plain[1:])
        document = json.loads(plain)
        if "sets" not in document:  # of a release that made single tokens only
            return ((IssuedToken(**document),),)
        common: dict[str, Any] = {name: document[name] for name in _IN_COMMON}
        return tuple(tuple(_token(values, common) for values in one) for one in document["sets"])

    def tag(self, digits: str) -> bytes:
        """Make what stands for a token in the journal."""
        return journal.tag(self._tag_key.reveal(), digits)

    def tags(self, tokens: IssuedTokens) -> bytes:
        """Make the tags of a set, one after another."""
        return b"".join(self.tag(token.digits) for token in tokens)

    def chain_key(self) -> bytes:
        """Give the key that seals the lines of the journal."""
        return self._chain_key.reveal()

    def made_any_of(self, results: Results) -> bool:
        """Tell whether anything in a record's journal was sealed with these keys."""
        after = 0
        while page := results.lines(after, journal.PAGE):
            if any(self._made(results, line) for line in page):
                return True
            after = page[-1].number
        return False

    def _made(self, results: Results, line: Line) -> bool:
        if sealing.same(sealing.mac(self.chain_key(), line.chain), line.mac):
            return True
        record = results.find(line.request_id)
        if record is None or record.sealed is None:
            return False
        try:
            self.unseal(line.request_id, record.sealed)
        except HsmUnavailable:
            return False
        return True

    def wipe(self) -> None:
        """Forget the keys."""
        for key in (self._result_key, self._tag_key, self._chain_key):
            key.wipe()


def record_of(
    request: MeterRequest | DisplayRequest,
    answer: IssuedTokens | ModuleRefused,
    seals: Seals,
    at: datetime,
) -> Record:
    """Write down a request and the tokens, or the refusal, that answer it."""
    meter = None if isinstance(request, DisplayRequest) else request.meter
    args = args_of(request)
    record = Record(
        request.request_id,
        "refused",
        at,
        args_hash=hash_of(args),
        args=args,
        meter_pan=meter.meter_pan if meter else None,
        base_date=meter.base_date.value if meter else None,
        tid=getattr(request, "tid", None),
        operation=request.operation,
        key=str(meter.key) if meter else None,
    )
    if isinstance(answer, ModuleRefused):
        return replace(record, reason=answer.reason, highest_tid=answer.highest_tid)
    tenths = policy.tenths_of(request) if isinstance(request, CreditRequest) else None
    return replace(
        record,
        outcome="issued",
        sealed=seals.seal(request.request_id, (answer,)),
        tags=seals.tags(answer),
        tenths=tenths,
    )


def batch_record_of(
    batch: KeyChangeBatch,
    answer: tuple[IssuedTokens, ...] | ModuleRefused,
    seals: Seals,
    at: datetime,
) -> tuple[Record, list[BatchRow]]:
    """Write down a batch and the sets, or the refusal, that answer it, and a row a meter."""
    record = Record(
        batch.request_id,
        "refused",
        at,
        args_hash=hash_of(args_of(batch)),
        operation=batch.operation,
    )
    if isinstance(answer, ModuleRefused):
        return replace(record, reason=answer.reason, refused_row=answer.row), []
    sealed = seals.seal(batch.request_id, answer)
    rows = [
        BatchRow(
            batch.request_id, number, row.meter.meter_pan, row.meter.base_date.value,
            str(row.meter.key), seals.tags(tokens),
        )
        for number, (row, tokens) in enumerate(zip(batch.rows, answer, strict=True))
    ]  # fmt: skip
    return replace(record, outcome="issued", sealed=sealed, tags=b""), rows


def _token(values: list[Any], common: dict[str, Any]) -> IssuedToken:
    return IssuedToken(**dict(zip(_OF_EACH, values, strict=True)), **common)


def _enum_value(value: Enum) -> object:
    return value.value

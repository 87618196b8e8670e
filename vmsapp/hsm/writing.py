"""How a request and its answer are written down: what makes it the same one, and its seals."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from enum import Enum
from itertools import count, groupby, islice
from operator import attrgetter
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm import journal, policy
from vmsapp.hsm.answers import IssuedToken, IssuedTokens
from vmsapp.hsm.columns import ChangeColumns, SetColumns, SetRun
from vmsapp.hsm.earlier import args_of_ways
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import (
    NOT_THE_REQUEST,
    CreditRequest,
    DisplayRequest,
    KeyChange,
    KeyChangeBatch,
    MeterConfig,
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
_PRESSED: Final = 1
"""How hard it is pressed: more takes twice as long and saves little of what is mostly digits."""
_HOLE: Final = "MeterPAN"
_DIGITS: Final = 20
_meter_of: Final = attrgetter("meter")
_LIKE: Final = ("token_class", "subclass", "tid", "amount_field", "kcv", "demo")


def args_of(request: Request) -> str:
    """Write what makes a request the same request, as canonical JSON."""
    if isinstance(request, KeyChangeBatch) and isinstance(request.rows, ChangeColumns):
        return _args_of_columns(request, request.rows)
    fields = {k: v for k, v in asdict(request).items() if k not in NOT_THE_REQUEST}
    return _canonical(fields)


def args_of_batch(batch: KeyChangeBatch) -> str:
    """Write what ``args_of`` writes of a batch: what its rows share is written once."""
    if isinstance(batch.rows, ChangeColumns):
        return _args_of_columns(batch, batch.rows)
    known: dict[tuple[object, ...], list[str]] = {}
    rows = []
    for row in batch.rows:
        pan = row.meter.meter_pan
        if row.new.meter_pan != pan or not pan.isascii() or not pan.isdigit():
            return args_of(batch)
        form = (*form_of(row.meter), *form_of(row.new), row.three_tokens)
        around = known.get(form)
        if around is None:
            around = known[form] = _around(row)
        before, between, after = around
        rows.append(f"{before}{pan}{between}{pan}{after}")
    return _shell(batch, rows)


def _args_of_columns(batch: KeyChangeBatch, columns: ChangeColumns) -> str:
    """Do so for rows that stand as columns."""
    rows: list[str] = []
    for run in columns.runs:
        joined = "".join(run.pans)
        if not joined.isascii() or not joined.isdigit():
            return args_of(replace(batch, rows=tuple(columns)))
        before, between, after = _around(run.like)
        rows += [f"{before}{pan}{between}{pan}{after}" for pan in run.pans]
    return _shell(batch, rows)


def _around(row: KeyChange) -> list[str]:
    """Write a row and cut it where its meter's number stands, which it does twice."""
    blank = replace(
        row,
        meter=replace(row.meter, meter_pan=_HOLE),
        new=replace(row.new, meter_pan=_HOLE),
    )
    return _canonical(asdict(blank)).split(_HOLE)


def _shell(batch: KeyChangeBatch, rows: Sequence[str]) -> str:
    shell = _canonical(
        {k: v for k, v in asdict(replace(batch, rows=())).items() if k not in NOT_THE_REQUEST}
    )
    return shell.replace('"rows":[]', f'"rows":[{",".join(rows)}]')


def form_of(meter: MeterConfig) -> tuple[object, ...]:
    """Give all of a meter's configuration but its number."""
    key = meter.key
    return (
        key.sgc, key.krn, key.kt, key.dkga, meter.ti, meter.base_date, meter.ken, meter.ea,
        meter.tct,
    )  # fmt: skip


def _canonical(fields: dict[str, Any]) -> str:
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

    def seal(self, request_id: str, sets: Sequence[IssuedTokens]) -> bytes:
        """Seal tokens, bound to the id they were issued under."""
        first = sets[0][0]
        document = {name: getattr(first, name) for name in _IN_COMMON} | {"runs": _runs(sets)}
        plain = json.dumps(document, separators=(",", ":")).encode()
        if len(plain) > _PRESS_FROM:
            plain = _DEFLATED + zlib.compress(plain, _PRESSED)
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
        if not {"runs", "sets"} & document.keys():  # of a release that made single tokens only
            return ((IssuedToken(**document),),)
        common: dict[str, Any] = {name: document[name] for name in _IN_COMMON}
        if "runs" in document:
            return tuple(one for run in document["runs"] for one in _sets_of(run, common))
        return tuple(tuple(_token(values, common) for values in one) for one in document["sets"])

    def tag(self, digits: str) -> bytes:
        """Make what stands for a token in the journal."""
        return journal.tag(self._tag_key.reveal(), digits)

    def tags(self, tokens: IssuedTokens) -> bytes:
        """Make the tags of a set, one after another."""
        return self.tags_of_sets((tokens,))[0]

    def tags_of_sets(self, sets: Sequence[IssuedTokens]) -> list[bytes]:
        """Make the tags of many sets, those of each one after another."""
        if isinstance(sets, SetColumns):
            return [tags for run in sets.runs for tags in self._tags_of_run(run)]
        digits = [token.digits for one in sets for token in one]
        made = iter(journal.tags(self._tag_key.reveal(), digits))
        return [b"".join(islice(made, len(one))) for one in sets]

    def _tags_of_run(self, run: SetRun) -> Iterator[bytes]:
        key = self._tag_key.reveal()
        columns = (journal.tags(key, digits) for digits in run.digits)
        return map(b"".join, zip(*columns, strict=True))

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
    answer: Sequence[IssuedTokens] | ModuleRefused,
    seals: Seals,
    at: datetime,
    args_hash: str,
) -> tuple[Record, list[BatchRow]]:
    """Write down a batch and the sets, or the refusal, that answer it, and a row a meter."""
    record = Record(
        batch.request_id,
        "refused",
        at,
        args_hash=args_hash,
        args=args_of_ways(batch),
        operation=batch.operation,
    )
    if isinstance(answer, ModuleRefused):
        return replace(record, reason=answer.reason, refused_row=answer.row), []
    sealed = seals.seal(batch.request_id, answer)
    tags = seals.tags_of_sets(answer)
    columns = zip(*_columns_of(batch.rows), strict=True)
    rows = [
        BatchRow(batch.request_id, number, *of_meter, tags_of_set)
        for number, of_meter, tags_of_set in zip(count(), columns, tags, strict=False)
    ]
    assert len(rows) == len(batch.rows) == len(answer), "a set a meter"
    return replace(record, outcome="issued", sealed=sealed, tags=b""), rows


def _columns_of(rows: Sequence[KeyChange]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Tell the MeterPAN, base date and key of each row, as the record has them."""
    pans: list[str] = []
    base_dates: list[str] = []
    keys: list[str] = []
    if isinstance(rows, ChangeColumns):
        for run in rows.runs:
            pans += run.pans
            base_dates += [run.like.meter.base_date.value] * len(run)
            keys += [str(run.like.meter.key)] * len(run)
        return pans, base_dates, keys
    names: dict[int, str] = {}  # by identity: to hash a key for each row takes longer
    for meter in map(_meter_of, rows):
        pans.append(meter.meter_pan)
        base_dates.append(meter.base_date.value)
        keys.append(names.get(id(meter.key)) or names.setdefault(id(meter.key), str(meter.key)))
    return pans, base_dates, keys


def _runs(sets: Sequence[IssuedTokens]) -> list[dict[str, Any]]:
    """Part sets into runs of those that differ in digits alone, which are written in a row."""
    if isinstance(sets, SetColumns):
        return [
            {
                "like": _all_but_digits(run.likes),
                "digits": "".join(map("".join, zip(*run.digits, strict=True))),
            }
            for run in sets.runs
        ]
    runs: list[dict[str, Any]] = []
    for like, run in groupby(sets, _all_but_digits):
        digits = "".join([token.digits for one in run for token in one])
        runs.append({"like": like, "digits": digits})
    return runs


def _all_but_digits(tokens: IssuedTokens) -> list[list[Any]]:
    return [
        [token.token_class, token.subclass, token.tid, token.amount_field, token.kcv, token.demo]
        for token in tokens
    ]


def _sets_of(run: dict[str, Any], common: dict[str, Any]) -> Iterator[IssuedTokens]:
    like, digits = (
        [dict(zip(_LIKE, one, strict=True)) | common for one in run["like"]],
        run["digits"],
    )
    width = len(like) * _DIGITS
    for start in range(0, len(digits), width):
        yield tuple(
            IssuedToken(digits=digits[at : at + _DIGITS], **each)
            for at, each in zip(range(start, start + width, _DIGITS), like, strict=True)
        )


def _token(values: list[Any], common: dict[str, Any]) -> IssuedToken:
    return IssuedToken(**dict(zip(_OF_EACH, values, strict=True)), **common)


def _enum_value(value: Enum) -> object:
    return value.value

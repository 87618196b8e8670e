"""What a module was asked for, made anew of what its record has.

A restored database lacks what was sold since its backup; the module's record has it, and with it
a key change is opened again and a sale booked.

Source: SALE.md 16 "Restore, promotion, standby".
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from itertools import groupby
from typing import Any, Final

from vmsapp.hsm.answers import EarlierRequest
from vmsapp.hsm.columns import ChangeColumns
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    MeterConfig,
)
from vmsapp.hsm.results import BatchRow, Record, Results
from vmsapp.sts.identifiers import BaseDate

Issuing = CreditRequest | EngineeringRequest | DisplayRequest | KeyChangeRequest

_KINDS: Final[dict[str, type[Issuing]]] = {
    kind.operation: kind
    for kind in (CreditRequest, EngineeringRequest, DisplayRequest, KeyChangeRequest)
}


def asked_for(results: Results, request_id: str, row: int | None) -> EarlierRequest | None:
    """Tell what a record has of a request; None where it has nothing of it.

    Args:
        results: The record.
        request_id: Of a request, or of a batch.
        row: Place in the batch; None outside of one.

    Raises:
        HsmUnavailable: ``storage``: it is not what was written.
    """
    record = results.find(request_id)
    if record is None:
        return None
    if record.operation == KeyChangeBatch.operation:
        change = None if row is None else _of_batch(record, results.rows(request_id), row)
        return EarlierRequest(record.operation, key_change=change)
    if record.args is None:
        return EarlierRequest(record.operation)
    asked = again(record.operation, request_id, record.args, record.at)
    return EarlierRequest(
        record.operation,
        credit=asked if isinstance(asked, CreditRequest) else None,
        key_change=asked if isinstance(asked, KeyChangeRequest) else None,
    )


def again(operation: str, request_id: str, args: str, now: datetime) -> Issuing:
    """Make a request anew of what was written of it.

    Raises:
        HsmUnavailable: ``storage``: it is not what was written.
    """
    try:
        fields: dict[str, Any] = json.loads(args)
        if "meter" in fields:
            fields["meter"] = _meter(fields["meter"])
        if "change" in fields:
            fields["change"] = _change(fields["change"])
        return _KINDS[operation](request_id=request_id, asked_at=now, **fields)
    except (KeyError, TypeError, ValueError) as error:
        raise HsmUnavailable("storage", sent=True) from error


def args_of_ways(batch: KeyChangeBatch) -> str:
    """Write which ways a batch takes its meters, each once with how many follow it.

    The meters themselves are the rows of the record; written out, a campaign's arguments would
    be as long as all else of it.
    """
    ways = [{"like": asdict(like), "rows": rows} for like, rows in _ways(batch.rows)]
    written = {"table_set": batch.table_set, "ways": ways}
    return json.dumps(written, sort_keys=True, separators=(",", ":"), default=_code_of)


def _code_of(value: Enum) -> object:
    return value.value


def _ways(rows: Sequence[KeyChange]) -> list[tuple[KeyChange, int]]:
    if isinstance(rows, ChangeColumns):
        return [(run.like, len(run)) for run in rows.runs]
    return [(like, len(list(run))) for like, run in groupby(rows)]


def _of_batch(record: Record, rows: Sequence[BatchRow], row: int) -> KeyChangeRequest | None:
    if record.args is None or not 0 <= row < len(rows):
        return None  # of a release that wrote no ways down, or refused
    try:
        written: dict[str, Any] = json.loads(record.args)
        left, pan = row, {"meter_pan": rows[row].meter_pan}
        for way in written["ways"]:
            if left < way["rows"]:
                like = way["like"]
                fields = like | {"meter": like["meter"] | pan, "new": like["new"] | pan}
                change, table_set = _change(fields), written["table_set"]
                return KeyChangeRequest(f"{record.request_id}.{row}", change, table_set, record.at)
            left -= way["rows"]
    except (KeyError, TypeError, ValueError) as error:
        raise HsmUnavailable("storage", sent=True) from error
    return None


def _change(fields: dict[str, Any]) -> KeyChange:
    return KeyChange(_meter(fields["meter"]), _meter(fields["new"]), fields["three_tokens"])


def _meter(fields: dict[str, Any]) -> MeterConfig:
    plain = fields | {
        "key": KeyRef(**fields["key"]),
        "base_date": BaseDate(fields["base_date"]),
    }
    return MeterConfig(**plain)

"""Chunks: meters that a security module is asked for together, and what became of them.

A chunk goes through the phases of a sale. *Reserved*: its key changes are rows, with every input
of their sets. *Asked*: no transaction is open; the module makes all sets under the chunk's id,
or none. *Settled*: by compare-and-set on the chunk, once. Whoever asks again, after whatever
crash, reads the stored rows and gets the same digits.

Source: SALE.md 7 "Reconcile and cancel", 10 "Key change".
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, RowMapping, Table, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedToken, IssuedTokens
from vmsapp.hsm.columns import ChangeColumns, ChangeRun, SetColumns
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyChange as Change
from vmsapp.hsm.requests import KeyChangeBatch, KeyRef, MeterConfig
from vmsapp.models import (
    CampaignChunk,
    ChangeState,
    ChunkState,
    KeyChange,
    KeyChangeToken,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services.bulk import insert_alike
from vmsapp.services.campaigns.rows import note
from vmsapp.services.key_changes.planning import Side, tokens_of_set
from vmsapp.services.key_changes.reserve import SIDE, new_request_id
from vmsapp.services.rows import by_index, rows_changed
from vmsapp.services.security_modules import open_module, timed
from vmsapp.sts.identifiers import BaseDate

CHUNK_TABLE: Final = cast("Table", CampaignChunk.__table__)
CHANGES: Final = cast("Table", KeyChange.__table__)
_SHARED: Final = ("subclass", "kcv", "module_name", "demo")
_kind_of: Final = attrgetter("subclass", "kcv", "module_id", "demo")
"""What tokens of a set have in common, in the columns that hold it."""
_WHY: Final = "a chunk is settled as it was asked for, wherever its meters hang by now"


@dataclass(frozen=True, slots=True)
class Asked:
    """A chunk with all that the module is asked for.

    Attributes:
        changes: The rows of the batch, in the order of ``change_ids``.
        tokens: How many each set has.
    """

    chunk_id: int
    campaign_id: int
    request_id: str
    module_id: int
    table_set: str
    change_ids: Sequence[int]
    meter_ids: Sequence[int]
    tokens: Sequence[int]
    changes: ChangeColumns


def new_chunk_id() -> str:
    """Make the id under which the module is asked for a chunk."""
    return f"C-{secrets.token_hex(12)}-1"


def row_id(request_id: str, place: int) -> str:
    """Make the id of one row of a chunk, which the module's journal knows by its place."""
    return f"{request_id}.{place}"


def changes_of(
    pans: Sequence[str], old: Side, new: Side, ea: int, tct: int, *, three_tokens: bool
) -> ChangeRun:
    """Make the rows of a batch for meters that go the same way."""
    before, after = (_config(pans[0], side, ea, tct) for side in (old, new))
    return ChangeRun(Change(before, after, three_tokens), pans)


def _config(pan: str, side: Side, ea: int, tct: int) -> MeterConfig:
    """Tell the module of a meter and a key."""
    key = KeyRef(sgc=side.sgc, krn=side.krn, kt=side.kt, dkga=side.dkga)
    return MeterConfig(pan, key, side.ti, BaseDate(side.base_date), side.ken, ea, tct)


def read_chunk(session: Session, chunk_id: int) -> CampaignChunk:
    """Read a chunk as it stands; the session lets go of it."""
    found = session.scalars(
        select(CampaignChunk).where(CampaignChunk.id == chunk_id)
        .execution_options(populate_existing=True)
    ).one()  # fmt: skip
    session.expunge(found)
    return found


def asked_of(session: Session, chunk: CampaignChunk) -> Asked:
    """Make of the stored rows what the module was asked for, those withdrawn since included."""
    rows = session.execute(
        select(CHANGES).where(*_of_chunk(chunk.id, chunk.first_id, chunk.last_id))
        .order_by(CHANGES.c.id)
    ).mappings().all()  # fmt: skip
    runs = []
    for (old, new, ea, tct, three_tokens), alike in groupby(rows, _way_of):
        pans = [row["meter_pan"] for row in alike]
        runs.append(changes_of(pans, old, new, ea, tct, three_tokens=three_tokens))
    return Asked(
        chunk.id, chunk.campaign_id, chunk.request_id, chunk.module_id,
        rows[0]["table_set"], [row["id"] for row in rows], [row["meter_id"] for row in rows],
        [tokens_of_set(row["ea"], three_tokens=row["three_tokens"]) for row in rows],
        ChangeColumns(runs),
    )  # fmt: skip


def _way_of(row: RowMapping) -> tuple[Side, Side, int, int, bool]:
    old, new = (Side(**{name: row[f"{which}_{name}"] for name in SIDE}) for which in ("old", "new"))
    return old, new, row["ea"], row["tct"], row["three_tokens"]


def ask(session: Session, registry: Registry, asked: Asked) -> Sequence[IssuedTokens]:
    """Have a chunk's sets made, with no transaction open.

    Raises:
        ModuleRefused, HsmUnavailable, HsmTimeout: As the module's interface says.
    """
    module = open_module(session, registry, asked.module_id)
    end_reading(session)
    with timed(asked.module_id, "batch"):
        return module.issue_key_changes(
            KeyChangeBatch(asked.request_id, asked.changes, asked.table_set, now_utc())
        )


def complete(session: Session, actor: Actor, asked: Asked, sets: Sequence[IssuedTokens]) -> bool:
    """Store a chunk's sets: from here on they may be handed out, and the new keys count.

    The digits of changes withdrawn meanwhile are not written down.

    Returns:
        Whether this call did it, and no other.
    """
    assert _lengths(sets) == list(asked.tokens), "sets are whole"
    with unscoped(_WHY), atomic(session, durable=True):
        by_index(session)
        at = now_utc()
        if not _settle(session, asked, ChunkState.MADE):
            return False
        changed = rows_changed(
            session,
            update(CHANGES).where(*_reserved(asked))
            .values(state=ChangeState.COMPLETED, completed_at=at),
        )  # fmt: skip
        kept: Sequence[int] = range(len(asked.change_ids))
        if changed != len(sets):
            done = _completed(session, asked)
            kept = [place for place in kept if asked.change_ids[place] in done]
        _write_tokens(session, asked, sets, kept, {"made_at": at})
        note(
            session, actor, "made", asked.campaign_id, chunk=asked.chunk_id, meters=len(kept),
            tokens=sum(asked.tokens[place] for place in kept), module=asked.module_id,
        )  # fmt: skip
    return True


def fail(session: Session, actor: Actor, asked: Asked, reason: str) -> None:
    """Give a chunk up that the module surely will not make; the old keys stay."""
    with unscoped(_WHY), atomic(session, durable=True):
        if _settle(session, asked, ChunkState.FAILED, failure=reason):
            failed = rows_changed(
                session,
                update(CHANGES).where(*_reserved(asked))
                .values(state=ChangeState.FAILED, failure=reason, closed_at=now_utc()),
            )  # fmt: skip
            note(
                session, actor, "failed", asked.campaign_id, chunk=asked.chunk_id, meters=failed,
                reason=reason,
            )  # fmt: skip


def part(session: Session, actor: Actor, asked: Asked, reason: str) -> list[int]:
    """Part a chunk that was refused for one of its meters: each is asked for by itself.

    Returns:
        The ids of its changes, which are ordinary ones from here on.
    """
    with unscoped(_WHY), atomic(session, durable=True):
        if not _settle(session, asked, ChunkState.PARTED, failure=reason):
            return []
        ids = session.scalars(
            select(CHANGES.c.id).where(*_reserved(asked)).order_by(CHANGES.c.id)
        ).all()
        for change_id in ids:
            session.execute(
                update(CHANGES).where(CHANGES.c.id == change_id)
                .values(chunk_id=None, request_id=new_request_id())
            )  # fmt: skip
        note(
            session, actor, "parted", asked.campaign_id, chunk=asked.chunk_id, meters=len(ids),
            reason=reason,
        )  # fmt: skip
        return list(ids)


def _of_chunk(chunk_id: int, first_id: int, last_id: int) -> tuple[ColumnElement[bool], ...]:
    return (CHANGES.c.id.between(first_id, last_id), CHANGES.c.chunk_id == chunk_id)


def _reserved(asked: Asked) -> tuple[ColumnElement[bool], ...]:
    of_chunk = _of_chunk(asked.chunk_id, asked.change_ids[0], asked.change_ids[-1])
    return (*of_chunk, CHANGES.c.state == ChangeState.RESERVED)


def _completed(session: Session, asked: Asked) -> set[int]:
    of_chunk = _of_chunk(asked.chunk_id, asked.change_ids[0], asked.change_ids[-1])
    state = CHANGES.c.state == ChangeState.COMPLETED
    return set(session.scalars(select(CHANGES.c.id).where(*of_chunk, state)))


def _settle(
    session: Session,
    asked: Asked,
    state: ChunkState,
    **values: Any,  # noqa: ANN401 - of its columns
) -> bool:
    """Settle a chunk by compare-and-set; tells whether this did it."""
    settled = (
        update(CHUNK_TABLE)
        .where(CHUNK_TABLE.c.id == asked.chunk_id, CHUNK_TABLE.c.state == ChunkState.ASKED)
        .values(state=state, settled_at=now_utc(), **values)
    )
    return rows_changed(session, settled) == 1


def _write_tokens(
    session: Session,
    asked: Asked,
    sets: Sequence[IssuedTokens],
    kept: Sequence[int],
    common: dict[str, Any],
) -> None:
    """Write tokens: those of one key and sub-class together, for they differ in digits alone."""
    if isinstance(sets, SetColumns) and len(kept) == len(asked.change_ids):
        _write_columns(session, asked, sets, common)
        return
    by_length: dict[int, list[int]] = {}
    for place in kept:
        by_length.setdefault(len(sets[place]), []).append(place)
    for length, places in by_length.items():
        for nth in range(length):
            tokens = [sets[place][nth] for place in places]
            for like, mine in _alike(tokens):
                at = [places[each] for each in mine]
                shared = dict(zip(_SHARED, like, strict=True)) | {"number": nth + 1}
                insert_alike(session, KeyChangeToken, common | shared, {
                    "key_change_id": [asked.change_ids[place] for place in at],
                    "meter_id": [asked.meter_ids[place] for place in at],
                    "digits": [tokens[each].digits for each in mine],
                })  # fmt: skip


def _write_columns(
    session: Session, asked: Asked, sets: SetColumns, common: dict[str, Any]
) -> None:
    """Write all tokens of a chunk as they were made: column by column."""
    first = 0
    for run in sets.runs:
        some = slice(first, first + len(run))
        for number, (like, digits) in enumerate(zip(run.likes, run.digits, strict=True), 1):
            shared = dict(zip(_SHARED, _kind_of(like), strict=True)) | {"number": number}
            insert_alike(session, KeyChangeToken, common | shared, {
                "key_change_id": asked.change_ids[some],
                "meter_id": asked.meter_ids[some],
                "digits": digits,
            })  # fmt: skip
        first = some.stop


def _lengths(sets: Sequence[IssuedTokens]) -> list[int]:
    """Tell how many tokens each set has."""
    if isinstance(sets, SetColumns):
        return [n for run in sets.runs for n in [len(run.likes)] * len(run)]
    return [len(one) for one in sets]


def _alike(tokens: Sequence[IssuedToken]) -> Iterable[tuple[tuple[Any, ...], Sequence[int]]]:
    """Part tokens into those that differ in digits alone, by their places; mostly all do."""
    kinds = list(map(_kind_of, tokens))
    if len(set(kinds)) == 1:
        return [(kinds[0], range(len(kinds)))]
    found: dict[tuple[Any, ...], list[int]] = {}
    for place, kind in enumerate(kinds):
        found.setdefault(kind, []).append(place)
    return found.items()

"""What a step of a campaign writes: chunks of reserved changes, meters left out, the record of it.

Source: SALE.md, "2. Reserve stores every input".
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.hsm.columns import ChangeColumns
from vmsapp.models import (
    Campaign,
    CampaignChunk,
    CampaignRefusal,
    ChangeState,
    ChunkState,
    KeyChange,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services.bulk import insert_alike
from vmsapp.services.campaigns.choosing import Alike
from vmsapp.services.campaigns.chunks import Asked, changes_of, new_chunk_id, row_id
from vmsapp.services.campaigns.rows import form_key, note
from vmsapp.services.key_changes.planning import Plan
from vmsapp.services.key_changes.reserve import SIDE
from vmsapp.services.problems import problem_of
from vmsapp.services.rows import insert_rows, next_ids


def write_chunks(
    session: Session,
    actor: Actor,
    campaign: Campaign,
    ways: Mapping[Plan, Sequence[Alike]],
    table_set: str,
) -> list[Asked]:
    """Write reserved changes, a chunk for each module, under the locks of their meters."""
    by_module: dict[int, list[tuple[Plan, Alike]]] = defaultdict(list)
    for plan, some in ways.items():
        by_module[plan.module_id] += [(plan, meters) for meters in some]
    return [
        _write_chunk(session, actor, campaign, module_id, parts, table_set)
        for module_id, parts in by_module.items()
    ]


def _write_chunk(
    session: Session,
    actor: Actor,
    campaign: Campaign,
    module_id: int,
    parts: Sequence[tuple[Plan, Alike]],
    table_set: str,
) -> Asked:
    """Write a chunk and its reserved changes."""
    now, request_id = now_utc(), new_chunk_id()
    count = sum(len(meters.ids) for _plan, meters in parts)
    with unscoped("the campaign is locked, and so is seen"):
        ids = next_ids(session, KeyChange, count)
        chunk = CampaignChunk(
            campaign_id=campaign.id, state=ChunkState.ASKED, request_id=request_id,
            module_id=module_id, first_id=ids[0], last_id=ids[-1], meters=count, reserved_at=now,
        )  # fmt: skip
        session.add(chunk)
        session.flush()
    common = {
        "state": ChangeState.RESERVED, "reason": campaign.reason, "table_set": table_set,
        "module_id": module_id, "reserved_at": now, "reserved_by_id": actor.user_id, "note": "",
        "campaign_id": campaign.id, "chunk_id": chunk.id,
    }  # fmt: skip
    key = form_key(campaign, "")
    runs = []
    meter_ids: list[int] = []
    tokens: list[int] = []
    for plan, meters in parts:
        first, last = len(meter_ids), len(meter_ids) + len(meters.ids)
        body = {
            **common, **_columns("old", plan), **_columns("new", plan),
            "ea": plan.ea, "tct": plan.tct, "three_tokens": plan.three_tokens,
            "body_hash": _body_hash(plan),
        }  # fmt: skip
        insert_alike(session, KeyChange, body, {
            "id": ids[first:last],
            "meter_id": meters.ids,
            "meter_pan": meters.pans,
            "form_key": [f"{key}{meter_id}" for meter_id in meters.ids],
            "request_id": [row_id(request_id, place) for place in range(first, last)],
        })  # fmt: skip
        runs.append(changes_of(
            meters.pans, plan.old, plan.new, plan.ea, plan.tct, three_tokens=plan.three_tokens
        ))  # fmt: skip
        meter_ids += meters.ids
        tokens += [plan.token_count] * len(meters.ids)
    return Asked(
        chunk.id, campaign.id, request_id, module_id, table_set, ids, meter_ids, tokens,
        ChangeColumns(runs),
    )  # fmt: skip


def _columns(which: str, plan: Plan) -> dict[str, Any]:
    side = getattr(plan, which)
    return {f"{which}_{name}": getattr(side, name) for name in SIDE}


def _body_hash(plan: Plan) -> str:
    """Digest of what a set of this plan is asked for: 64 hex digits."""
    told = asdict(plan) | {"meter_id": None, "warned": None}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def leave_out(
    session: Session, campaign: Campaign, left_out: Sequence[tuple[Alike, VmsError]]
) -> None:
    """Write down which meters get no set, and why."""
    now = now_utc()
    rows = [
        {
            "campaign_id": campaign.id, "round": campaign.round, "meter_id": meter_id,
            "code": error.code, "outcome": problem_of(error), "refused_at": now,
        }
        for meters, error in left_out
        for meter_id in meters.ids
    ]  # fmt: skip
    insert_rows(session, CampaignRefusal, rows)


def note_step(
    session: Session,
    actor: Actor,
    campaign: Campaign,
    asked: Sequence[Asked],
    left_out: Sequence[tuple[Alike, VmsError]],
) -> None:
    """Put one step on record: its chunks, and how many were left out for which rule."""
    for chunk in asked:
        note(
            session, actor, "reserved", campaign.id, chunk=chunk.chunk_id,
            meters=len(chunk.changes), request_id=chunk.request_id, module=chunk.module_id,
        )  # fmt: skip
    if left_out:
        counts: Counter[str] = Counter()
        for meters, error in left_out:
            counts[error.code] += len(meters.ids)
        note(
            session, actor, "left_out", campaign.id, round=campaign.round,
            meters=counts.total(), codes=dict(counts),
        )  # fmt: skip

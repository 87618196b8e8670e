"""What becomes of chunks whose outcome is open and that no job is at: as of sales.

Source: SALE.md, "7. Reconcile and cancel".
"""

import logging
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import Cancelled, IssuedTokens
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.models import CampaignChunk, ChunkState
from vmsapp.scope import SYSTEM
from vmsapp.services.campaigns.chunks import (
    Asked,
    ask,
    asked_of,
    complete,
    fail,
    part,
    read_chunk,
)
from vmsapp.services.doubt import PLAIN, Open, Patience, settle_open
from vmsapp.services.security_modules import open_module

CHUNKS: Final = Open(
    CampaignChunk, ChunkState.ASKED, CampaignChunk.reserved_at, read_chunk, "campaign chunk"
)

log = logging.getLogger(__name__)


def reconcile_chunks(
    session: Session, registry: Registry, patience: Patience = PLAIN
) -> dict[str, int]:
    """Settle what can be settled.

    Returns:
        How many chunks are now ``made``, ``parted``, ``failed`` or still ``asked``.
    """
    return settle_open(
        session, CHUNKS, lambda chunk: _settle(session, registry, chunk, patience), patience
    )


def _settle(
    session: Session, registry: Registry, chunk: CampaignChunk, patience: Patience
) -> CampaignChunk:
    """Ask again while it is young, under the same id; cancel when it is old."""
    asked = asked_of(session, chunk)
    end_reading(session)
    young = patience.still_young(chunk.reserved_at)
    try:
        if young:
            complete(session, SYSTEM, asked, ask(session, registry, asked))
        else:
            _give_up(session, registry, asked)
    except ModuleRefused as refusal:
        part(session, SYSTEM, asked, refusal.reason)
    except (HsmUnavailable, HsmTimeout) as silence:
        log.warning("campaign chunk %s: %s", chunk.id, silence.code)
    return read_chunk(session, chunk.id)


def _give_up(session: Session, registry: Registry, asked: Asked) -> None:
    module = open_module(session, registry, asked.module_id)
    end_reading(session)
    answer = module.cancel(asked.request_id)
    if isinstance(answer, Cancelled):
        fail(session, SYSTEM, asked, "cancelled")
    else:
        complete(session, SYSTEM, asked, _cut(asked, answer))


def _cut(asked: Asked, tokens: IssuedTokens) -> list[IssuedTokens]:
    """Cut the tokens of a whole chunk into its sets."""
    sets, at = [], 0
    for count in asked.tokens:
        sets.append(tokens[at : at + count])
        at += count
    return sets

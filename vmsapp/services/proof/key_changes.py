"""Whether key changes and their tokens hang on something: on PostgreSQL no foreign key says so.

A trigger says it where they are written (docs/decisions/0050); this looks at all that is there,
however it came there.
"""

from typing import Any

from sqlalchemy import Select, and_, or_, select

from vmsapp.models import (
    Campaign,
    CampaignChunk,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    SecurityModule,
)
from vmsapp.services.rows import table_of

CHANGES, TOKENS = table_of(KeyChange), table_of(KeyChangeToken)
CHUNKS = table_of(CampaignChunk)


def changes_astray() -> Select[Any]:
    """Changes that name a row that is not there, or a chunk of another campaign or module."""
    change, chunk = CHANGES.c, CHUNKS.c
    named = (
        (change.meter_id, table_of(Meter)),
        (change.module_id, table_of(SecurityModule)),
        (change.reserved_by_id, table_of(OfficeUser)),
        (change.campaign_id, table_of(Campaign)),
        (change.chunk_id, CHUNKS),
    )
    joined: Any = CHANGES
    for column, parent in named:
        joined = joined.outerjoin(parent, parent.c.id == column)
    missing = [and_(column.is_not(None), parent.c.id.is_(None)) for column, parent in named]
    differs = or_(
        chunk.campaign_id.is_distinct_from(change.campaign_id),
        chunk.module_id != change.module_id,
    )
    return (
        select(change.id.label("key_change_id"))
        .select_from(joined)
        .where(or_(*missing, and_(chunk.id.is_not(None), differs)))
    )


def tokens_astray() -> Select[Any]:
    """Changes that are not there, or not the meter's, and have tokens."""
    token, change = TOKENS.c, CHANGES.c
    mine = and_(change.id == token.key_change_id, change.meter_id == token.meter_id)
    return (
        select(token.key_change_id.label("key_change_id"))
        .select_from(TOKENS.outerjoin(CHANGES, mine))
        .where(change.id.is_(None))
        .distinct()
    )

"""Keeping the roll-ups: adding what was posted, taking it out again, making them anew.

With them is kept when each consumer last bought for a place.

A transfer is on the list of the unsummed or in the cells, never in both: whoever moves it does
both in one transaction. Movers come one after the other, so that none waits for another's cells
while it holds some.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Delete,
    Insert,
    Select,
    String,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import FIGURES, LastPurchase, LedgerTransfer, Sale, TransferState, Unsummed
from vmsapp.models.sale import PURCHASES
from vmsapp.services.chunk_size import ChunkSize
from vmsapp.services.roll_ups.cells import ROLL_UPS, RollUp
from vmsapp.services.rows import (
    ASKED_AT_ONCE,
    among,
    among_named,
    insert_into,
    parts,
    table_of,
    those,
)
from vmsapp.services.setup import zone_at
from vmsapp.statements import made_once

BATCH: Final = ASKED_AT_ONCE
"""Transfers a transaction adds."""

BATCH_POSTGRESQL: Final = 10 * BATCH
"""There they are one value, however many; the more, the fewer times a cell is written."""

FIRST: Final = 60
"""Transfers it begins with: each is added to the sums of some six tables."""

MOVERS_LOCK: Final = 0x53554D53
"""Advisory lock of whoever moves; on SQLite the write transaction is the lock."""

unsummed = Unsummed.__table__
transfer, sale = LedgerTransfer.__table__.c, Sale.__table__.c

POSTED: Final = (transfer.state == TransferState.POSTED, transfer.sale_id.is_not(None))
"""Which transfers are in the cells or listed."""

REMEMBERED: Final = ["service_point_id", "consumer_id", "bought_on"]

THOSE: Final = "those"
"""Under which name statements are given the transfers they are about."""

PICKED: Final = table("roll_ups_picked", column("id", BigInteger))
"""A passing table of those that are added."""


def merge(session: Session) -> int:
    """Add what is committed and in no cell yet.

    Args:
        session: Outside any transaction.

    Returns:
        How many transfers were added.
    """
    total, most = 0, BATCH
    zone = zone_at(session, now_utc())
    if session.get_bind().dialect.name == "postgresql":
        most = BATCH_POSTGRESQL
    size = ChunkSize(most, FIRST)
    while session.scalar(select(unsummed.c.transfer_id).limit(1)) is not None:
        asked = size.rows
        with size.timed():
            added = _merge_some(session, zone, asked)
        total += added
        if added < asked:
            break
    end_reading(session)
    return total


def rebuild(session: Session) -> int:
    """Make all cells anew from the records, while sales go on.

    PostgreSQL does it in one transaction: until its end everybody reads the cells of before. On
    SQLite it would keep all sales waiting; there the cells are emptied and everything is listed,
    and merged in parts: meanwhile reports are slower, and right.

    Args:
        session: Outside any transaction.

    Returns:
        How many transfers were added.
    """
    if session.get_bind().dialect.name == "postgresql":
        return _rebuild_at_once(session)
    listed = exists().where(unsummed.c.transfer_id == transfer.id)
    with atomic(session, durable=True):
        _empty(session)
        missing = select(transfer.id).where(*POSTED, ~listed)
        session.execute(insert(Unsummed).from_select(["transfer_id"], missing))
    return merge(session)


def _rebuild_at_once(session: Session) -> int:
    with atomic(session, durable=True):
        _one_at_a_time(session)
        session.execute(text("SET LOCAL work_mem = '256MB'"))
        # these and no others: what is committed from now on is listed, and stays so
        session.execute(text(f"CREATE TEMPORARY TABLE {PICKED.name} (id bigint) ON COMMIT DROP"))
        session.execute(insert(PICKED).from_select(["id"], select(transfer.id).where(*POSTED)))
        session.execute(text(f"ANALYZE {PICKED.name}"))
        _empty(session)
        picked = select(PICKED.c.id)
        zone = zone_at(session, now_utc())
        for roll_up in ROLL_UPS:
            cells = roll_up.cells(
                roll_up.spans, zone, lambda columns: [columns["transfer_id"].in_(picked)]
            )
            session.execute(_filled("postgresql", roll_up, cells))
        session.execute(insert(LastPurchase).from_select(REMEMBERED, last_purchases()))
        done = delete(Unsummed).where(Unsummed.transfer_id.in_(picked))
        session.execute(done.execution_options(synchronize_session=False))
        return int(session.scalar(select(func.count()).select_from(PICKED)) or 0)


def take_out(session: Session, meter_ids: Sequence[int]) -> None:
    """Take what was sold for meters out of the cells, to be added as it is from now on.

    Args:
        session: Inside the transaction that changes what cells tell apart, before it does.
        meter_ids: Meters whose product is about to change.
    """
    if not meter_ids:
        return
    _one_at_a_time(session)
    zone = zone_at(session, now_utc())
    waits = exists().where(unsummed.c.transfer_id == transfer.id)
    for some in parts(meter_ids):
        summed = session.scalars(
            select(transfer.id).join(Sale.__table__, sale.id == transfer.sale_id)
            .where(among(session, sale.meter_id, some))
            .where(transfer.state == TransferState.POSTED, ~waits)
        ).all()  # fmt: skip
        for listed in parts(summed):
            _add(session, listed, zone, sign=-1)
            session.execute(insert(Unsummed), [{"transfer_id": one} for one in listed])


def _merge_some(session: Session, zone: str, most: int) -> int:
    with atomic(session, durable=True):
        _one_at_a_time(session)
        # these and no others: what is committed from now on waits for the next
        listed = session.scalars(
            select(unsummed.c.transfer_id).order_by(unsummed.c.transfer_id).limit(most)
        ).all()
        if listed:
            _add(session, listed, zone)
            dialect = session.get_bind().dialect.name
            for done in (_remembering(dialect), _taking_off(dialect)):
                session.execute(done, {THOSE: those(session, listed)})
        return len(listed)


def _one_at_a_time(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MOVERS_LOCK})


def _empty(session: Session) -> None:
    for model in (*(roll_up.model for roll_up in ROLL_UPS), LastPurchase):
        session.execute(delete(model).execution_options(synchronize_session=False))


def _add(session: Session, listed: Sequence[int], zone: str, sign: int = 1) -> None:
    """Add the figures of transfers to the cells of all roll-ups, or take them off."""
    dialect = session.get_bind().dialect.name
    values = {THOSE: those(session, listed), "zone": zone}
    for roll_up in ROLL_UPS:
        session.execute(_pouring(dialect, roll_up, sign), values)


def last_purchases() -> Select[Any]:
    """State by the records when somebody last bought for a place, for all places."""
    keys = (sale.service_point_id, sale.consumer_id)
    last = func.max(sale.business_date).label("bought_on")
    there = (key.is_not(None) for key in keys)
    return select(*keys, last).where(*PURCHASES, *there).group_by(*keys)


@made_once
def _remembering(dialect: str) -> Insert:
    """Look up anew when those last bought whose transfers were added."""
    added = (
        select(sale.service_point_id, sale.consumer_id)
        .distinct()
        .join_from(LedgerTransfer.__table__, Sale.__table__, sale.id == transfer.sale_id)
        .where(among_named(dialect, transfer.id, THOSE))
        .where(sale.service_point_id.is_not(None), sale.consumer_id.is_not(None))
        .subquery()
    )
    bought_on = (
        select(func.max(sale.business_date))
        .where(
            sale.service_point_id == added.c.service_point_id,
            sale.consumer_id == added.c.consumer_id,
            *PURCHASES,
        )
        .correlate(added)
        .scalar_subquery()
    )
    found = select(added.c.service_point_id, added.c.consumer_id, bought_on).where(true())
    filled = insert_into(LastPurchase, dialect).from_select(REMEMBERED, found)
    return filled.on_conflict_do_update(
        index_elements=REMEMBERED[:2], set_={"bought_on": filled.excluded.bought_on}
    )


@made_once
def _taking_off(dialect: str) -> Delete:
    return delete(table_of(Unsummed)).where(among_named(dialect, unsummed.c.transfer_id, THOSE))


@made_once
def _pouring(dialect: str, roll_up: RollUp, sign: int) -> Insert:
    zone: BindParameter[str] = bindparam("zone", type_=String())
    return _filled(dialect, roll_up, roll_up.cells(
        roll_up.spans, zone,
        lambda columns: [among_named(dialect, columns["transfer_id"], THOSE)], sign,
    ))  # fmt: skip


def _filled(dialect: str, roll_up: RollUp, cells: Select[Any]) -> Insert:
    """Add cells to those that are there; one that is not there yet begins with them."""
    there = table_of(roll_up.model)
    # cells of one span beside each other: months are read without the days between them
    in_order = cells.order_by(*(literal_column(str(place)) for place in (1, 2)))
    filled = insert_into(roll_up.model, dialect).from_select(
        [*roll_up.all_keys, *FIGURES], in_order
    )
    sums = {name: there.c[name] + filled.excluded[name] for name in FIGURES}
    return filled.on_conflict_do_update(index_elements=[*roll_up.all_keys], set_=sums)

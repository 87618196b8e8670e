"""What a campaign would do: counted kind by kind, before anything is made."""

from collections import defaultdict
from typing import Any, Final

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.models import Campaign, Meter, MeterState, ModuleHealth, Product
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns.choosing import KIND, being_settled, chosen, in_change
from vmsapp.services.campaigns.drafting import digest_of
from vmsapp.services.campaigns.routes import Routes
from vmsapp.services.campaigns.rows import read
from vmsapp.services.campaigns.terms import Conflict, Group, Kind, Preview, Route, Target
from vmsapp.services.key_changes.planning import Plan, Side
from vmsapp.sts import identifiers

OWN_PER_SECOND: Final = 10_000
"""Sets a second that a module of ours makes and the database takes in, with a margin: see
``benchmarks/campaign.py``."""


def preview(session: Session, campaign_id: int) -> Preview:
    """Count what a campaign would do; nothing is written.

    Args:
        session: In the asker's scope.
        campaign_id: Which.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    campaign = read(session, campaign_id)
    routes = Routes(Target.read(campaign.target), campaign.reason)
    ways: dict[tuple[Any, ...], int] = defaultdict(int)
    refused: dict[str, list[tuple[VmsError, Group]]] = defaultdict(list)
    by_module: dict[int, int] = defaultdict(int)
    groups = groups_of(session, campaign)
    for group in groups:
        way = why_not(group.state, in_change=group.in_change, busy=group.busy) or routes.of(
            session, group.kind, group.meter_id
        )
        if isinstance(way, Plan):
            ways[_named(way.old), _named(way.new), way.ea, way.token_count, way.warned] += (
                group.meters
            )
            by_module[way.module_id] += group.meters * way.token_count
        else:
            refused[way.code].append((way, group))
    return Preview(
        chosen=sum(group.meters for group in groups),
        meters=sum(ways.values()),
        tokens=sum(by_module.values()),
        routes=tuple(
            Route(old, new, ea, meters, count, warned)
            for (old, new, ea, count, warned), meters in sorted(ways.items(), key=str)
        ),
        conflicts=tuple(sorted(map(_conflict, refused.values()), key=lambda one: -one.meters)),
        seconds=_seconds(session, campaign, sum(ways.values()), by_module),
        digest=digest_of(session, campaign),
    )


def why_not(state: str, *, in_change: bool, busy: bool) -> VmsError | None:
    """Tell why a meter is left out as it stands, whatever its key is."""
    if state == MeterState.RETIRED:
        return wrong.MeterRetired()
    if state == MeterState.BLOCKED:
        return wrong.MeterBlocked()
    if in_change:
        return wrong.MeterInChange()
    return wrong.MeterBusy() if busy else None


def groups_of(session: Session, campaign: Campaign) -> list[Group]:
    """Count the chosen meters by kind and state, in the asker's scope."""
    inner = (
        select(*KIND, Meter.state, in_change().label("in_change"), being_settled().label("busy"),
               Meter.id, Meter.drn)
        .join(Product, Product.id == Meter.product_id)
        .where(*chosen(session, campaign))
        .subquery()
    )  # fmt: skip
    by = list(inner.c)[: len(KIND) + 3]
    rows = session.execute(
        select(*by, func.count(literal(1)), func.min(inner.c.id), func.min(inner.c.drn)).group_by(
            *by
        )
    )
    width = len(KIND)
    return [Group(Kind._make(row[:width]), *row[width:]) for row in rows]


def _conflict(found: list[tuple[VmsError, Group]]) -> Conflict:
    error = found[0][0]
    examples = sorted({group.example for _error, group in found})[:3]
    return Conflict(
        error.code, error.message, dict(error.params), sum(group.meters for _, group in found),
        tuple(identifiers.drn.format(one) for one in examples),
        tuple(group for _error, group in found),
    )  # fmt: skip


def _named(side: Side) -> str:
    return f"{side.sgc} KRN {side.krn} TI {side.ti} BDT {side.base_date} DKGA{side.dkga}"


def _seconds(
    session: Session, campaign: Campaign, meters: int, tokens: dict[int, int]
) -> int | None:
    """Tell how long it takes: by the modules' own word, and not faster than was asked for."""
    health = ModuleHealth
    needed = meters / OWN_PER_SECOND
    for module_id, per_second in session.execute(
        select(health.module_id, health.per_second).where(health.module_id.in_(list(tokens)))
    ):
        if per_second:
            needed = max(needed, tokens[module_id] / per_second)
    if campaign.per_second:
        needed = max(needed, meters / campaign.per_second)
    return round(needed) or 1

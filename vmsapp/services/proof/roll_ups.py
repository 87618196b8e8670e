"""Whether the sums kept of sales are those of their records."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Integer, Select, cast, func, literal, or_, select, union_all

from vmsapp.models import FIGURES, LastPurchase, LedgerTransfer, Sale, Setup, Span, Unsummed
from vmsapp.services.roll_ups import ROLL_UPS, RollUp, last_purchases
from vmsapp.services.roll_ups.calendar import begins
from vmsapp.services.roll_ups.facts import summed

ZONE: Final = (
    select(Setup.__table__.c.time_zone)
    .order_by(Setup.__table__.c.effective_at)
    .limit(1)
    .scalar_subquery()
)
"""The utility's; it cannot change after the first sale."""


def roll_ups_differ() -> Select[Any]:
    """Vending points with sums that are not those of the records, and how many.

    What is in no cell yet is added to the cells of days; these are compared with the records,
    and the cells of weeks and months with them.
    """
    differing = union_all(*(one for roll_up in ROLL_UPS for one in _differing(roll_up))).subquery()
    return select(
        differing.c.vending_point_id, cast(func.count(), Integer).label("found")
    ).group_by(differing.c.vending_point_id)


def last_purchases_differ() -> Select[Any]:
    """Places whose last purchase that is kept is not that of the sales; not where some wait."""
    kept, transfer, sale = (model.__table__ for model in (LastPurchase, LedgerTransfer, Sale))
    keys = [kept.c.service_point_id, kept.c.consumer_id]
    both = union_all(
        select(*keys, kept.c.bought_on).where(kept.c.bought_on.is_not(None)), last_purchases()
    ).subquery()
    waiting = (
        select(sale.c.service_point_id)
        .join_from(Unsummed.__table__, transfer, transfer.c.id == Unsummed.__table__.c.transfer_id)
        .join(sale, sale.c.id == transfer.c.sale_id)
        .where(sale.c.service_point_id.is_not(None))
    )
    days = both.c.bought_on
    return (
        select(both.c.service_point_id)
        .where(both.c.service_point_id.not_in(waiting))
        .group_by(both.c.service_point_id, both.c.consumer_id)
        .having(or_(func.count() == 1, func.min(days) != func.max(days)))
    )


def _differing(roll_up: RollUp) -> Iterator[Select[Any]]:
    def listed(columns: Any) -> Any:  # noqa: ANN401 - as ``facts`` takes it
        return [columns["transfer_id"].in_(select(Unsummed.__table__.c.transfer_id))]

    yield _not_nothing(
        roll_up,
        _kept(roll_up, Span.DAY),
        roll_up.cells([Span.DAY], ZONE, listed),
        roll_up.cells([Span.DAY], ZONE, lambda _columns: [], sign=-1),
    )
    days = roll_up.model.__table__
    for span in roll_up.spans[1:]:
        keys = [
            literal(span.value).label("span"),
            begins(span, days.c.first_on).label("first_on"),
            *(days.c[name] for name in roll_up.all_keys[2:]),
        ]
        of_days = summed(days, keys, sign=-1).where(days.c.span == Span.DAY.value)
        yield _not_nothing(roll_up, _kept(roll_up, span), of_days)


def _kept(roll_up: RollUp, span: Span) -> Select[Any]:
    cells = roll_up.model.__table__.c
    columns = [cells[name] for name in (*roll_up.all_keys, *FIGURES)]
    return select(*columns).where(cells.span == span.value)


def _not_nothing(roll_up: RollUp, *parts: Select[Any]) -> Select[Any]:
    """Find the cells whose parts do not add up to nothing."""
    found = union_all(*parts).subquery()
    return (
        select(found.c.vending_point_id)
        .group_by(*(found.c[name] for name in roll_up.all_keys))
        .having(or_(*(func.sum(found.c[name]) != 0 for name in FIGURES)))
    )

"""What a finding rests on: purchases month by month, the sales concerned, what was found before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import Session, defer, joinedload, undefer

from vmsapp.clock import business_day
from vmsapp.models import (
    ReceiptPrint,
    RevenueFinding,
    Sale,
    SaleKind,
    SaleState,
    SuppliedPlace,
)
from vmsapp.models.sale import PURCHASES
from vmsapp.services.revenue_protection.looking import About, month_begin
from vmsapp.services.revenue_protection.rules import RULES

MONTHS: Final = 24
"""Told of a meter, the one that runs included."""
MOST: Final = 20
"""Sales and earlier findings that are listed."""

Numbers = Mapping[str, int]
sale = Sale.__table__.c


@dataclass(frozen=True, slots=True)
class Month:
    """What was bought for a meter in a calendar month.

    Attributes:
        units: Of what the meter measures; money on tokens is none.
        paid_minor: With fees and taxes.
    """

    first: date
    purchases: int
    units: Decimal
    paid_minor: int


def history(
    session: Session, meter_id: int, today: date, place: SuppliedPlace | None = None
) -> Sequence[Month]:
    """Sum what the meter's consumer bought, month by month, the oldest first.

    Wherever it was sold: the bare table lies past the scope, and no sale is told of by itself.

    Args:
        session: Of somebody who sees the meter.
        meter_id: Which.
        today: The business day.
        place: Where it hangs and who buys there: that counts, whichever meter hung there before.
    """
    bought = (
        (sale.meter_id == meter_id,) if place is None
        else (sale.service_point_id == place.id, sale.consumer_id == place.consumer_id)
    )  # fmt: skip
    since = month_begin(today, MONTHS - 1)
    of_units = case((sale.credit_minor.is_(None), sale.units), else_=0)
    rows = session.execute(
        select(
            sale.business_date, func.count(), func.sum(of_units), func.sum(sale.charged_minor)
        )
        .where(*bought, *PURCHASES)
        .where(sale.business_date >= since)
        .group_by(sale.business_date)
    )  # fmt: skip
    months: dict[date, list[Any]] = {
        month_begin(since, -n): [0, Decimal(0), 0] for n in range(MONTHS)
    }
    for day, count, units, minor in rows:
        sums = months.get(month_begin(day))
        if sums is not None:  # not of a clock that is ahead
            sums[0] += count
            sums[1] += units or 0
            sums[2] += int(minor)
    return [Month(first, int(n), Decimal(units), int(paid)) for first, (n, units, paid)
            in months.items()]  # fmt: skip


def _outside(numbers: Numbers) -> ColumnElement[bool]:
    early, late = Sale.local_hour < numbers["opens"], Sale.local_hour >= numbers["closes"]
    return or_(early, late) if numbers["opens"] < numbers["closes"] else early & late


def _copied(_numbers: Numbers) -> ColumnElement[bool]:
    return Sale.id.in_(select(ReceiptPrint.sale_id).where(ReceiptPrint.nth > 1))


def _given(_numbers: Numbers) -> ColumnElement[bool]:
    return Sale.kind != SaleKind.SALE


def _back(_numbers: Numbers) -> ColumnElement[bool]:
    return Sale.state == SaleState.REVERSED


CONCERNED: Final[Mapping[str, Callable[[Numbers], ColumnElement[bool]]]] = {
    "hours": _outside,
    "given_operator": _given,
    "given_meter": _given,
    "copies_operator": _copied,
    "back_operator": _back,
    "back_point": _back,
}
"""Which sales of a subject a rule counted, where it is not all of them."""


def sales_concerned(
    session: Session, row: RevenueFinding, numbers: Numbers, zone: str
) -> Sequence[Sale]:
    """List the newest sales that a finding is about, as far as the reader sees them."""
    wanted: Select[Any] = (
        select(Sale)
        .options(joinedload(Sale.meter), joinedload(Sale.vending_point),
                 undefer(Sale.operator_name), defer(Sale.calculation))
        .where(Sale.receipt_number.is_not(None))
        .order_by(Sale.id.desc())
        .limit(MOST)
    )  # fmt: skip
    rule = RULES.get(row.rule)
    if row.sale_id is not None:
        wanted = wanted.where(Sale.id == row.sale_id)
    elif row.meter_id is not None:
        wanted = wanted.where(Sale.meter_id == row.meter_id)
    else:
        days = numbers.get("days", 0)
        first = business_day(row.found_at, zone) - timedelta(days=days)
        wanted = wanted.where(
            Sale.vending_point_id == row.vending_point_id, Sale.business_date > first
        )
        if rule is not None and rule.about == About.OPERATOR and row.rule != "copies_operator":
            wanted = wanted.where(Sale.operator_id == row.operator_id)
    if row.rule in CONCERNED:
        wanted = wanted.where(CONCERNED[row.rule](numbers))
    return session.scalars(wanted).unique().all()


def earlier(session: Session, row: RevenueFinding) -> Sequence[RevenueFinding]:
    """List what was found about the same subject besides, the newest first."""
    return session.scalars(
        select(RevenueFinding)
        .options(undefer(RevenueFinding.assigned))
        .where(RevenueFinding.subject == row.subject, RevenueFinding.id != row.id)
        .order_by(RevenueFinding.id.desc())
        .limit(MOST)
    ).all()

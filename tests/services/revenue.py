"""Revenue protection as tests use it: purchases on days of one's choice, and the rules asked."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from tests.factories import HARBOUR, LEGACY_11
from tests.shop import Shop
from vmsapp.extensions import atomic
from vmsapp.models import RevenueFinding, RevenueRule, Sale
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.revenue_protection.running import run_rules

ON_SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
ON_POSTGRES = pytest.mark.parametrize("backend", ["postgres"], indirect=True)
"""For tests of what the database has no part in, and of what only one of them can do."""


def sold_on(shop: Shop, day: date, meter: str = LEGACY_11, **values: Any) -> int:
    """Have 10 units been sold on a day, with other values where they matter; gives the sale's id.

    The first sale of a meter is made; the others are copies of it, which takes no time.
    """
    place = {name: values.pop(name) for name in ("point", "by") if name in values}
    made = shop.rows(Sale, Sale.meter_id == shop.utility.meters[meter])
    first = made[0] if made else shop.sell(meter, units="10", **place)

    def copied(session: Session) -> int:
        row = {one.key: getattr(first, one.key) for one in Sale.__table__.columns}
        number = 1000 + shop_sales(session)
        row |= {"idempotency_key": f"copy {number}", "request_id": f"copy {number}",
                "receipt_number": number, "tid": number, "business_date": day}  # fmt: skip
        del row["id"]
        return session.execute(insert(Sale).values(row | values)).inserted_primary_key[0]

    def moved(session: Session) -> int:
        where = Sale.id == first.id
        session.execute(update(Sale).where(where).values(business_date=day, **values))
        return first.id

    return shop.change(copied if made else moved)


def shop_sales(session: Session) -> int:
    """How many sales there are."""
    return session.scalar(select(func.count()).select_from(Sale.__table__)) or 0


def bought(shop: Shop, meter: str, *days: date, units: str = "10", **values: Any) -> None:
    """Have a consumer bought so many units on each of some days."""
    amount = Decimal(units)
    for day in days:
        sold_on(shop, day, meter, units=amount, units_carried=amount, **values)


def ask_rules(shop: Shop, **how: Any) -> dict[str, int]:
    """Ask all rules, as the worker does; gives how many findings are new."""
    with shop.session() as session, seen_by(SYSTEM):
        new = run_rules(session, **how)
    return {code: count for code, count in new.items() if count}


def findings(shop: Shop, rule: str, *where: Any) -> list[RevenueFinding]:
    """What a rule found, as it stands."""
    return shop.rows(RevenueFinding, RevenueFinding.rule == rule, *where)


def meters_found(shop: Shop, rule: str) -> set[str]:
    """Names of the meters about which a rule has a live finding."""
    names = {key: name for name, key in shop.utility.meters.items()}
    return {names[row.meter_id] for row in findings(shop, rule, RevenueFinding.live)}


def set_rule(shop: Shop, code: str, *, active: bool = True, **numbers: int) -> None:
    """Set thresholds behind the product's back."""
    with shop.session() as session, seen_by(SYSTEM), atomic(session):
        session.merge(RevenueRule(code=code, active=active, numbers=numbers))


def point_id(shop: Shop, name: str = HARBOUR) -> int:
    """Id of a vending point."""
    return shop.utility.points[name]

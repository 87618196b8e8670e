"""What reports on sales share: by what their lines are told apart, and what narrows them.

Lines are told apart by columns of a sale or of what stands behind it; names are read beside the
scope, since they belong to figures that are seen.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    Meter,
    MeterType,
    OfficeUser,
    Product,
    Region,
    Sale,
    SaleKind,
    Tariff,
    TariffPlan,
    VendingPoint,
)
from vmsapp.scope import below
from vmsapp.services.reports.question import By, Key, Question
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts.credit import CURRENCY

TYPES: Final = {subclass: kind for kind, subclass in SUBCLASS.items()}
"""Type of meter by the sub-class of its tokens in units."""

meters, points, plans = Meter.__table__.c, VendingPoint.__table__.c, TariffPlan.__table__.c
regions = Region.__table__.c

KEYS: Final[Mapping[By, Any]] = {
    By.VENDING_POINT: Sale.vending_point_id,
    By.OPERATOR: Sale.operator_id,
    By.REGION: select(points.region_id).where(points.id == Sale.vending_point_id),
    By.TARIFF: select(plans.tariff_id).where(plans.id == Sale.plan_id),
    By.PRODUCT: select(meters.product_id).where(meters.id == Sale.meter_id),
}
NAMES: Final[Mapping[By, tuple[Any, Any]]] = {
    By.VENDING_POINT: (points.id, points.name),
    By.OPERATOR: (OfficeUser.__table__.c.id, OfficeUser.__table__.c.username),
    By.REGION: (regions.id, regions.name),
    By.TARIFF: (Tariff.__table__.c.id, Tariff.__table__.c.name),
    By.PRODUCT: (Product.__table__.c.id, Product.__table__.c.model),
}


def key_of(question: Question, day: Any) -> Any:  # noqa: ANN401 - a column or a select
    """Give what a line is about, of a sale; ``day`` where that is a time."""
    key = KEYS.get(question.by, day)
    return key.scalar_subquery() if isinstance(key, Select) else key


def at_places(question: Question, point: Any) -> list[ColumnElement[bool]]:  # noqa: ANN401
    """State what lies where a question asks about; ``point`` is a column of vending points."""
    clauses: list[ColumnElement[bool]] = []
    if question.region_id is not None:
        top = select(regions.path).where(regions.id == question.region_id).scalar_subquery()
        inside = select(regions.id).where(below(regions.path, top))
        clauses.append(point.in_(select(points.id).where(points.region_id.in_(inside))))
    if question.vending_point_id is not None:
        clauses.append(point == question.vending_point_id)
    return clauses


def narrowed(statement: Select[Any], question: Question, *, free: bool = False) -> Select[Any]:
    """Narrow to the purchases a question asks about, or to what was given without money."""
    clauses = [(Sale.kind != SaleKind.SALE) if free else (Sale.kind == SaleKind.SALE)]
    clauses += at_places(question, Sale.vending_point_id)
    if question.meter_type is not None:
        service = SUBCLASS[MeterType(question.meter_type)]
        clauses.append(Sale.subclass.in_((service, CURRENCY + service)))
    if question.operator_id is not None:
        clauses.append(Sale.operator_id == question.operator_id)
    if question.tariff_id is not None:
        theirs = select(plans.id).where(plans.tariff_id == question.tariff_id)
        clauses.append(Sale.plan_id.in_(theirs))
    if question.product_id is not None:
        theirs = select(meters.id).where(meters.product_id == question.product_id)
        clauses.append(Sale.meter_id.in_(theirs))
    return statement.where(*clauses)


def names_of(session: Session, by: By, keys: set[Key]) -> dict[Key, str]:
    """Read what lines about rows are called; times have no name."""
    if by not in NAMES:
        return {}
    key, name = NAMES[by]
    rows = session.execute(select(key, name).where(key.in_(keys)))
    return dict(rows.all())

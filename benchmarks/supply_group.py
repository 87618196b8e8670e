"""Meters of a supply group at their places, by the million, in a benchmark's own database.

All are alike but for their numbers; ten places belong to one consumer. They are copied in past
triggers and foreign keys, whose answers are known, and indexes are made when the rows are there.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from benchmarks.bare import bare
from vmsapp.extensions import atomic
from vmsapp.models import (
    Consumer,
    Meter,
    MeterInstallation,
    Product,
    Region,
    ServicePoint,
    Tariff,
)
from vmsapp.services.bulk import insert_alike
from vmsapp.sts.identifiers import luhn, meter_pan

SINCE: Final = datetime(2026, 1, 5, tzinfo=UTC)
PLACES: Final = 10
"""Of one consumer."""
PART: Final = 50_000
TABLES: Final = (Consumer, Meter, ServicePoint, MeterInstallation)


def pour(session: Session, sgcs: Sequence[str], count: int, first: int = 50_000_000) -> None:
    """Add meters to supply groups, and what they hang at.

    Args:
        session: In sight of everything; of a superuser of the database.
        sgcs: The groups, 6 digits each.
        count: Meters in each.
        first: Serial number of the first meter.
    """
    with atomic(session), bare(session, TABLES):
        for place, sgc in enumerate(sgcs):
            _pour(session, sgc, first + place * count, count)
        for model in TABLES:
            series = f"pg_get_serial_sequence('{model.__tablename__}', 'id')"
            last = f"SELECT setval({series}, max(id)) FROM {model.__tablename__}"
            session.execute(text(last))


def _pour(session: Session, sgc: str, serial: int, count: int) -> None:
    region = session.scalars(select(Region.id).where(Region.parent_id.is_(None))).one()
    product = session.scalars(select(Product).order_by(Product.id)).first()
    tariff = session.scalars(select(Tariff.id).order_by(Tariff.id)).first()
    assert product is not None
    owner, meter, point, link = (
        (session.scalar(select(func.max(model.id))) or 0) + 1 for model in TABLES
    )
    for start in range(0, count, PART):
        nth = range(start, min(start + PART, count))
        tens = range(start // PLACES, -(-nth.stop // PLACES))
        numbers = [f"{sgc}B{n:07}" for n in tens]
        drns = [_drn(product.manufacturer_code, serial + n) for n in nth]
        ids, points = _from(meter, nth), _from(point, nth)
        owners = [owner + n // PLACES for n in nth]
        insert_alike(session, Consumer, _consumer(region), {
            "id": _from(owner, tens), "number": numbers, "name": numbers, "search_key": numbers,
        })  # fmt: skip
        insert_alike(session, Meter, _meter(region, product.id, tariff, sgc), {
            "id": ids, "drn": drns, "meter_pan": list(map(meter_pan.of_drn, drns)),
        })  # fmt: skip
        insert_alike(session, ServicePoint, _place(region), {"id": points, "consumer_id": owners})
        insert_alike(session, MeterInstallation, {"installed_at": SINCE}, {
            "id": _from(link, nth), "service_point_id": points, "meter_id": ids,
            "consumer_id": owners,
        })  # fmt: skip


def _from(first: int, nth: range) -> range:
    return range(first + nth.start, first + nth.stop)


def _drn(maker: str, serial: int) -> str:
    body = f"{maker}{serial:08d}"
    return body + luhn.check_digit(body)


def _consumer(region: int) -> dict[str, Any]:
    return {
        "phone": "", "region_id": region, "address": "Long Street", "gender": "unknown",
        "id_number": "", "email": "", "language": "en", "version": 1, "bound": True,
        "away": False,
    }  # fmt: skip


def _meter(region: int, product: int, tariff: int | None, sgc: str) -> dict[str, Any]:
    return {
        "meter_type": "electricity", "credit_mode": "units", "algorithm": "sts6",
        "product_id": product, "tariff_id": tariff, "region_id": region, "sgc": sgc, "krn": 1,
        "kt": 2, "ti": "01", "base_date": "14", "ea": 7, "tct": 2, "state": "active",
        "blocked_reason": "", "bound": True,
    }  # fmt: skip


def _place(region: int) -> dict[str, Any]:
    return {"address": "", "region_id": region, "plan_attached_on": date(2026, 1, 1)}

"""A demo instance with as many meters and vending points as wanted, each point with its operator.

All lies in one country; the meters are of the demo's products, keys and tariffs, both
algorithms and both lengths of number in turn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from werkzeug.security import generate_password_hash

from benchmarks.million import pour, settle
from config import Settings
from vmsapp import create_app
from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, db
from vmsapp.models import (
    Consumer,
    Meter,
    MeterInstallation,
    Product,
    Region,
    ServicePoint,
    Tariff,
    VendingPoint,
)
from vmsapp.models.folding import search_key
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.demo import LEGACY_SGC, STS6_SGC
from vmsapp.services.users import add_user
from vmsapp.sts.identifiers import luhn, meter_pan

SINCE = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Operator:
    """Who sells at a vending point."""

    username: str
    password: str
    vending_point_id: int


@dataclass(frozen=True)
class Estate:
    """What was added."""

    operators: list[Operator]
    meters: range
    """Ids of the meters."""


def enlarge(environ: Mapping[str, str], meters: int, points: int) -> Estate:
    """Add to an instance that was prepared, from this process."""
    app = create_app(Settings.from_environ({**environ, "VMS_MODULE_SERVER": "0"}))
    with app.app_context(), seen_by(SYSTEM):
        country = db.session.scalars(select(Region).where(Region.parent_id.is_(None))).one().id
        operators = [staffed(country, number) for number in range(points)]
        first = {
            model: (db.session.scalar(select(func.max(model.id))) or 0) + 1
            for model in (Consumer, Meter, ServicePoint, MeterInstallation)
        }
        for model, rows in (
            (Consumer, consumers(first[Consumer], country, meters)),
            (Meter, _meters(first[Meter], country, meters)),
            (ServicePoint, places(first, country, meters)),
            (MeterInstallation, links(first, meters)),
        ):
            pour(model, rows)
        settle()
        db.engine.dispose()
    return Estate(operators, range(first[Meter], first[Meter] + meters))


def staffed(region_id: int, number: int) -> Operator:
    """Open a vending point, and give it an operator."""
    with atomic(db.session()) as session:
        point = VendingPoint(name=f"Counter {number:03}", region_id=region_id)
        session.add(point)
        session.flush()
        account = add_user(
            session, SYSTEM, username=f"seller-{number:03}", first_name="Seller",
            last_name=f"{number:03}", group="Operator", hash_password=_cheap,
            region_id=region_id, vending_point_id=point.id,
        )  # fmt: skip
        return Operator(account.username, account.password, point.id)


def _cheap(password: str) -> str:
    """Sign-in is not what is measured."""
    return generate_password_hash(password, "pbkdf2:sha256:1000")


def consumers(first: int, region_id: int, count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        number, name, phone = f"B{n:07}", f"Customer {n:07}", f"+000 7{n:08}"
        yield {
            "id": first + n, "number": number, "name": name, "phone": phone,
            "search_key": search_key(number, name, phone), "region_id": region_id,
            "address": f"{n % 977} Long Street", "gender": "unknown", "id_number": f"{n:010}",
            "email": "", "language": "en", "version": 1, "retired_at": None,
        }  # fmt: skip


def _meters(first: int, region_id: int, count: int) -> Iterator[dict[str, Any]]:
    products = db.session.execute(
        select(Product.id, Product.manufacturer_code).order_by(Product.id)
    ).all()
    tariffs = db.session.scalars(select(Tariff.id).order_by(Tariff.id)).all()
    for n in range(count):
        product, legacy = products[n % len(products)], n // 2 % 2 == 0
        body = f"{product.manufacturer_code}{50_000_000 + n:08d}"
        drn = body + luhn.check_digit(body)
        yield {
            "id": first + n, "drn": drn, "meter_pan": meter_pan.of_drn(drn),
            "meter_type": "electricity", "credit_mode": "units",
            "algorithm": "legacy" if legacy else "sts6", "product_id": product.id,
            "tariff_id": tariffs[n // 4 % len(tariffs)], "region_id": region_id,
            "sgc": LEGACY_SGC if legacy else STS6_SGC, "krn": 1, "kt": 2, "ti": "01",
            "base_date": "14", "ea": 7, "tct": 2, "state": "active", "blocked_reason": "",
            "bound": True,
        }  # fmt: skip


def places(first: Mapping[Any, int], region_id: int, count: int) -> Iterator[dict[str, Any]]:
    since = now_utc().date().replace(day=1)  # so that no fee was missed
    for n in range(count):
        yield {
            "id": first[ServicePoint] + n, "consumer_id": first[Consumer] + n, "address": "",
            "region_id": region_id, "plan_attached_on": since,
        }  # fmt: skip


def links(first: Mapping[Any, int], count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {
            "id": first[MeterInstallation] + n, "service_point_id": first[ServicePoint] + n,
            "meter_id": first[Meter] + n, "consumer_id": first[Consumer] + n,
            "installed_at": SINCE,
        }  # fmt: skip

"""An instance with as many consumers and meters as a large utility has, made quickly.

Rows lie as they come to lie: the meters of a city have numbers near each other, the newest
hang nowhere yet. Names are written in four scripts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select, text
from werkzeug.security import generate_password_hash

from benchmarks.bare import bare
from vmsapp.extensions import atomic, db
from vmsapp.models import Consumer, Meter, MeterInstallation, Product, Region, ServicePoint, Tariff
from vmsapp.models.folding import search_key
from vmsapp.models.region import RegionLevel
from vmsapp.scope import SYSTEM
from vmsapp.services.users import Account, add_user
from vmsapp.sts.identifiers import luhn, meter_pan

PROVINCES, CITIES = 20, 20
SMALL = 500
"""Meters of the one small town."""

FIRST = (
    "Grace",
    "Yusuf",
    "Aïcha",
    "Ольга",
    "Дмитрий",
    "Иван",
    "فاطمة",
    "محمد",
    "علي",
    "王",
    "李",
    "张",
)
LAST = ("Mwangi", "Otieno", "Traoré", "Petrova", "Соколова", "Кузнецов", "حسن", "العربي", "伟",
        "秀英", "小明", "Okafor", "Banda", "Diallo", "Nguyễn")  # fmt: skip
KINDS = ("electricity",) * 80 + ("water",) * 15 + ("gas",) * 4 + ("time",)
MODELS = {"electricity": 8, "water": 2, "gas": 1, "time": 1}
GENDERS = ("female",) * 45 + ("male",) * 45 + ("unknown",) * 9 + ("other",)
SINCE = datetime(2026, 1, 5, tzinfo=UTC)
PARTS = 10_000


class Towns:
    """Where everything lies: ids of cities, and the paths of regions that people see."""

    def __init__(self) -> None:
        self.cities: list[int] = []
        self.regions: dict[str, int] = {}


def fill(count: int, say: Callable[[str], None]) -> Towns:
    """Fill an instance; people may sign in to see one town or one province of it."""
    towns = _towns()
    products, tariffs = _products(), _tariffs()
    first = {
        model: (db.session.scalar(select(func.max(model.id))) or 0) + 1
        for model in (Consumer, Meter, ServicePoint)
    }
    for model, rows in (
        (Consumer, _consumers(count, first[Consumer], towns)),
        (Meter, _meters(count, first[Meter], towns, products, tariffs)),
        (ServicePoint, _points(count, first, towns)),
        (MeterInstallation, _links(count, first)),
    ):
        pour(model, rows)
        say(f"{model.__tablename__} filled")
    settle()
    return towns


def people(towns: Towns) -> dict[str, Account]:
    """Operators of one small town and of one province."""
    with atomic(db.session()) as session:
        return {
            place: add_user(
                session, SYSTEM, username=f"clerk-{place}", first_name="Clerk", last_name=place,
                group="Operator", hash_password=generate_password_hash, region_id=region,
            )
            for place, region in towns.regions.items()
        }  # fmt: skip


def city_of(n: int, count: int, towns: Towns) -> int:
    """The city of a meter and its consumer: one after the other, the last few in a small town."""
    if n % (count // SMALL or 1) == 0:
        return towns.regions["town"]
    return towns.cities[n * len(towns.cities) // count]


def state_of(n: int, count: int) -> str:
    """The newest tenth is in stock; of the others a few are blocked or retired."""
    if n >= count * 9 // 10:
        return "stock"
    return "blocked" if n % 50 == 7 else "retired" if n % 33 == 5 else "active"


def drn_of(n: int) -> str:
    """A number that no demo has."""
    body = f"0700{n:06}"
    return body + luhn.check_digit(body)


def hangs(n: int, count: int) -> bool:
    """Whether a meter is bound."""
    return state_of(n, count) in {"active", "blocked"}


def _consumers(count: int, first: int, towns: Towns) -> Iterator[dict[str, Any]]:
    for n in range(count):
        name = f"{FIRST[n % 12]} {LAST[n * 7 // 12 % 15]} {n % 9973}"
        number, phone = f"B{n:07}", f"+000 7{n * 37 % 10**8:08}"
        yield {
            "id": first + n, "number": number, "name": name, "phone": phone,
            "search_key": search_key(number, name, phone), "region_id": city_of(n, count, towns),
            "address": f"{n % 977} Long Street", "gender": GENDERS[n % 100],
            "id_number": f"{n:010}", "email": "", "language": "en", "version": 1,
            "retired_at": SINCE if n % 20 == 3 else None, "bound": hangs(n, count), "away": False,
        }  # fmt: skip


def _meters(
    count: int, first: int, towns: Towns, products: Mapping[str, Sequence[int]],
    tariffs: Mapping[str, Sequence[int]],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    for n in range(count):
        kind, state, legacy = KINDS[n % 100], state_of(n, count), n % 10 < 7
        drn = drn_of(n)
        yield {
            "id": first + n, "drn": drn, "meter_pan": meter_pan.of_drn(drn), "meter_type": kind,
            "credit_mode": "units", "algorithm": "legacy" if legacy else "sts6",
            "product_id": products[kind][n // 100 % len(products[kind])],
            "tariff_id": tariffs[kind][n // 1000 % len(tariffs[kind])],
            "region_id": city_of(n, count, towns), "sgc": "123457", "krn": 1, "kt": 2, "ti": "01",
            "base_date": "14", "ea": 7 if legacy else 11, "tct": 2, "state": state,
            "blocked_reason": "unpaid" if state == "blocked" else "", "bound": hangs(n, count),
        }  # fmt: skip


def _points(count: int, first: Mapping[Any, int], towns: Towns) -> Iterator[dict[str, Any]]:
    for n in range(count):
        if hangs(n, count):
            yield {
                "id": first[ServicePoint] + n, "consumer_id": first[Consumer] + n, "address": "",
                "region_id": city_of(n, count, towns), "plan_attached_on": date(2026, 1, 1),
            }  # fmt: skip


def _links(count: int, first: Mapping[Any, int]) -> Iterator[dict[str, Any]]:
    start = (db.session.scalar(select(func.max(MeterInstallation.id))) or 0) + 1
    for n in range(count):
        if hangs(n, count):
            yield {
                "id": start + n, "service_point_id": first[ServicePoint] + n,
                "meter_id": first[Meter] + n, "consumer_id": first[Consumer] + n,
                "installed_at": SINCE,
            }  # fmt: skip


def pour(model: Any, rows: Iterator[dict[str, Any]]) -> None:
    """Insert many rows the way that is the quickest on each database."""
    table = model.__table__
    with atomic(db.session()) as session:
        if session.get_bind().dialect.name == "postgresql":
            with bare(session, [model]):
                _copy(session, table, rows)
            return
        while part := list(islice(rows, PARTS)):
            session.execute(insert(table), part)


def _copy(session: Any, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    into = f"COPY {table.name} ({', '.join(first)}) FROM STDIN"
    cursor = session.connection().connection.cursor()
    with cursor.copy(into) as copy:
        copy.write_row(list(first.values()))
        for row in rows:
            copy.write_row(list(row.values()))
    series = f"pg_get_serial_sequence('{table.name}', 'id')"
    session.execute(text(f"SELECT setval({series}, max(id)) FROM {table.name}"))


def settle() -> None:
    """Do what PostgreSQL does by itself a minute later."""
    engine = db.engine
    db.session.remove()
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _towns() -> Towns:
    towns = Towns()
    with atomic(db.session()) as session:

        def add(name: str, level: str, parent: Any) -> Any:
            row = Region(name=name, level=level, parent_id=parent and parent.id, path="")
            row.path = f"new {name}."
            session.add(row)
            session.flush()
            row.path = f"{parent.path if parent else ''}{row.id}."
            return row

        country = add("Vastland", RegionLevel.COUNTRY, None)
        for p in range(PROVINCES):
            province = add(f"Province {p:02}", RegionLevel.PROVINCE, country)
            if p == 13:
                towns.regions["province"] = province.id
            for c in range(CITIES):
                towns.cities.append(add(f"City {p:02}-{c:02}", RegionLevel.CITY, province).id)
        hamlets = add("Hamlets", RegionLevel.PROVINCE, country)
        towns.regions["town"] = add("Hamlet", RegionLevel.CITY, hamlets).id
        towns.regions["city"] = towns.cities[350]
        session.flush()
    return towns


def _products() -> dict[str, list[int]]:
    return _made(Product, {
        kind: [{"model": f"{kind}-{n}", "name": f"Model {n}", "meter_type": kind,
                "manufacturer": "Makers", "manufacturer_code": "07"} for n in range(many)]
        for kind, many in MODELS.items()
    })  # fmt: skip


def _tariffs() -> dict[str, list[int]]:
    return _made(Tariff, {
        kind: [{"name": f"{kind} tariff {n}", "meter_type": kind} for n in range(many)]
        for kind, many in MODELS.items()
    })  # fmt: skip


def _made(model: Any, wanted: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[int]]:
    with atomic(db.session()) as session:
        rows = {kind: [model(**values) for values in some] for kind, some in wanted.items()}
        session.add_all([row for some in rows.values() for row in some])
        session.flush()
        return {kind: [row.id for row in some] for kind, some in rows.items()}

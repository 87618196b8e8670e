"""The demo utility: enough of everything to sell a token and look around.

One country with three regions, two vending points, a user of each group, three
tariffs, 200 consumers with a meter each. Its keys are random and marked as demo, and so
is every token made with them.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import cycle, islice
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import atomic
from vmsapp.hsm.keystore import demo_key
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import (
    Algorithm,
    Consumer,
    Meter,
    MeterInstallation,
    MeterState,
    MeterType,
    Product,
    Region,
    SecurityModule,
    ServicePoint,
    Setup,
    Tariff,
    VendingPoint,
)
from vmsapp.money import Currency
from vmsapp.scope import SYSTEM, Actor
from vmsapp.services import audit, regions
from vmsapp.services.instance import embedded_keystore
from vmsapp.services.security_modules import copy_key_list
from vmsapp.services.tariffs import editing
from vmsapp.services.users import Account, HashPassword, add_user
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Plan, Step

ZONE: Final = "Africa/Nairobi"
CURRENCY: Final = Currency("USD", 2)
METERS: Final = 200
LEGACY_SGC: Final = "990001"
STS6_SGC: Final = "990002"

FIRST_NAMES: Final = (
    "Amina", "Tomas", "Grace", "Yusuf", "Wei", "Fatima", "Daniel", "Chloé", "Samuel", "Leila",
    "Joseph", "Mei", "Peter", "Zahra", "Ibrahim", "Ruth", "Omar", "Hannah", "Kofi", "Noor",
)  # fmt: skip
LAST_NAMES: Final = (
    "Mwangi", "Otieno", "Haddad", "Zhang", "Diallo", "Kamau", "Martin", "Okafor", "Hassan",
    "Mensah", "Li", "Barasa", "Traoré", "Njoroge", "Saleh", "Chen", "Banda", "Dubois", "Ali",
)  # fmt: skip
STREETS: Final = ("Harbour Street", "Station Road", "School Lane", "Market Street", "Hill Road")


class Places(NamedTuple):
    """The regions and vending points that the rest refers to."""

    country: Region
    regions: list[Region]
    points: list[VendingPoint]


def seed(
    session: Session, registry: Registry, settings: Settings, hash_password: HashPassword
) -> list[Account]:
    """Fill an empty instance.

    Returns:
        The accounts made, with their passwords.
    """
    module = session.scalars(select(SecurityModule)).one()
    _make_keys(settings)
    copy_key_list(session, registry, SYSTEM, module.id)
    return furnish(session, hash_password)


def furnish(session: Session, hash_password: HashPassword) -> list[Account]:
    """Fill an empty instance with all but keys: its meters are under the two demo supply groups.

    Returns:
        The accounts made, with their passwords.
    """
    with atomic(session):
        today = business_day(now_utc(), ZONE)
        _add_setup(session)
        places = _add_places(session)
        products = _add_products(session)
        tariffs = _add_tariffs(session, today)
        _add_meters(session, places, products, tariffs, today)
        accounts = _add_users(session, places, hash_password)
        audit.record(session, SYSTEM, "demo.loaded", "installation", 1, meters=METERS)
    return accounts


def _make_keys(settings: Settings) -> None:
    keystore = embedded_keystore(settings)
    try:
        for sgc, dkga, name in (
            (LEGACY_SGC, "02", "Demo supply group, Legacy"),
            (STS6_SGC, "04", "Demo supply group, STS6"),
        ):
            ref = KeyRef(sgc=sgc, krn=1, kt=2, dkga=dkga)
            keystore.add(demo_key(ref, base_date=BaseDate.Y2014, name=name))
    finally:
        keystore.close()


def _add_setup(session: Session) -> None:
    session.add(
        Setup(
            effective_at=datetime(2020, 1, 1, tzinfo=UTC),
            utility_name="Demo Utility",
            utility_address="1 Power Avenue, Northport",
            tax_number="DEMO-000000",
            time_zone=ZONE,
            currency=CURRENCY.code,
            exponent=CURRENCY.exponent,
        )
    )


def _add_places(session: Session) -> Places:
    country = regions.add(session, SYSTEM, name="Meridia", parent_id=None)
    provinces = [
        regions.add(session, SYSTEM, name=name, parent_id=country.id)
        for name in ("Northern Region", "Central Region", "Southern Region")
    ]
    points = [
        VendingPoint(
            name=name, region_id=region.id, address=address, contact_person=contact,
            telephone=telephone,
        )
        for name, region, address, contact, telephone in (
            ("Harbour Street", provinces[0], "12 Harbour Street", "Grace Otieno", "+000 555 0101"),
            ("Market Square", provinces[2], "3 Market Square", "Yusuf Haddad", "+000 555 0102"),
        )
    ]  # fmt: skip
    session.add_all(points)
    session.flush()
    return Places(country, provinces, points)


def _add_products(session: Session) -> list[Product]:
    """Add one product with 11-digit and one with 13-digit meter numbers."""
    products = [
        Product(
            model=model, name=name, meter_type=MeterType.ELECTRICITY, manufacturer=maker,
            manufacturer_code=code,
        )
        for model, name, maker, code in (
            ("SP-100", "Single phase meter, 11 digits", "Meridian Meters", "07"),
            ("SP-200", "Single phase meter, 13 digits", "Northern Instruments", "0107"),
        )
    ]  # fmt: skip
    session.add_all(products)
    session.flush()
    return products


def _add_tariffs(session: Session, today: date) -> list[Tariff]:
    """Add a one-step tariff, a two-step one with a monthly fee, and a taxed one."""
    plans = (
        Plan("Lifeline", (_step("0", None, "0.08"),), fixed_fee=None),
        Plan(
            "Domestic",
            (_step("0", "100", "0.10"), _step("100", None, "0.20", tax="5")),
            fixed_fee=_monthly(200),
        ),
        Plan("Commercial", (_step("0", None, "0.185", tax="16"),), fixed_fee=_monthly(500)),
    )
    tariffs = []
    for plan in plans:
        tariff = editing.add_tariff(
            session, SYSTEM, name=plan.name, meter_type=MeterType.ELECTRICITY
        )
        since = date(today.year - 1, 1, 1)
        dated = replace(plan, name=f"{plan.name} {since.year}")
        editing.add_plan(session, SYSTEM, tariff.id, dated, since)
        tariffs.append(tariff)
    return tariffs


def _step(start: str, end: str | None, price: str, *, tax: str = "0") -> Step:
    return Step(Decimal(start), None if end is None else Decimal(end), Decimal(price), Decimal(tax))


def _monthly(fee_minor: int) -> FixedFee:
    return FixedFee(fee_minor, FeePeriod.MONTH, recover_missed=True, max_periods=None)


def _add_meters(
    session: Session, places: Places, products: list[Product], tariffs: list[Tariff], today: date
) -> None:
    """Add the consumers with a meter and a service point each; every tenth moved in earlier."""
    now = now_utc()
    kinds = cycle((product, algorithm) for product in products for algorithm in Algorithm)
    tariff_of = cycle((tariffs[1], tariffs[1], tariffs[0], tariffs[1], tariffs[2]))
    region_of = cycle((places.regions[0], places.regions[0], places.regions[2],
                       places.regions[2], places.regions[1]))  # fmt: skip
    rows = zip(_people(), kinds, tariff_of, region_of, strict=False)
    for number, (name, (product, algorithm), tariff, region) in enumerate(
        islice(rows, METERS), start=1
    ):
        consumer = Consumer(
            number=f"C{number:06d}",
            name=name,
            region_id=region.id,
            address=f"{number} {STREETS[number % len(STREETS)]}",
            phone=f"+000 700 {number:06d}",
            id_number=f"ID{24_000_000 + number * 7919}",
        )
        meter = _meter(number, product, algorithm, tariff, region)
        meter.bound = True
        session.add_all([consumer, meter])
        session.flush()
        attached = today.replace(day=1) if number % 10 else _months_back(today, 2)
        point = ServicePoint(
            region_id=region.id, consumer_id=consumer.id, plan_attached_on=attached
        )
        session.add(point)
        session.flush()
        session.add(
            MeterInstallation(
                service_point_id=point.id,
                meter_id=meter.id,
                consumer_id=consumer.id,
                installed_at=now,
            )
        )
    session.flush()


def _meter(
    number: int, product: Product, algorithm: Algorithm, tariff: Tariff, region: Region
) -> Meter:
    body = f"{product.manufacturer_code}{10_000_000 + number * 137:08d}"
    drn = body + identifiers.luhn.check_digit(body)
    return Meter(
        drn=drn,
        meter_pan=identifiers.meter_pan.of_drn(drn),
        meter_type=product.meter_type,
        algorithm=algorithm,
        product_id=product.id,
        tariff_id=tariff.id,
        region_id=region.id,
        sgc=LEGACY_SGC if algorithm is Algorithm.LEGACY else STS6_SGC,
        krn=1,
        kt=2,
        ti="01",
        base_date=BaseDate.Y2014.value,
        ea=7,
        tct=2,
        state=MeterState.ACTIVE,
    )


def _people() -> Iterator[str]:
    """Name people, each a different combination."""
    for shift in range(len(LAST_NAMES)):
        for index, first in enumerate(FIRST_NAMES):
            yield f"{first} {LAST_NAMES[(index + shift) % len(LAST_NAMES)]}"


def _months_back(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def _add_users(session: Session, places: Places, hash_password: HashPassword) -> list[Account]:
    north, south = places.points
    actor: Actor = SYSTEM

    def add(username: str, names: tuple[str, str], group: str, **place: int | bool) -> Account:
        return add_user(
            session, actor, username=username, first_name=names[0], last_name=names[1],
            group=group, hash_password=hash_password, **place,  # type: ignore[arg-type]
        )  # fmt: skip

    return [
        add("operator", ("Grace", "Otieno"), "Operator",
            region_id=north.region_id, vending_point_id=north.id),
        add("operator2", ("Yusuf", "Haddad"), "Operator",
            region_id=south.region_id, vending_point_id=south.id),
        add("supervisor", ("Ruth", "Kamau"), "Supervisor",
            region_id=places.country.id),
        add("engineer", ("Peter", "Banda"), "Engineer", region_id=places.country.id),
        add("auditor", ("Leila", "Saleh"), "Auditor", all_regions=True),
    ]  # fmt: skip

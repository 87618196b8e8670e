"""A tiny utility to sell from, and a clock that stands still until it is moved.

Plain functions that add rows to a session; `build` adds all of it. Every meter has a name
here that says what is special about it.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy.orm import Session

from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.keystore import Keystore, NewKey, demo_key
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import (
    Algorithm,
    Consumer,
    Installation,
    Meter,
    MeterInstallation,
    MeterState,
    MeterType,
    OfficeUser,
    Product,
    Region,
    RegionLevel,
    SecurityModule,
    ServicePoint,
    Setup,
    SmAlgorithm,
    Tariff,
    TariffPlan,
    VendingPoint,
)
from vmsapp.models import VendingKey as KeyRow
from vmsapp.money import Currency
from vmsapp.services.tariffs import rules_text
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes
from vmsapp.tariffs.plan import FeePeriod, FixedFee, Plan, Step

NOW = datetime(2026, 3, 17, 9, 30, tzinfo=UTC)
"""A Tuesday; half past twelve in the utility's zone."""
TODAY = date(2026, 3, 17)
THIS_MONTH = date(2026, 3, 1)
ZONE = "Africa/Nairobi"
CURRENCY = "USD"
MONEY = Currency(CURRENCY, 2)
EPOCH = 1
PASSPHRASE = b"correct horse battery staple"
CHEAP_N = 2**14

LEGACY_SGC, STS6_SGC, EXPIRED_SGC, ENDED_SGC, MISSING_SGC = (f"99000{n}" for n in range(1, 6))
EXPIRED_KEN = 50
"""51 times 2**16 minutes after 2014: the key expired in May 2020."""

FLAT_PRICE = Decimal("0.10")
FEE_MINOR = 200

# what is special about each meter
LEGACY_11, LEGACY_13, STS6_11, STS6_13 = "legacy 11", "legacy 13", "sts6 11", "sts6 13"
DOMESTIC = "two steps and a monthly fee"
SOUTHERN = "of the other region"
NO_CONSUMER, NOT_INSTALLED = "point without consumer", "not installed"
NO_TARIFF, FUTURE_TARIFF = "no tariff", "tariff of next year"
NO_KEY, EXPIRED_KEY, ENDED_BASE_DATE = "no key", "expired key", "ended base date"
BLOCKED, STOCK, RETIRED = "blocked", "stock", "retired"
WATER = "water"

HARBOUR, MARKET = "Harbour Street", "Market Square"
OPERATOR, SOUTH_OPERATOR, SUPERVISOR, AUDITOR = "operator", "operator2", "supervisor", "auditor"


class FrozenClock:
    """A clock that shows what it was set to."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.now = moment

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: int) -> datetime:
        """Move it, by the words of ``timedelta``; backwards by less than nothing."""
        self.now += timedelta(**by)
        return self.now


@dataclass(frozen=True)
class Utility:
    """Ids of what was built, by name."""

    module_id: int
    regions: dict[str, Region]
    points: dict[str, int]
    users: dict[str, OfficeUser]
    meters: dict[str, int] = field(default_factory=dict)


def make_keystore(folder: Path) -> Keystore:
    """Make a keystore with a key of each generation and one that has expired."""
    keystore = Keystore.create(folder / "keystore.json", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)
    for sgc, dkga, ken in (
        (LEGACY_SGC, "02", 255),
        (STS6_SGC, "04", 255),
        (EXPIRED_SGC, "02", EXPIRED_KEN),
    ):
        keystore.add(key_named(sgc, dkga, ken))
    return keystore


def key_named(sgc: str, dkga: str, ken: int = 255) -> NewKey:
    """Make a random key of revision 1 that is unique to a meter."""
    ref = KeyRef(sgc=sgc, krn=1, kt=2, dkga=dkga)
    return demo_key(ref, base_date=BaseDate.Y2014, name=f"Group {sgc}", ken=ken)


def build(session: Session, keystore: Keystore) -> Utility:
    """Add the whole utility."""
    module_id = add_module(session, keystore)
    add_setup(session)
    country = add_region(session, "Meridia")
    north, south = (add_region(session, name, country) for name in ("North", "South"))
    points = {
        HARBOUR: add(session, VendingPoint(name=HARBOUR, region_id=north.id)).id,
        MARKET: add(session, VendingPoint(name=MARKET, region_id=south.id)).id,
    }
    users = {
        OPERATOR: add_user(session, OPERATOR, region=north, vending_point_id=points[HARBOUR]),
        SOUTH_OPERATOR: add_user(
            session, SOUTH_OPERATOR, region=south, vending_point_id=points[MARKET]
        ),
        SUPERVISOR: add_user(session, SUPERVISOR, region=country),
        AUDITOR: add_user(session, AUDITOR, all_regions=True),
    }
    utility = Utility(
        module_id, {"country": country, "north": north, "south": south}, points, users
    )
    utility.meters.update(add_meters(session, north, south))
    return utility


def add(session: Session, row):
    """Add one row and give it its id."""
    session.add(row)
    session.flush()
    return row


def add_module(session: Session, keystore: Keystore) -> int:
    """Add the installation, the module that serves both generations, and its key list."""
    session.add(Installation(id=1, instance_id="f" * 32, epoch=EPOCH, created_at=NOW))
    module = add(
        session,
        SecurityModule(name="Module", driver="soft", params={}, module_id=keystore.module_id),
    )
    session.add_all(SmAlgorithm(algorithm=a, module_id=module.id) for a in Algorithm)
    session.add_all(key_row(module.id, info) for info in keystore.keys())  # noqa: SIM118 - not a dict
    # no keystore takes a key of the base date that has ended; a former system's row names one
    ended = KeyInfo(KeyRef(ENDED_SGC, 1, 2, "02"), BaseDate.Y1993, 255, "000000", "Ended", True)
    session.add(key_row(module.id, ended))
    session.flush()
    return module.id


def key_row(module_id: int, info: KeyInfo) -> KeyRow:
    """Write down the public side of a key."""
    ref = info.ref
    return KeyRow(
        module_id=module_id, sgc=ref.sgc, krn=ref.krn, kt=ref.kt, dkga=ref.dkga,
        base_date=info.base_date.value, ken=info.ken, kcv=info.kcv, name=info.name, demo=info.demo,
    )  # fmt: skip


def add_setup(session: Session, **changed: object) -> Setup:
    """Add the utility's settings, or settings that differ."""
    values = {
        "effective_at": datetime(2020, 1, 1, tzinfo=UTC),
        "utility_name": "Test Utility",
        "time_zone": ZONE,
        "currency": CURRENCY,
        "exponent": 2,
    }
    return add(session, Setup(**values | changed))


def add_region(session: Session, name: str, parent: Region | None = None) -> Region:
    """Add a region with its path."""
    level = RegionLevel.PROVINCE if parent else RegionLevel.COUNTRY
    region = Region(name=name, level=level, parent_id=parent and parent.id, path=name)
    add(session, region)
    region.path = f"{parent.path if parent else ''}{region.id}."
    session.flush()
    return region


def add_user(session: Session, name: str, *, region: Region | None = None, **place) -> OfficeUser:
    """Add a user who cannot sign in; the scope comes from the place."""
    user = OfficeUser(
        username=name, first_name=name, last_name="Test", email=f"{name}@test", active=True,
        password="!", region_id=region and region.id, **place,
    )  # fmt: skip
    user.region = region
    return add(session, user)


def add_product(session: Session, code: str, meter_type: str = MeterType.ELECTRICITY) -> Product:
    """Add a product whose meters' numbers begin with ``code``."""
    return add(
        session,
        Product(
            model=f"M-{code}-{meter_type}", name="Meter", meter_type=meter_type,
            manufacturer="Makers", manufacturer_code=code,
        ),
    )  # fmt: skip


def step(start: str, end: str | None, price: str, tax: str = "0") -> Step:
    """Make one step of a plan."""
    return Step(Decimal(start), None if end is None else Decimal(end), Decimal(price), Decimal(tax))


def fee(amount_minor: int, period: str = "month", **changed) -> FixedFee:
    """Make a fixed fee whose missed periods are recovered, or one that differs."""
    values = {"recover_missed": True, "max_periods": None} | changed
    return FixedFee(amount_minor, FeePeriod(period), **values)


def add_tariff(
    session: Session,
    name: str,
    *steps: Step,
    meter_type: str = MeterType.ELECTRICITY,
    effective_on: date = date(2025, 1, 1),
    **plan,
) -> Tariff:
    """Add a tariff with one plan; ``plan`` takes the fields of the price engine's plan."""
    tariff = add(session, Tariff(name=name, meter_type=meter_type))
    add_plan(session, tariff.id, *steps, effective_on=effective_on, name=name, **plan)
    return tariff


def add_plan(
    session: Session, tariff_id: int, *steps: Step, name: str, effective_on: date, **plan
) -> TariffPlan:
    """Add a plan to a tariff."""
    rules = rules_text(Plan(name, steps, **{"fixed_fee": None} | plan), MONEY)
    return add(
        session,
        TariffPlan(tariff_id=tariff_id, name=name, effective_on=effective_on, rules=rules),
    )


def drn_of(code: str, serial: int) -> str:
    """Make a meter number: manufacturer's code, serial number, check digit."""
    body = f"{code}{serial:08d}"
    return body + identifiers.luhn.check_digit(body)


def add_meters(session: Session, north: Region, south: Region) -> dict[str, int]:
    """Add one meter of each kind; all but the southern one are in the north."""
    short, long = add_product(session, "07"), add_product(session, "0107")
    water = add_product(session, "08", MeterType.WATER)
    flat = add_tariff(session, "Flat", step("0", None, str(FLAT_PRICE)))
    domestic = add_tariff(
        session, "Domestic", step("0", "100", "0.10"), step("100", None, "0.20", "5"),
        fixed_fee=fee(FEE_MINOR),
    )  # fmt: skip
    future = add_tariff(session, "Future", step("0", None, "0.10"), effective_on=date(2027, 1, 1))
    sts6 = {"algorithm": Algorithm.STS6, "sgc": STS6_SGC}
    special: dict[str, dict] = {
        LEGACY_11: {},
        LEGACY_13: {"product": long},
        STS6_11: sts6,
        STS6_13: sts6 | {"product": long},
        DOMESTIC: {"tariff": domestic},
        SOUTHERN: {"region": south},
        NO_CONSUMER: {"consumer": False},
        NOT_INSTALLED: {"installed": False},
        NO_TARIFF: {"tariff": None},
        FUTURE_TARIFF: {"tariff": future},
        NO_KEY: {"sgc": MISSING_SGC},
        EXPIRED_KEY: {"sgc": EXPIRED_SGC},
        ENDED_BASE_DATE: {"sgc": ENDED_SGC, "base_date": "93"},
        BLOCKED: {"state": MeterState.BLOCKED, "blocked_reason": "seal broken"},
        STOCK: {"state": MeterState.STOCK},
        RETIRED: {"state": MeterState.RETIRED},
        WATER: {"product": water},
    }
    plain = {"product": short, "tariff": flat, "region": north}
    return {
        name: add_meter(session, serial, **plain | changed)
        for serial, (name, changed) in enumerate(special.items(), start=1)
    }


def add_meter(
    session: Session,
    serial: int,
    *,
    product: Product,
    tariff: Tariff | None,
    region: Region,
    consumer: bool = True,
    installed: bool = True,
    **changed: object,
) -> int:
    """Add a meter with its consumer and service point, and hand back its id."""
    drn = drn_of(product.manufacturer_code, serial)
    values = {
        "drn": drn, "meter_pan": identifiers.meter_pan.of_drn(drn),
        "meter_type": product.meter_type,
        "algorithm": Algorithm.LEGACY, "product_id": product.id,
        "tariff_id": tariff and tariff.id, "region_id": region.id, "sgc": LEGACY_SGC,
        "krn": 1, "kt": 2, "ti": "01", "base_date": "14", "ea": 7, "tct": 2,
        "state": MeterState.ACTIVE,
    }  # fmt: skip
    meter = add(session, Meter(**values | changed))
    if installed:
        install(session, meter.id, region, serial, consumer=consumer)
    return meter.id


def install(
    session: Session, meter_id: int, region: Region, serial: int, *, consumer: bool = True
) -> ServicePoint:
    """Hang a meter at a new service point, of a new consumer."""
    who = Consumer(number=f"C{serial:04d}", name=f"Consumer {serial}", region_id=region.id)
    owner = add(session, who).id if consumer else None
    point = add(
        session,
        ServicePoint(region_id=region.id, consumer_id=owner, plan_attached_on=THIS_MONTH),
    )
    add(
        session,
        MeterInstallation(service_point_id=point.id, meter_id=meter_id, installed_at=NOW),
    )
    session.get_one(Meter, meter_id).bound = True
    return point

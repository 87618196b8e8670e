"""How every example begins: worlds, one after the other, each from the same files."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from tests.conftest import Template
from tests.factories import HARBOUR, SUPERVISOR, FrozenClock
from tests.keyring import KeyShop
from tests.processes.books import FLOAT_MINOR
from tests.services.pair import Pair, make_pair
from tests.shop import Shop
from tests.steps.halts import Halts
from tests.steps.line import Line
from tests.steps.world import METERS, StepWorld
from vmsapp.clock import clock_reads
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import ServicePoint, VendingPointAccount
from vmsapp.services import vending


@contextmanager
def worlds(
    template: Template, ring: Keystore, blank_record: Path, folder: Path, patch: pytest.MonkeyPatch
) -> Iterator[Callable[[], StepWorld]]:
    """Give a maker of worlds; one at a time is alive."""
    halts, clock = Halts(), FrozenClock()
    halts.install(patch.setattr)
    patch.setattr(vending, "UNDERWAY_WAIT_S", 0.0)
    engine = create_engine(f"sqlite:///{folder / 'vms.sqlite'}", hide_parameters=True)
    event.listen(engine, "connect", careless)
    begun: dict[str, object] = {}

    def make():
        clock.now = FrozenClock().now
        database, record = folder / "vms.sqlite", folder / "results.sqlite"
        engine.dispose()
        for path in folder.glob("*.sqlite*"):
            path.unlink()
        shutil.copyfile(begun.get("file", Path(template.url.removeprefix("sqlite:///"))), database)
        shutil.copyfile(blank_record, record)
        results = Results(record)
        line = Line(SoftModule(ring, results, limits=Limits(None, None)))
        registry = Registry((), {"soft": lambda _: line.inner}, wrap=lambda _: line)
        shop = Shop(engine, registry, template.utility, clock)
        if not begun:
            begin(shop, begun, folder)
        pair = Pair(shop, *begun["pair"])
        world = StepWorld(shop, line, halts, pair, begun["keys"])
        begun["keys"].shop = shop
        world.close = lambda: (results.close(), halts.forget())
        return world

    with clock_reads(clock):
        yield make


def careless(connection, _record):
    """Nothing here survives the machine anyway."""
    connection.execute("PRAGMA synchronous = OFF")


def begin(shop, begun, folder):
    """Write down once what every example begins with: a float, two people, one consumer."""

    def add(session):
        session.add(
            VendingPointAccount(
                vending_point_id=shop.utility.points[HARBOUR], limited=True,
                balance_minor=FLOAT_MINOR,
            )
        )  # fmt: skip
        first, second = (session.get_one(ServicePoint, shop.point_of(name)) for name in METERS)
        second.consumer_id = first.consumer_id

    shop.change(add)
    pair = make_pair(shop)
    begun["pair"] = pair.group_id, pair.ids
    begun["keys"] = KeyShop(shop, SUPERVISOR)
    shop.engine.dispose()
    begun["file"] = folder / "begun.db"
    shutil.copyfile(shop.engine.url.database, begun["file"])

"""A standby takes over by itself: only from a module server, to one with the very same keys.

Source of the rules: SALE.md 16 "Restore, promotion, standby"; SECURITY-MODULES.md 5.3 "Rule: an
algorithm belongs to one module".
"""

import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import STS6_11
from tests.faults import request_lost
from tests.web.office import BOTH
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import AuditEvent, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.security_modules.failover import fail_over
from vmsapp.services.security_modules.health import look_at_all
from vmsapp.sts.secret import SecretBytes

AFTER = timedelta(seconds=30)
STANDBY = "VSM-0000FF"


@pytest.fixture
def backend(request):
    """SQLite, unless the kind of database matters."""
    return getattr(request, "param", "sqlite")


class Pair:
    """Two module servers with the same keys, of which the first serves and may be silent."""

    def __init__(self, shop, first, second, silence):
        self.shop, self.first, self.second = shop, first, second
        self._silence = silence

    def silent(self, *ids):
        self._silence.update(ids)

    def answers(self, module_id):
        self._silence.discard(module_id)

    def turn(self):
        """What the worker does every minute."""
        with self.shop.session() as session, seen_by(SYSTEM):
            look_at_all(session, self.shop.registry)
            return fail_over(session, self.shop.registry, AFTER)

    def serving(self):
        return {row.module_id for row in self.shop.rows(SmAlgorithm)}


@pytest.fixture
def pair(shop, keystore, module, tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    shutil.copyfile(keystore._path, folder / "keystore.json")
    store = Keystore.open(folder / "keystore.json", SecretBytes(factories.PASSPHRASE))
    standby = SoftModule(store, Results(folder / "results.sqlite"), limits=Limits(None, None))
    first = shop.rows(SecurityModule)[0].id

    def arrange(session):
        session.get_one(SecurityModule, first).driver = "tcp"
        row = SecurityModule(name="Standby", driver="tcp", params={}, module_id=STANDBY)
        session.add(row)
        session.flush()
        ended = session.scalars(select(VendingKey).where(VendingKey.base_date == "93"))
        session.delete(ended.one())  # no module holds such a key any more
        return row.id

    second = shop.change(arrange)
    silence: set[int] = set()

    def opened(descriptor):
        inner, name = (standby, STANDBY) if descriptor.id == second else (module, None)
        return Silenced(inner, descriptor.id, silence, name)

    shop.registry = Registry((), {"tcp": opened})
    pair = Pair(shop, first, second, silence)
    assert pair.turn() == {}
    assert pair.serving() == {first}
    yield pair
    standby.close()


class Silenced:
    """A module that may be silent."""

    def __init__(self, inner, number, silence, name):
        self.inner, self._number, self._silence, self._name = inner, number, silence, name

    def __getattr__(self, name):
        if self._number in self._silence and name != "capabilities":
            raise HsmUnavailable("refused", sent=False)
        return getattr(self.inner, name)

    def status(self):
        """What it says, by the name it was added under."""
        said = self.__getattr__("status")()
        return said if self._name is None else replace(said, module_id=self._name)


@BOTH
def test_a_standby_takes_over_after_so_long_a_silence_and_sells(backend, pair):
    pair.silent(pair.first)
    assert pair.turn() == {}  # found silent only now
    pair.shop.clock.forward(seconds=29)
    assert pair.turn() == {}
    assert pair.serving() == {pair.first}
    pair.shop.clock.forward(seconds=1)
    assert pair.turn() == {"moved": 2}
    assert pair.serving() == {pair.second}
    assert pair.shop.sell(STS6_11).module_id == pair.second
    events = pair.shop.rows(AuditEvent, AuditEvent.action == "security_module.assigned")[-2:]
    assert {(event.actor_id, event.subject_id) for event in events} == {(None, str(pair.second))}
    assert {event.details["before"] for event in events} == {pair.first}


def test_a_worker_that_was_away_for_an_hour_has_not_heard_an_hour_of_silence(pair):
    pair.shop.clock.forward(hours=1)
    pair.silent(pair.first)
    assert pair.turn() == {}
    assert pair.serving() == {pair.first}


def test_a_module_that_answers_in_between_is_silent_from_anew(pair):
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(seconds=20)
    pair.answers(pair.first)
    pair.turn()
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(seconds=20)
    assert pair.turn() == {}
    assert pair.serving() == {pair.first}


def test_who_comes_back_serves_nothing_until_it_is_let(pair):
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(minutes=1)
    pair.turn()
    pair.answers(pair.first)
    pair.shop.clock.forward(minutes=5)
    assert pair.turn() == {}
    assert pair.serving() == {pair.second}


def test_a_sale_under_way_ends_at_its_own_module_when_that_is_back(pair, module):
    module.once("issue_credit", request_lost)
    sale = pair.shop.sell(STS6_11)
    assert sale.state == "pending"
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(minutes=1)
    assert pair.turn() == {"moved": 2}
    assert pair.shop.reconcile() == {"pending": 1}
    pair.answers(pair.first)
    assert pair.shop.reconcile() == {"issued": 1}
    assert pair.shop.again(sale).module_id == pair.first


def stays(pair):
    """The first module falls silent for long; nothing takes over."""
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(minutes=10)
    assert pair.turn() == {"stay": 2}
    assert pair.serving() == {pair.first}


def test_a_key_of_another_value_keeps_a_standby_from_taking_over(pair, tmp_path):
    store = Keystore.open(tmp_path / "second" / "keystore.json", SecretBytes(factories.PASSPHRASE))
    gone = next(info.ref for info in store.keys() if info.ref.dkga == "04")  # noqa: SIM118
    store.remove(gone)
    store.close()
    stays(pair)


@pytest.mark.parametrize("driver", ["prism", "pkcs11", "soft"])
def test_only_a_module_server_is_a_standby_that_takes_over_by_itself(pair, driver):
    opened = pair.shop.registry._factories["tcp"]
    pair.shop.registry = Registry((), {"tcp": opened, driver: opened})
    pair.shop.change(
        lambda session: setattr(session.get_one(SecurityModule, pair.second), "driver", driver)
    )
    stays(pair)


@pytest.mark.parametrize("driver", ["prism", "pkcs11", "soft"])
def test_only_from_a_module_server_is_taken_over_by_itself(pair, driver):
    opened = pair.shop.registry._factories["tcp"]
    pair.shop.registry = Registry((), {"tcp": opened, driver: opened})
    pair.shop.change(
        lambda session: setattr(session.get_one(SecurityModule, pair.first), "driver", driver)
    )
    pair.silent(pair.first)
    pair.turn()
    pair.shop.clock.forward(minutes=10)
    assert pair.turn() == {}
    assert pair.serving() == {pair.first}


def test_a_standby_that_is_silent_or_locked_or_retired_takes_nothing_over(pair):
    pair.silent(pair.second)
    stays(pair)
    pair.answers(pair.second)
    pair.shop.change(
        lambda session: setattr(
            session.get_one(SecurityModule, pair.second), "retired_at", pair.shop.clock.now
        )
    )
    assert pair.turn() == {"stay": 2}
    pair.shop.change(
        lambda session: setattr(session.get_one(SecurityModule, pair.second), "retired_at", None)
    )
    with suppress(HsmUnavailable):
        assert pair.turn() == {"moved": 2}
    assert pair.serving() == {pair.second}


def test_without_the_setting_a_person_lets_it(monkeypatch):
    from config import Settings  # noqa: PLC0415

    assert Settings.from_environ({}).failover_seconds == 0
    assert Settings.from_environ({"VMS_FAILOVER_SECONDS": "30"}).failover_seconds == 30

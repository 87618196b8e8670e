"""Jobs, accounts, the embedded module and the demo utility."""

import stat
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from config import Settings
from tests import factories
from tests.factories import LEGACY_SGC, NOW
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import db
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.registry import ModuleDescriptor
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import (
    AuditEvent,
    Installation,
    Job,
    LedgerEntry,
    LedgerTransfer,
    OfficeUser,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import demo, instance, jobs, ledger, users
from vmsapp.services.security_modules import copy_key_list, registry_from
from vmsapp.services.setup import setup_at


@pytest.fixture
def as_system():
    """Jobs are seen as the tasks see them."""
    with seen_by(SYSTEM):
        yield


@pytest.mark.usefixtures("as_system")
def test_a_job_that_runs_is_not_run_by_a_second_worker(shop):
    with shop.session() as first, jobs.recurring(first, "settle") as run:
        assert run is not None
        with shop.session() as second, jobs.recurring(second, "settle") as other:
            assert other is None
        run.result = {"issued": 3}
    (row,) = shop.rows(Job)
    assert (row.state, row.result, row.finished_at) == ("done", {"issued": 3}, NOW)


@pytest.mark.usefixtures("as_system")
@pytest.mark.parametrize(("minutes", "claimed"), [(1, False), (2, True), (-60, True)])
def test_a_job_whose_worker_died_is_taken_over_after_a_minute(shop, minutes, claimed):
    with shop.session() as dead:
        jobs._claim(dead, "settle")
    shop.clock.forward(minutes=minutes)
    with shop.session() as session, jobs.recurring(session, "settle") as run:
        assert (run is not None) is claimed


@pytest.mark.usefixtures("as_system")
def test_a_job_that_fails_says_how_and_may_run_again(shop):
    session = shop.session()
    with pytest.raises(ZeroDivisionError), session, jobs.recurring(session, "settle"):
        raise ZeroDivisionError
    assert [(row.state, row.error) for row in shop.rows(Job)] == [("failed", "ZeroDivisionError")]
    with shop.session() as session, jobs.recurring(session, "settle") as run:
        assert run is not None
    assert [(row.state, row.error) for row in shop.rows(Job)] == [("done", None)]


def add_user(session, **values):
    session.add(Role(name="Operator"))
    session.flush()
    who = {"username": "new", "first_name": "New", "last_name": "User", "group": "Operator"}
    return users.add_user(session, SYSTEM, **who, hash_password=str.swapcase, **values)


def test_a_new_user_gets_a_random_password_that_is_kept_hashed(shop):
    account = shop.change(lambda s: add_user(s, region_id=1))
    (row,) = shop.rows(OfficeUser, OfficeUser.username == "new")
    assert row.password == account.password.swapcase()
    assert account.password not in repr(account)
    groups = account.password.split("-")
    assert [len(group) for group in groups] == [6, 6, 6]
    assert users.random_password() != users.random_password()


def test_a_lost_password_is_replaced_and_an_unknown_user_refused(shop):
    old = shop.change(add_user).password
    with shop.session() as session, seen_by(SYSTEM):
        account = users.new_password(session, SYSTEM, username="new", hash_password=str)
        assert (account.group, account.password == old) == ("Operator", False)
        with pytest.raises(users.UnknownUser):
            users.new_password(session, SYSTEM, username="nobody", hash_password=str)
    assert shop.count(AuditEvent, AuditEvent.action == "user.password_reset") == 1


def test_the_keys_of_a_module_are_listed_once_and_never_a_key(shop, keystore):
    shop.change(lambda s: s.execute(delete(VendingKey)))
    with shop.session() as session, seen_by(SYSTEM):
        new = copy_key_list(session, shop.registry, SYSTEM, shop.utility.module_id)
        again = copy_key_list(session, shop.registry, SYSTEM, shop.utility.module_id)
    assert (new, again) == (3, 0)
    (row,) = shop.rows(VendingKey, VendingKey.sgc == LEGACY_SGC)
    info, value = keystore.vending_key(KeyRef(LEGACY_SGC, 1, 2, "02"))
    assert (row.kcv, row.ken, row.base_date) == (info.kcv, 255, "14")
    assert value.reveal().hex() not in str(vars(row))


def test_the_registry_opens_the_embedded_module_of_the_settings(settings, keystore, clock):
    registry = registry_from(settings)
    registry.describe(ModuleDescriptor(1, "Module", "soft", {}))
    status = registry.module(1).status()
    registry.close()
    assert (status.module_id, status.driver, status.keys) == (keystore.module_id, "soft", 3)


@pytest.mark.parametrize(("content", "why"), [(None, "locked"), ("wrong", "passphrase")])
def test_a_keystore_that_cannot_be_opened_is_a_module_that_was_sent_nothing(settings, content, why):
    path = settings.passphrase_path
    path.unlink() if content is None else path.write_text(content)
    registry = registry_from(settings)
    registry.describe(ModuleDescriptor(1, "Module", "soft", {}))
    with pytest.raises(HsmUnavailable) as caught:
        registry.module(1)
    assert (caught.value.why, caught.value.sent) == (why, False)


@pytest.fixture
def blank(shop, tmp_path, monkeypatch):
    """Settings of an instance whose database holds nothing yet."""
    monkeypatch.setattr("vmsapp.hsm.keystore.SCRYPT_N", factories.CHEAP_N)
    shop.change(_empty)
    return Settings.from_environ({"VMS_INSTANCE": str(tmp_path / "new"), "DEMO": "0"})


def _empty(session):
    for model in (VendingKey, SmAlgorithm, SecurityModule, Installation):
        session.execute(delete(model))


def test_a_new_instance_gets_its_number_and_a_module_whose_secrets_only_it_can_read(shop, blank):
    for _ in range(2):  # twice does nothing twice
        with shop.session() as session, seen_by(SYSTEM):
            instance.prepare(session, blank)
    (module,) = shop.rows(SecurityModule)
    assert {row.algorithm for row in shop.rows(SmAlgorithm)} == {"legacy", "sts6"}
    assert [row.epoch for row in shop.rows(Installation)] == [1]
    store = instance.embedded_keystore(blank)
    assert store.module_id == module.module_id
    store.close()
    for path in (blank.passphrase_path, blank.keystore_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_in_production_without_a_passphrase_there_is_no_embedded_module(shop, blank):
    served = blank.model_copy(update={"env": "production"})
    with shop.session() as session, seen_by(SYSTEM):
        instance.prepare(session, served)
    assert shop.count(Installation) == 1
    assert (shop.count(SecurityModule), shop.count(SmAlgorithm)) == (0, 0)
    assert not blank.keystore_path.parent.exists()
    assert not blank.passphrase_path.exists()


def test_production_refuses_an_instance_with_demonstration_keys(shop):
    with pytest.raises(instance.DemoInProduction, match="demonstration keys"):
        shop.change(instance.refuse_demo_keys)
    shop.change(lambda s: s.execute(delete(VendingKey)))
    assert shop.change(instance.refuse_demo_keys) is None


def test_the_settings_in_force_are_the_newest_that_have_begun(shop):
    later = NOW + timedelta(days=1)
    shop.change(lambda s: factories.add_setup(s, effective_at=later, utility_name="Renamed"))
    names = [
        shop.change(lambda s, at=at: setup_at(s, at).utility_name)
        for at in (NOW, later, NOW.replace(year=2019))
    ]
    assert names == ["Test Utility", "Renamed", "Test Utility"]


def test_a_reversal_answers_a_sale_by_its_mirror_image(shop):
    sale = shop.sell(factories.DOMESTIC, units="250")

    def reverse(session):
        account = session.merge(shop.account())
        ledger.reverse(
            session, sale, account, at=NOW, business_date=factories.TODAY, reason="wrong_meter"
        )

    shop.change(reverse)
    answer = shop.rows(LedgerTransfer, LedgerTransfer.kind == "reversal")[0]
    first = shop.rows(LedgerTransfer, LedgerTransfer.kind == "sale")[0]
    entries = {t.id: _amounts(shop, t.id) for t in (first, answer)}
    assert entries[answer.id] == {account: -n for account, n in entries[first.id].items()}
    assert (answer.state, answer.reason, answer.answers_id) == ("posted", "wrong_meter", first.id)


def _amounts(shop, transfer_id):
    rows = shop.rows(LedgerEntry, LedgerEntry.transfer_id == transfer_id)
    return {row.account_id: row.amount_minor for row in rows}


def test_the_demo_utility_has_meters_of_both_lengths_and_both_generations():
    kinds = {
        (len(meter.drn), meter.algorithm)
        for meter in (
            demo._meter(number, product, algorithm, _Named(1), _Named(1))
            for number in range(1, 5)
            for product in (_Named("07"), _Named("0107"))
            for algorithm in ("legacy", "sts6")
        )
    }
    assert kinds == {(11, "legacy"), (11, "sts6"), (13, "legacy"), (13, "sts6")}
    names = [name for name, _ in zip(demo._people(), range(demo.METERS), strict=False)]
    assert len(set(names)) == demo.METERS


class _Named:
    """Something with an id and a manufacturer's code."""

    def __init__(self, value):
        self.id, self.manufacturer_code, self.meter_type = 1, value, "electricity"


def test_the_demo_loads_into_a_new_instance_and_sells(backend, request, tmp_path, clock):
    given = {"VMS_INSTANCE": str(tmp_path / "demo")}
    if backend == "postgres":
        given["DATABASE_URL"] = request.getfixturevalue("new_postgres_database")()
    app = create_app(Settings.from_environ(given))
    with app.app_context():
        accounts = initialise()
        assert {account.username for account in accounts} >= {"admin", "operator", "supervisor"}
        assert initialise() == []
        with seen_by(SYSTEM):
            session = db.session()
            assert len(session.scalars(select(VendingKey).where(VendingKey.demo)).all()) == 2
        db.session.remove()
        db.engine.dispose()
    app.extensions["vms_modules"].close()

"""Which module serves an algorithm: one transaction, and only with every key."""

import shutil
from contextlib import suppress

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tests import factories
from tests.factories import LEGACY_11, STS6_11
from tests.faults import down, put_off, request_lost
from vmsapp.errors import NotFound
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import AuditEvent, Meter, MeterState, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.audit.heads import signer
from vmsapp.services.security_modules.assigning import (
    KeysMissing,
    ModuleRetired,
    assign,
    cover,
)
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def second(shop, keystore, module, tmp_path):
    """A second module that holds the same keys, in a file and a record of its own."""
    folder = tmp_path / "second"
    folder.mkdir()
    shutil.copyfile(keystore._path, folder / "keystore.json")
    store = Keystore.open(folder / "keystore.json", SecretBytes(factories.PASSPHRASE))
    standby = SoftModule(store, Results(folder / "results.sqlite"), limits=Limits(None, None))
    embedded = shop.rows(SecurityModule)[0].id

    def add(session):
        row = SecurityModule(name="Standby", driver="tcp", params={}, module_id="VSM-0000FF")
        session.add(row)
        session.flush()
        ended = session.scalars(select(VendingKey).where(VendingKey.base_date == "93"))
        session.delete(ended.one())  # no module holds such a key any more
        return row.id

    module_id = shop.change(add)
    shop.registry = Registry(
        (),
        {"soft": lambda _: module.inner, "tcp": lambda _: standby},
        wrap=lambda opened: module if opened is module.inner else opened,
    )
    yield module_id
    assert embedded != module_id
    standby.close()


def give(shop, algorithm, module_id):
    with shop.session() as session, seen_by(SYSTEM):
        assign(session, shop.registry, SYSTEM, algorithm, module_id)


def serving(shop):
    return {row.algorithm: row.module_id for row in shop.rows(SmAlgorithm)}


def lacks(shop, algorithm, module_id):
    with shop.session() as session, seen_by(SYSTEM):
        return cover(session, algorithm, module_id)


def test_an_algorithm_moves_and_the_next_sale_is_made_there(shop, second, keystore):
    before = serving(shop)
    give(shop, "sts6", second)
    assert serving(shop) == before | {"sts6": second}
    sale = shop.sell(STS6_11)
    assert (sale.state, sale.module_id) == ("issued", second)
    assert shop.decode(sale, keystore).tid == sale.tid
    assert shop.sell(LEGACY_11).module_id == before["legacy"]
    event = shop.rows(AuditEvent, AuditEvent.action == "security_module.assigned")[-1]
    assert event.subject_id == str(second)


def test_a_sale_reserved_before_is_asked_of_its_own_module(shop, second, module):
    module.once("issue_credit", request_lost)
    sale = shop.sell(STS6_11)
    assert sale.state == "pending"
    give(shop, "sts6", second)
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    assert shop.again(sale).module_id != second


def test_a_module_that_lacks_a_key_takes_nothing_over(shop, second, tmp_path):
    store = Keystore.open(tmp_path / "second" / "keystore.json", SecretBytes(factories.PASSPHRASE))
    gone = next(info.ref for info in store.keys() if info.ref.dkga == "04")  # noqa: SIM118
    store.remove(gone)
    store.close()
    before = serving(shop)
    with pytest.raises(KeysMissing) as refused:
        give(shop, "sts6", second)
    missing = refused.value.missing
    assert {(each.sgc, each.krn, each.kt) for each in missing} == {(gone.sgc, gone.krn, gone.kt)}
    assert all(each.other is None and each.meters > 0 for each in missing)
    assert serving(shop) == before


def test_a_key_of_another_value_under_the_same_name_is_not_the_key(shop, second):
    give(shop, "legacy", second)  # reads its keys
    back = shop.rows(SecurityModule, SecurityModule.id != second)[0].id
    give(shop, "legacy", back)

    def other(session):
        row = session.scalars(
            select(VendingKey).where(VendingKey.module_id == second, VendingKey.dkga == "02")
        ).first()
        row.kcv = "000000"

    shop.change(other)
    found = lacks(shop, "legacy", second)
    assert [each.other for each in found] == ["000000"]
    assert found[0].kcv not in (None, "000000")


def test_retired_meters_need_no_key(shop, second):
    def retire(session):
        for row in session.scalars(select(Meter)):
            row.state = MeterState.RETIRED
        session.query(VendingKey).filter(VendingKey.module_id == second).delete()

    assert lacks(shop, "sts6", second) != []
    shop.change(retire)
    assert lacks(shop, "sts6", second) == []


def test_a_module_that_is_silent_or_retired_or_not_there_takes_nothing_over(shop, second):
    before = serving(shop)

    def retire(session):
        session.get_one(SecurityModule, second).retired_at = shop.clock.now

    shop.change(retire)
    with pytest.raises(ModuleRetired):
        give(shop, "sts6", second)
    with pytest.raises(NotFound):
        give(shop, "sts6", 10**6)

    def silent(_):
        raise HsmUnavailable("refused", sent=False)

    shop.change(
        lambda session: setattr(session.get_one(SecurityModule, second), "retired_at", None)
    )
    shop.registry = Registry((), {"tcp": silent, "soft": silent})
    with pytest.raises(HsmUnavailable):
        give(shop, "sts6", second)
    assert serving(shop) == before


def test_assigning_what_is_assigned_changes_nothing(shop, second):
    present = serving(shop)["sts6"]
    events = shop.count(AuditEvent, AuditEvent.action == "security_module.assigned")
    with suppress(HsmUnavailable):
        give(shop, "sts6", present)
    assert serving(shop)["sts6"] == present
    assert shop.count(AuditEvent, AuditEvent.action == "security_module.assigned") == events


def test_the_database_itself_lets_an_algorithm_belong_to_one_module(shop, second):
    with pytest.raises(IntegrityError):
        shop.change(lambda s: s.add(SmAlgorithm(algorithm="sts6", module_id=second)))


def test_a_key_gone_from_the_module_goes_from_here_and_nothing_moves_there(shop, second, tmp_path):
    give(shop, "sts6", second)
    give(shop, "sts6", shop.utility.module_id)
    store = Keystore.open(tmp_path / "second" / "keystore.json", SecretBytes(factories.PASSPHRASE))
    gone = next(info for info in store.keys() if info.ref.dkga == "04")  # noqa: SIM118
    store.remove(gone.ref)
    store.close()
    with shop.session() as session, seen_by(SYSTEM):
        assert copy_key_list(session, shop.registry, SYSTEM, second) == 1
    held = shop.rows(VendingKey, VendingKey.module_id == second)
    assert gone.kcv not in {row.kcv for row in held}
    event = shop.rows(AuditEvent, AuditEvent.action == "key.gone")[-1]
    assert (event.details["sgc"], event.details["kcv"]) == (gone.ref.sgc, gone.kcv)
    with pytest.raises(KeysMissing):
        give(shop, "sts6", second)


def test_a_key_of_another_value_is_on_record_with_both(shop, second):
    give(shop, "sts6", second)

    def other(session):
        row = session.scalars(
            select(VendingKey).where(VendingKey.module_id == second, VendingKey.dkga == "04")
        ).one()
        row.kcv = "000000"

    shop.change(other)
    with shop.session() as session, seen_by(SYSTEM):
        copy_key_list(session, shop.registry, SYSTEM, second)
    event = shop.rows(AuditEvent, AuditEvent.action == "key.other_value")[-1]
    assert event.details["was_kcv"] == "000000"
    assert event.details["kcv"] != "000000"


def test_a_retired_module_signs_the_trail_only_where_no_other_can(shop, second, module):
    first = shop.rows(SecurityModule, SecurityModule.id != second)[0].id

    def who() -> int:
        with shop.session() as session, seen_by(SYSTEM):
            return signer(session, shop.registry)[0]

    assert who() == first

    def retired(session):
        session.get_one(SecurityModule, first).retired_at = factories.NOW

    shop.change(retired)
    module.always("last_head", down)  # its machine is gone
    assert who() == second


def test_a_module_server_whose_client_is_no_auditor_signs_nothing(shop, second, module):
    module.always("last_head", put_off("permission"))
    with shop.session() as session, seen_by(SYSTEM):
        assert signer(session, shop.registry)[0] == second
    module.always("last_head", put_off("refused"))
    with shop.session() as session, seen_by(SYSTEM), pytest.raises(HsmUnavailable):
        signer(session, shop.registry)

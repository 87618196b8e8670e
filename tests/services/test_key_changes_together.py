"""Two at once: sale and key change of one meter, two changes, two answers; and the journal."""

import pytest
from sqlalchemy import delete, select

from tests.factories import LEGACY_11
from tests.faults import answer_lost
from tests.shop import in_threads
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import (
    FindingKind,
    JournalFinding,
    KeyChange,
    Meter,
    Sale,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.key_changes import errors as wrong
from vmsapp.services.registration.meter_errors import MetersBusy
from vmsapp.services.security_modules.assigning import cover, served
from vmsapp.services.security_modules.changing import StillAsked, StillServes, retire
from vmsapp.services.security_modules.importing import KeyInChange, remove_key
from vmsapp.services.security_modules.journal_check import compare

pytestmark = pytest.mark.ring


def test_a_sale_and_a_change_at_once_never_cross(shop, keys):
    """The sale is either before the change, under the old key, or after it with the set."""
    form = shop.form()
    sale, change = in_threads(lambda: shop.submit(form), lambda: keys.start(LEGACY_11, krn=2))
    if isinstance(change, MetersBusy):
        assert sale.krn == 1
        assert shop.count(KeyChange) == 0
        return
    assert change.state == "completed"
    assert sale.state == "issued"
    assert (sale.krn, sale.key_change_id) in {(1, None), (2, change.id)}


def test_two_different_changes_at_once_are_one(shop, keys):
    both = in_threads(
        lambda: keys.start(LEGACY_11, "form-1", krn=2),
        lambda: keys.start(LEGACY_11, "form-2", ti="55"),
    )
    refused = [each for each in both if isinstance(each, Exception)]
    assert len(refused) == 1
    assert isinstance(refused[0], wrong.ChangeOpen | wrong.KeyChangeUnderway)
    assert [row.state for row in shop.rows(KeyChange)] == ["completed"]


def test_the_same_form_twice_at_once_is_one_change(shop, keys):
    both = in_threads(*[lambda: keys.start(LEGACY_11, krn=2)] * 2)
    assert {each.id for each in both} == {shop.rows(KeyChange)[0].id}
    assert [row.state for row in shop.rows(KeyChange)] == ["completed"]


def test_confirmed_and_refused_at_once_is_one_of_the_two(shop, keys):
    change = keys.start(LEGACY_11, krn=2, ti="07")
    outcomes = in_threads(
        lambda: keys.confirm(change, "test_tokens", 2, "07"), lambda: keys.refuse(change, 1, "01")
    )
    assert sum(isinstance(each, Exception) for each in outcomes) == 1
    row = next(row for row in shop.rows(KeyChange) if row.id == change.id)
    assert row.state in {"confirmed", "refused"}
    sale = shop.sell()
    assert sale.krn == (2 if row.state == "confirmed" else 1)


# the module's journal, and what a module and its keys are still needed for


def compared(shop):
    with shop.session() as session, seen_by(SYSTEM):
        return compare(session, shop.registry, SYSTEM, shop.utility.module_id)


def test_a_set_is_no_ghost_in_the_journal(shop, keys):
    keys.start(LEGACY_11, krn=2)
    shop.clock.forward(minutes=6)
    assert compared(shop).found == 0
    assert shop.count(JournalFinding) == 0


def test_a_withdrawn_set_that_was_made_is_no_finding(shop, keys, module):
    module.once("issue_key_change", answer_lost)
    keys.withdraw(keys.start(LEGACY_11, krn=2))
    shop.clock.forward(minutes=6)
    assert compared(shop).found == 0


def test_other_digits_than_the_journal_has_are_found(shop, keys, module, monkeypatch):
    keys.start(LEGACY_11, krn=2)
    tags = module.inner.tags
    monkeypatch.setattr(module.inner, "tags", lambda digits: tags(digits)[::-1])
    shop.clock.forward(minutes=6)
    assert compared(shop).found == 1
    assert [row.kind for row in shop.rows(JournalFinding)] == [FindingKind.OTHER_DIGITS]


def test_a_key_that_an_open_change_needs_is_not_removed(shop, keys):
    change = keys.start(LEGACY_11, krn=2)

    def remove():
        with shop.session() as session, seen_by(SYSTEM):
            new = next(key for key in shop.rows(VendingKey)
                       if KeyRef(key.sgc, key.krn, key.kt, key.dkga)
                       == KeyRef(change.new_sgc, 2, 2, "02"))  # fmt: skip
            remove_key(session, shop.registry, SYSTEM, shop.utility.module_id, new.id)

    with pytest.raises(KeyInChange):
        remove()


def test_a_module_that_lacks_a_key_meters_are_taken_to_takes_nothing_over(shop, keys):
    def standby(session):
        module = SecurityModule(name="Standby", driver="tcp", params={}, module_id="VSM-2")
        session.add(module)
        session.flush()
        for key in session.scalars(select(VendingKey)).all():
            if (key.krn, key.dkga) == (1, "02"):
                session.add(VendingKey(
                    module_id=module.id, sgc=key.sgc, krn=1, kt=key.kt, dkga="02", kcv=key.kcv,
                    base_date=key.base_date, ken=key.ken, name=key.name,
                ))  # fmt: skip
        return module.id

    module_id = shop.change(standby)
    with shop.session() as session, seen_by(SYSTEM):
        assert cover(session, "legacy", module_id) == []
    keys.start(LEGACY_11, krn=2)
    with shop.session() as session, seen_by(SYSTEM):
        (missing,) = cover(session, "legacy", module_id)
    assert (missing.krn, missing.meters, missing.other) == (2, 1, None)


def test_a_module_that_owes_a_set_is_not_retired(shop, keys, module):
    module.once("issue_key_change", answer_lost)
    keys.start(LEGACY_11, krn=2)

    with shop.session() as session, seen_by(SYSTEM), pytest.raises(StillServes):
        retire(session, SYSTEM, shop.utility.module_id)
    shop.change(lambda session: session.execute(delete(SmAlgorithm)))
    with shop.session() as session, seen_by(SYSTEM), pytest.raises(StillAsked):
        retire(session, SYSTEM, shop.utility.module_id)
    assert shop.count(Sale) == 0


def test_a_meter_that_is_being_changed_needs_its_new_key_alone(shop, keys):
    keys.start(LEGACY_11, krn=2)
    shop.change(lambda session: session.execute(delete(VendingKey).where(VendingKey.dkga == "02")))
    meter = shop.meter(LEGACY_11)
    alike = (Meter.sgc == meter.sgc, Meter.krn == 1, Meter.kt == 2)
    others = shop.rows(Meter, *alike, Meter.algorithm == "legacy", Meter.state != "retired")
    with shop.session() as session, seen_by(SYSTEM):
        (legacy,) = (one for one in served(session) if one.algorithm == "legacy")
    needed = {(one.sgc, one.krn): one.meters for one in legacy.lacks}
    assert needed[meter.sgc, 2] == 1
    assert needed[meter.sgc, 1] == len(others) - 1 > 0

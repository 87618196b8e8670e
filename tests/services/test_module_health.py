"""How modules are, as it is asked and written down; keys that end before long."""

from datetime import UTC, datetime, timedelta

import pytest

from tests import factories
from tests.factories import LEGACY_SGC, NOW, STS6_SGC
from tests.faults import request_lost
from tests.web.office import BOTH
from vmsapp.hsm.circuit import FAILURES, CircuitBreaker
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.registry import Registry
from vmsapp.models import AuditEvent, ModuleHealth, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.security_modules import health
from vmsapp.services.security_modules.health import endings, ends_at, look_at_all


@pytest.fixture
def backend(request):
    """SQLite, unless the kind of database matters."""
    return getattr(request, "param", "sqlite")


JUST_NOW = timedelta(seconds=1)


def looked(shop, module_id=None):
    with shop.session() as session, seen_by(SYSTEM):
        return health.look(session, shop.registry, module_id or shop.utility.module_id)


def near(shop, module_id=None):
    with shop.session() as session, seen_by(SYSTEM):
        return [(one.key.sgc, one.days, one.meters) for one in endings(session, module_id)]


def only(shop, *kept, **changed):
    """Leave a few keys in the list, one with other values."""

    def change(session):
        for key in session.query(VendingKey):
            if key.sgc not in kept:
                session.delete(key)
            elif key.sgc == kept[0]:
                for name, value in changed.items():
                    setattr(key, name, value)

    shop.change(change)


@BOTH
def test_a_module_that_answers_is_written_down_as_it_says_it_is(backend, shop, module):
    row = looked(shop)
    assert (row.seen_at, row.failed_at, row.failed_why) == (NOW, None, None)
    assert (row.locked, row.protection, row.drift_seconds) == (False, "process", 0)
    assert row.latency_ms >= 0
    assert row.alerts == []
    assert shop.count(ModuleHealth) == 1


@pytest.mark.parametrize(("error", "why"), [
    (HsmUnavailable("refused", sent=False), "refused"),
    (HsmUnavailable("locked", sent=False), "locked"),
    (HsmTimeout(), "no_answer"),
])  # fmt: skip
def test_a_module_that_does_not_answer_keeps_what_it_said_last(shop, module, error, why):
    looked(shop)

    def fails(*_):
        raise error

    module.always("ping", fails)
    shop.clock.forward(minutes=3)
    row = looked(shop)
    assert (row.failed_at, row.failed_why) == (NOW + timedelta(minutes=3), why)
    assert row.seen_at == NOW
    assert row.protection == "process"


def test_an_open_circuit_does_not_hide_why_it_opened(shop, module):
    def fails(why):
        def fail(*_):
            raise HsmUnavailable(why, sent=False)

        return fail

    module.always("ping", fails("refused"))
    looked(shop)
    module.always("ping", fails("circuit"))
    assert looked(shop).failed_why == "refused"


def test_one_that_answers_again_has_not_failed_any_more(shop, module):
    module.once("ping", request_lost)
    assert looked(shop).failed_at is not None
    assert looked(shop).failed_at is None


def test_another_module_at_its_place_is_an_alert(shop, module):
    shop.change(lambda s: setattr(s.query(SecurityModule).one(), "module_id", "VSM-OTHER"))
    assert looked(shop).alerts == ["other_module"]


def test_keys_loaded_elsewhere_are_listed_with_the_next_look(shop, module):
    only(shop, LEGACY_SGC)
    looked(shop)
    assert {key.sgc for key in shop.rows(VendingKey)} >= {LEGACY_SGC, STS6_SGC}
    assert shop.rows(AuditEvent, AuditEvent.action == "key.listed")


def test_all_are_asked_but_those_that_are_retired(shop, module):
    def add(session):
        session.add(SecurityModule(name="Old", driver="soft", module_id="VSM-OLD", params={},
                                   retired_at=NOW))  # fmt: skip
        session.add(SecurityModule(name="Far", driver="tcp", module_id="VSM-FAR", params={}))

    shop.change(add)
    with shop.session() as session, seen_by(SYSTEM):
        assert look_at_all(session, shop.registry) == {"answered": 1, "silent": 1}
    failed = {row.module_id: row.failed_why for row in shop.rows(ModuleHealth)}
    assert failed == {shop.utility.module_id: None, shop.utility.module_id + 2: "unknown_driver"}


def test_a_key_ends_with_its_ken_or_when_it_may_be_used_no_more():
    key = VendingKey(ken=255, base_date="14", issue_until=None)
    assert ends_at(key) == datetime(2045, 11, 24, 20, 16, tzinfo=UTC)
    key.issue_until = datetime(2027, 1, 1, tzinfo=UTC)
    assert ends_at(key) == datetime(2027, 1, 1, tzinfo=UTC)
    # 103 + 1 steps of 65,536 minutes: 4,733 days and 3 h 44 min after 2014 began
    assert ends_at(VendingKey(ken=103, base_date="14", issue_until=None)) == datetime(
        2026, 12, 17, 3, 44, tzinfo=UTC
    )


@pytest.mark.parametrize(("left", "days", "within"), [
    (timedelta(days=90) - JUST_NOW, 89, 90),
    (timedelta(days=30), 30, 90),
    (timedelta(days=30) - JUST_NOW, 29, 30),
    (timedelta(days=7) - JUST_NOW, 6, 7),
    (-JUST_NOW, -1, 7),
])  # fmt: skip
def test_a_key_is_warned_of_90_30_and_7_days_ahead(shop, left, days, within):
    only(shop, LEGACY_SGC, issue_until=NOW + left)
    with shop.session() as session, seen_by(SYSTEM):
        (one,) = endings(session)
        assert (one.days, one.within) == (days, within)


def test_a_key_that_ends_later_is_not_warned_of(shop):
    only(shop, LEGACY_SGC, issue_until=NOW + timedelta(days=90))
    assert near(shop) == []


@BOTH
def test_keys_that_meters_use_come_first_whoever_sees_the_meters(backend, shop):
    def add(session):
        soon, later = NOW + timedelta(days=3), NOW + timedelta(days=40)
        for key in session.query(VendingKey):
            key.issue_until = later if key.sgc == LEGACY_SGC else soon
            if key.sgc not in {LEGACY_SGC, STS6_SGC}:
                session.delete(key)
        session.add(VendingKey(module_id=shop.utility.module_id, sgc="770001", krn=1, kt=2,
                               dkga="04", base_date="14", ken=255, kcv="AAAAAA", name="",
                               issue_until=soon))  # fmt: skip

    shop.change(add)
    found = near(shop)
    assert [sgc for sgc, *_ in found] == [STS6_SGC, LEGACY_SGC, "770001"]
    used = {sgc: meters for sgc, _, meters in found}
    assert used[STS6_SGC] == 2
    assert used["770001"] == 0
    with shop.session() as session, seen_by(shop.actor()):  # an operator of the north alone
        assert [one.meters for one in endings(session)] == list(used.values())


def test_only_the_module_that_serves_the_algorithm_has_meters(shop):
    only(shop, LEGACY_SGC, issue_until=NOW + timedelta(days=3))
    other = shop.change(lambda s: factories.add(
        s, SecurityModule(name="B", driver="soft", module_id="VSM-B", params={})
    ).id)  # fmt: skip
    shop.change(lambda s: [
        setattr(row, "module_id", other) for row in s.query(SmAlgorithm)
    ])  # fmt: skip
    assert [meters for *_, meters in near(shop)] == [0]


def test_keys_of_a_retired_module_are_not_warned_of(shop):
    only(shop, LEGACY_SGC, issue_until=NOW)
    assert len(near(shop)) == 1
    shop.change(lambda s: setattr(s.query(SecurityModule).one(), "retired_at", NOW))
    assert near(shop) == []
    assert len(near(shop, shop.utility.module_id)) == 1


def test_silence_and_return_are_each_on_record_once(shop, module):
    module.always("status", lambda _: (_ for _ in ()).throw(HsmUnavailable("refused", sent=False)))
    module.always("ping", lambda _: (_ for _ in ()).throw(HsmUnavailable("refused", sent=False)))
    looked(shop)
    looked(shop)
    module.always("status", lambda call: call())
    module.always("ping", lambda call: call())
    looked(shop)
    looked(shop)
    turns = [event.action for event in shop.rows(AuditEvent) if event.action.startswith("module.")]
    assert turns == ["module.silent", "module.answers"]


def test_a_look_asks_at_once_though_sales_have_opened_the_circuit(shop, module):
    """The line was down for three sales and is mended within the five seconds of the circuit."""
    circuit = CircuitBreaker(module)
    registry = Registry((), {"soft": lambda _: circuit})

    def refused(_):
        raise HsmUnavailable("refused", sent=False)

    module.always("status", refused)
    for _ in range(FAILURES):
        with pytest.raises(HsmUnavailable):
            circuit.status()
    module.always("status", lambda call: call())
    with shop.session() as session, seen_by(SYSTEM):
        row = health.look(session, registry, shop.utility.module_id)
    assert (row.seen_at, row.failed_why) == (NOW, None)
    assert circuit.wait_seconds is None


def test_a_key_that_is_gone_was_noticed_by_the_product_whoever_asked(shop, module):
    module.always("list_keys", lambda _: [])
    with shop.session() as session, seen_by(SYSTEM):
        health.look(session, shop.registry, shop.utility.module_id, actor=shop.actor())
    gone = shop.rows(AuditEvent, AuditEvent.action == "key.gone")
    assert gone
    assert {event.actor_id for event in gone} == {SYSTEM.user_id}
    (tested,) = shop.rows(AuditEvent, AuditEvent.action == "module.tested")
    assert tested.actor_id == shop.actor().user_id

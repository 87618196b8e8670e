"""The chain of the audit trail: sealed in the order of commits, signed, and every touch noticed."""

import hashlib
import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.factories import NOW
from tests.faults import down
from vmsapp import sealing
from vmsapp.extensions import atomic
from vmsapp.hsm.errors import NotSupported
from vmsapp.models import AuditEvent, AuditHead, AuditSeal, AuditUnsealed
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import audit
from vmsapp.services.audit import chain, sealer
from vmsapp.services.audit import verify as checking
from vmsapp.services.audit.heads import NobodySigns, TrailBehind, accept_restore, sign
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import PAGE, verify

FIVE = ["one", "two", "three", "four", "five"]


@pytest.fixture
def trail(shop, registry):
    """A trail to write to, seal, sign and check."""
    trail = Trail(shop, registry)
    trail.seal()
    return trail


class Trail:
    """The trail of the utility."""

    def __init__(self, shop, registry):
        self.shop, self.registry = shop, registry

    def write(self, *actions):
        """Events, a transaction each."""
        for action in actions:
            self.shop.change(lambda s, a=action: audit.record(s, SYSTEM, a, "test", 1, value=a))

    def seal(self):
        with self.shop.session() as session, seen_by(SYSTEM):
            return seal(session)

    def sign(self):
        with self.shop.session() as session, seen_by(SYSTEM):
            return sign(session, self.registry)

    def check(self, since=None):
        with self.shop.session() as session, seen_by(SYSTEM):
            return verify(session, self.registry, since)

    def fault(self):
        return self.check().fault

    def places(self):
        """Actions in the order of the chain."""
        wanted = (
            select(AuditEvent.action)
            .join(AuditSeal, AuditSeal.event_id == AuditEvent.id)
            .where(AuditEvent.subject == "test")
            .order_by(AuditSeal.place)
        )
        return self.shop.change(lambda s: s.scalars(wanted).all())

    def place_of(self, action):
        wanted = (
            select(AuditSeal.place)
            .join(AuditEvent, AuditSeal.event_id == AuditEvent.id)
            .where(AuditEvent.action == action)
        )
        return self.shop.change(lambda s: s.scalars(wanted).one())

    def tamper(self, *statements, **values):
        """Change what nobody may change: as one who rules the database, without its guards."""
        engine = self.shop.engine
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
                for statement in statements:
                    connection.execute(text(statement), values)
            return
        with closing(sqlite3.connect(engine.url.database)) as file:  # foreign keys are off
            guards = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            guards = dict(guards.fetchall())
            for name in guards:
                file.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                file.execute(statement, values)
            for guard in guards.values():
                file.execute(guard)
            file.commit()


# sealing


def test_events_wait_until_the_sealer_gives_them_the_next_places(trail, shop):
    before = shop.count(AuditSeal)
    trail.write(*FIVE)
    assert (shop.count(AuditUnsealed), trail.places()) == (5, [])
    assert trail.seal() == 5
    assert (shop.count(AuditUnsealed), trail.places()) == (0, FIVE)
    assert [row.place for row in shop.rows(AuditSeal)] == list(range(1, before + 6))
    assert trail.seal() == 0


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"])
def test_an_event_that_is_committed_late_is_not_skipped(trail, shop):
    late = Session(shop.engine)
    with seen_by(SYSTEM):
        audit.record(late, SYSTEM, "late", "test")
        late.flush()  # it has the lower number
        trail.write("early")
        trail.seal()
        assert trail.places() == ["early"]
        late.commit()
        late.close()
    trail.seal()
    assert trail.places() == ["early", "late"]
    assert trail.fault() is None


def test_an_event_that_is_rolled_back_leaves_no_place_open(trail, shop):
    class Oops(Exception):
        pass

    def fail(session):
        audit.record(session, SYSTEM, "never", "test")
        session.flush()
        raise Oops

    with pytest.raises(Oops):
        shop.change(fail)
    trail.write("one")
    trail.seal()
    assert trail.places() == ["one"]
    assert trail.fault() is None


def test_sealers_at_once_make_one_chain(trail, shop):
    trail.write(*(f"event {number}" for number in range(60)))
    begin, wrong = threading.Barrier(4), []

    def work():
        begin.wait()
        try:
            trail.seal()
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(trail.places()) == 60
    assert trail.fault() is None


def test_more_events_than_a_transaction_seals_are_sealed_in_several(trail, monkeypatch):
    monkeypatch.setattr(sealer, "BATCH", 2)
    trail.write(*FIVE)
    assert trail.seal() == 5
    assert trail.places() == FIVE


def test_a_hash_is_that_of_the_hash_before_the_place_and_the_event(trail, shop):
    """Source: docs/audit.md, "The bytes", worked by hand."""
    trail.write("zero", "one")
    trail.seal()
    *_, before, last = shop.rows(AuditSeal)
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    line = (
        '{"event":{"action":"one","actor_id":null,"actor_name":"system","address":null,'
        '"at":"AT","details":{"value":"one"},"id":NUMBER,"subject":"test","subject_id":"1",'
        '"vending_point_id":null},"version":1}'
    )
    line = line.replace("AT", event.at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"))
    line = line.replace("NUMBER", str(event.id))
    bound = bytes.fromhex(before.hash) + last.place.to_bytes(8, "big")
    assert last.hash == hashlib.sha256(bound + line.encode()).hexdigest()


def test_every_column_of_an_event_is_in_its_bytes(trail, shop):
    trail.write("one")
    event = shop.change(lambda s: dict(s.execute(select(chain.events).limit(1)).mappings().one()))
    assert set(json.loads(chain.canonical(event))["event"]) == set(AuditEvent.__table__.c.keys())


# checking


def test_a_sound_trail_is_found_sound(trail, shop):
    trail.write(*FIVE)
    trail.seal()
    trail.sign()
    trail.write("tail")
    shop.clock.forward(minutes=1)
    found = trail.check()
    assert found.fault is None
    assert found.confirmed
    assert found.events == found.last == shop.count(AuditSeal)
    assert (found.heads, found.signed, found.waiting) == (1, found.last, 1)
    assert found.waiting_since == NOW


TOUCHED = {
    "id": "UPDATE audit_event SET id = id + 1000 WHERE action = 'three'",
    "at": "UPDATE audit_event SET at = '2020-01-01 00:00:00' WHERE action = 'three'",
    "actor_id": "UPDATE audit_event SET actor_id = 1 WHERE action = 'three'",
    "actor_name": "UPDATE audit_event SET actor_name = 'somebody' WHERE action = 'three'",
    "address": "UPDATE audit_event SET address = '10.0.0.1' WHERE action = 'three'",
    "action": "UPDATE audit_event SET action = 'drei' WHERE action = 'three'",
    "subject": "UPDATE audit_event SET subject = 'tset' WHERE action = 'three'",
    "subject_id": "UPDATE audit_event SET subject_id = '2' WHERE action = 'three'",
    "vending_point_id": "UPDATE audit_event SET vending_point_id = 1 WHERE action = 'three'",
    "details": """UPDATE audit_event SET details = '{"value": "3"}' WHERE action = 'three'""",
}


def test_every_column_is_tampered_with():
    assert TOUCHED.keys() == set(AuditEvent.__table__.c.keys())


@pytest.mark.parametrize("column", sorted(TOUCHED))
def test_a_changed_column_is_noticed(trail, column):
    trail.write(*FIVE)
    trail.seal()
    place = trail.place_of("three")
    trail.tamper(TOUCHED[column])
    code = "event_missing" if column == "id" else "event_changed"
    assert trail.fault() == (code, place)


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("column", ["details", "at"])
def test_a_value_that_no_column_holds_is_noticed(trail, column):
    trail.write(*FIVE)
    trail.seal()
    place = trail.place_of("three")
    trail.tamper(f"UPDATE audit_event SET {column} = 'nonsense' WHERE action = 'three'")
    assert trail.fault() == ("event_changed", place)


SEALED = "(SELECT event_id FROM audit_seal WHERE place = :place)"
BROKEN = [
    (f"DELETE FROM audit_event WHERE id = {SEALED}", "event_missing"),
    ("DELETE FROM audit_seal WHERE place = :place", "place_missing"),
    ("UPDATE audit_seal SET hash = '00' WHERE place = :place", "event_changed"),
    ("UPDATE audit_seal SET version = 9 WHERE place = :place", "rules_unknown"),
]


@pytest.mark.parametrize(("statement", "code"), BROKEN)
def test_what_is_removed_or_replaced_is_noticed(trail, statement, code):
    trail.write(*FIVE)
    trail.seal()
    place = trail.place_of("three")
    trail.tamper(statement, place=place)
    assert trail.fault() == (code, place)


def test_events_that_changed_places_are_noticed(trail):
    trail.write(*FIVE)
    trail.seal()
    place = trail.place_of("three")
    other = "UPDATE audit_seal SET event_id = {} WHERE place = {}"
    three, four = (trail.shop.rows(AuditSeal)[at - 1].event_id for at in (place, place + 1))
    trail.tamper(other.format(0, place), other.format(three, place + 1), other.format(four, place))
    assert trail.fault() == ("event_changed", place)


def test_an_event_put_past_the_sealer_is_noticed(trail, shop):
    trail.write("one")
    trail.seal()
    event = {name: value for name, value in shop.change(
        lambda s: dict(s.execute(select(chain.events).limit(1)).mappings().one())
    ).items() if name != "id"} | {"action": "smuggled"}  # fmt: skip
    shop.change(lambda s: s.execute(insert(AuditEvent).values(**event)))
    number = max(row.id for row in shop.rows(AuditEvent))
    trail.tamper("DELETE FROM audit_unsealed")
    assert trail.fault() == ("event_unlisted", number)


def test_an_event_removed_before_it_was_sealed_is_noticed(trail, shop):
    trail.write("one")
    number = max(row.id for row in shop.rows(AuditEvent))
    trail.tamper("DELETE FROM audit_event WHERE action = 'one'")
    assert trail.fault() == ("waiting_missing", number)


def make_anew(trail, shop):
    """Write the whole chain again, as whoever knows its rules can."""
    trail.tamper("UPDATE audit_event SET actor_name = 'innocent' WHERE action = 'three'")

    def hashes(session):
        before, made = chain.GENESIS, []
        joined = chain.events.join(chain.seals, chain.seals.c.event_id == chain.events.c.id)
        ordered = select(chain.events).select_from(joined).order_by(chain.seals.c.place)
        for place, event in enumerate(session.execute(ordered).mappings().all(), 1):
            before = chain.link(before, place, dict(event))
            made.append((place, before))
        return made

    for place, made in shop.change(hashes):
        trail.tamper(f"UPDATE audit_seal SET hash = '{made}' WHERE place = {place}")


def test_a_chain_made_anew_is_not_the_one_that_was_signed(trail, shop):
    trail.write(*FIVE)
    trail.seal()
    signed = trail.sign()
    make_anew(trail, shop)
    assert trail.fault() == ("head_differs", signed.place)
    trail.tamper("DELETE FROM audit_head")
    assert trail.fault() == ("head_differs", signed.place), "the module remembers what it signed"
    trail.write("more")
    trail.seal()
    with pytest.raises(TrailBehind):
        trail.sign()


def test_a_chain_made_anew_under_another_key_is_noticed(trail, shop):
    trail.write(*FIVE)
    trail.seal()
    trail.sign()
    make_anew(trail, shop)
    _, digest = shop.change(chain.head_of)
    (row,) = shop.rows(AuditHead)
    row.digest = digest
    own = bytes(range(32))
    row.public_key = sealing.public_key_of(own).hex()
    forged = sealing.sign(own, checking.signed_head(row).message())
    trail.tamper(
        f"UPDATE audit_head SET digest = '{row.digest}', public_key = '{row.public_key}',"
        f" signature = '{forged.hex()}'"
    )
    assert trail.fault() == ("head_forged", row.place)


@pytest.mark.parametrize("column", ["place", "digest", "signed_at", "restart", "public_key",
                                    "signature", "number", "module_name"])  # fmt: skip
def test_a_changed_head_is_noticed(trail, shop, column):
    trail.write(*FIVE)
    trail.seal()
    trail.sign()
    change = {
        "place": "place - 1", "digest": "'00'", "signed_at": "'2020-01-01 00:00:00'",
        "restart": "NOT restart", "public_key": "'00'", "signature": "'00'",
        "number": "number + 1", "module_name": "'VSM-000000'",
    }[column]  # fmt: skip
    trail.tamper(f"UPDATE audit_head SET {column} = {change}")
    if column == "public_key":  # the module tells its own; the one written down is not believed
        assert trail.fault() is None
    else:
        assert trail.fault()[0] in {"head_differs", "head_forged", "head_missing"}


def test_a_cut_tail_is_noticed_while_its_head_stands(trail):
    trail.write(*FIVE)
    trail.seal()
    place = trail.sign().place
    trail.tamper(
        f"DELETE FROM audit_event WHERE id = {SEALED}",
        "DELETE FROM audit_seal WHERE place = :place",
        place=place,
    )
    assert trail.fault() == ("cut", place)


def test_a_trail_cut_with_its_heads_is_noticed_by_the_module_that_signed(trail):
    trail.write("one")
    trail.seal()
    trail.sign()
    trail.write("two")
    trail.seal()
    place = trail.sign().place
    trail.tamper(
        f"DELETE FROM audit_event WHERE id = {SEALED}",
        "DELETE FROM audit_seal WHERE place = :place",
        "DELETE FROM audit_head WHERE place = :place",
        place=place,
    )
    assert trail.fault() == ("cut", place)
    with pytest.raises(TrailBehind):
        trail.sign()


def test_heads_removed_from_the_middle_are_noticed(trail):
    for action in FIVE:
        trail.write(action)
        trail.seal()
        trail.sign()
    trail.tamper("DELETE FROM audit_head WHERE number = 3")
    assert trail.fault() == ("head_missing", trail.place_of("four"))
    trail.tamper("DELETE FROM audit_head WHERE number > 3")
    assert trail.fault() == ("head_missing", trail.place_of("five"))


def test_without_the_module_a_check_says_that_it_is_not_confirmed(trail, module):
    trail.write("one")
    trail.seal()
    trail.sign()
    module.always("last_head", down)
    found = trail.check()
    assert (found.fault, found.confirmed, found.heads) == (None, False, 1)


def test_a_check_since_a_day_begins_after_the_head_signed_by_then(trail, shop):
    trail.write(*FIVE)
    trail.seal()
    first = trail.sign()
    shop.clock.forward(days=2)
    trail.write("six")
    trail.seal()
    trail.sign()
    found = trail.check(NOW + timedelta(days=1))
    assert (found.first, found.events, found.heads) == (first.place + 1, 1, 2)
    assert found.fault is None
    assert trail.check(datetime(2020, 1, 1, tzinfo=UTC)).first == 1


def test_a_long_trail_is_read_in_pages(trail, monkeypatch):
    assert PAGE > 5
    trail.write(*FIVE)
    trail.seal()
    trail.sign()
    trail.write("six")
    trail.seal()
    trail.sign()
    whole = trail.check()
    monkeypatch.setattr(checking, "PAGE", 2)
    assert trail.check() == whole
    assert whole.heads == 2


# signing


def test_a_head_is_signed_once_until_the_chain_grows(trail, shop):
    trail.write("one")
    trail.seal()
    first = trail.sign()
    assert trail.sign() is None
    trail.write("two")
    trail.seal()
    second = trail.sign()
    assert (first.number, second.number) == (1, 2)
    assert second.place == shop.change(chain.head_of)[0]


def test_a_head_whose_keeping_failed_is_kept_the_next_time(trail, shop):
    trail.write("one")
    trail.seal()
    head = trail.sign()
    trail.tamper("DELETE FROM audit_head")  # as if the crash had come before the commit
    assert trail.fault() is None
    trail.write("two")
    trail.seal()
    trail.sign()
    assert shop.rows(AuditHead)[0].signature == head.signature
    assert trail.fault() is None


def test_a_restored_trail_is_signed_only_after_somebody_answers_for_it(trail, shop):
    trail.write("one")
    trail.seal()
    trail.sign()
    trail.write("two")
    trail.seal()
    lost = trail.sign()
    trail.tamper(  # what the backup lacks
        f"DELETE FROM audit_event WHERE id = {SEALED}",
        "DELETE FROM audit_seal WHERE place = :place",
        "DELETE FROM audit_head WHERE place = :place",
        place=lost.place,
    )
    trail.write("three")
    trail.seal()
    with pytest.raises(TrailBehind, match=f"event {lost.place}"):
        trail.sign()
    with shop.session() as session, seen_by(SYSTEM):
        head = accept_restore(session, trail.registry, SYSTEM, "disk lost")
    assert (head.restart, head.number) == (True, 3)
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    assert event.action == "audit.restore_accepted"
    assert event.details["signed_before"]["place"] == lost.place
    found = trail.check()
    assert (found.fault, found.restarts) == (None, 1)
    trail.write("four")
    trail.seal()
    assert trail.sign().number == 4
    assert trail.fault() is None


def test_where_no_module_signs_that_is_said(trail, module):
    def cannot(_call):
        raise NotSupported

    module.always("last_head", cannot)
    with pytest.raises(NobodySigns):
        trail.sign()


def test_no_transaction_is_open_while_the_module_signs(trail, shop, module):
    trail.write("one")
    trail.seal()
    with shop.session() as session, seen_by(SYSTEM):
        module.once("sign_head", lambda call: (call(), opened.append(session.in_transaction()))[0])
        opened: list[bool] = []
        sign(session, trail.registry)
    assert opened == [False]


# what the database itself guards


KEPT = [
    "UPDATE audit_seal SET hash = ''",
    "DELETE FROM audit_seal",
    "UPDATE audit_head SET place = 1",
    "DELETE FROM audit_head",
]


@pytest.mark.parametrize("deed", KEPT)
def test_the_database_keeps_places_and_heads(trail, shop, deed):
    trail.write("one")
    trail.seal()
    trail.sign()
    with pytest.raises(DBAPIError, match="only added"):
        shop.change(lambda s: s.connection().exec_driver_sql(deed))


def test_whoever_writes_an_event_lists_it_for_the_sealer(shop):
    waiting = shop.count(AuditUnsealed)
    with shop.session() as session, atomic(session), seen_by(SYSTEM):
        session.connection().exec_driver_sql(
            "INSERT INTO audit_event (at, actor_name, action, subject, details) "
            "VALUES ('2026-01-01 00:00:00', 'hand', 'by.hand', 'test', '{}')"
        )
        assert session.scalar(select(func.count()).select_from(AuditUnsealed)) == waiting + 1

"""The training meter: each lesson is answered as the standard says, and nothing real is touched."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.factories import NOW, OPERATOR
from vmsapp.models import AuditEvent, SpentTid, Token, TrainingMeter, UserSession
from vmsapp.models.user_session import hash_of
from vmsapp.services import training
from vmsapp.services.registration.meter_numbers import number_of
from vmsapp.services.training import Lesson, NoTraining, Wish
from vmsapp.services.training.bench import Training, new
from vmsapp.services.training.keeping import RESTS
from vmsapp.services.training.lessons import (
    IndexOutOfRange,
    NoFormerKey,
    UnitsOutOfRange,
    WattsOutOfRange,
)
from vmsapp.sts import identifiers
from vmsapp.sts.nmse import MeterTest


@pytest.fixture
def backend() -> str:
    """Nothing here depends on the kind of database."""
    return "sqlite"


KEY = bytes(range(32))


class Seconds:
    """The clock the meter's set of key change tokens waits by."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=[7, 11], ids=["64-bit key", "128-bit key"])
def bench(request) -> Training:
    return new(request.param, NOW, Seconds())


def entered(bench: Training, lesson: Lesson, **wish):
    """Make a lesson's tokens and enter them all; the last answer."""
    offered = training.make(bench, Wish(lesson, **wish), NOW)
    return [training.enter(bench, digits) for digits in offered.digits][-1]


# IEC 62055-41:2018, 7.3 names what a meter answers to each
ANSWERS = {
    Lesson.CREDIT: (1, "Accept"),
    Lesson.POWER_LIMIT: (1, "Accept"),
    Lesson.CLEAR_CREDIT: (1, "Accept"),
    Lesson.CLEAR_TAMPER: (1, "Accept"),
    Lesson.SHOW: (1, "Accept"),
    Lesson.KEY_CHANGE: (1, "Accept"),
    Lesson.USED: (10, "UsedError"),
    Lesson.OLD: (9, "OldError"),
    Lesson.OTHER_METER: (13, "CRCError"),
    Lesson.MISTYPED: (13, "CRCError"),
    Lesson.EXPIRED: (11, "KeyExpiredError"),
    Lesson.WATER: (8, "FunctionError"),
}


@pytest.mark.parametrize("lesson", ANSWERS)
def test_each_lesson_is_answered_as_the_standard_says(bench, lesson):
    entry = entered(bench, lesson)
    assert (entry.result, entry.word) == ANSWERS[lesson]


def test_every_lesson_has_its_answer():
    assert set(ANSWERS) | {Lesson.FORMER_KEY} == set(Lesson)


def test_a_credit_is_added_to_the_balance(bench):
    entry = entered(bench, Lesson.CREDIT, units=Decimal("12.3"))
    assert entry.changes == (("balance", "0.0", "12.3"),)
    assert entered(bench, Lesson.CREDIT, units=Decimal("7.7")).changes == (
        ("balance", "12.3", "20.0"),
    )


def test_the_same_token_is_used_the_second_time(bench):
    offered = training.make(bench, Wish(Lesson.CREDIT), NOW)
    answers = [training.enter(bench, offered.digits[0]).word for _ in range(2)]
    assert answers == ["Accept", "UsedError"]
    assert bench.entered[0].changes == ()


def test_what_engineers_clear_is_cleared(bench):
    entered(bench, Lesson.CREDIT, units=Decimal(9))
    assert entered(bench, Lesson.CLEAR_CREDIT).changes == (("balance", "9.0", "0.0"),)
    assert entered(bench, Lesson.CLEAR_TAMPER).changes == (("tampered", "yes", "no"),)
    assert entered(bench, Lesson.POWER_LIMIT, watts=5_000).changes == (("power_limit", "", "5000"),)


@pytest.mark.parametrize(("ea", "count"), [(7, 2), (11, 4)])
def test_a_key_change_takes_as_many_tokens_as_the_key_is_long(ea, count):
    bench = new(ea, NOW, Seconds())
    offered = training.make(bench, Wish(Lesson.KEY_CHANGE, ti="42"), NOW)
    assert len(offered.digits) == count
    key = bench.meter.key.reveal()
    words = [training.enter(bench, digits).word for digits in reversed(offered.digits)]
    assert words[-1] == "Accept"
    assert set(words[:-1]) <= {"1stKCT", "2ndKCT", "3rdKCT", "4thKCT"}
    assert bench.meter.key.reveal() != key
    assert (offered.value, bench.entered[0].changes) == ("TI 42", (("ti", "01", "42"),))


@pytest.mark.parametrize("ti", ["", "01"])
def test_a_key_of_the_same_index_has_the_next_revision(bench, ti):
    offered = training.make(bench, Wish(Lesson.KEY_CHANGE, ti=ti), NOW)
    for digits in offered.digits:
        training.enter(bench, digits)
    assert (offered.value, bench.entered[0].changes) == ("KRN 2", (("krn", "1", "2"),))


def test_a_token_of_the_former_key_fails_its_checksum_and_a_new_one_is_taken(bench):
    with pytest.raises(NoFormerKey):
        training.make(bench, Wish(Lesson.FORMER_KEY), NOW)
    entered(bench, Lesson.KEY_CHANGE, ti="07")
    assert entered(bench, Lesson.FORMER_KEY).word == "CRCError"
    assert entered(bench, Lesson.CREDIT).word == "Accept"


def test_halves_of_a_set_wait_five_minutes_for_each_other(bench):
    offered = training.make(bench, Wish(Lesson.KEY_CHANGE, ti="07"), NOW)
    kept = Training.read(bench.written(), bench.meter.clock)
    *early, last = offered.digits
    for digits in early:
        training.enter(kept, digits)
    kept = Training.read(kept.written(), kept.meter.clock)  # as between two requests
    kept.meter.clock.now += 5 * 60 + 1
    assert training.enter(kept, last).word != "Accept"


def test_a_test_token_shows_what_was_asked(bench):
    entry = entered(bench, Lesson.SHOW, test=int(MeterTest.DRN))
    assert entry.shown == (("drn", bench.meter.drn),)
    assert entered(bench, Lesson.SHOW, test=int(MeterTest.SGC)).shown == (("sgc", "999999"),)


@pytest.mark.parametrize("typed", ["", "1", "1" * 19, "1" * 21, "9" * 20])
def test_what_is_no_token_is_a_format_error(bench, typed):
    assert training.enter(bench, typed).word == "FormatError"


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (Wish(Lesson.CREDIT, units=Decimal(0)), UnitsOutOfRange),
        (Wish(Lesson.CREDIT, units=Decimal("0.05")), UnitsOutOfRange),
        (Wish(Lesson.CREDIT, units=Decimal("10000.1")), UnitsOutOfRange),
        (Wish(Lesson.POWER_LIMIT, watts=0), WattsOutOfRange),
        (Wish(Lesson.POWER_LIMIT, watts=100_001), WattsOutOfRange),
        (Wish(Lesson.KEY_CHANGE, ti="7"), IndexOutOfRange),
        (Wish(Lesson.KEY_CHANGE, ti="x7"), IndexOutOfRange),
    ],
)
def test_what_no_training_token_carries_is_refused(bench, wish, error):
    with pytest.raises(error):
        training.make(bench, wish, NOW)
    assert bench.offered == []


def test_all_of_it_is_read_as_it_was_written(bench):
    entered(bench, Lesson.CREDIT, units=Decimal("3.3"))
    entered(bench, Lesson.KEY_CHANGE, ti="07")
    entered(bench, Lesson.SHOW)
    again = Training.read(bench.written(), bench.meter.clock)
    assert again.written() == bench.written()
    assert (again.offered, again.entered) == (bench.offered, bench.entered)
    assert entered(again, Lesson.USED).word == "UsedError"


def test_only_so_many_entries_are_kept(bench):
    for _ in range(40):
        entered(bench, Lesson.CREDIT)
    assert (len(bench.entered), len(bench.offered)) == (30, 30)


def test_its_number_is_one_that_registration_refuses(bench):
    drn = bench.meter.drn
    assert identifiers.drn.validate(drn) == drn
    assert number_of(drn).code == "meter_number_training"
    assert number_of("00000000000") == "00000000000"  # of the standard's own examples


def test_neither_key_nor_tokens_show_in_its_repr(bench):
    offered = training.make(bench, Wish(Lesson.CREDIT), NOW)
    entry = training.enter(bench, offered.digits[0])
    shown = repr([bench, offered, entry])
    assert offered.digits[0] not in shown
    assert bench.meter.key.reveal().hex() not in shown


# kept between requests


@pytest.fixture
def browsers(shop) -> list[int]:
    """Two signed-in browsers of one person."""
    now, user = shop.clock(), shop.utility.users[OPERATOR].id

    def add(session):
        rows = [
            UserSession(user_id=user, ticket_hash=hash_of(f"ticket {n}"), created_at=now,
                        seen_at=now, device="x")
            for n in range(2)
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]

    return shop.change(add)


def begun(shop, browser: int, ea: int = 7) -> Training:
    shop.do(training.begin, browser, KEY, ea=ea)
    found = shown(shop, browser)
    assert found is not None
    return found


def shown(shop, browser: int, key: bytes = KEY) -> Training | None:
    with shop.session() as session:
        return training.look(session, browser, key)


def changed(shop, browser: int, deed):
    with shop.session() as session:
        return training.change(session, browser, KEY, deed)


def test_two_browsers_have_meters_of_their_own(shop, browsers):
    one, other = browsers
    first, second = begun(shop, one), begun(shop, other)
    assert first.meter.key.reveal() != second.meter.key.reveal()
    offered = changed(shop, one, lambda t: training.make(t, Wish(Lesson.CREDIT), NOW))
    changed(shop, one, lambda t: training.enter(t, offered.digits[0]))
    assert [entry.word for entry in shown(shop, one).entered] == ["Accept"]
    assert shown(shop, other).entered == []
    refused = changed(shop, other, lambda t: training.enter(t, offered.digits[0]))
    assert refused.word == "CRCError"


def test_what_is_kept_tells_neither_key_nor_digits_and_belongs_to_one_browser(shop, browsers):
    one, other = browsers
    meter = begun(shop, one)
    offered = changed(shop, one, lambda t: training.make(t, Wish(Lesson.CREDIT), NOW))
    sealed = shop.rows(TrainingMeter)[0].sealed
    assert meter.meter.key.reveal() not in sealed
    assert offered.digits[0].encode() not in sealed
    shop.change(  # a copied row opens nothing in another browser
        lambda s: s.add(
            TrainingMeter(session_id=other, sealed=sealed, begun_at=NOW, expires_at=NOW + RESTS)
        )
    )
    assert shown(shop, other) is None
    assert shown(shop, one, key=bytes(32)) is None


def test_a_meter_that_rested_too_long_is_gone_with_the_next_that_is_used(shop, browsers):
    one, other = browsers
    begun(shop, one)
    shop.clock.now += RESTS - timedelta(seconds=1)
    assert shown(shop, one) is not None
    shop.clock.now += timedelta(seconds=1)
    assert shown(shop, one) is None
    with pytest.raises(NoTraining):
        changed(shop, one, lambda t: training.enter(t, "1" * 20))
    assert shop.count(TrainingMeter) == 1
    begun(shop, other)
    assert [row.session_id for row in shop.rows(TrainingMeter)] == [other]


def test_use_keeps_it(shop, browsers):
    begun(shop, browsers[0])
    for _ in range(3):
        shop.clock.now += RESTS - timedelta(minutes=1)
        changed(shop, browsers[0], lambda t: training.enter(t, "1" * 20))
    assert len(shown(shop, browsers[0]).entered) == 3


def test_put_away_it_is_gone_and_another_takes_its_place(shop, browsers):
    first = begun(shop, browsers[0])
    second = begun(shop, browsers[0], ea=11)
    assert first.meter.key.reveal() != second.meter.key.reveal()
    assert len(second.meter.key) == 16
    with shop.session() as session:
        training.put_away(session, browsers[0])
    assert shown(shop, browsers[0]) is None
    assert shop.count(TrainingMeter) == 0


def test_no_module_book_or_journal_knows_of_it(shop, browsers, module):
    begun(shop, browsers[0])
    for lesson in ANSWERS:
        offered = changed(shop, browsers[0], lambda t, what=lesson: training.make(
            t, Wish(what), NOW))  # fmt: skip
        for digits in offered.digits:
            changed(shop, browsers[0], lambda t, typed=digits: training.enter(t, typed))
    assert (shop.count(Token), shop.count(SpentTid)) == (0, 0)
    assert [event.action for event in shop.rows(AuditEvent)] == ["training.begun"]
    assert module.asked == []

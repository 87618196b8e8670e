"""A run of the rules: nothing twice, nothing lost when it is stopped, what is over is closed."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from tests.factories import LEGACY_11, LEGACY_13, STS6_11, SUPERVISOR, TODAY
from tests.services.revenue import (
    ON_POSTGRES,
    ON_SQLITE,
    ask_rules,
    bought,
    findings,
    meters_found,
    set_rule,
    sold_on,
)
from tests.services.test_revenue_meters import AUTUMN, QUIET
from tests.shop import in_threads
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, RevenueRule, Sale
from vmsapp.services.revenue_protection import meters as meter_rules
from vmsapp.services.revenue_protection import setting, working
from vmsapp.services.revenue_protection.errors import (
    MoreThanThereAre,
    NeverClosed,
    NumberOutOfRange,
)
from vmsapp.services.revenue_protection.rules import ALL, RULES
from vmsapp.services.revenue_protection.setting import thresholds
from vmsapp.services.revenue_protection.working import Said

THREE = (LEGACY_11, LEGACY_13, STS6_11)


@pytest.fixture
def three_stopped(shop):
    """Three meters that stopped."""
    for meter in THREE:
        bought(shop, meter, *AUTUMN, QUIET)


@pytest.fixture
def one_at_once(monkeypatch):
    """Parts of one meter."""
    monkeypatch.setattr(meter_rules, "AT_ONCE", 1)


class Killed(BaseException):
    """The worker is gone."""


@pytest.mark.usefixtures("three_stopped")
def test_a_second_run_finds_nothing_new(shop, backend):
    assert ask_rules(shop) == {"stopped": 3}
    before = [(row.id, row.found_at) for row in findings(shop, "stopped")]
    shop.clock.forward(days=1)
    assert ask_rules(shop) == {}
    assert [(row.id, row.found_at) for row in findings(shop, "stopped")] == before


@pytest.mark.usefixtures("three_stopped", "one_at_once")
@pytest.mark.parametrize("told", [1, 2, 3])
@ON_SQLITE
def test_a_run_that_was_killed_goes_on_from_the_beginning_and_writes_nothing_twice(shop, told):
    calls = []

    def kill(_session, done, total):
        calls.append((done, total))
        if len(calls) == told:
            raise Killed

    with pytest.raises(Killed):
        ask_rules(shop, tell=kill)
    assert len(findings(shop, "stopped")) == told - 1  # the killed part was not kept
    assert ask_rules(shop) == {"stopped": 3 - (told - 1)}
    assert meters_found(shop, "stopped") == set(THREE)
    assert len(findings(shop, "stopped")) == 3


@pytest.mark.usefixtures("three_stopped", "one_at_once")
@ON_SQLITE
def test_a_run_can_be_stopped_between_statements(shop):
    asked = []

    def stop():
        asked.append(1)
        if len(asked) == 3:
            raise Killed

    with pytest.raises(Killed):
        ask_rules(shop, pause=stop)
    assert len(findings(shop, "stopped")) == 2
    ask_rules(shop)
    assert len(findings(shop, "stopped")) == 3


@ON_POSTGRES
@pytest.mark.usefixtures("three_stopped")
def test_two_runs_at_once_find_it_once(shop):
    in_threads(lambda: ask_rules(shop), lambda: ask_rules(shop))
    assert len(findings(shop, "stopped")) == 3


@pytest.mark.usefixtures("three_stopped", "one_at_once")
def test_what_is_no_longer_true_is_closed_unless_somebody_works_on_it(shop, backend):
    ask_rules(shop)
    mine, taken, _third = findings(shop, "stopped")
    shop.do(working.take, taken.id, by=SUPERVISOR)
    for meter in (LEGACY_11, LEGACY_13):
        sold_on(shop, TODAY, meter)
    shop.clock.forward(days=1)
    ask_rules(shop)
    gone, kept, still = findings(shop, "stopped")
    assert (gone.id, gone.state, gone.live, gone.ceased_at) == (
        mine.id, "ceased", False, shop.clock.now,
    )  # fmt: skip
    assert (kept.state, kept.live, kept.ceased_at) == ("taken", True, shop.clock.now)
    assert (still.state, still.ceased_at) == ("open", None)
    shop.clock.forward(days=1)
    ask_rules(shop)
    assert findings(shop, "stopped")[1].ceased_at == kept.ceased_at  # since when stays


@ON_SQLITE
def test_what_is_true_again_under_work_is_the_same_finding(shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    ask_rules(shop)
    (row,) = findings(shop, "stopped")
    shop.do(working.take, row.id, by=SUPERVISOR)
    sale = sold_on(shop, TODAY, LEGACY_11)
    ask_rules(shop)
    assert findings(shop, "stopped")[0].ceased_at is not None
    earlier = update(Sale).where(Sale.id == sale).values(business_date=date(2026, 1, 2))
    shop.change(lambda session: session.execute(earlier))
    ask_rules(shop)
    (again,) = findings(shop, "stopped")
    assert (again.id, again.state, again.ceased_at) == (row.id, "taken", None)


@ON_SQLITE
def test_what_ceased_is_found_anew_when_it_comes_again(shop):
    set_rule(shop, "hours", least=1)
    first = sold_on(shop, TODAY, local_hour=3)
    ask_rules(shop)
    shop.clock.forward(days=30)
    ask_rules(shop)
    sold_on(shop, TODAY + timedelta(days=30), local_hour=3)
    assert ask_rules(shop) == {"hours": 1}
    old, new = findings(shop, "hours")
    assert (old.state, new.state, first) == ("ceased", "open", first)


def test_what_was_decided_rests_and_is_found_again_after_its_rest(shop, backend):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    set_rule(shop, "stopped", rest=30, months=8)
    ask_rules(shop)
    (row,) = findings(shop, "stopped")
    shop.do(working.decide, row.id, "vacant", Said("Nobody lives there"), by=SUPERVISOR)
    shop.clock.forward(days=30)
    assert ask_rules(shop) == {}
    shop.clock.forward(seconds=1)
    assert ask_rules(shop) == {"stopped": 1}
    old, new = findings(shop, "stopped")
    assert (old.state, old.live, new.state, new.live) == ("decided", False, "open", True)


@ON_SQLITE
def test_a_decision_on_what_ceases_makes_room_at_once(shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    ask_rules(shop)
    (row,) = findings(shop, "stopped")
    shop.do(working.decide, row.id, "explained", Said("A visit"), by=SUPERVISOR)
    sold_on(shop, TODAY, LEGACY_11)
    ask_rules(shop)
    (row,) = findings(shop, "stopped")
    assert (row.state, row.outcome, row.live) == ("decided", "explained", False)


@ON_SQLITE
def test_a_rule_that_is_switched_off_closes_what_is_open(shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    ask_rules(shop)
    set_rule(shop, "stopped", active=False)
    assert ask_rules(shop) == {}
    assert [row.state for row in findings(shop, "stopped")] == ["ceased"]


@ON_SQLITE
def test_a_run_is_on_record_and_notes_when_each_rule_was_through(shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    ask_rules(shop)
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "revenue.looked")
    assert event.details == {"found": {"stopped": 1}}
    rows = {row.code: row.ran_at for row in shop.rows(RevenueRule)}
    assert set(rows) == set(RULES)
    assert set(rows.values()) == {shop.clock.now}


@ON_SQLITE
def test_how_far_it_is_is_told(shop):
    told = []
    ask_rules(shop, tell=lambda _s, done, total: told.append((done, total)))
    assert [done for done, _total in told] == sorted(done for done, _total in told)
    assert all(done <= total for done, total in told)


def change(shop, code, active=True, **numbers):
    rule = RULES[code]
    plain = {one.name: one.default for one in thresholds(rule)}
    shop.do(
        lambda session, actor: setting.change(
            session, actor, code, active=active, numbers=plain | numbers
        ),
        by=SUPERVISOR,
    )


def test_thresholds_are_kept_where_they_differ_and_put_on_record(shop, backend):
    change(shop, "stopped", days=45)
    (row,) = shop.rows(RevenueRule)
    assert (row.numbers, row.active, row.ran_at) == ({"days": 45}, True, None)
    change(shop, "stopped", active=False)
    (row,) = shop.rows(RevenueRule)
    assert (row.numbers, row.active) == ({}, False)
    first, second = shop.rows(AuditEvent, AuditEvent.action == "revenue_rule.changed")
    assert (first.details["before"]["days"], first.details["after"]["days"]) == (60, 45)
    assert (second.details["before"]["active"], second.details["after"]["active"]) == (True, False)


@pytest.mark.parametrize(
    ("code", "numbers", "error"),
    [
        ("stopped", {"days": 6}, NumberOutOfRange),
        ("stopped", {"days": 731}, NumberOutOfRange),
        ("dropped", {"percent": 0}, NumberOutOfRange),
        ("hours", {"rest": 0}, NumberOutOfRange),
        ("stopped", {"least": 7}, MoreThanThereAre),
        ("hours", {"opens": 8, "closes": 8}, NeverClosed),
        ("hours", {"opens": 0, "closes": 24}, NeverClosed),
    ],
)
@ON_SQLITE
def test_thresholds_that_make_no_sense_are_refused(shop, code, numbers, error):
    with pytest.raises(error):
        change(shop, code, **numbers)
    assert shop.rows(RevenueRule) == []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.code)
def test_a_rules_sentence_names_each_of_its_thresholds_and_no_other(rule):
    numbers = {one.name: one.default for one in rule.numbers}
    for name in numbers:
        assert f"%({name})s" in rule.sentence, name
        assert rule.sentence % numbers
    assert all(one.least <= one.default <= one.most for one in rule.numbers)


@ON_SQLITE
def test_no_such_rule(shop):
    with pytest.raises(NotFound):
        shop.do(lambda session, _actor: setting.setting_of(session, "none"), by=SUPERVISOR)

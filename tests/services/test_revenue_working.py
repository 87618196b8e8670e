"""The work on findings: who may do what to which, what is kept of it, and what is seen."""

from datetime import date

import pytest

from tests.factories import (
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
    TODAY,
)
from tests.services.revenue import ON_SQLITE, ask_rules, bought, findings, set_rule, sold_on
from tests.services.test_revenue_meters import AUTUMN, QUIET
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, RevenueFinding, RevenueNote
from vmsapp.scope import seen_by
from vmsapp.services.revenue_protection import evidence, working
from vmsapp.services.revenue_protection.counting import Counts, counts
from vmsapp.services.revenue_protection.errors import (
    AboutYourself,
    FindingOver,
    FoundAgain,
    NotDecided,
    NoteMissing,
    NotTaken,
    OutcomeUnfit,
)
from vmsapp.services.revenue_protection.setting import setting_of
from vmsapp.services.revenue_protection.working import Said

SOUTH = {"point": MARKET, "by": SOUTH_OPERATOR}
SEEN = Said("Looked at it")


@pytest.fixture
def stopped(shop):
    """A meter that stopped."""
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    ask_rules(shop)
    (row,) = findings(shop, "stopped")
    return row.id


def now(shop, key):
    return shop.rows(RevenueFinding, RevenueFinding.id == key)[0]


def deeds(shop):
    """Deeds on findings on record, the oldest first."""
    events = shop.rows(AuditEvent, AuditEvent.subject == "revenue_finding")
    return [event.action.partition(".")[2] for event in events if event.subject_id]


def test_taken_on_noted_decided_and_opened_again(shop, stopped, backend):
    user = shop.utility.users[SUPERVISOR].id
    shop.do(working.take, stopped, by=SUPERVISOR)
    assert (now(shop, stopped).state, now(shop, stopped).assigned_id) == ("taken", user)
    visit = date(2026, 3, 20)
    shop.do(working.note, stopped, Said(" Called, no answer ", visit), by=SUPERVISOR)
    assert now(shop, stopped).visit_on == visit
    shop.do(working.decide, stopped, "tampering", Said("Seal broken"), by=SUPERVISOR)
    row = now(shop, stopped)
    assert (row.state, row.outcome, row.decided_by_id, row.live) == (
        "decided", "tampering", user, True,
    )  # fmt: skip
    assert (row.decided_at, row.visit_on) == (shop.clock.now, visit)
    shop.do(working.reopen, stopped, by=SUPERVISOR)
    row = now(shop, stopped)
    assert (row.state, row.outcome, row.decided_at, row.decided_by_id) == (
        "taken", None, None, None,
    )  # fmt: skip
    notes = shop.rows(RevenueNote)
    assert [(one.deed, one.text, one.outcome, one.visit_on) for one in notes] == [
        ("taken", "", None, None),
        ("noted", "Called, no answer", None, visit),
        ("decided", "Seal broken", "tampering", None),
        ("reopened", "", None, None),
    ]
    assert deeds(shop) == ["taken", "noted", "decided", "reopened"]


@ON_SQLITE
def test_given_up_it_is_open_again_and_another_may_take_it_from_somebody(shop, stopped):
    shop.do(working.take, stopped, by=OPERATOR)
    shop.do(working.take, stopped, by=OPERATOR)  # twice is once
    shop.do(working.take, stopped, by=SUPERVISOR)
    assert now(shop, stopped).assigned_id == shop.utility.users[SUPERVISOR].id
    shop.do(working.leave, stopped, by=SUPERVISOR)
    row = now(shop, stopped)
    assert (row.state, row.assigned_id, row.live) == ("open", None, True)
    assert deeds(shop) == ["taken", "taken", "left"]


@ON_SQLITE
def test_given_up_what_is_no_longer_true_is_over(shop, stopped):
    shop.do(working.take, stopped, by=SUPERVISOR)
    sold_on(shop, TODAY, LEGACY_11)
    ask_rules(shop)
    shop.do(working.leave, stopped, by=SUPERVISOR)
    row = now(shop, stopped)
    assert (row.state, row.live) == ("ceased", False)


@ON_SQLITE
def test_what_is_over_is_refused(shop, stopped):
    with pytest.raises(NotTaken):
        shop.do(working.leave, stopped, by=SUPERVISOR)
    with pytest.raises(NotDecided):
        shop.do(working.reopen, stopped, by=SUPERVISOR)
    shop.do(working.decide, stopped, "moved", SEEN, by=SUPERVISOR)
    for deed, more in ((working.take, ()), (working.note, (SEEN,)),
                       (working.decide, ("faulty", SEEN))):  # fmt: skip
        with pytest.raises(FindingOver):
            shop.do(deed, stopped, *more, by=SUPERVISOR)
    assert now(shop, stopped).outcome == "moved"


@pytest.mark.parametrize(
    ("outcome", "text", "error"),
    [
        ("misuse", "x", OutcomeUnfit),  # of a meter there is none
        ("", "x", OutcomeUnfit),
        ("faulty", "  ", NoteMissing),
        ("faulty", "x" * 256, NoteMissing),
    ],
)
@ON_SQLITE
def test_an_outcome_must_fit_and_be_said(shop, stopped, outcome, text, error):
    with pytest.raises(error):
        shop.do(working.decide, stopped, outcome, Said(text), by=SUPERVISOR)
    assert now(shop, stopped).state == "open"
    assert shop.rows(RevenueNote) == []


@ON_SQLITE
def test_what_was_found_again_keeps_an_old_decision_closed(shop, stopped):
    shop.do(working.decide, stopped, "vacant", SEEN, by=SUPERVISOR)
    set_rule(shop, "stopped", rest=1, months=12)
    shop.clock.forward(days=2)
    ask_rules(shop)
    newer = findings(shop, "stopped")[-1]
    with pytest.raises(FoundAgain) as refused:
        shop.do(working.reopen, stopped, by=SUPERVISOR)
    assert refused.value.params == {"id": newer.id}


@pytest.fixture
def both_sides(shop):
    """Findings about an operator on either side."""
    set_rule(shop, "hours", least=1)
    sold_on(shop, TODAY, SOUTHERN, local_hour=3, **SOUTH)
    sold_on(shop, TODAY, LEGACY_11, local_hour=3)
    ask_rules(shop)
    return findings(shop, "hours")


@ON_SQLITE
def test_nobody_works_on_a_finding_about_oneself(shop, both_sides):
    own = next(row for row in both_sides if row.operator_id == shop.utility.users[OPERATOR].id)
    for deed, more in ((working.take, ()), (working.note, (SEEN,)),
                       (working.decide, ("false_alarm", SEEN))):  # fmt: skip
        with pytest.raises(AboutYourself):
            shop.do(deed, own.id, *more, by=OPERATOR)
    shop.do(working.decide, own.id, "misuse", SEEN, by=SUPERVISOR)
    with pytest.raises(AboutYourself):
        shop.do(working.reopen, own.id, by=OPERATOR)


@ON_SQLITE
def test_a_finding_elsewhere_is_not_found(shop, both_sides):
    theirs = next(
        row for row in both_sides if row.operator_id == shop.utility.users[SOUTH_OPERATOR].id
    )
    for deed, more in ((working.take, ()), (working.note, (SEEN,)),
                       (working.decide, ("false_alarm", SEEN)), (working.reopen, ())):  # fmt: skip
        with pytest.raises(NotFound):
            shop.do(deed, theirs.id, *more, by=OPERATOR)
    assert now(shop, theirs.id).state == "open"


@ON_SQLITE
def test_counts_are_of_what_is_seen_by_what_became_of_it(shop, stopped):
    bought(shop, SOUTHERN, *AUTUMN, QUIET, **SOUTH)
    ask_rules(shop)
    shop.do(working.decide, stopped, "faulty", SEEN, by=SUPERVISOR)

    def counted(who):
        with shop.session() as session, seen_by(shop.actor(who)):
            return counts(session)["stopped"]

    assert counted(SUPERVISOR) == Counts(open=1, right=1)
    assert counted(OPERATOR) == Counts(right=1)
    assert counted(SOUTH_OPERATOR) == Counts(open=1)


def test_the_history_of_a_meter_is_its_consumers_month_by_month(shop, backend):
    bought(shop, LEGACY_11, date(2025, 12, 1), date(2025, 12, 31), units="12.5")
    bought(shop, LEGACY_11, date(2024, 3, 31), units="99")  # before the 24 months
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        months = evidence.history(session, shop.utility.meters[LEGACY_11], TODAY)
    assert (len(months), months[0].first, months[-1].first) == (
        24, date(2024, 4, 1), date(2026, 3, 1),
    )  # fmt: skip
    told = {one.first: (one.purchases, str(one.units), one.paid_minor) for one in months
            if one.purchases}  # fmt: skip
    assert told == {date(2025, 12, 1): (2, "25.000", 200)}


@ON_SQLITE
def test_the_sales_a_finding_counted_are_listed_and_no_others(shop):
    set_rule(shop, "hours", least=1)
    night = sold_on(shop, TODAY, local_hour=3)
    sold_on(shop, TODAY, local_hour=12)
    ask_rules(shop)
    (row,) = findings(shop, "hours")
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        numbers = setting_of(session, "hours").numbers
        listed = evidence.sales_concerned(session, row, numbers, "Africa/Nairobi")
    assert [sale.id for sale in listed] == [night]

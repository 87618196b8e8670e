"""The second person: asking, approving once, and who may not be it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import false, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests import factories
from tests.factories import HARBOUR, MARKET
from tests.services.pair import ALL, CHECKER, MAKER, THIRD, make_pair, permitted
from tests.shop import in_threads
from vmsapp.errors import NotAllowed, NotFound
from vmsapp.models import (
    ApprovalRequest,
    ApprovalRule,
    ApprovalState,
    AuditEvent,
    FloatMovement,
    OfficeUser,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.approvals import asking, deciding, inbox, requests, rules
from vmsapp.services.approvals.deed import RequestAltered, canonical
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import (
    AllOnePerson,
    AlreadyAsked,
    AlreadyDecided,
    ApproverTied,
    AskerTied,
    BothTied,
    NobodyToApprove,
    OtherFormSent,
    OwnRequest,
    ReasonMissing,
    ShownDiffers,
)
from vmsapp.services.approvals.outcomes import said_again
from vmsapp.services.approvals.requests import DECIDE
from vmsapp.services.approvals.rules import RuleChange
from vmsapp.services.floats import MOVE, PAY_IN, TAKE_OUT, FloatTooSmall, ReferenceMissing
from vmsapp.tasks.approvals import end_late_requests


@pytest.fixture
def pair(shop):
    return make_pair(shop)


def balance(pair):
    return pair.shop.account().balance_minor


def state(pair, request):
    return pair.again(request).state


# asking


def test_without_a_rule_a_deed_is_done_at_once(pair):
    assert pair.ask() is None
    assert balance(pair) == 5000
    assert pair.shop.count(ApprovalRequest) == 0


def test_with_a_rule_a_deed_is_asked_for_and_nothing_is_done(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    assert balance(pair) == 0
    assert (request.state, request.asked_by_id) == ("pending", pair.ids[MAKER])
    assert (request.expires_at - request.made_at).total_seconds() == 24 * 3600  # the issue's
    assert request.vending_point_id == pair.shop.utility.points[HARBOUR]
    assert pair.trail() == ["approval.asked"]


@pytest.mark.parametrize(("amount", "asks"), [(4999, False), (5000, True), (5001, True)])
def test_a_rule_asks_from_its_amount_on(pair, amount, asks):
    pair.rule(PAY_IN, 5000)
    assert (pair.ask(amount_minor=amount) is not None) is asks
    assert balance(pair) == (0 if asks else amount)


def test_what_cannot_be_done_is_refused_before_it_is_asked_for(pair):
    pair.rule(PAY_IN)
    with pytest.raises(ReferenceMissing):
        pair.ask(reference=" ")
    assert pair.shop.count(ApprovalRequest) == 0


def test_the_same_form_sent_twice_asks_once(pair):
    pair.rule(PAY_IN)
    assert pair.ask().id == pair.ask().id
    with pytest.raises(OtherFormSent):
        pair.ask(amount_minor=1)
    assert pair.shop.count(ApprovalRequest) == 1


def test_the_same_asked_for_in_two_forms_waits_once(pair):
    pair.rule(PAY_IN)
    first = pair.ask()
    with pytest.raises(AlreadyAsked) as refused:
        pair.ask(key="k2", by=THIRD)
    assert refused.value.params == {"request_id": first.id}


def test_the_same_form_sent_twice_at_once_asks_once(pair):
    pair.rule(PAY_IN)
    made = in_threads(*[pair.ask] * 3)
    assert {one.id for one in made} == {1}


def test_the_same_form_is_found_though_it_was_written_between_two_looks(pair, monkeypatch):
    """Where each question sees what is committed by then, the first look may come too early."""
    pair.rule(PAY_IN)
    first, real, early = pair.ask(), Session.scalars, []

    def scalars(session, statement, *args, **options):
        if "approval_request.key =" in str(statement) and not early:
            early.append(statement)
            statement = statement.where(false())
        return real(session, statement, *args, **options)

    monkeypatch.setattr(Session, "scalars", scalars)
    assert pair.ask().id == first.id
    assert early


def test_the_same_form_sent_twice_at_once_moves_money_once(pair):
    assert in_threads(*[pair.ask] * 3) == [None] * 3
    assert balance(pair) == 5000
    assert pair.shop.count(FloatMovement) == 1


def test_who_lacks_the_permission_cannot_even_ask(pair):
    pair.shop.change(lambda s: setattr(s.get(OfficeUser, pair.ids[MAKER]), "roles", []))
    with pytest.raises(NotAllowed):
        pair.ask()


# approving


def test_an_approved_deed_is_done_once_in_its_makers_name(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    done = pair.approve(request)
    assert (done.state, done.decided_by_id) == ("approved", pair.ids[CHECKER])
    assert balance(pair) == 5000
    (movement,) = pair.shop.rows(FloatMovement)
    assert movement.entered_by_id == pair.ids[MAKER]
    who = {one.action: one.actor_id for one in pair.shop.rows(AuditEvent)}
    assert who == {
        "approval.asked": pair.ids[MAKER],
        "float.paid_in": pair.ids[MAKER],
        "approval.approved": pair.ids[CHECKER],
    }
    with pytest.raises(AlreadyDecided):
        pair.approve(request, by=THIRD)
    assert pair.ask().id == request.id  # the form sent once more finds it, and does nothing
    assert balance(pair) == 5000


def test_two_who_approve_at_once_do_it_once(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    outcomes = in_threads(
        lambda: pair.approve(request, by=CHECKER), lambda: pair.approve(request, by=THIRD)
    )
    lost = [one for one in outcomes if isinstance(one, AlreadyDecided)]
    assert len(lost) == 1, outcomes
    assert balance(pair) == 5000


def test_a_process_that_dies_while_approving_approved_nothing(pair, monkeypatch):
    pair.rule(PAY_IN)
    request = pair.ask()
    with monkeypatch.context() as patched:
        patched.setattr(deciding, "note", lambda *_, **__: 1 / 0)  # after the deed was run
        with pytest.raises(ZeroDivisionError):
            pair.approve(request)
    assert (state(pair, request), balance(pair)) == ("pending", 0)
    pair.approve(request)
    assert (state(pair, request), balance(pair)) == ("approved", 5000)


def test_nobody_approves_their_own(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    with pytest.raises(OwnRequest):
        pair.approve(request, by=MAKER)
    with pytest.raises(OwnRequest):
        pair.do(MAKER, deciding.refuse, request.id, "no")
    assert state(pair, request) == "pending"


def test_the_database_itself_refuses_an_own_approval(pair):
    pair.rule(PAY_IN)
    pair.ask()
    own = "UPDATE approval_request SET state = 'approved', decided_at = made_at, decided_by_id = {}"
    for who in ("asked_by_id", "NULL"):
        with pytest.raises(IntegrityError, match="second_person"):
            pair.shop.change(lambda session, who=who: session.execute(text(own.format(who))))


@pytest.mark.parametrize("lost", [PAY_IN.permission, requests.DECIDE])
def test_who_lacks_a_permission_is_no_second_person(pair, lost):
    pair.rule(PAY_IN)
    request = pair.ask()
    keeps = {PAY_IN.permission, requests.DECIDE} - {lost}

    def demote(session):
        session.get(OfficeUser, pair.ids[CHECKER]).roles = [permitted(session, "Less", *keeps)]

    pair.shop.change(demote)
    with pytest.raises(NotAllowed):
        pair.approve(request)
    assert state(pair, request) == "pending"


def test_who_does_not_see_the_subject_does_not_see_the_request(pair):
    pair.rule(PAY_IN)
    south = pair.shop.utility.regions["south"].id
    pair.shop.change(lambda s: setattr(s.get(OfficeUser, pair.ids[CHECKER]), "region_id", south))
    request = pair.ask()
    with pytest.raises(NotFound):
        pair.approve(request)
    theirs = pair.ask(point=MARKET, key="k2")
    assert pair.approve(theirs).state == "approved"


def test_the_hash_on_the_page_must_be_the_one_stored(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    with pytest.raises(ShownDiffers):
        pair.approve(request, shown="0" * 64)
    assert state(pair, request) == "pending"


def test_parameters_that_were_altered_are_not_run(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    pair.shop.change(
        lambda s: setattr(
            s.get(ApprovalRequest, request.id), "params", request.params | {"amount_minor": 9_000}
        )
    )
    done = pair.approve(request)
    assert (done.state, done.outcome["code"]) == ("failed", RequestAltered.code)
    assert balance(pair) == 0


def test_what_cannot_be_done_any_more_fails_and_says_why(pair):
    pair.ask(amount_minor=1000)
    pair.rule(TAKE_OUT)
    request = pair.ask(TAKE_OUT, key="k2", amount_minor=1000)
    pair.ask(TAKE_OUT, key="k3", amount_minor=600, by=THIRD)
    pair.shop.change(lambda s: setattr(s.get(ApprovalRule, TAKE_OUT.action), "active", False))
    pair.ask(TAKE_OUT, key="k4", amount_minor=600, reference="SLIP 8")
    failed = pair.approve(request)
    assert failed.state == "failed"
    assert balance(pair) == 400
    assert failed.outcome == {
        "code": FloatTooSmall.code,
        "message": FloatTooSmall.message,
        "params": {"available": {"minor": 400, "currency": "USD"}},
    }
    assert "USD" in str(said_again(failed.outcome))
    with pytest.raises(AlreadyDecided):
        pair.approve(request)


@pytest.mark.parametrize("left", [{"active": False}, {"roles": []}])
def test_a_request_of_who_may_no_more_fails(pair, left):
    pair.rule(PAY_IN)
    request = pair.ask()
    for name, value in left.items():
        pair.shop.change(
            lambda s, n=name, v=value: setattr(s.get(OfficeUser, pair.ids[MAKER]), n, v)
        )
    failed = pair.approve(request)
    assert (failed.state, failed.outcome["code"]) == ("failed", "asker_left")
    assert balance(pair) == 0


def test_a_request_whose_maker_was_sent_elsewhere_fails(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    south = pair.shop.utility.regions["south"].id
    pair.shop.change(lambda s: setattr(s.get(OfficeUser, pair.ids[MAKER]), "region_id", south))
    failed = pair.approve(request)
    assert (failed.state, failed.outcome["code"]) == ("failed", "not_found")


# time, refusing, withdrawing


def test_a_request_waits_a_day_and_not_longer(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    pair.shop.clock.forward(hours=24, seconds=-1)
    assert request.state_at(pair.shop.clock.now) == ApprovalState.PENDING
    pair.shop.clock.forward(seconds=1)
    assert request.state_at(pair.shop.clock.now) == ApprovalState.EXPIRED
    with pytest.raises(AlreadyDecided):
        pair.approve(request)
    assert state(pair, request) == "expired"
    assert pair.trail("approval.") == ["approval.asked", "approval.expired"]
    assert balance(pair) == 0
    assert pair.ask(key="k2").state == "pending"  # it may be asked for again


def test_two_sweeps_at_once_write_an_expiry_down_once(pair):
    pair.rule(PAY_IN)
    pair.ask()
    pair.shop.clock.forward(hours=24)

    def sweep():
        with pair.shop.session() as session, seen_by(SYSTEM):
            return requests.expire(session)

    assert sum(in_threads(*[sweep] * 3)) == 1
    assert pair.trail("approval.") == ["approval.asked", "approval.expired"]


def test_a_refusal_says_why(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    with pytest.raises(ReasonMissing):
        pair.do(CHECKER, deciding.refuse, request.id, " ")
    refused = pair.do(CHECKER, deciding.refuse, request.id, " no such slip ")
    assert (refused.state, refused.reason) == ("refused", "no such slip")
    with pytest.raises(AlreadyDecided):
        pair.approve(request, by=THIRD)


def test_a_request_is_withdrawn_by_its_maker_alone(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    with pytest.raises(NotAllowed):
        pair.do(CHECKER, deciding.withdraw, request.id)
    assert pair.do(MAKER, deciding.withdraw, request.id).state == "withdrawn"
    with pytest.raises(AlreadyDecided):
        pair.approve(request)


# who made whom


def of_user(pair, action, giver, taker, **ago):
    pair.happened(action, giver, "user", pair.ids[taker], **ago)


@pytest.mark.parametrize("action", [
    "user.added", "user.activated", "user.groups_changed", "user.password_reset",
    "user.code_given", "user.second_factor_reset",
])  # fmt: skip
def test_an_account_that_the_requester_had_in_hand_cannot_approve_for_him(pair, action):
    pair.rule(PAY_IN)
    request = pair.ask()
    of_user(pair, action, MAKER, CHECKER, days=6, hours=23)
    with pytest.raises(ApproverTied) as refused:
        pair.approve(request)
    until = pair.shop.clock.now + timedelta(hours=1)
    assert refused.value.params == {"asker": MAKER, "giver": MAKER, "until": until}
    assert state(pair, request) == "pending"
    assert pair.approve(request, by=THIRD).state == "approved"


def test_nor_can_who_had_the_requesters_account_in_hand(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    of_user(pair, "user.password_reset", CHECKER, MAKER, days=1)
    with pytest.raises(AskerTied):
        pair.approve(request)


def test_nor_an_account_made_by_one_that_the_requester_made(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    of_user(pair, "user.added", MAKER, THIRD, days=2)
    of_user(pair, "user.added", THIRD, CHECKER, days=1)
    with pytest.raises(ApproverTied):
        pair.approve(request)


@pytest.mark.parametrize("action", ["user_group.added", "user_group.changed"])
@pytest.mark.parametrize("given", [
    ["Floats: Pay in and take out"], ["Approvals: Ask and decide", "Sales: See"], None,
])  # fmt: skip
def test_nor_one_to_whose_group_the_requester_gave_rights(pair, action, given):
    pair.rule(PAY_IN)
    request = pair.ask()
    details = {} if given is None else {"given": given}
    pair.happened(action, MAKER, "user_group", pair.group_id, details, days=3)
    with pytest.raises(ApproverTied):
        pair.approve(request)


@pytest.mark.parametrize("given", [[], ["Sales: See", "Floats: See", "Floats: Set the terms"]])
def test_a_group_that_was_given_nothing_the_deed_asks_for_hinders_nobody(pair, given):
    pair.rule(PAY_IN)
    request = pair.ask()
    for by in (MAKER, THIRD):
        pair.happened(
            "user_group.changed", by, "user_group", pair.group_id, {"given": given}, days=3
        )
    assert pair.approve(request).state == "approved"


@pytest.mark.parametrize(("action", "subject", "ago"), [
    ("user.added", "user", {"days": 7, "seconds": 1}),
    ("user.deactivated", "user", {"days": 1}),
    ("user.signed_in", "user", {"days": 1}),
    ("user.added", "meter", {"days": 1}),
])  # fmt: skip
def test_what_is_long_ago_or_gives_no_power_hinders_nobody(pair, action, subject, ago):
    pair.rule(PAY_IN)
    request = pair.ask()
    pair.happened(action, MAKER, subject, pair.ids[CHECKER], **ago)
    assert pair.approve(request).state == "approved"


def test_two_accounts_made_by_the_same_third_cannot_approve_for_each_other(pair):
    """The third could ask as the one and approve as the other."""
    pair.rule(PAY_IN)
    of_user(pair, "user.added", THIRD, CHECKER, days=1)
    of_user(pair, "user.added", THIRD, MAKER, days=3)
    request = pair.ask()
    with pytest.raises(BothTied) as refused:
        pair.approve(request)
    assert refused.value.params == {
        "asker": MAKER, "giver": THIRD, "until": pair.shop.clock.now + timedelta(days=4),
    }  # fmt: skip
    assert (state(pair, request), balance(pair)) == ("pending", 0)
    with pytest.raises(BothTied):
        pair.do(CHECKER, deciding.refuse, request.id, "no")
    pair.shop.clock.forward(days=4)
    assert pair.approve(pair.ask(key="k2")).state == "approved"


def test_nor_when_he_chose_their_passwords_and_second_factors_as_well(pair):
    """What the owner of an account does, its maker can do, too: it ends nothing."""
    pair.rule(PAY_IN)
    request = pair.ask()
    for name in (MAKER, CHECKER):
        of_user(pair, "user.added", THIRD, name, days=2)
        for own in ("user.password_changed", "user.password_chosen", "user.second_factor_on"):
            pair.happened(own, name, "user", pair.ids[name], days=1)
    with pytest.raises(BothTied):
        pair.approve(request)


def test_nor_when_one_of_them_was_made_by_an_account_that_he_made(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    fourth = pair.ids["fourth"] = pair.shop.change(
        lambda session: factories.add_user(session, "fourth", all_regions=True).id
    )
    of_user(pair, "user.added", THIRD, MAKER, days=2)
    pair.happened("user.added", THIRD, "user", fourth, days=3)
    of_user(pair, "user.password_reset", "fourth", CHECKER, days=1)
    with pytest.raises(BothTied):
        pair.approve(request)


def test_what_the_server_itself_gave_ties_nobody(pair):
    pair.rule(PAY_IN)
    request = pair.ask()
    for name in (MAKER, CHECKER):
        pair.happened("user.password_reset", None, "user", pair.ids[name], days=1)
    assert pair.approve(request).state == "approved"


def test_the_inbox_holds_what_may_really_be_decided(pair):
    pair.rule(PAY_IN)
    pair.rule(TAKE_OUT)
    theirs, mine, souths = pair.ask(), pair.ask(key="k2", by=CHECKER, reference="B"), pair.ask(
        key="k3", by=THIRD, reference="C", point=MARKET
    )  # fmt: skip
    assert waiting(pair, CHECKER) == {theirs.id, souths.id}
    assert waiting(pair, MAKER) == {mine.id, souths.id}
    of_user(pair, "user.added", MAKER, CHECKER, days=1)
    assert waiting(pair, CHECKER) == {souths.id}
    assert waiting(pair, MAKER) == {souths.id}
    assert waiting(pair, THIRD) == {theirs.id, mine.id}
    north = pair.shop.utility.regions["north"].id
    pair.shop.change(lambda s: setattr(s.get(OfficeUser, pair.ids[CHECKER]), "region_id", north))
    assert waiting(pair, CHECKER) == set()
    assert waiting(pair, THIRD, but=DECIDE) == waiting(pair, THIRD, but=MOVE) == set()
    pair.shop.clock.forward(hours=24)
    assert waiting(pair, THIRD) == set()


def waiting(pair, name, but=None):
    """The inbox of somebody who holds all permissions but one."""
    actor = replace(pair.actor(name), permissions=frozenset(ALL) - {but})
    with pair.shop.session() as session, seen_by(actor):
        found = select(ApprovalRequest.id).where(inbox.waits_for(session, actor))
        return set(session.scalars(found))


# the rules themselves


def change(pair, by=MAKER, key="r1", **values):
    return pair.do(by, asking.change_rule, RuleChange(**({"action": PAY_IN.action} | values)), key)


def the_rule(pair):
    (rule,) = pair.shop.rows(ApprovalRule)
    return rule.active, rule.from_amount_minor


@pytest.fixture
def over_all(pair):
    """The pair sees the whole utility: a rule belongs to no region."""

    def lift(session):
        for user_id in pair.ids.values():
            session.get(OfficeUser, user_id).all_regions = True

    pair.shop.change(lift)
    return pair


def test_a_stronger_rule_holds_at_once_and_a_weaker_one_is_asked_for(over_all):
    pair = over_all
    assert change(pair, active=True, from_amount_minor=5000) is None
    assert change(pair, active=True, from_amount_minor=100, key="r2") is None
    assert the_rule(pair) == (True, 100)
    for key, weaker in {
        "r3": {"active": True, "from_amount_minor": 101},
        "r4": {"active": False, "from_amount_minor": 100},
    }.items():
        request = change(pair, key=key, **weaker)
        assert request.state == "pending"
        assert the_rule(pair) == (True, 100)
    with pytest.raises(OwnRequest):
        pair.approve(request, by=MAKER)
    pair.approve(request)
    assert the_rule(pair) == (False, 100)
    assert pair.trail("approval_rule") == ["approval_rule.changed"] * 3


def test_a_rule_is_not_switched_on_that_nobody_could_satisfy(over_all):
    pair = over_all

    def leave_one(session):
        for name in (CHECKER, THIRD):
            session.get(OfficeUser, pair.ids[name]).active = False

    pair.shop.change(leave_one)
    with pytest.raises(NobodyToApprove):
        change(pair, active=True, from_amount_minor=None)
    assert pair.shop.count(ApprovalRule) == 0


def test_a_new_utility_works_and_has_its_rule_once_there_are_two_people(over_all):
    """The first administrator made everybody: until that is a week ago, all are he."""
    pair = over_all
    for name, days in ((CHECKER, 2), (THIRD, 1)):
        of_user(pair, "user.added", MAKER, name, days=days)
    with pytest.raises(AllOnePerson) as refused:
        change(pair, active=True, from_amount_minor=None)
    assert refused.value.params == {"until": pair.shop.clock.now + timedelta(days=5), "days": 7}
    assert pair.shop.count(ApprovalRule) == 0
    assert pair.ask() is None  # work goes on meanwhile, by one
    assert balance(pair) == 5000
    pair.shop.clock.forward(days=5)  # now the maker and the checker are two
    assert change(pair, active=True, from_amount_minor=None, key="r2") is None
    request = pair.ask(key="k2", reference="SLIP 8")
    with pytest.raises(ApproverTied):
        pair.approve(request, by=THIRD)
    assert pair.approve(request, by=CHECKER).state == "approved"


def test_a_rule_that_is_on_is_made_stronger_whoever_is_tied(over_all):
    pair = over_all
    pair.rule(PAY_IN, 5000)
    for name in (CHECKER, THIRD):
        of_user(pair, "user.added", MAKER, name, days=1)
    assert change(pair, active=True, from_amount_minor=100) is None
    assert the_rule(pair) == (True, 100)


def test_the_servers_command_line_switches_all_rules_off(pair):
    pair.rule(PAY_IN)
    pair.rule(TAKE_OUT, 5)
    with pair.shop.session() as session, seen_by(SYSTEM):
        assert rules.switch_all_off(session, SYSTEM) == 2
        assert rules.switch_all_off(session, SYSTEM) == 0
    assert pair.ask() is None
    assert pair.trail("approval_rule") == ["approval_rule.changed"] * 2


def test_the_command_asks_before_it_switches_them_off(pair, app):
    pair.rule(PAY_IN)
    runner = app.test_cli_runner()
    asked = runner.invoke(args=["vms", "second-person-off"], input="n\n")
    assert (asked.exit_code, the_rule(pair)[0]) == (1, True)
    done = runner.invoke(args=["vms", "second-person-off"], input="y\n")
    assert "Rules switched off: 1." in done.output
    assert not the_rule(pair)[0]


def test_the_worker_ends_what_waited_too_long(pair, app):
    pair.rule(PAY_IN)
    request = pair.ask()
    pair.shop.clock.forward(hours=24)
    with app.app_context():
        end_late_requests.run()
    assert state(pair, request) == "expired"
    schedule = app.extensions["celery"].conf.beat_schedule
    assert end_late_requests.name in {entry["task"] for entry in schedule.values()}


# the deeds


def test_parameters_have_one_text_and_it_names_the_action(pair):
    written = canonical("float.pay_in", pair.movement(reference="Bön 7"))
    point = pair.shop.utility.points[HARBOUR]
    assert written == (
        '{"action":"float.pay_in","params":{"amount_minor":5000,"paid_on":"2026-03-17",'
        f'"reference":"Bön 7","vending_point_id":{point}}}}}'
    )


def test_every_deed_reads_back_what_it_froze(pair):
    movement = pair.movement()
    for deed in (PAY_IN, TAKE_OUT):
        for one in (movement, pair.movement(again=True)):
            assert deed.thaw(*deed.freeze(one)) == one
    assert PAY_IN.freeze(movement)[1] != PAY_IN.freeze(pair.movement(again=True))[1]
    assert PAY_IN.freeze(movement)[1] != TAKE_OUT.freeze(movement)[1]
    for stored in ({}, {"paid_on": "tomorrow"}, PAY_IN.freeze(movement)[0] | {"more": 1}):
        with pytest.raises(RequestAltered):
            PAY_IN.thaw(stored, PAY_IN.freeze(movement)[1])


def test_every_deed_stands_under_its_own_action():
    assert all(action == deed.action for action, deed in DEEDS.items())
    assert len({deed.label for deed in DEEDS.values()}) == len(DEEDS)

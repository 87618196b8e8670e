"""The second person in the browser: floats, the inbox, deciding, and the rules."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import (
    AUDITOR,
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SUPERVISOR,
)
from tests.faults import request_lost, works
from tests.web.office import (
    ADMIN,
    NORTH_SUPERVISOR,
    Browser,
    contents,
    fields,
    main_part,
    said,
    statements,
)
from tests.web.records import links, read, rows, sent, the_form
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import ApprovalRequest, ApprovalRule, AuditEvent, OfficeUser, Sale
from vmsapp.models.user import Role
from vmsapp.services.campaigns.beginning import START
from vmsapp.services.floats import PAY_IN
from vmsapp.services.vending.give_back import GIVE_BACK

CHECKER = "checker"


@pytest.fixture
def admin(browse) -> Browser:
    return browse(ADMIN)


@pytest.fixture
def checker(office: Flask, shop) -> Browser:
    """A second administrator."""
    return second_administrator(office, shop)


def second_administrator(office: Flask, shop) -> Browser:
    """Sit somebody down who may all that an administrator may."""

    return Browser(office, shop.change(lambda s: another_administrator(s, CHECKER).id))


def another_administrator(session, name: str) -> OfficeUser:
    user = factories.add_user(session, name, all_regions=True)
    user.roles = [session.scalars(select(Role).where(Role.name == "Administrator")).one()]
    session.flush()
    return user


def rule(shop, deed, from_amount_minor=None):
    row = ApprovalRule(action=deed.action, active=True, from_amount_minor=from_amount_minor)
    shop.change(lambda session: session.merge(row))


def fill(browser, path: str, **typed: str):
    """Open a form, fill it in, and send it."""
    form = sent(the_form(read(browser.get(path).text)))
    return browser.post(path, form | typed)


def pay_in(browser, shop, point=HARBOUR, **typed: str):
    path = f"/floats/{shop.utility.points[point]}/pay-in"
    return fill(browser, path, **({"amount": "50.00", "reference": "SLIP 7"} | typed))


def asked(shop) -> ApprovalRequest:
    """The newest request."""
    return shop.rows(ApprovalRequest)[-1]


def said_in_the_list(browser) -> str:
    """What the newest request is about, as the list says it."""
    return rows(read(browser.get("/approvals/list/").text))[0][1]


def in_fours(drn: str) -> str:
    return f"{drn[:4]} {drn[4:8]} {drn[8:]}"


def decide(browser, request: ApprovalRequest, way: str, **typed: str):
    """Open a request and press a button of it."""
    page = browser.get(f"/approvals/show/{request.id}").text
    return browser.post(f"/approvals/{request.id}/{way}", fields(page, f"/{way}") | typed)


# floats


def test_money_paid_in_stands_on_the_statement_with_its_paper(admin, shop):
    answer = pay_in(admin, shop)
    assert answer.location == f"/floats/show/{shop.utility.points[HARBOUR]}"
    page = read(admin.get(answer.location).text)
    assert rows(page)[1] == [
        "Mar 17, 2026", "Paid in", "SLIP 7", "Mar 17, 2026", ADMIN, "50.00", "50.00",
    ]  # fmt: skip
    assert shop.account().balance_minor == 5000


def test_a_form_sent_twice_moves_money_once_and_goes_to_the_same_place(admin, shop):
    path = f"/floats/{shop.utility.points[HARBOUR]}/pay-in"
    form = sent(the_form(read(admin.get(path).text))) | {"amount": "50", "reference": "SLIP 7"}
    assert admin.post(path, form).location == admin.post(path, form).location
    assert shop.account().balance_minor == 5000
    other = admin.post(path, form | {"amount": "60"})
    assert other.status_code == 409
    assert "Open it again" in other.text
    assert shop.account().balance_minor == 5000


@pytest.mark.parametrize(("language", "text"), [("fr", "1250,50"), ("ar", "١٢٥٠٫٥٠"),
                                                ("en", "1250.50")])  # fmt: skip
def test_an_amount_is_read_the_way_its_reader_writes_it(browse, shop, language, text):
    pay_in(browse(ADMIN, language), shop, amount=text)
    assert shop.account().balance_minor == 125_050


@pytest.mark.parametrize(("typed", "why"), [
    ({"amount": ""}, "above zero"), ({"amount": "-3"}, "above zero"), ({"amount": "x"}, "number"),
    ({"amount": "0.001"}, "decimals"), ({"reference": " "}, "required"),
    ({"paid_on": "2026-03-18"}, "not come yet"), ({"paid_on": "?"}, "Enter a date"),
])  # fmt: skip
def test_a_refused_form_keeps_what_was_typed(admin, shop, engine, typed, why):
    before = contents(engine)
    answer = pay_in(admin, shop, **typed)
    assert answer.status_code == 422
    assert why in " ".join(one.text for one in read(answer.text).all("", "field-error"))
    kept = sent(the_form(read(answer.text)))
    wanted = {"amount": "50.00", "reference": "SLIP 7"} | typed
    assert {name: kept[name] for name in wanted} == {
        name: value.strip() if name == "reference" else value for name, value in wanted.items()
    }
    assert contents(engine) == before


def test_more_than_there_is_is_not_taken_out(admin, shop):
    pay_in(admin, shop)
    path = f"/floats/{shop.utility.points[HARBOUR]}/take-out"
    refused = fill(admin, path, amount="50.01", reference="V 1")
    assert refused.status_code == 409
    assert "50.00 USD" in said(refused.text, "note note-bad")
    assert fill(admin, path, amount="50", reference="V 1").status_code == 302
    assert shop.account().balance_minor == 0


def test_terms_are_changed_and_shown(admin, shop):
    point = shop.utility.points[HARBOUR]
    fill(admin, f"/floats/{point}/terms", limited="y", credit_limit="25")
    account = shop.account()
    assert (account.limited, account.credit_limit_minor) == (True, 2500)
    again = sent(the_form(read(admin.get(f"/floats/{point}/terms").text)))
    assert (again["limited"], again["credit_limit"]) == (["y"], "25.00")
    refused = fill(admin, f"/floats/{point}/terms", limited="y", credit_limit="-1")
    assert refused.status_code == 422
    assert "below zero" in refused.text


@pytest.mark.parametrize("days", ["day_from=2026-03-17&day_to=2026-03-17", "day_from=2026-03-17",
                                  "day_to=2026-03-17", "day_from=nonsense", ""])  # fmt: skip
def test_a_statement_is_of_the_days_asked_for(admin, shop, days):
    pay_in(admin, shop)
    path = f"/floats/show/{shop.utility.points[HARBOUR]}"
    assert len(rows(read(admin.get(f"{path}?{days}").text))) == 2
    nothing = read(admin.get(f"{path}?day_from=2026-03-18").text)
    assert rows(nothing) == []
    assert "This vending point does not sell from a float" in nothing.text
    assert nothing.text.count("50.00 USD") >= 2  # before and after


@pytest.mark.parametrize(("who", "points"), [
    (OPERATOR, [HARBOUR]), (SOUTH_OPERATOR, [MARKET]), (NORTH_SUPERVISOR, [HARBOUR]),
    (SUPERVISOR, [HARBOUR, MARKET]), (AUDITOR, [HARBOUR, MARKET]),
])  # fmt: skip
def test_a_float_is_seen_where_its_vending_point_is(browse, admin, shop, who, points):
    for point in (HARBOUR, MARKET):
        pay_in(admin, shop, point)
    browser = browse(who)
    listed = read(browser.get("/floats/list/").text)
    assert [row[0] for row in rows(listed)] == points
    for point in (HARBOUR, MARKET):
        shown = browser.get(f"/floats/show/{shop.utility.points[point]}")
        assert shown.status_code == (200 if point in points else 404)
        if point in points:
            assert "SLIP 7" in shown.text
            assert "/pay-in" not in shown.text


def test_a_vending_points_record_leads_to_its_float(admin, shop):
    point = shop.utility.points[HARBOUR]
    page = read(admin.get(f"/vending-points/show/{point}").text)
    assert links(page)["Float"] == f"/floats/show/{point}"


# asking and deciding


def test_the_whole_way_of_a_request(admin, checker, shop):
    rule(shop, PAY_IN)
    answer = pay_in(admin, shop)
    request = asked(shop)
    assert answer.location == f"/approvals/show/{request.id}"
    mine = admin.get(answer.location).text
    assert "/approve" not in mine
    assert "/withdraw" in mine
    waiting = read(checker.get("/approvals/list/?box=waiting").text)
    assert rows(waiting)[0][:5] == ["Pay into a float", "– empty", "50.00 USD", HARBOUR, ADMIN]
    assert rows(read(admin.get("/approvals/list/?box=waiting").text)) == []
    shown = read(checker.get(f"/approvals/show/{request.id}").text)
    assert rows(shown) == [
        ["Vending point", HARBOUR], ["Amount", "50.00 USD"], ["Reference", "SLIP 7"],
        ["Date on the slip", "Mar 17, 2026"],
        ["Balance of the float", "50.00 USD", "0.00 USD"],
    ]  # fmt: skip
    assert decide(checker, request, "approve").location == f"{answer.location}#next"
    assert shop.account().balance_minor == 5000
    done = checker.get(answer.location).text
    assert "approved and done" in main_part(done)
    assert [row[0] for row in rows(read(done))] == [
        "Vending point", "Amount", "Reference", "Date on the slip",
    ]  # fmt: skip
    assert "/refuse" not in done
    assert len(rows(read(checker.get("/approvals/list/?box=decided").text))) == 1
    again = checker.post(f"/approvals/{request.id}/approve", {"hash": request.hash})
    assert again.status_code == 409
    assert "does not wait any more" in again.text
    assert shop.account().balance_minor == 5000


def test_after_a_decision_the_next_request_is_one_press_away(office, admin, checker, shop):
    rule(shop, PAY_IN)
    for number in range(3):
        pay_in(admin, shop, reference=f"SLIP {number}")
    oldest, middle, newest = shop.rows(ApprovalRequest)

    def after(request, way, **typed):
        answer = decide(checker, request, way, **typed)
        assert answer.location == f"/approvals/show/{request.id}#next"
        (link,) = read(checker.get(answer.location).text).all("a", id="next")
        return link.text, link["href"]

    assert after(middle, "approve") == (
        f"Next: Pay into a float, request {oldest.id}", f"/approvals/show/{oldest.id}#main"
    )  # fmt: skip
    with office.app_context(), statements(db.engine) as seen:
        checker.get(f"/approvals/show/{middle.id}")
    assert len(own(seen)) <= MOST, told(seen)
    assert after(oldest, "refuse", reason="No such slip")[1] == f"/approvals/show/{newest.id}#main"
    assert after(newest, "approve") == (
        "Nothing else waits for you", "/approvals/list/?box=waiting"
    )  # fmt: skip
    assert not read(admin.get(f"/approvals/show/{middle.id}").text).all("a", id="next")


def test_a_column_for_what_is_now_stands_where_something_is(admin, checker, shop, utility):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    compared = read(checker.get(f"/approvals/show/{asked(shop).id}").text)
    assert [head.text for head in compared.one("thead").all("th")] == [
        "What",
        "As asked for",
        "Now",
    ]
    decide(checker, asked(shop), "approve")
    plain = read(checker.get(f"/approvals/show/{asked(shop).id}").text)
    assert [head.text for head in plain.one("thead").all("th")] == ["What", "As asked for"]
    assert not plain.one("tbody").all("td", colspan="2")


def test_a_page_that_showed_something_else_approves_nothing(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    for shown in ("", "0" * 64):
        answer = checker.post(f"/approvals/{asked(shop).id}/approve", {"hash": shown})
        assert answer.status_code == 409
        assert "Look at it again" in answer.text
    assert asked(shop).state == "pending"


def test_a_refusal_asks_for_a_reason_which_the_other_reads(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    bare = decide(checker, asked(shop), "refuse", reason="  ")
    assert bare.status_code == 422
    assert "Say why" in said(bare.text, "field-error") + bare.text
    decide(checker, asked(shop), "refuse", reason="No such slip at the bank")
    page = main_part(admin.get(f"/approvals/show/{asked(shop).id}").text)
    assert "No such slip at the bank" in page
    assert shop.account().balance_minor == 0


def test_an_own_request_is_withdrawn_and_never_approved(admin, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    request = asked(shop)
    own = admin.post(f"/approvals/{request.id}/approve", {"hash": request.hash})
    assert own.status_code == 403
    assert "You asked for this yourself" in own.text
    decide(admin, request, "withdraw")
    assert asked(shop).state == "withdrawn"


def test_who_made_the_others_account_reads_why_he_cannot_approve(admin, checker, shop, people):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    checker_id = shop.rows(OfficeUser, OfficeUser.username == CHECKER)[0].id
    had_in_hand(shop, people[ADMIN], "user.added", checker_id, days=0)
    page = checker.get(f"/approvals/show/{asked(shop).id}").text
    assert "/approve" not in page
    assert f"{ADMIN} made your account" in said(page, "note note-warn")
    sent_anyway = checker.post(f"/approvals/{asked(shop).id}/approve", {"hash": asked(shop).hash})
    assert sent_anyway.status_code == 403
    assert asked(shop).state == "pending"


def test_one_person_is_said_until_when_and_why(admin, checker, shop, people, browse):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    page = main_part(admin.get("/second-person/").text)
    assert "all are persons of their own" in page
    checker_id = shop.rows(OfficeUser, OfficeUser.username == CHECKER)[0].id
    had_in_hand(shop, people[SUPERVISOR], "user.code_given", checker_id, days=5)
    had_in_hand(shop, people[SUPERVISOR], "user.groups_changed", people[ADMIN].id, days=2)
    operator_id = people[OPERATOR].id  # who neither asks nor approves
    had_in_hand(shop, people[SUPERVISOR], "user.added", operator_id, days=2)
    listed = rows(read(admin.get("/second-person/").text).one("section", "related"))
    assert listed == [  # the clock stands at half past twelve in the utility's zone
        [ADMIN, SUPERVISOR, "gave it rights", "Mar 22, 2026, 12:30:00 PM"],
        [CHECKER, SUPERVISOR, "handed out a one-time code", "Mar 19, 2026, 12:30:00 PM"],
    ]
    shown = checker.get(f"/approvals/show/{asked(shop).id}").text
    assert said(shown, "note note-warn").replace("\u202f", " ") == (
        f"{SUPERVISOR} made both your account and that of {ADMIN}, let them in again, gave them"
        " rights or set their passwords. Until Mar 19, 2026, 12:30:00 PM the two count as one"
        " person; somebody else must decide on this."
    )
    waits = checker.get("/approvals/list/?box=waiting").text
    assert rows(read(waits)) == []
    assert "Only requests that you may decide stand here." in main_part(waits)


def test_the_page_says_from_when_a_rule_can_be_satisfied(admin, checker, shop, people):
    checker_id = shop.rows(OfficeUser, OfficeUser.username == CHECKER)[0].id
    had_in_hand(shop, people[ADMIN], "user.added", checker_id, days=5)

    def rule_of_money_in():
        page = read(admin.get("/second-person/").text)
        return dict(rows(page.all("table")[0]))["Pay into a float"]

    assert rule_of_money_in() == (
        "One person is enough. It can be switched on from Mar 19, 2026, 12:30:00 PM: until then"
        f" those who may approve it count as one person. {ADMIN} had the account of {CHECKER} in"
        " hand."
    )
    refused = fill(admin, "/second-person/float.pay_in", active="y")
    assert refused.status_code == 409
    assert "one person until Mar 19, 2026" in said(refused.text, "note note-bad")
    rule(shop, PAY_IN)
    assert rule_of_money_in() == (
        "A second person must approve this. Nobody can approve it before Mar 19, 2026, 12:30:00 PM:"
        f" those who may count as one person. {ADMIN} had the account of {CHECKER} in hand."
    )
    shop.change(lambda session: another_administrator(session, "third"))
    assert rule_of_money_in() == "A second person must approve this."


def test_the_times_of_a_request_are_those_of_the_utility(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    listed = rows(read(checker.get("/approvals/list/?box=waiting").text))
    assert "Mar 17, 2026, 12:30:00 PM" in listed[0]
    page = main_part(checker.get(f"/approvals/show/{asked(shop).id}").text)
    assert "Mar 18, 2026, 12:30:00\u202fPM" in page


def had_in_hand(shop, giver, action, taker_id, **ago):
    event = AuditEvent(
        at=shop.clock.now - timedelta(**ago), actor_id=giver.id, actor_name=giver.username,
        action=action, subject="user", subject_id=str(taker_id), details={},
    )  # fmt: skip
    shop.change(lambda session: session.add(event))


def test_a_request_is_seen_where_its_subject_is(browse, admin, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop, HARBOUR)
    pay_in(admin, shop, MARKET)
    north, south = shop.rows(ApprovalRequest)
    supervisor = browse(NORTH_SUPERVISOR)
    assert [row[3] for row in rows(read(supervisor.get("/approvals/list/").text))] == [HARBOUR]
    assert supervisor.get(f"/approvals/show/{north.id}").status_code == 200
    for path in (f"/approvals/show/{south.id}",):
        assert supervisor.get(path).status_code == 404
    for way in ("approve", "refuse", "withdraw"):
        typed = {"hash": south.hash, "reason": "no"}
        assert supervisor.post(f"/approvals/{south.id}/{way}", typed).status_code == 404
    assert {one.state for one in shop.rows(ApprovalRequest)} == {"pending"}


def test_who_may_not_do_the_deed_sees_the_request_and_cannot_decide(browse, admin, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    supervisor = browse(SUPERVISOR)  # may decide, but moves no money
    assert rows(read(supervisor.get("/approvals/list/?box=waiting").text)) == []
    page = supervisor.get(f"/approvals/show/{asked(shop).id}").text
    assert "/approve" not in page
    typed = {"hash": asked(shop).hash}
    assert supervisor.post(f"/approvals/{asked(shop).id}/approve", typed).status_code == 403


def test_a_request_that_was_altered_shows_nothing_to_approve(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    request = asked(shop)
    shop.change(
        lambda s: setattr(
            s.get(ApprovalRequest, request.id), "params", request.params | {"amount_minor": 1}
        )
    )
    page = checker.get(f"/approvals/show/{request.id}").text
    assert "was altered" in said(page, "note note-bad")
    assert "/approve" not in page
    assert "/refuse" in page


def test_what_could_not_be_done_is_said_in_the_readers_language(admin, checker, shop, browse):
    pay_in(admin, shop)
    point = shop.utility.points[HARBOUR]
    shop.change(lambda s: s.add(ApprovalRule(action="float.take_out", active=True)))
    fill(admin, f"/floats/{point}/take-out", amount="50", reference="V 1")
    first = asked(shop)
    fill(admin, f"/floats/{point}/take-out", amount="40", reference="V 2")
    decide(checker, asked(shop), "approve")
    decide(checker, first, "approve")
    page = main_part(checker.get(f"/approvals/show/{first.id}").text)
    assert "At most 10.00 USD can be taken out." in page
    assert "10,00 USD" in browse(ADMIN, "fr").get(f"/approvals/show/{first.id}").text


def test_a_request_that_waited_too_long_is_shown_as_expired(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop)
    shop.clock.forward(hours=24)
    admin, checker = (Browser(one.client.application, uid) for one, uid in (
        (admin, asked(shop).asked_by_id),
        (checker, shop.rows(OfficeUser, OfficeUser.username == CHECKER)[0].id),
    ))  # fmt: skip
    assert rows(read(checker.get("/approvals/list/?box=waiting").text)) == []
    page = checker.get(f"/approvals/show/{asked(shop).id}").text
    assert "expired" in main_part(page)
    assert "/approve" not in page


# the rules


def test_a_rule_is_made_and_said(admin, checker, shop):
    listed = rows(read(admin.get("/second-person/").text))
    assert {row[1] for row in listed} == {"One person is enough."}
    assert fill(admin, "/second-person/float.pay_in", active="y", from_amount="100").location == (
        "/second-person/"
    )
    listed = dict(rows(read(admin.get("/second-person/").text)))
    assert listed["Pay into a float"] == "From 100.00 USD on, a second person must approve this."
    point = shop.utility.points[HARBOUR]
    assert "From 100.00 USD on" in admin.get(f"/floats/{point}/pay-in").text
    assert "/approvals/" not in pay_in(admin, shop, amount="99.99").location
    assert "/approvals/" in pay_in(admin, shop, amount="100").location


def test_a_rule_is_weakened_by_two(admin, checker, shop):
    rule(shop, PAY_IN, 100)
    answer = fill(admin, "/second-person/float.pay_in", from_amount="5")
    assert answer.location == f"/approvals/show/{asked(shop).id}"
    shown = rows(read(checker.get(answer.location).text))
    assert shown == [
        ["Action", "Pay into a float"],
        ["Asks for a second person", "Yes", "Yes"],
        ["From amount", "5.00 USD", "1.00 USD"],
    ]
    decide(checker, asked(shop), "approve")
    done = rows(read(checker.get(answer.location).text))  # what was there before is gone
    assert done == [
        ["Action", "Pay into a float"], ["Asks for a second person", "Yes"],
        ["From amount", "5.00 USD"],
    ]  # fmt: skip
    assert [one.from_amount_minor for one in shop.rows(ApprovalRule)] == [500]


def test_a_deed_without_an_amount_is_asked_for_none(admin, shop):
    """A campaign of key changes moves no money, so there is nothing to begin at."""
    money = read(admin.get("/second-person/float.pay_in").text)
    assert [field["id"] for field in money.all("input", name="from_amount")] == ["from_amount"]
    page = read(admin.get("/second-person/campaign.begin").text)
    assert page.all("input", name="from_amount") == []
    rule(shop, START, 700)  # as an earlier release let one write it
    said_now = dict(rows(read(admin.get("/second-person/").text)))[
        "Begin a campaign of key changes"
    ]
    assert said_now.startswith("A second person must approve this.")
    answer = fill(admin, "/second-person/campaign.begin", from_amount="5")
    assert answer.location == "/second-person/", "it asks no less often, so one person is enough"
    (kept,) = shop.rows(ApprovalRule)
    assert (kept.active, kept.from_amount_minor) == (True, None)


def test_a_rule_that_nobody_could_satisfy_is_refused(admin, shop):
    refused = fill(admin, "/second-person/float.pay_in", active="y")
    assert refused.status_code == 409
    assert "Fewer than two" in said(refused.text, "note note-bad")
    assert shop.count(ApprovalRule) == 0


def test_there_is_no_rule_for_what_is_no_deed(admin):
    for action in ("second_person.weaken", "float", "x"):
        assert admin.get(f"/second-person/{action}").status_code == 404


def test_the_list_says_at_once_which_right_is_missing(admin, shop):
    listed = dict(rows(read(admin.get("/second-person/").text)))
    assert listed["Pay into a float"] == (
        "One person is enough. Fewer than two active users may approve this: give the right"
        " “Pay in and take out” to another user's group first."
    )
    assert listed["Give money back for a sale in doubt"] == "One person is enough."


def test_the_list_names_two_whom_a_third_made(admin, shop, people):
    third = shop.change(lambda s: [another_administrator(s, name).id for name in ("sam", "sue")])

    def leave(session):
        session.get_one(OfficeUser, people[ADMIN].id).active = False

    for account in third:
        had_in_hand(shop, people[ADMIN], "user.added", account, days=5)
    sam = Browser(admin.client.application, third[0])
    shop.change(leave)
    listed = dict(rows(read(sam.get("/second-person/").text).all("table")[0]))
    assert listed["Pay into a float"].endswith("sam and sue were both made by admin.")


def test_the_form_says_that_parts_are_added_up_where_they_are(admin):
    assert "is added up" in admin.get("/second-person/float.pay_in").text
    assert "is added up" not in admin.get("/second-person/float.terms").text


# money given back at the counter


def test_money_is_given_back_by_two_where_a_rule_says_so(browse, operator, utility, shop, module):
    rule(shop, GIVE_BACK)
    module.once("issue_credit", request_lost)
    path = operator.buy(utility).location
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    supervisor, second = browse(NORTH_SUPERVISOR), browse(SUPERVISOR)
    form = fields(supervisor.get(path).text, "/give-back")
    for _ in range(2):
        assert supervisor.post(f"{path}/give-back", form).location == path
    assert shop.count(ApprovalRequest) == 1
    assert shop.rows(Sale)[0].sealed_at is None
    assert "second person" in supervisor.get(path).text
    decide(second, asked(shop), "approve")
    assert shop.rows(Sale)[0].sealed_at == shop.clock.now
    module.always("fetch_result", works)


def test_a_request_about_money_names_its_sale_and_leads_there(
    browse, operator, utility, shop, module, office
):
    rule(shop, GIVE_BACK)
    module.once("issue_credit", request_lost)
    path = operator.buy(utility).location
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    supervisor, second = browse(NORTH_SUPERVISOR), browse(SUPERVISOR)
    supervisor.post(f"{path}/give-back", fields(supervisor.get(path).text, "/give-back"))
    page = second.get(f"/approvals/show/{asked(shop).id}").text
    (sale,) = shop.rows(Sale)
    meter = shop.meter(LEGACY_11)
    told_of = dict(row[:2] for row in rows(read(page)))
    assert (told_of["Units"], told_of["Meter number"]) == ("50.0", in_fours(meter.drn))
    assert said_in_the_list(second) == f"Sale {sale.id}"
    assert told_of["Consumer"].startswith("Consumer")
    assert told_of["Token"] == "It is then never shown, even if it was made."
    assert links(read(page))[str(sale.id)] == f"/sales/show/{sale.id}"
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        second.get(f"/approvals/show/{asked(shop).id}")
    assert len(own(seen)) <= MOST, told(seen)
    module.always("fetch_result", works)


def test_a_box_of_the_inbox_is_left_for_another_box_alone(admin):
    page = read(admin.get("/approvals/list/?box=mine").text)
    assert not page.all("ul", "chips")
    boxes = [link["href"] for link in page.one("div", "page-head").all("a")]
    assert boxes == [f"/approvals/list/?box={box}" for box in ("waiting", "mine", "decided")]


def test_who_may_decide_is_told_once_how_many_requests_wait(admin, checker, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop, reference="SLIP 1")
    pay_in(admin, shop, reference="SLIP 2")
    told_of = "2 requests wait for you under Approvals."
    assert told_of in checker.get("/", follow_redirects=True).text
    assert told_of not in checker.get("/", follow_redirects=True).text
    assert "under Approvals" not in admin.get("/", follow_redirects=True).text


# how many statements


def test_more_requests_and_movements_make_no_page_slower(office, admin, checker, shop, people):
    with office.app_context():
        engine = db.engine
    for number in range(3):
        pay_in(admin, shop, reference=f"SLIP {number}")
    rule(shop, PAY_IN)
    pay_in(admin, shop, reference="SLIP A")
    paths = ["/approvals/list/", "/approvals/list/?box=waiting", "/floats/list/",
             f"/floats/show/{shop.utility.points[HARBOUR]}", f"/approvals/show/{asked(shop).id}",
             "/second-person/", "/second-person/float.pay_in"]  # fmt: skip

    def taken(path):
        checker.get(path)
        with statements(engine) as seen:
            assert checker.get(path).status_code == 200
        return own(seen)

    checked = shop.rows(OfficeUser, OfficeUser.username == CHECKER)[0]
    had_in_hand(shop, people[SUPERVISOR], "user.added", checked.id, days=1)
    few = {path: len(taken(path)) for path in paths}
    for who in (ADMIN, NORTH_SUPERVISOR):
        had_in_hand(shop, people[AUDITOR], "user.added", people[who].id, days=1)
    for number in range(6):
        pay_in(admin, shop, reference=f"SLIP B{number}", point=MARKET if number % 2 else HARBOUR)
    for path in paths:
        seen = taken(path)
        assert len(seen) == few[path] <= MOST, f"{path}: {told(seen)}"

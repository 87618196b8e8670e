"""The second person in the browser: floats, the inbox, deciding, and the rules."""

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.factories import AUDITOR, HARBOUR, MARKET, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
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
from vmsapp.services.floats import PAY_IN
from vmsapp.services.vending.give_back import GIVE_BACK

CHECKER = "checker"


@pytest.fixture
def admin(browse) -> Browser:
    return browse(ADMIN)


@pytest.fixture
def checker(office: Flask, shop) -> Browser:
    """A second administrator."""

    def add(session):
        user = factories.add_user(session, CHECKER, all_regions=True)
        user.roles = [session.scalars(select(Role).where(Role.name == "Administrator")).one()]
        session.flush()
        return user.id

    return Browser(office, shop.change(add))


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
    assert [row[-1] for row in rows(nothing)] == ["50.00"]  # the balance before, alone


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
    assert rows(waiting)[0][:4] == ["Pay into a float", "50.00 USD", HARBOUR, ADMIN]
    assert rows(read(admin.get("/approvals/list/?box=waiting").text)) == []
    shown = read(checker.get(f"/approvals/show/{request.id}").text)
    assert rows(shown) == [
        ["Vending point", HARBOUR], ["Amount", "50.00 USD"], ["Reference", "SLIP 7"],
        ["Date on the slip", "Mar 17, 2026"],
        ["Balance of the float", "50.00 USD", "0.00 USD"],
    ]  # fmt: skip
    assert decide(checker, request, "approve").location == answer.location
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
    event = AuditEvent(
        at=shop.clock.now, actor_id=people[ADMIN].id, actor_name=ADMIN,
        action="user.added", subject="user", subject_id=str(checker_id), details={},
    )  # fmt: skip
    shop.change(lambda session: session.add(event))
    page = checker.get(f"/approvals/show/{asked(shop).id}").text
    assert "/approve" not in page
    assert f"{ADMIN} made your account" in said(page, "note note-warn")
    sent_anyway = checker.post(f"/approvals/{asked(shop).id}/approve", {"hash": asked(shop).hash})
    assert sent_anyway.status_code == 403
    assert asked(shop).state == "pending"


def test_a_request_is_seen_where_its_subject_is(browse, admin, shop):
    rule(shop, PAY_IN)
    pay_in(admin, shop, HARBOUR)
    pay_in(admin, shop, MARKET)
    north, south = shop.rows(ApprovalRequest)
    supervisor = browse(NORTH_SUPERVISOR)
    assert [row[2] for row in rows(read(supervisor.get("/approvals/list/").text))] == [HARBOUR]
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


def test_a_rule_that_nobody_could_satisfy_is_refused(admin, shop):
    refused = fill(admin, "/second-person/float.pay_in", active="y")
    assert refused.status_code == 409
    assert "Fewer than two" in said(refused.text, "note note-bad")
    assert shop.count(ApprovalRule) == 0


def test_there_is_no_rule_for_what_is_no_deed(admin):
    for action in ("second_person.weaken", "float", "x"):
        assert admin.get(f"/second-person/{action}").status_code == 404


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


# how many statements


def test_more_requests_and_movements_make_no_page_slower(office, admin, checker, shop):
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

    few = {path: len(taken(path)) for path in paths}
    for number in range(6):
        pay_in(admin, shop, reference=f"SLIP B{number}", point=MARKET if number % 2 else HARBOUR)
    for path in paths:
        seen = taken(path)
        assert len(seen) == few[path] <= MOST, f"{path}: {told(seen)}"

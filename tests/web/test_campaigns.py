"""The pages of campaigns: planned, looked at, approved, made, watched, printed, stopped."""

import csv
import io
import re
from datetime import UTC, datetime

import openpyxl
import pytest
from sqlalchemy import update

from tests.factories import (
    AUDITOR,
    BLOCKED,
    LEGACY_11,
    LEGACY_SGC,
    OPERATOR,
    RETIRED,
    SOUTHERN,
    SUPERVISOR,
)
from tests.keyring import KeyShop
from tests.web.office import ADMIN, ENGINEER, main_part, said, statements
from tests.web.records import read, rows, sent, the_form
from tests.web.test_digits_stay import holds
from tests.web.test_statements import MOST, own, told
from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.models import (
    ApprovalRule,
    AuditEvent,
    Campaign,
    CampaignNotice,
    Job,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    VendingKey,
)
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.security import sight_of
from vmsapp.services import job_runs
from vmsapp.services.campaigns import making, preview
from vmsapp.services.campaigns.report import report_rows
from vmsapp.sts import identifiers

pytestmark = pytest.mark.ring

PLAN = {"name": "To revision 2", "reason": "the first revision ends", "due_on": "2026-06-30",
        "sgcs": [LEGACY_SGC], "key": "own-2-14", "hand_out": "next_sale"}  # fmt: skip

MOST_COUNTING = 24
"""Statements of a page that counts a whole campaign; none is asked once a meter."""


class Worker:
    """Runs the jobs of campaigns, as the workers do, on keys that can be changed."""

    def __init__(self, shop, people):
        self.shop, self.people = shop, people
        KeyShop(shop, SUPERVISOR)

    def work(self, campaign_id):
        job_id = self.shop.rows(Campaign, Campaign.id == campaign_id)[0].job_id
        user = self.people[ADMIN]
        actor = Actor(user.id, user.username, sight_of(user))
        registry = self.shop.registry
        with self.shop.session() as session, job_runs.running(session, job_id) as work:
            if work is not None:
                with seen_by(actor):
                    making.make(session, registry, actor, work, table_set="production")


@pytest.fixture
def fleet(shop, people):
    return Worker(shop, people)


@pytest.fixture
def engineer(browse, fleet):
    return browse(ENGINEER)


def plain(page):
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page)).split())


def fill(browser, path, **typed):
    return browser.post(path, sent(the_form(read(browser.get(path).text))) | typed)


def planned(browser, **typed):
    """Plan a campaign; the answer."""
    return fill(browser, "/campaigns/new", **PLAN | typed)


def begun(browser, fleet, **typed):
    """Plan one, begin it and let the worker make it; its page."""
    page = planned(browser, **typed).location
    form = read(browser.get(page).text).one("form", action=page.replace("show/", "") + "/begin")
    assert browser.post(form["action"], sent(form)).location == page
    number = int(page.rpartition("/")[2])
    fleet.work(number)
    return page


def number_of(shop, meter):
    return identifiers.drn.format(shop.meter(meter).drn)


def figure(page, name):
    """What stands beside a name in the facts of a page."""
    pairs = read(page).all("div")
    found = [pair.one("dd").text for pair in pairs if [t.text for t in pair.all("dt")] == [name]]
    assert len(found) == 1, (name, found)
    return found[0]


# planning


def test_a_form_that_failed_says_that_its_list_is_gone(engineer, shop):
    answer = planned(engineer, name="", key="", file=a_list(shop.meter(LEGACY_11).drn))
    assert answer.status_code == 422
    assert "3 fields need your attention" in answer.text
    assert "Choose the list again" in plain(answer.text)
    assert "Choose the key that the meters are to have." in plain(answer.text)
    assert shop.count(Campaign) == 0


def test_a_plan_is_looked_at_before_anything_is_made(engineer, shop):
    legacy = [row for row in shop.rows(Meter) if row.sgc == LEGACY_SGC]
    out = [row for row in legacy if row.state in {"blocked", "retired"}]
    page = engineer.get(planned(engineer).location).text
    assert figure(page, "Meters chosen") == str(len(legacy))
    assert figure(page, "Meters that get a new key") == str(len(legacy) - len(out))
    assert figure(page, "Tokens") == str(2 * (len(legacy) - len(out)))
    assert "Older tokens that customers still have are lost" in plain(page)
    assert "The meter is blocked." in plain(page)
    assert shop.count(KeyChange) == shop.count(Job) == 0


def test_a_new_base_date_warns_that_older_tokens_must_be_entered_first(browse, shop, fleet):
    shop.clock.now = datetime(2036, 1, 5, 9, tzinfo=UTC)
    engineer = browse(ENGINEER)
    answer = planned(
        engineer, sgcs=[], algorithms="sts6", key="own-3-35", due_on="2036-06-30"
    )  # fmt: skip
    text = plain(engineer.get(answer.location).text)
    assert "the meters forget which tokens they have taken" in text
    assert "Enter any older tokens first." in text


def test_a_new_key_that_ends_soon_is_told(engineer, shop):
    ends = datetime(2026, 12, 24, 12, tzinfo=UTC)
    shop.change(
        lambda s: s.execute(
            update(VendingKey).where(VendingKey.sgc == LEGACY_SGC, VendingKey.krn == 2)
            .values(issue_until=ends)
        )
    )  # fmt: skip
    text = plain(engineer.get(planned(engineer).location).text)
    assert f"The new key {LEGACY_SGC}, KRN 2, ends on Dec 24, 2026" in text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": " "}, "Give the campaign a name."),
        ({"reason": ""}, "Say why."),
        ({"due_on": ""}, "Say until when all meters are to be confirmed."),
        ({"due_on": "2020-01-01"}, "must be today or later"),
        ({"key": ""}, "Choose the key that the meters are to have."),
        ({"key": "999999-1-14"}, "Choose the key that the meters are to have."),
        ({"key": "keep"}, "Say what is to be new"),
        ({"ti": "7"}, "Say what is to be new"),
        ({"per_second": "0"}, "Enter at least one meter a second"),
    ],
)
def test_a_refusal_is_a_sentence_and_nothing_typed_is_lost(engineer, shop, typed, sentence):
    answer = planned(engineer, **typed)
    assert answer.status_code == 422
    assert sentence in said(answer.text)
    kept = sent(the_form(read(answer.text)))
    wanted = PLAN | typed
    assert {name: kept[name] for name in ("hand_out", "sgcs")} == {
        name: wanted[name] for name in ("hand_out", "sgcs")
    }
    assert shop.count(Campaign) == 0


def a_list(*numbers):
    book = openpyxl.Workbook()
    book.active.append(["Remark", "Meter number"])
    for number in numbers:
        book.active.append(["x", number])
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file, "meters.xlsx"


def test_a_list_of_numbers_chooses_and_says_which_are_none(engineer, shop):
    drn = shop.meter(LEGACY_11).drn
    spaced = number_of(shop, LEGACY_11)
    page = engineer.get(planned(engineer, file=a_list(drn, spaced, "07000000999")).location).text
    assert figure(page, "Meters chosen") == "1"
    assert figure(page, "Which meters") == f"A list of numbers; SGC {LEGACY_SGC}"
    assert rows_of(page, "Numbers") == [
        ["2", spaced, "stands in the list twice"],
        ["3", "07000000999", "no meter that you see has this number"],
    ]


def test_all_numbers_that_are_none_can_be_had_as_a_file(engineer, browse, shop):
    """The page shows the first of them alone."""
    wrong = [f"9900000{n:04}" for n in range(60)]
    page = planned(engineer, file=a_list(shop.meter(LEGACY_11).drn, *wrong)).location
    shown = engineer.get(page).text
    assert len(rows_of(shown, "Numbers")) == 50
    assert "These are the first 50; a file holds them all." in plain(shown)
    number = int(page.rpartition("/")[2])
    form = read(shown).one("form", action=f"/campaigns/{number}/faulty/xlsx")
    answer = engineer.post(form["action"], sent(form))
    told = list(openpyxl.load_workbook(io.BytesIO(answer.data)).active.values)
    assert told[0] == ("Place in the list", "Number", "What is wrong")
    unknown = "no meter that you see has this number"
    assert told[1:] == [(n, drn, unknown) for n, drn in enumerate(wrong, start=2)]
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "campaign.faults_exported")
    assert (event.subject_id, event.details["rows"], event.details["kind"]) == (
        str(number), 60, "xlsx"
    )  # fmt: skip
    assert engineer.post(f"/campaigns/{number}/faulty/pdf").status_code == 404
    assert browse(OPERATOR).post(form["action"]).status_code == 403
    whole = planned(engineer).location.rpartition("/")[2]
    lines = engineer.post(f"/campaigns/{whole}/faulty/csv").data.decode("utf-8-sig").splitlines()
    assert lines == ["Place in the list,Number,What is wrong"], "it has no list"


@pytest.mark.parametrize("path", ["", "/list/?campaign={0}&reason=campaign_meter_blocked"])
def test_what_a_plan_would_do_is_counted_once(engineer, monkeypatch, path):
    """Among a million meters it takes a second or two."""
    page = planned(engineer).location
    number, counted, real = page.rpartition("/")[2], [], preview.groups_of

    def noted(session, campaign):
        counted.append(campaign.id)
        return real(session, campaign)

    monkeypatch.setattr(preview, "groups_of", noted)
    answer = engineer.get("/campaign-left-out" + path.format(number) if path else page)
    assert answer.status_code == 200
    assert "Meters" in answer.text
    assert counted == [int(number)]


def test_a_plan_that_is_not_begun_is_counted_once_too(engineer, monkeypatch):
    page = planned(engineer).location
    counted, real = [], preview.groups_of
    form = read(engineer.get(page).text).one("form", action=page.replace("/show", "") + "/begin")
    monkeypatch.setattr(
        preview, "groups_of", lambda *asked: (counted.append(1), real(*asked))[1]
    )  # fmt: skip
    answer = engineer.post(form["action"], sent(form) | {"digest": "another"})
    assert "What it will do" in answer.text
    assert len(counted) == 1


def rows_of(page, label):
    """What the table of a label says, row by row."""
    box = read(page).one("div", "table-box", aria_label=label)
    return [
        [cell.text for cell in row.children if not isinstance(cell, str)]
        for row in box.one("tbody").all("tr")
    ]


def test_a_list_without_numbers_is_refused(engineer, shop):
    answer = planned(engineer, file=a_list())
    assert answer.status_code == 422
    assert "There is no meter number in the file." in said(answer.text)
    assert shop.count(Campaign) == 0


def test_behind_each_reason_stands_its_list_with_its_export(engineer, shop):
    page = engineer.get(planned(engineer).location).text
    told = {row[0]: row for row in rows_of(page, "Reasons")}
    assert told["The meter is blocked."][1:3] == ["1", number_of(shop, BLOCKED)]
    link = next(
        a["href"] for a in read(page).all("a") if a.text == "See the list: The meter is blocked."
    )
    listed = engineer.get(link).text
    assert [row[0] for row in rows(read(listed))] == [number_of(shop, BLOCKED)]
    assert "Why left out: The meter is blocked." in plain(listed)
    exported = engineer.post(link.replace("/list/", "/export/csv"))
    lines = list(csv.reader(io.StringIO(exported.data.decode("utf-8-sig"))))
    assert [line[0] for line in lines[1:]] == [shop.meter(BLOCKED).drn]
    whole = engineer.get(link.partition("&reason")[0]).text
    found = {row[0] for row in rows(read(whole))}
    assert found == {number_of(shop, BLOCKED), number_of(shop, RETIRED)}


def test_a_plan_is_changed_and_discarded_while_nothing_was_made(engineer, shop):
    page = planned(engineer).location
    form = engineer.get(page.replace("/show", "") + "/plan")
    filled = sent(the_form(read(form.text)))
    assert {name: filled[name] for name in PLAN} == PLAN
    engineer.post(page.replace("/show", "") + "/plan", filled | {"ti": "07"})
    assert figure(engineer.get(page).text, "What is new") == "KRN 2; Base date 2014; TI 07"
    engineer.post(page.replace("/show", "") + "/discard")
    assert "This plan was discarded; nothing was made." in plain(engineer.get(page).text)
    assert engineer.get(page.replace("/show", "") + "/plan").status_code == 409


def test_what_was_changed_since_it_was_looked_at_is_not_begun(engineer, shop):
    page = planned(engineer).location
    form = read(engineer.get(page).text).one("form", action=page.replace("/show", "") + "/begin")
    fill(engineer, page.replace("/show", "") + "/plan", ti="09")
    answer = engineer.post(form["action"], sent(form))
    assert answer.status_code == 409
    assert "The campaign was changed after this was shown." in plain(answer.text)
    assert shop.count(Job) == 0


# the second person


def test_where_the_rule_asks_another_person_begins_it(engineer, browse, shop, fleet):
    asks_for_two(shop)
    page = planned(engineer).location
    form = read(engineer.get(page).text).one("form", action=page.replace("/show", "") + "/begin")
    assert "Ask for approval" in form.text
    request = engineer.post(form["action"], sent(form)).location
    assert request.startswith("/approvals/show/")
    assert shop.count(Job) == 0
    waits = plain(engineer.get(page).text)
    assert "A second person must approve this: it is request" in waits
    admin = browse(ADMIN)
    shown = read(admin.get(request).text)
    assert page in [a["href"] for a in shown.all("a")]
    approve = shown.one("form", action=request.replace("/show", "") + "/approve")
    admin.post(approve["action"], sent(approve))
    assert [row.kind for row in shop.rows(Job)] == ["campaign.make"]
    assert "being made" in plain(admin.get(page).text)


def asks_for_two(shop):
    shop.change(lambda s: s.merge(ApprovalRule(action="campaign.begin", active=True)))


def set_user(shop, name, **values):
    shop.change(lambda s: s.execute(
        update(OfficeUser).where(OfficeUser.username == name).values(**values)
    ))  # fmt: skip


def test_a_plan_says_beforehand_who_alone_can_approve_it(browse, shop, fleet):
    asks_for_two(shop)
    set_user(shop, ENGINEER, all_regions=True)
    engineer = browse(ENGINEER)
    whole = "A campaign of the whole utility can be approved only by somebody who sees all regions."
    nobody = "At the moment nobody else can approve it who sees all regions."
    page = planned(engineer).location
    text = plain(engineer.get(page).text)
    assert whole in text
    assert nobody not in text, "the administrator can"
    set_user(shop, ADMIN, active=False)
    assert nobody in plain(engineer.get(page).text)
    north = shop.utility.regions["north"].id
    of_region = planned(engineer, region=north).location
    text = plain(engineer.get(of_region).text)
    assert whole not in text
    assert "nobody else can approve it who sees the region North." in text


def test_the_rule_says_beforehand_that_the_whole_utility_takes_who_sees_all(browse, shop):
    whole = "A campaign of the whole utility can be approved only by somebody who sees all regions."
    few = "Fewer than two active users see all regions and may approve it."
    set_user(shop, ENGINEER, all_regions=True)
    admin = browse(ADMIN)
    before = plain(admin.get("/second-person/campaign.begin").text)
    assert whole in before
    assert few not in before, "nobody is asked yet"
    assert whole not in plain(admin.get("/second-person/").text), "one person is enough"
    asks_for_two(shop)
    assert whole in plain(admin.get("/second-person/").text)
    assert few not in plain(admin.get("/second-person/").text)
    set_user(shop, ENGINEER, all_regions=False)
    assert few in plain(admin.get("/second-person/").text)
    assert whole not in plain(admin.get("/second-person/float.pay_in").text)


def test_the_next_round_is_asked_for_where_the_rule_asks(browse, shop, fleet):
    engineer = browse(ENGINEER)
    page = begun(engineer, fleet)
    asks_for_two(shop)
    again = f"{page.replace('/show', '')}/again"
    form = read(engineer.get(page).text).one("form", action=again)
    assert form.text == "Ask to try those left out once more"
    shop.change(lambda s: s.execute(
        update(Meter).where(Meter.id == shop.meter(BLOCKED).id)
        .values(state="active", blocked_reason="")
    ))  # fmt: skip
    request = engineer.post(again, sent(form)).location
    assert request.startswith("/approvals/show/")
    assert shop.rows(Campaign)[0].state == "made"
    waits = engineer.get(page).text
    assert "A second person must approve that those left out are tried once more" in plain(waits)
    assert again not in [one["action"] for one in read(waits).all("form")]
    admin = browse(ADMIN)
    shown = read(admin.get(request).text)
    assert "Meters that were left out, or whose tokens were not made, are tried again" in plain(
        admin.get(request).text
    )
    approve = shown.one("form", action=request.replace("/show", "") + "/approve")
    admin.post(approve["action"], sent(approve))
    assert (shop.rows(Campaign)[0].state, shop.rows(Campaign)[0].round) == ("running", 2)


# under way


def test_a_campaign_that_was_made_tells_how_far_it_is(browse, shop, fleet):
    admin = browse(ADMIN)
    page = admin.get(begun(admin, fleet)).text
    changes = shop.rows(KeyChange)
    assert figure(page, "Tokens made") == figure(page, "Not confirmed yet") == str(len(changes))
    assert figure(page, "Confirmed") == figure(page, "Overdue") == "0"
    by_region = {row[0]: row[1:] for row in rows_of(page, "How far each region is")}
    south = shop.meter(SOUTHERN).region_id
    meters = {row.id: row for row in shop.rows(Meter)}
    of_south = [one for one in changes if meters[one.meter_id].region_id == south]
    assert by_region["South"] == [str(len(of_south)), "0", "0", "0"]
    bars = read(page).one("div", "table-box", aria_label="How far each region is").all("progress")
    assert {bar["aria-label"] for bar in bars} == {
        "Tokens made", "Handed out", "Confirmed", "Overdue"
    }  # fmt: skip


def test_a_campaign_says_how_its_meters_are_confirmed_until_all_are(browse, shop, fleet):
    admin = browse(ADMIN)
    address = begun(admin, fleet)
    page = admin.get(address).text
    steps = read(page).one("ol", "steps").all("li")
    assert [step["aria-current"] for step in steps if "aria-current" in step.attributes] == ["step"]
    assert "A meter is confirmed on its own page" in plain(page)
    link = next(a["href"] for a in read(page).all("a") if a.text == "See those not confirmed yet")
    assert len(rows(read(admin.get(link).text))) == shop.count(KeyChange)
    left = {row[0]: row[2] for row in rows_of(page, "Reasons")}
    assert left["The meter is blocked."] == number_of(shop, BLOCKED)
    assert "All tokens made at" in plain(page)
    shop.change(lambda session: session.execute(
        update(KeyChange).values(state="confirmed", closed_at=now_utc(), proof="test_tokens")
    ))  # fmt: skip
    page = admin.get(address).text
    assert "See those not confirmed yet" not in page
    assert 'aria-current="step"' not in page.partition('class="steps"')[2].partition("</ol>")[0]


def test_after_its_day_what_nobody_confirmed_is_overdue(browse, shop, fleet):
    admin = browse(ADMIN)
    path = begun(admin, fleet)
    shop.clock.forward(days=200)
    page = browse(ADMIN).get(path).text
    assert figure(page, "Overdue") == str(shop.count(KeyChange))
    listed = browse(ADMIN).get("/campaign-meters/list/?campaign=1&overdue=no").text
    assert "Nothing fits" in plain(listed)


def test_the_meters_of_a_campaign_are_a_list_without_digits(browse, shop, fleet):
    admin = browse(ADMIN)
    begun(admin, fleet)
    page = admin.get("/campaign-meters/list/?campaign=1&state=completed&size=100").text
    assert len(rows(read(page))) == shop.count(KeyChange)
    assert "Nothing fits" in plain(
        admin.get("/campaign-meters/list/?campaign=1&state=confirmed").text
    )
    exported = admin.post("/campaign-meters/export/csv?campaign=1").data.decode("utf-8-sig")
    assert shop.meter(LEGACY_11).drn in exported
    for row in shop.rows(KeyChangeToken):
        assert not holds(page, row.digits)
        assert row.digits not in exported


def test_a_set_that_went_with_a_credit_is_handed_out_on_every_page(browse, shop, fleet):
    admin = browse(ADMIN)
    page = begun(admin, fleet)
    drn = shop.meter(LEGACY_11).drn
    assert shop.sell(LEGACY_11).key_change_id is not None
    assert figure(admin.get(page).text, "Handed out") == "1"
    asked = {"campaign": "1", "handed": "sent", "size": "100"}
    (listed,) = rows(read(admin.get("/campaign-meters/list/", query_string=asked).text))
    assert {identifiers.drn.format(drn), "handed out"} <= set(listed)
    with shop.session() as session, seen_by(SYSTEM):
        out = {row.meter: row.handed_out for row in report_rows(session, 1) if row.handed_out}
    assert list(out) == [identifiers.drn.format(drn)]


def test_a_campaign_is_paused_goes_on_and_is_stopped_with_a_reason(browse, shop, fleet):
    admin = browse(ADMIN)
    page = planned(admin).location
    base = page.replace("/show", "")
    form = read(admin.get(page).text).one("form", action=f"{base}/begin")
    admin.post(form["action"], sent(form))
    admin.post(f"{base}/pause")
    assert "Paused: no further tokens are made" in plain(admin.get(page).text)
    fleet.work(1)
    admin.post(f"{base}/go-on")
    assert shop.rows(Campaign)[0].state == "running"
    assert fill(admin, f"{base}/stop", reason=" ").status_code == 422
    assert fill(admin, f"{base}/stop", reason="the module moves house").location == page
    event = [row for row in shop.rows(AuditEvent) if row.action == "campaign.stopped"]
    assert [row.details["reason"] for row in event] == ["the module moves house"]
    refused = admin.post(f"{base}/go-on")
    assert refused.status_code == 409
    assert "This campaign is stopped for good; that cannot be done with it now." in plain(
        refused.text
    )


def test_the_page_of_a_job_tells_how_far_it_is(browse, shop, fleet):
    admin = browse(ADMIN)
    page = begun(admin, fleet)
    told = admin.get(page.replace("show", "progress")).json
    assert told["finished"] is True
    assert told["done"] == len([row for row in shop.rows(Meter) if row.sgc == LEGACY_SGC])


# sheets


def test_sheets_are_looked_at_printed_once_and_printed_again_as_copies(browse, shop, fleet):
    admin = browse(ADMIN)
    begun(admin, fleet, hand_out="sheet")
    digits = {row.digits for row in shop.rows(KeyChangeToken)}
    first = admin.get("/campaigns/1/sheets?size=10").text
    assert not any(holds(first, one) for one in digits)
    assert figure(first, "Still to be printed") == str(shop.count(KeyChange))
    next_ones = [row[0] for row in rows_of(first, "Meters")]
    look = read(first).one("a", id="preview")["href"]
    page = admin.get(look).text
    assert not any(holds(page, one) for one in digits), "nothing leaves before it is counted"
    assert meters_on(page) == next_ones
    assert "Sheets are printed with “Confirm printing”." in plain(page)
    assert "data-print-now" not in page
    assert shop.count(CampaignNotice) == 0
    form = read(page).one("form", action="/campaigns/1/sheets/print")
    assert form.text == "Confirm printing Back"
    sheet = admin.post(form["action"], sent(form))
    assert meters_on(sheet.text) == next_ones
    assert "data-print-now" in sheet.text
    assert sum(holds(sheet.text, one) for one in digits) == 2 * len(next_ones)
    assert "Token 1 of 2: key change" in plain(sheet.text)
    assert "First enter older tokens you still have" in plain(sheet.text)
    assert "COPY" not in sheet.text
    again = admin.post(form["action"], sent(form))
    assert again.status_code == 302, "the same form prints nothing more"
    assert shop.count(CampaignNotice) == len(next_ones)
    assert "Look at what comes next, then print." in admin.get(again.location).text
    page = admin.get("/campaigns/1/sheets/preview?size=10&again=yes").text
    assert "marked as copies and bear your name" in plain(page)
    form = read(page).one("form", action="/campaigns/1/sheets/print")
    copy = admin.post(form["action"], sent(form))
    assert "COPY 1 · admin" in plain(copy.text)


def meters_on(page):
    """The numbers of the meters on sheets, in their order."""
    found = [one["aria-label"] for one in read(page).all("section", "slip-meter")]
    return [name.removeprefix("Meter number ") for name in found]


def test_text_messages_that_reached_nobody_have_their_reason_and_sheets(browse, shop, fleet):
    admin = browse(ADMIN)
    page = begun(admin, fleet, hand_out="sms")
    assert "not sent" not in plain(admin.get(page).text)
    failed, unsure, sent_one = shop.rows(KeyChange)[:3]
    no_phone = {"code": "no_phone", "params": {}, "message": "The consumer has no phone number."}
    states = {failed: ("failed", no_phone), unsure: ("unsure", None), sent_one: ("sent", None)}

    def noted(session):
        for number, (change, (state, problem)) in enumerate(states.items()):
            session.add(CampaignNotice(
                key_change_id=change.id, campaign_id=1, hand_out="sms", state=state,
                reference=str(number), state_at=shop.clock.now, problem=problem, prints=0,
            ))  # fmt: skip

    shop.change(noted)
    text = admin.get(page).text
    assert "The text messages of 2 meters were not sent, or perhaps not." in plain(text)
    links = {one.text: one["href"] for one in read(text).all("a")}
    listed = admin.get(links["See those not sent"]).text
    drn = {row.id: row.drn for row in shop.rows(Meter)}
    number = identifiers.drn.format(drn[failed.meter_id])
    assert [row[0] for row in rows(read(listed))] == [number]
    assert "The consumer has no phone number." in plain(listed)
    exported = admin.post(links["See those not sent"].replace("/list/", "/export/csv"))
    lines = list(csv.reader(io.StringIO(exported.data.decode("utf-8-sig"))))
    assert lines[0][4] == "Why not sent"
    assert [line[4] for line in lines[1:]] == ["The consumer has no phone number."]
    sheets = admin.get(links["Print their sheets"]).text
    assert figure(sheets, "Still to be printed") == "2"
    form = read(admin.get(read(sheets).one("a", id="preview")["href"]).text).one(
        "form", action="/campaigns/1/sheets/print"
    )
    assert set(meters_on(admin.post(form["action"], sent(form)).text)) == {
        number, identifiers.drn.format(drn[unsure.meter_id])
    }  # fmt: skip
    assert "not sent, or perhaps not" not in plain(admin.get(page).text)


def test_a_campaign_without_sheets_has_none(browse, shop, fleet):
    admin = browse(ADMIN)
    begun(admin, fleet)
    assert admin.get("/campaigns/1/sheets").status_code == 404


def test_who_may_see_alone_is_offered_no_deed(browse, shop, fleet):
    admin = browse(ADMIN)
    page = begun(admin, fleet, hand_out="sheet")
    seen = browse(AUDITOR).get(page).text
    assert "Stop…" not in seen
    assert "/sheets" not in seen
    assert browse(SUPERVISOR).get(page).status_code == 404, "it is of the whole utility"
    assert browse(OPERATOR).get(page).status_code == 403


def test_an_empty_list_says_what_stands_there(engineer):
    page = plain(engineer.get("/campaigns/list/").text)
    assert "Plan one: many meters get another key" in page
    assert "Plan a campaign" in page


def test_its_pages_take_no_more_than_a_few_statements(browse, shop, fleet, office):
    admin = browse(ADMIN)
    page = planned(admin).location
    base = page.replace("/show", "")
    form = read(admin.get(page).text).one("form", action=f"{base}/begin")
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        admin.get(page)
    assert len(own(seen)) <= MOST_COUNTING, told(seen)
    admin.post(form["action"], sent(form))
    fleet.work(1)
    counting = (page, "/campaign-left-out/list/?campaign=1")
    for path in (*counting, "/campaigns/list/", "/campaign-meters/list/?campaign=1"):
        admin.get(path)
        with statements(engine) as seen:
            admin.get(path)
        assert len(own(seen)) <= (MOST_COUNTING if path in counting else MOST), (path, told(seen))

"""Revenue protection in the browser: rules, worklist, a finding, its file, asking the rules."""

import csv
import io
from datetime import date

import openpyxl
import pytest
from sqlalchemy import update

from tests.factories import (
    AUDITOR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
    TODAY,
)
from tests.services.revenue import ask_rules, bought, findings, set_rule, sold_on
from tests.services.test_revenue_meters import AUTUMN, HALF_YEAR, QUIET, RECENT
from tests.web.importing import work
from tests.web.office import ADMIN, ENGINEER, NORTH_SUPERVISOR, said, statements
from tests.web.records import chips, ids, read, rows, sent, the_form
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, Job, JobState, RevenueFinding, RevenueNote, RevenueRule
from vmsapp.services.revenue_protection.rules import ALL
from vmsapp.tasks.revenue import run

SOUTH = {"point": MARKET, "by": SOUTH_OPERATOR}
LIST = "/revenue-findings/list/?size=100"


@pytest.fixture
def found(shop):
    """A meter that stopped in the north and one in the south, and tokens at night in the south."""
    set_rule(shop, "hours", least=1)
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    bought(shop, SOUTHERN, *AUTUMN, QUIET, **SOUTH)
    sold_on(shop, date(2026, 3, 16), SOUTHERN, local_hour=3, state="reversed", **SOUTH)
    ask_rules(shop)
    return {row.rule + str(row.meter_id or ""): row for row in shop.rows(RevenueFinding)}


@pytest.fixture
def mine(found, shop):
    """The finding of the north."""
    return found[f"stopped{shop.utility.meters[LEGACY_11]}"]


def counted(page):
    """The lines of the rules: their counts by name."""
    lines = read(page).one("tbody").all("tr")
    return {
        line.one("th").all("div")[0].children[0].strip(): [cell.text for cell in line.all("td")][:6]
        for line in lines
    }


def test_the_rules_stand_with_sentences_thresholds_and_counts(browse, found):
    page = browse(ADMIN).get("/revenue-protection/").text
    told = counted(page)
    assert len(told) == len(ALL)
    assert told["Stopped buying"] == ["2", "0", "0", "0", "0", "0"]
    assert told["Tokens outside the hours"] == ["1", "0", "0", "0", "0", "0"]
    assert "in at least 4 of 6 calendar months, and then nothing for 60 days or more." in page
    assert "at least 1 tokens before 6:00 or from 22:00 on" in page  # as it was set
    assert 'href="/revenue-findings/list/?state=open&amp;rule=stopped"' in page
    assert read(page).one("tfoot").all("td")[0].text == "3"


def test_each_reader_counts_and_lists_the_own(browse, found, mine):
    told = counted(browse(NORTH_SUPERVISOR).get("/revenue-protection/").text)
    assert told["Stopped buying"][0] == "1"
    assert told["Tokens outside the hours"][0] == "0"
    assert ids(read(browse(NORTH_SUPERVISOR).get(LIST).text)) == [mine.id]
    theirs = next(row for row in found.values() if row.rule == "hours")
    assert browse(NORTH_SUPERVISOR).get(f"/revenue-findings/show/{theirs.id}").status_code == 404
    assert len(ids(read(browse(SUPERVISOR).get(LIST).text))) == 3


def test_who_only_sells_sees_no_findings(browse, mine):
    for path in ("/revenue-protection/", LIST, f"/revenue-findings/show/{mine.id}"):
        assert browse(OPERATOR).get(path).status_code == 403


@pytest.mark.parametrize(
    ("query", "rules"),
    [
        ("rule=hours", ["hours"]),
        ("state=due", ["hours", "stopped", "stopped"]),
        ("state=right", []),
        ("state=ceased", []),
        ("mine=me", []),
        ("found_from=2026-03-17&found_to=2026-03-17", ["hours", "stopped", "stopped"]),
        ("found_to=2026-03-16", []),
        ("visit_from=2026-03-17", []),
        ("outcome=faulty", []),
    ],
)
def test_the_worklist_is_narrowed(browse, shop, found, query, rules):
    page = read(browse(ADMIN).get(f"{LIST}&{query}").text)
    listed = {row.id: row.rule for row in found.values()}
    assert sorted(listed[key] for key in ids(page)) == rules
    assert chips(page)


def test_the_worklist_is_narrowed_by_region_point_meter_and_person(browse, shop, found, mine):
    admin, utility = browse(ADMIN), shop.utility
    north, south = (utility.regions[name].id for name in ("north", "south"))

    def listed(query):
        return set(ids(read(admin.get(f"{LIST}&{query}").text)))

    others = {row.id for row in found.values()} - {mine.id}
    assert listed(f"region={north}") == {mine.id}
    assert listed(f"region={south}") == others
    assert len(listed(f"point={utility.points[MARKET]}")) == 1
    assert listed(f"meter={utility.meters[LEGACY_11]}") == {mine.id}
    browse(SUPERVISOR).post(f"/revenue-findings/{mine.id}/take")
    who = utility.users[SUPERVISOR].id
    assert listed(f"by={who}") == {mine.id}
    assert set(ids(read(browse(SUPERVISOR).get(f"{LIST}&mine=me").text))) == {mine.id}
    assert listed("state=taken") == {mine.id}


def test_a_finding_shows_its_meters_purchases_month_by_month(browse, shop):
    bought(shop, LEGACY_11, *HALF_YEAR, units="100")
    bought(shop, LEGACY_11, *RECENT, units="20")
    ask_rules(shop)
    (row,) = findings(shop, "dropped")
    page = read(browse(ADMIN).get(f"/revenue-findings/show/{row.id}").text)
    assert "40.0 kWh in 2 months instead of 200.0 kWh." in page.text
    table = page.one("table", id="history")
    told = {line.one("th").text: [cell.text for cell in line.all("td")]
            for line in table.one("tbody").all("tr")}  # fmt: skip
    assert len(told) == 24
    assert told["July 2025"] == ["1", "100.0", "1.00"]
    assert told["February 2026"] == ["1", "20.0", "1.00"]
    assert told["June 2025"] == ["0", "0.0", "0.00"]
    values = [cell["data-v"] for cell in table.all("td") if cell.get("data-v")]
    assert sum(map(float, values)) == 640
    assert page.one("div", "chart")["data-from"] == "history"


def test_a_finding_leads_to_its_sales_and_to_what_it_is_about(browse, shop, found, mine):
    page = browse(ADMIN).get(f"/revenue-findings/show/{mine.id}").text
    meter = shop.utility.meters[LEGACY_11]
    assert f'href="/meters/show/{meter}"' in page
    assert f'href="/sales/list/?meter={meter}"' in page
    assert page.count('href="/sales/show/') == 4
    night = next(row for row in found.values() if row.rule == "hours")
    page = browse(ADMIN).get(f"/revenue-findings/show/{night.id}").text
    assert page.count('href="/sales/show/') == 1
    assert "1 of 1 tokens outside the hours." in page


def test_taken_noted_and_decided_in_the_browser(browse, shop, mine):
    page, show = browse(SUPERVISOR), f"/revenue-findings/show/{mine.id}"
    assert page.post(f"/revenue-findings/{mine.id}/take").location == show
    path = f"/revenue-findings/{mine.id}/note"
    form = sent(the_form(read(page.get(path).text))) | {"text": "Gate locked",
                                                        "visit_on": "2026-03-20"}  # fmt: skip
    assert page.post(path, form).location == show
    path = f"/revenue-findings/{mine.id}/decide"
    form = sent(the_form(read(page.get(path).text)))
    assert form["visit_on"] == "2026-03-20"
    assert page.post(path, form | {"outcome": "tampering", "text": "Bypass"}).location == show
    text = read(page.get(show).text).text
    for word in ("decided", "Tampering confirmed", "Gate locked", "Bypass", "Mar 20, 2026"):
        assert word in text, word
    assert counted(page.get("/revenue-protection/").text)["Stopped buying"] == [
        "1", "0", "1", "0", "0", "0",
    ]  # fmt: skip
    assert page.post(f"/revenue-findings/{mine.id}/reopen").location == show
    assert findings(shop, "stopped", RevenueFinding.id == mine.id)[0].state == "taken"


def test_a_decision_without_outcome_or_words_keeps_what_was_typed(browse, shop, mine):
    page, path = browse(SUPERVISOR), f"/revenue-findings/{mine.id}/decide"
    form = sent(the_form(read(page.get(path).text)))
    answer = page.post(path, form | {"text": "Only words"})
    assert answer.status_code == 422
    assert 'value="Only words"' in answer.text
    answer = page.post(path, form | {"outcome": "misuse", "text": "x"})
    assert answer.status_code == 422
    assert page.post(path, form | {"outcome": "faulty", "text": " "}).status_code == 422
    assert shop.rows(RevenueNote) == []


def test_what_was_decided_meanwhile_is_said(browse, shop, mine):
    page, path = browse(SUPERVISOR), f"/revenue-findings/{mine.id}/decide"
    form = sent(the_form(read(page.get(path).text))) | {"outcome": "faulty", "text": "x"}
    assert page.post(path, form).status_code == 302
    answer = page.post(path, form)
    assert answer.status_code == 409
    assert "Nothing more can be done to this finding" in answer.text


def test_who_may_do_what(browse, shop, mine):
    show = f"/revenue-findings/show/{mine.id}"
    told = {who: browse(who).get(show).text for who in (AUDITOR, ENGINEER, SUPERVISOR)}
    assert "Take it on" not in told[AUDITOR]
    assert "Write a note" in told[ENGINEER]
    assert "Say the outcome" not in told[ENGINEER]
    assert "Say the outcome" in told[SUPERVISOR]
    assert "Ask the rules now" not in browse(SUPERVISOR).get("/revenue-protection/").text


def test_the_file_for_field_visits(browse, shop, mine):
    answer = browse(SUPERVISOR).post("/revenue-findings/export/csv?state=due&rule=stopped")
    header, *lines = csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))
    line = next(dict(zip(header, one, strict=True)) for one in lines if one[0] == str(mine.id))
    assert line["About"] == shop.meter(LEGACY_11).drn
    assert (line["Rule"], line["Consumer number"]) == ("Stopped buying", "C0001")
    assert (line["State"], line["Last purchase"]) == ("to look at", "2026-01-16")
    assert line["What was found"] == "Bought in 4 of 6 months, last on Jan 16, 2026."
    book = openpyxl.load_workbook(
        io.BytesIO(browse(SUPERVISOR).post("/revenue-findings/export/xlsx").data)
    )
    assert book.active.max_row == 4
    first, second = shop.rows(AuditEvent, AuditEvent.action == "revenue_finding.exported")
    assert (first.details["rows"], second.details["rows"]) == (2, 3)


def test_thresholds_are_set_in_the_browser(browse, shop):
    admin, path = browse(ADMIN), "/revenue-protection/rule/stopped"
    form = sent(the_form(read(admin.get(path).text)))
    assert form["number_days"] == "60"
    wrong = admin.post(path, form | {"number_days": "6"})
    assert wrong.status_code == 422
    assert "Between 7 and 730." in said(wrong.text)
    wrong = admin.post(path, form | {"number_least": "7"})
    assert wrong.status_code == 422
    assert "more months than are looked at" in said(wrong.text)
    assert shop.rows(RevenueRule) == []
    assert admin.post(path, form | {"number_days": "45"}).status_code == 302
    (row,) = shop.rows(RevenueRule)
    assert row.numbers == {"days": 45}
    assert "nothing for 45 days or more" in admin.get("/revenue-protection/").text
    form.pop("active")
    admin.post(path, form)
    assert "(not asked)" in admin.get("/revenue-protection/").text
    assert admin.get("/revenue-protection/rule/nothing").status_code == 404


def test_the_rules_are_asked_by_a_button_in_the_background(office, browse, shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    answer = browse(ADMIN).post("/revenue-protection/run")
    (job,) = shop.rows(Job)
    assert answer.location == f"/jobs/show/{job.id}"
    done = work(office, job.id)
    assert (done.state, done.done) == (JobState.DONE, done.total)
    assert len(findings(shop, "stopped")) == 1
    assert "Search for lost revenue" in browse(ADMIN).get(answer.location).text


def test_a_run_that_was_cancelled_may_be_tried_again(office, browse, shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    browse(ADMIN).post("/revenue-protection/run")
    (job,) = shop.rows(Job)
    shop.change(lambda s: s.execute(update(Job).values(cancel_asked=True)))
    assert work(office, job.id).state == JobState.CANCELLED
    assert browse(ADMIN).post(f"/jobs/retry/{job.id}").status_code == 302
    assert work(office, job.id).state == JobState.DONE
    assert len(findings(shop, "stopped")) == 1


def test_the_nightly_task_asks_the_rules_and_keeps_the_result(office, shop):
    bought(shop, LEGACY_11, *AUTUMN, QUIET)
    with office.app_context():
        run()
    (job,) = shop.rows(Job, Job.recurring)
    assert (job.state, job.result) == (JobState.DONE, {"new": 1})
    schedule = office.extensions["celery"].conf.beat_schedule["revenue"]
    assert schedule["task"] == "vmsapp.tasks.revenue.run"


@pytest.mark.parametrize("language", ["zh", "fr", "ar"])
def test_every_page_is_read_in_every_language(browse, shop, mine, language):
    page = browse(ADMIN, language)
    for path in ("/revenue-protection/", LIST, f"/revenue-findings/show/{mine.id}",
                 f"/revenue-findings/{mine.id}/decide",
                 "/revenue-protection/rule/dropped"):  # fmt: skip
        answer = page.get(path)
        assert answer.status_code == 200, path
        assert "Stopped buying" not in answer.text, path


def test_a_finding_about_the_reader_is_for_others(browse, shop):
    set_rule(shop, "hours", least=1)
    sold_on(shop, TODAY, local_hour=3)
    ask_rules(shop)
    (row,) = findings(shop, "hours")
    who = shop.utility.users[SUPERVISOR].id
    shop.change(lambda s: s.execute(update(RevenueFinding).values(operator_id=who)))
    page = browse(SUPERVISOR)
    assert "This finding is about you" in page.get(f"/revenue-findings/show/{row.id}").text
    assert page.post(f"/revenue-findings/{row.id}/take").status_code == 409


def test_rows_say_what_they_are_about(browse, found):
    listed = rows(read(browse(ADMIN).get(LIST).text))
    assert {row[1] for row in listed} == {"Stopped buying", "Tokens outside the hours"}
    assert any(row[0] == SOUTH_OPERATOR for row in listed)


def test_a_finding_takes_few_statements(office, browse, found):
    admin = browse(ADMIN)
    with office.app_context():
        engine = db.engine
    for row in found.values():
        for path in (f"/revenue-findings/show/{row.id}", LIST, "/revenue-protection/"):
            admin.get(path)  # and the process is warm
            with statements(engine) as seen:
                assert admin.get(path).status_code == 200
            assert len(own(seen)) <= MOST, told(seen)

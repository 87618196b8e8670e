"""What a report was asked last opens it; questions kept under names; files of every kind."""

import pypdfium2
import pytest

from tests.factories import HARBOUR, MARKET, OPERATOR, SOUTH_OPERATOR, SOUTHERN, SUPERVISOR
from tests.web.importing import work
from tests.web.office import ADMIN, fields, main_part, said
from tests.web.records import chips, read
from vmsapp.models import AuditEvent, Job, ReportSchedule, SavedReport
from vmsapp.views.reports import screens as report_screens

SALES, TOKENS, SAVED = "/reports/sales/", "/sales-tokens/list/", "/reports/saved/"


@pytest.fixture
def sold(shop):
    return shop.sell(units="50"), shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR)


def keep(browser, name="Mine", report="sales_report", query="period=last_month&by=operator"):
    return browser.post(SAVED + "save", {"report": report, "query": query, "name": name})


def test_a_report_opens_with_what_was_asked_last_until_it_is_reset(browse):
    admin = browse(ADMIN)
    admin.get(SALES, query_string={"by": "operator", "period": "last_month"})
    assert admin.get(SALES).location == f"{SALES}?period=last_month&by=operator"
    reset = admin.get(SALES, query_string={"reset": "yes"})
    assert reset.location == SALES
    forgotten = reset.headers["Set-Cookie"]  # by browsers only under the flags it was kept with
    assert {"Max-Age=0", "HttpOnly", "SameSite=Lax"} <= set(forgotten.split("; "))
    assert admin.get(SALES).status_code == 200


def test_a_link_that_asks_something_wins(browse):
    admin = browse(ADMIN)
    admin.get(SALES, query_string={"by": "operator", "period": "last_month"})
    page = admin.get(SALES, query_string={"by": "month"})
    assert page.status_code == 200
    assert '<option value="month" selected>' in page.text


@pytest.mark.usefixtures("sold")
def test_a_list_opens_with_its_filters_and_without_the_last_when_it_was_taken_away(browse):
    admin = browse(ADMIN)
    admin.get(TOKENS, query_string={"kind": "sale"})
    assert admin.get(TOKENS).location == f"{TOKENS}?kind=sale"
    page = admin.get(TOKENS, query_string={"kind": "sale"}).text
    (chip,) = chips(read(page))
    assert chip == "Kind: Purchase"
    links = [link["href"] for link in read(page).all("a") if "chip" in link.classes]
    bare = admin.get(links[0].replace("&amp;", "&"))
    assert bare.status_code == 200
    assert len(chips(read(bare.text))) == 0
    assert admin.get(TOKENS).status_code == 200


def test_another_person_at_the_same_browser_begins_anew(browse, office):
    admin, supervisor = browse(ADMIN), browse(SUPERVISOR)
    admin.get(SALES, query_string={"by": "operator"})
    kept = admin.client.get_cookie("asked", path="/reports/sales")
    supervisor.client.set_cookie("asked", kept.value, path="/reports/sales")
    assert admin.get(SALES).status_code == 302
    assert supervisor.get(SALES).status_code == 200


def test_a_saved_report_is_its_owners_alone(browse, shop):
    supervisor = browse(SUPERVISOR)
    assert keep(supervisor).location == f"{SALES}?period=last_month&by=operator"
    assert "Mine" in supervisor.get(SAVED).text
    assert "Mine" in supervisor.get(SALES, follow_redirects=True).text
    assert "Mine" in main_part(supervisor.get("/reports/").text)
    (row,) = shop.rows(SavedReport)
    admin = browse(ADMIN)
    assert "Mine" not in main_part(admin.get(SAVED).text)
    assert "Mine" not in main_part(admin.get("/reports/").text)
    for way in ("rename", "delete", "restore"):
        assert admin.post(f"{SAVED}{way}/{row.id}", {"name": "x"}).status_code in {404, 409}
    assert [one.name for one in shop.rows(SavedReport)] == ["Mine"]


def test_the_same_name_keeps_the_new_question(browse, shop):
    admin = browse(ADMIN)
    keep(admin)
    keep(admin, query="period=today&by=hour")
    assert [row.query for row in shop.rows(SavedReport)] == ["period=today&by=hour"]


def test_a_name_that_is_missing_or_taken_is_refused(browse, shop):
    admin = browse(ADMIN)
    page = admin.post(SAVED + "save", {"report": "sales_report", "query": "", "name": "  "},
                      follow_redirects=True)  # fmt: skip
    assert "Give the saved report a name." in page.text
    keep(admin, "One")
    keep(admin, "Two")
    second = shop.rows(SavedReport)[1]
    answer = admin.post(f"{SAVED}rename/{second.id}", {"name": "One"})
    assert answer.status_code == 422
    assert "You have a saved report “One” already." in said(answer.text)
    assert admin.post(f"{SAVED}rename/{second.id}", {"name": "Three"}).status_code == 302
    assert [row.name for row in shop.rows(SavedReport)] == ["One", "Three"]


def test_a_deletion_is_undone_by_a_press_and_its_schedule_comes_back_paused(browse, shop):
    admin = browse(ADMIN)
    keep(admin)
    (row,) = shop.rows(SavedReport)
    admin.post(f"/reports/schedules/plan/{row.id}",
               {"every": "day", "hour": "6", "weekday": "0", "kind": "pdf"})  # fmt: skip
    page = admin.post(f"{SAVED}delete/{row.id}", follow_redirects=True).text
    assert "Nothing was kept yet" in page
    assert [one.next_at for one in shop.rows(ReportSchedule)] == [None]
    admin.post(f"{SAVED}restore/{row.id}", fields(page, f"restore/{row.id}"))
    (schedule,) = shop.rows(ReportSchedule)
    assert (schedule.state, schedule.deleted_at) == ("paused", None)
    assert "Mine" in main_part(admin.get(SAVED).text)


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-01-01T00:00", "x"]
)
def test_a_moment_that_no_deletion_has_finds_none(browse, shop, at):
    admin = browse(ADMIN)
    keep(admin)
    (row,) = shop.rows(SavedReport)
    assert admin.post(f"{SAVED}restore/{row.id}", {"at": at}).status_code == 404


def text_of(content):
    pages = pypdfium2.PdfDocument(content)
    return "".join(page.get_textpage().get_text_range() for page in pages)


@pytest.mark.usefixtures("sold")
def test_a_report_is_had_as_a_pdf_file_with_what_was_asked_and_its_totals(browse, shop):
    answer = browse(ADMIN).post(f"{SALES}export/pdf?period=this_month&by=vending_point")
    assert answer.mimetype == "application/pdf"
    told = text_of(answer.data)
    for words in ("Sales report", "Period: This month: Mar 1, 2026 to Mar 17, 2026",
                  "Grouped by: Vending point", "Africa/Nairobi", HARBOUR, MARKET, "6.00", "5.00",
                  "Total", "11.00", "1 / 1"):  # fmt: skip
        assert words in told, words
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "sales_report.exported")
    assert event.details["kind"] == "pdf"


@pytest.mark.usefixtures("sold")
def test_a_list_is_had_as_a_pdf_file_in_the_readers_scope(browse):
    answer = browse(SUPERVISOR).post("/sales-tokens/export/pdf?kind=sale")
    told = text_of(answer.data)
    assert "Kind: Purchase" in told
    assert HARBOUR in told
    operator = browse(OPERATOR)
    assert operator.post("/sales-tokens/export/pdf").status_code == 403


def test_an_arabic_pdf_file_is_made(browse, sold):
    answer = browse(ADMIN, "ar").post(f"{SALES}export/pdf?period=this_month")
    assert "2026" in text_of(answer.data)
    assert answer.data.startswith(b"%PDF")


@pytest.mark.usefixtures("sold")
def test_a_long_report_is_made_in_the_background(browse, office, shop, monkeypatch):
    monkeypatch.setattr(report_screens, "DIRECTLY", 1)
    admin = browse(ADMIN)
    answer = admin.post(f"{SALES}export/csv?period=this_month&by=vending_point")
    (job,) = shop.rows(Job)
    assert answer.location == f"/jobs/show/{job.id}"
    assert work(office, job.id).state == "done"
    file = admin.get(f"/jobs/download/{job.id}").data.decode("utf-8-sig")
    assert HARBOUR in file
    assert MARKET in file
    assert len(file.splitlines()) == 3

"""Sales reports that read many records: made in the background, followed, shown to their asker."""

import pytest

from tests.factories import MARKET, SOUTH_OPERATOR, SOUTHERN
from tests.web.importing import work
from tests.web.office import ADMIN, NORTH_SUPERVISOR, main_part, said
from tests.web.test_sales_report import lines, page
from vmsapp.models import Job, JobState
from vmsapp.services.reports import making, sources

REPORT = "/reports/sales/"
ASKED = {"from": "2026-03-01", "to": "2026-03-31", "by": "hour", "tariff": "1"}
QUERY = "from=2026-03-01&to=2026-03-31&by=hour&tariff=1"


def breaks(*_anything):
    raise RuntimeError


@pytest.fixture
def sold(shop, monkeypatch):
    """5.00 and 8.00 in the north, 6.00 in the south, on 17 March 2026; one sale takes long."""
    monkeypatch.setattr(making, "AT_ONCE", 0)
    return [
        shop.sell(units="50"),
        shop.sell(units="80"),
        shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR),
    ]


def made(office, shop, browser, query=QUERY):
    """Have a report made; gives its job."""
    answer = browser.post(f"{REPORT}make?{query}")
    assert answer.location == f"{REPORT}?{query}", said(answer.text)
    job = shop.rows(Job)[-1]
    return work(office, job.id)


def test_it_is_asked_for_followed_and_shown(office, browse, shop, sold, monkeypatch):
    browser = browse(ADMIN)
    asked = browser.get(REPORT, query_string=ASKED).text
    assert "3 records are read one by one" in main_part(asked)
    assert "report-lines" not in asked

    job = made(office, shop, browser)
    assert (job.state, job.done, job.total) == (JobState.DONE, 3, 3)
    found = page(browser, **ASKED)
    shown = lines(found)
    assert "These figures were read from the records at" in found.text

    monkeypatch.setattr(making, "AT_ONCE", 1000)
    at_once = page(browser, **ASKED)
    assert lines(at_once) == shown
    assert shown["Total"][4] == "19.00"
    assert "Make it anew" not in at_once.text


def test_while_it_is_made_the_page_says_how_far_it_is(browse, shop, sold):
    browser = browse(ADMIN)
    for _twice in range(2):
        assert browser.post(f"{REPORT}make?{QUERY}").status_code == 302
    (job,) = shop.rows(Job)
    text = main_part(browser.get(REPORT, query_string=ASKED).text)
    assert f'data-progress="/jobs/progress/{job.id}"' in text
    assert "The report is being made" in text


def test_each_gets_the_own_sales_and_none_of_anothers(office, browse, shop, sold):
    made(office, shop, browse(ADMIN))
    north = browse(NORTH_SUPERVISOR)
    assert "report-lines" not in north.get(REPORT, query_string=ASKED).text
    made(office, shop, north)
    assert lines(page(north, **ASKED))["Total"][4] == "13.00"


def test_figures_made_for_another_place_are_not_shown_any_more(office, browse, shop, sold):
    north = browse(NORTH_SUPERVISOR)
    job = made(office, shop, north)

    def elsewhere(session):
        row = session.get(Job, job.id)
        row.params = row.params | {"sight": [False, "9.9.", None]}

    shop.change(elsewhere)
    assert "report-lines" not in north.get(REPORT, query_string=ASKED).text


def test_after_an_hour_they_are_made_anew(office, browse, shop, sold):
    browser = browse(ADMIN)
    job = made(office, shop, browser)

    def older(session):
        session.get(Job, job.id).made_at -= making.KEPT

    shop.change(older)
    assert "report-lines" not in browser.get(REPORT, query_string=ASKED).text


def test_what_sums_answer_needs_no_job(browse, shop, sold):
    browser = browse(ADMIN)
    shown = lines(page(browser, **ASKED | {"by": "tariff"}))
    assert shown["Total"][4] == "19.00"
    assert browser.post(f"{REPORT}make?from=2026-03-01&to=2026-03-31&by=tariff").status_code == 302
    assert not shop.rows(Job)


def test_the_period_before_is_read_too_where_no_sums_answer_it(office, browse, shop, sold):
    query = f"{QUERY}&product=1".replace("2026-03-01", "2026-03-17").replace("03-31", "03-17")
    assert made(office, shop, browse(ADMIN), query).total == 3
    days = query.replace("2026-03-17", "2026-03-18")
    assert made(office, shop, browse(ADMIN), days).total == 3


def test_its_file_is_made_in_the_background(browse, shop, sold):
    answer = browse(ADMIN).post(f"{REPORT}export/csv?{QUERY}")
    (job,) = shop.rows(Job)
    assert (job.kind, answer.location) == ("export", f"/jobs/show/{job.id}")


def test_who_may_not_follow_jobs_waits_for_it(browse, shop, sold, monkeypatch):
    monkeypatch.setattr("vmsapp.views.reports.making.may_wait", lambda: False)
    assert lines(page(browse(ADMIN), **ASKED))["Total"][4] == "19.00"


def test_a_job_that_failed_says_why_and_can_be_asked_for_again(
    office, browse, shop, sold, monkeypatch
):
    browser = browse(ADMIN)
    with monkeypatch.context() as patch:
        patch.setattr(making, "sales_report", breaks)
        with pytest.raises(RuntimeError):
            made(office, shop, browser)
    text = main_part(browser.get(REPORT, query_string=ASKED).text)
    assert "Make the report" in text
    made(office, shop, browser)
    assert lines(page(browser, **ASKED))["Total"][4] == "19.00"


def test_too_many_days_are_refused(browse, shop, sold):
    query = QUERY.replace("2026-03-01", "2026-02-01")
    answer = browse(ADMIN).post(f"{REPORT}make?{query}")
    assert answer.status_code == 422
    assert str(sources.CrossingTooLong.message) in said(answer.text)
    assert not shop.rows(Job)

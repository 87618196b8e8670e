"""The page of all reports: to each reader the own ones, and each of them opens."""

import pytest

from tests.factories import AUDITOR, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, ENGINEER, LANGUAGES, NEWCOMER, main_part
from tests.web.records import read
from vmsapp.views.reports.index import SHELF


def offered(browser):
    """Names of the reports on the page, with their addresses."""
    found = read(main_part(browser.get("/reports/").text)).all("a", "offer")
    return {one.all("strong")[0].text: one["href"] for one in found}


@pytest.mark.parametrize("who", [ADMIN, AUDITOR, SUPERVISOR, OPERATOR, ENGINEER])
def test_every_report_on_the_page_opens(browse, utility, who):
    browser = browse(who)
    reports = offered(browser)
    for name, url in reports.items():
        answer = browser.get(url, follow_redirects=True)
        assert answer.status_code == 200, (who, name)


def test_reports_stand_there_for_who_may_open_them(browse, utility):
    everything = offered(browse(ADMIN))
    assert len(everything) == sum(len(entries) for entries in SHELF.values())
    assert "Sales report" in everything
    assert "Sales report" not in offered(browse(ENGINEER))
    assert browse(NEWCOMER).get("/reports/").status_code == 403


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_report_says_what_it_answers(browse, utility, language):
    page = read(main_part(browse(ADMIN, language).get("/reports/").text))
    told = [one.all("span", "muted")[0].text for one in page.all("a", "offer")]
    assert len(set(told)) == len(told)
    english = {sentence for entries in SHELF.values() for _name, sentence in entries}
    assert (set(told) <= english) == (language == "en")

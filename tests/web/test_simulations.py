"""A plan tried over real sales in the browser: asked for, run, stopped, gone on with, read."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest

from tests.factories import (
    LEGACY_11,
    MARKET,
    MONEY,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
)
from tests.web.importing import work
from tests.web.office import ADMIN, LANGUAGES, main_part, said
from tests.web.records import read
from vmsapp.models import AuditEvent, Job, JobState, Meter, Sale, TariffPlan, TariffSimulation
from vmsapp.services.job_runs import Cancelled, Work
from vmsapp.services.tariffs import rules_text, simulating
from vmsapp.services.tariffs.simulation_sums import Sums
from vmsapp.tariffs.plan import Plan, Step

DRAFT = Plan(
    "Draft",
    (
        Step(Decimal(0), Decimal(60), Decimal("0.05"), Decimal(0)),
        Step(Decimal(60), None, Decimal("0.20"), Decimal(0)),
    ),
    None,
)


@pytest.fixture
def plan(shop):
    """Sold flat at 0.10; from June on 0.05 up to 60 units a month, then 0.20."""
    shop.sell(LEGACY_11, units="50")
    shop.sell(LEGACY_11, units="30")  # 8.00, would be 7.00
    shop.sell(STS6_11, units="20")  # 2.00, would be 1.00
    shop.sell(SOUTHERN, units="160", point=MARKET, by=SOUTH_OPERATOR)  # 16.00, would be 23.00
    (meter,) = shop.rows(Meter, Meter.id == shop.utility.meters[LEGACY_11])
    shop.change(lambda session: session.add(TariffPlan(
        tariff_id=meter.tariff_id, name="Draft", effective_on=date(2026, 6, 1),
        rules=rules_text(DRAFT, MONEY),
    )))  # fmt: skip
    (row,) = shop.rows(TariffPlan, TariffPlan.name == "Draft")
    return row


@pytest.fixture
def ask(browse, plan, shop):
    """Ask for a simulation; gives where it is."""

    def do(**more):
        page = f"/tariffs/{plan.tariff_id}/plans/{plan.id}/simulate"
        wanted = {"month": "2026-03-01", "tariff": plan.tariff_id, "basis": "units"} | more
        answer = browse(ADMIN).post(page, wanted)
        assert answer.status_code == 302, said(answer.text)
        return answer.location

    return do


@pytest.fixture
def one_place_at_once(monkeypatch):
    monkeypatch.setattr(simulating, "PLACES", 1)


def tables(browser, path):
    """Tables of a page by their heading, each a list of rows."""
    page = read(browser.get(path).text)
    found = {}
    for table in page.all("table"):
        box = table.parent
        titles = [one for one in page.all("h2") if one.get("id") == box.get("aria-labelledby")]
        for title in titles:
            found[title.text] = [
                [cell.text for cell in row.all("th") + row.all("td")]
                for row in table.one("tbody").all("tr")
            ]
    return found


def test_a_plan_is_tried_and_its_result_kept_with_it(office, browse, shop, plan, ask):
    where = ask()
    (job,) = shop.rows(Job)
    assert "Waiting for a worker" in browse(ADMIN).get(where).text
    done = work(office, job.id)
    assert (done.state, done.done) == (JobState.DONE, done.total)
    admin = browse(ADMIN)
    found = tables(admin, where)
    (total,) = found["Together"]
    assert total[1:7] == ["3", "4", "26.00 USD", "31.00 USD", "5.00 USD", "+19.2%"]
    assert total[-2:] == ["2", "1"]
    assert [row[:6] for row in found["By monthly units of a place"]] == [
        ["up to 60 kWh", "1", "1", "2.00 USD", "1.00 USD", "-1.00 USD"],
        ["more than 60 kWh", "2", "3", "24.00 USD", "30.00 USD", "6.00 USD"],
    ]  # fmt: skip
    assert [row[-1] for row in found["Lose most"]] == ["7.00 USD"]
    assert [row[-1] for row in found["Win most"]] == ["-1.00 USD"] * 2
    plan_page = tables(admin, f"/tariffs/{plan.tariff_id}/plans/{plan.id}")
    assert [row[0] for row in plan_page["Tried over real sales"]] == ["March 2026"]
    (noted,) = shop.rows(AuditEvent, AuditEvent.action == "tariff_plan.simulated")
    assert noted.actor_name == ADMIN
    assert shop.count(Sale) == 4
    for language in LANGUAGES:
        assert browse(ADMIN, language).get(where).status_code == 200


def test_a_plan_edited_since_is_told(office, browse, shop, plan, ask):
    where = ask()
    work(office, shop.rows(Job)[0].id)
    warning = "The plan was edited since"
    assert warning not in browse(ADMIN).get(where).text
    cheaper = rules_text(Plan("Draft", DRAFT.steps[:1], None), MONEY)
    shop.change(lambda s: s.get_one(TariffPlan, plan.id).__setattr__("rules", cheaper))
    assert warning in browse(ADMIN).get(where).text


@pytest.mark.usefixtures("one_place_at_once")
def test_one_that_is_stopped_shows_what_was_tried_and_goes_on_there(
    office, browse, shop, ask, monkeypatch
):
    where = ask()
    (job,) = shop.rows(Job)
    seen = []

    def stop(self, _session):
        seen.append(self.done)
        if len(seen) == 3:
            raise Cancelled

    monkeypatch.setattr(Work, "stop_if_asked", stop)
    assert work(office, job.id).state == JobState.CANCELLED
    (half,) = shop.rows(TariffSimulation)
    assert (half.kept["walked"], half.finished_at) == (2, None)
    assert "It did not get through" in browse(ADMIN).get(where).text
    monkeypatch.setattr(Work, "stop_if_asked", lambda _self, _session: None)
    browse(ADMIN).post(f"/jobs/retry/{job.id}")
    assert work(office, job.id).state == JobState.DONE
    (whole,) = shop.rows(TariffSimulation)
    assert whole.finished_at is not None
    total = Sums.of(whole.kept).total
    assert (total.places, total.sales, total.real_minor, total.draft_minor) == (3, 4, 2600, 3100)


def test_no_more_is_held_however_many_sales_there_are(office, shop, ask, monkeypatch):
    """Of each part some rows, of all before them sums alone."""
    monkeypatch.setattr(simulating, "SALES", 1)
    monkeypatch.setattr(simulating, "PLACES", 2)
    held = []
    closed = Sums.close

    def counted(self, *args):
        closed(self, *args)
        held.append(self.held)

    monkeypatch.setattr(Sums, "close", counted)
    monkeypatch.setattr("vmsapp.services.tariffs.simulation_sums.MOST_NAMED", 1)
    ask()
    work(office, shop.rows(Job)[0].id)
    assert len(held) == 3
    assert max(held) == 2  # the one that wins most, and the one that loses most


def test_the_result_as_a_file_is_exact_and_on_record(office, browse, shop, ask):
    where = ask()
    work(office, shop.rows(Job)[0].id)
    answer = browse(ADMIN).post(f"{where}/export/csv")
    rows = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert rows[0][4:7] == ["Paid (USD)", "Under the plan (USD)", "Difference (USD)"]
    assert rows[1] == ["All", "All", "3", "4", "26.00", "31.00", "5.00", "260.000", "260.000", "2",
                       "1"]  # fmt: skip
    assert {row[0] for row in rows[1:]} == {
        "All", "By monthly units", "By product", "What it is made of", "Win most", "Lose most",
    }  # fmt: skip
    assert shop.count(AuditEvent, AuditEvent.action == "tariff_plan.simulation_exported") == 1


def test_who_may_not_or_does_not_see_it_is_answered_so(office, browse, shop, plan, ask):
    where = ask(region=shop.utility.regions["south"].id)
    work(office, shop.rows(Job)[0].id)
    assert browse(OPERATOR).get(where).status_code == 403
    page = f"/tariffs/{plan.tariff_id}/plans/{plan.id}/simulate"
    assert browse(OPERATOR).get(page).status_code == 403
    admin = browse(ADMIN)
    assert admin.get(f"/tariffs/{plan.tariff_id}/simulations/999999").status_code == 404
    (total,) = tables(admin, where)["Together"]
    assert total[3] == "16.00 USD"
    refused = admin.post(page, {"month": "2026-13-01", "tariff": plan.tariff_id, "basis": "units"})
    assert refused.status_code == 422


def test_a_month_without_sales_says_so(office, browse, shop, ask):
    where = ask(month="2026-02-01")
    work(office, shop.rows(Job)[0].id)
    assert "No sale was found" in main_part(browse(ADMIN).get(where).text)

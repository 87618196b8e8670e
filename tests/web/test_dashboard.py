"""The first page of who does not sell: the day's figures, as far as one's group sees them."""

from sqlalchemy import update

from tests.factories import AUDITOR, DOMESTIC, LEGACY_11, LEGACY_13, NOW, OPERATOR
from tests.faults import request_lost
from tests.web.office import ADMIN, NEWCOMER, main_part, statements
from tests.web.records import read
from tests.web.test_statements import told
from vmsapp.extensions import db
from vmsapp.models import Installation


def test_who_has_no_vending_point_begins_with_the_figures_of_the_day(browse, shop):
    assert browse(ADMIN).get("/").location == "/dashboard/"
    assert browse(AUDITOR).get("/").location == "/dashboard/"


def test_who_sells_at_a_vending_point_begins_at_the_counter_and_may_look(browse, shop):
    browser = browse(OPERATOR)
    assert browser.get("/").location == "/counter/"
    assert browser.get("/dashboard/").status_code == 200


def test_the_page_says_what_was_sold_and_leads_to_it(browse, shop):
    shop.sell(LEGACY_11, units="100")
    page = browse(ADMIN).get("/dashboard/").text
    assert "10.00 USD" in page
    assert "1 sale" in page
    assert "/sales/list/?sold_from=2026-03-17&amp;sold_to=2026-03-17" in page
    assert "12:00" in page


def test_sales_that_want_looking_at_are_counted_and_led_to(browse, shop, module):
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    page = read(browse(ADMIN).get("/dashboard/").text)
    lines = {one.one("dt").text: one.one("dd").text for one in page.all("div") if one.all("dt")
             and len(one.all("dt")) == 1}  # fmt: skip
    assert (lines["Sales being settled"], lines["Sales failed today"]) == ("1", "0")
    assert (lines["Meters that stopped buying"], lines["Findings to look at"]) == ("0", "0")
    stopped = "/revenue-findings/list/?rule=stopped&state=due"
    leads = {link.get("href") for link in page.all("a")}
    assert {"/sales/list/?state=pending", stopped} <= leads


def test_it_says_that_nothing_is_sold_since_something_was_restored(browse, shop):
    def stand(since):
        shop.change(lambda session: session.execute(
            update(Installation).values(standstill_since=since, standstill_why=since and "told")
        ))  # fmt: skip

    admin, operator = browse(ADMIN), browse(OPERATOR)
    said = "run “flask vms after-restore”"
    assert said not in admin.get("/dashboard/").text
    stand(NOW)
    page = admin.get("/dashboard/now").text
    assert said in page
    assert '<a href="/restored/list/">After a restore</a>' in page
    page = operator.get("/dashboard/now").text
    assert (said in page, "/restored/list/" in page) == (True, False)
    stand(None)
    assert said not in admin.get("/dashboard/").text


def test_the_figures_alone_are_answered_anew(browse, shop):
    browser = browse(ADMIN)
    before = browser.get("/dashboard/now").text
    shop.sell(LEGACY_11, units="100")
    after = browser.get("/dashboard/now").text
    assert "<html" not in after
    assert ("10.00 USD" in before, "10.00 USD" in after) == (False, True)


def test_what_ones_group_does_not_see_is_not_told(browse, shop):
    shop.sell(LEGACY_11, units="100")
    page = browse(OPERATOR).get("/dashboard/").text
    assert "Security modules" not in main_part(page)
    assert "Jobs" not in main_part(page)
    assert "stopped buying" not in main_part(page)
    assert "10.00 USD" in main_part(page)
    assert browse(NEWCOMER).get("/dashboard/").status_code == 403


def test_it_asks_the_database_little_however_much_was_sold(browse, shop, office):
    browser = browse(ADMIN)
    with office.app_context():
        engine = db.engine
    browser.get("/dashboard/")
    with statements(engine) as first:
        browser.get("/dashboard/")
    for meter in (LEGACY_11, LEGACY_13, DOMESTIC):
        shop.sell(meter, units="10")
    with statements(engine) as then:
        browser.get("/dashboard/")
    assert len(then) == len(first), told(then)

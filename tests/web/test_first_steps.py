"""A new administrator is led through what is missing; nobody else is."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from tests import factories
from tests.factories import AUDITOR, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, ENGINEER, main_part, statements
from tests.web.records import links, read, rows
from vmsapp.extensions import db
from vmsapp.models import (
    Meter,
    OfficeUser,
    Setup,
    TariffPlan,
    VendingKey,
)
from vmsapp.models.base import Model
from vmsapp.views.help import first_steps

KEPT = ("ab_", "alembic", "installation", "audit", "user_session", "security_module")
"""Beginnings of the names of tables that are filled from the start."""


@pytest.fixture
def lacking(shop):
    """The utility without its settings and its keys."""

    def deed(session):
        for model in (Setup, VendingKey):
            session.execute(delete(model))

    shop.change(deed)
    return shop


def test_an_administrator_is_led_to_what_is_missing(browse, lacking):
    assert browse(ADMIN).get("/").location == "/first-steps/"


def test_nobody_is_led_there_once_all_is_there(browse, shop):
    assert browse(ADMIN).get("/").location == "/dashboard/"


@pytest.mark.parametrize("who", [SUPERVISOR, OPERATOR, ENGINEER, AUDITOR])
def test_who_cannot_do_them_never_sees_the_steps(browse, lacking, who):
    browser = browse(who)
    begins = "/counter/" if who == OPERATOR else "/dashboard/"
    assert browser.get("/").location == begins
    assert browser.get(begins).status_code == 200
    assert browser.get("/first-steps/").status_code == 403


def test_the_steps_stand_in_the_order_of_the_manual_with_what_is_there(browse, lacking):
    steps = rows(read(browse(ADMIN).get("/first-steps/").text))
    told = [(name.split(" ", 1)[1], state, count) for name, state, count, _deed in steps]
    assert [(name[:10], state, count) for name, state, count in told] == [
        ("RegionWho ", "done", "3"), ("Product *T", "done", "3"), ("Vending po", "done", "2"),
        ("TariffWhat", "done", "3"), ("Security m", "next", "0"), ("SetupName,", "later", "0"),
        ("Consumer *", "done", "15"), ("Meter *A t", "done", "17"),
    ]  # fmt: skip


def test_each_step_leads_to_where_it_is_done(browse, lacking):
    page = read(browse(ADMIN).get("/first-steps/").text)
    links = [link["href"] for link in page.one("tbody").all("a")]
    assert "/products/list/" in links
    assert "/vending-points/list/" in links
    assert "/setup/" in links
    assert "/modules/list/" in links
    browser = browse(ADMIN)
    assert all(browser.get(link).status_code in {200, 302} for link in links)


@pytest.fixture
def priceless(lacking):
    """The same without tariff plans."""
    lacking.change(lambda session: session.execute(delete(TariffPlan)))
    return lacking


def test_a_tariff_without_a_plan_is_a_step_that_is_done_in_the_list(browse, shop):
    shop.change(lambda session: session.execute(delete(TariffPlan)))
    admin = browse(ADMIN)
    page = read(admin.get("/first-steps/").text)
    assert [link["href"] for link in page.all("a") if link["href"] == "/tariffs/list/"]
    assert 'href="/first-steps/"' in admin.get("/tariffs/list/").text  # and the way back


def test_a_meter_that_waits_for_its_tariff_is_a_step_that_is_done_in_the_list(browse, shop):
    shop.change(lambda session: session.execute(update(Meter).values(tariff_id=None)))
    admin = browse(ADMIN)
    assert admin.get("/").location == "/first-steps/"
    page = admin.get("/first-steps/").text
    assert "Open a meter, give it a tariff, and bind it to a consumer." in page
    assert read(page).one("a", "btn-primary")["href"] == "/meters/list/"


def test_a_step_whose_page_is_not_there_says_so(browse, priceless, monkeypatch):
    elsewhere = replace(first_steps.WORDS["tariff"], view="Nowhere")
    monkeypatch.setitem(first_steps.WORDS, "tariff", elsewhere)
    page = main_part(browse(ADMIN).get("/first-steps/").text)
    assert page.count("Comes with a later version.") == 1
    assert "Some steps have no page in this version yet." in page
    assert "make run" in page


def test_all_done_is_said(browse, shop):
    page = main_part(browse(ADMIN).get("/first-steps/").text)
    assert "Everything is there" in page
    assert "no page in this version" not in page
    assert "later version" not in page


@pytest.fixture
def new(browse, shop):
    """An administrator of a utility that has nothing yet."""

    def deed(session):
        session.execute(update(OfficeUser).values(region_id=None, vending_point_id=None))
        for table in reversed(Model.metadata.sorted_tables):
            if not table.name.startswith(KEPT):
                session.execute(delete(table))

    shop.change(deed)
    return browse(ADMIN)


def test_a_step_that_waits_for_another_says_for_which(new):
    page = read(new.get("/first-steps/").text)
    deeds = [row[3] for row in rows(page)]
    assert deeds[:3] == ["Do it Region", "Do it Product", "Do step 1 first: Region."]
    assert deeds[5] == "Do it Setup"
    assert page.one("a", "btn-primary")["href"] == "/regions/"


def test_the_list_is_led_back_to_from_the_screens_of_its_steps(new):
    way_back = "Back to the first steps"
    assert way_back not in new.get("/regions/").text, "nobody came from there"
    assert way_back not in new.get("/first-steps/").text
    for path in ("/regions/add", "/regions/", "/products/add", "/products/list/", "/users/add",
                 "/vending-points/list/", "/setup/begin", "/roles/list/"):  # fmt: skip
        assert links(read(new.get(path).text))[way_back] == "/first-steps/", path
    answer = new.post("/regions/add", {"name": "Meridia"}, follow_redirects=True)
    assert way_back in answer.text
    for path in ("/audit/list/", "/sessions/", "/counter/"):
        assert way_back not in new.get(path).text, path


@pytest.mark.parametrize("way", ["/", "/first-steps/"])
def test_the_way_back_is_gone_once_all_is_done(browse, shop, way):
    shop.change(lambda session: session.execute(delete(Setup)))
    browser = browse(ADMIN)
    browser.get("/first-steps/")
    assert "Back to the first steps" in browser.get("/products/list/").text
    shop.change(factories.add_setup)
    browser.get(way)
    assert "Back to the first steps" not in browser.get("/products/list/").text


def test_the_people_who_sell_are_added_from_the_list(new):
    assert links(read(new.get("/first-steps/").text))["Add user"] == "/users/add"


def test_the_list_in_use_costs_no_statement_on_other_pages(new, office):
    counts = []
    with office.app_context():
        engine = db.engine
    for path in ("/products/list/", "/first-steps/", "/products/list/"):
        new.get(path)
        with statements(engine) as seen:
            new.get(path)
        counts.append(len(seen))
    assert counts[0] == counts[2]


# what else a new instance shows


@pytest.mark.parametrize("path", [
    "/counter/", "/counter/open", "/sales/list/", "/consumers/list/", "/meters/list/", "/regions/",
    "/products/list/", "/vending-points/list/", "/users/list/", "/users/add", "/roles/list/",
    "/audit/list/", "/clock/", "/licence/", "/_parts/", "/floats/list/", "/users/userinfo/",
])  # fmt: skip
def test_every_page_answers_before_the_utility_is_set_up(new, path):
    assert new.get(path).status_code == 200


def test_the_specimen_form_says_that_money_needs_a_currency(new):
    form = {"name": "x", "amount": "5.00", "quantity": "1", "kind": "gas", "sure": "y"}
    answer = new.post("/_parts/", form)
    assert answer.status_code == 422
    assert "The utility is not set up yet." in answer.text


@pytest.mark.parametrize("name", ["consumers", "meters"])
def test_an_empty_list_says_once_that_it_is_empty(new, name):
    page = main_part(new.get(f"/{name}/list/").text)
    assert page.count("Nothing here yet") == 1
    assert page.count("are listed here once they are added") == 1

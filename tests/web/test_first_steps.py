"""A new administrator is led through what is missing; nobody else is."""

import pytest
from sqlalchemy import delete

from tests.factories import AUDITOR, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, ENGINEER, main_part
from tests.web.records import read, rows
from vmsapp.models import Setup, VendingKey


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
    assert browse(ADMIN).get("/").location == "/counter/"


@pytest.mark.parametrize("who", [SUPERVISOR, OPERATOR, ENGINEER, AUDITOR])
def test_who_cannot_do_them_never_sees_the_steps(browse, lacking, who):
    browser = browse(who)
    assert browser.get("/").location == "/counter/"
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
    browser = browse(ADMIN)
    assert all(browser.get(link).status_code in {200, 302} for link in links)


def test_a_step_whose_page_is_not_there_says_so(browse, lacking):
    page = main_part(browse(ADMIN).get("/first-steps/").text)
    assert "There is no page for this yet" in page


def test_all_done_is_said(browse, shop):
    page = main_part(browse(ADMIN).get("/first-steps/").text)
    assert "Everything is there" in page
    assert "There is no page" not in page

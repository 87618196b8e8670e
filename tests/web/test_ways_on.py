"""Where nothing can be done the page leads on, and every page says in its title what it is."""

import re

import pytest
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import update

from tests.factories import LEGACY_11, NOW, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN
from tests.web.records import links, read
from vmsapp.models import Consumer, Meter, MeterInstallation, SecurityModule


def test_a_meter_without_a_tariff_leads_from_the_counter_to_its_record(browse, shop):
    number = shop.utility.meters[LEGACY_11]
    shop.change(lambda session: session.execute(update(Meter).values(tariff_id=None)))
    page = browse(SUPERVISOR).get(f"/counter/meter/{number}", follow_redirects=True).text
    assert "Give it one before selling" in page
    assert f"/meters/show/{number}" in links(read(page)).values()


def test_who_may_not_see_meters_is_not_led_there(browse, shop):
    number = shop.utility.meters[LEGACY_11]
    shop.change(lambda session: session.execute(update(Meter).values(tariff_id=None)))

    def forbid(session):
        role = session.query(Role).where(Role.name == "Operator").one()
        role.permissions = [
            one for one in role.permissions
            if (one.permission.name, one.view_menu.name) != ("can_show", "Meters")
        ]  # fmt: skip

    shop.change(forbid)
    page = browse(OPERATOR).get(f"/counter/meter/{number}", follow_redirects=True).text
    assert "Give it one before selling" in page
    assert f"/meters/show/{number}" not in page


@pytest.mark.parametrize(("path", "title"), [
    ("/modules/import/{module}", "Load a key file into"), ("/modules/retire/{module}", "Retire"),
    ("/meters/{meter}/bind", "Bind meter"), ("/meters/{meter}/swap", "Swap meter"),
])  # fmt: skip
def test_the_title_says_what_the_page_is(browse, shop, path, title):
    module, meter = shop.rows(SecurityModule)[0].id, shop.utility.meters[LEGACY_11]
    page = browse(ADMIN).get(path.format(module=module, meter=meter)).text
    assert re.search(f"<title>{title} ", page)


@pytest.mark.parametrize(("deed", "asked", "said"), [
    ("swap", "", "All meters of this type are bound. Register the new one first."),
    ("swap", "999", "No unbound meter of this type has that in its number."),
    ("bind", "", "No consumer is in use here. Register one first."),
    ("bind", "999", "No consumer here has that in number or name."),
])  # fmt: skip
def test_a_search_that_was_not_made_is_not_what_found_nothing(browse, shop, deed, asked, said):
    number = shop.utility.meters[LEGACY_11]

    def empty(session):
        session.execute(update(Meter).where(Meter.id != number).values(state="retired"))
        session.execute(update(Consumer).values(retired_at=NOW))
        if deed == "bind":
            session.execute(update(MeterInstallation).values(removed_at=NOW))

    shop.change(empty)
    assert said in browse(ADMIN).get(f"/meters/{number}/{deed}?q={asked}").text

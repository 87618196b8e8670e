"""Where nothing can be done the page leads on, and every page says in its title what it is."""

import re

import pytest
from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import update

from tests.factories import LEGACY_11, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN
from tests.web.records import links, read
from vmsapp.models import Meter, SecurityModule


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
])  # fmt: skip
def test_the_title_says_what_the_page_is(browse, shop, path, title):
    module = shop.rows(SecurityModule)[0].id
    page = browse(ADMIN).get(path.format(module=module)).text
    assert re.search(f"<title>{title} ", page)

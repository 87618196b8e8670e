"""No page of the product takes more than a few SQL statements, for whoever may open it."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from tests import factories
from tests.factories import DOMESTIC, LEGACY_11, OPERATOR
from tests.faults import request_lost
from tests.web.office import ADMIN, Browser, statements
from tests.web.records import ids, read, views_of
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import (
    Consumer,
    OfficeUser,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    SavedReport,
    VendingPoint,
)

LIBRARYS_OWN = pytest.mark.filterwarnings("ignore:Passing SelectField choices:DeprecationWarning")
"""The page of parts lists choices in a way that the forms' library will drop."""

NO_PAGES = {"static", "appbuilder.static"}
ALSO = ["/?_l_=fr", "/resetpassword/form?pk=3", "/counter/?q=0700",
        "/palette/?q=0700", "/palette/look?q=mwangi", "/palette/look?q=meter",
        "/meters/list/?q=0700&state=active",
        "/meters/list/?sort=-state&after=3", "/consumers/list/?retired=no&q=1&last=",
        "/sales/list/?sold_from=2026-01-01&state=issued&before=1", "/nowhere"]  # fmt: skip
"""Pages that no rule names: narrowed, turned, not found."""


VALUES: dict[str, object] = {
    "locale": "en", "debt_id": 1, "delivery_id": 1, "change_id": 1,
    "section": "currency", "plan_id": 1, "simulation_id": 1, "digest": "none",
    "sheet": "consumers", "way": "pay-in", "hold": "block", "move": "activate",
    "consumer_id": 1, "action": "float.pay_in", "row_id": 1,
    "algorithm": "sts6", "code": "stopped", "function": "clear_tamper",
    "chapter": "counter", "language": "en", "figure": "sold", "bearer_id": 1,
    "number": LEGACY_11, "id": 1, "key": "1-0123456789abcdef",
}  # fmt: skip
"""What stands in addresses, besides the ids of a meter and of a sale."""


def _keep_reports(session, author: int) -> None:
    """Reports that were kept and sent to several people, several times."""
    for name in ("One", "Two", "Three"):
        of_them = {"actor_id": author, "made_at": factories.NOW}
        kept = SavedReport(report="sales_report", name=name, query="period=today", **of_them)
        session.add(kept)
        session.flush()
        row = ReportSchedule(saved_id=kept.id, every="day", hour=6, kind="csv", zone="UTC",
                             state="paused", **of_them)  # fmt: skip
        session.add(row)
        session.flush()
        of_it = {"actor_id": author, "schedule_id": row.id}
        moments = dict.fromkeys(("made_at", "state_at", "due_at"), factories.NOW)
        for user in session.scalars(select(OfficeUser)):
            session.add(ReportRecipient(user_id=user.id, **of_it))
            for hours in range(3):
                at = factories.NOW + timedelta(hours=hours)
                session.add(ReportSending(user_id=user.id, for_at=at, **of_it, **moments))


@pytest.fixture
def busy(shop, module, utility, people):
    """Sales, one of them open, and more rows wherever a page could ask once a row."""
    sales = [shop.sell(units=str(10 + number)) for number in range(3)]
    module.once("issue_credit", request_lost)
    sales.append(shop.sell(DOMESTIC))

    def add(session):
        north = utility.regions["north"]
        for number in range(4):
            region = factories.add_region(session, f"Town {number}", north)
            factories.add(session, VendingPoint(name=f"Point {number}", region_id=region.id))
            factories.add(session, Consumer(number=f"T{number}", name="Town", region_id=region.id))
            factories.add_user(session, f"clerk {number}", region=region)
        _keep_reports(session, people[ADMIN].id)

    shop.change(add)
    return sales


def addresses(app: Flask, browser: Browser, values: dict[str, object]) -> Iterator[str]:
    """An address of every page that takes a GET; for records, of every one on a list."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in NO_PAGES:
            continue
        for known in rows_of(app, browser, rule) or [values]:
            yield adapter.build(
                rule.endpoint, {name: (values | known)[name] for name in rule.arguments}
            )
    yield from ALSO


def rows_of(app: Flask, browser: Browser, rule: Rule) -> list[dict[str, object]]:
    """The records a rule could be asked for."""
    if "pk" not in rule.arguments:
        return []
    named = rule.endpoint.partition(".")[0]
    view = next((view for view in views_of(app) if view.endpoint == named), None)
    if view is None:  # a screen that is no list
        return [{"pk": 1}]
    listed = browser.get(f"{view.route_base}/list/?size=100")
    return [{"pk": number} for number in ids(read(listed.text))[:3]] or [{"pk": 1}]


@LIBRARYS_OWN
@pytest.mark.parametrize("who", [ADMIN, OPERATOR])
def test_no_page_takes_more_than_a_few_statements_or_has_an_id_twice(
    office, browse, utility, busy, who
):
    browser = browse(who)
    values = VALUES | {"meter_id": utility.meters[LEGACY_11], "sale_id": busy[0].id}
    with office.app_context():
        engine = db.engine
    too_many, twice, answered = [], set(), 0
    for path in addresses(office, browser, values):
        answered += browser.get(path).status_code == 200  # and the process is warm
        with statements(engine) as seen:
            answer = browser.get(path)
        assert answer.status_code < 500, path
        if answer.mimetype == "text/html":
            named = Counter(re.findall(r'<[a-z][^>]* id="([^"]*)"', answer.text))
            twice.update((name, path) for name, times in named.items() if times > 1)
        if len(own(seen)) > MOST:
            too_many.append(f"{path}: {told(seen)}")
    assert too_many == [], "\n\n".join(too_many)
    assert twice == set()
    assert answered > 30

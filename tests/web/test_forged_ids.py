"""The id of what one may not see, at every address that takes an id: as if it were not there.

The asker may do everything an administrator may, within the north: the scope alone
stands between him and the rest. A new route with an id is tried without a line here.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from tests.engineer import engineered
from tests.factories import MARKET, NOW, OPERATOR, SOUTH_OPERATOR, SOUTHERN, TODAY
from tests.web.office import ADMIN, NORTH_SUPERVISOR, NOWHERE, Browser, contents, main_part
from tests.web.records import views_of
from vmsapp.models import (
    ApprovalRequest,
    Campaign,
    Consumer,
    Delivery,
    ImportBatch,
    Job,
    JournalFinding,
    KeyChange,
    Meter,
    OfficeUser,
    ReportSchedule,
    RevenueFinding,
    Sale,
    SavedReport,
    Shift,
    UserSession,
)
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.security import sight_of

NOT_LISTS = {
    "Counter.meter_id": Meter, "Counter.sale_id": Sale, "Printing.sale_id": Sale,
    "Sending.sale_id": Sale, "Sending.delivery_id": Delivery,
    "FreeTokens.meter_id": Meter,
    "Sessions.session_id": UserSession,
    "Meters.consumer_id": Consumer,
    "EngineeringTokens.meter_id": Meter,
    "SavedReports.pk": SavedReport, "ReportSchedules.pk": ReportSchedule,
    "PurchaseRecords.pk": Consumer,
}  # fmt: skip
"""What the ids of screens that are no lists mean."""

PARTS = {
    "Consumers.debt_id": "of its consumer, whose id is asked with it: test_debt_pages",
    "ReportSchedules.row_id": "of its schedule, whose id is asked with it: test_report_sending",
    "Users.bearer_id": "of its account, whose id is asked with it: test_user_bearers",
    "Meters.change_id": "of its meter, whose id is asked with it: test_meter_keys",
}
"""Ids that mean nothing by themselves, and where they are tried."""

EVERYBODYS = {
    "SecurityModules": "they serve every region",
    "Products": "the utility's products are the same everywhere",
    "Tariffs": "so are its tariffs with their plans",
    "UserGroups": "so are its user groups; what they hold is guarded by what one holds oneself",
    "UtilitySetup": "there is one utility",
    "LedgerProofs": "the books are proved whole",
}
"""Screens whose rows lie in no region, and why."""

ASKING = (OPERATOR, NORTH_SUPERVISOR)


@pytest.fixture
def may_everything(shop, people):
    """Two people of the north with every permission there is, and what the south has."""
    sale = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    engineered(shop, SOUTHERN, SOUTH_OPERATOR)
    campaign = Campaign(
        region_id=shop.utility.regions["south"].id, name="Far", reason="x", due_on=TODAY,
        made_at=NOW, hand_out="sheet", begun_at=NOW, state="running",
    )  # fmt: skip
    south = shop.meter(SOUTHERN)
    side = {"sgc": south.sgc, "krn": south.krn, "kt": 2, "ti": "01", "base_date": "14",
            "ken": 255, "dkga": "02"}  # fmt: skip
    change = KeyChange(
        meter_id=south.id, meter_pan=south.meter_pan, state="confirmed", form_key="far",
        body_hash="0" * 64, reason="x", ea=7, tct=2, three_tokens=False, table_set="production",
        request_id="far", module_id=shop.utility.module_id, reserved_at=NOW,
        **{f"{which}_{name}": value for which in ("old", "new") for name, value in side.items()},
    )  # fmt: skip
    asked = ApprovalRequest(
        action="float.pay_in", params={}, hash="0" * 64, key="1-x", asked_by_id=people[ADMIN].id,
        made_at=NOW, expires_at=NOW + timedelta(days=1),
        vending_point_id=shop.utility.points[MARKET],
    )  # fmt: skip

    found = JournalFinding(
        module_id=shop.utility.module_id, kind="not_sold", request_id="beside-1", found_at=NOW
    )

    shift = Shift(
        vending_point_id=shop.utility.points[MARKET], key="s", currency="USD", exponent=2,
        operator_id=people[SOUTH_OPERATOR].id, opened_at=NOW, opening_minor=0,
    )  # fmt: skip

    sent = Delivery(
        sale_id=sale.id, vending_point_id=sale.vending_point_id, consumer_id=sale.consumer_id,
        channel="sms", language="en", nth=None, reference="r", to_masked="", state="failed",
        asked_by_id=people[SOUTH_OPERATOR].id, asked_at=NOW, state_at=NOW, due_at=NOW,
    )  # fmt: skip

    kept = SavedReport(
        report="sales_report", name="Far", query="", made_at=NOW,
        actor_id=people[SOUTH_OPERATOR].id,
    )  # fmt: skip

    lost = RevenueFinding(
        rule="stopped", subject=f"meter {south.id}", meter_id=south.id, facts={}, found_at=NOW
    )

    def promote(session):
        session.add_all([asked, found, shift, sent, campaign, kept, lost])
        session.flush()
        session.add(ReportSchedule(
            saved_id=kept.id, every="day", hour=6, kind="csv", zone="UTC", made_at=NOW,
            state="paused", actor_id=people[SOUTH_OPERATOR].id,
        ))  # fmt: skip
        change.campaign_id = campaign.id
        session.add(change)
        role = session.scalars(select(Role).where(Role.name == "Administrator")).one()
        for user in session.scalars(select(OfficeUser).where(OfficeUser.username.in_(ASKING))):
            user.roles = [role]

    shop.change(promote)

    def ask_for_more(session):
        job = Job(kind="import.check", params={"batch_id": 1}, actor_id=people[ADMIN].id,
                  made_at=NOW, queued_at=NOW)  # fmt: skip
        session.add(job)
        session.flush()
        session.add(ImportBatch(
            kind="consumers", state="validating", file_name="a.xlsx", sha256="0" * 64, size=1,
            actor_id=people[ADMIN].id, made_at=NOW, job_id=job.id,
        ))  # fmt: skip

    shop.change(ask_for_more)


def taking_an_id(office: Flask) -> Iterator[tuple[Rule, str, str]]:
    """Every route with the id of a row: the route, its screen, the id's name."""
    for rule in office.url_map.iter_rules():
        for name in rule.arguments:
            if f"<int:{name}>" in rule.rule:
                yield rule, str(rule.endpoint).partition(".")[0], name


def hidden_ids(shop, model: type, who: OfficeUser) -> list[int]:
    """Ids of rows there are, and which somebody does not see; of sessions, other people's."""
    everything = select(model.id).order_by(model.id)
    with shop.session() as session:
        with seen_by(SYSTEM):
            if model is UserSession:
                return list(session.scalars(everything.where(model.user_id != who.id)))
            known = list(session.scalars(everything))
        with seen_by(Actor(who.id, who.username, sight_of(who))):
            seen = set(session.scalars(everything))
    return [number for number in known if number not in seen]


def said(answer: TestResponse, number: int) -> tuple[int | str, ...]:
    """An answer without what differs from call to call, and without the id that was asked for."""
    text = main_part(answer.text) if "<main" in answer.text else answer.text
    text = text.replace('tabindex="-1"', "")  # no number of a row
    told = (re.sub(rf"\b{number}\b", "N", one) for one in (answer.location or "", text))
    return answer.status_code, *told


def address(rule: Rule, name: str, number: int) -> str:
    path = rule.rule.replace(f"<int:{name}>", str(number))
    path = re.sub(r"<any\('?([\w-]+)[^>]*>", r"\1", path)
    return path.replace("<string:name>", "can_edit").replace("<string:section>", "mail")


def ask(browser: Browser, method: str, rule: Rule, name: str, number: int) -> tuple[int | str, ...]:
    path = address(rule, name, number)
    typed = {"mode": "quantity", "value": "5", "key": "1-x", "quote": "{}", "reason": "forged"}
    got = browser.get(path, query_string=typed) if method == "GET" else browser.post(path, typed)
    return said(got, number)


@pytest.mark.parametrize("who", ASKING)
@pytest.mark.usefixtures("may_everything")
def test_an_id_of_another_scope_is_as_unknown_as_one_that_never_was(
    office, browse, shop, engine, people, who
):
    models = NOT_LISTS | {type(view).__name__: view.model for view in views_of(office)}
    browse(ADMIN)  # has a session that is not the asker's
    browser, tried = browse(who), 0
    before = contents(engine)
    for rule, screen, name in taking_an_id(office):
        if screen in EVERYBODYS or f"{screen}.{name}" in PARTS:
            continue
        hidden = hidden_ids(shop, models.get(f"{screen}.{name}", models.get(screen)), people[who])
        assert hidden, f"{rule}: nothing is hidden, so nothing is proved"
        for method in sorted({"GET", "POST"} & set(rule.methods or ())):
            unknown = ask(browser, method, rule, name, NOWHERE)
            assert unknown[0] in {302, 404}, f"{method} {rule}"
            for number in {hidden[0], hidden[-1]}:
                told = ask(browser, method, rule, name, number)
                assert told == unknown, f"{method} {rule} {number}"
                tried += 1
    assert tried > 50
    assert contents(engine) == before


@pytest.mark.parametrize("who", ASKING)
@pytest.mark.usefixtures("may_everything")
def test_ids_of_another_scope_chosen_in_a_list_are_not_touched(
    office, browse, shop, engine, people, who
):
    browser, tried = browse(who), set()
    before = contents(engine)
    for view in views_of(office):
        name = type(view).__name__
        if name in EVERYBODYS or "action_post" in view.exclude_route_methods:
            continue
        hidden = hidden_ids(shop, view.model, people[who])
        for deed in view.actions.values():
            if deed.multiple:
                chosen = {"action": deed.name, "rowid": [str(number) for number in hidden]}
                answer = browser.post(f"{view.route_base}/action_post", chosen)
                assert answer.location == f"{view.route_base}/list/", f"{name} {deed.name}"
                assert "Nothing was chosen." in browser.get(answer.location).text
                tried.add(name)
    assert "Users" in tried
    assert contents(engine) == before


@pytest.mark.usefixtures("may_everything")
def test_the_same_ids_do_something_for_who_sees_them(browse, shop, engine, people):
    hidden = hidden_ids(shop, Sale, people[OPERATOR])
    path, form = f"/counter/receipts/{hidden[0]}/print", {"nth": "1"}
    assert browse(NORTH_SUPERVISOR).post(path, form).status_code == 404
    before = contents(engine)
    assert browse(ADMIN).post(path, form).status_code < 400
    assert contents(engine) != before

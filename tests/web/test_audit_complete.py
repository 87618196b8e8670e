"""Whatever changes something leaves an event, and so does every refusal; none holds a secret."""

import io
import json
import secrets
from datetime import date

import pytest
from sqlalchemy import func, select

from tests import factories
from tests.factories import (
    AUDITOR,
    BLOCKED,
    DOMESTIC,
    EPOCH,
    HARBOUR,
    LEGACY_11,
    OPERATOR,
    THIS_MONTH,
    drn_of,
)
from tests.faults import request_lost
from tests.web.office import ADMIN, NOWHERE, PASSWORD, fields
from tests.web.records import read, sent, the_form
from tests.web.test_permissions import ACTIONS, FRAMEWORKS_OWN, MAY, call
from vmsapp.models import (
    AuditEvent,
    Consumer,
    Debt,
    ImportBatch,
    Job,
    Meter,
    Product,
    Sale,
    Tariff,
    TariffPlan,
    TariffSimulation,
    Token,
    UserSession,
    VendingPoint,
)
from vmsapp.models.base import Model
from vmsapp.scope import SYSTEM
from vmsapp.services.audit.notes import REMEMBERED, Note, Notes
from vmsapp.services.tariffs.simulation_sums import Sums
from vmsapp.services.vending import new_key

NEW_PASSWORD = "Sideways-Backward-88"
TRAIL = {"audit_event", "audit_unsealed"}
NO_BOOK = {"training_meter"}
"""What is nobody's deed: a training meter is a toy of one browser."""


def form(browser, path, **typed):
    """Fill the form of a page in and send it."""
    filled = sent(the_form(read(browser.get(path).text))) | typed
    return browser.post(path, filled)


def change_key(browser, meter):
    """Have key change tokens made."""
    path = f"/meters/{meter}/key/change"
    looked = form(browser, path, ti="07", reason="x")
    return browser.post(path, sent(the_form(read(looked.text))))


def withdraw_key(browser, meter, module):
    """Have them withdrawn while they are being made."""
    module.once("issue_key_change", request_lost)
    change_key(browser, meter)
    return browser.post(f"/meters/{meter}/key/withdraw")


def answer_key(browser, meter, answer, **said):
    """Have them made, and say what the meter did."""
    change_key(browser, meter)
    return form(browser, f"/meters/{meter}/key/{answer}", **said)


def ask_for_a_token(browser, meter, point):
    """Ask a second person for a token without money: looked at first, then sent."""
    looked = form(
        browser, f"/counter/free/{meter}", point=point, reason="compensation-outage", amount="5"
    )
    return browser.post(f"/counter/free/{meter}", sent(the_form(read(looked.text))))


def print_token(browser, meter):
    """Have a token made that manages a meter, and its slip printed."""
    made = form(browser, f"/engineering/meter/{meter}/clear_tamper", reason="x").location
    number = made.rpartition("/")[2]
    typed = fields(browser.get(f"/engineering/{number}/preview").text, "/print")
    return browser.post(f"/engineering/{number}/print", typed | {"kind": "paper"})


@pytest.fixture
def deeds(shop, module, utility, people, office, browse):
    """A deed for each route that writes: it changes something, whoever runs it."""
    sale = shop.sell()
    module.once("issue_credit", request_lost)
    open_sale = shop.sell(DOMESTIC)
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=1)
    shop.reconcile()  # it stays in doubt, and its money may be given back
    clerk = people[OPERATOR].id
    product = {"model": "EM-1", "name": "Single phase", "meter_type": "electricity",
               "manufacturer": "Makers", "manufacturer_code": "07"}  # fmt: skip

    def unused(mapped, **values):
        row = mapped(**values)
        shop.change(lambda s: s.add(row))
        return row.id

    def other_session():
        now = shop.clock()
        return unused(UserSession, user_id=people[ADMIN].id, ticket_hash=secrets.token_hex(32),
                      created_at=now, seen_at=now, device="x")  # fmt: skip

    idle = other_session()
    north = utility.regions["north"].id
    buyers = [unused(Consumer, number=f"U{n}", name="Unused", region_id=north) for n in range(4)]
    named = unused(Consumer, number="U9", name="Named", region_id=north, id_number="77")
    thing = unused(Product, **product | {"model": "EM-2"})
    point = unused(VendingPoint, name="Unused", region_id=north)
    meter = utility.meters[LEGACY_11]
    harbour = str(utility.points[HARBOUR])

    later = shop.rows(TariffPlan, TariffPlan.name == "Future")[0]
    tariff, future = later.tariff_id, f"/tariffs/{later.tariff_id}/plans/{later.id}"
    draft = unused(TariffPlan, tariff_id=tariff, name="Draft", rules=later.rules,
                   effective_on=date(2031, 1, 1))  # fmt: skip
    mistake = unused(Tariff, name="Mistake", meter_type="gas")
    simulated = unused(
        TariffSimulation, plan_id=later.id, plan_version="0" * 64, rules=later.rules,
        tariff_id=tariff, month=THIS_MONTH, basis="units", made_at=shop.clock(),
        finished_at=shop.clock(), kept=Sums("units", []).as_json(),
    )  # fmt: skip
    plan = {"name": "Dear", "effective_on": "2028-01-01", "steps-0-price": "0.5"}

    def retired_meter():
        return shop.rows(Meter, Meter.id == free[5])[0].retired_at

    def retire_one(browser):
        browser.post(f"/consumers/action/retire/{buyers[3]}")
        return shop.rows(Consumer, Consumer.id == buyers[3])[0].retired_at

    def someone(browser):
        typed = {
            "username": "walker", "first_name": "A", "last_name": "B", "group": "Operator",
            "email": "w@example.org", "region": north, "language": "", "password": PASSWORD,
        }  # fmt: skip
        return browser.post("/users/add", typed)

    def free_meters(session):
        product = session.query(Product).order_by(Product.id).first()
        return [
            factories.add_meter(
                session, serial, product=product, tariff=None, region=utility.regions["north"],
                installed=False,
            )
            for serial in range(910, 920)
        ]  # fmt: skip

    free = shop.change(free_meters)

    def an_import(state: str, job_state: str = "done", applied: int = 0) -> ImportBatch:
        job = Job(kind="import.check", params={}, state=job_state, actor_id=people[ADMIN].id,
                  made_at=shop.clock(), queued_at=shop.clock())  # fmt: skip
        shop.change(lambda s: s.add(job))
        batch = ImportBatch(
            kind="consumers", state=state, file_name="a.xlsx", stored="0" * 32, sha256="0" * 64,
            size=1, rows=applied or (0 if state == "cancelled" else 1), applied=applied,
            actor_id=people[ADMIN].id, made_at=shop.clock(), job_id=job.id,
        )  # fmt: skip
        shop.change(lambda s: s.add(batch))
        job.params = {"batch_id": batch.id}
        shop.change(lambda s: s.merge(job))
        return batch

    debt = unused(Debt, consumer_id=buyers[1], name="Unused", amount_minor=500, sum_minor=100,
                  reason="x", entered_at=shop.clock(), key="x")  # fmt: skip
    new_meter = {"number": drn_of("07", 900), "product_id": "1", "region": str(north)}

    return {
        "Meters.add": lambda b: form(b, "/meters/add", **new_meter),
        "Meters.edit": lambda b: form(b, f"/meters/edit/{free[0]}", ti="07"),
        "Meters.delete": lambda b: b.post(f"/meters/delete/{free[1]}"),
        "Meters.hold": lambda b: b.post(f"/meters/{free[0]}/block", {"reason": "x"}),
        "Meters.move": lambda b: b.post(f"/meters/{free[0]}/unblock"),
        "Meters.many_hold": lambda b: b.post(
            "/meters/many/block", {"rowid": free[5], "sure": "yes", "reason": "x"}
        ),
        "Meters.many_move": lambda b: b.post(
            "/meters/many/retire", {"rowid": free[5], "sure": "yes"}
        ),
        "Meters.undo": lambda b: b.post("/meters/undo", {"at": retired_meter().isoformat()}),
        "Meters.many_tariff": lambda b: b.post(
            "/meters/many/tariff", {"rowid": meter, "sure": "yes", "tariff": tariff}
        ),
        "Meters.bind": lambda b: b.post(
            f"/meters/{free[3]}/bind?consumer={buyers[0]}", {"place": ""}
        ),
        "Meters.bind_to": lambda b: b.post(f"/meters/bind-to/{buyers[0]}", {"rowid": free[2]}),
        "Meters.unbind": lambda b: b.post(f"/meters/{free[2]}/unbind", {"afterwards": "stock"}),
        "Meters.swap": lambda b: b.post(
            f"/meters/{free[3]}/swap?by={free[4]}", {"afterwards": "stock"}
        ),
        "EngineeringTokens.make": lambda b: form(
            b, f"/engineering/meter/{meter}/clear_tamper", reason="x"
        ),
        "EngineeringTokens.confirm": lambda b: print_token(b, free[3]),
        "TestTokens.make": lambda b: form(b, "/test-tokens/make", width="4"),
        "Meters.change_key": lambda b: change_key(b, free[6]),
        "Meters.withdraw_key": lambda b: withdraw_key(b, free[7], module),
        "Meters.confirm_key": lambda b: answer_key(
            b, free[8], "confirm", proof="test_tokens", shown_krn="1", shown_ti="07"
        ),
        "Meters.refuse_key": lambda b: answer_key(
            b, free[9], "refuse", shown_krn="1", shown_ti="01", reason="x"
        ),
        "Hints.choose": lambda b: b.post("/hints/", {"shows_hints": "yes"}),
        "Hints.read": lambda b: b.post("/hints/read", {"hint": "counter", "read": "yes"}),
        "Imports.new": lambda b: b.post(
            "/imports/new/consumers", {"file": (io.BytesIO(b"Name;Region\n"), "a.csv")}
        ),
        "Imports.apply": lambda b: b.post(f"/imports/apply/{an_import('validated').id}"),
        "Imports.check": lambda b: b.post(f"/imports/check/{an_import('cancelled').id}"),
        "Imports.undo": lambda b: b.post(f"/imports/undo/{an_import('applied', applied=1).id}"),
        "Imports.discard": lambda b: b.post(f"/imports/discard/{an_import('rejected').id}"),
        "Imports.cancel": lambda b: b.post(
            f"/imports/cancel/{an_import('validating', 'waiting').id}"
        ),
        "Imports.retry": lambda b: b.post(f"/imports/retry/{an_import('cancelled', 'failed').id}"),
        "Jobs.cancel": lambda b: b.post(
            f"/jobs/cancel/{an_import('validating', 'waiting').job_id}"
        ),
        "Jobs.retry": lambda b: b.post(f"/jobs/retry/{an_import('cancelled', 'failed').job_id}"),
        "AuthDBView.login": lambda _: browse().post(
            "/login/", {"username": OPERATOR, "password": PASSWORD}
        ),
        "AuthDBView.logout": lambda b: b.post("/logout/"),
        "AuditTrail.export": lambda b: b.post("/audit/export/csv"),
        "SalesReport.export": lambda b: b.post("/reports/sales/export/csv"),
        "TaxReport.export": lambda b: b.post("/reports/taxes/export/csv"),
        "StepReport.export": lambda b: b.post("/reports/steps/export/csv"),
        "CashReport.export": lambda b: b.post("/reports/cash/export/csv"),
        "FloatReport.export": lambda b: b.post("/reports/floats/export/csv"),
        "SecondLookReport.export": lambda b: b.post("/reports/copies-and-reversals/export/csv"),
        "FreeReport.export": lambda b: b.post("/reports/free-tokens/export/csv"),
        "KeyReport.export": lambda b: b.post("/reports/key-expiry/export/csv"),
        "PurchaseStatistics.export": lambda b: b.post("/reports/purchases/export/csv"),
        "LedgerProofs.run": lambda b: b.post("/proof/run"),
        "RevenueRules.run": lambda b: b.post("/revenue-protection/run"),
        "RevenueRules.rule": lambda b: form(
            b, "/revenue-protection/rule/stopped", number_days="45"
        ),
        "TokenJournal.export": lambda b: b.post("/journal/export/csv"),
        "TokenDesk.look": lambda b: b.post("/token-desk/look", {"digits": "1" + "0" * 19}),
        "Clock.accept": lambda b: b.post("/clock/accept", {"what": "sales", "reason": "battery"}),
        "Consumers.action": lambda b: b.post(f"/consumers/action/retire/{buyers[0]}"),
        "Consumers.action_post": lambda b: b.post(
            "/consumers/action_post", {"action": "retire", "rowid": buyers[1]}
        ),
        "Consumers.add": lambda b: form(b, "/consumers/add", name="Ada", region=north),
        "Consumers.anonymise": lambda b: b.post(
            f"/consumers/anonymise/{named}", {"reason": "asked", "number": "U9"}
        ),
        "Consumers.delete": lambda b: b.post(f"/consumers/delete/{buyers[2]}"),
        "Consumers.edit": lambda b: form(b, f"/consumers/edit/{buyers[3]}", name="Renamed"),
        "Consumers.find_id_number": lambda b: b.post(
            "/consumers/find-id-number", {"id_number": "77"}
        ),
        "Consumers.id_number": lambda b: b.post(f"/consumers/id-number/{named}"),
        "Counter.find_person": lambda b: b.post("/counter/find", {"q": "29384756"}),
        "Consumers.person": lambda b: b.post(f"/consumers/person/{named}"),
        "Consumers.undo": lambda b: b.post("/consumers/undo", {"at": retire_one(b).isoformat()}),
        "Consumers.add_debt": lambda b: form(
            b,
            f"/consumers/{buyers[1]}/debts/add",
            name="Connection",
            amount="5",
            fixed="1",
            reason="x",
        ),
        "FreeTokens.give": lambda b: ask_for_a_token(b, meter, harbour),
        "Consumers.write_off": lambda b: form(
            b, f"/consumers/{buyers[1]}/debts/{debt}/write-off", amount="1", reason="x"
        ),
        "Sales.reverse": lambda b: form(b, f"/sales/{sale.id}/reverse", reason="test"),
        "Counter.give_back": lambda b: b.post(f"/counter/sale/{open_sale.id}/give-back"),
        "Printing.confirm": lambda b: b.print(sale.id),
        "Counter.sell": lambda b: b.sell(
            meter, b.purchase(meter, mode="quantity", value="7") | {"vending_point": harbour}
        ),
        "Products.add": lambda b: form(b, "/products/add", **product),
        "Products.edit": lambda b: form(b, "/products/edit/1", name="Renamed"),
        "Products.delete": lambda b: b.post(f"/products/delete/{thing}"),
        "ResetMyPasswordView.this_form_post": lambda b: b.post(
            "/resetmypassword/form",
            {"old_password": PASSWORD, "password": NEW_PASSWORD, "conf_password": NEW_PASSWORD},
        ),
        "SecondFactor.begin": lambda b: b.post("/second-factor/begin", {"password": PASSWORD}),
        "SecurityApi.login": lambda b: b.client.post(
            "/api/v1/security/login",
            json={"username": ADMIN, "password": NEW_PASSWORD, "provider": "db"},
        ),
        "Tariffs.add": lambda b: form(b, "/tariffs/add", name="Wells", meter_type="water"),
        "Tariffs.edit": lambda b: form(b, f"/tariffs/edit/{tariff}", name="Renamed"),
        "Tariffs.delete": lambda b: b.post(f"/tariffs/delete/{mistake}"),
        "Tariffs.retire": lambda b: b.post(f"/tariffs/retire/{tariff}", {"deed": "retire"}),
        "Tariffs.new_plan": lambda b: form(b, f"/tariffs/{tariff}/plans/new", **plan),
        "Tariffs.change_plan": lambda b: form(b, f"{future}/change", name="Renamed"),
        "Tariffs.copy_plan": lambda b: form(b, f"{future}/copy", effective_on="2029-01-01"),
        "Tariffs.remove_plan": lambda b: b.post(f"{future}/remove"),
        "Tariffs.export_plan": lambda b: b.post(f"{future}/export"),
        "Tariffs.simulate": lambda b: b.post(
            f"/tariffs/{tariff}/plans/{draft}/simulate",
            {"month": "2026-03-01", "tariff": tariff, "basis": "units"},
        ),
        "Tariffs.export_simulation": lambda b: b.post(
            f"/tariffs/{tariff}/simulations/{simulated}/export/csv"
        ),
        "Tariffs.import_plan": lambda b: b.post(
            f"/tariffs/{tariff}/plans/import",
            {
                "file": (io.BytesIO(b.post(f"{future}/export").data), "plan.json"),
                "effective_on": "2030-01-01",
                "name": "Imported",
            },
        ),
        "SecurityModules.export": lambda b: b.post("/modules/export/csv"),
        "SecurityModules.rename": lambda b: b.post("/modules/rename/1", {"name": "Cellar"}),
        "SecurityModules.test": lambda b: b.post("/modules/test/1"),
        "Sessions.end": lambda b: b.post(f"/sessions/{idle}/end"),
        "Sessions.end_others": lambda b: b.post("/sessions/end-others"),
        "UserInfoEditView.this_form_post": lambda b: b.post(
            "/userinfoeditview/form", {"first_name": "New", "last_name": "Name", "language": ""}
        ),
        "Users.action": lambda b: b.post(f"/users/action/suspend/{people[AUDITOR].id}"),
        "Users.action_post": lambda b: b.post(
            "/users/action_post", {"action": "suspend", "rowid": clerk}
        ),
        "Users.add": someone,
        "Users.edit": lambda b: form(b, f"/users/edit/{clerk}", first_name="Changed"),
        "VendingPoints.add": lambda b: form(b, "/vending-points/add", name="Quay", region=north),
        "VendingPoints.edit": lambda b: form(b, "/vending-points/edit/1", name="Renamed"),
        "VendingPoints.delete": lambda b: b.post(f"/vending-points/delete/{point}"),
    }


QUIET = {
    "SecurityApi.refresh": "asks for a bearer; see below",
    "Api.makeQuote": "prices a purchase, and writes nothing",
    "Products.action": "has no deeds",
    "Products.action_post": "has no deeds",
    "Regions.action": "has no deeds",
    "Regions.action_post": "has no deeds",
    "VendingPoints.action": "has no deeds",
    "VendingPoints.action_post": "has no deeds",
    "Tariffs.check_plan": "says what is wrong with what is being typed",
    "SalesReport.make": "has a report read in the background, as its page reads it",
    "Parts.send": "shows the parts of pages, and changes nothing",
    "TrainingBench.press": "a key of a training meter, which is in no book",
    "TrainingBench.make": "a token of a training meter, which is in no book",
    "TrainingBench.put_away": "a training meter is put away, which is in no book",
}
"""Routes that take a POST and change nothing, and why; besides those that keep a cookie."""


EVENT_ALONE = {
    "Consumers.find_id_number", "Consumers.id_number", "Consumers.person", "Counter.find_person",
    "AuditTrail.export", "SecurityModules.export", "TokenJournal.export",
    "Tariffs.export_plan", "Tariffs.export_simulation", *(f"{view}.export" for view in (
        "Consumers", "Meters", "Sales", "Regions", "Products", "VendingPoints", "Tariffs", "Users",
        "UserGroups", "Imports", "Jobs", "Approvals", "Floats", "Shifts", "LedgerProofs",
        "EngineeringTokens", "EngineeringRefusals", "TestTokens", "Campaigns", "CampaignMeters",
        "CampaignLeftOut", "SalesTokens", "KeyChangeTokens", "InactiveConsumers",
        "RevenueFindings", "PurchaseRecords",
    )), "Floats.statement_file", "SalesReport.export",
    "PurchaseStatistics.export",
    "TaxReport.export", "StepReport.export", "CashReport.export", "FloatReport.export",
    "SecondLookReport.export", "FreeReport.export", "KeyReport.export", "TokenDesk.look",
    "TrainingBench.begin",
}  # fmt: skip
"""Routes that change nothing but leave an event all the same."""


ELSEWHERE = {
    **{
        f"RevenueFindings.{deed}": "tests/services/test_revenue_working.py"
        for deed in ("take", "leave", "note", "decide", "reopen")
    },
    "Approvals.approve": "tests/services/test_second_person.py",
    "Approvals.refuse": "tests/services/test_second_person.py",
    "Approvals.withdraw": "tests/services/test_second_person.py",
    "AfterRestore.book": "tests/web/test_after_restore.py",
    "Api.makeSale": "tests/web/test_api_selling.py",
    "Users.make_bearer": "tests/web/test_user_bearers.py",
    "Users.withdraw_bearer": "tests/web/test_user_bearers.py",
    "AuthDBView.code": "tests/web/test_accounts.py",
    "AuthDBView.second": "tests/web/test_accounts.py",
    **{
        f"Campaigns.{deed}": "tests/web/test_campaigns.py"
        for deed in (
            "new",
            "plan",
            "begin",
            "discard",
            "pause",
            "go_on",
            "stop",
            "again",
            "print_sheets",
            "faulty",
        )
    },
    **{
        f"SavedReports.{deed}": "tests/web/test_saved_reports.py"
        for deed in ("save", "rename", "delete", "restore")
    },
    **{
        f"ReportSchedules.{deed}": "tests/web/test_report_sending.py"
        for deed in ("plan", "change", "pause", "resume", "send", "end", "restore", "add", "remove")
    },
    "Campaigns.report": "tests/services/test_campaign_hand_outs.py",
    "Campaigns.send": "tests/services/test_campaign_hand_outs.py",
    "Consumers.confirm_address": "tests/services/test_deliveries.py",
    "Floats.move": "tests/services/test_floats.py",
    "Meters.correct": "tests/web/test_meters.py",
    "Meters.follow_tariff": "tests/web/test_meter_keys.py",
    "Meters.print_key": "tests/web/test_meter_keys.py",
    "Licence.give_up": "tests/services/test_licence.py",
    "Licence.install": "tests/services/test_licence.py",
    "Regions.add": "tests/services/test_regions.py",
    "Regions.delete": "tests/services/test_regions.py",
    "Regions.edit": "tests/services/test_regions.py",
    "Regions.merge": "tests/services/test_regions.py",
    "Regions.move": "tests/services/test_regions.py",
    "SecurityModules.add": "tests/web/test_module_adding.py",
    "SecurityModules.assign": "tests/web/test_modules.py",
    "SecurityModules.confirm": "tests/web/test_module_adding.py",
    "SecurityModules.create": "tests/web/test_module_adding.py",
    "SecurityModules.enter_key": "tests/web/test_module_keys.py",
    "SecurityModules.import_keys": "tests/web/test_module_keys.py",
    "SecurityModules.load": "tests/web/test_module_keys.py",
    "SecurityModules.remove_key": "tests/web/test_module_keys.py",
    "SecurityModules.replace": "tests/web/test_module_adding.py",
    "SecurityModules.retire": "tests/web/test_modules.py",
    "Sending.retry": "tests/web/test_sending.py",
    "Shifts.cash": "tests/services/test_shifts.py",
    "Shifts.close": "tests/services/test_shifts.py",
    "Shifts.open": "tests/services/test_shifts.py",
    "TokenJournal.settle": "tests/services/test_journal_check.py",
    "UserGroups.add": "tests/web/test_user_groups.py",
    "UserGroups.delete": "tests/web/test_user_groups.py",
    "UserGroups.edit": "tests/web/test_user_groups.py",
    "UserGroups.put_back": "tests/web/test_user_groups.py",
    "SecondFactor.codes": "tests/web/test_accounts.py",
    "SecondFactor.confirm": "tests/web/test_accounts.py",
    "SecondFactor.off": "tests/web/test_accounts.py",
    "UtilitySetup.begin": "tests/services/test_setup_changes.py",
    "UtilitySetup.change": "tests/services/test_setup_changes.py",
    "UtilitySetup.change_planned": "tests/services/test_setup_changes.py",
    "UtilitySetup.test_mail": "tests/web/test_setup.py",
    "UtilitySetup.withdraw": "tests/services/test_setup_changes.py",
}
"""Routes that need a story of their own first, and the tests that tell it."""


def contents(engine):
    with engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in Model.metadata.sorted_tables if table.name not in TRAIL | NO_BOOK
        }  # fmt: skip


def trail_length(engine):
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(AuditEvent.__table__))


@FRAMEWORKS_OWN
def test_every_route_that_changed_something_left_an_event(office, browse, engine, deeds):
    posts = [endpoint for endpoint, method in {**MAY, **ACTIONS} if method == "POST"]
    posts.sort(key=lambda name: (name == "ResetMyPasswordView.this_form_post", name))
    silent, changing = [], set()
    for endpoint in posts:
        browser = browse(ADMIN)
        before, length = contents(engine), trail_length(engine)
        deed = deeds.get(endpoint, lambda b, name=endpoint: call(office, b, name, "POST"))
        deed(browser)
        if contents(engine) != before:
            changing.add(endpoint)
            if trail_length(engine) == length:
                silent.append(endpoint)
        elif endpoint in EVENT_ALONE and trail_length(engine) == length:
            silent.append(endpoint)
    assert silent == []
    still = QUIET.keys() | EVENT_ALONE
    writes = {name for name in posts if name not in still and not name.endswith(".columns")}
    assert writes - changing - ELSEWHERE.keys() == set(), "these deeds changed nothing"
    assert ELSEWHERE.keys() & changing == set()
    assert QUIET.keys() & changing == set()


def refusals(shop):
    return [row for row in shop.rows(AuditEvent) if row.action == "request.refused"]


def test_a_door_that_refuses_is_on_record(browse, shop, people):
    browse(OPERATOR).get("/clock/")
    (event,) = refusals(shop)
    assert (event.actor_id, event.actor_name) == (people[OPERATOR].id, OPERATOR)
    assert (event.address, event.subject, event.subject_id) == ("127.0.0.1", "page", "Clock.show")
    assert event.details == {"code": "not_allowed", "times": 1}


def test_a_rule_that_refuses_in_a_form_is_on_record_without_what_was_typed(operator, shop, utility):
    number = utility.meters[BLOCKED]
    typed = {"mode": "quantity", "value": "3717", "key": new_key(EPOCH)}
    assert operator.post(f"/counter/meter/{number}/sell", typed).status_code == 409
    (event,) = refusals(shop)
    assert event.subject_id == "Counter.sell"
    assert event.details["meter_id"] == number
    assert "3717" not in json.dumps(event.details)


def test_a_slip_of_the_finger_and_a_page_that_is_not_there_are_no_refusals(operator, shop):
    operator.get("/nowhere")
    operator.get(f"/meters/show/{NOWHERE}")
    operator.post("/userinfoeditview/form", {"first_name": "", "last_name": ""})
    assert refusals(shop) == []


def test_who_is_not_signed_in_is_led_to_sign_in_and_not_noted(browse, shop):
    browse().get("/clock/")
    assert refusals(shop) == []


def test_a_refusal_is_written_after_a_rollback(browse, shop, engine):
    """The request's own transaction is over: on SQLite its lock would keep the note out."""
    admin = browse(ADMIN)
    number = shop.rows(VendingPoint)[0].id
    shop.sell()
    assert admin.post(f"/users/action/nothing/{number}").status_code == 404
    assert browse(OPERATOR).post(f"/vending-points/delete/{number}").status_code == 403
    assert [event.subject_id for event in refusals(shop)] == ["VendingPoints.delete"]


def test_the_same_refusal_is_written_once_a_minute_and_counted(browse, shop):
    operator, auditor = browse(OPERATOR), browse(AUDITOR)
    for _ in range(5):
        operator.get("/clock/")
    auditor.get("/clock/")
    assert len(refusals(shop)) == 2
    shop.clock.forward(seconds=61)
    operator.get("/clock/")
    assert [event.details["times"] for event in refusals(shop)] == [1, 1, 5]


def test_what_a_process_remembers_of_refusals_is_bounded(engine):
    notes = Notes()
    for number in range(REMEMBERED + 10):
        assert notes._due(Note("request.refused", SYSTEM, "x", ids=(("pk", number),))) == 1
    assert len(notes._lately) == REMEMBERED


def test_a_note_that_cannot_be_written_does_not_spoil_the_answer(operator, shop, caplog):
    def forbid(session):
        session.connection().exec_driver_sql("DROP TABLE audit_unsealed")

    shop.change(forbid)
    assert operator.get("/clock/").status_code == 403
    assert "was not noted" in caplog.text


@FRAMEWORKS_OWN
def test_bearers_leave_their_traces(office, browse, shop, people):
    client = office.test_client()
    got = client.post("/api/v1/security/login", json={
        "username": OPERATOR, "password": PASSWORD, "provider": "db", "refresh": True,
    }).json  # fmt: skip
    client.post(
        "/api/v1/security/refresh", headers={"Authorization": f"Bearer {got['refresh_token']}"}
    ).close()
    last = [(row.action, row.actor_id) for row in shop.rows(AuditEvent)][-2:]
    me = people[OPERATOR].id
    assert last == [("user.signed_in", me), ("bearer.renewed", me)]


@FRAMEWORKS_OWN
def test_the_trail_holds_no_secret(office, browse, shop, operator, utility, engine, deeds):
    """Digits sold, and passwords and tickets typed or sent into every door there is."""
    operator.buy(utility)
    operator.get(f"/counter/sale/{max(sale.id for sale in shop.rows(Sale))}")
    operator.post("/resetmypassword/form", {"old_password": "Wrong-Guess-1", "password": "short"})
    operator.get("/clock/", query_string={"password": PASSWORD})
    browse().post("/login/", {"username": PASSWORD, "password": NEW_PASSWORD})
    for deed in deeds.values():
        deed(browse(ADMIN))
    bearer = office.test_client().post("/api/v1/security/login", json={
        "username": ADMIN, "password": NEW_PASSWORD, "provider": "db", "refresh": True,
    }).json  # fmt: skip
    digits = [token.digits for token in shop.rows(Token)]
    assert digits
    known = [PASSWORD, NEW_PASSWORD, "Wrong-Guess-1", *digits, *bearer.values()]
    known += [" ".join(d[at : at + 4] for at in range(0, 20, 4)) for d in digits]
    with operator.client.session_transaction() as cookie:
        known.append(cookie["ticket"])
    text = "\n".join(
        json.dumps([str(getattr(row, name)) for name in AuditEvent.__table__.c.keys()])  # noqa: SIM118
        for row in shop.rows(AuditEvent)
    )
    assert "request.refused" in text
    assert [secret for secret in known if secret in text] == []
    assert "scrypt:" not in text
    assert "pbkdf2:" not in text

"""Who may open what: every route of the product, for every group, as a table."""

from logging import WARNING
from urllib.parse import urlsplit

import pytest
from flask import Flask, url_for
from sqlalchemy import text

from tests.factories import AUDITOR, LEGACY_11, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, ENGINEER, NEWCOMER, NOWHERE, Browser, contents, main_part
from vmsapp.cli.vms import _sync_permissions
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security import GROUPS

ANYBODY = frozenset({None, ADMIN, SUPERVISOR, OPERATOR, ENGINEER, AUDITOR, NEWCOMER})
IN_A_GROUP = ANYBODY - {None, NEWCOMER}
FINDS = IN_A_GROUP
SELLS = frozenset({ADMIN, SUPERVISOR, OPERATOR})
SETTLES = frozenset({ADMIN, SUPERVISOR})
ADMINS = frozenset({ADMIN})
AUDITS = frozenset({ADMIN, AUDITOR})
REGISTER = frozenset({ADMIN, SUPERVISOR, OPERATOR, ENGINEER})
KEEP_METERS = REGISTER - {OPERATOR}
CHANGE_KEYS = frozenset({ADMIN, ENGINEER})
NOBODY: frozenset[str | None] = frozenset()
OF_FLOATS = frozenset({ADMIN, SUPERVISOR, OPERATOR, AUDITOR})
OF_REQUESTS = frozenset({ADMIN, SUPERVISOR, AUDITOR})
OF_MONEY = OF_REQUESTS
"""Who takes lists of sales and floats away."""
OF_FILES = frozenset({ADMIN, SUPERVISOR, ENGINEER, AUDITOR})
"""Who sees imports and jobs."""

MAKES_TOKENS = frozenset({ADMIN, SUPERVISOR, ENGINEER})
OF_ENGINEERING = MAKES_TOKENS | {AUDITOR}
"""Who sees what was made; the auditor without its digits."""

READ = frozenset({("list", "GET"), ("show", "GET"), ("lookup", "GET"), ("columns", "POST")})
WRITE = frozenset({("add", "GET"), ("add", "POST"), ("edit", "GET"), ("edit", "POST")})
LISTS: dict[str, frozenset[tuple[str, str]]] = {
    "Consumers": READ | WRITE | {("delete", "POST")},
    "Meters": READ | WRITE | {("delete", "POST")},
    "Sales": READ,
    "Regions": READ | WRITE | {("delete", "POST")},
    "Products": READ | WRITE | {("delete", "POST")},
    "VendingPoints": READ | WRITE | {("delete", "POST")},
    "Tariffs": READ | WRITE | {("delete", "POST")},
    "Users": READ | WRITE,  # people with a history stay
    "UserGroups": READ | WRITE | {("delete", "POST")},
}
"""The lists and what can be done in them."""


def open_to(view: str, route: tuple[str, str]) -> frozenset[str | None]:
    """Who may use a list's route; all of the utility's own lists are there to be looked up."""
    if view in LOOKED_UP and route in READ:
        return FINDS
    if view == "Meters":
        return KEEP_METERS if route[0] == "delete" else REGISTER
    if view == "Consumers":
        return SELLS if route in WRITE else SETTLES
    return AUDITS if route in READ else ADMINS


LOOKED_UP = frozenset({"Consumers", "Meters", "Sales"})
"""Lists open to every group, within the own scope."""

MAY: dict[tuple[str, str], frozenset[str | None]] = {
    ("Start.index", "GET"): ANYBODY - {None},
    ("LocaleView.index", "GET"): ANYBODY,
    ("Help.contents", "GET"): ANYBODY - {None},
    ("Help.chapter", "GET"): ANYBODY - {None},  # but the one on signing in
    ("Help.whole", "GET"): ANYBODY - {None},
    ("Help.figure", "GET"): ANYBODY,
    ("static", "GET"): ANYBODY,
    ("appbuilder.static", "GET"): ANYBODY,
    ("AuthDBView.login", "GET"): ANYBODY,
    ("AuthDBView.login", "POST"): ANYBODY,
    ("AuthDBView.logout", "GET"): ANYBODY,
    ("AuthDBView.logout", "POST"): ANYBODY,
    ("Sessions.show", "GET"): IN_A_GROUP,
    ("Sessions.end", "POST"): IN_A_GROUP,
    ("Sessions.end_others", "POST"): IN_A_GROUP,
    ("Palette.show", "GET"): IN_A_GROUP,
    ("Palette.look", "GET"): IN_A_GROUP,
    ("Keys.show", "GET"): IN_A_GROUP,
    ("Hints.show", "GET"): IN_A_GROUP,
    ("Hints.choose", "POST"): IN_A_GROUP,
    ("Hints.read", "POST"): IN_A_GROUP,
    ("Counter.find", "GET"): FINDS,
    ("Counter.find_person", "POST"): FINDS,
    ("Counter.purchase", "GET"): SELLS,
    ("Counter.quote", "GET"): SELLS,
    ("Counter.why", "GET"): SELLS,
    ("Counter.sell", "POST"): SELLS,
    ("Counter.sale", "GET"): SELLS,
    ("Counter.why_sale", "GET"): SELLS,
    ("Counter.state", "GET"): SELLS,
    ("Printing.last", "GET"): SELLS,
    ("Printing.preview", "GET"): SELLS,
    ("Printing.pdf", "GET"): SELLS,
    ("Printing.confirm", "POST"): SELLS,
    ("Sending.state", "GET"): SELLS,
    ("Sending.retry", "POST"): SELLS,
    ("Counter.open", "GET"): SELLS,
    ("Counter.give_back", "POST"): SETTLES,
    ("FreeTokens.give", "GET"): SETTLES,
    ("FreeTokens.give", "POST"): SETTLES,
    ("Sales.why", "GET"): FINDS,
    ("Sales.reversal", "GET"): FINDS,
    ("Sales.reverse", "GET"): SETTLES,
    ("Sales.reverse", "POST"): SETTLES,
    ("TryPrice.show", "GET"): AUDITS,
    **{("Floats." + route, method): OF_FLOATS for route, method in READ},
    ("Floats.move", "GET"): ADMINS,
    ("Floats.move", "POST"): ADMINS,
    ("Floats.terms", "GET"): ADMINS,
    ("Floats.terms", "POST"): ADMINS,
    ("ReportIndex.show", "GET"): IN_A_GROUP,
    ("SalesReport.show", "GET"): OF_FLOATS,
    ("SalesReport.make", "POST"): OF_FLOATS,
    **{
        (f"SavedReports.{route}", method): FINDS
        for route, method in (
            ("list", "GET"),
            ("save", "POST"),
            ("rename", "GET"),
            ("rename", "POST"),
            ("delete", "POST"),
            ("restore", "POST"),
        )
    },
    ("ReportSchedules.show", "GET"): FINDS,
    **{
        (f"ReportSchedules.{route}", method): SETTLES
        for route, method in (
            ("plan", "GET"),
            ("plan", "POST"),
            ("change", "GET"),
            ("change", "POST"),
            ("people", "GET"),
        )
    },
    **{
        (f"ReportSchedules.{route}", "POST"): SETTLES
        for route in ("pause", "resume", "send", "end", "restore", "add", "remove")
    },
    ("CashReport.show", "GET"): OF_FLOATS,
    ("FloatReport.show", "GET"): OF_FLOATS,
    **{
        (f"{report}.{route}", method): OF_MONEY
        for report in ("TaxReport", "StepReport", "SecondLookReport", "FreeReport")
        for route, method in (("show", "GET"), ("export", "POST"))
    },
    ("CashReport.export", "POST"): OF_MONEY,
    ("FloatReport.export", "POST"): OF_MONEY,
    ("KeyReport.show", "GET"): OF_ENGINEERING,
    ("KeyReport.export", "POST"): OF_ENGINEERING,
    **{("Shifts." + route, method): OF_FLOATS for route, method in READ},
    **{
        (f"Shifts.{route}", method): SELLS
        for route in ("open", "cash", "close")
        for method in ("GET", "POST")
    },
    **{
        (f"{view}.{route}", method): OF_ENGINEERING
        for view in ("EngineeringTokens", "EngineeringRefusals", "TestTokens")
        for route, method in READ
    },
    **{
        (f"EngineeringTokens.{route}", method): MAKES_TOKENS
        for route, method in (
            ("find", "GET"),
            ("cards", "GET"),
            ("make", "GET"),
            ("make", "POST"),
            ("preview", "GET"),
            ("pdf", "GET"),
            ("confirm", "POST"),
        )
    },
    **{("Campaigns." + route, method): OF_ENGINEERING for route, method in READ},
    ("Campaigns.progress", "GET"): OF_ENGINEERING,
    **{
        (f"{view}.{route}", method): OF_ENGINEERING
        for view, routes_of in (
            ("CampaignMeters", READ),
            ("CampaignLeftOut", READ - {("show", "GET")}),
        )
        for route, method in routes_of
    },
    **{
        (f"Campaigns.{route}", method): CHANGE_KEYS
        for route in ("new", "plan", "stop")
        for method in ("GET", "POST")
    },
    **{
        (f"Campaigns.{route}", "POST"): CHANGE_KEYS
        for route in ("begin", "discard", "pause", "go_on", "again", "send", "print_sheets")
    },
    ("Campaigns.sheets", "GET"): CHANGE_KEYS,
    ("Campaigns.sheet_preview", "GET"): CHANGE_KEYS,
    **{
        (f"{view}.export", "POST"): CHANGE_KEYS | {AUDITOR}
        for view in ("Campaigns", "CampaignMeters", "CampaignLeftOut")
    },
    ("Campaigns.report", "POST"): CHANGE_KEYS | {AUDITOR},
    ("Campaigns.faulty", "POST"): CHANGE_KEYS | {AUDITOR},
    **{
        (f"{view}.{route}", method): FINDS
        for view in ("SalesTokens", "KeyChangeTokens", "InactiveConsumers", "PurchaseRecords")
        for route, method in READ - {("show", "GET")}
    },
    **{(f"{view}.export", "POST"): OF_MONEY for view in ("SalesTokens", "KeyChangeTokens")},
    ("InactiveConsumers.export", "POST"): OF_FILES,
    ("RevenueRules.show", "GET"): OF_FILES,
    ("RevenueRules.run", "POST"): ADMINS,
    ("RevenueRules.rule", "GET"): ADMINS,
    ("RevenueRules.rule", "POST"): ADMINS,
    **{("RevenueFindings." + route, method): OF_FILES for route, method in READ},
    ("RevenueFindings.export", "POST"): OF_FILES,
    **{
        (f"RevenueFindings.{route}", method): MAKES_TOKENS
        for route, method in (
            ("take", "POST"),
            ("leave", "POST"),
            ("note", "GET"),
            ("note", "POST"),
        )
    },
    **{
        (f"RevenueFindings.{route}", method): SETTLES
        for route, method in (("reopen", "POST"), ("decide", "GET"), ("decide", "POST"))
    },
    ("PurchaseRecords.statement_page", "GET"): FINDS,
    ("PurchaseRecords.export", "POST"): OF_MONEY,
    ("PurchaseStatistics.show", "GET"): FINDS,
    ("PurchaseStatistics.export", "POST"): OF_MONEY,
    ("TestTokens.make", "GET"): MAKES_TOKENS,
    ("TestTokens.make", "POST"): MAKES_TOKENS,
    ("TestTokens.card", "GET"): OF_ENGINEERING,
    ("TestTokens.pdf", "GET"): OF_ENGINEERING,
    **{("LedgerProofs." + route, method): AUDITS for route, method in READ},
    ("LedgerProofs.run", "POST"): ADMINS,
    **{("Approvals." + route, method): OF_REQUESTS | {ENGINEER} for route, method in READ},
    ("Approvals.approve", "POST"): MAKES_TOKENS,
    ("Approvals.refuse", "POST"): MAKES_TOKENS,
    ("Approvals.withdraw", "POST"): MAKES_TOKENS,
    ("SecondPerson.show", "GET"): ADMINS,
    ("SecondPerson.change", "GET"): ADMINS,
    ("SecondPerson.change", "POST"): ADMINS,
    ("Dashboard.show", "GET"): FINDS,
    ("Dashboard.now", "GET"): FINDS,
    ("TokenDesk.show", "GET"): KEEP_METERS,
    ("TokenDesk.look", "POST"): KEEP_METERS,
    ("TrainingBench.show", "GET"): REGISTER,
    **{
        (f"TrainingBench.{route}", "POST"): REGISTER
        for route in ("begin", "press", "make", "put_away")
    },
    ("Clock.show", "GET"): ADMINS,
    ("Clock.accept", "POST"): ADMINS,
    ("Licence.show", "GET"): AUDITS,
    ("Licence.install", "POST"): ADMINS,
    ("Licence.give_up", "GET"): ADMINS,
    ("Licence.give_up", "POST"): ADMINS,
    ("FirstSteps.show", "GET"): ADMINS,
    ("UtilitySetup.show", "GET"): AUDITS,
    ("UtilitySetup.logo", "GET"): ANYBODY - {None},
    ("UtilitySetup.begin", "GET"): ADMINS,
    ("UtilitySetup.begin", "POST"): ADMINS,
    ("UtilitySetup.change", "GET"): ADMINS,
    ("UtilitySetup.change", "POST"): ADMINS,
    ("UtilitySetup.change_planned", "GET"): ADMINS,
    ("UtilitySetup.change_planned", "POST"): ADMINS,
    ("UtilitySetup.withdraw", "POST"): ADMINS,
    ("UtilitySetup.test_mail", "POST"): ADMINS,
    ("ResetMyPasswordView.this_form_get", "GET"): IN_A_GROUP,
    ("ResetMyPasswordView.this_form_post", "POST"): IN_A_GROUP,
    ("UserInfoEditView.this_form_get", "GET"): IN_A_GROUP,
    ("UserInfoEditView.this_form_post", "POST"): IN_A_GROUP,
    ("Users.userinfo", "GET"): IN_A_GROUP,
    ("AuthDBView.second", "GET"): ANYBODY,
    ("AuthDBView.second", "POST"): ANYBODY,
    ("AuthDBView.code", "GET"): ANYBODY,
    ("AuthDBView.code", "POST"): ANYBODY,
    ("SecondFactor.show", "GET"): IN_A_GROUP,
    ("SecondFactor.begin", "POST"): IN_A_GROUP,
    ("SecondFactor.confirm", "POST"): IN_A_GROUP,
    ("SecondFactor.codes", "POST"): IN_A_GROUP,
    ("SecondFactor.off", "POST"): IN_A_GROUP,
    ("SecurityApi.login", "POST"): ANYBODY,
    ("SecurityApi.refresh", "POST"): NOBODY,  # wants the bearer of a sign-in by API
    ("Api.openapi", "GET"): ANYBODY,
    **{
        (f"Api.{route}", method): NOBODY  # want a program's bearer: tests/web/test_api.py
        for route, method in (
            ("getClient", "GET"),
            ("getMeter", "GET"),
            ("makeQuote", "POST"),
            ("makeSale", "POST"),
            ("getSale", "GET"),
            ("getSaleByKey", "GET"),
            ("listTokens", "GET"),
        )
    },
    ("Users.bearers", "GET"): ADMINS,
    ("Users.make_bearer", "GET"): ADMINS,
    ("Users.make_bearer", "POST"): ADMINS,
    ("Users.withdraw_bearer", "POST"): ADMINS,
    **{
        (f"{view}.{route}", method): open_to(view, (route, method))
        for view, routes_of in LISTS.items()
        for route, method in routes_of
    },
    **{
        (f"Meters.{route}", method): REGISTER
        for route in ("bind", "bind_to", "unbind", "swap")
        for method in ("GET", "POST")
    },
    **{
        (f"Meters.{route}", method): KEEP_METERS
        for route in ("hold", "move")
        for method in ("GET", "POST")
    },
    ("Meters.key", "GET"): FINDS,
    ("Meters.change_key", "GET"): CHANGE_KEYS,
    ("Meters.change_key", "POST"): CHANGE_KEYS,
    ("Meters.follow_tariff", "POST"): CHANGE_KEYS,
    ("Meters.withdraw_key", "POST"): CHANGE_KEYS,
    ("Meters.key_slip", "GET"): KEEP_METERS,
    ("Meters.print_key", "POST"): KEEP_METERS,
    ("Meters.key_pdf", "GET"): KEEP_METERS,
    ("Meters.confirm_key", "GET"): KEEP_METERS,
    ("Meters.confirm_key", "POST"): KEEP_METERS,
    ("Meters.refuse_key", "GET"): SETTLES,
    ("Meters.refuse_key", "POST"): SETTLES,
    **{(f"Meters.{route}", "POST"): KEEP_METERS for route in ("many_hold", "many_move", "undo")},
    ("Meters.many_tariff", "POST"): REGISTER,
    ("Meters.correct", "GET"): SETTLES,
    ("Meters.correct", "POST"): SETTLES,
    ("Consumers.undo", "POST"): SETTLES,
    ("Consumers.debts", "GET"): FINDS,
    ("Consumers.add_debt", "GET"): SETTLES,
    ("Consumers.add_debt", "POST"): SETTLES,
    ("Consumers.write_off", "GET"): SETTLES,
    ("Consumers.write_off", "POST"): SETTLES,
    ("Consumers.id_number", "POST"): SETTLES,
    ("Consumers.confirm_address", "POST"): SETTLES,
    ("Consumers.find_id_number", "POST"): SETTLES,
    ("Consumers.person", "POST"): ADMINS,
    ("Consumers.anonymise", "GET"): ADMINS,
    ("Consumers.anonymise", "POST"): ADMINS,
    ("Regions.tree", "GET"): AUDITS,
    ("Regions.lookup", "GET"): FINDS,  # what a list may be narrowed by
    ("Regions.move", "GET"): ADMINS,
    ("Regions.move", "POST"): ADMINS,
    ("Regions.merge", "GET"): ADMINS,
    ("Regions.merge", "POST"): ADMINS,
    ("VendingPoints.close", "GET"): ADMINS,
    ("VendingPoints.close", "POST"): ADMINS,
    ("Products.lookup", "GET"): FINDS,
    ("Tariffs.lookup", "GET"): FINDS,
    ("Tariffs.plan", "GET"): AUDITS,
    ("Tariffs.export_plan", "POST"): AUDITS,
    ("Tariffs.simulation", "GET"): AUDITS,
    ("Tariffs.export_simulation", "POST"): AUDITS,
    ("Tariffs.simulate", "GET"): ADMINS,
    ("Tariffs.simulate", "POST"): ADMINS,
    ("Tariffs.check_plan", "POST"): ADMINS,
    ("Tariffs.remove_plan", "POST"): ADMINS,
    **{
        (f"Tariffs.{route}", method): ADMINS
        for route in ("retire", "new_plan", "change_plan", "copy_plan", "import_plan")
        for method in ("GET", "POST")
    },
    ("UserGroups.put_back", "POST"): ADMINS,
    **{(f"SecurityModules.{route}", method): AUDITS for route, method in READ},
    ("SecurityModules.export", "POST"): AUDITS,
    **{
        (f"SecurityModules.{route}", method): ADMINS
        for route in (
            "add",
            "replace",
            "rename",
            "retire",
            "assign",
            "remove_key",
            "import_keys",
            "enter_key",
        )
        for method in ("GET", "POST")
    },
    **{
        (f"SecurityModules.{route}", "POST"): ADMINS
        for route in ("create", "confirm", "test", "load")
    },
    **{(f"AuditTrail.{route}", method): AUDITS for route, method in READ},
    ("AuditTrail.people", "GET"): AUDITS,
    ("AuditTrail.export", "POST"): AUDITS,
    **{(f"TokenJournal.{route}", method): AUDITS for route, method in READ},
    ("TokenJournal.export", "POST"): AUDITS,
    **{
        (f"{view}.export", "POST"): AUDITS
        for view in (
            "Regions",
            "Products",
            "VendingPoints",
            "Tariffs",
            "Users",
            "UserGroups",
            "Imports",
            "Jobs",
            "Approvals",
            "Shifts",
            "LedgerProofs",
            "EngineeringTokens",
            "EngineeringRefusals",
            "TestTokens",
        )
    },
    ("Sales.export", "POST"): OF_MONEY,
    ("SalesReport.export", "POST"): OF_MONEY,
    ("Floats.export", "POST"): OF_MONEY,
    ("Floats.statement_file", "POST"): OF_MONEY,
    **{(f"AfterRestore.{route}", method): AUDITS for route, method in READ if route != "show"},
    ("AfterRestore.points", "GET"): ADMINS,
    ("AfterRestore.book", "GET"): ADMINS,
    ("AfterRestore.book", "POST"): ADMINS,
    ("TokenJournal.compare", "POST"): ADMINS,
    ("TokenJournal.settle", "POST"): ADMINS,
    **{
        (f"{view}.{route}", method): OF_FILES
        for view in ("Imports", "Jobs")
        for route, method in READ | {("progress", "GET")}
    },
    ("Consumers.export", "POST"): SETTLES,
    ("Meters.export", "POST"): KEEP_METERS,
    ("Imports.errors", "GET"): OF_FILES,
    ("Imports.new", "GET"): SETTLES,  # of consumers
    ("Imports.new", "POST"): SETTLES,
    ("Imports.template", "GET"): SETTLES,
    **{
        (f"Imports.{route}", "POST"): KEEP_METERS  # their own, of what they may import
        for route in ("apply", "check", "undo", "cancel", "retry", "discard")
    },
    ("Jobs.fetch", "GET"): OF_FILES,
    ("Jobs.cancel", "POST"): OF_FILES,
    ("Jobs.retry", "POST"): OF_FILES,
    ("Parts.show", "GET"): ADMINS,
    ("Parts.send", "POST"): ADMINS,
    ("Parts.progress", "GET"): ADMINS,
}
"""The people who get an answer; all others are refused and change nothing."""

ACTIONS = {
    (f"{view}.{route}", "POST"): NOBODY
    for view in ("Users", "Products", "VendingPoints", "Regions", "Consumers")
    for route in ("action", "action_post")
}
"""Deeds on rows: each asks for its own permission, see below."""

SECOND_STEP = {("AuthDBView.second", "GET"), ("AuthDBView.second", "POST")}
"""Leads back to the first step whoever has not taken it."""

DEEDS = [
    (f"/users/action/{deed}/1", deed, ADMINS)
    for deed in ("give_code", "suspend", "activate", "end_sessions", "reset_second_factor")
] + [(f"/consumers/action/{deed}/1", deed, SETTLES) for deed in ("retire", "take_back")]

VALUES = {"sheet": "consumers", "hold": "block", "move": "activate", "consumer_id": 1,
          "meter_id": 1, "sale_id": 1, "debt_id": 1, "delivery_id": 1, "change_id": 1, "pk": 2,
          "session_id": NOWHERE, "name": "x", "filename": "none.css",
          "locale": "fr", "section": "currency", "digest": "none",
          "plan_id": NOWHERE, "simulation_id": NOWHERE, "way": "pay-in", "action": "float.pay_in",
          "kind": "csv", "row_id": 1, "algorithm": "sts6", "code": "stopped",
          "function": "clear_tamper", "chapter": "counter", "language": "en",
          "figure": "sold", "bearer_id": NOWHERE, "number": LEGACY_11, "id": NOWHERE,
          "key": "1-0123456789abcdef"}  # fmt: skip
FRAMEWORKS_OWN = pytest.mark.filterwarnings(
    "ignore:.*WTForms:DeprecationWarning", "ignore:The Query.get:DeprecationWarning"
)
"""The framework's screens use what the libraries below it call obsolete."""

PAIR = """
SELECT ab_permission_view.id FROM ab_permission_view
JOIN ab_permission ON ab_permission.id = permission_id
JOIN ab_view_menu ON ab_view_menu.id = view_menu_id
WHERE ab_permission.name = 'can_list' AND ab_view_menu.name = '{}'
"""
OF_OPERATORS = "role_id = (SELECT id FROM ab_role WHERE name = 'Operator')"
TAKEN_FROM_OPERATORS = (
    f"DELETE FROM ab_permission_view_role WHERE permission_view_id IN ({PAIR.format('Sales')})"
    f" AND {OF_OPERATORS}"
)
UNKNOWN = (
    f"DELETE FROM ab_permission_view_role WHERE permission_view_id IN ({PAIR.format('Meters')})",
    f"DELETE FROM ab_permission_view WHERE id IN ({PAIR.format('Meters')})",
)
HOLDS = f"""
SELECT ab_permission.name, ab_view_menu.name FROM ab_permission_view_role
JOIN ab_permission_view ON ab_permission_view.id = permission_view_id
JOIN ab_permission ON ab_permission.id = permission_id
JOIN ab_view_menu ON ab_view_menu.id = view_menu_id
WHERE {OF_OPERATORS}
"""

PEOPLE = [None, ADMIN, SUPERVISOR, OPERATOR, ENGINEER, AUDITOR, NEWCOMER]


def routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def call(app: Flask, browser: Browser, endpoint: str, method: str) -> tuple[int, str]:
    """Call a route: its status, and the path it leads to."""
    rule = next(app.url_map.iter_rules(endpoint))
    with app.test_request_context():
        path = url_for(endpoint, **{name: VALUES[name] for name in rule.arguments})
    answer = browser.get(path) if method == "GET" else browser.post(path)
    return answer.status_code, urlsplit(answer.location or "").path


def test_every_route_of_the_product_stands_in_the_table(office):
    assert sorted(set(routes(office))) == sorted(MAY | ACTIONS)


def test_every_group_that_comes_with_the_product_is_tried(office):
    assert {*GROUPS, "Administrator"} == {
        "Administrator", "Supervisor", "Operator", "Engineer", "Auditor",
        "Channel",  # of programs, which open no page: test_access.py, test_api_asking.py
    }  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_not_is_refused_and_changes_nothing(office, browse, shop, engine, who):
    shop.sell()
    before = contents(engine)
    browser = browse(who)
    refused = [route for route, people in MAY.items() if who not in people]
    answers = {route: call(office, browser, *route) for route in refused}
    for route, (status, leads_to) in answers.items():
        if route[0].startswith(("SecurityApi", "Api.")):
            right = (401, "")
        else:
            right = (302, "/login/") if who is None else (403, "")
        assert (status, leads_to) == right, route
    assert contents(engine) == before


@FRAMEWORKS_OWN
@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_gets_an_answer(office, browse, shop, who):
    shop.sell()
    browser = browse(who)
    for route in [route for route, people in MAY.items() if who in people]:
        if route == ("AuthDBView.logout", "POST"):
            continue  # signs out
        status, leads_to = call(office, browser, *route)
        assert status < 500, route
        assert status not in {401, 403}, route
        assert leads_to != "/login/" or route in SECOND_STEP, route


@pytest.mark.parametrize(("path", "deed", "may"), DEEDS)
@pytest.mark.parametrize("who", PEOPLE)
def test_a_deed_on_rows_asks_for_its_own_permission(browse, engine, who, path, deed, may):
    before = contents(engine)
    browser = browse(who)
    one = browser.post(path)
    many = browser.post(f"/{path.split('/')[1]}/action_post", {"action": deed, "rowid": "1"})
    for_many = deed in {"suspend", "activate", "retire", "take_back"}
    if who in may:
        assert one.status_code in {200, 302}
        assert many.status_code == (302 if for_many else 404)
        return
    if who is None:
        assert [one.location, many.location] == ["/login/", "/login/"]
    else:
        assert [one.status_code, many.status_code] == [403, 403 if for_many else 404]
    assert contents(engine) == before


@pytest.mark.parametrize("who", PEOPLE)
def test_a_deed_on_rows_is_never_done_by_a_link(browse, engine, who):
    before = contents(engine)
    for path, *_ in DEEDS:
        assert browse(who).get(path).status_code == 405
    assert contents(engine) == before


def test_a_user_who_was_made_inactive_is_signed_out(browse, shop, people):
    browser = browse(OPERATOR)
    assert browser.get("/counter/").status_code == 200
    shop.change(lambda session: setattr(session.merge(people[OPERATOR]), "active", False))
    assert browser.get("/counter/").location.startswith("/login/")


def test_a_user_without_a_group_finds_no_menu_and_is_told_whom_to_ask(browse):
    page = browse(NEWCOMER).get("/")
    assert page.status_code == 200
    assert "administrator" in main_part(page.text)
    assert 'href="/counter' not in page.text


@pytest.mark.parametrize(("who", "shown"), [(OPERATOR, True), (SUPERVISOR, True), (ADMIN, True),
                                            (ENGINEER, False), (AUDITOR, False)])  # fmt: skip
def test_the_search_offers_a_purchase_only_to_who_may_sell(browse, utility, who, shown):
    found = main_part(browse(who).get("/counter/?q=0700").text)
    assert (f'href="/counter/meter/{utility.meters[LEGACY_11]}"' in found) is shown
    assert "0700 0000 013" in found


@pytest.mark.parametrize(("who", "menu"), [
    (OPERATOR, ["/counter/", "/counter/open"]),
    (AUDITOR, ["/counter/", "/licence/", "/setup/", "/users/list/", "/roles/list/"]),
    (ENGINEER, ["/counter/"]),
    (ADMIN, ["/counter/", "/counter/open", "/clock/", "/licence/", "/setup/", "/users/list/",
             "/roles/list/"]),
])  # fmt: skip
def test_the_menu_leads_only_where_the_user_may_go(browse, who, menu):
    page = browse(who).get("/counter/").text
    everything = ["/counter/", "/counter/open", "/clock/", "/licence/", "/setup/", "/users/list/",
                  "/roles/list/"]  # fmt: skip
    assert [path for path in everything if f'href="{path}"' in page] == menu


def test_a_second_start_takes_no_permission_away_and_warns_of_none(office, engine, caplog):
    """A screen and its place in the menu may have one name: each keeps its own permissions."""
    before = contents(engine)
    with office.app_context(), seen_by(SYSTEM):
        _sync_permissions()
    assert [record.getMessage() for record in caplog.records if record.levelno >= WARNING] == []
    assert contents(engine) == before


def test_an_upgrade_gives_the_groups_what_is_new_and_not_what_was_taken_from_them(office, engine):
    def held() -> set[tuple[str, ...]]:
        with engine.connect() as connection:
            return {tuple(row) for row in connection.execute(text(HOLDS))}

    before = held()
    with engine.begin() as connection:
        connection.execute(text(TAKEN_FROM_OPERATORS))  # by an administrator
        for statement in UNKNOWN:  # as in a database from before there was a list of meters
            connection.execute(text(statement))
    assert held() == before - {("can_list", "Sales"), ("can_list", "Meters")}
    with office.app_context(), seen_by(SYSTEM):
        _sync_permissions()
    assert held() == before - {("can_list", "Sales")}

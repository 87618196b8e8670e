"""Which section of the manual belongs to a page.

A page is named by its endpoint, or all pages of a view by the view; the endpoint goes first.
"""

from collections.abc import Mapping
from typing import Final

from flask import g, request, url_for
from flask_login import current_user

SIGN_IN: Final = "signing-in#sign-in"

KEY_CHANGE: Final = "engineering#key-change"

SECTIONS: Final[Mapping[str, str]] = {
    # the doors, and one's own account
    "AuthDBView": SIGN_IN,
    "AuthDBView.code": "signing-in#code",
    "AuthDBView.second": "signing-in#second-factor",
    "AuthDBView.logout": "signing-in#sign-out",
    "ResetMyPasswordView": "signing-in#password",
    "SecondFactor": "signing-in#second-factor",
    "Sessions": "signing-in#sessions",
    "UserInfoEditView": "signing-in#account",
    "Users.userinfo": "signing-in#account",
    "Start": "about#pages",
    "Help": "about#help",
    "Palette": "keyboard#go-to",
    "Hints": "keyboard#hints",
    "Keys": "keyboard#every-page",
    # vending
    "Counter": "counter#find",
    "Counter.purchase": "counter#sell",
    "Counter.why": "counter#why",
    "Counter.sale": "counter#tokens",
    "Counter.why_sale": "counter#why",
    "Counter.open": "counter#settled",
    "Printing": "counter#print",
    "Printing.last": "counter#last-sales",
    "FreeTokens": "counter#free-tokens",
    "Sales": "counter#sales",
    "Sales.why": "counter#why",
    "Sales.reverse": "counter#reversal",
    "Sales.reversal": "counter#reversal",
    "Shifts": "counter#shift",
    "Floats": "counter#float",
    "Floats.terms": "setup#floats",
    "Approvals": "setup#second-person",
    "TokenDesk": "engineering#token-desk",
    "TrainingBench": "engineering#training",
    # registration
    "Consumers": "registration#consumers",
    "Consumers.anonymise": "registration#anonymise",
    **dict.fromkeys(
        ("Consumers.debts", "Consumers.add_debt", "Consumers.write_off"), "counter#debts"
    ),
    "Meters": "registration#meters",
    **dict.fromkeys(
        ("Meters.bind", "Meters.bind_to", "Meters.swap", "Meters.unbind"), "registration#bind"
    ),
    "Meters.hold": "registration#block",
    "Meters.move": "registration#block",
    **dict.fromkeys(("Meters.key", "Meters.change_key", "Meters.key_slip"), KEY_CHANGE),
    "Meters.confirm_key": "engineering#confirm-key",
    "Meters.refuse_key": "engineering#confirm-key",
    "Imports": "registration#imports",
    "Jobs": "registration#jobs",
    # engineering
    "EngineeringTokens": "engineering#management-tokens",
    "EngineeringRefusals": "engineering#refused-tokens",
    "Campaigns": "engineering#campaigns",
    "CampaignMeters": "engineering#campaigns",
    "CampaignLeftOut": "engineering#campaigns",
    "TestTokens": "engineering#test-tokens",
    # reports
    "Dashboard": "reports#today",
    "ReportIndex": "reports#all-reports",
    "SalesReport": "reports#sales-report",
    "CashReport": "reports#cash-up",
    "FloatReport": "reports#floats-report",
    "FreeReport": "reports#free-report",
    "KeyReport": "reports#key-expiry",
    "SecondLookReport": "reports#copies",
    "StepReport": "reports#steps-report",
    "TaxReport": "reports#taxes",
    "SalesTokens": "reports#token-records",
    "KeyChangeTokens": "reports#token-records",
    "PurchaseStatistics": "reports#purchase-statistics",
    "PurchaseRecords": "reports#purchase-records",
    "InactiveConsumers": "reports#inactive",
    "SavedReports": "reports#saved",
    "ReportSchedules": "reports#scheduled",
    "RevenueRules": "reports#revenue",
    "RevenueFindings": "reports#revenue",
    # system
    "FirstSteps": "first-start#first-steps",
    "Regions": "setup#regions",
    "Products": "setup#products",
    "VendingPoints": "setup#vending-points",
    "Tariffs": "tariffs#tariffs",
    **dict.fromkeys(
        (
            f"Tariffs.{page}"
            for page in ("plan", "new_plan", "change_plan", "copy_plan", "import_plan")
        ),
        "tariffs#plan",
    ),
    "Tariffs.simulate": "tariffs#simulate",
    "Tariffs.simulation": "tariffs#simulate",
    "TryPrice": "tariffs#try-price",
    "SecurityModules": "setup#modules",
    **dict.fromkeys(
        (f"SecurityModules.{page}" for page in ("import_keys", "enter_key", "remove_key")),
        "setup#vending-keys",
    ),
    "Users": "setup#users",
    **dict.fromkeys(("Users.bearers", "Users.make_bearer"), "setup#programs"),
    "UserGroups": "setup#user-groups",
    "UtilitySetup": "setup#utility",
    "SecondPerson": "setup#second-person",
    "AuditTrail": "audit#audit-trail",
    "TokenJournal": "audit#token-journal",
    "AfterRestore": "audit#after-restore",
    "LedgerProofs": "audit#proof",
    "Clock": "setup#clock",
    "Licence": "setup#licence",
    "Parts": "about#pages",
}
"""Places in the manual, ``chapter#section``, by view or endpoint."""

TROUBLE: Final[Mapping[int, str]] = {
    403: "trouble#not-allowed", 404: "trouble#not-found", 429: "trouble#too-many",
    500: "trouble#went-wrong",
}  # fmt: skip
"""Places for pages that say no, by HTTP status."""
REFUSED: Final = "trouble#refused"


def place_of(endpoint: str | None) -> str:
    """The section of a page, the first of the manual where it has none."""
    endpoint = endpoint or ""
    view = endpoint.partition(".")[0]
    return SECTIONS.get(endpoint) or SECTIONS.get(view) or SECTIONS["Start"]


def help_here() -> str:
    """The address of the section that belongs to the page being shown."""
    if not current_user.is_authenticated:  # the other chapters ask to sign in
        place = place_of(request.endpoint)
        place = place if place.startswith("signing-in#") else SIGN_IN
    elif "trouble" in g:
        place = TROUBLE.get(g.trouble, REFUSED)
    else:
        place = place_of(request.endpoint)
    chapter, _, section = place.partition("#")
    return url_for("Help.chapter", chapter=chapter, _anchor=section)

"""What may be done, as data: permissions, and who holds them without being given them.

A permission is a pair (deed, screen), as the framework asks for it. Which permissions a
user group can be given, and in which words, stands in ``vmsapp.security.matrix``; the groups
that come with the product in ``vmsapp.security.groups``.
"""

from typing import Final

Permission = tuple[str, str]

COUNTER: Final = "Counter"
CLOCK: Final = "Clock"
LICENCE: Final = "Licence"
SESSIONS: Final = "Sessions"
SECOND_FACTOR: Final = "Second factor"
SETUP: Final = "Setup"
FIRST_STEPS: Final = "First steps"
APPROVALS: Final = "Approvals"
SECOND_PERSON: Final = "Second person"
FLOATS: Final = "Floats"
SHIFTS: Final = "Shifts"
SALES_REPORT: Final = "SalesReport"
PROOF: Final = "LedgerProof"
AUDIT: Final = "AuditTrail"
MODULES: Final = "SecurityModules"
TARIFFS: Final = "Tariffs"
IMPORTS: Final = "Imports"
JOBS: Final = "Jobs"
ENGINEERING: Final = "EngineeringTokens"
ENGINEERING_REFUSALS: Final = "EngineeringRefusals"
TEST_TOKENS: Final = "TestTokens"
TOKEN_JOURNAL: Final = "TokenJournal"  # noqa: S105 - a screen
DASHBOARD: Final = "Dashboard"
TOKEN_DESK: Final = "TokenDesk"  # noqa: S105 - a screen
TRAINING: Final = "Training"
CAMPAIGNS: Final = "Campaigns"
TOKEN_RECORDS: Final = "TokenRecords"  # noqa: S105 - a screen
INACTIVE: Final = "InactiveConsumers"
PURCHASES: Final = "PurchaseStatistics"
PURCHASE_RECORDS: Final = "PurchaseRecords"
REPORT_INDEX: Final = "ReportIndex"
SAVED_REPORTS: Final = "SavedReports"
CASH_REPORT: Final = "CashReport"
FLOAT_REPORT: Final = "FloatReport"
FREE_REPORT: Final = "FreeReport"
KEY_REPORT: Final = "KeyReport"
SECOND_LOOKS: Final = "CopiesAndReversals"
STEP_REPORT: Final = "StepReport"
TAX_REPORT: Final = "TaxReport"
REVENUE: Final = "RevenueProtection"
PALETTE: Final = "Palette"
KEYS: Final = "Keys"
HINTS: Final = "Hints"

EVERYBODY: Final[frozenset[Permission]] = frozenset(
    {
        ("can_this_form_get", "ResetMyPasswordView"),
        ("can_this_form_post", "ResetMyPasswordView"),
        ("can_this_form_get", "UserInfoEditView"),
        ("can_this_form_post", "UserInfoEditView"),
        ("can_userinfo", "UserDBModelView"),
        ("can_end", SESSIONS),
        ("can_use", PALETTE),
        ("can_use", KEYS),
        ("can_use", HINTS),
        ("can_set_up", SECOND_FACTOR),
    }
)
"""What whoever is in a group may do to the own account; nobody can take it from them."""

ADMINISTRATORS_ALONE: Final[frozenset[Permission]] = frozenset({("can_show", "Parts")})
"""What no group can be given: pages for who builds the product."""

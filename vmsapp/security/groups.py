"""The user groups that come with the product, in the words of the matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmsapp.errors import N_
from vmsapp.security.matrix import ALL_CELLS, permissions_of
from vmsapp.security.permissions import Permission

ADMINISTRATORS: Final = "Administrator"
"""The group that may do everything, and that nobody can change."""

NOBODY: Final = "Public"
"""The framework's group of people who are not signed in; nothing is open to them."""


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """A group that comes with the product: its name, what it is for, the cells it holds."""

    name: str
    description: str
    cells: frozenset[str]


_FINDS: Final = frozenset(
    {
        "Counter.see",
        "Sales.see",
        "Consumers.see",
        "Meters.see",
        "Dashboard.see",
        "TokenRecords.see",
        "PurchaseStatistics.see",
        "PurchaseRecords.see",
        "InactiveConsumers.see",
        "SavedReports.see",
    }
)
_REGISTERS: Final = frozenset(
    {"Consumers.add", "Consumers.edit", "Meters.add", "Meters.edit", "Meters.bind"}
)
_KEEPS_METERS: Final = frozenset(
    {"Meters.add", "Meters.edit", "Meters.delete", "Meters.bind", "Meters.block", "Meters.retire"}
)
_WORKS_IN_SHIFTS: Final = frozenset({"Shifts.see", "Shifts.work", "Shifts.cash"})
_ENGINEERS: Final = frozenset(
    {
        "EngineeringTokens.see",
        "EngineeringTokens.digits",
        "EngineeringTokens.make",
        "EngineeringTokens.reprint",
        "EngineeringRefusals.see",
        "TestTokens.see",
        "TestTokens.make",
    }
)
_IMPORTS: Final = frozenset(
    {"Imports.see", "Imports.consumers", "Imports.meters", "Imports.meters_with_consumers"}
)
_MONEY_REPORTS: Final = ("TaxReport", "StepReport", "CashReport", "FloatReport",
                         "CopiesAndReversals", "FreeReport", "KeyReport")  # fmt: skip
_SEES_REPORTS: Final = frozenset(f"{report}.see" for report in _MONEY_REPORTS)
_TAKES_REPORTS: Final = frozenset(f"{report}.export" for report in _MONEY_REPORTS)
_SEES_SYSTEM: Final = frozenset(
    {
        "SalesReport.see",
        "SalesReport.export",
        "Sales.export",
        "Regions.see",
        "Regions.export",
        "Products.see",
        "Products.export",
        "VendingPoints.see",
        "VendingPoints.export",
        "Tariffs.see",
        "Tariffs.export",
        "SecurityModules.see",
        "SecurityModules.export",
        "Users.see",
        "Users.export",
        "UserGroups.see",
        "UserGroups.export",
        "Licence.see",
        "Setup.see",
        "AuditTrail.see",
        "AuditTrail.export",
        "TokenJournal.see",
        "TokenJournal.export",
        "TokenRecords.export",
        "PurchaseStatistics.export",
        "PurchaseRecords.export",
        "InactiveConsumers.export",
        "RevenueProtection.see",
        "RevenueProtection.export",
        "EngineeringTokens.see",
        "EngineeringTokens.export",
        "EngineeringRefusals.see",
        "EngineeringRefusals.export",
        "Campaigns.see",
        "Campaigns.export",
        "TestTokens.see",
        "TestTokens.export",
        "LedgerProof.see",
        "LedgerProof.export",
        "Shifts.see",
        "Shifts.figures",
        "Shifts.export",
        "Floats.see",
        "Floats.export",
        "Approvals.see",
        "Approvals.export",
        "Imports.see",
        "Imports.export",
        "Jobs.see",
        "Jobs.export",
    }
)

READY_MADE: Final[Mapping[str, ReadyMade]] = {
    ADMINISTRATORS: ReadyMade(
        N_("Administrator"), N_("May do everything, now and after every update."), ALL_CELLS
    ),
    "Supervisor": ReadyMade(
        N_("Supervisor"),
        N_("Sells, gives money back for sales in doubt, and takes sales back."),
        _FINDS
        | _REGISTERS
        | {"Counter.sell", "Counter.reprint", "Counter.give_back", "Sales.reverse"}
        | {"Counter.give_free", "SalesReport.see", "SalesReport.export"}
        | {"Floats.see", "Approvals.see", "Approvals.decide"}
        | _SEES_REPORTS
        | _TAKES_REPORTS
        | _KEEPS_METERS
        | _WORKS_IN_SHIFTS
        | {"Shifts.close_others", "Shifts.figures"}
        | _IMPORTS
        | {"Jobs.see", "Consumers.export", "Meters.export", "Sales.export", "Floats.export"}
        | {"Consumers.delete", "Consumers.retire", "Consumers.id_number", "Meters.correct"}
        | {"Consumers.debts", "Consumers.confirm_address"}
        | {"Meters.confirm_key", "Meters.refuse_key", "Campaigns.see"}
        | {"TokenDesk.look", "Training.train"}
        | {"TokenRecords.digits", "TokenRecords.export", "InactiveConsumers.export"}
        | {"PurchaseStatistics.export", "PurchaseRecords.export"}
        | {"SavedReports.schedule"}
        | {"RevenueProtection.see", "RevenueProtection.work", "RevenueProtection.decide"}
        | {"RevenueProtection.export"}
        | _ENGINEERS,
    ),
    "Operator": ReadyMade(
        N_("Operator"),
        N_("Sells at the own vending point."),
        _FINDS
        | _REGISTERS
        | _WORKS_IN_SHIFTS
        | {"Counter.sell", "Counter.reprint", "Floats.see", "Training.train"}
        | {"SalesReport.see", "CashReport.see", "FloatReport.see"},
    ),
    "Engineer": ReadyMade(
        N_("Engineer"),
        N_("Looks after meters; sells nothing."),
        _FINDS
        | _KEEPS_METERS
        | {"Meters.change_key", "Meters.confirm_key", "Approvals.see", "Approvals.decide"}
        | {"Campaigns.see", "Campaigns.make", "Campaigns.export"}
        | {"TokenDesk.look", "Training.train"}
        | _ENGINEERS
        | {"InactiveConsumers.export", "KeyReport.see", "KeyReport.export"}
        | {"RevenueProtection.see", "RevenueProtection.work", "RevenueProtection.export"}
        | {"Meters.export", "Imports.see", "Imports.meters", "Jobs.see"},
    ),
    "Auditor": ReadyMade(
        N_("Auditor"),
        N_("Sees everything and touches nothing."),
        _FINDS | _SEES_SYSTEM | _SEES_REPORTS | _TAKES_REPORTS,
    ),
    "Channel": ReadyMade(
        N_("Channel"),
        N_("A program of the utility's own that sells through the API, with a bearer."),
        frozenset({"Counter.see", "Counter.sell", "TokenRecords.see", "TokenRecords.digits"}),
    ),
}
"""By the name stored with a group, whatever an administrator calls it later."""

GROUPS: Final[Mapping[str, frozenset[Permission]]] = {
    name: permissions_of(*group.cells)
    for name, group in READY_MADE.items()
    if name != ADMINISTRATORS
}
"""What the ready-made groups are permitted; administrators are given whatever there is."""

"""HTML doors, one file a menu entry. ``register`` puts them all in their places."""

from typing import Any

from flask import Flask
from flask_appbuilder import AppBuilder

from vmsapp.i18n import _l
from vmsapp.views import assets, base, error_pages, keys, look, pacing, wire, words
from vmsapp.views.approvals.inbox import Approvals
from vmsapp.views.approvals.second_person import SecondPerson
from vmsapp.views.campaigns.left_out import CampaignLeftOut
from vmsapp.views.campaigns.meters import CampaignMeters
from vmsapp.views.campaigns.pages import Campaigns
from vmsapp.views.clock import Clock
from vmsapp.views.counter import letters, line_words, shift_line
from vmsapp.views.counter.free_tokens import FreeTokens
from vmsapp.views.counter.page import Counter
from vmsapp.views.counter.printing import Printing
from vmsapp.views.counter.sales import Sales
from vmsapp.views.counter.sending import Sending
from vmsapp.views.dashboard import Dashboard
from vmsapp.views.engineering.refusals import EngineeringRefusals
from vmsapp.views.engineering.tests_made import TestTokens
from vmsapp.views.engineering.token_desk import TokenDesk
from vmsapp.views.engineering.tokens import EngineeringTokens
from vmsapp.views.engineering.training import TrainingBench
from vmsapp.views.help import first_steps, hints
from vmsapp.views.help import pages as help_pages
from vmsapp.views.help.first_steps import FirstSteps
from vmsapp.views.help.hints import Hints
from vmsapp.views.help.pages import Help
from vmsapp.views.help.palette import Palette
from vmsapp.views.jobs import pages as jobs
from vmsapp.views.jobs.pages import Jobs
from vmsapp.views.keys import Keys
from vmsapp.views.language import LocaleView
from vmsapp.views.lists import export_jobs
from vmsapp.views.modules.journal import TokenJournal
from vmsapp.views.modules.pages import SecurityModules
from vmsapp.views.money.floats import Floats
from vmsapp.views.money.ledger_proof import LedgerProofs
from vmsapp.views.money.shifts import Shifts
from vmsapp.views.office.licence import Licence
from vmsapp.views.office.products import Products
from vmsapp.views.office.regions import Regions
from vmsapp.views.office.setup import UtilitySetup
from vmsapp.views.office.vending_points import VendingPoints
from vmsapp.views.parts import Parts
from vmsapp.views.people import gates
from vmsapp.views.people.audit import AuditTrail
from vmsapp.views.people.manager import ScreensSecurityManager
from vmsapp.views.registration import imports
from vmsapp.views.registration.consumers import Consumers
from vmsapp.views.registration.imports import Imports
from vmsapp.views.registration.meters import Meters
from vmsapp.views.reports import letters as report_letters
from vmsapp.views.reports.cash_report import CashReport
from vmsapp.views.reports.consumer_reports import InactiveConsumers
from vmsapp.views.reports.float_report import FloatReport
from vmsapp.views.reports.free_report import FreeReport
from vmsapp.views.reports.index import ReportIndex
from vmsapp.views.reports.key_report import KeyReport
from vmsapp.views.reports.purchase_statistics import PurchaseStatistics
from vmsapp.views.reports.purchases import PurchaseRecords
from vmsapp.views.reports.records import KeyChangeTokens, SalesTokens
from vmsapp.views.reports.sales import SalesReport
from vmsapp.views.reports.saved import SavedReports
from vmsapp.views.reports.schedules import ReportSchedules
from vmsapp.views.reports.second_look_report import SecondLookReport
from vmsapp.views.reports.step_report import StepReport
from vmsapp.views.reports.tax_report import TaxReport
from vmsapp.views.restored.pages import AfterRestore
from vmsapp.views.revenue.findings import RevenueFindings
from vmsapp.views.revenue.rules import RevenueRules
from vmsapp.views.start import Start
from vmsapp.views.tariffs.pages import Tariffs
from vmsapp.views.tariffs.try_price import TryPrice

__all__ = ["OfficeBuilder", "ScreensSecurityManager", "Start", "register"]

VENDING: dict[str, Any] = {
    "category": "Vending", "category_label": _l("Vending"), "category_icon": "bolt",
}  # fmt: skip
REGISTRATION: dict[str, Any] = {
    "category": "Registration", "category_label": _l("Registration"), "category_icon": "id",
}  # fmt: skip
ENGINEERING: dict[str, Any] = {
    "category": "Engineering", "category_label": _l("Engineering"), "category_icon": "adjustments",
}  # fmt: skip
REPORTS: dict[str, Any] = {
    "category": "Reports", "category_label": _l("Reports"), "category_icon": "chart",
}  # fmt: skip
SYSTEM: dict[str, Any] = {
    "category": "System", "category_label": _l("System"), "category_icon": "settings",
}  # fmt: skip


class OfficeBuilder(AppBuilder):
    """The framework without the pages of its own that nobody here needs."""

    def _add_admin_views(self) -> None:
        """Add the start page, the choice of language, and the pages of people."""
        self._indexview = self.add_view_no_menu(self.indexview)
        self.add_view_no_menu(LocaleView)
        self.sm.register_views()


def register(app: Flask, builder: AppBuilder, *, production: bool) -> None:
    """Register every view and what all pages share."""
    for part in (
        base, error_pages, gates, assets, look, words, line_words, first_steps, wire, pacing,
        imports, jobs, export_jobs, letters, report_letters, shift_line, help_pages, keys, hints,
    ):  # fmt: skip
        part.init_app(app)
    builder.add_view(Counter, "Vending counter", label=_l("Counter"), **VENDING)
    builder.add_view_no_menu(Printing)
    builder.add_view_no_menu(Sending)
    builder.add_view_no_menu(FreeTokens)
    builder.add_link("Open sales", href="/counter/open", label=_l("Sales being settled"), **VENDING)
    builder.add_view(Sales, "Sales list", label=_l("Sales"), **VENDING)
    builder.add_view(Shifts, "Shifts list", label=_l("Shifts"), **VENDING)
    builder.add_view(Floats, "Floats list", label=_l("Floats"), **VENDING)
    builder.add_view(
        Approvals, "Approvals list", label=_l("Approvals"), href="/approvals/list/?box=waiting",
        **VENDING,
    )  # fmt: skip
    builder.add_view(TokenDesk, "Token desk", label=_l("Token desk"), **VENDING)
    builder.add_view(TrainingBench, "Training meter", label=_l("Training meter"), **VENDING)
    builder.add_view(Consumers, "Consumers list", label=_l("Consumers"), **REGISTRATION)
    builder.add_view(Meters, "Meters list", label=_l("Meters"), **REGISTRATION)
    builder.add_view(Imports, "Imports list", label=_l("Imports"), **REGISTRATION)
    builder.add_view(Jobs, "Jobs list", label=_l("Jobs"), **REGISTRATION)
    _register_engineering(builder)
    _register_reports(builder)
    builder.add_view(FirstSteps, "System first steps", label=_l("First steps"), **SYSTEM)
    builder.add_view(Regions, "Regions list", label=_l("Regions"), **SYSTEM)
    builder.add_view(Products, "Products list", label=_l("Products"), **SYSTEM)
    builder.add_view(VendingPoints, "Vending points list", label=_l("Vending points"), **SYSTEM)
    builder.add_view(Tariffs, "Tariffs list", label=_l("Tariffs"), **SYSTEM)
    builder.add_view(TryPrice, "Price trial", label=_l("Try a price"), **SYSTEM)
    builder.add_view(SecurityModules, "Security modules", label=_l("Security modules"), **SYSTEM)
    builder.sm.register_people(SYSTEM)
    builder.add_view(UtilitySetup, "System setup", label=_l("Setup"), **SYSTEM)
    builder.add_view(SecondPerson, "Second person", label=_l("Second person"), **SYSTEM)
    builder.add_view(AuditTrail, "Audit trail", label=_l("Audit trail"), **SYSTEM)
    builder.add_view(TokenJournal, "Token journal", label=_l("Token journal"), **SYSTEM)
    builder.add_view(AfterRestore, "After a restore", label=_l("After a restore"), **SYSTEM)
    builder.add_view(LedgerProofs, "Ledger proof", label=_l("Ledger proof"), **SYSTEM)
    builder.add_view(Clock, "System clock", label=_l("Clock"), **SYSTEM)
    builder.add_view(Licence, "System licence", label=_l("Licence"), **SYSTEM)
    for view in (Help, Palette, Keys, Hints):
        builder.add_view_no_menu(view)
    if not production:
        builder.add_view_no_menu(Parts)


def _register_engineering(builder: AppBuilder) -> None:
    """Put what manages meters in its places."""
    builder.add_view(
        EngineeringTokens, "Engineering tokens", label=_l("Engineering tokens"), **ENGINEERING
    )
    builder.add_view(
        EngineeringRefusals, "Engineering refusals", label=_l("Refused engineering tokens"),
        **ENGINEERING,
    )  # fmt: skip
    builder.add_view(Campaigns, "Campaigns", label=_l("Campaigns"), **ENGINEERING)
    builder.add_view_no_menu(CampaignMeters)
    builder.add_view_no_menu(CampaignLeftOut)
    builder.add_view(TestTokens, "Test tokens", label=_l("Test tokens"), **ENGINEERING)


def _register_reports(builder: AppBuilder) -> None:
    """Put the reports in their places."""
    builder.add_view(Dashboard, "Dashboard", label=_l("Today"), **REPORTS)
    builder.add_view(ReportIndex, "Report index", label=_l("All reports"), **REPORTS)
    builder.add_view(SalesReport, "Sales report", label=_l("Sales report"), **REPORTS)
    for report in (
        CashReport,
        FloatReport,
        FreeReport,
        KeyReport,
        SecondLookReport,
        StepReport,
        TaxReport,
    ):
        builder.add_view_no_menu(report)
    builder.add_view(SalesTokens, "Token records", label=_l("Token records"), **REPORTS)
    builder.add_view_no_menu(KeyChangeTokens)
    builder.add_view(
        PurchaseStatistics, "Purchase statistics", label=_l("Purchase statistics"), **REPORTS
    )
    builder.add_view(PurchaseRecords, "Purchase records", label=_l("Purchase records"), **REPORTS)
    builder.add_view(
        InactiveConsumers, "Inactive consumers", label=_l("Inactive consumers"), **REPORTS
    )
    builder.add_view(SavedReports, "Saved reports", label=_l("Saved reports"), **REPORTS)
    builder.add_view_no_menu(ReportSchedules)
    builder.add_view(RevenueRules, "Revenue protection", label=_l("Revenue protection"), **REPORTS)
    builder.add_view_no_menu(RevenueFindings)

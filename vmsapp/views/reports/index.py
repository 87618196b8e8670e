"""All reports on one page: of each its name and a sentence of what it answers.

A new report is one line in ``SHELF``; whoever may not open it does not see it there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import url_for
from flask_appbuilder import expose, has_access
from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.security import REPORT_INDEX, SAVED_REPORTS
from vmsapp.services.reports.saving import saved_of
from vmsapp.views.base import OfficeView, actor, session
from vmsapp.views.lists.pages import names
from vmsapp.views.reports.reported import reports

Entry = tuple[str, str]
"""A view's class name, and what the report answers."""

SHELF: Final[Mapping[str, Sequence[Entry]]] = {
    N_("Sales and money"): (
        ("Dashboard", N_("How does today go, beside the same weekday a week before?")),
        ("SalesReport", N_("What was sold and taken back: when, where, by whom, at which price?")),
        ("TaxReport", N_("Which taxes were taken at which rates, of which amounts?")),
        ("StepReport", N_("How much was sold in each step of the tariffs?")),
    ),
    N_("Vending points"): (
        ("CashReport", N_("What did each operator's drawer hold, and what was over or short?")),
        ("FloatReport", N_("What did each vending point's float begin and end with?")),
        ("SecondLookReport", N_("Who prints copies and takes sales back, against how many sales?")),
    ),
    N_("Tokens"): (
        ("SalesTokens", N_("Which tokens were made, for which meter, where and by whom?")),
        ("FreeReport", N_("What was given without money, why, and how much of the quotas is it?")),
        ("KeyReport", N_("Which vending keys end when, and how many meters need them?")),
    ),
    N_("Consumers"): (
        ("PurchaseStatistics", N_("How much do consumers buy, how many of them, in which time?")),
        ("PurchaseRecords", N_("What did a consumer buy, for which meter, when and where?")),
        ("InactiveConsumers", N_("Who has a meter and has bought nothing for a while?")),
    ),
}  # fmt: skip
"""The reports, by what they are about, in the order they are read."""


class ReportIndex(OfficeView):
    """The way to every report that its reader may open."""

    route_base = "/reports"
    default_view = "show"
    class_permission_name = REPORT_INDEX
    base_permissions = names("can_show")
    title = _l("All reports")

    @expose("/")
    @has_access
    def show(self) -> str:
        """Show the reports, by what they are about."""
        shelf = ((gettext(about), self._open(entries)) for about, entries in SHELF.items())
        return self.page(
            "reports/index.html", title=str(self.title),
            shelf=[(about, found) for about, found in shelf if found], kept=self._kept(),
        )  # fmt: skip

    def _kept(self) -> list[tuple[str, str, str]]:
        """What the reader kept: names, addresses, and of which report it is."""
        if not self.appbuilder.sm.has_access("can_list", SAVED_REPORTS):
            return []
        known = reports()
        return [
            (row.name, known[row.report].report_url(row.query), known[row.report].report_title())
            for row in session().scalars(saved_of(actor())) if row.report in known
        ]  # fmt: skip

    def _open(self, entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
        """Names, addresses and sentences of those the reader may open."""
        views = {type(view).__name__: view for view in self.appbuilder.baseviews}
        return [
            (_name(view), url_for(f"{view.endpoint}.{view.default_view}"), gettext(answers))
            for name, answers in entries
            if (view := views[name]) and self._may(view)
        ]

    def _may(self, view: Any) -> bool:  # noqa: ANN401 - the framework's
        deed = f"can_{view.default_view}"
        return bool(self.appbuilder.sm.has_access(deed, view.class_permission_name))


def _name(view: Any) -> str:  # noqa: ANN401 - a screen of ours, or a list
    return str(getattr(view, "title", None) or view.list_title)

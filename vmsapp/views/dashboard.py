"""The first page after signing in, for who does not sell: how the day goes, by what one may see."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import render_template, url_for
from flask_appbuilder import expose, has_access, permission_name

from vmsapp.clock import business_day, now_utc
from vmsapp.i18n import _, _l, percent_text
from vmsapp.models import JobState, SaleState
from vmsapp.security import (
    APPROVALS,
    DASHBOARD,
    JOBS,
    MODULES,
    REVENUE,
    SHIFTS,
    TOKEN_JOURNAL,
)
from vmsapp.services import dashboard
from vmsapp.services.approvals import inbox
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.revenue_protection.rules import STOPPED
from vmsapp.services.setup import NotSetUp
from vmsapp.views.base import OfficeView, actor, sentence, session, utility, zone
from vmsapp.views.look import number_text
from vmsapp.views.modules.words import condition_said, nearest_end
from vmsapp.views.words import unit_name

HUNDRED: Final = Decimal(100)

Line = tuple[str, int, str]
"""Words, how many, and where they are."""


class Dashboard(OfficeView):
    """Its figures are read anew each minute, by the page itself."""

    route_base = "/dashboard"
    default_view = "show"
    class_permission_name = DASHBOARD
    title = _l("Today")

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> str:
        """Show the figures."""
        return self.page("dashboard/show.html", **self._figures())

    @expose("/now")
    @has_access
    @permission_name("show")
    def now(self) -> str:
        """Answer with the figures alone."""
        return render_template("dashboard/_figures.html", **self._figures())

    def _figures(self) -> dict[str, Any]:
        day = business_day(now_utc(), zone())
        sees_sales = self._may("Sales") and _is_set_up()
        requests = inbox.how_many_wait(session(), actor()) if self._may(APPROVALS) else None
        counts = dashboard.counts(session(), day, requests)
        return {
            "trade": dashboard.trade(session(), zone()) if sees_sales else None,
            "counts": counts,
            "still": sentence(Standstill()) if counts.still_since else None,
            "restore_url": url_for("AfterRestore.list") if self._may(TOKEN_JOURNAL) else None,
            "today": day,
            "modules": self._modules() if self._may(MODULES) else (),
            "waiting": self._waiting(counts, day) if sees_sales else self._waiting(counts),
            "as_of": now_utc(),
            "zone": zone(),
            "utility": utility() if sees_sales else None,
            "change_said": change_said,
            "hours_of": hours_of,
            "unit_name": unit_name,
            "number": number_text,
        }

    def _modules(self) -> list[dict[str, Any]]:
        return [
            {
                "name": row.name,
                "url": url_for("SecurityModules.show", pk=row.id),
                "said": condition_said(row),
                "first_end": nearest_end(row.keys),
            }
            for row in dashboard.modules(session())
        ]

    def _waiting(self, counts: dashboard.Counts, day: date | None = None) -> list[Line]:
        """What waits for somebody; the sales of a day are for who sees sales."""
        lines = []
        if day:
            pending = url_for("Sales.list", state=SaleState.PENDING)
            failed = url_for("Sales.list", state=SaleState.FAILED, sold_from=day, sold_to=day)
            lines += [
                (_("Sales being settled"), counts.pending, pending),
                (_("Sales failed today"), counts.failed, failed),
            ]
        if self._may(APPROVALS):
            url = url_for("Approvals.list", box="waiting")
            lines.append((_("Requests for you"), counts.requests, url))
        if self._may(SHIFTS):
            lines.append((_("Open shifts"), counts.shifts, url_for("Shifts.list", state="open")))
        if self._may(JOBS):
            failed = url_for("Jobs.list", state=JobState.FAILED)
            lines += [
                (_("Jobs under way"), counts.jobs, url_for("Jobs.list")),
                (_("Jobs failed since yesterday"), counts.jobs_failed, failed),
            ]
        if self._may(REVENUE):
            stopped = url_for("RevenueFindings.list", rule=STOPPED, state="due")
            findings = url_for("RevenueFindings.list", state="due")
            lines += [
                (_("Meters that stopped buying"), counts.stopped, stopped),
                (_("Findings to look at"), counts.findings, findings),
            ]
        return lines

    def _may(self, screen: str) -> bool:
        return bool(self.appbuilder.sm.has_access("can_list", screen))


def change_said(change: Decimal) -> str:
    """Write how much more or less it is than before: ``+12%``."""
    percent = round(change * HUNDRED)
    return percent_text(percent, "", signed=percent != 0)


def _is_set_up() -> bool:
    """Tell whether there is a currency to count in: without it nothing was sold."""
    try:
        utility()
    except NotSetUp:
        return False
    return True


def hours_of(trade: dashboard.Trade) -> range:
    """The hours of the day in which something was sold, and those between."""
    both = zip(trade.today.hours, trade.before.hours, strict=True)
    sold = [hour for hour, minors in enumerate(both) if any(minors)]
    return range(sold[0], sold[-1] + 1) if sold else range(0)

"""Free tokens: what was given, why, by whom, and how much of the quotas is used."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _l, money_text
from vmsapp.security import FREE_REPORT
from vmsapp.services.reports.free import FreeFigures, free_report, quotas_used
from vmsapp.services.reports.lines import Answer
from vmsapp.services.reports.question import By
from vmsapp.views.base import session, utility
from vmsapp.views.counter.sale_filters import TYPE
from vmsapp.views.counter.sale_hands import GIVEN_FOR, WHY
from vmsapp.views.look import number_text
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.columns import Column, Kind, share_text
from vmsapp.views.reports.leads import Sales
from vmsapp.views.reports.lines import time_text
from vmsapp.views.reports.page import ReportPage
from vmsapp.views.reports.sales import TYPE_COLUMN


def _code(why: tuple[str, str]) -> str:
    kind, reason = why
    return f"{kind}.{reason}"


def why_said(why: tuple[str, str]) -> str:
    """Name the reason."""
    word = WHY[_code(why)]
    return str(gettext(word))


SALES: Final = Sales(lambda line: {
    "kind": line.apart.kind, GIVEN_FOR.name: _code(line.apart.why), TYPE.name: line.meter_type,
})  # fmt: skip


class FreeReport(ReportPage):
    """Tokens given without money, by reason."""

    route_base = "/reports/free-tokens"
    template = "reports/free.html"
    class_permission_name = FREE_REPORT
    report = "free_report"
    title = _l("Free tokens")
    bys = (By.MONTH, By.DAY, By.YEAR, By.REGION, By.VENDING_POINT, By.OPERATOR)
    columns = (
        TYPE_COLUMN,
        Column(name="apart.why", word=N_("Reason"), said=why_said),
        Column(name="figures.given", word=N_("Tokens given"), kind=Kind.COUNT, leads=SALES.sold,
               compared=True),
        Column(name="figures.reversed", word=N_("Tokens taken back"), kind=Kind.COUNT,
               leads=SALES.back, compared=True),
        Column(name="figures.units", word=N_("Units, net"), kind=Kind.UNITS,
               leads=SALES.counted, compared=True),
        Column(name="figures.value_minor", word=N_("Worth, net"), kind=Kind.MONEY,
               leads=SALES.counted, compared=True),
    )  # fmt: skip
    drawn = "figures.value_minor"
    note = N_(
        "Worth is what the energy costs at the meter's price, without fees and taxes. What is"
        " taken back is taken off on the date of that."
    )
    nothing = (
        N_("Nothing was given in this period"),
        N_("No free token and no compensation fits this period and these filters."),
    )

    def answer(self, asked: Asked) -> Answer[FreeFigures]:
        """Add up what was given."""
        return free_report(session(), asked.question)

    def more(self, asked: Asked) -> Mapping[str, Any]:
        """Say how much of the quotas each vending point has used."""
        settings = utility()
        worth, tokens = settings.free_value_a_month, settings.free_tokens_a_day
        if worth is None and tokens is None:
            return {"quotas": (), "month": "", "day": ""}

        def money(minor: int) -> str:
            return money_text(minor, settings.currency, settings.exponent)

        used = quotas_used(session(), asked.question)
        last = asked.period.last
        return {
            "month": time_text(By.MONTH, last),
            "day": time_text(By.DAY, last),
            "quotas": [
                (one.name, *_against(one.value_minor, worth, money),
                 *_against(one.tokens, tokens, number_text))
                for one in used
            ],
        }  # fmt: skip


def _against(used: int, quota: int | None, said: Any) -> tuple[str, str, str]:  # noqa: ANN401
    """Write what was used, the quota and the share; where there is none what was used alone."""
    if quota is None:
        return said(used), "", ""
    return said(used), said(quota), share_text(Decimal(used) / quota)

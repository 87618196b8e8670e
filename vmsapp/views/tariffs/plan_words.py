"""Words for what stands in a tariff plan."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, figure_text, isolated, percent_text, price_text, rate_text
from vmsapp.services.tariffs.looking import History
from vmsapp.tariffs.levies import FlatLevy, Levy, PercentLevy
from vmsapp.tariffs.plan import FeePeriod, Plan, Span
from vmsapp.views.approvals.deeds import readable_minor
from vmsapp.views.look import state
from vmsapp.views.words import UNITS

PERIODS: Final = {
    "sale": N_("each purchase"),
    "day": N_("day"),
    "week": N_("week"),
    "month": N_("month"),
    "year": N_("year"),
}
"""How often a fixed fee is charged, after “once”: the manual's periods."""

COUNTED: Final = {
    "month": N_("All that was bought in the calendar month"),
    "sale": N_("Each purchase by itself"),
    "first_of_month": N_("The calendar month; the first step for its first purchase alone"),
    "day": N_("All that was bought on the day"),
    "week": N_("All that was bought in the week"),
    "year": N_("All that was bought in the year"),
    "ever": N_("All that was ever bought"),
}
"""What the steps count."""

INCLUSIVE: Final = {
    "no": N_("Without taxes: they are added"),
    "yes": N_("With taxes: they are in the prices"),
}
KINDS: Final = {
    "percent": N_("Percent"),
    "per_unit": N_("Amount per unit"),
    "flat": N_("Flat sum"),
}
BASES: Final = {
    "energy": N_("Energy"),
    "step_tax": N_("Tax of the steps"),
    "fee": N_("Fixed fee"),
    "penalty": N_("Penalty"),
    "tender": N_("The whole tender"),
}
"""What a percent is of."""

SPANS: Final = {
    "sale": N_("Largest single purchase"),
    "day": N_("Most in a day"),
    "month": N_("Most in a month"),
}
STATES: Final[Mapping[str, tuple[str, str | None]]] = {
    "past": (N_("over"), None),
    "now": (N_("in force"), "good"),
    "coming": (N_("to come"), "warn"),
}


def plan_state(code: str) -> Any:  # noqa: ANN401 - markup
    """Say whether a plan is over, in force or to come."""
    word, tone = STATES[code]
    return state(gettext(word), tone)


def quantity(units: Decimal | None, kind: str) -> str:
    """Write units with what they are of; nothing for no limit."""
    return "" if units is None else f"{figure_text(units)} {gettext(UNITS[kind])}"


def span_said(low: Decimal, high: Decimal | None, kind: str) -> str:
    """Say from where to where a step or a band goes."""
    if high is None:
        return str(_("more than %(start)s", start=quantity(low, kind)))
    if not low:
        return str(_("up to %(end)s", end=quantity(high, kind)))
    said = _("more than %(start)s, up to %(end)s", start=figure_text(low), end=quantity(high, kind))
    return str(said)


def fee_said(plan: Plan) -> list[tuple[str, Any]]:
    """Say what a fixed fee is: names and values."""
    fee = plan.fixed_fee
    if fee is None:
        return []
    facts: list[tuple[str, Any]] = [
        (_("Amount"), readable_minor(fee.amount_minor)),
        (_("Charged once each"), gettext(PERIODS[fee.period.value])),
    ]
    if fee.period is FeePeriod.SALE:
        return facts
    facts.append((_("Missed fees are charged later"), fee.recover_missed))
    if fee.recover_missed:
        most = _("no limit") if fee.max_periods is None else str(fee.max_periods)
        facts.append((_("Most fees at once"), most))
        share = percent_text(fee.arrears_share)
        facts.append((_("Share of the money for missed fees"), share))
    return facts


def levy_said(levy: Levy, currency: str) -> tuple[str, str, str]:
    """Say what a tax or levy is: how much, of what, on which steps."""
    steps = ", ".join(map(str, levy.steps)) or str(_("all"))
    if isinstance(levy, FlatLevy):
        return readable_minor(levy.amount_minor), str(_("each purchase")), steps
    if not isinstance(levy, PercentLevy):
        return isolated(f"{price_text(levy.rate)} {currency}"), str(_("each unit")), steps
    parts = [str(gettext(word)) for code, word in BASES.items() if code in levy.base]
    return percent_text(levy.rate), ", ".join(
        [*parts, *levy.of_levies]
    ), steps  # fmt: skip


def limits_said(plan: Plan, kind: str) -> list[tuple[str, str]]:
    """Say what a plan allows to be bought: names and values."""
    limits, facts = plan.limits, []
    if limits.smallest_units is not None or limits.smallest_minor is not None:
        facts.append(
            (str(_("Smallest purchase")),
             _both(limits.smallest_units, limits.smallest_minor, kind))
        )  # fmt: skip
    for span in Span:
        for most in limits.most:
            if most.span is span:
                word = str(gettext(SPANS[span.value]))
                facts.append((word, _both(most.units, most.minor, kind)))
    return facts


def _both(units: Decimal | None, minor: int | None, kind: str) -> str:
    written = [quantity(units, kind), "" if minor is None else readable_minor(minor)]
    return ", ".join(one for one in written if one)


def steps_said(plan: Plan, kind: str) -> list[tuple[int, str, str, str]]:
    """Say what each step is: its number, units, price and tax."""
    return [
        (number, span_said(step.start, step.end, kind), price_text(step.price),
         rate_text(step.tax_percent))
        for number, step in enumerate(plan.steps, 1)
    ]  # fmt: skip


def penalties_said(plan: Plan, kind: str) -> list[tuple[str, str]]:
    """Say what each penalty band is: its units and its fine."""
    return [
        (span_said(band.low, band.high, kind), readable_minor(band.fine_minor))
        for band in plan.penalties
    ]


def levies_said(plan: Plan, currency: str) -> list[tuple[str, str, str, str]]:
    """Say what each tax or levy is: its name, how much, of what, on which steps."""
    return [(levy.name, *levy_said(levy, currency)) for levy in plan.levies]


def changes_said(history: History) -> list[tuple[datetime, str]]:
    """Say when a plan was changed, and by whom."""
    return [(event.at, event.actor_name) for event in history.changes]

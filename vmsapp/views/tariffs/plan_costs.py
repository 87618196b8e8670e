"""What a plan's purchases cost against units: for its page, and while it is typed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

from vmsapp.i18n import _, money_text, units_text
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import MAX_UNITS
from vmsapp.tariffs.checks import MAX_NAME
from vmsapp.tariffs.plan import Limits, Plan, Settlement
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.terms import FeeDue, Standing, Terms
from vmsapp.views.base import utility
from vmsapp.views.tariffs.cost_chart import PARTS, WIDTH, Chart, chart_of, curve, far_enough, nice


@dataclass(frozen=True, slots=True)
class Costs:
    """A plan's costs to draw and to read.

    Attributes:
        chart: The curve.
        ends: Where on it a step or a penalty band ends, as SVG writes it.
        points: Units and money at both sides of each end.
        currency: Code of the money.
    """

    chart: Chart
    ends: Sequence[str]
    points: Sequence[tuple[str, str]]
    currency: str


def costs_of(plan: Plan, today: date) -> Costs:
    """Work out what each purchase costs a service point that has bought nothing yet.

    The fixed fee is due once; limits of purchases are left out, so that all is seen.
    """
    setup = utility()
    plan, currency = replace(plan, limits=Limits()), currency_of(setup)
    terms = Terms(plan, currency, Settlement(setup.settlement), MAX_UNITS)
    fee = plan.fixed_fee
    due = () if fee is None else (FeeDue(fee.period, today, fee.amount_minor, missed=False),)
    standing = Standing(Decimal(0), due, today)
    most = nice(far_enough(plan, standing) / PARTS) * PARTS
    return Costs(
        chart_of([(plan.name, terms)], [standing]),
        [f"{end / most * WIDTH:.1f}" for end in _ends(plan) if 0 < end < most],
        [
            (
                units_text(units),
                money_text(int(money.scaleb(currency.exponent)), currency.code, currency.exponent),
            )
            for units, money in curve(plan.name, terms, standing, most).points
        ],
        currency.code,
    )


def costs_of_draft(draft: SimpleNamespace, today: date) -> Costs | None:
    """Work out what a plan that is being typed costs; nothing while its prices are no plan."""
    name = draft.name.strip()[:MAX_NAME] or _("This plan")
    try:
        plan = Plan(**vars(draft) | {"name": name, "limits": Limits()})
    except InvalidPlan:
        return None
    return costs_of(plan, today)


def _ends(plan: Plan) -> Sequence[Decimal]:
    """Units at which a step or a band begins: there the line bends or jumps."""
    return sorted({*(s.start for s in plan.steps), *(band.low for band in plan.penalties)})

"""Revenue protection in words: rules with their thresholds, findings with their figures."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import current_app, g, url_for
from flask_babel import gettext
from markupsafe import Markup

from vmsapp.errors import N_
from vmsapp.i18n import _, date_text, money_text, percent_text, units_text
from vmsapp.models import RevenueFinding, RevenueState
from vmsapp.services.revenue_protection.rules import RULES
from vmsapp.sts import identifiers
from vmsapp.views.base import utility
from vmsapp.views.look import digits, number_text, state
from vmsapp.views.words import unit_name

PERMISSIONS: Final = [
    "can_list", "can_show", "can_work", "can_decide", "can_run", "can_rules", "can_export",
]  # fmt: skip
"""Of both screens, which share one row of the matrix: each of them is told all of it."""

STATES: Final = {
    "open": N_("to look at"),
    "taken": N_("under work"),
    "decided": N_("decided"),
    "ceased": N_("no longer true"),
}
TONES: Final = {"open": "warn", "taken": "warn"}
OUTCOMES: Final = {
    "tampering": N_("Tampering confirmed"),
    "faulty": N_("Meter faulty"),
    "misuse": N_("Misuse confirmed"),
    "vacant": N_("Vacant"),
    "moved": N_("Consumer moved"),
    "explained": N_("Explained"),
    "false_alarm": N_("False alarm"),
}
DEEDS: Final = {
    "taken": N_("Taken on"),
    "left": N_("Given up for others"),
    "noted": N_("Note"),
    "decided": N_("Decided"),
    "reopened": N_("Opened again"),
}
SEASONAL: Final = N_("%(now)s in %(months)s months instead of %(expected)s a year before.")

_MONEY: Final = frozenset({"worth"})
_DAYS: Final = frozenset({"last_on"})
_AMOUNTS: Final = frozenset({"now", "expected"})


def rule_word(code: str) -> str:
    """Name a rule; one that is no more keeps its code."""
    return str(gettext(RULES[code].word)) if code in RULES else code


def rule_sentence(code: str, numbers: Mapping[str, int]) -> str:
    """Say exactly what a rule looks for."""
    shown: dict[str, int | str] = {**numbers}
    if "percent" in numbers:
        shown["percent"] = percent_text(numbers["percent"])
    return str(gettext(RULES[code].sentence, **shown))


def found_said(row: RevenueFinding) -> str:
    """Say what was found, with its figures."""
    if row.rule not in RULES:
        return ""
    facts = {name: _fact(row, name, value) for name, value in row.facts.items()}
    sentence = SEASONAL if row.facts.get("seasonal") else RULES[row.rule].said
    return str(gettext(sentence, **facts))


def _fact(row: RevenueFinding, name: str, value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if name in _DAYS:
        return date_text(date.fromisoformat(value))
    if name in _MONEY:
        return _money(value)
    if name in _AMOUNTS:
        return _amount(row, Decimal(value))
    return number_text(value) if type(value) is int else value


def _amount(row: RevenueFinding, amount: Decimal) -> str:
    if row.facts["in_money"]:
        return _money(int(amount))
    unit = f" {unit_name(row.meter.meter_type)}" if row.meter else ""
    return f"{units_text(amount)}{unit}"


def _money(minor: int) -> str:
    return money_text(minor, utility().currency, utility().exponent)


def state_said(row: RevenueFinding) -> Markup:
    """How far the work on it is."""
    return state(gettext(STATES[row.state]), TONES.get(row.state))


def outcome_said(row: RevenueFinding) -> str | None:
    """What was behind it."""
    return str(gettext(OUTCOMES[row.outcome])) if row.outcome else None


def subject_said(row: RevenueFinding) -> Any:  # noqa: ANN401 - words, or a piece of HTML
    """What it is about: a meter, a vending point, somebody there, a sale there."""
    if row.meter_id is not None:
        return digits(identifiers.drn.format(row.meter.drn)) if row.meter else _elsewhere()
    if row.sale_id is not None:
        return str(_("Sale %(id)s", id=row.sale_id))
    return row.operator if row.operator_id is not None else point_said(row)


def point_said(row: RevenueFinding) -> str | None:
    """The vending point."""
    if row.vending_point_id is None:
        return None
    return row.vending_point.name if row.vending_point else _elsewhere()


def _elsewhere() -> str:
    return str(_("Outside your region"))


def subject_links(row: RevenueFinding) -> list[tuple[str, str]]:
    """Where what it is about is read: words and addresses, of what the reader may open."""
    ways = (
        (row.meter_id, "Meters", "Meters.show", N_("Open the meter")),
        (row.sale_id, "Sales", "Sales.show", N_("Open the sale")),
        (row.vending_point_id, "VendingPoints", "VendingPoints.show",
         N_("Open the vending point")),
    )  # fmt: skip
    may = current_app.extensions["appbuilder"].sm.has_access
    return [
        (str(gettext(word)), url_for(route, pk=key))
        for key, screen, route, word in ways if key is not None and may("can_show", screen)
    ]  # fmt: skip


def place_of(row: RevenueFinding) -> Any:  # noqa: ANN401 - a SuppliedPlace, or None
    """Where the meter hangs, as it was read for the rows of this page."""
    return g.get("revenue_places", {}).get(row.meter_id)


def is_over(row: RevenueFinding) -> bool:
    """Whether somebody works on what is no longer true."""
    return row.state == RevenueState.TAKEN and row.ceased_at is not None

"""What the lines of a calculation are called: on the screen, on the receipt, where it is explained.

A line comes as it is stored (see ``services.vending.calculation``); one of an older version
has less, and is called by what it has.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from babel.dates import format_skeleton
from flask import Flask

from vmsapp.errors import N_
from vmsapp.i18n import _, day_text, money_text, percent_text, price_text, units_text, written_as
from vmsapp.models import Sale
from vmsapp.views.words import UNITS

TO_DATE: Final = {
    "day": N_("Bought today: %(units)s"),
    "week": N_("Week to date: %(units)s"),
    "month": N_("Month to date: %(units)s"),
    "first_of_month": N_("Month to date: %(units)s"),
    "year": N_("Year to date: %(units)s"),
    "ever": N_("Bought so far: %(units)s"),
}
"""How the counter is called that a purchase adds to; a purchase by itself adds to none."""


OTHERS: Final = {
    "penalty": N_("Penalty"),
    "credit": N_("Credit on the token"),
    "rounding": N_("Rounding"),
}
"""Lines that have no name but their kind's."""


def init_app(app: Flask) -> None:
    """Give templates the names of lines."""
    app.jinja_env.globals.update(
        line_name=line_name, to_date=to_date, sold=sold_text, on_token=on_token_text
    )


def sold_text(sale: Sale, meter_type: str) -> str:
    """Write what a sale sold: units with their word, or money."""
    if sale.credit_minor is not None:
        return money_text(sale.credit_minor, sale.currency, sale.exponent)
    return f"{units_text(sale.units)} {_(UNITS[meter_type])}"


def on_token_text(sale: Sale, meter_type: str) -> str:
    """Write what the token of a sale carries, never less than was sold."""
    if sale.credit_minor is not None:
        carried = sale.calculation["carried_minor"]
        return money_text(carried, sale.currency, sale.exponent)
    return f"{units_text(sale.units_carried)} {_(UNITS[meter_type])}"


def line_name(line: Mapping[str, Any], unit: str) -> str:
    """Name a line.

    Args:
        line: As it is stored.
        unit: Word for kWh, m³ or minutes.
    """
    kind = line["kind"]
    if kind in {"fee", "fee_arrears"}:
        return fee_name(line.get("period"), line.get("period_start"), missed=kind != "fee")
    if kind == "energy":
        return str(_("%(units)s %(unit)s at %(price)s", **_of_units(line, unit)))
    if kind == "tax":
        return str(_("Tax %(percent)s", percent=percent_text(Decimal(line["rate"]))))
    if kind == "levy":
        return levy_name(line, unit)
    if kind == "debt":
        return line.get("name") or str(_("Debt"))
    return str(_(OTHERS[kind]))


def levy_name(line: Mapping[str, Any], unit: str) -> str:
    """Name a tax or levy of the plan, with its rate."""
    name = line["name"]
    if line["rate"] is None:
        return str(name)
    if line["is_percent"]:
        percent = percent_text(Decimal(line["rate"]))
        return str(_("%(name)s %(percent)s", name=name, percent=percent))
    return str(
        _("%(name)s: %(units)s %(unit)s at %(price)s", name=name, **_of_units(line, unit))
    )  # fmt: skip


def fee_name(period: str | None, start: str | None, *, missed: bool) -> str:
    """Name a fixed fee by the period it is for."""
    match period:
        case "week":
            return str(_("Fixed fee, week from %(day)s", day=day_text(str(start))))
        case "month" | "year":
            written = _calendar(date.fromisoformat(str(start)), period)
            return str(_("Fixed fee, %(period)s", period=written))
        case "day":
            return str(_("Fixed fee, %(period)s", period=day_text(str(start))))
        case None if missed:
            return str(_("Fixed fee for %(period)s", period=day_text(str(start))))
    return str(_("Fixed fee"))


def to_date(accumulation: str | None, units: Decimal) -> str:
    """Say what was bought in the period that the plan counts; nothing where it counts none."""
    message = TO_DATE.get(accumulation or "month")
    return str(_(message, units=units_text(units))) if message else ""


def _of_units(line: Mapping[str, Any], unit: str) -> dict[str, str]:
    return {
        "units": units_text(Decimal(line["units"])),
        "unit": unit,
        "price": price_text(Decimal(line["rate"])),
    }


def _calendar(start: date, period: str) -> str:
    """Write a month or a year the reader's way, digits as everywhere."""
    skeleton = "yMMMM" if period == "month" else "y"
    return str(format_skeleton(skeleton, start, locale=written_as()))

"""Why an amount is what it is, in sentences that can be read out to a customer."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from babel.lists import format_list
from babel.numbers import format_decimal
from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, day_text, money_text, percent_text, price_text, units_text, written_as
from vmsapp.services.explanations import Explanation, Part
from vmsapp.views.counter.line_words import fee_name
from vmsapp.views.words import UNITS

VERSION_SHOWN: Final = 12
"""How many characters of a plan's digest tell versions apart."""

MOST_PLACES: Final = 8
"""Decimals that are written of an exact amount; one that goes on is marked as about."""

BASES: Final = {
    "energy": N_("energy"),
    "step_tax": N_("taxes of the steps"),
    "fee": N_("fixed fees"),
    "penalty": N_("penalty"),
    "tender": N_("everything that is paid"),
}
"""What a percent may be of."""

WHAT: Final = {
    "debt": N_("Debt"),
    "penalty": N_("Penalty"),
    "energy": N_("Energy in step %(step)s"),
    "tax": N_("Tax on step %(step)s"),
    "rounding": N_("Rounding"),
    "credit": N_("Credit on the token"),
}
"""What a line is for, where it has no name of its own."""

HOW: Final = {
    "fee": N_("Due once, whole, with the first purchase in the period."),
    "fee_arrears": N_("Nothing was bought in that period, so its fee is still due."),
    "debt": N_("Part of what is owed."),
    "rounding": N_("Brings the lines to what is paid."),
    "credit": N_("What is left of the money goes on the token; the meter rates itself."),
}
"""How a line is worked out, where the same holds for all of its kind."""

COUNTS: Final = {
    "day": N_("The steps count what is bought in a day, from %(since)s on."),
    "week": N_("The steps count what is bought in a week, from %(since)s on."),
    "month": N_("The steps count what is bought in a calendar month, from %(since)s on."),
    "first_of_month": N_(
        "The steps count what is bought in a calendar month, from %(since)s on; the first step is"
        " for the month's first purchase alone."
    ),
    "year": N_("The steps count what is bought in a year, from %(since)s on."),
    "ever": N_("The steps count everything ever bought here."),
    "sale": N_("The steps count each purchase by itself."),
}
"""What the steps of a plan count."""

SETTLED: Final = {
    ("quantity", "down"): N_("The units are exact; the amount is rounded down to a coin."),
    ("quantity", "up"): N_("The units are exact; the amount is rounded up to a coin."),
    ("quantity", "nearest"): N_("The units are exact; the amount is rounded to the nearest coin."),
    ("amount", "down"): N_("As many units as the money covers are sold; what is left is change."),
    ("amount", "up"): N_("All the money is used, and the units are rounded up."),
    ("amount", "nearest"): N_("All the money is used, and the units are rounded to the nearest."),
}
"""How a purchase is settled, by what was asked for and the setup of that time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line in words: what it is for, how it is worked out, to what exactly, what is charged."""

    what: str
    how: str
    exact: str
    charged: str


def rows(why: Explanation) -> Iterator[Row]:
    """Explain line by line."""
    for part in why.parts:
        exact = "" if part.exact_minor is None else exact_text(part.exact_minor, why.exponent)
        yield Row(
            _what(part), _how(part, why), exact,
            money_text(part.amount_minor, why.currency, why.exponent, symbol=False),
        )  # fmt: skip


def counted(why: Explanation) -> Iterator[str]:
    """Say what was counted before and after, and where in the steps this puts the purchase."""
    if why.credit_minor is not None:
        return
    message = COUNTS.get(why.accumulation or "")
    if message is not None:
        since = day_text(why.counted_since) if why.counted_since else ""
        yield str(gettext(message, since=since))
    if why.accumulation == "sale":
        return
    unit = unit_of(why)
    yield str(_(
        "Before this purchase, %(before)s %(unit)s were counted; after it, %(after)s %(unit)s.",
        before=units_text(why.bought_before), after=units_text(why.bought_after), unit=unit,
    ))  # fmt: skip
    if why.starts_at > why.bought_before:
        yield str(_(
            "It is not the month's first purchase, so it begins at %(start)s %(unit)s.",
            start=units_text(why.starts_at), unit=unit,
        ))  # fmt: skip


def settled(why: Explanation) -> str:
    """Say which way the purchase was rounded; nothing where that was not stored."""
    if why.credit_minor is not None:
        return str(_("All the money is used: what is due is taken, and the rest is credit."))
    message = SETTLED.get((why.mode, why.settlement or ""))
    return str(gettext(message)) if message else ""


def unit_of(why: Explanation) -> str:
    """Name the unit that is sold."""
    return str(gettext(UNITS[why.meter_type]))


def exact_text(minor: Fraction, exponent: int) -> str:
    """Write an exact amount in currency units; one that goes on and on is marked as about.

    Args:
        minor: Minor units.
        exponent: Decimals of the currency.
    """
    exact = minor / 10**exponent
    scaled = exact * 10**MOST_PLACES
    places = "0" * exponent + "#" * (MOST_PLACES - exponent)
    number = Decimal(round(scaled)).scaleb(-MOST_PLACES)
    written = format_decimal(number, format=f"#,##0.{places}", locale=written_as())
    return written if scaled.denominator == 1 else f"≈ {written}"


def _what(part: Part) -> str:
    if part.kind in {"fee", "fee_arrears"}:
        missed = part.kind == "fee_arrears"
        return fee_name(part.period, part.period_start, missed=missed)
    return part.name or str(gettext(WHAT[part.kind], step=part.step))


def _how(part: Part, why: Explanation) -> str:
    if part.kind == "fee" and part.period == "sale":
        return str(_("Due with each purchase."))
    if part.kind == "penalty":
        return _penalty(part, why)
    if part.kind == "energy":
        return _energy(part, why)
    return str(gettext(HOW[part.kind])) if part.kind in HOW else _levy(part, why)


def _penalty(part: Part, why: Explanation) -> str:
    if not part.has_bounds or part.low is None:
        return str(_("A fine for the size of this one purchase."))
    said = {"low": units_text(part.low), "unit": unit_of(why), "units": units_text(why.units)}
    if part.high is None:
        return str(_(
            "A fine for one purchase above %(low)s %(unit)s; this one is %(units)s %(unit)s.",
            **said,
        ))  # fmt: skip
    return str(_(
        "A fine for one purchase above %(low)s up to %(high)s %(unit)s; this one is %(units)s"
        " %(unit)s.",
        high=units_text(part.high), **said,
    ))  # fmt: skip


def _energy(part: Part, why: Explanation) -> str:
    assert part.units is not None, "energy has units"
    assert part.rate is not None, "energy has a price"
    assert part.counted is not None, "energy begins somewhere"
    unit = unit_of(why)
    sentences = [_bounds(part, unit)] if part.has_bounds else []
    sentences.append(str(_(
        "From %(start)s to %(end)s %(unit)s: %(units)s %(unit)s × %(price)s.",
        start=units_text(part.counted), end=units_text(part.counted + part.units),
        units=units_text(part.units), unit=unit, price=price_text(part.rate),
    )))  # fmt: skip
    return " ".join(sentences)


def _bounds(part: Part, unit: str) -> str:
    assert part.low is not None, "a step begins somewhere"
    low = units_text(part.low)
    if part.high is None:
        return str(_("The step is above %(low)s %(unit)s.", low=low, unit=unit))
    return str(_(
        "The step is above %(low)s up to %(high)s %(unit)s.",
        low=low, high=units_text(part.high), unit=unit,
    ))  # fmt: skip


def _levy(part: Part, why: Explanation) -> str:
    if part.rate is None:
        return str(_("A fixed amount, once with this purchase."))
    if part.is_percent and part.base_minor is not None:
        said = {
            "percent": percent_text(part.rate),
            "base": exact_text(part.base_minor, why.exponent),
        }
        of = _of(part)
        if of:
            return str(_("%(percent)s of %(base)s: %(of)s.", of=of, **said))
        return str(_("%(percent)s of %(base)s.", **said))
    return str(_(
        "%(units)s %(unit)s × %(price)s.",
        units=units_text(part.units or Decimal(0)), unit=unit_of(why), price=price_text(part.rate),
    ))  # fmt: skip


def _of(part: Part) -> str:
    """List what a percent is of."""
    words = [*(str(gettext(BASES[code])) for code in part.of if code in BASES), *part.of_levies]
    return format_list(words, locale=written_as()) if words else ""

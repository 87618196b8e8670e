"""Figures of a simulation as they are written: in tables on the page, and in one of a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from flask import current_app, url_for
from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, money_text
from vmsapp.models import Setup, TariffSimulation
from vmsapp.models.simulation import Basis
from vmsapp.services.problems import error_of
from vmsapp.services.sheets import Cell
from vmsapp.services.sheets.pages import Column
from vmsapp.services.tariffs import simulations
from vmsapp.services.tariffs.simulation_sums import PARTS, Figures, Named, Sums
from vmsapp.services.tariffs.simulations import Moved
from vmsapp.sts import identifiers
from vmsapp.views.base import sentence, session
from vmsapp.views.reports.columns import change_text, units_said
from vmsapp.views.reports.files import Table
from vmsapp.views.reports.lines import month_text
from vmsapp.views.tariffs.plan_words import span_said

BASES: Final = {
    Basis.UNITS.value: N_("The same units are bought: what would they have cost?"),
    Basis.MONEY.value: N_("The same money is spent: how many units would it have bought?"),
}
PART_WORDS: Final = {
    "energy": N_("Energy"), "fee": N_("Fixed fees"), "penalty": N_("Penalties"),
    "tax": N_("Taxes and levies"), "rounding": N_("Rounding"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tables: of all, a band, or a product.

    Attributes:
        drawn: The difference as the chart reads it: money, or units.
        said: And as it says it.
    """

    name: str
    figures: Figures
    real: str
    draft: str
    change: str
    percent: str
    real_units: str
    draft_units: str
    drawn: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What an amount is made of."""

    name: str
    real: str
    draft: str
    change: str


@dataclass(frozen=True, slots=True)
class Winner:
    """A place that wins or loses; without links where the reader sees neither."""

    consumer: str
    consumer_url: str | None
    meter: str
    meter_url: str | None
    row: Row


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a simulation's page shows."""

    total: Row
    bands: Sequence[Row]
    products: Sequence[Row]
    parts: Sequence[Part]
    winners: Sequence[Winner]
    losers: Sequence[Winner]
    refusals: Sequence[tuple[int, str | None, str, str]]
    refused: int
    refused_minor: str
    older: str
    in_money: int


class _Pen:
    """Writes figures in the utility's currency and a type of meter's units."""

    def __init__(self, setup: Setup, meter_type: str, basis: str) -> None:
        self._setup, self._type, self._basis = setup, meter_type, basis

    def money(self, minor: int) -> str:
        return money_text(minor, self._setup.currency, self._setup.exponent)

    def exact(self, minor: int) -> Decimal:
        return Decimal(minor).scaleb(-self._setup.exponent)

    def units(self, units: Decimal) -> str:
        return units_said(self._type, units)

    def row(self, name: str, one: Figures) -> Row:
        by_money = self._basis == Basis.UNITS
        pair = (one.draft_minor, one.real_minor) if by_money else (one.draft_units, one.real_units)
        said = self.money(one.minor) if by_money else self.units(one.units)
        return Row(
            name, one, self.money(one.real_minor), self.money(one.draft_minor), said,
            change_text(*pair), self.units(one.real_units), self.units(one.draft_units),
            f"{self.exact(one.minor) if by_money else one.units:f}", said,
        )  # fmt: skip


def shown_of(row: TariffSimulation, sums: Sums, setup: Setup, meter_type: str) -> Shown:
    """Write a simulation's figures for its page."""
    pen = _Pen(setup, meter_type, row.basis)
    names = simulations.product_names(session(), list(sums.products))
    return Shown(
        pen.row(str(_("All")), sums.total),
        [pen.row(name, one) for name, one in _bands(sums, meter_type) if one.places],
        [
            pen.row(names.get(key, ""), one)
            for key, one in sorted(sums.products.items(), key=lambda item: -abs(item[1].minor))
        ],
        [
            Part(
                gettext(PART_WORDS[part]), pen.money(real), pen.money(draft),
                pen.money(draft - real),
            )
            for part, real, draft in _parts(sums.total)
        ],
        _winners(pen, sums.winners), _winners(pen, sums.losers),
        [
            (one["sale_id"], _sale_url(one["sale_id"]), sentence(error_of(one)),
             pen.money(one["paid_minor"]))
            for one in sums.refusals
        ],
        sums.refused.total(), pen.money(sums.refused_minor),
        pen.money(sums.older_minor) if sums.older_minor else "", sums.in_money,
    )  # fmt: skip


def table_of(row: TariffSimulation, sums: Sums, setup: Setup, meter_type: str) -> Table:
    """Write all of it as one table for a file, with the question above."""
    pen = _Pen(setup, meter_type, row.basis)
    money = [N_("Paid"), N_("Under the plan"), N_("Difference")]
    columns = [
        Column(str(_("Part"))), Column(str(_("What"))), Column(str(_("Places")), number=True),
        Column(str(_("Sales")), number=True),
        *(Column(f"{gettext(word)} ({setup.currency})", number=True) for word in money),
        Column(str(_("Units bought")), number=True),
        Column(str(_("Units under the plan")), number=True),
        Column(str(_("Better off")), number=True), Column(str(_("Worse off")), number=True),
    ]  # fmt: skip
    title = str(_("“%(name)s” over real sales", name=row.plan.name))
    return Table(title, questions(row), columns, list(_filed(pen, sums, meter_type)))


def questions(row: TariffSimulation) -> list[tuple[str, str]]:
    """What was asked, in words."""
    return [
        (str(_("Month of the sales")), month_text(row.month)),
        (str(_("Sales of the tariff")), row.tariff.name),
        (str(_("Region")), row.region.name if row.region else str(_("All"))),
        (str(_("What stays the same")), gettext(BASES[row.basis])),
        (str(_("Version of the plan")), row.plan_version[:12]),
    ]


def _filed(pen: _Pen, sums: Sums, meter_type: str) -> Iterator[Sequence[Cell]]:
    names = simulations.product_names(session(), list(sums.products))
    sections: list[tuple[str, Sequence[tuple[str, Figures]]]] = [
        (str(_("All")), [(str(_("All")), sums.total)]),
        (str(_("By monthly units")), [*_bands(sums, meter_type)]),
        (str(_("By product")),
         [(names.get(key, ""), one) for key, one in sums.products.items()]),
    ]  # fmt: skip
    for section, rows in sections:
        for name, one in rows:
            yield [
                section, name, one.places, one.sales, pen.exact(one.real_minor),
                pen.exact(one.draft_minor), pen.exact(one.minor), one.real_units,
                one.draft_units, one.better, one.worse,
            ]  # fmt: skip
    for part, real, draft in _parts(sums.total):
        yield [
            str(_("What it is made of")), gettext(PART_WORDS[part]), None, None, pen.exact(real),
            pen.exact(draft), pen.exact(draft - real), None, None, None, None,
        ]  # fmt: skip
    for section, named in ((_("Win most"), sums.winners), (_("Lose most"), sums.losers)):
        for who in simulations.moved(session(), named):
            place = who.named
            yield [
                str(section), f"{_who(who)} · {_drn(who)}", 1, None, pen.exact(place.real_minor),
                pen.exact(place.draft_minor), pen.exact(place.draft_minor - place.real_minor),
                Decimal(place.real_units), Decimal(place.draft_units), None, None,
            ]  # fmt: skip
    for refusal in sums.refusals:
        said = _("Sale %(id)s: %(why)s", id=refusal["sale_id"], why=sentence(error_of(refusal)))
        yield [
            str(_("Refused under the plan")), str(said), None, 1,
            pen.exact(refusal["paid_minor"]), *([None] * 6),
        ]  # fmt: skip


def _bands(sums: Sums, meter_type: str) -> Iterator[tuple[str, Figures]]:
    ends = [Decimal(edge) for edge in sums.edges]
    for low, high, one in zip([Decimal(0), *ends], [*ends, None], sums.bands, strict=True):
        yield span_said(low, high, meter_type), one


def _parts(total: Figures) -> Iterator[tuple[str, int, int]]:
    for part in PARTS:
        real, draft = total.real_parts[part], total.draft_parts[part]
        if real or draft:
            yield part, real, draft


def _winners(pen: _Pen, named: Sequence[Named]) -> list[Winner]:
    found = []
    for one in simulations.moved(session(), named):
        place = one.named
        figures = Figures(
            places=1, real_minor=place.real_minor, draft_minor=place.draft_minor,
            real_units=Decimal(place.real_units), draft_units=Decimal(place.draft_units),
        )  # fmt: skip
        found.append(Winner(
            _who(one), _url("Consumers", one.consumer), _drn(one), _url("Meters", one.meter),
            pen.row("", figures),
        ))  # fmt: skip
    return found


def _who(one: Moved) -> str:
    return str(one.consumer) if one.consumer else str(_("Outside your region"))


def _drn(one: Moved) -> str:
    return identifiers.drn.format(one.meter.drn) if one.meter else str(_("Outside your region"))


def _url(view: str, row: Any) -> str | None:  # noqa: ANN401 - a row the reader sees, or none
    if row is None or not _may("can_show", view):
        return None
    return url_for(f"{view}.show", pk=row.id)


def _sale_url(sale_id: int) -> str | None:
    return url_for("Sales.show", pk=sale_id) if _may("can_show", "Sales") else None


def _may(deed: str, view: str) -> bool:
    return bool(current_app.extensions["appbuilder"].sm.has_access(deed, view))

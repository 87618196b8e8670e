"""Trying a plan over real sales: asked for, followed, and looked at with the plan."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from flask import abort, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale, gettext
from wtforms import SelectField
from wtforms.validators import Optional

from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import Region, Tariff, TariffPlan, TariffSimulation
from vmsapp.models.simulation import Basis
from vmsapp.services import audit
from vmsapp.services.tariffs import simulations
from vmsapp.services.tariffs.simulations import Wish
from vmsapp.tasks import background
from vmsapp.views.base import actor, session, status_of, utility
from vmsapp.views.forms import LookupField, OfficeForm, put_error, tidy
from vmsapp.views.jobs.watching import watch
from vmsapp.views.lists.exports import KINDS, handed_over, kind_words
from vmsapp.views.lists.pages import Answer, view_named
from vmsapp.views.reports.files import write_file
from vmsapp.views.reports.lines import month_text
from vmsapp.views.tariffs.plan_pages import PlanPages
from vmsapp.views.tariffs.simulation_figures import BASES, shown_of, table_of

MONTHS: Final = 24
"""Months that are offered, the last one first."""


class SimulateForm(OfficeForm):
    """Over which sales a plan is tried."""

    month = SelectField(_l("Month of the sales"), choices=list)
    tariff = SelectField(
        _l("Sales of the tariff"), choices=list, coerce=int,
        description=_l("Usually the tariff’s own sales, so that the plan stands beside its"
                       " predecessor; any other for meters of the same type can be tried."),
    )  # fmt: skip
    region = LookupField(
        _l("Region"), [Optional()], model=Region, endpoint="Regions.lookup",
        description=_l("Leave it empty for all places you see."),
    )  # fmt: skip
    basis = SelectField(_l("What stays the same"), choices=list, default=Basis.UNITS.value)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.basis.choices = [(code, gettext(word)) for code, word in BASES.items()]


class SimulationPages(PlanPages):
    """What is done with plans before they are in force: see what they would have brought."""

    @expose("/<int:pk>/plans/<int:plan_id>/simulate", methods=["GET", "POST"])
    @has_access
    @permission_name("simulate")
    def simulate(self, pk: int, plan_id: int) -> Answer:
        """Have a plan tried over a month's sales, and lead to where it can be followed."""
        tariff, row, status = self.row(pk), self.plan_row(pk, plan_id), 200
        last = simulations.last_month(session())
        form = SimulateForm(data={"month": last.isoformat(), "tariff": pk, "basis": "units"})
        form.month.choices = _months(last)
        form.tariff.choices = self._same_type(tariff)
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return self._asked(row, tariff, form)
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
        page = self._page(
            "tariffs/simulate.html", title=_("Try “%(name)s” over real sales", name=row.name),
            form=form, columns=["month", "tariff", "region", "basis"], tariff=tariff, row=row,
            trail=self.trail(tariff, row), made=self.simulations(row),
            back=self.url("plan", pk=pk, plan_id=plan_id),
        )  # fmt: skip
        return page, status

    @expose("/<int:pk>/simulations/<int:simulation_id>", methods=["GET"])
    @has_access
    @permission_name("show")
    def simulation(self, pk: int, simulation_id: int) -> Answer:
        """Show what a plan would have brought, or how far it is."""
        tariff = self.row(pk)
        row = simulations.found(session(), pk, simulation_id)
        sums = simulations.sums_of(row)
        return self._page(
            "tariffs/simulation.html", title=_("“%(name)s” over real sales", name=row.plan.name),
            trail=self.trail(tariff, row.plan), tariff=tariff, row=row, sums=sums,
            shown=shown_of(row, sums, utility(), tariff.meter_type) if sums else None,
            edited=simulations.edited_since(row), month=month_text(row.month),
            basis=gettext(BASES[row.basis]), who=actor().name, settings=utility(),
            jobs=view_named(self.appbuilder, "Jobs"),
            exports=self._simulation_files(row) if row.finished_at else (),
        )  # fmt: skip

    @expose("/<int:pk>/simulations/<int:simulation_id>/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export_simulation(self, pk: int, simulation_id: int, kind: str) -> Answer:
        """Hand the result over as a file, and put that on record."""
        if kind not in KINDS:
            abort(404)
        tariff, row = self.row(pk), simulations.found(session(), pk, simulation_id)
        sums = simulations.sums_of(row)
        if sums is None or row.finished_at is None:
            return redirect(self.url("simulation", pk=pk, simulation_id=simulation_id))
        table = table_of(row, sums, utility(), tariff.meter_type)
        with atomic(session()) as current:
            audit.record(
                current, actor(), "tariff_plan.simulation_exported", "tariff_plan", row.plan_id,
                kind=kind, simulation=row.id,
            )  # fmt: skip
        name = f"simulation-{row.id}-{row.month:%Y-%m}.{kind}"
        return handed_over(lambda file: write_file(file, kind, table), kind, name)

    def simulations(self, row: TariffPlan) -> Sequence[tuple[TariffSimulation, str, str]]:
        """What a plan was tried over: each with its month in words and its address."""
        return [
            (one, month_text(one.month),
             self.url("simulation", pk=row.tariff_id, simulation_id=one.id))
            for one in simulations.of_plan(session(), row.id)
        ]  # fmt: skip

    def _asked(self, row: TariffPlan, tariff: Tariff, form: SimulateForm) -> Answer:
        region = form.region.data
        wish = Wish(
            date.fromisoformat(form.month.data), form.tariff.data, region.id if region else None,
            Basis(form.basis.data),
        )  # fmt: skip
        title = f"{row.name}, {wish.month:%Y-%m}"
        made = simulations.ask(
            session(), actor(), row.id, wish, locale=str(get_locale() or "en"), title=title
        )
        assert made.job_id is not None
        background.send(made.job_id)
        watch(made.job_id)
        flash(_("The plan is being tried. You may leave this page meanwhile."), "info")
        return redirect(self.url("simulation", pk=tariff.id, simulation_id=made.id))

    def _same_type(self, tariff: Tariff) -> list[tuple[int, str]]:
        """Tariffs whose sales a plan can be tried over."""
        wanted = self.statement().where(Tariff.meter_type == tariff.meter_type)
        return [(row.id, row.name) for row in session().scalars(wanted.order_by(Tariff.name))]

    def _simulation_files(self, row: TariffSimulation) -> Sequence[tuple[str, str]]:
        if not self.may("export"):
            return ()
        where = {"pk": row.plan.tariff_id, "simulation_id": row.id}
        return [
            (word, self.url("export_simulation", **where, kind=kind))
            for kind, word in kind_words().items()
        ]


def _months(last: date) -> list[tuple[str, str]]:
    """The month that runs, and those before it."""
    months = [(last + timedelta(days=31)).replace(day=1)]
    while len(months) < MONTHS:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return [(month.isoformat(), month_text(month)) for month in months]

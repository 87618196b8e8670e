"""The editor of a tariff plan: one form, checked while it is typed, whose rows come and go.

Without a script each press of a button sends the form and gets it back with its rows changed;
the script does the same without leaving the page. Faults and the chart of costs are worked
out here alone, so that what is seen while typing is what saving says.
"""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final, cast

from flask import flash, jsonify, redirect, render_template, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response
from wtforms import Field

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, NotFound, VmsError
from vmsapp.extensions import atomic, begin_reading
from vmsapp.i18n import _, labelled
from vmsapp.models import Tariff, TariffPlan
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan, editing, rules
from vmsapp.services.tariffs.errors import PlanUsed
from vmsapp.tariffs.checks import notes_of
from vmsapp.tariffs.plan import Plan
from vmsapp.views.base import actor, sentence, session, status_of, utility, zone
from vmsapp.views.lists.crud import ChangedMeanwhile, digest
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import Answer, OfficeListView
from vmsapp.views.look import way_here
from vmsapp.views.meanwhile import look_again, mark_changed
from vmsapp.views.tariffs.plan_arranging import Deed, arranged, field_after, read_deed
from vmsapp.views.tariffs.plan_costs import costs_of_draft
from vmsapp.views.tariffs.plan_form import MOST_ROWS, PlanForm
from vmsapp.views.tariffs.plan_rows import typed_of
from vmsapp.views.words import UNITS

WRITTEN = ("name", "effective_on", "rules")
"""What two people must not overwrite of each other."""


PARTS: Final = {
    "steps": N_("Steps"),
    "penalties": N_("Step penalty"),
    "levies": N_("Taxes and levies"),
}
"""Parts that have rows, as their headings call them."""


class PlanEditor(OfficeListView):
    """The pages on which plans are written."""

    @expose("/<int:pk>/plans/new", methods=["GET", "POST"])
    @has_access
    @permission_name("plan")
    def new_plan(self, pk: int) -> Answer:
        """Write a new plan."""
        return self._written(self.row(pk), None)

    @expose("/<int:pk>/plans/<int:plan_id>/change", methods=["GET", "POST"])
    @has_access
    @permission_name("plan")
    def change_plan(self, pk: int, plan_id: int) -> Answer:
        """Change a plan that nothing was sold under."""
        tariff, row = self.row(pk), self.plan_row(pk, plan_id)
        last = rules.last_sold_on(session(), pk)
        if last is not None and row.effective_on <= last and request.method == "GET":
            raise PlanUsed(name=row.name)
        return self._written(tariff, row)

    @expose("/<int:pk>/plans/check", methods=["POST"])
    @has_access
    @permission_name("plan")
    def check_plan(self, pk: int) -> Response:
        """Say what is wrong with a plan as it is typed, and draw what it costs."""
        begin_reading(session())
        tariff = self.row(pk)
        form = PlanForm()
        form.validate()
        typed = [field for field in form.wrong if field.id not in form.missing]
        count = len(typed) + len(form.part_errors)
        return jsonify(
            fields={field.id: said_of(field) for field in typed},
            missing=sorted(form.missing),
            parts={part: " ".join(said) for part, said in form.part_errors.items()},
            said=ngettext(
                "%(num)s field needs your attention", "%(num)s fields need your attention", count
            )
            if count
            else "",
            notes=plan_notes(form.draft()),
            chart=render_template("tariffs/_costs.html", **_costs(form, tariff)),
        )

    def plan_row(self, pk: int, plan_id: int) -> TariffPlan:
        """Fetch a plan of a tariff.

        Raises:
            NotFound: It has no such plan.
        """
        row: TariffPlan | None = row_of(session(), TariffPlan, plan_id)
        if row is None or row.tariff_id != pk:
            raise NotFound
        return row

    def _written(self, tariff: Tariff, row: TariffPlan | None) -> Answer:
        form, deed, status = PlanForm(data=self._present(tariff, row)), None, 200
        seen = "" if row is None else digest(row, WRITTEN)
        if request.method == "POST":
            seen = request.form.get("seen", "")
            deed = read_deed(request.form.get("do", ""))
            if deed is not None:
                form = PlanForm(formdata=arranged(MultiDict(request.form), deed))
                form.validate()
                form.forgive_missing()
            else:
                status = 422
                if form.validate():
                    try:
                        return self._saved_plan(form, tariff.id, row.id if row else None)
                    except VmsError as error:
                        session().rollback()
                        form.put(error)
                        status = status_of(error)
                        if row is not None and isinstance(error, ChangedMeanwhile):
                            now = self.plan_row(tariff.id, row.id)
                            seen = digest(now, WRITTEN)
                            self._mark_plan(form, tariff, now)
        page = self._page(
            "tariffs/edit.html", trail=self.trail(tariff), form=form,
            tariff=tariff, row=row, seen=seen, deed=deed,
            title=row.name if row else str(_("New plan for “%(name)s”", name=tariff.name)),
            focus=field_after(form_sent(form), deed) if deed else "",
            said=self._said(form, deed) if deed else "", most=MOST_ROWS,
            notes=plan_notes(form.draft()),
            back=self.url("plan", pk=tariff.id, plan_id=row.id)
            if row else self.url("show", pk=tariff.id), **_costs(form, tariff),
        )  # fmt: skip
        return page, status

    def trail(self, tariff: Tariff, plan: TariffPlan | None = None) -> list[tuple[str, str | None]]:
        """The way from the menu to a page of a tariff, or of a plan of it."""
        steps = [*way_here(""), (tariff.name, self.url("show", pk=tariff.id))]
        if plan is not None:
            steps.append((plan.name, self.url("plan", pk=tariff.id, plan_id=plan.id)))
        return steps

    def _mark_plan(self, form: PlanForm, tariff: Tariff, now: TariffPlan) -> None:
        """Say what somebody else saved, beside each figure, and where to look at all of it."""
        theirs = PlanForm(formdata=None, data=self._present(tariff, now))
        mark_changed(form.all_fields(), theirs.all_fields())
        for part, title in PARTS.items():
            count = len(theirs[part])
            if count != len(form[part]):
                form.form_errors.append(
                    _("%(part)s: rows that are saved now: %(count)s", part=_(title), count=count)
                )
        look_again(form, self.url("plan", pk=tariff.id, plan_id=now.id))

    def _present(self, tariff: Tariff, row: TariffPlan | None) -> dict[str, Any]:
        """What stands in the form before anybody typed."""
        if row is not None:
            return typed_of(as_plan(row, currency_of(utility())), row.effective_on)
        return {
            "effective_on": rules.earliest_day(session(), tariff.id),
            "steps": [{"start": Decimal(0)}],
        }

    def _saved_plan(self, form: PlanForm, tariff_id: int, plan_id: int | None) -> Answer:
        plan, day = form.plan(), form.effective_on.data
        with atomic(session()) as current:
            if plan_id is None:
                row = editing.add_plan(current, actor(), tariff_id, plan, day)
            else:
                fresh = editing.locked_plan(current, plan_id)
                if request.form.get("seen") != digest(fresh, WRITTEN):
                    raise ChangedMeanwhile
                row = editing.change_plan(current, actor(), plan_id, plan, day)
        done = _("“%(name)s” was added.", name=row.name) if plan_id is None else _("Saved.")
        flash(done, "success")
        return redirect(self.url("plan", pk=tariff_id, plan_id=row.id))

    def _said(self, form: PlanForm, deed: Deed) -> str:
        """Say what a press of a button did, to who does not see it."""
        count = len(form[deed.part])
        if deed.what == "add" and count >= MOST_ROWS[deed.part]:
            return str(_("A row was added; there can be no more. Rows: %(count)s", count=count))
        words = {
            "add": _("A row was added. Rows: %(count)s", count=count),
            "remove": _("The row was removed. Rows: %(count)s", count=count),
            "up": _("The row was moved up."),
            "down": _("The row was moved down."),
        }
        return str(words[deed.what])


def said_of(field: Field) -> str:
    """Say what is wrong with a field; of one in a row, which it is."""
    said = " ".join(map(str, field.errors))
    if "-" not in field.id:
        return said
    return labelled(field.label.text, said)


def plan_notes(plan: Plan | SimpleNamespace) -> str:
    """Say what is odd about a plan, though nothing is wrong with it."""
    return " ".join(sentence(note) for note in notes_of(cast("Plan", plan)))


def form_sent(form: PlanForm) -> MultiDict[str, str]:
    """The names a form's rows would be sent under."""
    return MultiDict([(field.name, "") for field in form.all_fields()])


def _costs(form: PlanForm, tariff: Tariff) -> dict[str, Any]:
    """What the chart is drawn from."""
    return {
        "costs": costs_of_draft(form.draft(), today()),
        "unit": _(UNITS[tariff.meter_type]),
        "currency": utility().currency,
    }


def today() -> date:
    """The day it is at the utility."""
    return business_day(now_utc(), zone())

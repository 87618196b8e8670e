"""One plan of a tariff: looked at, copied, removed, taken away as a file, put in from one."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from flask import Response as FileResponse
from flask import current_app, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_wtf.file import FileField, FileRequired
from werkzeug.datastructures import FileStorage
from wtforms import DateField, SelectField, StringField
from wtforms.validators import DataRequired, Length, Optional

from vmsapp.errors import N_, InvalidInput, NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import Tariff, TariffPlan
from vmsapp.services.setup import currency_of
from vmsapp.services.tariffs import as_plan, editing, files, looking, rules
from vmsapp.services.tariffs.errors import PlanNameTaken, PlanNeeded, PlanUsed
from vmsapp.services.tariffs.files import MAX_BYTES, PlanFileFaults
from vmsapp.services.tariffs.looking import COUNTED, Dated
from vmsapp.services.tariffs.reading import version_of
from vmsapp.tariffs.checks import MAX_NAME
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.plan_file import place_of
from vmsapp.views.base import actor, sentence, session, status_of, utility
from vmsapp.views.counter.why_words import VERSION_SHOWN
from vmsapp.views.forms import OfficeForm, put_error, tidy
from vmsapp.views.lists.pages import Answer
from vmsapp.views.look import digits, number_text
from vmsapp.views.tariffs import plan_words
from vmsapp.views.tariffs.plan_costs import costs_of
from vmsapp.views.tariffs.plan_editor import PlanEditor, plan_notes, today
from vmsapp.views.words import UNITS

TRY: Final = "TryPrice.show"

MOST_FAULTS: Final = 50
"""Faults of a file that are listed; who has more has another kind of file."""


class FileTooLarge(InvalidInput):
    """No plan is so long."""

    code = "plan_file_too_large"
    message = N_("A plan file has at most 1 MB. Choose another file.")
    field = "file"


class FileNotText(InvalidInput):
    """A picture, say."""

    code = "plan_file_not_text"
    message = N_("This file is not text in UTF-8, as plan files are. Choose another file.")
    field = "file"


class CopyForm(OfficeForm):
    """Where a copy goes."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=MAX_NAME)])
    tariff = SelectField(
        _l("Tariff"), choices=list, coerce=int,
        description=_l("Tariffs for the same meter type."),
    )  # fmt: skip
    effective_on = DateField(
        _l("In force from"), [DataRequired(_l("Enter a date."))],
        description=_l("From the first minute of this day, in the utility's time zone."),
    )  # fmt: skip


class ImportForm(OfficeForm):
    """A plan file."""

    file = FileField(
        _l("Plan file"), [FileRequired(_l("Choose the plan file."))],
        description=_l("JSON, as “Export” writes it, at most 1 MB."),
    )  # fmt: skip
    name = StringField(
        _l("Name"), [Optional(), Length(max=MAX_NAME)],
        description=_l("Leave it empty to take the name that stands in the file."),
    )  # fmt: skip
    effective_on = DateField(
        _l("In force from"), [Optional()],
        description=_l("Leave it empty to take the day that stands in the file."),
    )  # fmt: skip


class PlanPages(PlanEditor):
    """What is done with plans besides writing them."""

    @expose("/<int:pk>/plans/<int:plan_id>", methods=["GET"])
    @has_access
    @permission_name("show")
    def plan(self, pk: int, plan_id: int) -> Answer:
        """Show all of a plan, what it costs, and who wrote it."""
        tariff = self.row(pk)
        plans = self.dated(pk)
        dated = next((one for one in plans if one.row.id == plan_id), None)
        if dated is None:
            raise NotFound
        row, setup = dated.row, utility()
        plan = as_plan(row, currency_of(setup))
        sales, meters = looking.use_of(session(), row)
        begun = [one for one in plans if one.row.effective_on <= today()]
        return self._page(
            "tariffs/plan.html", trail=self.trail(tariff), title=row.name,
            tariff=tariff, row=row, dated=dated, plan=plan,
            sales=_("more than %(count)s", count=number_text(COUNTED))
            if sales > COUNTED else number_text(sales),
            needed=dated.state == "now" and len(begun) == 1 and meters,
            version=digits(version_of(row)[:VERSION_SHOWN]), notes=plan_notes(plan),
            history=looking.history(session(), plan_id), words=plan_words,
            costs=costs_of(plan, today()), unit=_(UNITS[tariff.meter_type]),
            currency=setup.currency, simulator=self._simulator(plan_id),
        )  # fmt: skip

    @expose("/<int:pk>/plans/<int:plan_id>/copy", methods=["GET", "POST"])
    @has_access
    @permission_name("plan")
    def copy_plan(self, pk: int, plan_id: int) -> Answer:
        """Copy a plan to another day or another tariff, and go on to change the copy."""
        tariff, row = self.row(pk), self.plan_row(pk, plan_id)
        day, name = rules.suggested(session(), pk, row.name)
        form = CopyForm(data={"name": name, "tariff": pk, "effective_on": day})
        form.tariff.choices = self._copied_to(tariff)
        status = 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    made = editing.copy_plan(
                        session(), actor(), plan_id, tariff_id=form.tariff.data,
                        name=form.name.data, effective_on=form.effective_on.data,
                    )  # fmt: skip
                    flash(_("The plan was copied. Change here what is to differ."), "success")
                    return redirect(self.url("change_plan", pk=made.tariff_id, plan_id=made.id))
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
        page = self._page(
            "office/form.html", title=_("Copy “%(name)s”", name=row.name), form=form,
            columns=["name", "tariff", "effective_on"], row=row, seen="",
            trail=self.trail(tariff, row),
            back=self.url("plan", pk=pk, plan_id=plan_id),
        )  # fmt: skip
        return page, status

    @expose("/<int:pk>/plans/<int:plan_id>/remove", methods=["POST"])
    @has_access
    @permission_name("plan")
    def remove_plan(self, pk: int, plan_id: int) -> Answer:
        """Remove a plan that nothing was sold under."""
        name = self.plan_row(pk, plan_id).name
        try:
            editing.remove_plan(session(), actor(), plan_id)
        except (PlanUsed, PlanNeeded) as error:
            flash(sentence(error), "danger")
            return redirect(self.url("plan", pk=pk, plan_id=plan_id))
        flash(_("“%(name)s” was removed.", name=name), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/plans/<int:plan_id>/export", methods=["POST"])
    @has_access
    @permission_name("export")
    def export_plan(self, pk: int, plan_id: int) -> Answer:
        """Hand a plan over as a file."""
        tariff, row = self.row(pk), self.plan_row(pk, plan_id)
        text = files.export_plan(session(), actor(), row, tariff)
        answer = FileResponse(text, mimetype="application/json")
        name = f"{tariff.name}-{row.effective_on.isoformat()}.json"
        plain = f"tariff-{pk}-{row.effective_on.isoformat()}.json"
        answer.headers["Content-Disposition"] = (
            f"attachment; filename={plain}; filename*=UTF-8''{quote(name, safe='')}"
        )
        return answer

    @expose("/<int:pk>/plans/import", methods=["GET", "POST"])
    @has_access
    @permission_name("plan")
    def import_plan(self, pk: int) -> Answer:
        """Put in a plan out of a file; all that is wrong with the file is listed."""
        tariff, form, status = self.row(pk), ImportForm(), 200
        faults: Sequence[tuple[str, str]] = ()
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    row = self._imported(tariff, form)
                    flash(_("“%(name)s” was added.", name=row.name), "success")
                    return redirect(self.url("plan", pk=pk, plan_id=row.id))
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
                    if isinstance(error, PlanNameTaken):
                        form.name.data = error.suggested
                    if isinstance(error, PlanFileFaults):
                        faults = [_fault_said(fault) for fault in error.faults[:MOST_FAULTS]]
        page = self._page(
            "tariffs/import.html", title=_("Import a plan into “%(name)s”", name=tariff.name),
            form=form, faults=faults, trail=self.trail(tariff),
            columns=["file", "name", "effective_on"],
            back=self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    def _simulator(self, plan_id: int) -> str | None:
        """Where the plan can be tried out, on an installation that has the page."""
        there = TRY in current_app.view_functions
        may = self.appbuilder.sm.has_access("can_try", self.class_permission_name)
        return url_for(TRY, plan=plan_id) if there and may else None

    def dated(self, pk: int) -> list[Dated]:
        """The plans of a tariff, the newest first."""
        return looking.plans_of(session(), pk, today())

    def _copied_to(self, tariff: Tariff) -> list[tuple[int, str]]:
        """Tariffs a plan may be copied to."""
        wanted = self.statement().where(
            Tariff.meter_type == tariff.meter_type,
            Tariff.retired.is_(False) | (Tariff.id == tariff.id),
        )
        return [(row.id, row.name) for row in session().scalars(wanted.order_by(Tariff.name))]

    def _imported(self, tariff: Tariff, form: ImportForm) -> TariffPlan:
        upload: FileStorage = form.file.data
        content = upload.stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise FileTooLarge
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FileNotText from None
        return files.import_text(
            session(), actor(), tariff, text,
            name=form.name.data or "", effective_on=form.effective_on.data,
            file=upload.filename or "",
        )  # fmt: skip


def _fault_said(fault: files.Fault) -> tuple[str, str]:
    """Say where in a file a fault is, and what it is."""
    if isinstance(fault, InvalidPlan):
        return place_of(fault), sentence(fault)
    return place_of(fault), str(_(fault.why, **fault.holes))

"""Saved reports: questions kept under a name, each person's own, and when they are sent."""

from collections.abc import Mapping
from typing import ClassVar

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy import func, select
from wtforms import StringField
from wtforms.validators import InputRequired

from vmsapp.errors import InvalidInput, NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import ReportSchedule, SavedReport
from vmsapp.security import SAVED_REPORTS
from vmsapp.services.reports import saving
from vmsapp.services.reports.saving import NAME_MAX, saved_of
from vmsapp.views.base import OfficeView, actor, came_from, sentence, session, status_of
from vmsapp.views.forms import OfficeForm, of_length, put_error, tidy
from vmsapp.views.lists.pages import Answer, names
from vmsapp.views.lists.undo import moment_named, offer_undo
from vmsapp.views.reports.reported import Reported, reports
from vmsapp.views.reports.schedules import schedules_listed


class NameForm(OfficeForm):
    """What a saved report is called."""

    name = StringField(
        _l("Name"), [InputRequired(_l("Give the saved report a name.")), of_length(0, NAME_MAX)]
    )


class SavedReports(OfficeView):
    """What the reader kept, and the schedules the reader sees."""

    route_base = "/reports/saved"
    default_view = "list"
    class_permission_name = SAVED_REPORTS
    base_permissions: ClassVar[list[str]] = names("can_list can_schedule")
    title = _l("Saved reports")

    @expose("/")
    @has_access
    def list(self) -> Answer:
        """Show them, and when they are sent."""
        known = reports()
        rows = [row for row in session().scalars(saved_of(actor())) if row.report in known]
        return self.page(
            "reports/saved.html",
            title=str(self.title),
            rows=[(row, known[row.report].report_title(), open_url(known, row)) for row in rows],
            counts=self._counts(),
            sends=self.appbuilder.sm.has_access("can_schedule", SAVED_REPORTS),
            schedules=schedules_listed(),
            offered=[view for view in known.values() if view.opened_here()],
        )

    @expose("/save", methods=["POST"])
    @has_access
    @permission_name("list")
    def save(self) -> Answer:
        """Keep a question under a name, and lead back to its report."""
        view = reports().get(request.form.get("report", ""))
        if view is None or not view.opened_here():
            raise NotFound
        name = request.form.get("name", "")
        try:
            row = saving.save(session(), actor(), view.report, name, request.form.get("query", ""))
        except InvalidInput as error:
            session().rollback()
            flash(sentence(error), "danger")
            return redirect(came_from())
        flash(_("“%(name)s” was saved.", name=row.name), "success")
        return redirect(view.report_url(row.query))

    @expose("/rename/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("list")
    def rename(self, pk: int) -> Answer:
        """Call one something else."""
        row, status = saving.saved_report(session(), actor(), pk), 200
        form = NameForm(obj=row)
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    saving.rename(session(), actor(), pk, form.name.data or "")
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
                else:
                    flash(_("Saved."), "success")
                    return redirect(url_for("SavedReports.list"))
        title = str(_("Rename “%(name)s”", name=form.name.object_data or ""))
        page = self.page(
            "office/form.html", title=title, form=form, columns=["name"], row=pk, seen="",
            back=url_for("SavedReports.list"),
        )  # fmt: skip
        return page, status

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("list")
    def delete(self, pk: int) -> Answer:
        """Delete one with its schedules; a press brings them back."""
        name = saving.saved_report(session(), actor(), pk).name
        at = saving.delete(session(), actor(), pk)
        text = str(_("“%(name)s” was deleted.", name=name))
        offer_undo(text, url_for("SavedReports.restore", pk=pk), at)
        return redirect(url_for("SavedReports.list"))

    @expose("/restore/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("list")
    def restore(self, pk: int) -> Answer:
        """Undo a deletion."""
        row = saving.restore(session(), actor(), pk, moment_named())
        flash(_("“%(name)s” is back. Its schedules are paused.", name=row.name), "success")
        return redirect(url_for("SavedReports.list"))

    def _counts(self) -> Mapping[int, int]:
        """How many schedules each of the own saved reports has."""
        rows = session().execute(
            select(ReportSchedule.saved_id, func.count())
            .where(ReportSchedule.actor_id == actor().user_id, ReportSchedule.deleted_at.is_(None))
            .group_by(ReportSchedule.saved_id)
        )
        return dict(rows.all())


def open_url(known: Mapping[str, Reported], row: SavedReport) -> str:
    """Where a saved report is read, asked what was kept."""
    return known[row.report].report_url(row.query)

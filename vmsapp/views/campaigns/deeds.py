"""What is done to a campaign under way: paused, let go on, stopped, its tokens sent."""

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale
from wtforms import TextAreaField
from wtforms.validators import InputRequired

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.services.campaigns.messages import send_messages
from vmsapp.services.campaigns.report import ask_report
from vmsapp.services.campaigns.steering import go_on, pause, stop
from vmsapp.tasks import background
from vmsapp.views.base import actor, session, status_of
from vmsapp.views.campaigns.forms import REASON_MAX
from vmsapp.views.forms import OfficeForm, of_length, put_error, tidy
from vmsapp.views.jobs.watching import watch
from vmsapp.views.lists.pages import Answer, OfficeListView


class StopForm(OfficeForm):
    """Why it is given up."""

    reason = TextAreaField(
        _l("Reason"), [InputRequired(_l("Say why.")), of_length(0, REASON_MAX)],
        description=_l("It is kept on record."),
    )  # fmt: skip


class CampaignDeeds(OfficeListView):
    """The deeds on a campaign's page; part of the list of campaigns."""

    @expose("/<int:pk>/pause", methods=["POST"])
    @has_access
    @permission_name("make")
    def pause(self, pk: int) -> Answer:
        """Make no further set until it is let go on."""
        self.row(pk)
        pause(session(), actor(), pk)
        flash(_("Paused. Sets that the module is making are still finished."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/go-on", methods=["POST"])
    @has_access
    @permission_name("make")
    def go_on(self, pk: int) -> Answer:
        """Let it go on."""
        self.row(pk)
        row = go_on(session(), actor(), pk, locale=_language())
        if row.job_id is not None:
            background.send(row.job_id)
        flash(_("It goes on where it was."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/stop", methods=["GET", "POST"])
    @has_access
    @permission_name("make")
    def stop(self, pk: int) -> Answer:
        """Give the rest up, saying why."""
        row, form, status = self.row(pk), StopForm(), 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    stop(session(), actor(), pk, reason=form.reason.data or "")
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    row, status = self.row(pk), status_of(error)
                    put_error(form, error)
                else:
                    flash(_("Stopped. No further tokens are made."), "success")
                    return redirect(self.url("show", pk=pk))
        page = self._page(
            "campaigns/stop.html", title=_("Stop “%(name)s”", name=row.name), form=form,
            back=self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    @expose("/<int:pk>/send", methods=["POST"])
    @has_access
    @permission_name("make")
    def send(self, pk: int) -> Answer:
        """Have the text messages sent that wait."""
        self.row(pk)
        job = send_messages(session(), actor(), pk, locale=_language())
        background.send(job.id)
        flash(_("The text messages are being sent."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/report", methods=["POST"])
    @has_access
    @permission_name("export")
    def report(self, pk: int) -> Answer:
        """Have the report written: every meter and what became of it."""
        self.row(pk)
        job = ask_report(session(), actor(), pk, locale=_language())
        background.send(job.id)
        watch(job.id)
        flash(_("The report is being written. You are told when it is ready."), "info")
        return redirect(self.url("show", pk=pk))


def _language() -> str:
    return str(get_locale() or "en")

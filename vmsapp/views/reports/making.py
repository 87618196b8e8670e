"""A sales report that takes long: made in the background, followed on its page, and shown there."""

from dataclasses import dataclass
from typing import Any

from flask import redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale
from werkzeug.wrappers import Response

from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.i18n import moment_text
from vmsapp.models import Job
from vmsapp.services.reports import Report, making
from vmsapp.services.reports.lines import Answer as Lines
from vmsapp.tasks import background
from vmsapp.views.base import actor, session, status_of, utility, zone
from vmsapp.views.jobs.watching import watch
from vmsapp.views.lists.exports import KINDS, ask_file, may_wait
from vmsapp.views.lists.pages import Answer, view_named
from vmsapp.views.reports.asked import Asked
from vmsapp.views.reports.page import ReportPage


@dataclass(frozen=True, slots=True)
class Making:
    """A report that is not there yet, or was made a while ago.

    Attributes:
        job: What makes or made it, if it was asked for.
        count: Sales that are read.
        url: Where it is asked for.
    """

    job: Job | None
    count: int
    url: str

    @property
    def at(self) -> str:
        """When it was made."""
        assert self.job is not None
        assert self.job.finished_at is not None, "it is there"
        return moment_text(self.job.finished_at, zone())


class MadeInBackground(ReportPage):
    """A report of which some questions read too many records for somebody to wait for."""

    template = "reports/sales.html"

    def answer_of(self, report: Report) -> Lines[Any]:
        """Make lines of what was found."""
        raise NotImplementedError

    def _opened(self) -> Answer | Response:
        settings = utility()
        try:
            asked = self._asked()
            count = self._long(asked)
        except VmsError as error:
            return self._refused(error), status_of(error)
        if not count:
            return super()._opened()
        job = making.asked_for(session(), actor(), asked.question)
        report = making.made(session(), job) if job else None
        url = url_for(f"{self.endpoint}.make") + f"?{self.asked_query()}"
        told = Making(job, count, url)
        if report is None:
            return self.shown(self._awaited(asked, told))
        found = self.answer_of(report)
        return self.shown(self._shown(asked, found, settings, made=told))

    def _awaited(self, asked: Asked, told: Making) -> str:
        """Show the question, and how far the answer is."""
        jobs = view_named(self.appbuilder, "Jobs")
        return self._page(asked, **self._question_said(asked), rows=[], awaited=told, jobs=jobs)

    def _long(self, asked: Asked) -> int:
        """Count the records that are read, where these are too many to wait for."""
        count = making.to_read(session(), asked.question) if may_wait() else 0
        return count if count > making.AT_ONCE else 0

    @expose("/make", methods=["POST"])
    @has_access
    @permission_name("show")
    def make(self) -> Answer | Response:
        """Have the report made in the background, and lead to where it can be followed."""
        try:
            asked = self._asked()
            count = self._long(asked)
        except VmsError as error:
            return self._refused(error), status_of(error)
        if count:
            job = making.asked_for(session(), actor(), asked.question)
            if job is None or not job.open:
                self._ask(asked, count)
        return redirect(self.report_url(self.asked_query()))

    def _ask(self, asked: Asked, count: int) -> None:
        end_reading(session())
        with atomic(session()) as current:
            job = making.ask(
                current, actor(), asked.question, locale=str(get_locale() or "en"),
                title=self.report_title(), query=self.asked_query(), total=count,
            )  # fmt: skip
        background.send(job.id)
        watch(job.id)

    @expose("/export/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def export(self, kind: str) -> Answer:
        """Hand the report over as a file, or have one that takes long made in the background."""
        self.check_filters()
        try:
            long = kind in KINDS and self._long(self._asked())
        except VmsError:  # what is refused says so below
            long = 0
        if long:
            return ask_file(type(self).__name__, kind, self.report_title(), self.file_name(kind))
        answer: Answer = super().export(kind)
        return answer

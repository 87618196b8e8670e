"""Jobs: imports, exports and what else runs in the background, with how far each is."""

from collections.abc import Sequence
from typing import Any

from flask import Flask, current_app, flash, redirect, request, send_file, url_for
from flask import session as cookie
from flask_appbuilder import expose, has_access, permission_name
from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from vmsapp.errors import NotAllowed, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, Job, JobState
from vmsapp.security import CAMPAIGNS, JOBS
from vmsapp.services import job_runs, stored_files
from vmsapp.services.campaigns.terms import REPORT
from vmsapp.services.imports import batches
from vmsapp.services.reports.making import MAKE
from vmsapp.services.stored_files import DOWNLOADS
from vmsapp.tasks import background
from vmsapp.tasks.exports import EXPORT
from vmsapp.views.base import actor, sentence, session
from vmsapp.views.jobs.watching import WATCHED
from vmsapp.views.jobs.words import (
    KINDS,
    STATES,
    bar_of,
    error_said,
    kind_word,
    progress_answer,
    said,
    state_of,
    took,
)
from vmsapp.views.lists.export_jobs import may_take
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Days
from vmsapp.views.lists.listing import holds, row_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, names, view_named
from vmsapp.views.reports.reported import reports
from vmsapp.views.words import consumer_text


class Jobs(Exported):
    """Everybody's own; those of all for who sees everything."""

    datamodel = OfficeInterface(Job)
    route_base = "/jobs"
    class_permission_name = JOBS
    base_permissions = names("can_list can_show can_act_for_others can_export")
    show_template = "jobs/show.html"

    list_title = _l("Jobs")
    list_columns = names("kind file_name state progress actor made_at finished_at error")
    show_columns = names("kind file_name state actor made_at started_at finished_at took")
    order_columns = names("made_at")
    base_order = ("id", "desc")
    label_columns = {
        "kind": _l("What"), "file_name": _l("File"), "state": _l("State"),
        "progress": _l("Progress"), "actor": _l("Who"), "made_at": _l("Asked at"),
        "started_at": _l("Begun at"), "finished_at": _l("Ended at"), "error": _l("What went wrong"),
        "took": _l("Took"),
    }  # fmt: skip
    folded = frozenset({"finished_at"})
    filters = (
        Choice(name="kind", label=_l("What"), column=Job.kind, words=KINDS),
        Choice(name="state", label=_l("State"), column=Job.state, words=STATES),
        Days(name="made", label=_l("Asked at"), column=Job.made_at),
    )
    loads = (joinedload(Job.actor),)
    cells = {"kind": kind_word, "state": state_of, "progress": bar_of, "error": error_said,
             "took": took}  # fmt: skip
    export_cells = {"progress": lambda row: said(row) if row.done else None}
    empty = _l("Imports and large exports stand here, with how far they are and what they made.")

    def statement(self) -> Select[Any]:
        """What people asked for; what runs by itself at its hours is no job of anybody's."""
        return select(Job).where(~Job.recurring).options(*self.loads)

    def row(self, pk: int) -> Job:
        """Fetch one the asker sees."""
        found = (
            holds(Job.id, pk) and session().scalars(self.statement().where(Job.id == pk)).first()
        )
        if not found:
            raise NotFound
        job: Job = found
        return job

    def name_of(self, row: Job) -> str:
        """What it does, and with which file."""
        return f"{kind_word(row)} · {row.file_name}" if row.file_name else kind_word(row)

    def links(self, row: Job) -> Sequence[tuple[str, str]]:
        """The import or the campaign it belongs to."""
        ways = (
            ("Imports", "batch_id", _("Open the import")),
            ("Campaigns", "campaign_id", _("Open the campaign")),
        )
        found = [
            (word, view.url("show", pk=row.params[name]))
            for screen, name, word in ways
            if name in row.params and (view := view_named(self.appbuilder, screen)).may("show")
        ]
        tariffs = view_named(self.appbuilder, "Tariffs")
        if "simulation" in row.params and tariffs.may("show"):
            url = tariffs.url(
                "simulation", pk=row.params["simulated_tariff"],
                simulation_id=row.params["simulation"],
            )  # fmt: skip
            found.append((_("Open the simulation"), url))
        report = reports().get(row.params.get("report", ""))
        if row.kind == MAKE and report is not None and report.opened_here():
            found.append((_("Open the report"), report.report_url(row.params["query"])))
        return found

    @expose("/progress/<int:pk>")
    @has_access
    @permission_name("show")
    def progress(self, pk: int) -> Response:
        """Tell how far a job is."""
        return progress_answer(self.row(pk))

    @expose("/cancel/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("show")
    def cancel(self, pk: int) -> Answer:
        """Stop a job at its next chunk."""
        self.row(pk)
        cancel_job(pk, of_others=self.for_others())
        return redirect(self.url("show", pk=pk))

    @expose("/retry/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("show")
    def retry(self, pk: int) -> Answer:
        """Let a job that failed or was cancelled go on."""
        self.row(pk)
        retry_job(pk, of_others=self.for_others())
        return redirect(self.url("show", pk=pk))

    @expose("/download/<int:pk>")
    @has_access
    @permission_name("show")
    def fetch(self, pk: int) -> Answer:
        """Hand over the file a job made, to whoever asked for it and nobody else.

        It lies there for days: who sees less by now, or may take less away, gets it no more.
        """
        job = self.row(pk)
        if job.actor_id != actor().user_id or job.state != JobState.DONE:
            raise NotFound
        if refusal := refusal_of(job):
            raise refusal
        settings = current_app.extensions["vms_settings"]
        path = stored_files.path_of(settings, DOWNLOADS, job.stored)
        answer: Response = send_file(
            path, job.result.get("mime", "application/octet-stream"), as_attachment=True,
            download_name=job.file_name,
        )  # fmt: skip
        return answer

    def fetchable(self, row: Job) -> bool:
        """Whether the reader may fetch its file now."""
        return self._has_file(row) and refusal_of(row) is None

    def withheld(self, row: Job) -> str | None:
        """Why its file is not handed over to the reader whose it is."""
        refusal = refusal_of(row) if self._has_file(row) else None
        return sentence(refusal) if refusal else None

    def _has_file(self, row: Job) -> bool:
        mine = row.actor_id == actor().user_id
        return bool(mine and row.state == JobState.DONE and row.stored)

    def may_act_on(self, row: Job) -> bool:
        """Whether the reader may cancel it or try it again."""
        return row.actor_id == actor().user_id or self.for_others()

    def for_others(self) -> bool:
        """Whether the reader may act on what others asked for."""
        return self.may("act_for_others")

    def consumer_of(self, row: Job) -> str | None:
        """For whom the import it belongs to is, if for one."""
        number = row.params.get("consumer_id")
        if number is None:
            return None
        return consumer_text(row_of(session(), Consumer, number))

    def bar(self, row: Job) -> str:
        """How far it is, in words."""
        return said(row)

    def problem(self, row: Job) -> str | None:
        """What went wrong."""
        return error_said(row)


def refusal_of(job: Job) -> VmsError | None:
    """Tell why the file of a job may not be handed over to its owner, who asks; mostly nothing."""
    needed = {REPORT: ("can_export", CAMPAIGNS)}.get(job.kind)
    if (job.kind == EXPORT and not may_take(actor(), job)) or (needed and not actor().may(*needed)):
        return NotAllowed()
    try:
        job_runs.check_sight(job, actor().sight)
    except job_runs.MadeForOtherSight as error:
        return error
    return None


def cancel_job(job_id: int, *, of_others: bool) -> None:
    """Cancel a job, and free the import it belonged to if it had not begun."""
    with atomic(session()) as current:
        job = job_runs.cancel(current, actor(), job_id, of_others=of_others)
        current.flush()
        batches.left(current, job_id)
    ended = job.state == JobState.CANCELLED
    flash(_("It was cancelled.") if ended else _("It stops in a moment."), "success")


def retry_job(job_id: int, *, of_others: bool) -> None:
    """Let a job go on, and tell the workers."""
    with atomic(session()) as current:
        job = job_runs.retry(current, actor(), job_id, of_others=of_others)
        batches.resume(current, job)
    background.send(job_id)
    flash(_("It goes on where it was."), "success")


def init_app(app: Flask) -> None:
    """Tell people when what they wait for is ready, on the next page they open."""
    app.before_request(_tell_of_ended)


def _tell_of_ended() -> None:
    watched = cookie.get(WATCHED)
    page = request.method == "GET" and request.blueprint and "text/html" in request.headers.get(
        "Accept", ""
    )  # fmt: skip
    if not watched or not page or request.endpoint in {"Jobs.progress", "Jobs.fetch"}:
        return
    wanted = [number for number in watched if isinstance(number, int)]
    rows = session().scalars(select(Job).where(Job.id.in_(wanted))).all()
    still = []
    for job in rows:
        if job.open:
            still.append(job.id)
        elif request.path != url_for("Jobs.show", pk=job.id):
            _tell(job)
    cookie[WATCHED] = still


def _tell(job: Job) -> None:
    name = job.file_name or _("Job %(number)s", number=job.id)
    link = Markup('<a href="{}">{}</a>').format(url_for("Jobs.show", pk=job.id), name)
    if job.state == JobState.DONE:
        flash(_filled(_("%(file)s is ready to be fetched."), link), "success")
    elif job.state == JobState.FAILED:
        flash(_filled(_("%(file)s could not be made."), link), "danger")


def _filled(text: str, link: Markup) -> Markup:
    """Put a link into a sentence."""
    before, _hole, after = str(text).partition("%(file)s")
    return Markup("{}{}{}").format(before, link, after)

"""Jobs in words: what each does, how far it is, what went wrong."""

from typing import Any, Final

from flask import jsonify, url_for
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.wrappers import Response

from vmsapp.errors import N_
from vmsapp.i18n import _, labelled
from vmsapp.models import Job, JobState
from vmsapp.services.imports.kinds import all_kinds
from vmsapp.services.job_pace import pace_of
from vmsapp.services.problems import error_of
from vmsapp.views.base import sentence
from vmsapp.views.look import number_text, state, time_left

KINDS: Final = {
    "import.check": N_("Check of an import"),
    "import.apply": N_("Import of a sheet"),
    "import.undo": N_("Undoing of an import"),
    "export": N_("Export of a list"),
    "tariff.simulate": N_("Simulation of a plan"),
    "campaign.make": N_("Key change tokens of a campaign"),
    "campaign.send": N_("Text messages of a campaign"),
    "campaign.report": N_("Report of a campaign"),
    "report.make": N_("Report read from the records"),
    "report.send": N_("Reports by e-mail"),
    "revenue.run": N_("Search for lost revenue"),
}
STATES: Final = {
    "waiting": N_("waiting"),
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}
TONES: Final = {"running": "warn", "done": "good", "failed": "bad"}


def said(job: Job) -> str:
    """How far a job is, in words: of its speed and what is left as much as is known."""
    if job.state == JobState.WAITING:
        return str(_("Waiting for a worker"))
    pace = pace_of(job)
    done = number_text(job.done)
    if job.total is None:
        text = _("%(done)s rows", done=done)
    else:
        text = _("%(done)s of %(total)s rows", done=done, total=number_text(job.total))
    parts = [str(text)]
    if pace.per_second:
        speed = number_text(max(1, round(pace.per_second)))
        parts.append(str(_("%(speed)s rows per second", speed=speed)))
    if pace.seconds_left:
        parts.append(str(_("about %(left)s left", left=time_left(pace.seconds_left))))
    return " · ".join(parts)


def progress_answer(job: Job) -> Response:
    """What a page that follows a job is told."""
    return jsonify(done=job.done, total=job.total or 0, text=said(job), finished=not job.open)


def state_of(row: Job) -> Markup:
    """A job's state."""
    return state(gettext(STATES[row.state]), TONES.get(row.state))


def kind_word(row: Job) -> str:
    """What a job does."""
    word = gettext(KINDS.get(row.kind, row.kind))
    sheet = all_kinds().get(row.params.get("sheet", ""))
    title = gettext(sheet.title) if sheet else row.params.get("title", "")
    return labelled(word, title) if title else str(word)


def bar_of(row: Job) -> Any:  # noqa: ANN401 - a piece of HTML
    """How far it is; what is under way is followed by the page."""
    if not row.open:
        return said(row) if row.done else None
    bar = Markup(
        '<div class="progress-line" data-progress="{}" data-then=""><progress aria-label="{}"{} '
        'max="{}"></progress><span class="hint" data-progress-text>{}</span></div>'
    )
    value = Markup(' value="{}"').format(row.done) if row.total else ""
    return bar.format(
        url_for("Jobs.progress", pk=row.id), _("Progress"), value, row.total or 1, said(row)
    )


def error_said(row: Job) -> str | None:
    """What went wrong, in a sentence."""
    return sentence(error_of(row.problem)) if row.problem else None


def took(row: Job) -> str | None:
    """How long it ran."""
    if row.started_at is None or row.finished_at is None:
        return None
    return time_left(round((row.finished_at - row.started_at).total_seconds()))

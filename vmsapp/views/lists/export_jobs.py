"""Long lists and reports as files, written in the background by the lists themselves.

A job holds the address the list was asked at. It is read again as it was then, under what
the asker may see now, so that the file is what the page shows: one way to narrow, sort and
write a list, not two.
"""

import time
from typing import Any, Final

from flask import Flask, current_app, g
from flask import session as cookie
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.errors import NotAllowed
from vmsapp.extensions import atomic, begin_reading
from vmsapp.models import Job
from vmsapp.scope import Actor
from vmsapp.services import job_runs, stored_files
from vmsapp.services.job_runs import Work
from vmsapp.views.lists.exports import KINDS, Exported
from vmsapp.views.lists.pages import view_named
from vmsapp.views.reports.screens import ReportScreen

TELL_SECONDS: Final = 0.5
"""How often it is written down how far a file is."""


def init_app(app: Flask) -> None:
    """Leave the writer where the worker finds it."""
    app.extensions["vms_exporter"] = export


def may_take(actor: Actor, job: Job) -> bool:
    """Tell whether somebody may still take away the list, and the columns, that a job wrote."""
    builder, name = current_app.extensions["appbuilder"], job.params["view"]
    view: Any = next((one for one in builder.baseviews if type(one).__name__ == name), None)
    if view is None or not actor.may("can_export", view.class_permission_name):
        return False  # a list that is no more is nobody's
    columns = job.result.get("columns", job.params["columns"])
    return not isinstance(view, Exported) or view.exportable(columns) == columns


def export(session: Session, actor: Actor, work: Work) -> None:
    """Write a list as a file.

    Raises:
        NotAllowed: The asker may not take this list away any more.
    """
    params = work.params
    view: Any = view_named(current_app.extensions["appbuilder"], params["view"])
    assert isinstance(view, Exported | ReportScreen)
    if not actor.may("can_export", view.class_permission_name):
        raise NotAllowed
    settings: Settings = current_app.extensions["vms_settings"]
    app: Flask = current_app.extensions["appbuilder"].app
    address, kind = view.background_address(), params["kind"]
    with app.test_request_context(address, query_string=params["query"]):
        g.actor, cookie["locale"] = actor, work.locale
        begin_reading(session)
        follow = _Follow(session, work, view.rows_to_export())
        with stored_files.making(settings) as (stored, file):
            count = view.make_file(file, kind, params["columns"], follow)
            with atomic(session, durable=True):
                work.advance(session, count, count)
                made: dict[str, Any] = {"rows": count, "mime": KINDS[kind]}
                if isinstance(view, Exported):
                    made["columns"] = view.exportable(params["columns"])
                job_runs.note_file(session, work, stored, made)


class _Follow:
    """Writes down how far a file is, and stops it where somebody asked for that."""

    def __init__(self, session: Session, work: Work, total: int) -> None:
        self._session, self._work, self._total, self._told = session, work, total, 0.0

    def __call__(self, count: int) -> None:
        """Tell the number of rows written so far."""
        if time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        self._work.stop_if_asked(self._session)
        self._work.advance_alone(self._session, count, max(self._total, count))

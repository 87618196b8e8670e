"""Imports: a file is handed in, looked at with all its errors, applied, taken back."""

import io
import tempfile
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from babel import Locale
from flask import Flask, abort, current_app, flash, redirect, request, send_file, url_for
from flask import session as cookie
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale, gettext
from flask_wtf.file import FileField, FileRequired
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response
from wtforms import BooleanField

from config import Settings
from vmsapp.errors import NotAllowed, NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, ImportBatch, ImportRow
from vmsapp.security import IMPORTS
from vmsapp.services.imports import batches
from vmsapp.services.imports.kinds import SheetKind, all_kinds
from vmsapp.services.imports.report import sentences, write_report
from vmsapp.services.imports.rows import words_of
from vmsapp.services.problems import error_of
from vmsapp.services.registration.meter_errors import ConsumerRetired, NoSuchConsumer
from vmsapp.services.sheets.marked import NO_COLUMN
from vmsapp.services.sheets.templates import write_template
from vmsapp.tasks import background
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.forms import OfficeForm, put_error
from vmsapp.views.jobs.pages import cancel_job, retry_job
from vmsapp.views.jobs.words import error_said, progress_answer
from vmsapp.views.jobs.words import said as progress_said
from vmsapp.views.lists.exports import IN_MEMORY, XLSX, Exported
from vmsapp.views.lists.filters import Choice, Days
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, names, view_named
from vmsapp.views.look import number_text, state
from vmsapp.views.registration.import_notes import noticed
from vmsapp.views.registration.import_words import (
    KINDS,
    STATES,
    STEPS,
    TONES,
    import_title,
    step_of,
)

RECORDS: Final = {
    "consumers": "Consumers", "meters": "Meters", "meters-with-consumers": "Meters",
    "opening-figures": "Meters",
}  # fmt: skip
"""The view that lists what each kind brings."""
SHOWN: Final = 50
"""Rows with errors that the page shows; the workbook has all."""
BESIDE: Final = 1 << 20
"""Bytes of an upload's form besides the file."""
UPLOADING: Final = "Imports.new"
FOR_ONE: Final = "meters"
"""The kind of sheet that may be handed in for one consumer."""


class UploadForm(OfficeForm):
    """A file to import."""

    file = FileField(_l("File"), [FileRequired(_l("Choose the file."))])
    update_existing = BooleanField(
        _l("Change records that are there already"),
        description=_l(
            "A row whose number is on record changes that record. Columns that the file has not"
            " stay as they are. Without this, such a row is an error."
        ),
    )
    although_same = BooleanField(_l("Import it all the same"))


class Imports(Exported):
    """Everybody's own; those of all for who sees everything."""

    datamodel = OfficeInterface(ImportBatch)
    route_base = "/imports"
    class_permission_name = IMPORTS
    base_permissions = names(
        "can_list can_show can_run can_consumers can_meters can_meters_with_consumers"
        " can_opening_figures can_export"
    )
    list_template = "imports/list.html"
    show_template = "imports/show.html"

    list_title = _l("Imports")
    list_columns = names("file_name kind state rows faulty applied actor made_at")
    show_columns = names("kind state rows good faulty applied actor made_at update_existing size")
    order_columns = names("made_at")
    base_order = ("id", "desc")
    label_columns = {
        "file_name": _l("File"), "kind": _l("What"), "state": _l("State"), "rows": _l("Rows"),
        "good": _l("Rows without errors"), "faulty": _l("Rows with errors"),
        "applied": _l("Rows applied"), "actor": _l("Who"), "made_at": _l("Handed in at"),
        "update_existing": _l("Changes what is there"), "size": _l("Size"),
    }  # fmt: skip
    numbers = frozenset({"rows", "faulty", "applied"})
    filters = (
        Choice(name="kind", label=_l("What"), column=ImportBatch.kind, words=KINDS),
        Choice(name="state", label=_l("State"), column=ImportBatch.state, words=STATES),
        Days(name="made", label=_l("Handed in at"), column=ImportBatch.made_at),
    )
    loads = (
        joinedload(ImportBatch.actor), joinedload(ImportBatch.job),
        joinedload(ImportBatch.consumer).joinedload(Consumer.region),
    )  # fmt: skip
    cells = {
        "kind": lambda row: gettext(KINDS[row.kind]),
        "state": lambda row: state(gettext(STATES[row.state]), TONES.get(row.state)),
        "rows": lambda row: number_text(row.rows),
        "good": lambda row: number_text(row.good),
        "faulty": lambda row: number_text(row.faulty),
        "applied": lambda row: number_text(row.applied),
        "size": lambda row: _("%(count)s KB", count=number_text(-(-row.size // 1024))),
    }
    export_cells = {
        name: attrgetter(name) for name in ("rows", "faulty", "applied")
    }  # fmt: skip
    empty = _l("Download a template, fill it in, and hand it in here.")

    def name_of(self, row: ImportBatch) -> str:
        """What its owner calls the file."""
        return row.file_name

    def offered_kinds(self) -> Sequence[tuple[str, str]]:
        """The kinds the reader may import: codes and words."""
        return [(code, gettext(kind.title)) for code, kind in all_kinds().items()
                if self._may_import(code)]  # fmt: skip

    def ways_in(self) -> Sequence[tuple[str, str]]:
        """The imports the reader may begin: words and addresses."""
        kinds = self.offered_kinds() if self.may("run") else ()
        return [(word, self.url("new", sheet=code)) for code, word in kinds]

    def imports(self) -> Sequence[tuple[str, str]]:
        """The same, for a list that is empty."""
        return self.ways_in()

    # handing in

    @expose("/new/<string:sheet>", methods=["GET", "POST"])
    @has_access
    @permission_name("run")
    def new(self, sheet: str) -> Answer:
        """Take a file in."""
        kind, form, status, same = self._kind(sheet), UploadForm(), 200, False
        consumer = self._consumer(sheet)
        if consumer is not None:
            form.update_existing.label.text = _("Bind meters that are on record already, too")
            form.update_existing.description = _(
                "A row whose number is on record changes that meter and binds it, if it hangs"
                " nowhere. Without this, such a row is an error."
            )
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    return self._handed_in(kind, form, consumer)
                except VmsError as error:
                    same = isinstance(error, batches.SameFile)
                    put_error(form, error, "although_same" if same else "file")
                    status = status_of(error)
        page = self._page(
            "imports/new.html", kind=kind, title=import_title(kind), form=form,
            same=same or form.although_same.data, settings=_settings(), consumer=consumer,
            back=self._back(),
        )  # fmt: skip
        return page, status

    def _consumer(self, sheet: str) -> Consumer | None:
        """For whom the meters of a file are, as the address says; who binds them may do so."""
        number = request.args.get("consumer", type=int)
        if "consumer" not in request.args:
            return None
        if not self.appbuilder.sm.has_access("can_bind", "Meters"):
            raise NotAllowed
        found = (
            None
            if number is None
            else row_of(session(), Consumer, number, joinedload(Consumer.region))
        )
        if found is None or sheet != FOR_ONE:
            raise NoSuchConsumer
        if found.retired:
            raise ConsumerRetired(name=found.name)
        consumer: Consumer = found
        return consumer

    def _handed_in(self, kind: SheetKind, form: UploadForm, consumer: Consumer | None) -> Answer:
        upload = form.file.data
        with upload.stream as source:
            batch = batches.stage(
                session(), actor(), _settings(), kind, source, file_name=upload.filename or "",
                language=_language(), although_same=bool(form.although_same.data),
                update_existing=kind.updates and bool(form.update_existing.data),
                consumer_id=None if consumer is None else consumer.id,
            )  # fmt: skip
        return self._sent(batch)

    @expose("/template/<string:sheet>")
    @has_access
    @permission_name("run")
    def template(self, sheet: str) -> Answer:
        """Hand over a workbook to fill in, in the reader's language."""
        kind, file = self._kind(sheet), io.BytesIO()
        words = words_of(kind)
        columns = [one for one in kind.columns(session(), words, _language()) if not one.told]
        title = gettext(kind.title)
        write_template(file, title, columns, words, _language(), rtl=_rtl())
        file.seek(0)
        answer: Response = send_file(
            file, XLSX, as_attachment=True, download_name=f"{kind.code}.xlsx"
        )
        return answer

    # looking at it

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show how far it is, and what is wrong."""
        row = self.row(pk)
        faulty = [] if row.state in batches.BUSY else batches.faulty_rows(session(), pk, SHOWN)
        return self._page(
            self.show_template, title=row.file_name, row=row, errors=self._told(row, faulty),
            problem=sentence_of(row), may_run=self.may("run") and self._may_import(row.kind),
            mine=row.actor_id == actor().user_id, shown=SHOWN, step=step_of(row),
            steps_said=[gettext(word) for word in STEPS],
            progress_said=progress_said(row.job) if row.job else "",
            job_error=error_said(row.job) if row.job and not row.problem else None,
            noticed=noticed(row), records=self.records(row.kind),
        )  # fmt: skip

    def _told(
        self, row: ImportBatch, faulty: Sequence[ImportRow]
    ) -> Sequence[tuple[int, str, str]]:
        """The errors of some rows: row, heading, sentence."""
        headings = row.about.get("headings", [])
        return [
            (one.row, "" if column == NO_COLUMN else headings[column], said)
            for one in faulty
            for column, said in sorted(sentences(one.errors or [], sentence).items())
        ]

    @expose("/progress/<int:pk>")
    @has_access
    @permission_name("show")
    def progress(self, pk: int) -> Response:
        """Tell how far the job is that works on it."""
        row = self.row(pk)
        if row.job is None:
            raise NotFound
        return progress_answer(row.job)

    @expose("/errors/<int:pk>")
    @has_access
    @permission_name("show")
    def errors(self, pk: int) -> Answer:
        """Hand over the workbook that repeats the rows and colours what is wrong."""
        row = self.row(pk)
        if row.actor_id != actor().user_id or "headings" not in row.about:
            raise NotFound
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - sent below
        try:
            write_report(
                session(), _settings(), row, file, sentence, title=gettext(KINDS[row.kind]),
                fault_heading=_("What is wrong"), rtl=_rtl(),
            )  # fmt: skip
        except VmsError:
            file.close()
            raise
        file.seek(0)
        stem = row.file_name.rpartition(".")[0] or row.file_name
        answer: Response = send_file(
            file, XLSX, as_attachment=True, download_name=f"{stem}-{_('errors')}.xlsx"
        )
        return answer

    # deeds

    @expose("/apply/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def apply(self, pk: int) -> Answer:
        """Apply it, or go on where it was stopped."""
        self._own(pk)
        good_only = request.form.get("good_only") == "yes"
        batch = batches.confirm(
            session(), actor(), pk, good_only=good_only, language=_language()
        )  # fmt: skip
        return self._sent(batch)

    @expose("/check/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def check(self, pk: int) -> Answer:
        """Check a file again whose check was stopped."""
        self._own(pk)
        return self._sent(batches.check_again(session(), actor(), pk, language=_language()))

    @expose("/undo/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def undo(self, pk: int) -> Answer:
        """Take back what was applied."""
        self._own(pk)
        return self._sent(batches.take_back(session(), actor(), pk, language=_language()))

    @expose("/cancel/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def cancel(self, pk: int) -> Answer:
        """Stop what works on it."""
        row = self._own(pk)
        if row.job_id is None:
            raise NotFound
        cancel_job(row.job_id, of_others=False)
        return redirect(self.url("show", pk=pk))

    @expose("/retry/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def retry(self, pk: int) -> Answer:
        """Let a job go on that failed."""
        row = self._own(pk)
        if row.job_id is None:
            raise NotFound
        retry_job(row.job_id, of_others=False)
        return redirect(self.url("show", pk=pk))

    @expose("/discard/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("run")
    def discard(self, pk: int) -> Answer:
        """Leave it and remove its file."""
        self._own(pk)
        batches.discard(session(), actor(), _settings(), pk)
        flash(_("The file was removed; nothing was applied."), "success")
        return redirect(self.url("list"))

    # small questions

    def consumer_url(self, consumer: Consumer | None) -> str | None:
        """Where that consumer is looked at, for who may."""
        may = consumer and self.appbuilder.sm.has_access("can_show", "Consumers")
        return url_for("Consumers.show", pk=consumer.id) if consumer and may else None

    def _sent(self, batch: ImportBatch) -> Answer:
        assert batch.job_id is not None
        background.send(batch.job_id)
        return redirect(self.url("show", pk=batch.id))

    def _kind(self, sheet: str) -> SheetKind:
        kinds = all_kinds()
        if sheet not in kinds:
            abort(404)
        if not self._may_import(sheet):
            raise NotAllowed
        return kinds[sheet]

    def records(self, kind: str) -> tuple[str, str] | None:
        """The list of what a kind of sheet brings, for who may see it: word and address."""
        view = view_named(self.appbuilder, RECORDS[kind])
        return (str(view.list_title), view.url("list")) if view.may("list") else None

    def _back(self) -> tuple[str, str]:
        """The list from which the reader came."""
        came_from = request.args.get("back")
        kind = next((kind for kind, name in RECORDS.items() if name == came_from), None)
        return (kind and self.records(kind)) or (str(self.list_title), self.url("list"))

    def _may_import(self, sheet: str) -> bool:
        return self.may(sheet.replace("-", "_"))

    def _own(self, pk: int) -> ImportBatch:
        """Fetch one the asker handed in and may import."""
        row: ImportBatch = self.row(pk)
        if row.actor_id != actor().user_id:
            raise NotFound
        if not self._may_import(row.kind):
            raise NotAllowed
        return row


def init_app(app: Flask) -> None:
    """Let files to import be larger than what is sent otherwise, from people who signed in."""
    # before the guard of forms, which reads what is sent
    app.before_request_funcs.setdefault(None, []).insert(0, _allow_upload)


def _allow_upload() -> None:
    if request.endpoint == UPLOADING and request.method == "POST" and "_user_id" in cookie:
        request.max_content_length = (_settings().import_mb << 20) + BESIDE


def sentence_of(row: ImportBatch) -> str | None:
    """Why the file cannot be read at all."""
    return sentence(error_of(row.problem)) if row.problem else None


def _settings() -> Settings:
    settings: Settings = current_app.extensions["vms_settings"]
    return settings


def _language() -> str:
    return str((get_locale() or Locale("en")).language)


def _rtl() -> bool:
    return (get_locale() or Locale("en")).text_direction == "rtl"

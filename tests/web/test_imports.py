"""Importing in the browser: template, errors, correction, applying, undoing; jobs beside it."""

import io
import re
import time
from datetime import timedelta

import openpyxl
import pytest
from flask_babel import force_locale, gettext
from markupsafe import escape
from sqlalchemy import select, update

from tests import factories
from tests.factories import OPERATOR
from tests.web.importing import HEADINGS, work, workbook
from tests.web.office import ADMIN, NEWCOMER, NORTH_SUPERVISOR, main_part
from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.models import (
    AuditEvent,
    BatchState,
    Consumer,
    ImportBatch,
    ImportRow,
    Job,
    JobState,
    OfficeUser,
    RowState,
)
from vmsapp.models.user import Role
from vmsapp.services import job_runs, stored_files
from vmsapp.services.imports import applying, batches
from vmsapp.services.imports import rows as import_rows
from vmsapp.services.job_runs import MOST_ATTEMPTS, STALE_AFTER
from vmsapp.services.sheets.errors import FileTooLarge
from vmsapp.tasks import background

GOOD = [["K-1", "Amina Mwangi", "North", "+254700000001"], ["", "Bao Li", "South", None]]


@pytest.fixture
def importer(shop):
    """The supervisor of the north may import, too."""

    def promote(session):
        role = session.scalars(select(Role).where(Role.name == "Administrator")).one()
        user = session.scalars(
            select(OfficeUser).where(OfficeUser.username == NORTH_SUPERVISOR)
        ).one()
        user.roles = [role]

    shop.change(promote)


@pytest.fixture
def hand_in(office, browse, shop):
    """Hand a file in and have it checked."""

    def do(content: bytes, name: str = "people.xlsx", who: str = ADMIN, **ticked: str):
        form = {"file": (io.BytesIO(content), name), **ticked}
        answer = browse(who).post("/imports/new/consumers", form)
        assert answer.status_code == 302, main_part(answer.text)
        batch = shop.rows(ImportBatch)[-1]
        work(office, batch.job_id)
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do


@pytest.fixture
def go_on(office, browse, shop):
    """Press a button of an import's page, and let the worker work."""

    def do(deed: str, batch: ImportBatch, who: str = ADMIN, **form: str):
        answer = browse(who).post(f"/imports/{deed}/{batch.id}", form)
        assert answer.status_code == 302, main_part(answer.text)
        job_id = shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].job_id
        work(office, job_id)
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do


def people_of(shop) -> dict[str, Consumer]:
    return {row.number: row for row in shop.rows(Consumer)}


def test_a_good_file_is_checked_first_and_written_only_when_that_is_confirmed(
    hand_in, go_on, browse, shop
):
    before = people_of(shop)
    batch = hand_in(workbook(GOOD))
    assert (batch.state, batch.rows, batch.faulty) == (BatchState.VALIDATED, 2, 0)
    assert people_of(shop).keys() == before.keys()
    assert "2 rows were checked" in browse(ADMIN).get(f"/imports/show/{batch.id}").text
    batch = go_on("apply", batch)
    assert (batch.state, batch.applied) == (BatchState.APPLIED, 2)
    added = people_of(shop).keys() - before.keys()
    assert "K-1" in added
    assert len(added) == 2, "who has no number is given one"
    assert people_of(shop)["K-1"].phone == "+254700000001"
    assert "2 rows were applied" in browse(ADMIN).get(f"/imports/show/{batch.id}").text


def test_every_error_of_every_row_is_told_and_nothing_written(hand_in, browse, shop):
    before = people_of(shop).keys()
    batch = hand_in(workbook([
        ["K 1", "", "Nort", "1"],
        ["K-2", "Bao", "North", None],
        ["k-2", "Chi", "South", None],
        [3.0, "Dede", "South", None],
    ]))  # fmt: skip
    assert (batch.state, batch.rows, batch.faulty) == (BatchState.REJECTED, 4, 3)
    page = main_part(browse(ADMIN).get(f"/imports/show/{batch.id}").text)
    told = re.findall(r'data-label>(\d+)</th><td[^>]*><bdi>([^<]*)</bdi></td><td[^>]*><bdi>([^<]*)',
                      page)  # fmt: skip
    assert [(row, heading) for row, heading, _ in told] == [
        ("2", "Consumer number"), ("2", "Name"), ("2", "Region"), ("2", "Telephone"),
        ("4", "Consumer number"), ("5", "Consumer number"),
    ]  # fmt: skip
    assert "Is North meant?" in told[2][2]
    assert told[4][2] == "K-2 stands in row 3 too."
    assert people_of(shop).keys() == before


def test_the_errors_are_in_the_readers_language(office, hand_in, browse):
    batch = hand_in(workbook([["", "", "North", None]]))
    page = browse(ADMIN, "fr").get(f"/imports/show/{batch.id}").text
    with office.test_request_context(), force_locale("fr"):
        assert escape(gettext("This cell must not be empty.")) in page


def test_the_workbook_of_errors_is_put_right_and_handed_in_again(hand_in, go_on, browse, shop):
    batch = hand_in(workbook([["0007", "", "North", None], ["0008", "Bao", "North", None]]))
    answer = browse(ADMIN).get(f"/imports/errors/{batch.id}")
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    sheet = book.active
    assert sheet.max_row == 3, "all rows, for nothing was applied"
    assert sheet["A2"].value == "0007"
    assert "must not be empty" in sheet["E2"].value
    assert sheet["B2"].fill.fgColor.rgb != sheet["B3"].fill.fgColor.rgb
    sheet["B2"] = "Amina"
    file = io.BytesIO()
    book.save(file)
    again = hand_in(file.getvalue())
    assert (again.state, again.rows, again.faulty) == (BatchState.VALIDATED, 2, 0)
    go_on("apply", again)
    assert people_of(shop)["0007"].name == "Amina"


def test_nothing_is_applied_beside_an_error_unless_that_is_chosen(hand_in, go_on, browse, shop):
    batch = hand_in(workbook([["K-1", "Amina", "North", None], ["K-2", "", "North", None]]))
    refused = browse(ADMIN).post(f"/imports/apply/{batch.id}")
    assert refused.status_code == 409
    assert "K-1" not in people_of(shop)
    batch = go_on("apply", batch, good_only="yes")
    assert (batch.state, batch.applied, batch.faulty) == (BatchState.APPLIED, 1, 1)
    assert {"K-1", "K-2"} & people_of(shop).keys() == {"K-1"}
    answer = browse(ADMIN).get(f"/imports/errors/{batch.id}")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    assert [sheet["A2"].value, sheet.max_row] == ["K-2", 2], "the rows that were left out alone"


def test_a_number_on_record_is_an_error_unless_changing_was_chosen(hand_in, go_on, shop):
    first = go_on("apply", hand_in(workbook(GOOD[:1])))
    assert first.applied == 1
    changed = [["k-1", "Amina Otieno", "North", "+254700000002"]]
    batch = hand_in(workbook(changed))
    assert (batch.state, batch.faulty) == (BatchState.REJECTED, 1)
    batch = hand_in(workbook(changed), update_existing="y", although_same="y")
    assert (batch.state, batch.faulty) == (BatchState.VALIDATED, 0)
    go_on("apply", batch)
    row = people_of(shop)["K-1"]
    assert (row.name, row.phone, row.version) == ("Amina Otieno", "+254700000002", 2)
    go_on("undo", batch)
    row = people_of(shop)["K-1"]
    assert (row.name, row.phone) == ("Amina Mwangi", "+254700000001")


def test_a_column_that_is_missing_leaves_what_is_on_record(hand_in, go_on, shop):
    go_on("apply", hand_in(workbook(GOOD[:1])))
    two = workbook([["K-1", "A. Mwangi", "North"]], HEADINGS[:3])
    go_on("apply", hand_in(two, update_existing="y"))
    row = people_of(shop)["K-1"]
    assert (row.name, row.phone) == ("A. Mwangi", "+254700000001")


def test_the_same_file_is_warned_of_and_may_be_handed_in_all_the_same(hand_in, browse, shop):
    content = workbook(GOOD)
    hand_in(content)
    answer = browse(ADMIN).post("/imports/new/consumers", {"file": (io.BytesIO(content), "b.xlsx")})
    assert answer.status_code == 409
    assert "already, by admin" in answer.text
    assert 'name="although_same"' in answer.text
    assert shop.count(ImportBatch) == 1
    assert hand_in(content, although_same="y").rows == 2


def test_an_empty_file_is_refused_at_once(browse, shop):
    answer = browse(ADMIN).post("/imports/new/consumers", {"file": (io.BytesIO(b""), "a.xlsx")})
    assert answer.status_code == 422
    assert "The file is empty." in answer.text
    assert shop.count(ImportBatch) == 0


class Endless(io.RawIOBase):
    """A file without an end."""

    def read(self, size: int = -1) -> bytes:
        return b"x" * size


def test_a_file_that_is_too_large_is_refused_and_leaves_nothing_behind(office):
    settings = office.extensions["vms_settings"]
    folder = stored_files.folder_of(settings, stored_files.UPLOADS)
    before = set(folder.iterdir())
    with pytest.raises(FileTooLarge, match="20 MB are allowed"):
        stored_files.store(settings, Endless())
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(("content", "name", "said"), [
    (b"a;b\n1;2\n", "a.csv", "No heading in row 1 is known"),
    (b"Name;Telephone\nA;+2547000\n", "a.csv", "These columns are missing: Region"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xls", "not read"),
    (b"PK\x03\x04 and no more", "a.xlsx", "The file is damaged"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_failed_job_with_its_sentence(
    hand_in, browse, shop, content, name, said
):
    batch = hand_in(content, name)
    assert batch.state == BatchState.REJECTED
    job = shop.rows(Job, Job.id == batch.job_id)[0]
    assert job.state == JobState.FAILED
    admin = browse(ADMIN)
    assert said in admin.get(f"/imports/show/{batch.id}").text
    assert said in admin.get(f"/jobs/show/{job.id}").text
    assert said in admin.get("/jobs/list/").text


def test_a_parser_that_is_killed_is_one_failed_job(hand_in, browse, shop, monkeypatch):
    from vmsapp.services.sheets import reading  # noqa: PLC0415 - only here

    dies = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(reading, "_START", dies)
    batch = hand_in(workbook(GOOD))
    job = shop.rows(Job, Job.id == batch.job_id)[0]
    assert (batch.state, job.state, job.error) == ("rejected", "failed", "reader_stopped")
    assert browse(ADMIN).get("/imports/list/").status_code == 200


def test_an_importer_of_the_north_knows_no_region_of_the_south(importer, hand_in, go_on, shop):
    batch = hand_in(workbook(GOOD), who=NORTH_SUPERVISOR)
    (fault,) = shop.rows(ImportRow, ImportRow.batch_id == batch.id)
    assert (fault.row, fault.errors[0]["code"]) == (3, "unknown_choice_near")
    go_on("apply", batch, NORTH_SUPERVISOR, good_only="yes")
    assert people_of(shop)["K-1"].region_id == shop.utility.regions["north"].id


def test_a_number_of_another_region_is_taken_and_never_changed(importer, hand_in, go_on, shop):
    go_on("apply", hand_in(workbook([["K-9", "Of the south", "South", None]])))
    batch = hand_in(
        workbook([["K-9", "Mine now", "North", None]]), who=NORTH_SUPERVISOR, update_existing="y"
    )
    (fault,) = shop.rows(ImportRow, ImportRow.batch_id == batch.id)
    assert fault.errors[0]["code"] == "consumer_number_taken"
    assert people_of(shop)["K-9"].name == "Of the south"


def test_undoing_takes_away_what_nothing_was_done_to_since(hand_in, go_on, browse, shop):
    before = people_of(shop).keys()
    rows = [[f"K-{n}", f"Name {n}", "North", None] for n in range(1, 5)]
    batch = go_on("apply", hand_in(workbook(rows)))
    shop.change(lambda session: session.execute(
        update(Consumer).where(Consumer.number == "K-2").values(name="Other", version=2)
    ))  # fmt: skip
    batch = go_on("undo", batch)
    assert (batch.state, batch.applied, batch.kept) == (BatchState.UNDONE, 0, 1)
    assert people_of(shop).keys() - before == {"K-2"}
    page = browse(ADMIN).get(f"/imports/show/{batch.id}").text
    assert "The record was changed after the import" in page
    assert browse(ADMIN).post(f"/imports/undo/{batch.id}").status_code == 409


def test_undoing_leaves_a_consumer_with_a_meter(hand_in, go_on, shop):
    batch = go_on("apply", hand_in(workbook(GOOD[:1])))
    owner = people_of(shop)["K-1"]

    def hang(session):
        point = session.scalars(select(factories.ServicePoint)).first()
        point.consumer_id = owner.id

    shop.change(hang)
    batch = go_on("undo", batch)
    assert (batch.kept, "K-1" in people_of(shop)) == (1, True)
    (row,) = shop.rows(ImportRow, ImportRow.batch_id == batch.id)
    assert (row.state, row.errors[0]["code"]) == (RowState.KEPT, "in_use_since")


def test_a_run_that_breaks_off_goes_on_and_doubles_and_loses_nothing(
    office, hand_in, browse, shop, monkeypatch
):
    monkeypatch.setattr(import_rows, "CHUNK", 3)
    rows = [[f"K-{n:02}", f"Name {n}", "North", None] for n in range(10)]
    batch, before = hand_in(workbook(rows)), shop.count(Consumer)
    browse(ADMIN).post(f"/imports/apply/{batch.id}")
    job_id = shop.rows(ImportBatch)[0].job_id
    real, chunks = applying._chunk, []

    def dies(*args):
        if len(chunks) == 2:
            raise SystemExit  # as a process that is told to go
        chunks.append(1)
        real(*args)

    monkeypatch.setattr(applying, "_chunk", dies)
    with pytest.raises(SystemExit), office.app_context():
        background.run.run(job_id)
    assert shop.count(Consumer) - before == 6
    monkeypatch.setattr(applying, "_chunk", real)
    stopped = shop.rows(Job, Job.id == job_id)[0]
    assert (stopped.state, stopped.done) == (JobState.RUNNING, 6)
    assert work(office, job_id).state == JobState.RUNNING, "its heart may still beat"
    _stop_heart(shop, job_id)
    assert work(office, job_id).state == JobState.DONE
    assert shop.count(Consumer) - before == 10
    states = [row.state for row in shop.rows(ImportRow, ImportRow.batch_id == batch.id)]
    assert states == [RowState.ADDED] * 10


def _stop_heart(shop, job_id: int) -> None:
    long_ago = now_utc() - 2 * STALE_AFTER
    shop.change(lambda session: session.execute(
        update(Job).where(Job.id == job_id).values(heartbeat_at=long_ago)
    ))  # fmt: skip


def test_a_worker_taken_for_dead_writes_nothing_beside_the_one_that_took_over(
    office, hand_in, browse, shop, monkeypatch
):
    batch, before = hand_in(workbook(GOOD)), shop.count(Consumer)
    browse(ADMIN).post(f"/imports/apply/{batch.id}")
    job_id = shop.rows(ImportBatch)[0].job_id
    real = applying._write

    def taken_over(session, *args):
        real(session, *args)
        session.execute(update(Job).where(Job.id == job_id).values(attempts=Job.attempts + 1))

    monkeypatch.setattr(applying, "_write", taken_over)
    work(office, job_id)
    assert shop.count(Consumer) == before


def test_stopping_half_way_keeps_what_was_done_and_offers_both_ways_on(
    office, hand_in, go_on, browse, shop, monkeypatch
):
    monkeypatch.setattr(import_rows, "CHUNK", 2)
    rows = [[f"K-{n}", f"Name {n}", "North", None] for n in range(5)]
    batch, before = hand_in(workbook(rows)), shop.count(Consumer)
    admin = browse(ADMIN)
    admin.post(f"/imports/apply/{batch.id}")
    job_id, real = shop.rows(ImportBatch)[0].job_id, applying._chunk

    def then_cancel(*args):
        real(*args)
        shop.change(lambda session: session.execute(
            update(Job).where(Job.id == job_id).values(cancel_asked=True)
        ))  # fmt: skip

    monkeypatch.setattr(applying, "_chunk", then_cancel)
    assert work(office, job_id).state == JobState.CANCELLED
    monkeypatch.setattr(applying, "_chunk", real)
    page = main_part(admin.get(f"/imports/show/{batch.id}").text)
    assert "Rows applied until then: 2" in page
    assert f"/imports/undo/{batch.id}" in page
    batch = go_on("apply", batch)
    assert (batch.state, batch.applied) == (BatchState.APPLIED, 5)
    assert shop.count(Consumer) - before == 5
    batch = go_on("undo", batch)
    assert (batch.state, shop.count(Consumer)) == (BatchState.UNDONE, before)


def test_a_job_that_waits_is_cancelled_at_once_and_frees_its_import(browse, shop):
    admin = browse(ADMIN)
    admin.post("/imports/new/consumers", {"file": (io.BytesIO(workbook(GOOD)), "a.xlsx")})
    (batch,) = shop.rows(ImportBatch)
    admin.post(f"/jobs/cancel/{batch.job_id}")
    (batch,) = shop.rows(ImportBatch)
    assert batch.state == BatchState.CANCELLED
    assert admin.post(f"/jobs/cancel/{batch.job_id}").status_code == 409
    admin.post(f"/jobs/retry/{batch.job_id}")
    assert shop.rows(ImportBatch)[0].state == BatchState.VALIDATING


def test_a_lost_message_and_a_dead_worker_are_swept_up(office, browse, shop, monkeypatch):
    admin, sent = browse(ADMIN), []
    admin.post("/imports/new/consumers", {"file": (io.BytesIO(workbook(GOOD)), "a.xlsx")})
    (batch,) = shop.rows(ImportBatch)
    monkeypatch.setattr(background, "send", sent.append)

    def swept():
        sent.clear()
        with office.app_context():
            background.sweep.run()
            db.session.remove()
        return list(sent)

    def change(**values):
        shop.change(lambda session: session.execute(
            update(Job).where(Job.id == batch.job_id).values(**values)
        ))  # fmt: skip

    assert swept() == [], "its message may still be on the way"
    long_ago = now_utc() - timedelta(hours=1)
    change(queued_at=long_ago)
    assert swept() == [batch.job_id]
    change(state="running", heartbeat_at=now_utc(), attempts=1)
    assert swept() == []
    change(heartbeat_at=long_ago)
    assert swept() == [batch.job_id]
    change(attempts=MOST_ATTEMPTS, heartbeat_at=long_ago)
    assert swept() == []
    (job,) = shop.rows(Job, Job.id == batch.job_id)
    assert (job.state, job.error) == (JobState.FAILED, "worker_lost")
    assert shop.rows(ImportBatch)[0].state == BatchState.CANCELLED


def test_no_more_jobs_run_at_once_than_leave_room_for_sales(office, hand_in, browse, shop):
    batch = hand_in(workbook(GOOD))
    for _ in range(job_runs.AT_ONCE):
        shop.change(lambda session: session.add(
            Job(kind="export", state="running", actor_id=batch.actor_id, made_at=now_utc(),
                heartbeat_at=now_utc(), attempts=1)
        ))  # fmt: skip
    browse(ADMIN).post(f"/imports/apply/{batch.id}")
    job_id = shop.rows(ImportBatch)[0].job_id
    assert work(office, job_id).state == JobState.WAITING


def test_the_template_speaks_the_readers_language_and_offers_what_is_there(browse, importer):
    book = openpyxl.load_workbook(io.BytesIO(
        browse(NORTH_SUPERVISOR, "fr").get("/imports/template/consumers").data
    ))  # fmt: skip
    headings = [cell.value for cell in book.worksheets[0][1]]
    assert headings[1:3] == ["Nom complet", "Région"]
    offered = [cell.value for row in book.worksheets[1] for cell in row if cell.value]
    assert "North" in offered
    assert "South" not in offered


def test_a_filled_template_is_read_and_its_example_left_out(hand_in, browse):
    book = openpyxl.load_workbook(io.BytesIO(browse(ADMIN).get("/imports/template/consumers").data))
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(3, columns["Full name"], "Bao Li")
    sheet.cell(3, columns["Region"], "South")
    file = io.BytesIO()
    book.save(file)
    batch = hand_in(file.getvalue())
    assert (batch.state, batch.rows, batch.about["examples"]) == ("validated", 1, 1)


def test_everybody_sees_the_own_imports_and_jobs_alone(importer, hand_in, browse):
    batch = hand_in(workbook(GOOD), name="<i>secret.xlsx")
    theirs = browse(NORTH_SUPERVISOR)
    for path in ("/imports/list/", "/jobs/list/"):
        assert "secret" not in theirs.get(path).text
        assert "&lt;i&gt;secret.xlsx" in browse(ADMIN).get(path).text
    for path in (f"/imports/show/{batch.id}", f"/imports/errors/{batch.id}",
                 f"/jobs/show/{batch.job_id}", f"/jobs/progress/{batch.job_id}"):  # fmt: skip
        assert theirs.get(path).status_code == 404
    assert theirs.post(f"/jobs/cancel/{batch.job_id}").status_code == 404


def test_who_sees_all_looks_at_an_import_but_neither_applies_nor_fetches_it(
    importer, hand_in, browse
):
    batch = hand_in(workbook([["K-1", "", "North", None]]), who=NORTH_SUPERVISOR)
    admin = browse(ADMIN)
    shown = admin.get(f"/imports/show/{batch.id}")
    assert shown.status_code == 200
    assert f"/imports/errors/{batch.id}" not in shown.text
    assert f"/imports/errors/{batch.id}" in browse(NORTH_SUPERVISOR).get(shown.request.path).text
    assert admin.get(f"/imports/errors/{batch.id}").status_code == 404
    assert admin.post(f"/imports/apply/{batch.id}", {"good_only": "yes"}).status_code == 404


def test_who_may_not_import_is_refused(browse):
    for who in (OPERATOR, NEWCOMER):
        assert browse(who).get("/imports/new/consumers").status_code == 403
        assert browse(who).get("/imports/list/").status_code == 403


def test_files_go_after_their_days_and_with_them_what_rows_held_before(
    office, hand_in, go_on, browse, shop
):
    go_on("apply", hand_in(workbook(GOOD[:1])))
    changed = hand_in(workbook([["K-1", "Other", "North", None]]), update_existing="y")
    go_on("apply", changed)
    folder = office.extensions["vms_settings"].instance / "uploads"
    stored = [batch.stored for batch in shop.rows(ImportBatch)]
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in stored)
    long_ago = now_utc() - timedelta(days=100)
    shop.change(lambda session: session.execute(update(ImportBatch).values(made_at=long_ago)))
    with office.app_context():
        background.tidy.run()
        db.session.remove()
    assert not [name for name in stored if (folder / name).exists()]
    assert [row.before for row in shop.rows(ImportRow)] == [None, None]
    assert "not kept any more" in browse(ADMIN).get(f"/imports/errors/{changed.id}").text


def test_an_import_is_on_record_once_a_chunk_without_names(hand_in, go_on, shop):
    batch = go_on("apply", hand_in(workbook(GOOD)))
    events = {e.action: e for e in shop.rows(AuditEvent, AuditEvent.action.like("import.%"))}
    assert events.keys() == {"import.uploaded", "import.confirmed", "import.applied"}
    (added,) = shop.rows(AuditEvent, AuditEvent.action == "consumer.added")
    assert (added.details["count"], added.details["batch_id"]) == (2, batch.id)
    assert "Amina" not in str([event.details for event in shop.rows(AuditEvent)])


def test_no_state_follows_another_by_mistake():
    for before in BatchState:
        for after in BatchState:
            batch = ImportBatch(state=before)
            if (before, after) in batches.MOVES:
                batches.move(batch, after)
            else:
                with pytest.raises(batches.NoSuchMove):
                    batches.move(batch, after)


def test_a_heart_beats_while_a_job_waits_for_something(office, hand_in, browse, shop, monkeypatch):
    batch = hand_in(workbook(GOOD))
    browse(ADMIN).post(f"/imports/apply/{batch.id}")
    job_id = shop.rows(ImportBatch)[0].job_id
    monkeypatch.setattr(job_runs, "BEAT_SECONDS", 0.05)
    beats, real = [], applying._chunk

    def slow(*args):
        for _ in range(2):
            beats.append(shop.rows(Job, Job.id == job_id)[0].heartbeat_at)
            _stop_heart(shop, job_id)
            time.sleep(0.6)
        beats.append(shop.rows(Job, Job.id == job_id)[0].heartbeat_at)
        real(*args)

    monkeypatch.setattr(applying, "_chunk", slow)
    assert work(office, job_id).state == JobState.DONE
    assert min(beats) > now_utc() - STALE_AFTER

"""After somebody was anonymised no table and no file holds what told who it was."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, MetaData, select, update

from tests.web.importing import METER_HEADINGS, work, workbook
from tests.web.office import ADMIN, BOTH
from vmsapp.models import Consumer, ImportBatch, ImportRow, Job, MeterInstallation
from vmsapp.services.imports import forgetting
from vmsapp.views.lists import exports

NAME, ID_NUMBER, PHONE, EMAIL = "Ada Wanjiru", "29384756", "+254 20 123456", "ada@example.org"
HELD = (NAME, ID_NUMBER, PHONE, EMAIL)
HEADINGS = ("Consumer number", "Name", "Region", "ID number", "Telephone", "E-mail")
ADA, BAO = ("A-1", NAME, "North", ID_NUMBER, PHONE, EMAIL), ("B-1", "Bao", "North", "", "", "")


def files_of(office: Flask) -> Iterator[Path]:
    instance = office.extensions["vms_settings"].instance
    for folder in ("uploads", "downloads"):
        if (instance / folder).exists():
            yield from (instance / folder).iterdir()


def texts_of(path: Path) -> str:
    """All that stands in a file, a workbook unpacked."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes().decode("utf-8", "replace")
    with zipfile.ZipFile(path) as book:
        return "".join(book.read(name).decode("utf-8", "replace") for name in book.namelist())


def found_in_tables(engine: Engine, words) -> set[str]:
    """Tables in which a word stands, whatever wrote it."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name
            for table in metadata.tables.values()
            for row in connection.execute(select(table))
            if any(word.casefold() in repr(tuple(row)).casefold() for word in words)
        }


def found_in_files(office: Flask, words) -> set[Path]:
    return {path for path in files_of(office) if any(word in texts_of(path) for word in words)}


@pytest.fixture
def of_people(browse, office, shop):
    """Hand a sheet of consumers in, and have it checked."""

    def do(*lines, name: str = "people.xlsx", **ticked: str) -> ImportBatch:
        file = io.BytesIO(workbook(lines, HEADINGS))
        form = {"file": (file, name), "although_same": "y", **ticked}
        assert browse(ADMIN).post("/imports/new/consumers", form).status_code == 302
        batch = shop.rows(ImportBatch)[-1]
        assert work(office, batch.job_id).state == "done"
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do


@pytest.fixture
def export(browse, office, shop, monkeypatch):
    """Have the list of consumers made as a file in the background."""
    monkeypatch.setattr(exports, "DIRECTLY", 0)

    def do(query: str = "") -> Job:
        assert browse(ADMIN).post(f"/consumers/export/csv{query}").status_code == 302
        return work(office, shop.rows(Job)[-1].id)

    return do


@pytest.fixture
def forget(browse, shop):
    def do(number: str = "A-1"):
        key = shop.rows(Consumer, Consumer.number == number)[0].id
        typed = {"reason": "asked", "number": number}
        return browse(ADMIN).post(f"/consumers/anonymise/{key}", typed)

    return do


@BOTH
def test_nothing_is_left_of_who_was_imported_changed_and_exported(
    office, engine, shop, of_people, export, go_on, forget, backend
):
    go_on("apply", of_people(ADA, BAO))
    other = of_people(("B-2", "Bao Two", "North", "", "", ""))
    changed = of_people((*ADA[:4], "+254 700 000009", EMAIL), update_existing="y")
    go_on("apply", changed)
    refused = of_people(("A-9", NAME, "Nowhere", ID_NUMBER, "", "ada@example"),
                        name=f"{NAME}.xlsx")  # fmt: skip
    assert refused.state == "rejected"
    export("?q=ada+wanjiru")
    assert {"consumer", "import_row", "import_batch", "job"} <= found_in_tables(engine, HELD)
    assert len(found_in_files(office, HELD)) == 4

    assert forget().status_code == 302
    words = (*HELD, "+254 700 000009", "wanjiru")
    assert found_in_tables(engine, words) == set()
    assert found_in_files(office, words) == set()
    batches = {batch.id: batch for batch in shop.rows(ImportBatch)}
    assert (batches[refused.id].state, batches[refused.id].file_name) == ("cancelled", "—")
    assert batches[other.id].stored in {path.name for path in files_of(office)}


def test_an_import_that_changed_the_consumer_keeps_nothing_of_before(
    shop, of_people, go_on, forget
):
    go_on("apply", of_people(ADA, BAO))
    lines = [(*row[:4], "+254 700 000009", "") for row in (ADA, BAO)]
    changed = go_on("apply", of_people(*lines, update_existing="y"))
    assert forget().status_code == 302
    rows = {row.row: row for row in shop.rows(ImportRow, ImportRow.batch_id == changed.id)}
    assert rows[2].before is None
    assert rows[3].before["name"] == "Bao"
    go_on("undo", changed)
    kept = shop.rows(ImportRow, ImportRow.batch_id == changed.id)
    assert {row.row: row.state for row in kept} == {2: "kept", 3: "undone"}


def test_a_sheet_of_meters_with_consumers_goes_too(
    office, shop, row, hand_in, go_on, forget, engine
):
    headings = [*METER_HEADINGS, "Consumer number", "Consumer's name", "Consumer's telephone"]
    line = [*row("04040404008"), "A-1", NAME, PHONE]
    batch = go_on("apply", hand_in(workbook([line], headings), "meters-with-consumers"))
    assert found_in_files(office, HELD)
    shop.change(lambda session: session.execute(
        MeterInstallation.__table__.update().values(removed_at=shop.clock())
    ))  # fmt: skip
    assert forget().status_code == 302
    assert shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].stored is None
    assert found_in_files(office, HELD) == set()
    assert found_in_tables(engine, HELD) == set()


@pytest.mark.parametrize("kind", ["import", "export"])
def test_what_is_under_way_is_waited_for(browse, shop, of_people, go_on, forget, engine, kind):
    go_on("apply", of_people(ADA))
    if kind == "import":
        file = io.BytesIO(workbook([BAO], HEADINGS))
        browse(ADMIN).post("/imports/new/consumers", {"file": (file, "more.xlsx")})
    else:
        shop.change(lambda session: session.add(
            Job(kind="export", params={"query": ""}, made_at=shop.clock(), queued_at=shop.clock())
        ))  # fmt: skip
    refused = forget()
    assert refused.status_code == 409
    assert "under way that may hold this consumer" in refused.text
    assert "consumer" in found_in_tables(engine, HELD)


def test_a_list_of_meters_that_names_its_consumers_goes_too(office, row, hand_in, of_people, go_on,
                                                           forget):  # fmt: skip
    others = found_in_files(office, HELD)
    go_on("apply", of_people(ADA))
    headings = [*METER_HEADINGS, "Consumer number", "Consumer's name"]
    hand_in(workbook([[*row("04040404008"), "A-1", NAME]], headings))
    assert len(found_in_files(office, HELD) - others) == 2
    assert forget().status_code == 302
    assert found_in_files(office, HELD) == others


@pytest.mark.parametrize("between", ["checked", "changed"])
def test_what_came_while_the_files_were_read_is_not_overlooked(
    office, shop, of_people, go_on, forget, monkeypatch, between
):
    others, find = found_in_files(office, HELD), forgetting.find
    go_on("apply", of_people(ADA))
    late = of_people(ADA, BAO, name="late.xlsx").id if between == "checked" else None

    def put(state):
        moved = update(ImportBatch).where(ImportBatch.id == late).values(state=state)
        shop.change(lambda session: session.execute(moved))

    def slow(*args):
        monkeypatch.undo()
        if late is None:
            found = find(*args)
            renamed = update(Consumer).where(Consumer.number == "A-1").values(phone="+254 7")
            shop.change(lambda session: session.execute(renamed))
            return found
        put("validating")
        found = find(*args)
        put("validated")
        return found

    monkeypatch.setattr(forgetting, "find", slow)
    refused = forget()
    assert refused.status_code == 409
    assert "under way that may hold this consumer" in refused.text
    assert forget().status_code == 302
    assert found_in_files(office, HELD) == others

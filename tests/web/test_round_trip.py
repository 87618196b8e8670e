"""What is exported is imported as it is: export, import and export again give the same file."""

import csv
import io
import subprocess

import openpyxl
import pytest
from flask_appbuilder.security.sqla.models import Permission, PermissionView, ViewMenu
from sqlalchemy import delete, select, update

from tests import factories
from tests.factories import LEGACY_11, RETIRED, WATER
from tests.web.importing import work, workbook
from tests.web.office import ADMIN, NORTH_SUPERVISOR, main_part
from tests.web.test_import_meters import HEADINGS, NEW, PEOPLE
from vmsapp.clock import now_utc
from vmsapp.models import (
    Consumer,
    ImportBatch,
    ImportRow,
    Meter,
    MeterState,
    Product,
    Region,
    RowState,
    Tariff,
)
from vmsapp.models.user import Role

LANGUAGES = ("en", "zh", "fr", "ar")
BOTH_KINDS = pytest.mark.parametrize("kind", ["xlsx", "csv"])
IN_EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)

PLACES = ["Meridia / North", "Meridia / South", "Meridia / North / South", "A / B", "/ A", "A // B"]
"""Where the odd people live, as an export writes it: shared names, and strokes within names."""

ODD = [
    # number, name, address, gender, ID number, telephone, e-mail, language
    ("OD-00001", "=1+1", '12 "Harbour" St, 2\nMombasa\n<B> & Co', "female", "001234567890123456",
     "+254 700 000001", "a@example.org", "en"),
    ("OD-00002", "محمد علي", "شارع الميناء ١٢", "male", "١٢٣٤", "0700,000;001", "", "ar"),
    ("OD-00003", "张伟", "海港路12号", "other", "-5", "007", "zhang@例子.测试", "zh"),
    ("00004", "'=HYPERLINK(\"x\")", "@home", "unknown", "12E5", "12", "o'b@example.org", "fr"),
    ("05/06", "'s-Gravenhage; Zoë", "-", "unknown", "00000", "", "", "en"),
    ("OD-7", "+1 TRUE", "2026-01-02", "other", "1.0", "0700 (000) 001-2", "", "fr"),
]  # fmt: skip


@pytest.fixture
def odd(shop, utility):
    """People with all that a spreadsheet program could take for something else."""

    def add(session):
        north = session.get_one(Region, utility.regions["north"].id)
        south = session.get_one(Region, utility.regions["south"].id)
        other = factories.add_region(session, "A")
        homes = [north, south, factories.add_region(session, "South", north),
                 factories.add_region(session, "B", other), other,
                 factories.add_region(session, "A / B")]  # fmt: skip
        factories.add_region(session, "A", south)
        for said, home in zip(ODD, homes, strict=True):
            number, name, address, gender, id_number, phone, email, language = said
            session.add(Consumer(
                number=number, name=name, region_id=home.id, address=address, gender=gender,
                id_number=id_number, phone=phone, email=email, language=language,
            ))  # fmt: skip

    shop.change(add)


@pytest.fixture
def take(browse):
    """Take a list away as a file."""

    def do(kind: str, path: str = "/consumers", query: str = "", language="en", who=ADMIN) -> bytes:
        answer = browse(who, language).post(f"{path}/export/{kind}{query}")
        assert answer.status_code == 200, main_part(answer.text)
        return answer.data

    return do


@pytest.fixture
def bring(office, browse, shop):
    """Import a file, and hand over what became of each row by state."""

    def do(content: bytes, kind: str, sheet="consumers", language="en", who=ADMIN, **ticked: str):
        form = {"file": (io.BytesIO(content), f"list.{kind}"), "although_same": "y", **ticked}
        answer = browse(who, language).post(f"/imports/new/{sheet}", form)
        assert answer.status_code == 302, main_part(answer.text)
        key = shop.rows(ImportBatch)[-1].id
        for deed in ("check", "apply"):
            if deed == "apply":
                answer = browse(who, language).post(f"/imports/apply/{key}")
                assert answer.status_code == 302, main_part(answer.text)
            (batch,) = shop.rows(ImportBatch, ImportBatch.id == key)
            job = work(office, batch.job_id)
            assert job.state == "done", job.problem
            wrong = [
                (row.row, row.errors) for row in shop.rows(ImportRow, ImportRow.batch_id == key)
                if row.errors
            ]  # fmt: skip
            assert not wrong
        states = {row.state for row in shop.rows(ImportRow, ImportRow.batch_id == key)}
        return states, shop.rows(ImportBatch, ImportBatch.id == key)[0]

    return do


def cells(data: bytes, kind: str) -> list[list[tuple[str, object]]]:
    """Kind and value of every cell."""
    if kind == "csv":
        text = data.decode("utf-8-sig")
        return [[("s", cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""))]
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [[(cell.data_type, cell.value) for cell in row] for row in sheet.iter_rows()]


def column(data: bytes, heading: str) -> list[object]:
    head, *rows = [[value for _, value in row] for row in cells(data, "xlsx")]
    return [row[head.index(heading)] for row in rows]


def same(first: bytes, second: bytes, kind: str) -> bool:
    return first == second if kind == "csv" else cells(first, kind) == cells(second, kind)


# people


@BOTH_KINDS
@IN_EVERY_LANGUAGE
def test_people_on_record_stay_as_they_are(odd, take, bring, shop, kind, language):
    def retire(session):
        people = update(Consumer).execution_options(synchronize_session=False)
        now = now_utc()
        session.execute(people.where(Consumer.number == "OD-7").values(retired_at=now))
        session.execute(people.where(Consumer.number == "C0001").values(
            retired_at=now, anonymised_at=now, name="—", phone="", address="",
        ))  # fmt: skip

    shop.change(retire)
    before = take(kind, language=language)
    versions = {row.number: row.version for row in shop.rows(Consumer)}
    states, batch = bring(before, kind, language=language, update_existing="y")
    assert states == {RowState.SAME}
    assert batch.rows == len(versions)
    assert {row.number: row.version for row in shop.rows(Consumer)} == versions
    assert same(take(kind, language=language), before, kind)


@pytest.mark.parametrize(("kind", "language"), [
    ("xlsx", "en"), ("csv", "zh"), ("xlsx", "fr"), ("csv", "ar"), ("xlsx", "ar"),
])  # fmt: skip
def test_people_are_the_same_where_they_were_not_before(odd, take, bring, shop, kind, language):
    numbers = [said[0] for said in ODD]
    before = take(kind, query="?meter=no", language=language)
    shop.change(lambda s: s.execute(delete(Consumer).where(Consumer.number.in_(numbers))))
    left = [row for row in cells(before, kind) if row[0][1] in numbers]
    assert len(left) == len(ODD)
    states, _ = bring(before, kind, language=language)
    assert states == {RowState.ADDED}
    assert same(take(kind, query="?meter=no", language=language), before, kind)
    (first,) = shop.rows(Consumer, Consumer.number == ODD[0][0])
    assert (first.name, first.id_number) == ("=1+1", "001234567890123456")


def test_regions_are_written_so_that_they_are_understood_again(odd, take, shop):
    written = dict(zip(column(take("xlsx"), "Consumer number"),
                       column(take("xlsx"), "Region"), strict=True))  # fmt: skip
    assert [written[said[0]] for said in ODD] == PLACES


def test_a_shared_name_alone_is_refused_and_the_place_is_asked_for(odd, browse, office, shop):
    file = workbook([["X-1", "Ada", "South", None], ["X-2", "Bo", "North", None],
                     ["X-3", "Cy", "Meridia / South", None], ["X-4", "Di", "A", None]])  # fmt: skip
    browse(ADMIN).post("/imports/new/consumers", {"file": (io.BytesIO(file), "p.xlsx")})
    (batch,) = shop.rows(ImportBatch)
    work(office, batch.job_id)
    wrong = {row.row: row.errors[0]["code"] for row in shop.rows(ImportRow)}
    assert wrong == {2: "ambiguous_region", 5: "ambiguous_region"}
    page = browse(ADMIN).get(f"/imports/show/{batch.id}").text
    assert "South is the name of several regions. Write where it lies" in page


def test_the_template_offers_regions_as_an_export_writes_them(odd, browse):
    data = browse(ADMIN).get("/imports/template/consumers").data
    book = openpyxl.load_workbook(io.BytesIO(data))
    offered = {cell.value for cell in book["_"]["C"]}
    assert set(PLACES) <= offered
    assert "South" not in offered
    assert book.worksheets[0]["C2"].value in offered


def test_who_may_not_see_id_numbers_neither_takes_nor_loses_them(odd, take, bring, shop):
    held = {row.number: row.id_number for row in shop.rows(Consumer)}
    assert "ID number" in [value for _, value in cells(take("xlsx"), "xlsx")[0]]

    def forbid(session):
        role = session.scalars(select(Role).where(Role.name == "Supervisor")).one()
        (one,) = (
            session.query(PermissionView).join(Permission).join(ViewMenu)
            .where(Permission.name == "can_id_number", ViewMenu.name == "Consumers")
        )  # fmt: skip
        role.permissions.remove(one)

    shop.change(forbid)
    data = take("xlsx", who=NORTH_SUPERVISOR)
    assert "ID number" not in [value for _, value in cells(data, "xlsx")[0]]
    assert b"001234567890123456" not in take("csv", who=NORTH_SUPERVISOR)
    states, _ = bring(data, "xlsx", who=NORTH_SUPERVISOR, update_existing="y")
    assert states == {RowState.SAME}
    masked = workbook(
        [["OD-00003", "张伟", "Meridia / North / South", "•••••-5"]],
        ["Consumer number", "Name", "Region", "ID number"],
    )
    bring(masked, "xlsx", update_existing="y")
    assert {row.number: row.id_number for row in shop.rows(Consumer)} == held


def test_the_dry_run_says_what_is_not_imported(odd, take, bring, browse):
    _, batch = bring(take("xlsx", language="fr"), "xlsx", update_existing="y")
    page = browse(ADMIN, "en").get(f"/imports/show/{batch.id}").text
    assert "Columns that only tell how things were; they are not imported: Compteurs, État." in page
    assert "their headings are not known" not in page


def test_nobody_is_registered_from_what_is_left_of_a_person(browse, office, shop):
    file = workbook([["X-1", "—", "North", None]])
    browse(ADMIN).post("/imports/new/consumers", {"file": (io.BytesIO(file), "p.xlsx")})
    (batch,) = shop.rows(ImportBatch)
    work(office, batch.job_id)
    (row,) = shop.rows(ImportRow)
    assert [error["code"] for error in row.errors] == ["nobody_left"]


def test_what_is_outside_the_importers_region_is_unknown_there(odd, take, browse, office, shop):
    """The north's supervisor hands in the administrator's file."""
    before = {row.number: row.version for row in shop.rows(Consumer)}
    form = {"file": (io.BytesIO(take("xlsx")), "all.xlsx"), "update_existing": "y"}
    assert browse(NORTH_SUPERVISOR).post("/imports/new/consumers", form).status_code == 302
    (batch,) = shop.rows(ImportBatch)
    work(office, batch.job_id)
    codes = {error["code"] for row in shop.rows(ImportRow) for error in row.errors}
    assert codes <= {"unknown_choice", "unknown_choice_near", "consumer_number_taken"}
    assert "consumer_number_taken" in codes
    assert {row.number: row.version for row in shop.rows(Consumer)} == before


# meters


@pytest.fixture
def sound(shop):
    """All meters are such as can be registered: the water meter has no tariff for electricity."""
    meters = update(Meter).execution_options(synchronize_session=False)
    shop.change(lambda s: s.execute(
        meters.where(Meter.id == shop.utility.meters[WATER]).values(tariff_id=None)
    ))  # fmt: skip


@BOTH_KINDS
@IN_EVERY_LANGUAGE
def test_meters_on_record_stay_as_they_are(sound, take, bring, shop, kind, language):
    before = take(kind, "/meters", language=language)
    assert len(cells(before, kind)) == shop.count(Meter) + 1
    states, _ = bring(before, kind, "meters", language, update_existing="y")
    assert states == {RowState.SAME}
    assert same(take(kind, "/meters", language=language), before, kind)
    assert shop.rows(Meter, Meter.id == shop.utility.meters[RETIRED])[0].state == MeterState.RETIRED


def test_the_file_of_meters_tells_states_and_reasons_and_digits_as_text(take):
    data = take("xlsx", "/meters")
    head, *rows = cells(data, "xlsx")
    names = [value for _, value in head]
    blocked = next(row for row in rows if row[names.index("State")][1] == "Blocked")
    assert blocked[names.index("Blocked because")] == ("s", "seal broken")
    for heading in ("Meter number", "Supply group code (SGC)", "Tariff index (TI)",
                    "Encryption algorithm (EA)", "Token carrier (TCT)"):  # fmt: skip
        assert {row[names.index(heading)][0] for row in rows} == {"s"}, heading


@pytest.fixture
def meter_rows(shop):
    """Rows of new meters with a consumer, like a meter that is there."""
    like = shop.rows(Meter, Meter.id == shop.utility.meters[LEGACY_11])[0]
    (product,) = shop.rows(Product, Product.id == like.product_id)
    (tariff,) = shop.rows(Tariff, Tariff.id == like.tariff_id)
    return [
        [number, product.model, "North", tariff.name, "Legacy", like.sgc, like.ti, "07",
         f"R-{n % 2}", f"Owner {n % 2}", None]
        for n, number in enumerate(NEW)
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "language"), [
    ("xlsx", "en"), ("csv", "fr"), ("xlsx", "zh"), ("csv", "ar"),
])  # fmt: skip
@pytest.mark.parametrize("sheet", ["meters", "meters-with-consumers"])
def test_meters_are_the_same_where_they_were_not_before(
    take, bring, browse, office, shop, meter_rows, sheet, kind, language
):
    def there():
        return take(kind, "/meters", "?q=04040404", language)

    rows, headings = meter_rows, HEADINGS + PEOPLE
    if sheet == "meters":
        rows, headings = [row[:8] for row in meter_rows], HEADINGS
    _, batch = bring(workbook(rows, headings), "xlsx", sheet)
    before = there()
    assert len(cells(before, kind)) == len(NEW) + 1
    browse(ADMIN).post(f"/imports/undo/{batch.id}")
    work(office, shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].job_id)
    assert not shop.rows(Meter, Meter.drn.in_(NEW))
    states, _ = bring(before, kind, sheet, language)
    assert states == {RowState.ADDED}
    assert same(there(), before, kind)


def test_a_retired_meter_comes_back_by_no_row_that_says_it_is_retired(
    take, browse, office, shop, meter_rows
):
    meter = shop.rows(Meter, Meter.id == shop.utility.meters[RETIRED])[0]
    row = [meter.drn, *meter_rows[0][1:8]]
    row[2] = "South"
    for ticked in ({}, {"update_existing": "y"}):
        file = workbook([[*row, "Retired"]], [*HEADINGS, "State"])
        form = {"file": (io.BytesIO(file), "m.xlsx"), "although_same": "y", **ticked}
        browse(ADMIN).post("/imports/new/meters", form)
        work(office, shop.rows(ImportBatch)[-1].job_id)
        found = shop.rows(ImportRow)[-1]
        assert [error["code"] for error in found.errors] == ["retired_stays"]
    assert shop.rows(Meter, Meter.id == meter.id)[0].state == MeterState.RETIRED


# through LibreOffice

TEXT_COLUMNS = "/".join(f"{n}/2" for n in range(1, 20))
READ_CSV = f"--infilter=CSV:44,34,76,1,{TEXT_COLUMNS}"
"""How a person opens the file: UTF-8, separated by commas, every column as text."""
SAVE = {"xlsx": "xlsx", "csv": "csv:Text - txt - csv (StarCalc):44,34,76,1"}


@pytest.fixture
def through_libreoffice(tmp_path):
    """Open a file in LibreOffice and save it as what it was."""

    def do(data: bytes, kind: str) -> bytes:
        given, out = tmp_path / f"list.{kind}", tmp_path / "out"
        given.write_bytes(data)
        subprocess.run(
            ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile",
             *([READ_CSV] if kind == "csv" else []), "--convert-to", SAVE[kind],
             "--outdir", str(out), str(given)],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        return (out / f"list.{kind}").read_bytes()

    return do


@pytest.mark.office
@BOTH_KINDS
@pytest.mark.parametrize(("path", "sheet"), [("/consumers", "consumers"), ("/meters", "meters")])
def test_libreoffice_keeps_text_as_text_and_the_file_is_imported_as_it_is(
    odd, sound, take, bring, through_libreoffice, path, sheet, kind
):
    before = take(kind, path)
    saved = through_libreoffice(before, kind)
    assert cells(saved, kind) == cells(before, kind)
    states, _ = bring(saved, kind, sheet, update_existing="y")
    assert states == {RowState.SAME}
    assert same(take(kind, path), before, kind)

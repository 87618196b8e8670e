"""Files with holes: cells that must say something, and say nothing."""

import io

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import select

from tests.factories import LEGACY_11
from tests.web.importing import work, workbook
from tests.web.office import ADMIN
from vmsapp.models import ImportBatch, ImportRow, Meter, Product
from vmsapp.scope import unscoped

NEEDED = {
    "product": "Product", "region": "Region", "algorithm": "Algorithm",
    "sgc": "Supply group code (SGC)", "ti": "Tariff index (TI)",
}  # fmt: skip
GOOD, HOLED = "04040404008", "04040404016"


@pytest.fixture
def checked(office, browse, shop):
    """Hand in one good row and one without the cells of some columns; give the errors' columns."""
    like = shop.rows(Meter, Meter.id == shop.utility.meters[LEGACY_11])[0]
    with shop.session() as session, unscoped("the test looks"):
        model = session.scalar(select(Product.model).where(Product.id == like.product_id))

    def check(sheet, *holes):
        said = {"product": model, "region": "North", "algorithm": "Legacy", "sgc": like.sgc,
                "ti": like.ti}  # fmt: skip
        headings = ["Meter number", *NEEDED.values(), "Consumer's name"]
        holed = [None if name in holes else value for name, value in said.items()]
        rows = [[GOOD, *said.values(), "Ann"], [HOLED, *holed, "Ann"]]
        file = {"file": (io.BytesIO(workbook(rows, headings)), "holes.xlsx")}
        assert browse(ADMIN).post(f"/imports/new/{sheet}", file).status_code == 302
        batch = shop.rows(ImportBatch)[-1]
        assert work(office, batch.job_id).state == "done"
        (faulty,) = shop.rows(ImportRow, ImportRow.batch_id == batch.id)
        assert faulty.row == 3
        return {headings[one["column"]]: one["code"] for one in faulty.errors}

    return check


@pytest.mark.parametrize("sheet", ["meters", "meters-with-consumers"])
@pytest.mark.parametrize("hole", NEEDED)
def test_an_empty_cell_beside_a_good_one_is_told_and_the_check_goes_on(checked, sheet, hole):
    assert checked(sheet, hole) == {NEEDED[hole]: "required"}


def test_a_row_of_holes_is_told_of_each(checked):
    assert checked("meters", *NEEDED) == dict.fromkeys(NEEDED.values(), "required")


def test_the_marked_workbook_keeps_rows_where_they_are_and_is_no_stranger(office, browse, shop):
    headings, file = ["Consumer number", "Name", "Region", "What is wrong"], io.BytesIO()
    book = Workbook()
    for row in (headings, ["K-1", "Ann", "North"], [], [], ["K-2", None, "North"]):
        book.active.append(row)
    for name in ("_", "Old"):
        book.create_sheet(name).sheet_state = "hidden"
    book.save(file)
    file.seek(0)
    admin = browse(ADMIN)
    admin.post("/imports/new/consumers", {"file": (file, "people.xlsx")})
    batch = shop.rows(ImportBatch)[-1]
    work(office, batch.job_id)
    page = admin.get(f"/imports/show/{batch.id}").text
    assert "Hidden sheets were not read: Old." in page
    assert "headings are not known" not in page
    sheet = load_workbook(io.BytesIO(admin.get(f"/imports/errors/{batch.id}").data)).active
    assert [sheet.cell(row, 1).value for row in range(1, 6)] == [
        "Consumer number", "K-1", None, None, "K-2",
    ]  # fmt: skip
    assert "must not be empty" in sheet["E5"].value
    assert sheet["B5"].number_format == "@"

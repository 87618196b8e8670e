"""Excel files that we write, read back by two other hands."""

import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from vmsapp.services.sheets import LONGEST_CELL, Look, Marked, write_xlsx, xlsx
from vmsapp.services.sheets.parts import sheet_name

at = datetime.fromisoformat  # Excel knows no zones
ROOT = Path(__file__).resolve().parents[3]


def written(*rows, header=("One", "Two"), title="A table", look=None):
    file = io.BytesIO()
    write_xlsx(file, title, header, rows, look or Look())
    file.seek(0)
    return file


@pytest.mark.parametrize("beside", ["plain", "a & b"])
def test_amounts_are_shown_with_the_decimals_of_their_currency(beside):
    """ISO 4217: dollars have two, dinars three, yen none; 18.8.31 of ECMA-376-1 names formats."""
    amounts = [Decimal("2.00"), Decimal("-1234.50"), Decimal("0.500"), Decimal(700)]
    sheet = load_workbook(written([*amounts, beside], header=list("abcde"))).active
    cells = next(sheet.iter_rows(min_row=2, max_col=4))
    shown = ["#,##0.00", "#,##0.00", "#,##0.000", "General"]
    assert [cell.number_format for cell in cells] == shown
    assert [cell.value for cell in cells] == [2, -1234.5, 0.5, 700]


def by_openpyxl(file):
    return [[cell.value for cell in row] for row in load_workbook(file).active.iter_rows()]


def by_calamine(file):
    file.seek(0)
    return list(CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).iter_rows())


TEXTS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "00700000013", "12345678901234567890", "<b>&amp;\"'", " two ",
    "a\nb", "a\tb", "a\rb", "a\r\nb", "售电", "عداد", "Zoë", "😀", "%s %d %%", "{0}", "TRUE", "1E5",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_what_it_is(text):
    file = written([text, "plain"], ["plain", text])
    assert by_openpyxl(file)[1:] == [[text, "plain"], ["plain", text]]
    assert by_calamine(file)[1:] == [[text, "plain"], ["plain", text]]
    assert {cell.data_type for row in load_workbook(file).active.iter_rows() for cell in row} == {
        "s"
    }


def test_what_looks_like_an_escape_is_escaped_and_what_xml_cannot_hold_is_left_out():
    file = written(["_x0041_", "a\x07b\x00\ud800\ufffe"])
    assert by_calamine(file)[1] == ["_x0041_", "ab"]  # calamine reads escapes, as Excel does


NUMBERS = [
    (0, 0), (-5, -5), (999_999_999_999_999, 999_999_999_999_999), (10**15, str(10**15)),
    (Decimal("1.50"), 1.5), (Decimal("0.1"), 0.1), (Decimal("1E+3"), 1000), (1.5, 1.5),
    (Decimal("123456789012345.6"), "123456789012345.6"), (Decimal("NaN"), "NaN"),
    (float("inf"), "inf"), (Decimal("-0.000001"), -0.000001), (True, True), (False, False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "found"), NUMBERS)
def test_a_number_is_exact_or_a_text(value, found):
    file = written([value, Marked(value)])
    assert by_openpyxl(file)[1] == [found, found]
    assert isinstance(by_openpyxl(file)[1][0], str) == isinstance(found, str)


DAYS = [  # serial numbers as Excel 365 shows them: DATE(1900,3,1) is 61, DATE(2026,1,2) is 46024
    (date(1900, 3, 1), "61"), (date(2026, 1, 2), "46024"), (date(9999, 12, 31), "2958465"),
    (at("2026-01-02 12:00:00"), "46024.5"), (at("2026-01-02 00:00:00"), "46024.0"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "serial"), DAYS)
def test_a_day_is_a_day(value, serial):
    file = written([value, "x"])
    assert f"<v>{serial}</v>" in sheet_of(file)
    day = value.date() if isinstance(value, datetime) else value
    assert by_openpyxl(file)[1][0].date() == day
    found = by_calamine(file)[1][0]
    assert (found.date() if isinstance(found, datetime) else found) == day


@pytest.mark.parametrize("value", [date(1900, 2, 28), date(1, 1, 1), at("1850-01-01 02:03:00")])
def test_a_day_before_excels_days_is_a_text(value):
    assert by_openpyxl(written([value, "x"]))[1][0] == str(value)


def test_a_moment_shows_the_clock_of_its_zone_and_names_it():
    east = timezone(timedelta(hours=3, minutes=30))
    moment = datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=east)
    sheet = load_workbook(written([moment, moment.astimezone(UTC)])).active
    assert sheet["A2"].value == at("2026-01-02 03:04:05")
    assert sheet["A2"].number_format.endswith('"+0330"')
    assert sheet["B2"].value == at("2026-01-01 23:34:05")
    assert sheet["B2"].number_format.endswith('"+0000"')


def test_a_cell_holds_so_many_characters_and_no_more():
    full, over, wide = "x" * LONGEST_CELL, "x" * (LONGEST_CELL + 1), "😀" * 20_000
    (row,) = by_openpyxl(written([full, over, wide], header="ABC"))[1:]
    assert row[0] == full
    assert row[1] == "x" * (LONGEST_CELL - 1) + "…"
    assert row[2] == "😀" * 16_383 + "…", "Excel counts in UTF-16: 32,766 and the ellipsis"


def test_empty_cells_are_empty_and_rows_may_be_short():
    file = written([None, ""], ["a"], [], [None, "b"])
    assert by_openpyxl(file)[1:] == [[None, None], ["a", None], [None, None], [None, "b"]]


def test_the_heading_is_bold_stays_in_sight_and_can_be_filtered():
    sheet = load_workbook(written(["a", "b"], ["c", "d"])).active
    assert sheet["A1"].font.bold
    assert not sheet["A2"].font.bold
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B3"
    assert sheet.sheet_view.rightToLeft in {None, False}


def test_columns_are_as_wide_as_what_is_in_them():
    sheet = load_workbook(written(["a" * 30, 1], ["b" * 200, 2], header=("A", "B"))).active
    widths = [sheet.column_dimensions[letter].width for letter in "AB"]
    assert widths == [60, 8]


def test_arabic_tables_run_from_right_to_left():
    assert load_workbook(written(["a", "b"], look=Look(rtl=True))).active.sheet_view.rightToLeft


def test_faulty_cells_are_coloured_and_kept_text_is_formatted_as_text():
    sheet = load_workbook(written([Marked("01"), "02"], look=Look(keep_text=True))).active
    assert sheet["A2"].fill.fgColor.rgb == "FFFFC7CE"
    assert sheet["B2"].fill.fill_type is None
    assert sheet["A2"].number_format == sheet["B2"].number_format == "@"


def test_what_is_typed_into_a_faulty_cell_is_text():
    cells = [Marked(66000000043), Marked(None), Marked(date(2014, 1, 1)), 5]
    sheet = load_workbook(written(cells, header="ABCD", look=Look(keep_text=True))).active
    assert [cell.number_format for cell in sheet[2]] == ["@", "@", xlsx.DAY, "General"]
    assert sheet["A2"].value == 66000000043
    plain = load_workbook(written([Marked(5)], header="A")).active
    assert plain["A2"].number_format == "General"


def test_what_does_not_fit_goes_on_to_another_sheet(monkeypatch):
    monkeypatch.setattr(xlsx, "ROWS", 4)
    book = load_workbook(written(*[[n, "x"] for n in range(7)], title="x" * 40))
    assert book.sheetnames == ["x" * 31, "x" * 27 + " (2)", "x" * 27 + " (3)"]
    found = [[row[0].value for row in sheet.iter_rows()] for sheet in book]
    assert found == [["One", 0, 1, 2], ["One", 3, 4, 5], ["One", 6]]
    assert [sheet.auto_filter.ref for sheet in book] == ["A1:B4", "A1:B4", "A1:B2"]


def test_rows_that_just_fit_need_no_other_sheet(monkeypatch):
    monkeypatch.setattr(xlsx, "ROWS", 4)
    assert load_workbook(written(*[[n, "x"] for n in range(3)])).sheetnames == ["A table"]
    assert load_workbook(written()).sheetnames == ["A table"]


@pytest.mark.parametrize(("title", "name"), [
    ("'quoted'", "quoted"), ("History", "History_"), ("a\nb\x07", "a b"), ("", "1"),
    ("😀" * 20, "😀" * 15), ("<&>", "<&>"), ("عدادات", "عدادات"),
])  # fmt: skip
def test_a_sheet_has_a_name_that_excel_takes(title, name):
    assert sheet_name(title) == name
    assert load_workbook(written(["a", "b"], title=title)).sheetnames == [name]


def test_the_file_says_what_it_is():
    file = written(["a", "b"], title="Meters & <more>")
    book = load_workbook(file)
    assert (book.properties.title, book.properties.creator) == ("Meters & <more>", "VMS")
    assert book.properties.created is not None
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            fromstring(archive.read(name))


def test_rows_are_not_kept():
    rows = ([f"A{n}", f"Consumer {n}", n] for n in range(30_000))
    tracemalloc.start()
    try:
        with open("/dev/null", "wb") as file:  # noqa: PTH123 - cannot be sought in
            write_xlsx(io.BufferedWriter(Unseekable(file)), "A", ["A", "B", "C"], rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


class Unseekable(io.RawIOBase):
    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


def test_the_writer_is_many_times_as_fast_as_openpyxl():
    told = subprocess.run(
        [sys.executable, "benchmarks/sheets.py", "--quick"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["write_times_yardstick"] >= 5, found  # 10 and more on a quiet machine


def sheet_of(file):
    with zipfile.ZipFile(file) as archive:
        return archive.read("xl/worksheets/sheet1.xml").decode()

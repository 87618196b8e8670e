"""Tables as files: text stays text, digits keep their zeros, and no cell is a formula."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from vmsapp.services.sheets import LONGEST_CELL, write_csv, write_xlsx

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DRN = "00700000013"
TOKEN = "12345678901234567890"


def as_csv(*rows):
    file = io.BytesIO()
    write_csv(file, ["One", "Two"], rows)
    assert file.getvalue().startswith(b"\xef\xbb\xbf"), "Excel reads UTF-8 by this mark"
    return list(csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline="")))


def as_xlsx(*rows, title="A table"):
    file = io.BytesIO()
    write_xlsx(file, title, ["One", "Two"], rows)
    sheet = load_workbook(file).active
    return sheet, [[cell.value for cell in line] for line in sheet.iter_rows()]


@pytest.mark.parametrize("text", [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\r\n=1", "\n\t +1", " \n-1", "  @x",
    "＝1+1", "＋1", "－1", "＠SUM(A1)", "\n＝1", "\ufeff=1", "\u200b=1", "\xa0=1", "\t1", "\n1",
])  # fmt: skip
def test_a_text_that_looks_like_a_formula_is_none(text):
    assert as_csv([text, "x"])[1][0] == f"'{text}"
    file = io.BytesIO()
    write_xlsx(file, "A table", ["One"], [[text]])
    cell = load_workbook(file).active["A2"]
    assert cell.data_type != "f"
    assert cell.value.strip() == text.strip()


@pytest.mark.parametrize("text", ["1=1", "a\n=b", "x@example.org", "", " a-b", "（＝）", "A－B"])
def test_a_sign_within_a_text_makes_no_formula(text):
    assert as_csv([text, "x"])[1][0] == text


def test_a_heading_that_looks_like_a_formula_is_none():
    file = io.BytesIO()
    write_csv(file, ["\n=1", "＝1"], [])
    (header,) = csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))
    assert header == ["'\n=1", "'＝1"]


def test_a_number_is_a_number_and_digits_are_text():
    rows = [DRN, -5], [TOKEN, Decimal("1.50")]
    assert as_csv(*rows)[1:] == [[DRN, "-5"], [TOKEN, "1.50"]]
    _, lines = as_xlsx(*rows)
    assert lines[1:] == [[DRN, -5], [TOKEN, 1.5]]


def test_moments_are_written_with_their_zone_and_nothing_is_nothing():
    assert as_csv([MOMENT, None])[1] == ["2026-01-02 03:04:05+00:00", ""]
    sheet, lines = as_xlsx([MOMENT, "x"])
    assert lines[1] == [MOMENT.replace(tzinfo=None), "x"]
    assert sheet["A2"].number_format.endswith('"+0000"'), "Excel knows no zones: its format does"


def test_every_script_survives():
    rows = ["售电", "عداد"], ["Zoë", 'a,b\n"c"']
    assert as_csv(*rows)[1:] == [list(row) for row in rows]
    assert as_xlsx(*rows)[1][1:] == [list(row) for row in rows]


def test_what_excel_cannot_hold_is_left_out():
    _, lines = as_xlsx(["a\x01b", "x" * (LONGEST_CELL + 1)])
    assert lines[1] == ["ab", "x" * (LONGEST_CELL - 1) + "…"]


@pytest.mark.parametrize(("title", "name"), [("Audit [trail]: a/b", "Audit  trail   a b"),
                                             ("x" * 40, "x" * 31), ("?", "1")])  # fmt: skip
def test_a_sheet_has_a_name_that_excel_takes(title, name):
    sheet, _ = as_xlsx(title=title)
    assert sheet.title == name

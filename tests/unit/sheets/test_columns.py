"""Columns: found in any language and order, their rows cleaned, every fault told."""

import io
from datetime import date

import pytest
from openpyxl import load_workbook

from tests.unit.sheets.books import book, text_cell
from vmsapp.services.sheets.cleaners import Digits, Number, Text
from vmsapp.services.sheets.columns import (
    Column,
    DoubledColumn,
    Fault,
    MissingColumns,
    UnknownHeadings,
    lay_out,
)
from vmsapp.services.sheets.marked import NO_COLUMN, write_marked
from vmsapp.services.sheets.names import Choice
from vmsapp.services.sheets.parts import ROWS
from vmsapp.services.sheets.reading import Odd
from vmsapp.services.sheets.templates import write_template

WORDS = {
    "Meter number": {"fr": "Numéro du compteur", "zh": "表号", "ar": "رقم العدّاد"},
    "Name": {"fr": "Nom", "zh": "姓名", "ar": "الاسم"},
    "Balance": {"fr": "Solde", "zh": "余额"},
    "11 or 13 digits.": {"fr": "11 ou 13 chiffres."},
}
COLUMNS = [
    Column("drn", "Meter number", Digits(11, 13), required=True, note="11 or 13 digits.",
           example="=0700000013", keep_text=True, width=20),
    Column("name", "Name", Text(10), required=True, example="Jane Example"),
    Column("balance", "Balance", Number(2, minor=True), empty=0),
    Column("tariff", "Tariff", Choice([("Homes", 1), ("Shops", 2)]), choices=["Homes", "Shops"]),
]  # fmt: skip
GOOD = "00700000013"


def laid_out(*headings, language="en"):
    return lay_out((1, list(headings)), COLUMNS, WORDS, language)


@pytest.mark.parametrize("headings", [
    ("Meter number", "Name"), ("NUMERO  DU\nCOMPTEUR", "nom"), ("表号", "姓名"),
    ("رقم العداد", "الاسم"), ("meter_number *", "Name:"), ("Numéro du compteur", "姓名"),
])  # fmt: skip
def test_headings_are_known_in_any_language(headings):
    assert laid_out(*headings).found == {"drn": 0, "name": 1}


def test_the_heading_of_older_files_is_known_and_the_present_one_is_told():
    columns = [Column("name", "Full name", Text(10), required=True, once="Name"), COLUMNS[2]]
    words = {**WORDS, "Full name": {"fr": "Nom complet"}}
    for heading in ("Full name", "Nom complet", "Name", "Nom"):
        assert lay_out((1, [heading]), columns, words, "en").found == {"name": 0}
    with pytest.raises(MissingColumns, match="Nom complet"):
        lay_out((1, ["Balance"]), columns, words, "fr")


def test_columns_stand_in_any_order_and_unknown_ones_are_named():
    layout = laid_out("Name", "", "Colour", "Meter number", "Remarks")
    assert layout.found == {"name": 0, "drn": 3}
    assert layout.ignored == ["Colour", "Remarks"]
    assert layout.absent == ["balance", "tariff"]
    (row,) = layout.clean([(2, ["Ann", "?", "red", GOOD, ""])])
    assert row.values == {"drn": GOOD, "name": "Ann"}


def test_missing_columns_are_named_in_the_readers_language():
    with pytest.raises(MissingColumns) as refused:
        laid_out("Solde", "Colour", language="fr")
    assert str(refused.value) == "These columns are missing: Numéro du compteur, Nom."


def test_doubled_columns_are_refused_whatever_their_language():
    with pytest.raises(DoubledColumn) as refused:
        laid_out("Name", "Meter number", "Nom")
    assert refused.value.params == {"first": "A", "second": "C", "heading": "Nom"}


def test_a_sheet_without_known_headings_is_refused():
    with pytest.raises(UnknownHeadings) as refused:
        lay_out((4, ["x", 5.0, ""]), COLUMNS, WORDS, "en")
    assert refused.value.params == {"row": 4}


def test_every_fault_of_a_row_is_told_with_its_place():
    layout = laid_out("表号", "Name", "Balance", "Tariff")
    rows = [(2, [GOOD, " Ann ", "12.50", "homes"]), (7, [7.0, "", Odd("error", "#N/A"), "Home"]),
            (8, ["x", "a" * 11])]  # fmt: skip
    good, bad, short = layout.clean(rows)
    assert good.values == {"drn": GOOD, "name": "Ann", "balance": 1250, "tariff": 1}
    assert good.faults == []
    assert bad.faults == [
        Fault(7, "drn", "表号", "number_for_text", {}), Fault(7, "name", "Name", "required", {}),
        Fault(7, "balance", "Balance", "cell_error", {"shown": "#N/A"}),
        Fault(7, "tariff", "Tariff", "unknown_choice_near", {"shown": "Home", "near": "Homes"}),
    ]  # fmt: skip
    assert [fault.code for fault in short.faults] == ["not_digits", "too_long"]
    assert short.values["balance"] == 0
    assert short.values["tariff"] is None


@pytest.mark.parametrize(("cell", "code"), [
    (Odd("formula", ""), "formula_without_value"), (Odd("time", "12:30:00"), "time_of_day"),
    (" ", "required"), ("", "required"),
])  # fmt: skip
def test_a_cell_that_is_no_value_is_a_fault(cell, code):
    (row,) = laid_out("Meter number", "Name").clean([(2, [GOOD, cell])])
    assert [fault.code for fault in row.faults] == [code]
    assert row.values == {"drn": GOOD}


def test_the_templates_example_is_no_row():
    layout = laid_out("Meter number", "Name")
    rows = [(2, ["=0700000013", "Jane Example"]), (3, [GOOD, "Jane E"])]
    assert [row.number for row in layout.clean(rows)] == [3]
    assert layout.examples == 1


def test_a_template_can_be_filled_in_and_handed_in(read):
    file = io.BytesIO()
    write_template(file, "Meters", COLUMNS, WORDS, "fr", rtl=True)
    made = load_workbook(file)
    sheet = made["Meters"]
    assert [cell.value for cell in sheet[1]] == ["Numéro du compteur", "Nom", "Solde", "Tariff"]
    assert sheet["A1"].comment.text == "11 ou 13 chiffres."
    assert sheet["B1"].comment is None
    assert sheet["A2"].data_type == "s"
    assert sheet["A2"].number_format == sheet.column_dimensions["A"].number_format == "@"
    assert sheet.column_dimensions["A"].width == 20
    assert sheet.sheet_view.rightToLeft
    assert sheet.freeze_panes == "A2"
    (offered,) = sheet.data_validations.dataValidation
    assert (str(offered.sqref), offered.formula1) == (f"D2:D{ROWS}", "list_4")
    assert made.defined_names["list_4"].attr_text == "'_'!$D$1:$D$2"
    assert made["_"].sheet_state == "hidden"
    assert [made["_"][f"D{n}"].value for n in (1, 2)] == ["Homes", "Shops"]

    told, rows = read(file.getvalue(), "meters.xlsx")
    assert told.about["hidden"] == ["_"]
    layout = lay_out(rows[0], COLUMNS, WORDS, "fr")
    assert list(layout.clean(rows[1:])) == []
    assert layout.examples == 1


def test_a_workbook_names_each_fault_and_can_be_handed_in_again(read):
    cells = [GOOD, 5.0, date(2026, 1, 2), Odd("error", "#N/A"), True]
    headings = ["Meter number", "Name", "Since", "Balance", "Poor"]
    told = {0: "Wrong.", 3: "The cell shows #N/A.", NO_COLUMN: "The row is there twice."}
    file = io.BytesIO()
    write_marked(file, "Faults", headings, "Faults", [(cells, told), (["short"], {1: "Empty."})])
    sheet = load_workbook(file).active
    assert [cell.value for cell in sheet[1]] == [*headings, "Faults"]
    assert sheet["F2"].value == (
        "The row is there twice. Meter number: Wrong. Balance: The cell shows #N/A."
    )
    coloured = {cell.coordinate for row in sheet["A2:F3"] for cell in row
                if cell.fill.fill_type == "solid"}  # fmt: skip
    assert coloured == {"A2", "D2", "B3"}
    assert sheet["A2"].number_format == "@"
    _, rows = read(file.getvalue(), "again.xlsx")
    assert rows[1][1][:5] == [GOOD, 5.0, date(2026, 1, 2), "#N/A", True]
    assert lay_out(rows[0], COLUMNS, WORDS, "en").ignored == ["Since", "Poor", "Faults"]


def test_a_number_cell_of_excel_is_refused_where_digits_count(read):
    rows = (
        f'<row r="1">{text_cell("Meter number", "A1")}{text_cell("Name", "B1")}</row>'
        f'<row r="2"><c r="A2"><v>700000013</v></c>{text_cell("Ann", "B2")}</row>'
        f'<row r="3">{text_cell("7.00E+08", "A3")}{text_cell("Ben", "B3")}</row>'
    )
    _, found = read(book(rows))
    layout = lay_out(found[0], COLUMNS, WORDS, "en")
    codes = [[fault.code for fault in row.faults] for row in layout.clean(found[1:])]
    assert codes == [["number_for_text"], ["scientific"]]


def test_a_text_that_came_before_is_the_same_again_and_no_other_kind_of_cell_is():
    layout = laid_out("Meter number", "Name", "Balance", "Tariff")
    cells = [["1", "Homes"], [1.0, "homes "], [" 1 ", "Homes"], [True, "Nowhere"], ["1", "Nowhere"]]
    rows = list(layout.clean((n, [GOOD, "Ann", *two]) for n, two in enumerate(cells, 2)))
    found = [row.values for row in rows]
    assert [one.get("balance") for one in found] == [100, 100, 100, None, 100]
    assert [one.get("tariff") for one in found] == [1, 1, 1, None, None]
    assert [[fault.column for fault in row.faults] for row in rows] == [
        [], [], [], ["balance", "tariff"], ["tariff"],
    ]  # fmt: skip

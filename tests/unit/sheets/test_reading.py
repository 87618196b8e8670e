"""Files as rows: what Excel, LibreOffice and people's own programs hand in."""

import io
from datetime import date, datetime

import pytest
from openpyxl import Workbook

from config import Settings
from tests.unit.sheets.books import HEADED, book, sheet_xml, text_cell
from vmsapp.services.sheets import write_csv, write_xlsx
from vmsapp.services.sheets.errors import (
    BrokenQuotes,
    NoHeadings,
    NoSheet,
    RowTooLong,
    TooManyColumns,
    TooManyRows,
    UnknownEncoding,
    UnreadableFile,
)
from vmsapp.services.sheets.reading import Limits, Odd, decimal_sign, limits_from

at = datetime.fromisoformat  # Excel knows no zones


def by_openpyxl(fill):
    made, file = Workbook(), io.BytesIO()
    fill(made, made.active)
    made.save(file)
    return file.getvalue()


def test_each_kind_of_cell_is_told(read):
    def fill(made, sheet):
        sheet.append(["Text", 5, 1.25, True, date(2026, 1, 2), at("2026-01-02 03:04:05")])
        sheet.append(["007", 123456789012345, None, "", "x", "=1+1"])

    _, rows = read(by_openpyxl(fill))
    assert rows[0] == (
        1, ["Text", 5.0, 1.25, True, date(2026, 1, 2), at("2026-01-02 03:04:05")]
    )  # fmt: skip
    assert [type(cell) for cell in rows[0][1]] == [str, float, float, bool, date, datetime]
    assert rows[1] == (2, ["007", 123456789012345.0, "", "", "x", Odd("formula", "")])


def test_an_error_and_a_formula_are_told_where_they_stand(read):
    rows = (
        f'<row r="1">{text_cell("H", "B1")}</row>'
        '<row r="3"><c r="B3" t="e"><v>#N/A</v></c><c r="C3"><f>A1</f><v>7</v></c>'
        '<c r="D3" t="str"><f>B1</f><v>x</v></c><c r="E3"><f>1+1</f></c></row>'
        '<row r="9"><c r="C9" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    )
    _, found = read(book(rows))
    assert found == [
        (1, ["", "H", "", ""]),
        (3, ["", Odd("error", "#N/A"), 7.0, "x", Odd("formula", "")]),
        (9, ["", "", Odd("error", "#DIV/0!"), ""]),
    ]


def test_cells_and_rows_without_their_names_follow_each_other(read):
    rows = "<row><c><v>1</v></c><c t='e'><v>#REF!</v></c></row><row r='5'><c><f/></c></row>"
    assert read(book(rows))[1] == [(1, [1.0, Odd("error", "#REF!")]), (5, [Odd("formula", "")])]


def test_names_with_a_prefix_are_understood(read):
    rows = '<x:row r="1"><x:c r="A1"><x:v>5</x:v></x:c><x:c r="B1"><x:f>A1</x:f></x:c></x:row>'
    whole = (
        '<x:worksheet xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<x:sheetData>{rows}</x:sheetData></x:worksheet><!-- <worksheet -->"
    )
    assert read(book(whole))[1] == [(1, [5.0, Odd("formula", "")])]


def test_row_numbers_are_as_excel_shows_them_and_empty_rows_are_counted(read):
    rows = (
        f'<row r="3">{text_cell("H", "A3")}</row><row r="4"/><row r="7">{text_cell(" ", "A7")}'
        f'</row><row r="9">{text_cell("x", "A9")}</row>'
    )
    sheet, found = read(book(rows))
    assert found == [(3, ["H"]), (9, ["x"])]
    assert (sheet.count, sheet.empty) == (1, 7)


def test_the_first_visible_sheet_is_read_and_the_others_are_named(read):
    data = book(HEADED.replace("One", "Hidden"), HEADED, HEADED, HEADED,
                states=['state="hidden"', "", "", 'state="veryHidden"'])  # fmt: skip
    sheet, rows = read(data)
    assert rows[0][1] == ["One", "Two"]
    assert (sheet.about["sheet"], sheet.about["others"]) == ("S2", ["S3"])
    assert sheet.about["hidden"] == ["S1", "S4"]


def test_merged_cells_are_told_and_hold_their_value_once(read):
    def fill(made, sheet):
        sheet.append(["One", "Two"])
        sheet.append(["both"])
        sheet.merge_cells("A2:B3")

    sheet, rows = read(by_openpyxl(fill))
    assert (sheet.about["merged"], sheet.about["merged_count"]) == (["A2:B3"], 1)
    assert rows[1] == (2, ["both", ""])


def test_a_workbook_without_a_sheet_to_see_is_refused(read):
    for data in (book(), book(HEADED, states=['state="hidden"'])):
        with pytest.raises(NoSheet):
            read(data)


def test_a_sheet_without_a_word_is_refused(read):
    for data in (book(""), book('<row r="1"><c r="A1" t="str"><v> </v></c></row>')):
        with pytest.raises(NoHeadings):
            read(data)
    with pytest.raises(NoHeadings):
        read(b",,\n , ,\n", "a.csv")


def test_more_rows_than_allowed_are_refused_wherever_they_are(read):
    rows = "".join(f"<row r='{n}'><c><v>1</v></c></row>" for n in range(1, 13))
    assert len(read(book(rows), rows=11)[1]) == 12
    with pytest.raises(TooManyRows) as refused:
        read(book(rows), rows=10)
    assert refused.value.params == {"limit": 10}
    text = b"a\n" * 12
    assert len(read(text, "a.csv", rows=11)[1]) == 12
    with pytest.raises(TooManyRows):
        read(text, "a.csv", rows=10)


def test_two_million_rows_are_refused_by_their_number(read):
    with pytest.raises(TooManyRows) as refused:
        read(b"1,2,3\n" * 2_000_000, "a.csv")
    assert "100000 rows" in str(refused.value)


@pytest.mark.parametrize("name", ["CW1", "ZZ1", "AAA1", "XFD1"])  # 101, 702, 703, 16,384
def test_wide_sheets_are_refused(read, name):
    with pytest.raises(TooManyColumns) as refused:
        read(book(f'<row r="1"><c r="A1"><v>1</v></c><c r="{name}"><v>1</v></c></row>'))
    assert refused.value.params == {"limit": 100}
    with pytest.raises(TooManyColumns):
        read(b"," * 100 + b"x", "a.csv")
    assert len(read(b"," * 99 + b"x", "a.csv")[1][0][1]) == 100


def test_one_cell_far_below_is_no_harm(read):
    rows = HEADED + '<row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    sheet, found = read(book(rows))
    assert found[1] == (1_048_576, [1.0, ""])
    assert sheet.empty == 1_048_574


def test_old_dates_and_the_calendar_of_1904_are_read(read):
    def fill(made, sheet):
        made.epoch = at("1904-01-01 00:00:00")
        sheet.append([date(2026, 1, 2), "x"])

    assert read(by_openpyxl(fill))[1] == [(1, [date(2026, 1, 2), "x"])]


TEXT = "编号,姓名\n001,张伟是一个用户\n"
ENCODINGS = [
    ("Zoë,x\n".encode(), "utf-8", "Zoë"), ("Zoë,x\n".encode("utf-8-sig"), "utf-8", "Zoë"),
    ("Zoë,x\n".encode("utf-16"), "utf-16", "Zoë"),
    ("\ufeffZoë,x\n".encode("utf-16-be"), "utf-16", "Zoë"),
    ("Zoë,Hélène\n".encode("windows-1252"), "windows-1252", "Zoë"),
    (TEXT.encode("gb18030"), "gb18030", "编号"),
    ("محمد علي,حساب\n".encode("windows-1256"), "windows-1256", "محمد علي"),
    (b"plain,x\n", "utf-8", "plain"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "encoding", "first"), ENCODINGS)
def test_the_encoding_is_told_by_the_text(read, data, encoding, first):
    sheet, rows = read(data, "a.csv")
    assert (sheet.about["encoding"], rows[0][1][0]) == (encoding, first)


def test_a_person_may_say_the_encoding(read):
    data = "Zoëe".encode("windows-1252")
    assert read(data, "a.csv")[0].about["encoding"] == "windows-1252"
    assert read(data, "a.csv", "gb18030")[0].about["encoding"] == "gb18030"
    with pytest.raises(UnknownEncoding):
        read("Zoë".encode("windows-1252"), "a.csv", "utf-8")


@pytest.mark.parametrize("separator", list(",;\t|"))
def test_the_separator_is_told_by_the_first_line(read, separator):
    text = f'\n"a,b;c"{separator}2{separator}3\n4{separator}5,6;7{separator}8\n'
    sheet, rows = read(text.encode(), "a.csv")
    assert sheet.about["separator"] == separator
    if separator not in ",;":
        assert rows == [(2, ["a,b;c", "2", "3"]), (3, ["4", "5,6;7", "8"])]
    assert decimal_sign(sheet.about) == ("." if separator == "," else None)


def test_excels_own_word_for_the_separator_is_heard_and_is_no_row(read):
    sheet, rows = read(b"sep=;\r\na,b;c\r\n1;2\r\n", "a.csv")
    assert sheet.about["separator"] == ";"
    assert rows == [(1, ["a,b", "c"]), (2, ["1", "2"])]


def test_quotes_hold_separators_quotes_and_breaks(read):
    _, rows = read(b'a,b\r\n"x, ""y""\nz",2\r\n\r\n3,4', "a.csv")
    assert rows == [(1, ["a", "b"]), (2, ['x, "y"\nz', "2"]), (4, ["3", "4"])]


def test_quotes_that_do_not_match_are_refused_with_their_row(read):
    for data in (b'a,b\n"x" y,2\n', b'a,b\n"x,2\n3,4\n'):
        with pytest.raises(BrokenQuotes) as refused:
            read(data, "a.csv")
        assert refused.value.params == {"row": 2}
    with pytest.raises(RowTooLong) as refused:
        read(b'a,b\n1,2\n"' + b"x\n" * 40_000, "a.csv")
    assert refused.value.params == {"row": 3}


def test_a_row_longer_than_a_frame_is_refused(read):
    line = ",".join(["x" * 30_000] * 100) + "\n"
    with pytest.raises(RowTooLong) as refused:
        read(b"a\n" + line.replace("x", "\U0001f600").encode(), "a.csv")
    assert refused.value.params == {"row": 2}
    assert len(read(("a\n" + line * 3).encode(), "a.csv")[1]) == 4


def test_what_we_write_is_what_we_read(read):
    row = ["=1+1", "+254700000001", "'quoted", "", "售电", "a\nb", " x"]
    header = ["A", "B", "C", "D", "E", "F", "-G"]
    for write, name in ((write_csv, "a.csv"), (lambda f, h, r: write_xlsx(f, "T", h, r), "a.xlsx")):
        file = io.BytesIO()
        write(file, header, [row])
        assert read(file.getvalue(), name)[1] == [(1, header), (2, row)]


def test_shared_text_is_read(read):
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    strings = "<si><t>One</t></si><si><r><t>T</t></r><r><t>wo</t></r></si>"
    assert read(book(rows, strings=strings))[1] == [(1, ["One", "Two"])]
    with pytest.raises(UnreadableFile):
        read(book(rows, strings="<si><t>One</t></si>"))


def test_definitions_before_the_sheet_are_no_part_of_it(read):
    whole = sheet_xml(HEADED, before='<?xml version="1.0" encoding="UTF-8"?>')
    assert read(book(whole))[1] == [(1, ["One", "Two"])]


def test_the_limits_are_settings():
    assert limits_from(Settings.from_environ({})) == Limits()
    chosen = {"VMS_IMPORT_MB": "5", "VMS_IMPORT_ROWS": "7", "VMS_IMPORT_MEMORY_MB": "512",
              "VMS_IMPORT_SECONDS": "9"}  # fmt: skip
    assert limits_from(Settings.from_environ(chosen)) == Limits(
        file_mb=5, rows=7, unpacked_mb=50, memory_mb=512, seconds=9
    )

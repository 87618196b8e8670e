"""What we write, opened by LibreOffice: text is text, days are days, nothing is a formula."""

import subprocess
import zipfile
from datetime import date, datetime
from decimal import Decimal
from xml.etree.ElementTree import fromstring

import pytest

from vmsapp.services.sheets import Look, Marked, write_xlsx
from vmsapp.services.sheets.cleaners import Text
from vmsapp.services.sheets.columns import Column
from vmsapp.services.sheets.templates import write_template

pytestmark = pytest.mark.office

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"


@pytest.fixture
def opened(tmp_path):
    """Open a file as LibreOffice does, and hand over what it understood, as XML."""

    def opened(write):
        path = tmp_path / "book.xlsx"
        with path.open("wb") as file:
            write(file)
        subprocess.run(
            ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/profile",
             "--convert-to", "ods", "--outdir", str(tmp_path), str(path)],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        with zipfile.ZipFile(tmp_path / "book.ods") as book:
            return fromstring(book.read("content.xml"))

    return opened


def cells(content):
    """Kind and value of every cell that holds something, row by row."""
    found = []
    for row in content.iter(f"{TABLE}table-row"):
        line = []
        for cell in row:
            kind = cell.get(f"{OFFICE}value-type")
            named = {"date": "date-value", "float": "value", "boolean": "boolean-value"}
            value = cell.get(f"{OFFICE}{named.get(kind, '')}") or "\n".join(
                "".join(part.itertext()) for part in cell if part.tag.endswith("}p")
            )
            if kind:
                line.append((kind, value))
        if line:
            found.append(line)
    return found


def test_text_is_text_and_days_are_days(opened):
    texts = ["=1+1", "+1", "@SUM(A1)", "00700000013", "12345678901234567890", "售电", "_x0041_"]
    moment = datetime.fromisoformat("2026-01-02 03:04:05+03:00")
    rows = [[text, 5, Decimal("1.5"), date(2026, 1, 2), moment, Marked("bad")] for text in texts]
    header = ["=H", "<&>", "Number", "Day", "Moment", "عداد"]
    content = opened(lambda file: write_xlsx(file, "A & 'b'", header, rows, Look(rtl=True)))
    assert not [cell for cell in content.iter() if cell.get(f"{TABLE}formula")]
    head, *found = cells(content)
    assert head == [("string", name) for name in header]
    assert found == [
        [("string", text), ("float", "5"), ("float", "1.5"), ("date", "2026-01-02"),
         ("date", "2026-01-02T03:04:05"), ("string", "bad")]
        for text in texts
    ]  # fmt: skip
    (table,) = content.iter(f"{TABLE}table")
    assert table.get(f"{TABLE}name") == "A & 'b"
    (styled,) = [
        part for style in content.iter(f"{STYLE}style")
        if style.get(f"{STYLE}name") == table.get(f"{TABLE}style-name")
        for part in style
    ]  # fmt: skip
    assert styled.get(f"{STYLE}writing-mode") == "rl-tb"
    ranges = list(content.iter(f"{TABLE}database-range"))
    assert [part.get(f"{TABLE}display-filter-buttons") for part in ranges] == ["true"]


def test_a_template_offers_its_lists_and_shows_its_notes(opened):
    columns = [Column("name", "Name", Text(9), note="At most 9.", example="=A", choices=["a", "b"])]
    content = opened(lambda file: write_template(file, "T", columns, {}, "en"))
    (offered,) = content.iter(f"{TABLE}content-validation")
    assert "cell-content-is-in-list" in offered.get(f"{TABLE}condition")
    notes = ["".join(note.itertext()) for note in content.iter(f"{OFFICE}annotation")]
    assert len(notes) == 1
    assert "At most 9." in notes[0]
    assert ("string", "=A") in cells(content)[1]

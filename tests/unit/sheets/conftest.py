import pytest

from vmsapp.services.sheets.reading import Limits, reading


@pytest.fixture
def read(tmp_path):
    """Read bytes as a file of a name: what is said of it, its rows, and the sheet itself."""

    def read(data, name="file.xlsx", encoding=None, **limits):
        path = tmp_path / "stored"
        path.write_bytes(data)
        with reading(path, name, Limits(**limits), encoding) as sheet:
            rows = [(number, cells) for number, cells in sheet.rows()]
        return sheet, rows

    return read

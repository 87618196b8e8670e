"""How fast tables are written to files, read from them and cleaned, against openpyxl.

The yardstick is openpyxl's write-only mode on the same prepared rows, in the same run.

    python benchmarks/sheets.py           100,000 rows of 12 columns
    python benchmarks/sheets.py --quick   5,000 rows
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from openpyxl import Workbook

from vmsapp.services.sheets import write_csv, write_xlsx
from vmsapp.services.sheets.cleaners import Day, Digits, Number, Text
from vmsapp.services.sheets.columns import Column, lay_out
from vmsapp.services.sheets.names import Choice
from vmsapp.services.sheets.reading import Row, reading

HEADER = [
    "Account", "Name", "Address", "Meter", "Phone", "E-mail",
    "Supply group", "Tariff", "Balance", "Units", "Since", "Last sale",
]  # fmt: skip
CLEAN = [
    Text(20, exact=True), Text(80), Text(200), Digits(11, 13), Text(30), Text(80), Digits(6, 6),
    Choice([("Homes 2026", 1), ("Shops 2026", 2)]), Number(2, minor=True), Number(3), Day(), Day(),
]  # fmt: skip
COLUMNS = [
    Column(heading.lower(), heading, clean, required=True)
    for heading, clean in zip(HEADER, CLEAN, strict=True)
]
AIM = 10
"""Times the yardstick's speed that the writer is to reach."""
AIM_S = 2.5
"""Seconds for reading 100,000 rows, and for cleaning them, on an idle machine."""


def prepared(count: int) -> list[list[object]]:
    """Rows as an export has them: eight texts, two numbers, a day and a moment."""
    begin, day = datetime(2026, 1, 1, 8), date(2020, 1, 1)  # noqa: DTZ001 - the clock's own
    return [
        [f"A{n:07}", f"Consumer {n} of the town", f"{n % 977} Long Street, Quarter {n % 13}",
         f"{n:011}", f"+2547{n:08}", f"person{n}@example.org", f"{n % 1000:06}", "Homes 2026",
         n * 3, Decimal(n) / 10, day + timedelta(days=n % 2000), begin + timedelta(minutes=n)]
        for n in range(count)
    ]  # fmt: skip


def by_openpyxl(path: Path, rows: list[list[object]]) -> None:
    """The yardstick."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("A")
    sheet.append(HEADER)
    for row in rows:
        sheet.append(row)
    book.save(path)


def read(path: Path) -> list[Row]:
    """All rows, through the process that reads."""
    with reading(path, path.name) as sheet:
        return list(sheet.rows())


def cleaned(rows: list[Row]) -> None:
    """Clean all rows; none has a fault."""
    layout = lay_out(rows[0], COLUMNS, {}, "en")
    assert not [row for row in layout.clean(rows[1:]) if row.faults]


def timed(deed: Callable[[], object]) -> float:
    """Seconds a deed takes."""
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


def main() -> None:
    """Write and read, and print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    quick = parser.parse_args().quick
    rows = prepared(5_000 if quick else 100_000)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="vms-sheets-") as folder:
        xlsx, csv_ = Path(folder) / "a.xlsx", Path(folder) / "a.csv"
        found["openpyxl, write only"] = timed(lambda: by_openpyxl(xlsx, rows))

        def ours() -> None:
            with xlsx.open("wb") as file:
                write_xlsx(file, "A", HEADER, rows)

        def commas() -> None:
            with csv_.open("wb") as file:
                write_csv(file, HEADER, rows)

        found["write Excel"] = min(timed(ours) for _ in range(3))
        found["write CSV"] = min(timed(commas) for _ in range(3))
        found["read Excel"] = min(timed(lambda: read(xlsx)) for _ in range(3))
        found["read CSV"] = min(timed(lambda: read(csv_)) for _ in range(3))
        read_rows = read(xlsx)
        found["clean"] = min(timed(lambda: cleaned(read_rows)) for _ in range(3))
        size = xlsx.stat().st_size
    for name, spent in found.items():
        print(f"{name:24} {spent:8.3f} s")
    times = found["openpyxl, write only"] / found["write Excel"]
    within = times >= AIM and max(found["read Excel"], found["clean"]) <= AIM_S
    print(json.dumps({
        "benchmark": "sheets", "quick": quick, "rows": len(rows), "columns": len(HEADER),
        "yardstick_s": round(found["openpyxl, write only"], 3),
        "write_times_yardstick": round(times, 1), "within_aim": within, "bytes": size,
        "s": {name: round(spent, 3) for name, spent in found.items()},
    }))  # fmt: skip


if __name__ == "__main__":
    main()

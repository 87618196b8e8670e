"""Findings of revenue protection as rows, for the walk: to look at, under work, decided."""

import sqlite3
from typing import Final

from tests.scenarios.imports_seen import insert

TAKEN: Final = 901


def add_findings(database: sqlite3.Connection, now: str) -> None:
    """Insert them: about the meter and the vending point of the first sale."""
    who = database.execute("SELECT id FROM ab_user WHERE username = 'admin'").fetchone()[0]
    sale = database.execute("SELECT * FROM sale WHERE id = 1").fetchone()
    meter, point = sale["meter_id"], sale["vending_point_id"]
    row = {"live": True, "found_at": now, "state": "open"}
    insert(database, "revenue_finding", row | {
        "id": TAKEN, "rule": "stopped", "subject": f"meter {meter}", "meter_id": meter,
        "facts": {"months": 5, "of": 6, "last_on": "2026-01-16"}, "state": "taken",
        "assigned_id": who, "ceased_at": now, "visit_on": "2026-03-20",
    })  # fmt: skip
    insert(database, "revenue_finding", row | {
        "id": TAKEN + 1, "rule": "dropped", "subject": f"meter {meter}", "meter_id": meter,
        "facts": {"now": "41.2", "expected": "200.0", "months": 2, "seasonal": False,
                  "in_money": False},
        "state": "decided", "outcome": "tampering", "decided_at": now, "decided_by_id": who,
    })  # fmt: skip
    insert(database, "revenue_finding", row | {
        "id": TAKEN + 2, "rule": "hours", "subject": f"point {point} operator {who}",
        "vending_point_id": point, "operator_id": who, "facts": {"outside": 7, "tokens": 31},
    })  # fmt: skip
    for deed, text in (("taken", ""), ("noted", "The gate was locked; a neighbour was there")):
        insert(database, "revenue_note", {
            "finding_id": TAKEN, "deed": deed, "text": text, "made_at": now, "made_by_id": who,
            "visit_on": "2026-03-20" if text else None,
        })  # fmt: skip

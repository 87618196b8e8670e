"""Imports and jobs as rows, for the walk: with errors, applied for a consumer, failed, exported."""

import json
import sqlite3
from typing import Any, Final

FAULTY, APPLIED, FAILED, EXPORTED = 901, 902, 903, 904
"""Ids of the jobs; those of the imports are the same."""

CONSUMER_ID: Final = 1

ERRORS: Final = (
    (2, 0, "meter_bound", "Meter %(number)s is bound to a consumer already.",
     {"number": "0404 0404 008"}),
    (5, 1, "unknown_choice_near", "%(shown)s is not known here. Is %(near)s meant?",
     {"shown": "“Legacz”", "near": "“Legacy”"}),
)  # fmt: skip
HEADINGS: Final = ["Meter number", "Algorithm"]


def add_imports(database: sqlite3.Connection, now: str) -> None:
    """Insert them, all asked for by the administrator."""
    who = database.execute("SELECT id FROM ab_user WHERE username = 'admin'").fetchone()[0]
    job = {"recurring": False, "locale": "en", "result": "{}", "done": 0, "total": 120,
           "done_before": 0, "attempts": 1, "cancel_asked": False, "made_at": now,
           "queued_at": now, "started_at": now, "finished_at": now, "actor_id": who}  # fmt: skip
    of_import = {"sheet": "meters", "consumer_id": None}
    gone = {
        "code": "file_gone",
        "message": "The file is not kept any more. Hand it in or make it again.",
        "params": {},
    }
    for number, kind, state, more in (
        (FAULTY, "import.check", "done", {"params": of_import | {"batch_id": FAULTY}}),
        (APPLIED, "import.apply", "done",
         {"params": of_import | {"batch_id": APPLIED, "consumer_id": CONSUMER_ID}, "done": 120}),
        (FAILED, "import.apply", "failed",
         {"params": of_import | {"batch_id": FAILED}, "error": "file_gone", "problem": gone}),
        (EXPORTED, "export", "done", {"params": {"title": "Meters", "query": ""}, "done": 120}),
    ):  # fmt: skip
        name = "meter-2026-11-28.xlsx" if kind == "export" else f"delivery-{number}.xlsx"
        insert(database, "job", job | {"id": number, "kind": kind, "state": state,
                                        "file_name": name} | more)  # fmt: skip
    batch = {"kind": "meters", "sha256": "0" * 64, "size": 20_480, "language": "en",
             "update_existing": False, "good_only": False, "kept": 0, "made_at": now,
             "actor_id": who, "about": {"headings": HEADINGS, "ignored": ["Remark"]},
             "rows": 120, "faulty": 0, "applied": 0}  # fmt: skip
    for number, state, more in (
        (FAULTY, "rejected", {"faulty": 2}),
        (APPLIED, "applied", {"applied": 120, "consumer_id": CONSUMER_ID}),
        (FAILED, "cancelled", {"applied": 40}),
    ):
        insert(database, "import_batch", batch | {
            "id": number, "state": state, "job_id": number, "file_name": f"delivery-{number}.xlsx",
        } | more)  # fmt: skip
    for row, column, code, message, params in ERRORS:
        error = {"column": column, "code": code, "message": message, "params": params}
        insert(database, "import_row", {"batch_id": FAULTY, "row": row, "state": "faulty",
                                         "errors": [error]})  # fmt: skip


def insert(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    held = {name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in row.items()}  # fmt: skip
    places = ", ".join(f":{name}" for name in held)
    database.execute(f"INSERT INTO {table} ({', '.join(held)}) VALUES ({places})", held)

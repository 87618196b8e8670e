"""Campaigns as rows, for the walk: one planned, one paused half way, with sheets to print."""

import sqlite3
from typing import Any, Final

from tests.scenarios.imports_seen import insert

PLANNED, PAUSED = 901, 902
MANY: Final = range(141, 147)
"""Meters whose key changes are part of the campaign; no other scene is about them."""
STATES: Final = ("completed", "completed", "completed", "confirmed", "refused", "failed")
LEFT_OUT: Final = 149

BLOCKED: Final = {
    "code": "campaign_meter_blocked", "message": "The meter is blocked.", "params": {},
}  # fmt: skip


def add_campaigns(database: sqlite3.Connection, now: str) -> None:
    """Insert them, all planned by the administrator; the second was to be done long ago."""
    who = database.execute("SELECT id FROM ab_user WHERE username = 'admin'").fetchone()[0]
    target = {"sgc": None, "krn": None, "base_date": None, "ti": "07", "sts6": False,
              "three_tokens": False}  # fmt: skip
    row = {"region_id": None, "reason": "The tariff is told by its index", "selection": {},
           "target": target, "listed": False, "meters": 0, "cursor": 0, "round": 1,
           "made_at": now, "made_by_id": who}  # fmt: skip
    insert(database, "campaign", row | {
        "id": PLANNED, "name": "Tariff index 07", "state": "draft", "hand_out": "next_sale",
        "due_on": "2999-06-30",
    })  # fmt: skip
    insert(database, "campaign", row | {
        "id": PAUSED, "name": "Tariff index of the harbour", "state": "paused",
        "hand_out": "sheet", "due_on": "2020-06-30", "meters": 200, "begun_at": now,
        "begun_by_id": who,
    })  # fmt: skip
    for meter_id, state in zip(MANY, STATES, strict=True):
        _change(database, meter_id, state, now, who)
    insert(database, "campaign_refusal", {
        "campaign_id": PAUSED, "round": 1, "meter_id": LEFT_OUT, "code": BLOCKED["code"],
        "outcome": BLOCKED, "refused_at": now,
    })  # fmt: skip


def _change(database: sqlite3.Connection, meter_id: int, state: str, now: str, who: int) -> None:
    meter = database.execute("SELECT * FROM meter WHERE id = ?", (meter_id,)).fetchone()
    dkga = "02" if meter["algorithm"] == "legacy" else "04"
    side = {"sgc": meter["sgc"], "krn": meter["krn"], "kt": meter["kt"], "ti": meter["ti"],
            "base_date": meter["base_date"], "ken": 255, "dkga": dkga}  # fmt: skip
    sides: dict[str, Any] = {f"old_{name}": value for name, value in side.items()}
    sides |= {f"new_{name}": value for name, value in side.items()} | {"new_ti": "07"}
    module = database.execute("SELECT min(id) FROM security_module").fetchone()[0]
    made = state not in {"failed", "reserved"}
    insert(database, "key_change", sides | {
        "meter_id": meter_id, "meter_pan": meter["meter_pan"], "state": state,
        "form_key": f"look-{meter_id}", "body_hash": "0" * 64, "reason": "look", "ea": meter["ea"],
        "tct": meter["tct"], "three_tokens": False, "table_set": "production",
        "request_id": f"look-{meter_id}", "module_id": module, "reserved_at": now,
        "reserved_by_id": who, "completed_at": now if made else None, "note": "",
        "failure": None if made else "unavailable_no_answer", "campaign_id": PAUSED,
    })  # fmt: skip

"""A report that is sent and a plan that was tried, as rows, for the walk."""

import sqlite3
from collections import Counter
from decimal import Decimal
from typing import Final

from tests.scenarios.imports_seen import insert
from vmsapp.services.mail import MailRefused
from vmsapp.services.problems import problem_of
from vmsapp.services.tariffs.simulation_sums import Figures, Sums

SENT: Final = 901
"""A schedule of the administrator's: to two people, one of whom got it last time."""

TRIED: Final = 901
"""A simulation that is through: of two places, one pays less and one more."""

NEVER: Final = "2999-01-01 00:00:00.000000"
"""A due time that no walk sees come."""


def add_reports(database: sqlite3.Connection, now: str) -> None:
    """Insert both."""
    people = dict(database.execute("SELECT username, id FROM ab_user"))
    mine = {"actor_id": people["admin"]}
    insert(database, "saved_report", mine | {
        "id": SENT, "report": "sales_report", "name": "Sales of last month",
        "query": "period=last_month&by=vending_point", "made_at": now,
    })  # fmt: skip
    insert(database, "report_schedule", mine | {
        "id": SENT, "saved_id": SENT, "every": "month", "month_day": 1, "hour": 6, "kind": "pdf",
        "state": "active", "zone": "Africa/Nairobi", "next_at": NEVER, "last_at": now,
        "made_at": now,
    })  # fmt: skip
    refused = problem_of(MailRefused(host="mail.example.org", reply=550))
    for name, state, problem in (("admin", "sent", None), ("supervisor", "failed", refused)):
        of_it = mine | {"schedule_id": SENT, "user_id": people[name]}
        insert(database, "report_recipient", of_it)
        insert(database, "report_sending", of_it | {
            "for_at": now, "made_at": now, "state": state, "state_at": now, "due_at": now,
            "attempts": 1, "rows": None if problem else 2, "problem": problem,
        })  # fmt: skip
    _add_simulation(database, now, people["admin"])


def _add_simulation(database: sqlite3.Connection, now: str, who: int) -> None:
    sums = Sums("units", ["100"])
    for number, (paid, would_pay, units) in enumerate(((500, 300, "50"), (2600, 3400, "180")), 1):
        sale = Figures(sales=1, real_minor=paid, draft_minor=would_pay, real_units=Decimal(units),
                       draft_units=Decimal(units), real_parts=Counter(energy=paid),
                       draft_parts=Counter(energy=would_pay))  # fmt: skip
        sums.close(sale, number, 1, number, number)
    sums.walked = 2
    plan = database.execute("SELECT id, tariff_id, rules FROM tariff_plan WHERE id = 1").fetchone()
    insert(database, "tariff_simulation", {
        "id": TRIED, "plan_id": plan["id"], "plan_version": "0" * 64, "rules": plan["rules"],
        "tariff_id": plan["tariff_id"], "month": f"{now[:7]}-01", "basis": "units",
        "made_by_id": who, "made_at": now, "finished_at": now, "after_id": 2,
        "kept": sums.as_json(),
    })  # fmt: skip

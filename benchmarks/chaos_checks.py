"""What must be true of an instance after the worst: by the product's own proof, and beside it.

The statements here are written against the tables alone, and the module's record is opened
as the file it is; nothing of the product is asked.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import psycopg

from benchmarks.chaos_sellers import Deal
from config import Settings
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import verify
from vmsapp.services.proof.running import prove
from vmsapp.services.security_modules.journal_check import compare_all

MADE = "('issued', 'reversed')"

NOTHING_FOUND: Mapping[str, str] = {
    "pending sales": "SELECT id FROM sale WHERE state = 'pending'",
    "sales made without exactly one token": f"""
        SELECT s.id FROM sale s LEFT JOIN token t ON t.sale_id = s.id
        WHERE s.state IN {MADE} GROUP BY s.id HAVING count(t.id) <> 1""",
    "tokens without a sale that was made": f"""
        SELECT t.id FROM token t LEFT JOIN sale s ON s.id = t.sale_id
        WHERE s.id IS NULL OR s.state NOT IN {MADE}""",
    "tokens that carry something else than their sale": """
        SELECT t.id FROM token t JOIN sale s ON s.id = t.sale_id
        WHERE (t.tid, t.amount_field, t.meter_id, t.subclass)
           <> (s.tid, s.amount_field, s.meter_id, s.subclass)""",
    "digits that stand twice": "SELECT digits FROM token GROUP BY digits HAVING count(*) > 1",
    "identifiers given twice": """
        SELECT s.meter_pan, s.base_date, a.tid FROM sale_attempt a JOIN sale s ON s.id = a.sale_id
        GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "identifiers given and not written down as spent": """
        SELECT a.request_id FROM sale_attempt a JOIN sale s ON s.id = a.sale_id
        LEFT JOIN tid p ON (p.meter_pan, p.base_date, p.tid, p.request_id)
                               = (s.meter_pan, s.base_date, a.tid, a.request_id)
        WHERE p.tid IS NULL""",
    "heads below what was spent": """
        SELECT p.meter_pan FROM tid p JOIN tid_head h
        ON (h.meter_pan, h.base_date) = (p.meter_pan, p.base_date)
        GROUP BY p.meter_pan, p.base_date, h.last_tid HAVING max(p.tid) <> h.last_tid""",
    "transfers that do not add up to nothing": """
        SELECT transfer_id FROM ledger_entry GROUP BY transfer_id HAVING sum(amount_minor) <> 0""",
    "a ledger that does not add up to nothing": """
        SELECT sum(amount_minor) FROM ledger_entry HAVING sum(amount_minor) <> 0""",
    "sales whose transfers ended otherwise": """
        SELECT s.id FROM sale s LEFT JOIN ledger_transfer t ON t.sale_id = s.id
        GROUP BY s.id, s.state
        HAVING coalesce(string_agg(t.kind || ' ' || t.state, ', ' ORDER BY t.kind DESC), '')
            <> CASE s.state WHEN 'issued' THEN 'sale posted' WHEN 'failed' THEN 'sale voided'
               WHEN 'reversed' THEN 'sale posted, reversal posted' ELSE 'sale pending' END""",
    "accounts where something counts as being sold": """
        SELECT vending_point_id FROM vending_point_account WHERE pending_minor <> 0""",
    "receipts that do not count from one without a gap": """
        SELECT vending_point_id, receipt_series FROM sale WHERE receipt_number IS NOT NULL
        GROUP BY 1, 2 HAVING min(receipt_number) <> 1 OR max(receipt_number) <> count(*)
        OR count(DISTINCT receipt_number) <> count(*)""",
    "counters that hold something else than was sold": """
        SELECT coalesce(c.service_point_id, s.service_point_id) FROM counter c
        FULL JOIN (SELECT service_point_id, counter_period, sum(units) AS units,
                          sum(charged_minor) AS charged
                   FROM sale WHERE state = 'issued' GROUP BY 1, 2) s
        ON (c.service_point_id, c.period_start) = (s.service_point_id, s.counter_period)
        WHERE (coalesce(c.units, 0), coalesce(c.charged_minor, 0))
           <> (coalesce(s.units, 0), coalesce(s.charged, 0))""",
    "fees of sales that do not stand": """
        SELECT f.sale_id FROM fee_payment f JOIN sale s ON s.id = f.sale_id
        WHERE s.state <> 'issued'""",
    "sealed sales that stand": """
        SELECT id FROM sale WHERE sealed_at IS NOT NULL AND state NOT IN ('reversed', 'failed')""",
    "sealed sales whose digits were shown": """
        SELECT id FROM sale WHERE sealed_at IS NOT NULL AND shown_at IS NOT NULL
        AND shown_at > sealed_at""",
    "sales whose events do not tell what became of them": """
        SELECT s.id FROM sale s LEFT JOIN audit_event e
        ON e.subject = 'sale' AND e.subject_id = s.id::text
        AND e.action IN ('sale.reserved', 'sale.issued', 'sale.failed', 'sale.reversed')
        GROUP BY s.id, s.state
        HAVING coalesce(string_agg(substr(e.action, 6), ' ' ORDER BY e.id), '')
            <> CASE s.state WHEN 'issued' THEN 'reserved issued' WHEN 'failed' THEN
               'reserved failed' WHEN 'reversed' THEN 'reserved issued reversed' ELSE 'reserved'
               END""",
}
"""Each statement finds what must not be."""


def of_the_product(environ: Mapping[str, str]) -> list[str]:
    """Have the product prove its books, check its trail and compare the module's journal."""
    app = create_app(Settings.from_environ(dict(environ)))
    faults = []
    with app.app_context(), seen_by(SYSTEM):
        registry = app.extensions["vms_modules"]
        proof = prove(db.session())
        faults += [f"the proof found {found['count']} of {found['check']}: {found['examples']}"
                   for found in proof.findings]  # fmt: skip
        seal(db.session())
        trail = verify(db.session(), registry)
        if trail.fault or trail.waiting:
            faults.append(f"the trail: {trail.fault}, {trail.waiting} events not sealed")
        compared = compare_all(db.session(), registry)
        faults += [f"the journal of {name}: {n}" for name, n in compared.items() if n]
        db.session.remove()
        db.engine.dispose()
        registry.close()
    return faults


class Tables(Protocol):
    """A database that says where its tables are."""

    dsn: str


def in_sql(database: Tables, records: Sequence[Path], deals: Sequence[Deal]) -> list[str]:
    """Find what must not be, in the tables, the modules' records and what sellers saw."""
    with psycopg.connect(database.dsn) as connection:
        faults = []
        for what, statement in NOTHING_FOUND.items():
            found = connection.execute(statement).fetchall()
            if found:
                faults.append(f"{len(found)} {what}: {found[:5]}")
        faults += _of_deals(connection, deals)
        faults += _of_the_modules(connection, records)
    return faults


def _of_deals(connection: psycopg.Connection, deals: Sequence[Deal]) -> Iterator[str]:
    """Compare with what each seller was told: what was handed out is on record, and once."""
    rows = connection.execute(
        "SELECT s.vending_point_id, s.idempotency_key, s.id, s.state, s.meter_id, t.digits,"
        " s.shown_at IS NOT NULL, s.sealed_at IS NOT NULL"
        " FROM sale s LEFT JOIN token t ON t.sale_id = s.id"
    ).fetchall()
    by_key = {(row[0], row[1]): row[2:] for row in rows}
    mine = {(deal.vending_point_id, deal.key) for deal in deals}
    if len(mine) != len(deals):
        yield f"{len(deals) - len(mine)} keys were given out twice"
    if strangers := set(by_key) - mine:
        yield f"{len(strangers)} sales that nobody asked for: {sorted(strangers)[:5]}"
    for deal in deals:
        sale_id, state, meter_id, digits, shown, sealed = by_key.get(
            (deal.vending_point_id, deal.key), (None,) * 6
        )
        who = f"key {deal.key} (sale {deal.sale_id})"
        if deal.sale_id is not None and deal.sale_id != sale_id:
            yield f"{who}: the books have {sale_id}"
        if sale_id is not None and meter_id != deal.meter_id:
            yield f"{who}: sold to meter {meter_id} instead of {deal.meter_id}"
        if deal.digits and (deal.digits != {digits} or state != "issued" or not shown or sealed):
            yield f"{who}: a token was handed out, and the books have {state}, shown {shown}"


def _of_the_modules(connection: psycopg.Connection, records: Sequence[Path]) -> Iterator[str]:
    """Compare the modules' records with the tokens: the same requests, each with its identifier."""
    here = Counter(connection.execute(
        f"SELECT s.request_id, s.meter_pan, s.base_date, s.tid FROM sale s WHERE s.state IN {MADE}"
    ).fetchall())  # fmt: skip
    asked = {row[0] for row in connection.execute("SELECT request_id FROM sale_attempt").fetchall()}
    there: Counter[tuple] = Counter()
    ids: set[str] = set()
    for record in records:
        with closing(sqlite3.connect(f"file:{record}?mode=ro", uri=True)) as module:
            rows = module.execute(
                "SELECT request_id, meter_pan, base_date, tid FROM request WHERE outcome = 'issued'"
            ).fetchall()
            ids |= {row[0] for row in module.execute("SELECT request_id FROM request").fetchall()}
            lines = module.execute("SELECT count(*), max(number) FROM journal").fetchone()
        there.update(rows)
        if lines != (len(rows), len(rows) or None):
            yield f"the journal {record} has {lines} lines for {len(rows)} tokens"
    if here != there:
        yield f"made here alone {list(here - there)[:5]}, there alone {list(there - here)[:5]}"
    if unknown := ids - asked:
        yield f"{len(unknown)} requests that were never written down here: {sorted(unknown)[:5]}"

"""Two years of sales at many vending points, made inside PostgreSQL: ten million in minutes.

Sales are copies of one that was made by the product, each with its place, time, tariff, token,
transfer and entries; every 200th was taken back. Guards and indexes are put aside while rows are
poured in, which takes the rights of the database's owner, and are there again afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.bare import bare
from benchmarks.estate import staffed
from benchmarks.million import Towns
from vmsapp.extensions import db
from vmsapp.models import LedgerEntry, LedgerTransfer, Sale, TariffPlan, Token

DAYS = 730
BACK = 200
"""Of so many sales one was taken back."""
FILLED = (Sale, Token, LedgerTransfer, LedgerEntry)

# the places of customers, numbered without a gap, and what each is sold
PLACES = """
    CREATE UNLOGGED TABLE bench_place AS
    SELECT row_number() OVER (ORDER BY i.id) - 1 AS k, i.meter_id, i.service_point_id,
           i.consumer_id, p.id AS plan_id,
           array_position(ARRAY['electricity', 'water', 'gas', 'time'], m.meter_type::text) - 1 AS subclass,
           m.meter_type, m.meter_pan
    FROM meter_installation i JOIN meter m ON m.id = i.meter_id
    JOIN tariff_plan p ON p.tariff_id = m.tariff_id AND p.name = 'bench'
    WHERE i.removed_at IS NULL
"""  # noqa: E501
COUNTER = text("INSERT INTO bench_counter SELECT :n, :p, id FROM ab_user WHERE username = :u")
ACCOUNTS = """
    INSERT INTO ledger_account (vending_point_id, kind, detail)
    SELECT p.id, a.kind, a.detail FROM vending_point p CROSS JOIN (VALUES
        ('cash', ''), ('energy', 'electricity'), ('energy', 'water'), ('energy', 'gas'),
        ('energy', 'time'), ('tax', 'VAT'), ('fee', 'monthly')) AS a (kind, detail)
    ON CONFLICT DO NOTHING
"""
# every sale: whose, where, by whom, when; the last fifth of the customers stopped after 20 months
PLAN = """
    CREATE UNLOGGED TABLE bench_sale AS
    SELECT n AS id, c.point_id, c.user_id, l.*, day, day + secs * interval '1 second' AS local,
           (500 + n * 7919 % 9000)::bigint AS paid
    FROM (SELECT n, :today - :days + 1 + (n * :days / :count)::int AS day,
                 25200 + (n * 104729 % 50400)::int AS secs,
                 (n * 48271 % :places) AS place,
                 (n * 7919 % :points)::int AS counter
          FROM generate_series(0::bigint, :count - 1) AS n) AS s
    JOIN bench_place l ON l.k = CASE
        WHEN place % 5 = 4 AND day > :today - 120 THEN place - 1 ELSE place END
    JOIN bench_counter c ON c.k = s.counter
"""


@dataclass(frozen=True)
class Sold:
    """What was made."""

    first: int
    """Id of the first sale."""
    count: int
    points: list[int]


def trade(count: int, points: int, towns: Towns, zone: str, today: Any) -> Sold:
    """Make so many sales at so many new vending points, between today and two years back."""
    people = [
        (n, operator.vending_point_id, operator.username)
        for n, operator in enumerate(
            staffed(towns.cities[n * 7 % len(towns.cities)], n) for n in range(points)
        )
    ]
    db.session.remove()
    with db.engine.begin() as run, bare(run, FILLED):
        first = _series(run, "sale")
        _make_plans(run)
        run.execute(text(PLACES))
        run.execute(text("CREATE TABLE bench_counter (k int, point_id bigint, user_id int)"))
        for n, point, name in people:
            run.execute(COUNTER, {"n": n, "p": point, "u": name})
        run.execute(text(ACCOUNTS))
        places = run.scalar(text("SELECT count(*) FROM bench_place"))
        run.execute(text("ANALYZE bench_place, bench_counter, ledger_account"))
        run.execute(text(PLAN), {"today": today, "days": DAYS, "count": count,
                                 "places": places, "points": points})  # fmt: skip
        run.execute(text("ANALYZE bench_sale"))
        _pour(run, first, zone)
        for table in ("bench_sale", "bench_place", "bench_counter"):
            run.execute(text(f"DROP TABLE {table}"))
    return Sold(first, count, [point for _n, point, _name in people])


def _series(run: Connection, table: str) -> int:
    return int(run.scalar(text(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")) or 1)


def _make_plans(run: Connection) -> None:
    """Give every tariff that has none a plan: the first one's rules."""
    without = "tariff t WHERE NOT EXISTS (SELECT 1 FROM tariff_plan p WHERE p.tariff_id = t.id)"
    number = "nextval(pg_get_serial_sequence('tariff_plan', 'id'))"
    _copy(run, TariffPlan, without, {"id": number, "tariff_id": "t.id"})
    run.execute(text(
        "UPDATE tariff_plan SET name = 'bench' WHERE id IN"
        " (SELECT DISTINCT ON (tariff_id) id FROM tariff_plan ORDER BY tariff_id, id DESC)"
    ))  # fmt: skip


def _copy(run: Connection, model: Any, source: str, changed: Mapping[str, str]) -> None:
    """Insert a table's first row for each row of a source, with other values in some columns."""
    names = [column.name for column in model.__table__.c]
    values = ", ".join(changed.get(name, f"a.{name}") for name in names)
    table = model.__table__.name
    run.execute(text(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values}"
        f" FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS a CROSS JOIN {source}"
    ))  # fmt: skip


def _pour(run: Connection, first: int, zone: str) -> None:
    at = f"(s.local AT TIME ZONE '{zone}')"
    back = f"s.id % {BACK} = 7"
    number = f"({first} + s.id)"
    _copy(run, Sale, "bench_sale s", {
        "id": number, "idempotency_key": "'b' || s.id", "request_id": "'b' || s.id",
        "state": f"CASE WHEN {back} THEN 'reversed' ELSE 'issued' END",
        "operator_id": "s.user_id", "vending_point_id": "s.point_id", "shift_id": "NULL",
        "consumer_id": "s.consumer_id", "service_point_id": "s.service_point_id",
        "meter_id": "s.meter_id", "meter_pan": "s.meter_pan", "subclass": "s.subclass",
        "plan_id": "s.plan_id", "received_minor": "s.paid", "charged_minor": "s.paid",
        "change_minor": "0", "units": "s.paid * 7", "units_carried": "s.paid * 7",
        "calculation": "'{}'", "sold_at": at, "issued_at": at, "shown_at": at,
        "business_date": "s.day", "local_hour": "extract(hour FROM s.local)",
        "receipt_series": "7", "receipt_number": "s.id + 1", "tid": "s.id % 16000000",
    })  # fmt: skip
    digits = "lpad((s.id * 7777777777 % 100000000000000)::text, 20, '4')"
    _copy(run, Token, "bench_sale s", {
        "id": f"{_series(run, 'token')} + s.id", "sale_id": number, "meter_id": "s.meter_id",
        "vending_point_id": "s.point_id", "digits": digits, "made_at": at,
    })  # fmt: skip
    moved = _series(run, "ledger_transfer")
    same = {"sale_id": number, "vending_point_id": "s.point_id", "made_at": at, "settled_at": at,
            "business_date": "s.day", "state": "'posted'", "shift_id": "NULL"}  # fmt: skip
    _copy(run, LedgerTransfer, "bench_sale s", same | {"id": f"{moved} + s.id"})
    count = int(run.scalar(text("SELECT count(*) FROM bench_sale")) or 0)
    _copy(run, LedgerTransfer, f"bench_sale s WHERE {back}", same | {
        "id": f"{moved + count} + s.id", "kind": "'reversal'", "answers_id": f"{moved} + s.id",
    })  # fmt: skip
    entry = "nextval(pg_get_serial_sequence('ledger_entry', 'id'))"
    parts = {
        ("cash", "''"): "s.paid", ("tax", "'VAT'"): "-(s.paid * 16 / 116)",
        ("fee", "'monthly'"): "CASE WHEN s.id % 10 = 0 THEN -50 ELSE 0 END",
    }  # fmt: skip
    rest = f"-({' + '.join(parts.values())})"
    for (kind, detail), amount in {**parts, ("energy", "s.meter_type"): rest}.items():
        for where, sign, shift in (("true", 1, moved), (back, -1, moved + count)):
            source = (
                f"bench_sale s JOIN ledger_account c ON c.vending_point_id = s.point_id"
                f" AND c.kind = '{kind}' AND c.detail = {detail}"
                f" WHERE {where} AND ({amount}) <> 0"
            )
            _copy(run, LedgerEntry, source, {
                "id": entry, "transfer_id": f"{shift} + s.id", "account_id": "c.id",
                "amount_minor": f"{sign} * ({amount})", "vending_point_id": "s.point_id",
            })  # fmt: skip
    for model in FILLED:
        table = model.__table__.name
        run.execute(text(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
        ))  # fmt: skip

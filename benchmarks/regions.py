"""How quickly the tree of regions is read, scoped and moved, with 5,000 regions.

Each question is asked three ways in the same run: as the product asks it, by a range of
paths; by ``LIKE`` on the path; and, as the yardstick, by a recursive query over parents.
The pages are measured whole. Set ``DATABASE_URL`` to measure another database; it must be
empty, and is left filled.

    python benchmarks/regions.py           5,000 regions, 100,000 consumers
    python benchmarks/regions.py --quick   500 regions, 5,000 consumers
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from benchmarks.pages import sign_in
from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import atomic, db
from vmsapp.models import Consumer, Region, VendingPoint
from vmsapp.models.folding import folded
from vmsapp.scope import EVERYTHING, SYSTEM, below, seen_by
from vmsapp.services import regions

AIM_MS = 100
PROVINCES = 50
CHUNK = 5_000

RECURSIVE = text("""
WITH RECURSIVE tree(id) AS (
    SELECT id FROM region WHERE id = :id
    UNION ALL SELECT region.id FROM region JOIN tree ON region.parent_id = tree.id
)
SELECT count(*) FROM consumer WHERE region_id IN (SELECT id FROM tree)
""")


def main() -> None:
    """Fill a new instance, ask, and print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, fewer rounds")
    quick = parser.parse_args().quick
    nodes, consumers, rounds = (500, 5_000, 5) if quick else (5_000, 100_000, 9)
    with tempfile.TemporaryDirectory(prefix="vms-regions-") as folder:
        environment = {"VMS_INSTANCE": folder, "DEMO": "1"}
        if url := os.environ.get("DATABASE_URL"):
            environment["DATABASE_URL"] = url
        app = create_app(Settings.from_environ(environment))
        with app.app_context():
            accounts = {account.username: account.password for account in initialise()}
            with seen_by(SYSTEM):
                country, province = fill(db.session(), nodes, consumers)
                found = measure(questions(db.session(), country, province), rounds)
                plans = explained(db.session(), province)
                found |= changes(db.session(), country, province)
            dialect = db.engine.dialect.name
            db.session.remove()
        client = app.test_client()
        sign_in(client, "admin", accounts["admin"])
        pages = {
            "page: frame": lambda: client.get("/logout/"),
            "page: tree": lambda: client.get(f"/regions/?at={province.id}"),
            "page: search": lambda: client.get("/regions/?q=town 99"),
            "page: lookup": lambda: client.get("/regions/lookup?q=town 99"),
            "page: a region": lambda: client.get(f"/regions/show/{province.id}"),
        }
        found |= measure(pages, rounds)
        report(found, plans, nodes, consumers, dialect, quick=quick)


def fill(session: Session, nodes: int, consumers: int) -> tuple[Region, Region]:
    """Add one country with provinces of towns, and consumers all over; all levels hold some."""
    country = regions.add(session, SYSTEM, name="Benchland", parent_id=None)
    parts = [
        regions.add(session, SYSTEM, name=f"Province {number}", parent_id=country.id)
        for number in range(PROVINCES)
    ]
    first = (session.scalar(select(func.max(Region.id))) or 0) + 1
    towns = [
        {"id": first + number, "parent_id": part.id, "level": "city", "name": f"Town {number}",
         "name_key": folded(f"Town {number}"), "path": f"{part.path}{first + number}."}
        for number in range(nodes - PROVINCES - 1)
        for part in [parts[number % PROVINCES]]
    ]  # fmt: skip
    people = [
        {"number": f"B{number:07}", "name": f"Person {number}",
         "region_id": towns[number % len(towns)]["id"]}
        for number in range(consumers)
    ]  # fmt: skip
    points = [
        {"name": f"Point {number}", "region_id": town["id"]}
        for number, town in enumerate(towns) if number % 10 == 0
    ]  # fmt: skip
    for model, rows in ((Region, towns), (Consumer, people), (VendingPoint, points)):
        for start in range(0, len(rows), CHUNK):
            with atomic(session):
                session.execute(insert(model.__table__), rows[start : start + CHUNK])
    with atomic(session):
        session.execute(text("ANALYZE"))
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT setval(pg_get_serial_sequence('region', 'id'),"
                                 " (SELECT max(id) FROM region))"))  # fmt: skip
    return country, parts[7]


def questions(session: Session, country: Region, province: Region) -> dict[str, Callable[[], Any]]:
    """What scope asks in every statement, three ways; and the tree's own questions."""
    tree = Region.__table__.c

    def count(condition: Any) -> Any:
        within = select(tree.id).where(condition)
        hung = select(func.count()).where(Consumer.__table__.c.region_id.in_(within))
        return session.connection().scalar(hung)

    asked = {}
    for name, region in (("province", province), ("country", country)):
        asked[f"consumers of a {name}: recursive"] = lambda region=region: session.execute(
            RECURSIVE, {"id": region.id}
        ).scalar_one()
        asked[f"consumers of a {name}: LIKE"] = lambda region=region: count(
            tree.path.startswith(region.path, autoescape=True)
        )
        asked[f"consumers of a {name}: range"] = lambda region=region: count(
            below(tree.path, region.path)
        )
    answers = {name: ask() for name, ask in asked.items()}
    assert len({answers[name] for name in answers if "province" in name}) == 1, answers
    asked["levels down to a province"] = lambda: regions.levels(session, EVERYTHING, province)
    shown = [row for level in regions.levels(session, EVERYTHING, province)
             for row in level.regions]  # fmt: skip
    asked["what all shown hold"] = lambda: regions.belongings(session, shown)
    return asked


def explained(session: Session, province: Region) -> dict[str, str]:
    """How the database finds a subtree by range and by LIKE."""
    column = Region.__table__.c.path
    plans = {}
    for name, condition in (
        ("range", below(column, province.path)),
        ("LIKE", column.startswith(province.path, autoescape=True)),
    ):
        statement = select(Region.__table__.c.id).where(condition)
        query = statement.compile(session.connection(), compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if session.get_bind().dialect.name == "postgresql" else (
            "EXPLAIN QUERY PLAN"
        )  # fmt: skip
        rows = session.connection().exec_driver_sql(f"{explain} {query}".replace("%", "%%"))
        plans[name] = " / ".join(str(row[-1]).strip() for row in rows)
    return plans


def changes(session: Session, country: Region, province: Region) -> dict[str, float]:
    """Move a province with all its towns to another country, and merge the countries again."""
    other = regions.add(session, SYSTEM, name="Otherland", parent_id=None)
    return {
        "move a province": timed(lambda: regions.move(session, SYSTEM, province.id, other.id)),
        "merge it back": timed(lambda: regions.merge(session, SYSTEM, other.id, country.id)),
    }


def timed(deed: Callable[[], Any]) -> float:
    """Milliseconds a deed takes."""
    begun = time.perf_counter()
    deed()
    return (time.perf_counter() - begun) * 1000


def measure(deeds: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Do each in turn, round after round, so that noise hits all alike; medians."""
    times: dict[str, list[float]] = {name: [] for name in deeds}
    for round_ in range(rounds + 1):
        for name, deed in deeds.items():
            spent = timed(deed)
            if round_:  # the first round warms up
                times[name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}


def report(
    found: dict[str, float], plans: dict[str, str], nodes: int, consumers: int, dialect: str,
    *, quick: bool,
) -> None:  # fmt: skip
    """Print the table, then one line of JSON."""
    print(f"{dialect}: {nodes:,} regions, {consumers:,} consumers; aim below {AIM_MS} ms a page")
    for name, spent in found.items():
        print(f"{name:36} {spent:9.2f} ms")
    for name, plan in plans.items():
        print(f"a subtree by {name}: {plan}")
    yardstick = found["consumers of a province: recursive"]
    print(
        json.dumps(
            {
                "benchmark": "regions",
                "quick": quick,
                "database": dialect,
                "regions": nodes,
                "yardstick_ms": round(yardstick, 3),
                "range_times_yardstick": round(
                    found["consumers of a province: range"] / yardstick, 2
                ),
                "within_aim": all(
                    spent < AIM_MS for name, spent in found.items() if name.startswith("page")
                ),
                "ms": {name: round(spent, 2) for name, spent in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()

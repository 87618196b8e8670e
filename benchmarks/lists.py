"""How long the lists of 1,000,000 meters and consumers take at the server, however asked.

An administrator, who sees all, and operators of a small town, a city and a province ask the
whole application for pages: the first, one in the middle, the last, each order, each filter,
and texts that few, many and no rows hold. Beside each stands the yardstick of the same
moment: the page that asks whether to sign out, which is the frame of all pages and nothing
in it, and the first page in bare SQL. ``DATABASE_URL`` names another database; it must be
empty, and is left filled.

    python benchmarks/lists.py           1,000,000 meters and consumers
    python benchmarks/lists.py --quick   20,000 of each
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, text

from benchmarks import million
from benchmarks.pages import sign_in
from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import db
from vmsapp.models import Consumer, Meter
from vmsapp.scope import SYSTEM, seen_by

AIM_MS, AIM_STATEMENTS, AIM_KB = 100, 6, 100
FRAME = "/logout/"
BARE = text("SELECT * FROM meter ORDER BY drn, id LIMIT 26")
METERS, CONSUMERS = "/meters/list/?", "/consumers/list/?"


@dataclass
class Taken:
    """What one address took, time after time."""

    ms: list[float] = field(default_factory=list)
    frame: list[float] = field(default_factory=list)
    statements: int = 0
    kb: float = 0


def main() -> None:
    """Fill a new instance, ask for all, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, fewer rounds")
    quick = parser.parse_args().quick
    count, rounds = (20_000, 2) if quick else (1_000_000, 5)
    with tempfile.TemporaryDirectory(prefix="vms-lists-") as folder:
        environment = {"VMS_INSTANCE": folder, "DEMO": "1"}
        if url := os.environ.get("DATABASE_URL"):
            environment["DATABASE_URL"] = url
        app = create_app(Settings.from_environ(environment))
        begun = time.perf_counter()
        with app.app_context(), seen_by(SYSTEM):
            passwords = {one.username: one.password for one in initialise()}
            towns = million.fill(count, lambda done: print(done, flush=True))
            passwords |= {one.username: one.password for one in million.people(towns).values()}
            middle = db.session.scalar(select(func.max(Meter.id))) - count // 2
            asked = [*meter_pages(towns, middle), *consumer_pages(towns, middle)]
            assert db.session.get(Meter, middle)
            assert db.session.get(Consumer, middle)
            db.session.remove()
        filled = time.perf_counter() - begun
        found = {}
        for name in ("admin", *(f"clerk-{place}" for place in towns.regions)):
            client = app.test_client()
            sign_in(client, name, passwords[name])
            pages = asked if name == "admin" else [one for one in asked if "region=" not in one]
            found |= {f"{name} {path}": one for path, one in measure(app, client, pages, rounds)}
        report(found, bare(app, rounds), filled, app, count=count, quick=quick)


def meter_pages(towns: million.Towns, middle: int) -> Iterator[str]:
    """Lists of meters."""
    orders = [f"{way}{one}" for one in ("drn", "meter_type", "algorithm", "state")
              for way in ("", "-")]  # fmt: skip
    yield from (f"{METERS}sort={one}{place}" for one in orders
                for place in ("", "&last=", f"&after={middle}", f"&before={middle}"))  # fmt: skip
    filters = [*(f"state={one}" for one in ("stock", "active", "blocked", "retired")),
               *(f"type={one}" for one in million.MODELS), "algorithm=sts6", "algorithm=legacy",
               "bound=yes", "bound=no", "product=3", "product=14", "tariff=4", "tariff=15",
               *(f"region={one}" for one in towns.regions.values())]  # fmt: skip
    yield from (f"{METERS}{one}{place}" for one in filters for place in ("", "&last="))
    both = ("state=stock&sort=-drn", "state=stock&sort=meter_type", "type=gas&sort=-state",
            "bound=no&state=active", "state=blocked&type=water")  # fmt: skip
    yield from (f"{METERS}{one}" for one in both)
    texts = (million.drn_of(77)[:10], "123", "0700", "07009", "9999", "55555555", "07", "0")
    yield from (f"{METERS}q={one}{place}" for one in texts for place in ("", "&last="))
    yield from (f"{METERS}q=123&state=blocked", f"{METERS}q=0700&sort=-state")


def consumer_pages(towns: million.Towns, middle: int) -> Iterator[str]:
    """Lists of consumers."""
    yield from (f"{CONSUMERS}sort={one}{place}" for one in ("number", "-number", "name", "-name")
                for place in ("", "&last=", f"&after={middle}", f"&before={middle}"))  # fmt: skip
    filters = ("meter=yes", "meter=no", "gender=female", "gender=other", "retired=yes",
               "retired=no", *(f"region={one}" for one in towns.regions.values()))  # fmt: skip
    yield from (f"{CONSUMERS}{one}{place}" for one in filters for place in ("", "&sort=name"))
    texts = ("b0000077", "Mwangi", "ольга", "Ольга соколова 77", "محمد", "小明", "王", "a", "B0",
             "777", "zzzzzz", "%2B000 7", "---")  # fmt: skip
    yield from (f"{CONSUMERS}q={one}" for one in texts)
    yield from (f"/consumers/lookup?q={one}" for one in ("", "mwangi", "9972"))


def measure(
    app: Flask, client: FlaskClient, paths: list[str], rounds: int
) -> Iterator[tuple[str, Taken]]:
    """Ask for each page some times, each time beside the frame; the first time warms up."""
    sent: list[str] = []
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    for path in paths:
        one = Taken()
        for round_ in range(rounds + 1):
            frame, _ = timed(client, FRAME)
            sent.clear()
            spent, answer = timed(client, path)
            assert answer.status_code == 200, path
            if round_:
                one.ms.append(spent)
                one.frame.append(frame)
        one.statements = sum(not each.startswith("BEGIN") for each in sent)
        one.kb = len(answer.data) / 1024
        yield path, one


def timed(client: FlaskClient, path: str) -> tuple[float, Any]:
    """Milliseconds a page takes, and the page."""
    begun = time.perf_counter()
    answer = client.get(path)
    return (time.perf_counter() - begun) * 1000, answer


def bare(app: Flask, rounds: int) -> float:
    """Milliseconds of the first page's rows in bare SQL."""
    spent = []
    with app.app_context(), db.engine.connect() as connection:
        for _ in range(rounds + 1):
            begun = time.perf_counter()
            connection.execute(BARE).all()
            spent.append((time.perf_counter() - begun) * 1000)
        return statistics.median(spent)


def report(
    found: Mapping[str, Taken], bare_ms: float, filled: float, app: Flask, *, count: int,
    quick: bool,
) -> None:  # fmt: skip
    """Print the table, then one line of JSON."""
    print(f"{count:,} meters and consumers, filled in {filled:.0f} s; bare SQL {bare_ms:.1f} ms")
    print(f"{'':66}{'median':>9}{'worst':>9}{'x frame':>9}{'SQL':>5}{'KB':>7}")
    for name, one in found.items():
        median, frame = statistics.median(one.ms), statistics.median(one.frame)
        print(f"{name:66}{median:9.1f}{max(one.ms):9.1f}{median / frame:9.1f}"
              f"{one.statements:5}{one.kb:7.0f}")  # fmt: skip
    medians = {name: statistics.median(one.ms) for name, one in found.items()}
    slow = {name: round(ms) for name, ms in medians.items() if ms > AIM_MS}
    most, largest = (max(getattr(one, name) for one in found.values())
                     for name in ("statements", "kb"))  # fmt: skip
    with app.app_context():
        dialect = db.engine.dialect.name
    print(json.dumps({
        "benchmark": "lists", "quick": quick, "database": dialect, "rows": count,
        "pages": len(found), "median_ms": round(statistics.median(medians.values()), 1),
        "frame_ms": round(statistics.median(m for one in found.values() for m in one.frame), 1),
        "bare_sql_ms": round(bare_ms, 2), "slowest_ms": round(max(medians.values()), 1),
        "statements": most, "largest_kb": round(largest), "above_aim": slow,
        "within_aims": not slow and most <= AIM_STATEMENTS and largest <= AIM_KB,
    }))  # fmt: skip


if __name__ == "__main__":
    main()

"""How long reports and records take over 10,000,000 sales, beside the same on the raw rows.

Two years of sales at 200 vending points, of 1,000,000 meters, are made inside a PostgreSQL
database that ``DATABASE_URL`` names: it must be empty, its user must be its superuser, and it is
left filled. An administrator asks the whole application for sales reports; each stands beside the
same page that reads the records as if no sums were kept. Lists are asked at several depths.

    python benchmarks/reports.py           10,000,000 sales, 1,000,000 meters
    python benchmarks/reports.py --quick   200,000 sales, 20,000 meters
    python benchmarks/reports.py --keep F  leave the instance in folder F; next time ask it again
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from benchmarks import million, sold
from benchmarks.pages import sell, sign_in
from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import db
from vmsapp.models import SalesByHour, SalesByPoint, SalesByProduct, SalesByTariff
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.proof.roll_ups import roll_ups_differ
from vmsapp.services.reports import By, sources
from vmsapp.services.roll_ups import rebuild
from vmsapp.services.setup import zone_at

REPORT = "/reports/sales/?"
AIMS = {"month": 100, "24 months": 300, "dashboard": 300, "records": 100, "inactive": 3000}
"""Milliseconds at the server."""


@dataclass(frozen=True)
class Asked:
    """A page: what it is an example of, its address, and whether the raw rows could give it."""

    kind: str
    path: str
    raw: bool = False


def main() -> None:
    """Fill a new instance, ask for all, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, fewer rounds")
    parser.add_argument("--keep", type=Path, help="where the instance lies, or is to be left")
    arguments = parser.parse_args()
    quick = arguments.quick
    sales, meters, points, rounds = (
        (200_000, 20_000, 20, 3) if quick else (10_000_000, 1_000_000, 200, 5)
    )
    with tempfile.TemporaryDirectory(prefix="vms-reports-") as passing:
        folder = arguments.keep or Path(passing)
        app = create_app(Settings.from_environ({
            "VMS_INSTANCE": str(folder), "DEMO": "1", "DATABASE_URL": os.environ["DATABASE_URL"]
        }))  # fmt: skip
        note = folder / "benchmark.json"
        if not note.exists():
            fill(app, note, sales, meters, points)
        told = json.loads(note.read_text())
        client = app.test_client()
        sign_in(client, "admin", told["password"])
        made = sold.Sold(**told["made"])
        taken = {one: measure(client, one, rounds) for one in pages(made, told["today"])}
        report(taken, told, quick=quick)


def fill(app: Flask, note: Path, sales: int, meters: int, points: int) -> None:
    """Make the data set and its sums, and note what was made."""
    begun = time.perf_counter()
    with app.app_context(), seen_by(SYSTEM):
        passwords = {one.username: one.password for one in initialise()}
    client = app.test_client()
    sign_in(client, "admin", passwords["admin"])
    sell(client)
    with app.app_context(), seen_by(SYSTEM):
        zone = zone_at(db.session(), now_utc())
        today = business_day(now_utc(), zone)
        towns = million.fill(meters, lambda done: print(done, flush=True))
        made = sold.trade(sales, points, towns, zone, today)
        million.settle()
        filled = time.perf_counter() - begun
        print(f"{sales:,} sales, filled in {filled:.0f} s", flush=True)
        begun = time.perf_counter()
        rebuild(db.session())
        summed = time.perf_counter() - begun
        million.settle()
        cells = {
            model.__tablename__: db.session.scalar(select(func.count()).select_from(model))
            for model in (SalesByPoint, SalesByTariff, SalesByProduct, SalesByHour)
        }
        print(f"all sums made in {summed:.0f} s: {cells}", flush=True)
        begun = time.perf_counter()
        wrong = db.session.execute(roll_ups_differ()).all()
        proved = time.perf_counter() - begun
        print(f"compared with the records in {proved:.0f} s: {len(wrong)} differ", flush=True)
        assert not wrong
        db.session.remove()
    note.write_text(json.dumps({
        "password": passwords["admin"], "made": asdict(made), "today": today.isoformat(),
        "filled_s": round(filled), "sums_made_s": round(summed), "proved_s": round(proved),
        "cells": cells,
    }))  # fmt: skip


def pages(made: sold.Sold, day: str) -> Iterator[Asked]:
    """What is asked: every crossing that is kept, and lists near and far."""
    today = date.fromisoformat(day)
    month = (today.replace(day=1) - timedelta(days=200)).replace(day=1)
    ends = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    begins = today - timedelta(days=sold.DAYS - 1)
    spans = {"month": (month, ends), "24 months": (begins, today)}
    point = made.points[3]
    for kind, (first, last) in spans.items():
        days = f"{REPORT}from={first}&to={last}"
        for by in By:
            if not (by == By.DAY and kind == "24 months"):
                yield Asked(kind, f"{days}&by={by.value}", raw=by in (By.VENDING_POINT, By.MONTH))
        narrowed = (
            f"by=month&point={point}", "by=vending_point&tariff=3", "by=tariff&type=water",
            "by=region&product=2", "by=week&product=2", f"by=hour&point={point}",
        )  # fmt: skip
        for more in narrowed:
            yield Asked(kind, f"{days}&{more}")
    yield Asked("dashboard", "/dashboard/")
    middle, early = made.first + made.count // 2, made.first + made.count // 50
    for way in ("/sales-tokens/list/?", "/sales/list/?"):
        for place in ("", f"&after={middle}", f"&after={early}", "&last=", f"&before={early}",
                      f"&sold_from={month}&sold_to={ends}"):  # fmt: skip
            yield Asked("records", f"{way}{place.lstrip('&')}")
    for more in ("", "?ever=no", f"?quiet_from={month}&quiet_to={today}", "?sort=-bought_on"):
        yield Asked("inactive", f"/inactive-consumers/list/{more}")


def measure(client: FlaskClient, one: Asked, rounds: int) -> tuple[float, float | None]:
    """Milliseconds of a page, and of the same read from the records; the first time warms up."""
    spent = statistics.median([timed(client, one.path) for _ in range(rounds + 1)][1:])
    if not one.raw:
        return spent, None
    with from_records():
        return spent, timed(client, one.path)


@contextmanager
def from_records() -> Iterator[None]:
    """Have reports find no sums."""
    with (
        patch.object(sources, "covering", lambda _names: None),
        patch.object(sources, "LONGEST", timedelta(days=10_000)),
    ):
        yield


def timed(client: FlaskClient, path: str) -> float:
    """Milliseconds a page takes at the server."""
    begun = time.perf_counter()
    answer = client.get(path)
    spent = (time.perf_counter() - begun) * 1000
    assert answer.status_code == 200, (path, answer.status_code)
    return spent


def report(
    taken: Mapping[Asked, tuple[float, float | None]], told: Mapping[str, Any], *, quick: bool
) -> None:
    """Print the table, then one line of JSON."""
    print(f"{'':74}{'ms':>9}{'aim':>7}{'raw, ms':>11}{'ratio':>8}")
    for one, (spent, raw) in taken.items():
        beside = f"{raw:11.0f}{raw / spent:8.0f}" if raw else ""
        print(f"{one.kind:10} {one.path[-62:]:63}{spent:9.1f}{AIMS[one.kind]:7}{beside}")
    slow = {one.path: round(spent) for one, (spent, _raw) in taken.items()
            if spent > AIMS[one.kind]}  # fmt: skip
    worst = {kind: round(max(spent for one, (spent, _raw) in taken.items() if one.kind == kind), 1)
             for kind in AIMS}  # fmt: skip
    ratios = [raw / spent for spent, raw in taken.values() if raw]
    print(json.dumps({
        "benchmark": "reports", "quick": quick, "sales": told["made"]["count"],
        "filled_s": told["filled_s"], "sums_made_s": told["sums_made_s"],
        "proved_s": told["proved_s"],
        "cells": told["cells"], "slowest_ms": worst,
        "times_raw": [round(min(ratios)), round(max(ratios))], "above_aim": slow,
        "within_aims": not slow,
    }))  # fmt: skip


if __name__ == "__main__":
    main()

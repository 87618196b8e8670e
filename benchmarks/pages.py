"""How long the server works on each page, with many rows behind the lists.

Every page is measured beside a yardstick of the same run: the page that asks whether to
sign out, which is the frame of all pages and nothing in it. What is above the yardstick
is the page's own work. The aim is below 100 ms a page.

    python benchmarks/pages.py           20,000 meters, 50,000 sales
    python benchmarks/pages.py --quick   1,000 meters, 2,000 sales
"""

import argparse
import html
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask.testing import FlaskClient
from sqlalchemy import Table, insert, select

from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import atomic, db
from vmsapp.models import Consumer, Meter, Sale
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.sts import identifiers

AIM_MS = 100
YARDSTICK = "/logout/"
CHUNK = 2_000


def main() -> None:
    """Fill a new instance, measure each page, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, fewer rounds")
    quick = parser.parse_args().quick
    meters, sales, rounds = (1_000, 2_000, 5) if quick else (20_000, 50_000, 25)
    with tempfile.TemporaryDirectory(prefix="vms-pages-") as folder:
        app = create_app(Settings.from_environ({"VMS_INSTANCE": folder, "DEMO": "1"}))
        with app.app_context():
            accounts = {account.username: account.password for account in initialise()}
        client = app.test_client()
        sign_in(client, "admin", accounts["admin"])
        sale_path = sell(client)
        with app.app_context(), seen_by(SYSTEM):
            fill(meters, sales)
        report(measure(client, pages(sale_path), rounds), meters, sales, quick=quick)


def pages(sale_path: str) -> dict[str, str]:
    """The pages measured."""
    return {
        "frame": YARDSTICK,
        "counter": "/counter/",
        "counter, searched": "/counter/?q=Mwangi",
        "purchase, priced": "/counter/meter/1?key=measured&mode=quantity&value=50",
        "receipt": sale_path,
        "meters": "/meters/list/",
        "meters, filtered": "/meters/list/?state=active&type=electricity&sort=-drn",
        "meters, searched": "/meters/list/?q=9999",
        "meters, last page": "/meters/list/?last=",
        "sales": "/sales/list/",
        "sales, 100 a page": "/sales/list/?size=100",
        "sales, far in": "/sales/list/?sort=id&after=1500",
        "a meter": "/meters/show/1",
        "a form": "/vending-points/add",
        "users": "/users/list/",
        "not found": "/nowhere",
    }


def sign_in(client: FlaskClient, username: str, password: str) -> None:
    """Sign in as a person would."""
    token = hidden(client.get("/login/").text, "csrf_token")
    typed = {"csrf_token": token, "username": username, "password": password}
    assert client.post("/login/", data=typed).status_code == 302


def sell(client: FlaskClient) -> str:
    """Sell one token, to have a sale to copy; the path of its receipt."""
    opened = client.get("/counter/meter/1", follow_redirects=True)
    path = opened.request.path
    query = {"mode": "quantity", "value": "50", "key": hidden(opened.text, "key")}
    page = client.get(path, query_string=query).text
    form = {name: hidden(page, name) for name in ("csrf_token", "key", "quote")}
    point = re.search(r'<option value="(\d+)"', page)
    form["vending_point"] = point[1] if point else hidden(page, "vending_point")
    sold = client.post(f"{path}/sell", data=form | query)
    assert sold.status_code == 302, sold.text
    return str(sold.location)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def fill(meters: int, sales: int) -> None:
    """Copy the first meter, its consumer and its sale until there are many."""
    copies(Consumer.__table__, meters, lambda row, n: row | {"number": f"B{n:07}"})
    copies(Meter.__table__, meters, meter_copy)
    copies(
        Sale.__table__, sales,
        lambda row, n: row | {"idempotency_key": f"b{n}", "request_id": f"b{n}",
                              "receipt_number": 1_000_000 + n, "tid": n},
    )  # fmt: skip


def meter_copy(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A meter like the first, with a number of its own."""
    body = f"99{number:08}"
    drn = body + identifiers.luhn.check_digit(body)
    return row | {"drn": drn, "meter_pan": identifiers.meter_pan.of_drn(drn)}


def copies(table: Table, count: int, changed: Any) -> None:
    """Insert copies of a table's first row."""
    session = db.session()
    first = dict(session.execute(select(table).limit(1)).mappings().one())
    del first["id"]
    for start in range(0, count, CHUNK):
        rows = [changed(first, n) for n in range(start, min(start + CHUNK, count))]
        with atomic(session):
            session.execute(insert(table), rows)


def measure(client: FlaskClient, paths: dict[str, str], rounds: int) -> dict[str, dict[str, float]]:
    """Ask for each page in turn, round after round, so that noise hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in paths}
    sizes: dict[str, int] = {}
    for round_ in range(rounds + 1):
        for name, path in paths.items():
            begun = time.perf_counter()
            answer = client.get(path)
            spent = (time.perf_counter() - begun) * 1000
            sizes[name] = len(answer.data)
            if round_:  # the first round warms up
                times[name].append(spent)
    return {
        name: {"ms": statistics.median(spent), "kb": sizes[name] / 1024}
        for name, spent in times.items()
    }


def report(found: dict[str, dict[str, float]], meters: int, sales: int, *, quick: bool) -> None:
    """Print the table, then one line of JSON."""
    frame = found["frame"]["ms"]
    print(f"{meters:,} meters, {sales:,} sales; aim below {AIM_MS} ms")
    for name, one in found.items():
        print(f"{name:20} {one['ms']:8.1f} ms {one['ms'] / frame:6.1f} x frame {one['kb']:7.1f} KB")
    print(
        json.dumps(
            {
                "benchmark": "pages",
                "quick": quick,
                "frame_ms": round(frame, 2),
                "slowest_ms": round(max(one["ms"] for one in found.values()), 2),
                "within_aim": all(one["ms"] < AIM_MS for one in found.values()),
                "times_frame": {n: round(one["ms"] / frame, 2) for n, one in found.items()},
            }
        )
    )


if __name__ == "__main__":
    main()

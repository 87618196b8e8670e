"""What it costs a sale that it is counted, timed and numbered.

One process sells through its pages: the form, its price, the sale. Every other sale goes past the
door for those who keep the product, and records nothing. Processor time is compared, not time on
the clock, so that a busy machine disturbs little.

    python benchmarks/figures.py           100 sales each
    python benchmarks/figures.py --quick   20 sales each
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from benchmarks.pages import hidden, sign_in
from config import Settings
from vmsapp import create_app, metrics
from vmsapp.cli.vms import initialise
from vmsapp.extensions import db
from vmsapp.models import Meter, Sale
from vmsapp.scope import SYSTEM, seen_by

AIM = 1.02
RECORDING = ("count_sale", "module_answered", "web_answered")
WARM = 5


def main() -> None:
    """Sell by turns, print the ratio and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer sales")
    sales = 20 if parser.parse_args().quick else 100
    with tempfile.TemporaryDirectory(prefix="vms-figures-") as folder:
        environ = {"VMS_INSTANCE": folder, "DEMO": "1", "VMS_LOG_LEVEL": "WARNING"}  # fmt: skip
        app = create_app(Settings.from_environ(environ))
        with app.app_context():
            accounts = {account.username: account.password for account in initialise()}
        client = app.test_client()
        sign_in(client, "admin", accounts["admin"])
        report(*measure(app, client, sales), counted(app))


def measure(app: Flask, client: FlaskClient, sales: int) -> tuple[list[float], list[float]]:
    """Sell to each meter both ways, by turns; milliseconds of the processor for each sale."""
    with app.app_context(), seen_by(SYSTEM):
        active = select(Meter.id).where(Meter.state == "active").order_by(Meter.id)
        meters = list(db.session().scalars(active.limit(sales + WARM)))
    plain: list[float] = []
    watched: list[float] = []
    for n, meter_id in enumerate(meters):
        ways = [(nullcontext, watched), (lambda: unwatched(app), plain)]
        for value, (way, spent) in enumerate(ways if n % 2 else reversed(ways), start=1):
            took = one_sale(client, meter_id, str(value), way)
            if n >= WARM:
                spent.append(took)
    return plain, watched


def one_sale(
    client: FlaskClient, meter_id: int, value: str, way: Callable[[], AbstractContextManager[None]]
) -> float:
    """Sell once; milliseconds of the processor."""
    with way():
        began = time.process_time()  # what leads past the door is no part of it
        opened = client.get(f"/counter/meter/{meter_id}", follow_redirects=True)
        path = opened.request.path
        query = {"mode": "quantity", "value": value, "key": hidden(opened.text, "key")}
        page = client.get(path, query_string=query).text
        form = {name: hidden(page, name) for name in ("csrf_token", "key", "quote")}
        point = re.search(r'<option value="(\d+)"', page)
        form["vending_point"] = point[1] if point else hidden(page, "vending_point")
        sold = client.post(f"{path}/sell", data=form | query)
        took = time.process_time() - began
    assert sold.status_code == 302, sold.text
    return took * 1000


@contextmanager
def unwatched(app: Flask) -> Iterator[None]:
    """Go past the door, and record nothing."""
    door = app.extensions["vms_watch"]
    off = dict.fromkeys(RECORDING, lambda *_: None)
    nothing = mock.patch.multiple(metrics, phase=lambda _: nullcontext(), **off)
    with nothing, mock.patch.object(app, "wsgi_app", door._inner):  # noqa: SLF001 - what it wraps
        yield


def counted(app: Flask) -> int:
    """Sales that were made."""
    with app.app_context(), seen_by(SYSTEM):
        return len(db.session().scalars(select(Sale.id)).all())


def report(plain: list[float], watched: list[float], made: int) -> None:
    """Say what it costs."""
    without, with_it = statistics.median(plain), statistics.median(watched)
    ratio = statistics.median(b / a for a, b in zip(plain, watched, strict=True))
    print(f"{made} sales; processor time of form, price and sale, median")
    print(f"  recorded nothing  {without:8.2f} ms")
    print(f"  counted and timed {with_it:8.2f} ms   ratio {ratio:.3f} (aim {AIM})")
    print(json.dumps({"sales": made, "plain_ms": without, "watched_ms": with_it, "ratio": ratio}))


if __name__ == "__main__":
    main()

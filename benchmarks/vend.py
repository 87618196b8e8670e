"""Sales a second over HTTP on PostgreSQL, against pgbench running the same statements.

Everything is as in an installation past one machine: a cluster of PostgreSQL of this run with
fsync and synchronous commit on, the module server with which keys and record are, gunicorn (and
granian, where it is installed) with two workers of four threads, operators who signed in. A sale
is a price, as the page asks for it while somebody types, and the form with that price: two
requests on one of eight connections. Sales are spread over 10,000 meters and 50 vending points.
Every answer is looked at, and the sales are counted in the database afterwards.

The yardstick is pgbench with eight clients, running the statements of both requests in their
transactions (``vend_yardstick`` tells how the script is made from two real sales); it asks no
module and makes no page. Yardstick and servers take turns, round after round, and each round
gives one ratio. Then half of the load that was reached comes in even steps, and a sale that has
to wait for a free connection waits on the clock. No worker runs: sealing the trail is measured by
``audit.py``.

    python benchmarks/vend.py           five rounds of 20 seconds each
    python benchmarks/vend.py --quick   two rounds of 5 seconds, 1,000 meters
"""

import argparse
import html
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg

from benchmarks import estate, running, vend_yardstick
from benchmarks.estate import Estate, Operator
from benchmarks.running import Database, Service
from benchmarks.till import Browser
from config import Settings
from vmsapp import create_app
from vmsapp.extensions import atomic, db
from vmsapp.models import OfficeUser, UserSession
from vmsapp.scope import SYSTEM, seen_by

CLIENTS, POINTS = 8, 50
MILLION = 1_000_000
ALIKE, PLAIN = 24, 8
"""Every so manieth meter is of the same product, algorithm and tariff; from this one on of the
tariff without a fee, which only the first sale of a month would pay."""
AIMS = {"gunicorn": 0.3, "granian": 0.4}
STRETCH = 0.5
HALF_LOAD_MS, QUOTE_MS = 100.0, 50.0


def main() -> None:
    """Set up, measure in turns, print figures and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer meters, shorter rounds")
    quick = parser.parse_args().quick
    meters, rounds, seconds = (1_000, 2, 5.0) if quick else (10_000, 5, 20.0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vms-vend-")))
        folder.chmod(0o755)
        bench = Bench(folder, meters, stack)
        found = bench.measure(rounds, seconds)
    report(found, meters, quick=quick)


class Bench:
    """Everything that runs."""

    def __init__(
        self, folder: Path, meters: int, stack: ExitStack, *, yard: int | None = None,
        granian: bool = True,
    ) -> None:  # fmt: skip
        for place in ("database", "instance"):
            (folder / place).mkdir()
        self._database = Database(folder / "database", folder / "database.log")
        stack.callback(self._database.kill)
        self._database.make()
        self._environ = environ = {
            "VMS_INSTANCE": str(folder / "instance"), "DEMO": "1", "VMS_LOG_LEVEL": "WARNING",
            "DATABASE_URL": self._database.url, "VMS_MODULE_SERVER": "1",
            "VMS_MODULE_PORT": str(running.free_port()), "VMS_LOGIN_RATE": "100000 per 1 minute",
            "VMS_TOKENS_PER_METER_MINUTE": "100000", "VMS_TOKENS_PER_METER_DAY": "100000",
        }  # fmt: skip
        self._passwords = running.initialised(environ)
        self._prepare()
        self._promises = promises(self._database)
        yard = max(meters * 2, 4_000) if yard is None else yard
        self._town = town = estate.enlarge(environ, meters + yard, POINTS * 2)
        ours, theirs = town.meters[:meters], town.meters[meters:]
        self._module = module = running.module_server(environ, folder / "module.log")
        self._servers = {"gunicorn": running.gunicorn(environ, folder / "gunicorn.log")}
        if granian and importlib.util.find_spec("granian"):
            self._servers["granian"] = running.granian(environ, folder / "granian.log")
        for service in (module, *self._servers.values()):
            stack.callback(service.kill)
            service.start()
        for service in (module, *self._servers.values()):
            service.wait_ready()
        self._script = folder / "sale.sql"
        counted = Estate(town.operators[POINTS:], theirs)
        self._script.write_text(yardstick(environ, counted, self._database))
        self._statements = self._script.read_text().count("\nSELECT") + sum(
            self._script.read_text().count(f"\n{word}") for word in ("INSERT", "UPDATE", "DELETE")
        )
        port = self._servers["gunicorn"].port or 0
        self._order = {
            "connections": CLIENTS, "meters": list(ours),
            "sellers": [signed_in(port, one) for one in town.operators[:POINTS]],
        }  # fmt: skip
        self._runs = 0

    def _prepare(self) -> None:
        """Do what must be done before anything runs."""

    def measure(self, rounds: int, seconds: float) -> dict[str, Any]:
        """Take turns."""
        for server in self._servers.values():
            self._load(server, min(seconds, 3.0))  # warm
        yard, sales, served = [], {}, {name: [] for name in self._servers}
        for _ in range(rounds):
            yard.append(self._yardstick(seconds))
            for name, server in self._servers.items():
                served[name].append(self._load(server, seconds))
        for name, server in self._servers.items():
            each = [len(run["sales"]) / run["seconds"] for run in served[name]]
            spent = {
                part: round(statistics.median(run["cpu_ms"][part] for run in served[name]), 1)
                for part in served[name][0]["cpu_ms"]
            }
            half = self._load(server, seconds, statistics.median(each) / 2)
            sales[name] = figures(served[name], each, yard) | {
                "cpu_ms": spent,
                "half_p50_ms": round(statistics.median(half["sales"]), 1),
                "half_p99_ms": round(percentile(half["sales"], 99), 1),
                "half_quote_p50_ms": round(statistics.median(half["quotes"]), 1),
                "half_quote_p95_ms": round(percentile(half["quotes"], 95), 1),
            }  # fmt: skip
        return {
            "yardstick_per_s": round(statistics.median(yard), 1), "statements": self._statements,
            "servers": sales, "load_average": round(os.getloadavg()[0], 1),
        } | self._promises  # fmt: skip

    def _yardstick(self, seconds: float) -> float:
        dsn = dict(part.split("=") for part in self._database.dsn.split())
        pgbench = running.binaries() / "pgbench"
        return vend_yardstick.run(pgbench, dsn, self._script, CLIENTS, seconds)

    def _load(self, server: Service, seconds: float, rate: float | None = None) -> dict[str, Any]:
        """Have a server sell, and see that the books have what it said."""
        self._runs += 1
        before = self._sold()
        parts = {"web": server, "module": self._module, "database": self._database}
        spent = {part: service.spent() for part, service in parts.items()}
        order = self._order | {
            "port": server.port, "seconds": seconds, "rate": rate, "seed": self._runs,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(running.ROOT / "benchmarks" / "vend_load.py")],
            input=json.dumps(order) + "\n", capture_output=True, text=True, check=True,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout)
        said["cpu_ms"] = {"load": said.pop("cpu_s") * 1000 / len(said["sales"])} | {
            part: (service.spent() - spent[part]) * 1000 / len(said["sales"])
            for part, service in parts.items()
        }
        sold = self._sold() - before
        assert sold == len(said["sales"]), f"{sold} sold, {len(said['sales'])} answered"
        assert len(said["sales"]) > sum(said["refused"].values()) * 50, said["refused"]
        return said

    def _sold(self) -> int:
        with psycopg.connect(self._database.dsn) as connection:
            row = connection.execute(
                "SELECT count(*) FROM sale s JOIN token t ON t.sale_id = s.id"
                " JOIN vending_point p ON p.id = s.vending_point_id"
                " WHERE s.state = 'issued' AND p.name < %s", (f"Counter {POINTS:03}",),
            ).fetchone()  # fmt: skip
        assert row is not None
        return int(row[0])


def promises(database: Database) -> dict[str, str]:
    """What the database says it keeps: nothing is measured without."""
    with psycopg.connect(database.dsn) as connection:
        said = {
            name: str(connection.execute(f"SHOW {name}").fetchone()[0])  # type: ignore[index]
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        }
    assert set(said.values()) == {"on"}, said
    return said


def signed_in(port: int, operator: Operator) -> dict[str, Any]:
    """Sign an operator in; what the load needs to act for that operator."""
    browser = Browser(port)
    browser.sign_in(operator.username, operator.password)
    page = browser.get("/counter/")
    csrf = page.fields.get("csrf_token") or re.search(r'csrf_token[^>]*value="([^"]*)"', page.text)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return {"cookie": cookie, "csrf": csrf, "point": operator.vending_point_id}


def yardstick(environ: dict[str, str], town: Estate, database: Database) -> str:
    """Make two sales in this process, and the script from what was sent for them."""
    _numbers_apart(database)
    app = create_app(Settings.from_environ(environ))
    with app.app_context():
        recorder = vend_yardstick.Recorder(db.engine)
        with seen_by(SYSTEM), atomic(db.session()) as session:
            users = dict(session.query(OfficeUser.username, OfficeUser.id).all())
        db.session.remove()
    people = town.operators
    first_user, first_point = users[people[0].username], people[0].vending_point_id
    for n, one in enumerate(people):  # so that a script can draw them by one number
        assert (users[one.username], one.vending_point_id) == (first_user + n, first_point + n)
    clients = [app.test_client() for _ in people]
    for n, (client, operator) in enumerate(zip(clients, people, strict=True)):
        sign_in(client, operator)
        vend(client, town.meters[ALIKE * n + PLAIN], operator, "20")  # opens the point's accounts
    # One sale more at the second point, so that no counter stands at the same number at both.
    vend(clients[4], town.meters[ALIKE * POINTS + PLAIN], people[4], "20")
    sales = []
    for n in (1, 4):
        client, operator, meter = clients[n], people[n], town.meters[ALIKE * (POINTS + n) + PLAIN]
        with app.app_context(), seen_by(SYSTEM):
            user = users[operator.username]
            ticket = db.session.scalars(
                UserSession.__table__.select()
                .with_only_columns(UserSession.__table__.c.ticket_hash)
                .where(UserSession.__table__.c.user_id == user)
            ).one()
            db.session.remove()
        sale = vend_yardstick.Sale(
            {"point": operator.vending_point_id, "usr": user, "meter": meter},
            {ticket: "lpad(:usr::text, 64, '0')"},
        )
        recorder.begin(sale)
        vend(client, meter, operator, "31.5")
        recorder.end()
        sales.append(sale)
    _tickets_by_number(app, first_user)
    drawn = len(town.meters) // 2, len(town.meters) - 1  # none of those sold to above
    header = f"""\\set k random(0, {len(people) - 1})
\\set point :k + {first_point}
\\set usr :k + {first_user}
\\set meter random({town.meters[drawn[0]]}, {town.meters[drawn[1]]})
"""
    with psycopg.connect(database.dsn) as connection:
        return vend_yardstick.script_of(*sales, header, connection)


def _numbers_apart(database: Database) -> None:
    """Have each table number its new rows from a million of its own, so that a number tells which
    table's it is: the script is made by comparing values.
    """
    with psycopg.connect(database.dsn) as connection:
        names = connection.execute("SELECT sequencename FROM pg_sequences ORDER BY 1").fetchall()
        for n, (name,) in enumerate(names, start=1):
            connection.execute("SELECT setval(%s, %s)", (name, n * MILLION))


def _tickets_by_number(app: Any, first_user: int) -> None:
    """Give each operator of the yardstick a session whose ticket pgbench can write."""
    with app.app_context(), seen_by(SYSTEM):
        table = UserSession.__table__
        with atomic(db.session()) as session:
            like = dict(session.execute(table.select().limit(1)).mappings().one())
            del like["id"]
            session.execute(table.delete().where(table.c.user_id >= first_user))
            session.execute(table.insert(), [
                like | {"user_id": user, "ticket_hash": f"{user:064}"}
                for user in range(first_user, first_user + POINTS)
            ])  # fmt: skip
        db.session.remove()
        db.engine.dispose()


def sign_in(client: Any, operator: Operator) -> None:
    """Sign in to an application in this process."""
    token = hidden(client.get("/login/").text, "csrf_token")
    typed = {"csrf_token": token, "username": operator.username, "password": operator.password}
    assert client.post("/login/", data=typed).status_code == 302


def vend(client: Any, meter: int, operator: Operator, units: str) -> None:
    """Ask for a price and sell, as the load does."""
    typed = {"mode": "quantity", "value": units}
    token = client.environ_csrf = getattr(client, "environ_csrf", None) or hidden(
        client.get(f"/counter/meter/{meter}?key=1-x").text, "csrf_token"
    )
    priced = client.get(f"/counter/meter/{meter}/quote", query_string=typed)
    assert priced.status_code == 200, priced.text
    form = typed | {
        "csrf_token": token, "vending_point": str(operator.vending_point_id),
        "key": f"1-{os.urandom(16).hex()}", "quote": hidden(priced.text, "quote"),
    }  # fmt: skip
    sold = client.post(f"/counter/meter/{meter}/sell", data=form)
    assert sold.status_code == 302, sold.text


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def percentile(values: list[float], n: int) -> float:
    """The value that n of a hundred are below."""
    return statistics.quantiles(values, n=100)[n - 1]


def figures(runs: list[dict[str, Any]], each: list[float], yard: list[float]) -> dict[str, Any]:
    """What a server did in its rounds."""
    sales = [ms for run in runs for ms in run["sales"]]
    quotes = [ms for run in runs for ms in run["quotes"]]
    ratios = [one / other for one, other in zip(each, yard, strict=True)]
    return {
        "per_s": round(statistics.median(each), 1), "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "p50_ms": round(statistics.median(sales), 1), "p99_ms": round(percentile(sales, 99), 1),
        "quote_p50_ms": round(statistics.median(quotes), 1),
        "quote_p95_ms": round(percentile(quotes, 95), 1),
        "refused": sum(sum(run["refused"].values()) for run in runs),
    }  # fmt: skip


def report(found: dict[str, Any], meters: int, *, quick: bool) -> None:
    """Print the table, then one line of JSON."""
    print(
        f"{meters:,} meters, {POINTS} vending points, {CLIENTS} connections; fsync on, audit on,"
        f" module by tcp. Load average {found['load_average']}."
    )
    print(
        f"Yardstick: pgbench, {found['statements']} statements a sale:"
        f" {found['yardstick_per_s']:.0f} sales/s"
    )
    met = {}
    for name, one in found["servers"].items():
        print(
            f"{name:9} {one['per_s']:7.1f} vends/s, {one['ratio']:.2f} of it (aim {AIMS[name]},"
            f" stretch {STRETCH}); a sale p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms;"
            f" a price p50 {one['quote_p50_ms']} ms, p95 {one['quote_p95_ms']} ms"
        )
        spent = ", ".join(f"{part} {ms}" for part, ms in one["cpu_ms"].items())
        print(f"          milliseconds of the processor a sale: {spent}")
        print(
            f"          at half that load: a sale p50 {one['half_p50_ms']} ms, p99"
            f" {one['half_p99_ms']} ms (aim below {HALF_LOAD_MS:.0f}); a price p50"
            f" {one['half_quote_p50_ms']} ms, p95 {one['half_quote_p95_ms']} ms (aim below"
            f" {QUOTE_MS:.0f})"
        )
        met[name] = (
            one["ratio"] >= AIMS[name]
            and one["half_p99_ms"] < HALF_LOAD_MS
            and one["half_quote_p95_ms"] < QUOTE_MS
        )
    print(json.dumps({"bench": "vend", "quick": quick, "aims_met": met} | found))


if __name__ == "__main__":
    main()

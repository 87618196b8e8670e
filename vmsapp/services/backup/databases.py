"""Copying a database while it is sold from, and putting a copy into an empty one.

SQLite is copied by its online backup, in one step: a copy of the file would miss what is in its
log. PostgreSQL is copied by its own tools, to which the password is handed in a file of its
owner's alone, never on a command line that all can see.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, make_url

from vmsapp.services.backup.errors import ToolFailed, ToolMissing
from vmsapp.services.backup.files import new_file

NAMES: Final = {"sqlite": "database.sqlite", "postgresql": "database.dump"}
"""What a database is called in a backup, by kind."""
SAID_MAX: Final = 300
BUSY_SECONDS: Final = 30


def kind_of(database: str) -> str:
    """Tell the kind of a database: ``sqlite`` or ``postgresql``."""
    return make_url(database).get_backend_name()


def revision_of(database: str) -> str:
    """Read which revision the schema has."""
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar())
    finally:
        engine.dispose()


def is_absent(database: str) -> bool:
    """Tell whether a database is a file that is not there; to connect to it would make it."""
    return kind_of(database) == "sqlite" and not Path(make_url(database).database or "").exists()


def is_empty(database: str) -> bool:
    """Tell whether a database has no table, or is not there at all."""
    if is_absent(database):
        return True
    engine = create_engine(database)
    try:
        return not inspect(engine).get_table_names()
    finally:
        engine.dispose()


def copy_sqlite(source: Path, to: Path) -> None:
    """Copy a database as it is at one moment; those who write to it do not wait.

    Raises:
        sqlite3.DatabaseError: It cannot be copied, or the copy is not whole.
    """
    with new_file(to):
        pass  # made by us, so that it is its owner's alone from the first byte
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as old,
        closing(sqlite3.connect(to)) as new,
    ):
        old.backup(new)
        (found,) = new.execute("PRAGMA quick_check").fetchone()
        if found != "ok":
            msg = f"the copy is not whole: {found}"
            raise sqlite3.DatabaseError(msg)


def mark_copy(path: Path, at: str) -> None:
    """Have a copy of the product's database stand still, whoever puts it into place and how."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("UPDATE installation SET standstill_since = ?, standstill_why = 'told'", (at,))
        copy.commit()


def dump(database: str, to: Path, tools: Path | None = None) -> None:
    """Copy a PostgreSQL database as it is at one moment.

    Raises:
        ToolMissing, ToolFailed: The client tools are not there, or cannot do it.
    """
    asked = ("--format=custom", "--no-owner", "--no-privileges", "--no-password")
    with new_file(to) as file:
        _run("pg_dump", make_url(database), asked, tools, output=file)


def load(dumped: Path, database: str, tools: Path | None = None) -> None:
    """Put a dump into an empty PostgreSQL database: all of it, or nothing.

    Raises:
        ToolMissing, ToolFailed: The client tools are not there, or cannot do it.
    """
    asked = (
        "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges",
        "--no-password",
    )  # fmt: skip
    _run("pg_restore", make_url(database), asked, tools, file=dumped)


def _run(
    tool: str,
    url: URL,
    asked: Sequence[str],
    tools: Path | None,
    *,
    output: IO[bytes] | None = None,
    file: Path | None = None,
) -> None:
    path = shutil.which(tool, path=str(tools) if tools else None)
    if path is None:
        raise ToolMissing(tool=tool)
    where = URL.create(  # made anew: ``set`` would keep the password
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database,
        query=url.query,
    )  # fmt: skip
    command = [path, *asked, f"--dbname={where}", *([str(file)] if file else [])]
    with _password_file(url) as environ:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, stdout=output or subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ,
            check=False,
        )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [""]
        raise ToolFailed(tool=tool, said=said[-1][:SAID_MAX])


@contextmanager
def _password_file(url: URL) -> Iterator[dict[str, str]]:
    """Give the environment of a tool, with the password in a file that is gone afterwards."""
    environ = {name: value for name, value in os.environ.items() if name != "PGPASSWORD"}
    if url.password is None:
        yield environ
        return
    escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.TemporaryDirectory(prefix="vms-") as folder:
        path = Path(folder) / "pgpass"
        with new_file(path) as file:
            file.write(f"*:*:*:*:{escaped}\n".encode())
        yield environ | {"PGPASSFILE": str(path)}

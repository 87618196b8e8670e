"""Writing everything, in one transaction that only reads and in constant memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from alembic.migration import MigrationContext
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    literal,
    select,
)
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import Installation, Setup, Tariff, TariffPlan
from vmsapp.models.base import Model
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.audit.chain import events, plain_event, seals
from vmsapp.services.audit.sealer import seal
from vmsapp.services.full_export.cells import kind_of, line, moment
from vmsapp.services.full_export.dictionary import (
    HEADINGS,
    added_to,
    columns_of,
    entries,
    exported,
    file_of,
)
from vmsapp.services.full_export.left_out import COLUMNS, ONLY_WHAT_LEFT, TABLES
from vmsapp.services.full_export.readme import readme
from vmsapp.services.full_export.target import Target, Written, target
from vmsapp.services.rows import table_of
from vmsapp.services.setup import currency_of, setup_at
from vmsapp.services.tariffs.files import text_of

FORMAT: Final = 1
"""Of the export: one more when files or columns mean something else."""

AT_ONCE: Final = 1_000
"""Rows that are in memory."""

MANIFEST: Final = "manifest.json"
TRAIL: Final = "audit_trail.jsonl"


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: all files, and the manifest's own sum."""

    files: Sequence[Written]
    rows: int
    manifest_sha256: str


def export_all(session: Session, actor: Actor, engine: Engine, path: Path, reason: str) -> Export:
    """Write everything into a new folder, or a new archive if its name ends with ``.zip``.

    That it is done is on record before the first row is read, and stands in the export; what
    came of it is on record afterwards.

    Args:
        session: In the scope of who sees everything; for what is written about it.
        actor: Who takes everything away.
        engine: The database.
        path: Where to.
        reason: What for; may be empty.

    Raises:
        FileExistsError: Something is there already.
        OSError: It cannot be written.
    """
    with target(path) as to:
        with atomic(session, durable=True):
            audit.record(session, actor, "everything.export_begun", "installation", 1,
                         name=path.name, reason=reason)  # fmt: skip
        seal(session)
        setup = setup_at(session, now_utc())
        end_reading(session)
        with _snapshot(engine) as connection:
            _write(connection, to, setup)
        done = _manifest(to)
    with atomic(session, durable=True):
        audit.record(session, actor, "everything.exported", "installation", 1, name=path.name,
                     reason=reason, files=len(done.files), rows=done.rows,
                     manifest=done.manifest_sha256)  # fmt: skip
    return done


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Read in one transaction, from its first statement to its last of one moment.

    On SQLite any transaction is that; rows come as they are fetched.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(  # noqa: PLW2901 - the same one
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield connection
        connection.rollback()


def _write(connection: Connection, to: Target, setup: Setup) -> None:
    currency = currency_of(setup)
    money = {"currency": currency.code, "exponent": str(currency.exponent)}
    for table in exported(Model.metadata):
        _table(connection, to, table, money)
    _trail(connection, to)
    _plans(connection, to, setup)
    with to.file("dictionary.csv") as file:
        file.write(line(HEADINGS))
        for entry in entries(Model.metadata):
            file.write(line(cell or None for cell in entry), rows=1)
    with to.file("left_out.csv") as file:
        file.write(line(("table", "column", "reason")))
        for name, reason in {**TABLES, **COLUMNS}.items():
            table_name, _, column = name.partition(".")
            file.write(line((table_name, column or None, reason)), rows=1)
    with to.file("README.md") as file:
        file.write(readme())
    about = {
        "format": FORMAT, "product": f"VMS {version('vmsapp')}",
        "schema": MigrationContext.configure(connection).get_current_revision(),
        "installation": connection.scalar(select(Installation.__table__.c.instance_id)),
        "made_at": moment(now_utc()), "utility": setup.utility_name,
        "time_zone": setup.time_zone, "currency": currency.code, "exponent": currency.exponent,
    }  # fmt: skip
    to.about.update(about)


def _table(connection: Connection, to: Target, table: Table, money: Mapping[str, str]) -> None:
    columns, more = columns_of(table), added_to(table)
    writers = [kind_of(column)[1] for column in columns]
    added = [money[name] for name in more]
    wanted = [_exported(one).label(one.name) for one in columns]
    ordered = select(*wanted).order_by(*table.primary_key.columns)
    with to.file(file_of(table)) as file:
        file.write(line([*(one.name for one in columns), *more]))
        for rows in _pages(connection, ordered):
            lines = [
                line([*(None if value is None else write(value)
                        for write, value in zip(writers, row, strict=True)), *added])
                for row in rows
            ]  # fmt: skip
            file.write("".join(lines), rows=len(lines))


def _exported(column: Column[Any]) -> ColumnElement[Any]:
    """Make what is exported of a column: most are exported as they are."""
    made = ONLY_WHAT_LEFT.get(f"{column.table.name}.{column.name}")
    return made(column) if made else column


def _pages(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Any]]:
    """Read rows a page at a time, through a cursor of the server where there is one."""
    options = {"stream_results": True, "yield_per": AT_ONCE}
    with connection.execute(statement, execution_options=options) as found:
        yield from found.partitions()


def _trail(connection: Connection, to: Target) -> None:
    """Write events in the order of the chain, then those that have no place yet."""
    chained: Select[Any] = (
        select(seals.c.place, seals.c.version, seals.c.hash, *events.c)
        .join_from(seals, events, events.c.id == seals.c.event_id).order_by(seals.c.place)
    )  # fmt: skip
    none: list[Any] = [literal(None).label(name) for name in ("place", "version", "hash")]
    waiting: Select[Any] = (
        select(*none, *events.c)
        .where(~select(seals.c.place).where(seals.c.event_id == events.c.id).exists())
        .order_by(events.c.id)
    )
    with to.file(TRAIL) as file:
        for statement in (chained, waiting):
            for rows in _pages(connection, statement):
                lines = [json.dumps({
                    "place": row[0], "hash": row[2], "version": row[1],
                    "event": plain_event(dict(zip(events.c.keys(), row[3:], strict=True))),
                }) + "\n" for row in rows]  # fmt: skip
                file.write("".join(lines), rows=len(lines))


def _plans(connection: Connection, to: Target, setup: Setup) -> None:
    """Write each plan as the document that can be checked, priced and imported elsewhere."""
    plan, tariff = table_of(TariffPlan), table_of(Tariff)
    wanted = (
        select(plan.c.id, plan.c.name, plan.c.effective_on, plan.c.rules,
               tariff.c.name.label("tariff"), tariff.c.meter_type)
        .join_from(plan, tariff, tariff.c.id == plan.c.tariff_id).order_by(plan.c.id)
    )  # fmt: skip
    for rows in _pages(connection, wanted):
        for row in rows:
            made = TariffPlan(name=row.name, effective_on=row.effective_on, rules=row.rules)
            of = Tariff(name=row.tariff, meter_type=row.meter_type)
            with to.file(f"plans/{row.id}.json") as file:
                file.write(text_of(made, of, setup), rows=1)


def _manifest(to: Target) -> Export:
    """Write the sums, and last of all the manifest."""
    files = list(to.files)
    with to.file("SHA256SUMS") as file:
        file.write("".join(f"{one.sha256}  {one.name}\n" for one in files))
    with to.file(MANIFEST) as file:
        said = {**to.about, "files": [asdict(one) for one in to.files]}
        file.write(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
    return Export(to.files, sum(one.rows for one in files), to.files[-1].sha256)

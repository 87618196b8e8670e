"""``flask vms backup``, ``restore``, ``after-restore``, ``lost`` and ``book``."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import click
from alembic.script import ScriptDirectory
from flask import current_app
from flask.cli import with_appcontext
from flask_migrate import upgrade
from sqlalchemy import select

from config import ROOT, Settings
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.hsm.registry import Registry
from vmsapp.models import JournalFinding, SecurityModule
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.backup import making, restoring
from vmsapp.services.restore import booking, procedure, standstill
from vmsapp.services.restore.booking import Booking
from vmsapp.services.restore.procedure import Report
from vmsapp.services.setup import currency_of, installation, setup_at
from vmsapp.sts import identifiers

_TOOLS = click.option(
    "--tools", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where PostgreSQL's client tools are, if not where commands are.",
)  # fmt: skip

_SERVERS: Final = (
    select(SecurityModule)
    .where(SecurityModule.driver == "tcp", SecurityModule.retired_at.is_(None))
    .order_by(SecurityModule.name)
)
"""Modules whose keys and record lie on other machines."""

NEXT: Final = "Nothing is sold until you have {first}run:\n  flask vms after-restore --reason '…'"

FIRST: Final = (
    "This system was restored, and after-restore has not run yet: until then nothing tells what was"
    " lost.\nRun it first:\n  flask vms after-restore --reason '…'"
)


@click.command("backup")
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
@_TOOLS
@with_appcontext
def backup_command(to: Path, tools: Path | None) -> None:
    """Write a backup of database, keystores and records into the new folder TO."""
    with seen_by(SYSTEM):
        here = installation(db.session())
        instance_id, epoch = here.instance_id, here.epoch
        servers = [_elsewhere(row) for row in db.session.scalars(_SERVERS)]
        db.session.remove()
    made = making.make(_settings(), instance_id, epoch, to, tools)
    for name, each in made.files.items():
        click.echo(f"{each.size:>14,}  {name}")
    click.echo(f"Backup of {made.made_at:%Y-%m-%d %H:%M:%S} UTC, schema {made.revision}.")
    if made.kept_apart or servers:
        click.echo("Not in it, to be kept in another place:")
        for what in (*made.kept_apart.values(), *servers):
            click.echo(f"  {what}")


@click.command("restore")
@click.argument("source", metavar="FROM", type=click.Path(exists=True, file_okay=False,
                                                          path_type=Path))  # fmt: skip
@click.option("--without-modules", is_flag=True,
              help="Leave keystores and records out: those in use are still there.")  # fmt: skip
@_TOOLS
@with_appcontext
def restore_command(source: Path, *, without_modules: bool, tools: Path | None) -> None:
    """Put the backup FROM into this instance, which must be empty."""
    db.session.remove()
    db.engine.dispose()
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    known = {script.revision for script in scripts.walk_revisions()}
    restored = restoring.restore(
        _settings(), source, known, with_modules=not without_modules, tools=tools
    )
    upgrade()
    made = restored.manifest
    with seen_by(SYSTEM):
        standstill.begin_told(db.session(), made.made_at)
    click.echo(f"Restored the backup of {made.made_at:%Y-%m-%d %H:%M:%S} UTC.")
    for name in restored.left_out:
        click.echo(f"Left out: {name}")
    for path in restored.missing:
        click.echo(f"Kept apart, to be put in place: {path}")
    first = "put in place what is kept apart and " if restored.missing else ""
    click.echo(NEXT.format(first=first))


@click.command("after-restore")
@click.option("--reason", required=True, help="What was restored, and why.")
@click.option("--anyway", is_flag=True,
              help="Though nothing tells of it: a promoted replica, a copy of the whole machine."
              )  # fmt: skip
@click.option("--at-least", type=click.IntRange(min=1), default=1,
              help="Lowest number of the new receipt series: where the module's record was "
              "restored too, one more than any receipt shows.")  # fmt: skip
@with_appcontext
def after_restore_command(reason: str, *, anyway: bool, at_least: int) -> None:
    """Put database and modules together after a restore, so that selling goes on."""
    modules = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        done = procedure.after_restore(
            db.session(), modules, SYSTEM, reason, anyway=anyway, at_least=at_least
        )
        left = len(booking.to_book(db.session()))
    for line in report(done):
        click.echo(line)
    if left:
        click.echo(f"Tokens without a sale here: {left}. See them with: flask vms lost")


@click.command("lost")
@with_appcontext
def lost_command() -> None:
    """List tokens that modules made and nobody sold here, for booking."""
    modules = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        rows = booking.to_book(db.session())
        still = _stands_still(modules)
    for row in rows:
        click.echo(_line(row))
    if still:
        raise click.ClickException(FIRST)
    if not rows:
        click.echo("There are none.")


@click.command("book")
@click.argument("finding", type=int)
@click.option("--point", required=True, help="Name of the vending point that sold it.")
@click.option("--by", required=True, help="User who books: the right to settle the journal.")
@click.option("--paid", help="What was paid, as the receipt has it; else the tariff's price.")
@click.option("--reverse", is_flag=True, help="It was taken back before the restore.")
@click.option("--note", required=True, help="What is known of it.")
@with_appcontext
def book_command(
    finding: int, *, point: str, by: str, paid: str | None, reverse: bool, note: str
) -> None:
    """Book the sale of a token that nobody sold here; FINDING is its number in `lost`."""
    session, modules = db.session(), current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        actor = booking.booker(session, by)
        paid_minor = None if paid is None else _minor(paid)
    with seen_by(actor):
        asked = Booking(finding, point, paid_minor, reverse, note.strip()[:255])
        sale = booking.book(session, modules, actor, asked)
    click.echo(f"Booked as sale {sale.id}, receipt {sale.receipt}: {sale.state}.")


commands: Final = (
    backup_command, restore_command, after_restore_command, lost_command, book_command,
)  # fmt: skip


def report(done: Report) -> list[str]:
    """Say what was done, a line each."""
    begun = done.begun
    raised = "before" if begun.floors is None else begun.floors
    lines = [
        f"Epoch {begun.epoch}, receipt series {begun.series}.",
        f"Meters whose token identifiers were raised: {raised}.",
        f"Completed by a journal: sales: {done.sales}, engineering tokens: {done.engineering}.",
        f"Key changes opened again: {done.sets}.",
    ]
    lines += [
        f"{printable(name)}: {count} new findings in the token journal."
        for name, count in done.findings.items()
    ]
    lines += [f"{printable(name)}: retired, did not answer." for name in done.silent]
    if done.trail is not None:
        lines.append(f"Audit trail signed anew up to place {done.trail}.")
    return [*lines, "Selling goes on."]


def _line(row: JournalFinding) -> str:
    drn = identifiers.meter_pan.drn_of(row.meter_pan) if row.meter_pan else "no meter"
    made = f"{row.made_at:%Y-%m-%d %H:%M:%S} UTC" if row.made_at else ""
    return f"{row.id:>8}  {made}  {drn:<13}  {row.request_id}  {printable(row.module.name)}"


def _minor(paid: str) -> int:
    """Read an amount in the utility's currency, as a receipt has it.

    Raises:
        BadParameter: It is none.
    """
    currency = currency_of(setup_at(db.session(), now_utc()))
    try:
        minor = Decimal(paid).scaleb(currency.exponent)
    except InvalidOperation:
        minor = Decimal("NaN")
    if not minor.is_finite() or minor != minor.to_integral_value() or minor <= 0:
        raise click.BadParameter(paid, param_hint="--paid")
    return int(minor)


def _elsewhere(row: SecurityModule) -> str:
    where = f"{row.params.get('host', '')}:{row.params.get('port', '')}"
    return printable(
        f"module server “{row.name}” at {where}: its keystore and its record, which are backed up"
        " on its own host"
    )


def _stands_still(modules: Registry) -> bool:
    """Tell whether a restore waits for its procedure, also one that nobody noticed yet."""
    try:
        standstill.check_modules(db.session(), modules)
    except standstill.Standstill:
        return True
    return False


def _settings() -> Settings:
    settings: Settings = current_app.extensions["vms_settings"]
    return settings

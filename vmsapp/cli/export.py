"""``flask vms export``: everything that is on record, in open formats."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.full_export.writing import export_all


@click.command("export")
@with_appcontext
@click.argument("to", type=click.Path(path_type=Path))
@click.option("--reason", default="", help="What for; it is kept in the audit trail.")
def export_command(to: Path, reason: str) -> None:
    """Write everything into the new folder TO, or an archive if TO ends with .zip.

    CSV, JSON Lines and JSON, with a dictionary of all columns; README.md in it says how to
    read and check them. The files are their owner's alone: consumers' data and tokens stand
    in them. Sales go on meanwhile.
    """
    try:
        with seen_by(SYSTEM):
            done = export_all(db.session(), SYSTEM, db.engine, to, reason)
    except FileExistsError as error:
        raise click.UsageError(f"{error.filename} is there already; nothing was written.") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or to}: {error.strerror}.") from None
    click.echo(f"Written to {to}: {len(done.files)} files, {done.rows} rows.")
    click.echo(f"SHA-256 of manifest.json: {done.manifest_sha256}")

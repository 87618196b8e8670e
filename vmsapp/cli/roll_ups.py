"""``flask vms roll-ups``: the sums of sales that reports read."""

import click
from flask.cli import AppGroup

from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.roll_ups import merge, rebuild

roll_ups = AppGroup("roll-ups", help="Add up what was sold, or make all sums of sales anew.")


@roll_ups.command("merge")
def merge_command() -> None:
    """Add what was posted since; a worker does it every few seconds."""
    with seen_by(SYSTEM):
        count = merge(db.session())
    click.echo(f"{count} transfers added.")


@roll_ups.command("rebuild")
def rebuild_command() -> None:
    """Make all sums anew from the records; sales and reports go on."""
    with seen_by(SYSTEM):
        count = rebuild(db.session())
    click.echo(f"Made anew from {count} transfers.")

"""``flask tariffs export`` and ``import``: plans of an installation, to and from files.

Unlike the rest of ``flask tariffs`` these need the installation, and so the application: it
is imported inside them. What they do is on record, as done by the system itself.
"""

from datetime import date
from typing import Any, BinaryIO

import click
from flask.cli import with_appcontext


class Day(click.ParamType[date]):
    """A day of the calendar."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read one."""
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not a day like 2027-12-31.", param, ctx)


@click.command("export", epilog="For example: flask tariffs export Domestic > domestic.json")
@click.argument("tariff")
@click.option(
    "--plan", "day", type=Day(),
    help="The plan in force on this day; today, at the utility, if not given.",
)  # fmt: skip
@with_appcontext
def export_command(tariff: str, day: date | None) -> None:
    """Write a plan of TARIFF, by its name, as a plan file to the standard output."""
    from vmsapp.cli.tariff_deeds import export_plan  # noqa: PLC0415 - needs the application

    click.echo(export_plan(tariff, day).encode(), nl=False)


@click.command(
    "import",
    epilog="For example: flask tariffs import new.json --tariff Domestic --from 2027-01-01",
)
@click.argument("file", type=click.File("rb"))
@click.option("--tariff", required=True, metavar="NAME", help="The tariff it is put into.")
@click.option(
    "--from", "day", type=Day(), help="First day in force; the one in the file if not given."
)
@with_appcontext
def import_command(file: BinaryIO, tariff: str, day: date | None) -> None:
    """Add the plan in FILE, or - for the standard input, to a tariff."""
    from vmsapp.cli.tariff_deeds import import_plan  # noqa: PLC0415 - needs the application

    click.echo(import_plan(file, tariff, day))

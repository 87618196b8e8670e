"""``flask tariffs counters``: set what a former system counted, from a file.

The application is imported when the command runs: its group is there without one, too.
"""

from pathlib import Path

import click
from flask.cli import with_appcontext


@click.command("counters")
@with_appcontext
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Also where sales count in the period already.")
@click.option("--dry-run", is_flag=True, help="Look at all rows and write nothing.")
def counters_command(file: Path, *, replace: bool, dry_run: bool) -> None:
    """Set units, money and fees that a former system counted, from a CSV file.

    Its first line names the columns: meter or service_point, then any of units with
    period_start (the first day of the tariff's period) and money, fees_paid_until,
    attached_on. Days are written as 2026-01-31, figures with a decimal point. What is sold
    here counts on top of the units. While a row is bad, nothing is written.
    """
    from vmsapp.cli.counters_file import set_from  # noqa: PLC0415 - see above

    set_from(file, replace=replace, dry_run=dry_run)

"""``flask vms campaigns``: how far campaigns are, and stopping what must not go on.

To begin one is for people who sign in, and perhaps for a second person; whoever has the shell
may see and halt.
"""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from vmsapp.cli.terminal import printable
from vmsapp.extensions import db
from vmsapp.models import Campaign
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.campaigns import steering
from vmsapp.services.campaigns.progress import left_out, progress
from vmsapp.services.campaigns.rows import read

campaigns = AppGroup("campaigns", help="See how far campaigns are, pause and stop them.")


@campaigns.command("list")
def list_command() -> None:
    """List all campaigns, the newest first."""
    with seen_by(SYSTEM):
        rows = db.session().scalars(select(Campaign).order_by(Campaign.id.desc())).all()
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("There are none.")


@campaigns.command("show")
@click.argument("campaign_id", type=int)
def show_command(campaign_id: int) -> None:
    """Tell how far a campaign is, and why meters were left out."""
    session = db.session()
    with seen_by(SYSTEM):
        row = read(session, campaign_id)
        done = progress(session, campaign_id)
        why = left_out(session, campaign_id)
    click.echo(_line(row))
    for name in (
        "chosen", "done", "made", "being_made", "failed", "left_out", "handed_out", "confirmed",
        "refused", "open", "overdue",
    ):  # fmt: skip
        click.echo(f"{name.replace('_', ' '):12} {getattr(done, name):>9}")
    for one in why:
        click.echo(f"left out: {one.meters:>9}  {one.code}")


@campaigns.command("pause")
@click.argument("campaign_id", type=int)
def pause_command(campaign_id: int) -> None:
    """Have no further set made; what is being made is still written down."""
    with seen_by(SYSTEM):
        steering.pause(db.session(), SYSTEM, campaign_id)
    click.echo("Paused.")


@campaigns.command("stop")
@click.argument("campaign_id", type=int)
@click.confirmation_option(prompt="It cannot go on afterwards. Stop it?")
def stop_command(campaign_id: int) -> None:
    """Give up what is not made yet; the sets that were made stay what they are."""
    with seen_by(SYSTEM):
        steering.stop(db.session(), SYSTEM, campaign_id)
    click.echo("Stopped.")


def _line(row: Campaign) -> str:
    return f"{row.id:>6}  {row.state:9}  {row.due_on}  {printable(row.name)}"

"""Campaigns without a person: sets made, text messages sent, reports written."""

from flask import current_app
from sqlalchemy.orm import Session

from vmsapp.scope import Actor
from vmsapp.services.campaigns import making
from vmsapp.services.job_runs import Work


def make(session: Session, actor: Actor, work: Work) -> None:
    """Make the sets of a campaign."""
    app = current_app
    making.make(
        session, app.extensions["vms_modules"], actor, work,
        table_set=app.extensions["vms_settings"].sta_tables,
    )  # fmt: skip

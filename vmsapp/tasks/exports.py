"""Exports without a person: large lists as files.

What a list shows is the doors' affair, so the list itself writes the file: they leave their
writer in ``app.extensions["vms_exporter"]``.
"""

from typing import Final

from flask import current_app
from sqlalchemy.orm import Session

from vmsapp.scope import Actor
from vmsapp.services.job_runs import Work

EXPORT: Final = "export"


def export(session: Session, actor: Actor, work: Work) -> None:
    """Write a list as a file."""
    current_app.extensions["vms_exporter"](session, actor, work)

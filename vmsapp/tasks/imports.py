"""Imports without a person: check, apply, undo."""

from flask import current_app
from sqlalchemy.orm import Session

from vmsapp.scope import Actor
from vmsapp.services.imports import applying, checking, undoing
from vmsapp.services.job_runs import Work


def check(session: Session, actor: Actor, work: Work) -> None:
    """Check an import."""
    checking.check(session, actor, current_app.extensions["vms_settings"], work)


def apply(session: Session, actor: Actor, work: Work) -> None:
    """Apply an import."""
    applying.apply(session, actor, current_app.extensions["vms_settings"], work)


def undo(session: Session, actor: Actor, work: Work) -> None:
    """Undo an import."""
    undoing.undo(session, actor, work)

"""Simulations without a person: a month's sales under a plan that is being written."""

from sqlalchemy.orm import Session

from vmsapp.scope import Actor
from vmsapp.services.job_runs import Work
from vmsapp.services.tariffs import simulating


def simulate(session: Session, actor: Actor, work: Work) -> None:
    """Run a simulation, or go on with it."""
    simulating.simulate(session, actor, work)

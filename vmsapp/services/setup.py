"""The utility's settings as they are at a moment."""

from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, Refused
from vmsapp.models import Installation, Setup
from vmsapp.money import Currency
from vmsapp.statements import made_once


class NotSetUp(Refused):
    """Nobody has entered the utility's settings yet."""

    code = "not_set_up"
    message = N_("The utility is not set up yet. Ask an administrator to complete the setup.")


def setup_at(session: Session, moment: datetime) -> Setup:
    """Fetch the settings in force at ``moment``.

    Raises:
        NotSetUp: There are none yet.
    """
    row = session.scalars(_in_force(), {"moment": moment}).one_or_none()
    if row is None:
        raise NotSetUp
    return row


@made_once
def _in_force() -> Select[Setup]:
    return select(Setup).where(Setup.id == in_force_at(bindparam("moment")))


def in_force_at(moment: BindParameter[datetime]) -> ColumnElement[int]:
    """Select the id of the settings in force at a moment; before all, of the first."""
    ids = select(Setup.id)
    newest = ids.where(Setup.effective_at <= moment).order_by(Setup.effective_at.desc())
    first = ids.order_by(Setup.effective_at)
    return func.coalesce(newest.limit(1).scalar_subquery(), first.limit(1).scalar_subquery())


def zone_at(session: Session, moment: datetime) -> str:
    """The utility's time zone; UTC until the utility is set up."""
    try:
        return setup_at(session, moment).time_zone
    except NotSetUp:
        return "UTC"


def currency_of(setup: Setup) -> Currency:
    """The currency as the price engine takes it."""
    return Currency(setup.currency, setup.exponent, setup.coin_minor)


def installation(session: Session) -> Installation:
    """Fetch the one row that says which installation this is.

    Raises:
        NotSetUp: The instance was never initialised.
    """
    row = session.get(Installation, 1)
    if row is None:
        raise NotSetUp
    return row

"""What ``flask tariffs export`` and ``import`` do within an installation."""

from datetime import date
from typing import BinaryIO

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.cli.terminal import printable
from vmsapp.clock import business_day, now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import db
from vmsapp.models import Tariff, TariffPlan
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.setup import zone_at
from vmsapp.services.tariffs import files
from vmsapp.services.tariffs.files import MAX_BYTES, PlanFileFaults
from vmsapp.tariffs.plan_file import describe_fault


def export_plan(name: str, day: date | None) -> str:
    """Write the plan of a tariff that is in force on a day, or today, as a file.

    Raises:
        ClickException: There is no such tariff or plan.
    """
    session: Session = db.session()
    with seen_by(SYSTEM):
        tariff = _tariff(session, name)
        plan = _plan_on(session, tariff, day or business_day(now_utc(), _zone(session)))
        try:
            return files.export_plan(session, SYSTEM, plan, tariff)
        except VmsError as error:
            raise click.ClickException(_said(error)) from None


def import_plan(file: BinaryIO, name: str, day: date | None) -> str:
    """Add the plan of a file to a tariff.

    Returns:
        What was done, in a sentence.

    Raises:
        ClickException: With all that is wrong with the file, or the rule that says no.
    """
    text = _text(file.read(MAX_BYTES + 1))
    session: Session = db.session()
    with seen_by(SYSTEM):
        tariff = _tariff(session, name)
        called = str(getattr(file, "name", ""))
        try:
            plan = files.import_text(session, SYSTEM, tariff, text, effective_on=day, file=called)
        except VmsError as error:
            raise click.ClickException(_said(error)) from None
        return printable(f"{plan.name} is in force from {plan.effective_on} in {tariff.name}.")


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise click.ClickException("A plan file has at most 1 MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException("This file is not text in UTF-8.") from None


def _zone(session: Session) -> str:
    return zone_at(session, now_utc())


def _tariff(session: Session, name: str) -> Tariff:
    """Find a tariff by its name, in any capitals."""
    known = session.scalars(select(Tariff).order_by(Tariff.name)).all()
    found = next((row for row in known if row.name.casefold() == name.casefold()), None)
    if found is None:
        names = ", ".join(row.name for row in known) or "none"
        raise click.ClickException(printable(f"No tariff is called {name}. There are: {names}."))
    return found


def _plan_on(session: Session, tariff: Tariff, day: date) -> TariffPlan:
    """Find the plan in force on a day."""
    dated = select(TariffPlan).where(
        TariffPlan.tariff_id == tariff.id, TariffPlan.effective_on <= day
    )
    row = session.scalars(dated.order_by(TariffPlan.effective_on.desc()).limit(1)).first()
    if row is None:
        raise click.ClickException(printable(f"{tariff.name} has no plan in force on {day}."))
    return row


def _said(error: VmsError) -> str:
    """Say a refusal in English; of a file all its faults, a line each."""
    if isinstance(error, PlanFileFaults):
        return "\n".join(printable(describe_fault(fault)) for fault in error.faults)
    return printable(str(error))

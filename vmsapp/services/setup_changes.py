"""Changing the utility's settings: from now on, or from a moment to come.

Each change makes a dated row, and the newest row not in the future counts. A row once in
force is never changed again: what was sold under it can be explained for ever. A row
still to come can be changed or withdrawn.

A row holds all settings, a change means only what it changes. So a change from today on
is carried into the rows planned after it, as far as they do not change the same thing,
and withdrawing a planned row takes back only what that row brought.

Who calls holds ``atomic``; ``rows_of`` then lets nobody else change the settings.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, cast

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, NotFound
from vmsapp.models import (
    AuditEvent,
    Installation,
    Logo,
    Setup,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.pictures import Picture
from vmsapp.services.rows import insert_missing, lock
from vmsapp.services.setup import currency_of
from vmsapp.services.setup_rules import (
    IN_MINOR_UNITS,
    NAMES,
    check_fixed,
    check_password,
    check_values,
)

REMEMBERED: Final = 50
"""Changes that the history shows."""


class StartsInThePast(InvalidInput):
    """What was in force is never changed afterwards."""

    code = "starts_in_the_past"
    message = N_("This moment has passed. Choose one to come, or leave it empty for now.")
    field = "starts_at"


class PlannedAlready(Conflict):
    """Another change begins at the same moment."""

    code = "planned_already"
    message = N_("Another change begins at the same moment. Change that one, or choose another.")


class NothingChanged(InvalidInput):
    """All is as it was."""

    code = "nothing_changed"
    message = N_("Nothing was changed. Change a field, then save.")


class InForceAlready(Conflict):
    """A planned row has come into force meanwhile."""

    code = "in_force_already"
    message = N_("This change is in force already. Make a new one instead.")


def in_force(session: Session, moment: datetime) -> Setup | None:
    """Fetch the row that counts at a moment; ``None`` on an instance not set up."""
    rows = select(Setup).where(Setup.effective_at <= moment)
    return session.scalars(rows.order_by(Setup.effective_at.desc()).limit(1)).first()


def planned(session: Session, moment: datetime) -> Sequence[Setup]:
    """List the rows still to come, the next one first."""
    rows = select(Setup).where(Setup.effective_at > moment)
    return session.scalars(rows.order_by(Setup.effective_at)).all()


def rows_of(session: Session, now: datetime) -> list[Setup]:
    """Keep others from changing the settings; read the row in force and those to come."""
    lock(session, Installation, Installation.id == 1)
    present = (
        select(Setup.effective_at).where(Setup.effective_at <= now)
        .order_by(Setup.effective_at.desc()).limit(1).scalar_subquery()
    )  # fmt: skip
    rows = select(Setup).where(or_(Setup.effective_at >= present, Setup.effective_at > now))
    fresh = rows.order_by(Setup.effective_at).execution_options(populate_existing=True)
    return list(session.scalars(fresh))


def begin(session: Session, actor: Actor, values: Mapping[str, Any]) -> Setup:
    """Write the first settings; they count from now on.

    Raises:
        PlannedAlready: Somebody else was first.
        InvalidInput: Of its kinds, a value that cannot be.
    """
    now = now_utc()
    if rows_of(session, now):
        raise PlannedAlready
    made = Setup(effective_at=now, **values)
    session.add(made)
    session.flush()
    check_values(made)
    _note(session, actor, "setup.begun", made, {}, recorded(made, values))
    return made


def change(
    session: Session, actor: Actor, changes: Mapping[str, Any], starts_at: datetime | None = None
) -> Setup:
    """Change settings from now on, or from a moment to come.

    Args:
        session: Inside the caller's ``atomic``.
        actor: Who changes them.
        changes: New values by name; those left out stay.
        starts_at: When it begins; ``None`` is now.

    Raises:
        StartsInThePast: Only what is to come can be changed.
        PlannedAlready: Another change begins then.
        NothingChanged: All values are as they will be then anyway.
        FixedBySales, FixedFromNow, DecimalsInUse: Currency or zone cannot change.
        InvalidInput: Of its kinds, values that cannot be or do not go together.
    """
    now = now_utc()
    made, before = _plan(session, rows_of(session, now), changes, starts_at, now)
    _note(session, actor, "setup.changed", made, before, recorded(made, before))
    return made


def replan(
    session: Session, actor: Actor, pk: int, changes: Mapping[str, Any], starts_at: datetime
) -> Setup:
    """Change what is planned, or when it begins; it is planned anew.

    Raises:
        InForceAlready: It is not to come any more.
        NotFound: It was withdrawn.
        Refused, InvalidInput: As ``change`` does.
    """
    now = now_utc()
    rows = rows_of(session, now)
    row, former = _planned_row(rows, pk, now)
    brought = _differences(former, row) | dict(changes)
    old = {"starts_at": row.effective_at.isoformat(), **recorded(row, brought)}
    _take_out(session, rows, row, former)
    made, _ = _plan(session, rows, brought, starts_at, now)
    new = {"starts_at": made.effective_at.isoformat(), **recorded(made, brought)}
    changed = [name for name in old if old[name] != new[name]]
    if not changed:
        raise NothingChanged
    _note(session, actor, "setup.replanned", made, {name: old[name] for name in changed},
          {name: new[name] for name in changed})  # fmt: skip
    return made


def withdraw(session: Session, actor: Actor, pk: int) -> None:
    """Take back a planned change, and nothing that other changes brought.

    Raises:
        InForceAlready: It is not to come any more.
        NotFound: It was withdrawn already.
    """
    now = now_utc()
    rows = rows_of(session, now)
    row, former = _planned_row(rows, pk, now)
    brought = _differences(former, row)
    _note(session, actor, "setup.withdrawn", row, recorded(row, brought),
          recorded(former, brought))  # fmt: skip
    _take_out(session, rows, row, former)


def keep_logo(session: Session, picture: Picture) -> str:
    """Keep a picture, once; its digest is what the settings name."""
    insert_missing(
        session, Logo, digest=picture.digest, media_type=picture.media_type,
        content=picture.content,
    )  # fmt: skip
    return picture.digest


def history(session: Session) -> Sequence[AuditEvent]:
    """List who changed what, the newest first."""
    with unscoped("whoever may see the settings may see who changed them"):
        return session.scalars(
            select(AuditEvent).where(AuditEvent.subject == "setup")
            .order_by(AuditEvent.id.desc()).limit(REMEMBERED)
        ).all()  # fmt: skip


def differences(rows: Sequence[Setup]) -> list[Sequence[str]]:
    """Name what each row but the first changes of the one before it."""
    return [list(_differences(*pair)) for pair in pairwise(rows)]


def _plan(
    session: Session, rows: list[Setup], changes: Mapping[str, Any],
    starts_at: datetime | None, now: datetime,
) -> tuple[Setup, dict[str, Any]]:  # fmt: skip
    """Make a row and carry its changes on; gives it with the values before."""
    moment = starts_at or now
    if moment < now:
        raise StartsInThePast
    former = next((row for row in reversed(rows) if row.effective_at <= moment), None)
    if former is None:
        raise NotFound
    if former.effective_at == moment:
        raise PlannedAlready
    changes = {name: new for name, new in changes.items() if getattr(former, name) != new}
    if not changes:
        raise NothingChanged
    waits = moment > now or former is not rows[-1]
    check_fixed(session, changes, waits=waits)
    made = Setup(effective_at=moment, **{name: getattr(former, name) for name in NAMES} | changes)
    check_password(former, made, changes)
    later = [row for row in rows if row.effective_at > moment]
    _carry(later, former, made)
    session.add(made)
    for row in (made, *later):
        check_values(row)
    session.flush()
    return made, recorded(former, changes)


def _take_out(session: Session, rows: list[Setup], row: Setup, former: Setup) -> None:
    later = [other for other in rows if other.effective_at > row.effective_at]
    _carry(later, row, former)
    for other in later:
        check_values(other)
    rows.remove(row)
    session.delete(row)
    session.flush()  # before another row takes its moment


def _carry(later: Sequence[Setup], old: Setup, new: Setup) -> None:
    """Put new values into the rows that only repeat the old ones, as far as they do."""
    for name, value in _differences(old, new).items():
        for row in later:
            if getattr(row, name) != getattr(old, name):
                break
            setattr(row, name, value)


def _differences(old: Setup, new: Setup) -> dict[str, Any]:
    return {name: getattr(new, name) for name in NAMES if getattr(new, name) != getattr(old, name)}


def _planned_row(rows: Sequence[Setup], pk: int, now: datetime) -> tuple[Setup, Setup]:
    """Find a row still to come, and the one it follows."""
    for former, row in pairwise(rows):
        if row.id == pk:
            return row, former
    if rows and rows[0].id == pk and rows[0].effective_at <= now:
        raise InForceAlready
    raise NotFound


def recorded(row: Setup, names: Iterable[str]) -> dict[str, str | int | bool | None]:
    """Write values as the audit trail keeps them: money in its currency, secrets not at all."""
    return {name: _written(row, name) for name in names}


def _written(row: Setup, name: str) -> str | int | bool | None:
    match getattr(row, name):
        case None | bytes() as secret:
            return secret is not None if name == "mail_password" else None
        case int() as minor if name in IN_MINOR_UNITS:
            return f"{currency_of(row).decimal(minor):f} {row.currency}"
        case Decimal() as units:
            return f"{units.normalize():f}"
        case value:
            return cast("str | int | bool", value)


def _note(
    session: Session, actor: Actor, action: str, row: Setup, before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:  # fmt: skip
    audit.record(
        session, actor, action, "setup", row.id, starts_at=row.effective_at.isoformat(),
        before=dict(before), after=dict(after),
    )  # fmt: skip

"""Help as one works: which hints a person has read, and which helps are switched off.

It is kept with the person, so that it is the same in another browser.
"""

from typing import Any, Final

from sqlalchemy.orm import Session

from vmsapp.extensions import atomic
from vmsapp.models import OfficeUser
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit

BETWEEN: Final = ","
"""Stands between the names of hints where they are kept; no name holds it."""

OWN: Final = "everybody's own account"


def has_read(user: Any, hint: str) -> bool:  # noqa: ANN401 - the framework's stranger has none
    """Tell whether somebody needs a hint no more."""
    return not user.shows_hints or hint in user.hints_read.split(BETWEEN)


def read(session: Session, actor: Actor, hint: str) -> None:
    """Keep that the asker has read a hint."""
    user = _own(session, actor)
    if not has_read(user, hint):
        known = [*filter(None, user.hints_read.split(BETWEEN)), hint]
        _change(session, actor, hints_read=BETWEEN.join(known))


def choose(session: Session, actor: Actor, *, shows_hints: bool, single_keys: bool) -> None:
    """Switch helps on or off; hints that are switched on again begin anew.

    Args:
        session: Where it is kept.
        actor: Whose it is.
        shows_hints: Pages tell what they are for, until that is read.
        single_keys: A sign by itself, such as "?", does something outside of fields.
    """
    user = _own(session, actor)
    again = shows_hints and not user.shows_hints
    _change(
        session, actor, shows_hints=shows_hints, single_keys=single_keys,
        hints_read="" if again else user.hints_read,
    )  # fmt: skip


def show_anew(session: Session, actor: Actor) -> None:
    """Show the asker all hints once more."""
    _change(session, actor, shows_hints=True, hints_read="")


def _own(session: Session, actor: Actor) -> OfficeUser:
    with unscoped(OWN):
        return session.get_one(OfficeUser, actor.user_id)


def _change(session: Session, actor: Actor, **wanted: bool | str) -> None:
    with unscoped(OWN), atomic(session):
        user = session.get_one(OfficeUser, actor.user_id)
        before = {name: getattr(user, name) for name in wanted}
        if before == wanted:
            return
        for name, value in wanted.items():
            setattr(user, name, value)
        audit.record(
            session, actor, "user.help_changed", "user", user.id, before=before, after=wanted
        )

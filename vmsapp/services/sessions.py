"""Signed-in sessions: begun by signing in, seen and ended by their owner.

What a new password, or being made inactive, means for sessions is a rule of the user's
row, wherever it is changed: every session of that user ends in the same transaction.
"""

import re
import secrets
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Update, event, inspect, select, update
from sqlalchemy.orm import Mapper, Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import OfficeUser, UserSession
from vmsapp.models.user_session import EndedWhy, hash_of
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.rows import rows_changed

TICKET_BYTES: Final = 32
DEVICE_LENGTH: Final = 120

BROWSERS: Final = {
    "Edge": r"\bEdg(?:A|iOS)?/(\d{1,4})",
    "Opera": r"\bOPR/(\d{1,4})",
    "Samsung Internet": r"\bSamsungBrowser/(\d{1,4})",
    "Firefox": r"\b(?:Firefox|FxiOS)/(\d{1,4})",
    "Chrome": r"\b(?:Chrome|CriOS)/(\d{1,4})",
    "Safari": r"\bVersion/(\d{1,4})\S* .*\bSafari/",
}
"""How browsers name themselves; many name Chrome and Safari besides, so the order matters."""

SYSTEMS: Final = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "macOS": "Mac OS X",
    "ChromeOS": "CrOS",
    "Linux": "Linux",
}
"""How systems are named; Android names Linux besides."""


class UnknownSession(NotFound):
    """No session of the asker's own under that number."""

    code = "unknown_session"


def begin(session: Session, user_id: int, *, address: str | None, user_agent: str) -> str:
    """Begin a session.

    Returns:
        Its ticket, which nobody can read again.
    """
    ticket, now = secrets.token_urlsafe(TICKET_BYTES), now_utc()
    row = UserSession(
        user_id=user_id,
        ticket_hash=hash_of(ticket),
        created_at=now,
        seen_at=now,
        address=address,
        device=device_of(user_agent),
    )
    with atomic(session):
        session.add(row)
    return ticket


def own_sessions(session: Session, actor: Actor, idle: timedelta) -> list[UserSession]:
    """List the asker's live sessions, the one used last first; ``idle`` ends them."""
    mine = UserSession.user_id == actor.user_id
    return list(
        session.scalars(
            select(UserSession)
            .where(mine, UserSession.live_at(now_utc(), idle))
            .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
        )
    )


def sign_out(session: Session, actor: Actor, session_id: int) -> None:
    """End the session in which the asker signs out."""
    with atomic(session):
        _end(session, actor, session_id, EndedWhy.SIGNED_OUT)


def end(session: Session, actor: Actor, session_id: int) -> None:
    """End one of the asker's own sessions.

    Raises:
        UnknownSession: It is another's, or has ended, or never was.
    """
    with atomic(session):
        if not _end(session, actor, session_id, EndedWhy.ENDED):
            raise UnknownSession


def end_others(session: Session, actor: Actor, kept_id: int) -> None:
    """End all of the asker's sessions but one."""
    with atomic(session):
        others = select(UserSession.id).where(
            UserSession.user_id == actor.user_id,
            UserSession.ended_at.is_(None),
            UserSession.id != kept_id,
        )
        for other in session.scalars(others).all():
            _end(session, actor, other, EndedWhy.ENDED)


def change_own_password(
    session: Session, actor: Actor, hashed: str, *, address: str | None, user_agent: str
) -> str:
    """Give the asker a new password; all sessions end, and another begins here.

    Returns:
        The new session's ticket.
    """
    assert actor.user_id is not None
    with unscoped("everybody's own account"), atomic(session):
        user = session.get_one(OfficeUser, actor.user_id)
        user.password, user.must_change_password = hashed, False
        audit.record(session, actor, "user.password_changed", "user", actor.user_id)
        session.flush()  # the old sessions end before the new one begins
        return begin(session, actor.user_id, address=address, user_agent=user_agent)


def device_of(user_agent: str) -> str:
    """Name browser and system in a few words; of an unknown one the first word, if harmless.

    >>> device_of("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    'Firefox 128, Linux'
    >>> device_of("curl/8.5.0")
    'curl/8.5.0'
    """
    found = ((name, re.search(mark, user_agent)) for name, mark in BROWSERS.items())
    browser = next((f"{name} {match[1]}" for name, match in found if match), None)
    system = next((name for name, mark in SYSTEMS.items() if mark in user_agent), None)
    if browser is None and system is None:
        word = re.match(r"[\w.+/-]+", user_agent, re.ASCII)
        return word[0][:DEVICE_LENGTH] if word else ""
    return ", ".join(part for part in (browser, system) if part)


def _end(session: Session, actor: Actor, session_id: int, why: EndedWhy) -> bool:
    """End a session if it is the actor's and has not ended; tell whether it was so."""
    mine = UserSession.user_id == actor.user_id
    ended = rows_changed(session, _ending(why, UserSession.id == session_id, mine)) == 1
    if ended:
        action = "user.signed_out" if why is EndedWhy.SIGNED_OUT else "session.ended"
        audit.record(session, actor, action, "session", session_id)
    return ended


def _ending(why: EndedWhy, *where: ColumnElement[bool]) -> Update:
    """The statement that ends sessions which have not ended yet."""
    return (
        update(UserSession)
        .where(UserSession.ended_at.is_(None), *where)
        .values(ended_at=now_utc(), ended_why=why)
    )


def end_all(session: Session, actor: Actor, user_id: int) -> None:
    """End all sessions of somebody, and refuse the bearers given until now."""
    with atomic(session):
        user = session.get_one(OfficeUser, user_id)
        user.session_epoch += 1
        if user.totp_since is None:
            user.totp_secret = None
        session.execute(_ending(EndedWhy.ENDED, UserSession.user_id == user_id))
        audit.record(session, actor, "user.sessions_ended", "user", user_id)


@event.listens_for(OfficeUser, "before_update")
def _sign_out_everywhere(_mapper: Mapper[Any], connection: Connection, user: OfficeUser) -> None:
    """End sessions and bearers of whoever's password, state or second factor changes."""
    changed: Any = inspect(user).attrs
    if changed.password.history.has_changes():
        why = EndedWhy.NEW_PASSWORD
    elif changed.active.history.has_changes() and not user.active:
        why = EndedWhy.INACTIVE
    elif changed.totp_since.history.has_changes():
        why = EndedWhy.SECOND_FACTOR
    else:
        return
    user.session_epoch += 1
    if user.totp_since is None:
        user.totp_secret = None  # whoever sat there may have begun to set one up
    connection.execute(_ending(why, UserSession.user_id == user.id))

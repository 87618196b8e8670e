"""Signing in: by password, by one-time code; and the lock after wrong ones.

Wrong passwords and wrong codes count together. After a few in a row the account rests for
some minutes: a lasting lock would let anybody shut people out. Whoever is refused learns
neither whether the name is known nor whether the account rests.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.orm import Session, joinedload

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import OfficeUser, UserState
from vmsapp.scope import Actor, unscoped
from vmsapp.security import as_person
from vmsapp.services import audit
from vmsapp.services.passwords import check_strength
from vmsapp.services.rows import rows_changed
from vmsapp.services.second_factor import hashed_code

COMING: Final = "who comes is not known before the password is right"

NO_PASSWORD: Final = "!"  # noqa: S105 - the hash of no password
"""In the place of a hash: nothing that is typed matches it. The account never had a password."""

FORGOTTEN: Final = "!forgotten"
"""The same of an account that had one, until a one-time code took its place: a person's."""

Matches = Callable[[str, str], bool]
"""Tells whether a hash, the first, is that of a password, the second."""


class NotLetIn(InvalidInput):
    """Wrong name, password or code, or the account rests or is suspended: one answer."""

    code = "not_let_in"
    message = N_(
        "You were not let in. Check the name and the password. After %(failures)s wrong attempts"
        " an account rests for %(minutes)s minutes; an administrator can help."
    )

    def __init__(self, rule: "LockRule") -> None:
        super().__init__(failures=rule.failures, minutes=rule.minutes)


class CodeNotTaken(NotLetIn):
    """Wrong name or one-time code, used or too old, or the account rests: one answer."""

    code = "code_not_taken"
    message = N_(
        "You were not let in. Check the username and the code: it counts once, and for 24 hours."
        " After %(failures)s wrong attempts an account rests for %(minutes)s minutes; an"
        " administrator can give you a new code."
    )


class WrongPassword(InvalidInput):
    """Whoever sits at the browser does not know the account's password."""

    code = "wrong_password"
    message = N_("This is not your old password.")
    field = "old_password"


class Resting(InvalidInput):
    """Too many wrong passwords or codes in a row."""

    code = "resting"
    message = N_("Too many wrong attempts. Wait %(minutes)s minutes, then try again.")

    def __init__(self, rule: "LockRule") -> None:
        super().__init__(minutes=rule.minutes)


@dataclass(frozen=True, slots=True)
class LockRule:
    """After how many wrong attempts in a row an account rests, and how many minutes."""

    failures: int
    minutes: int


def by_password(
    session: Session,
    actor: Actor,
    name: str,
    password: str,
    *,
    rule: LockRule,
    matches: Matches,
    hash_password: Callable[[str], str],
) -> OfficeUser:
    """Find whose name and password these are; a second factor may still be asked for.

    Args:
        session: Outside any transaction but one that only read.
        actor: Nobody yet; says from where.
        name: Username or e-mail address, in capitals or not.
        password: As typed.
        rule: When the account rests.
        matches: Compares password and hash.
        hash_password: Makes the hash that is compared where there is no such user.

    Raises:
        NotLetIn: They are nobody's, or the account rests or is suspended.
    """
    user = _find(session, name)
    end_reading(session)  # no transaction stays open while the password is hashed
    known = user.password if user is not None else NO_PASSWORD
    # where there is no hash, one of nobody's is compared: the time taken must not tell
    hashed = known not in {NO_PASSWORD, FORGOTTEN}
    right = matches(known if hashed else _nobodys(hash_password), password)
    if user is not None:
        _look_again(session, user)  # others may have tried meanwhile
    if user is None or not right:
        note_failure(session, actor, user, rule)
        raise NotLetIn(rule)
    if user.state_at(now_utc()) is not UserState.ACTIVE:
        with atomic(session):
            audit.record(session, actor, "user.sign_in_failed", "user", user.id,
                         why=user.state_at(now_utc()))  # fmt: skip
        raise NotLetIn(rule)
    return user


def check_own(
    session: Session, actor: Actor, password: str, *, rule: LockRule, matches: Matches
) -> OfficeUser:
    """Ask the person at the browser for the own password, before what a thief would do first.

    Raises:
        WrongPassword: It is another; the attempt counts as one to sign in.
        Resting: There were too many.
    """
    assert actor.user_id is not None
    with unscoped(COMING):
        user = session.get_one(OfficeUser, actor.user_id)
    end_reading(session)
    right = matches(user.password, password)
    _look_again(session, user)
    if user.state_at(now_utc()) is UserState.LOCKED:
        raise Resting(rule)
    if not right:
        note_failure(session, actor, user, rule)
        raise WrongPassword
    return user


def by_code(
    session: Session,
    actor: Actor,
    name: str,
    code: str,
    *,
    key: bytes,
    password: str,
    hash_password: Callable[[str], str],
    rule: LockRule,
    utility: str,
) -> OfficeUser:
    """Take a one-time code for the forgotten password, and put the new one in its place.

    Neither the names of the person nor that of the ``utility`` will do as the new one.

    Raises:
        WeakPassword: The code is right and stays good; the password is guessed too soon.
        CodeNotTaken: The code is not this user's, was used, is too old, or the account rests.
    """
    user = _find(session, name)
    now = now_utc()
    fits = (
        user is not None
        and user.code_hash is not None
        and user.code_until is not None
        and user.code_until > now
        and user.state_at(now) is UserState.ACTIVE
        and sealing.same(user.code_hash.encode(), hashed_code(key, user.id, code).encode())
    )
    if user is None or not fits:
        note_failure(session, actor, user, rule)
        raise CodeNotTaken(rule)
    known = (user.username, user.first_name, user.last_name, user.email, utility)
    check_strength(password, known)
    hashed = hash_password(password)
    with unscoped(COMING), atomic(session):
        used = rows_changed(
            session,
            update(OfficeUser)
            .where(OfficeUser.id == user.id, OfficeUser.code_hash == user.code_hash)
            .values(code_hash=None, code_until=None),
        )
        if not used:
            raise CodeNotTaken(rule)
        user.code_hash = user.code_until = None
        user.password, user.must_change_password = hashed, False
        audit.record(session, as_person(actor, user), "user.password_chosen", "user", user.id)
    return user


def note_half_way(session: Session, actor: Actor, user: OfficeUser) -> None:
    """Write down that somebody gave the right password and owes the second step."""
    with unscoped(COMING), atomic(session):
        audit.record(session, actor, "user.second_step_asked", "user", user.id)


def admit(session: Session, actor: Actor, user: OfficeUser) -> None:
    """Write down that somebody came in, in a browser or for a bearer."""
    with unscoped(COMING), atomic(session):
        user.login_count = (user.login_count or 0) + 1
        user.last_login = now_utc().astimezone().replace(tzinfo=None)  # as the framework keeps it
        user.fail_login_count = 0
        audit.record(session, as_person(actor, user), "user.signed_in", "user", user.id)


def note_failure(session: Session, actor: Actor, user: OfficeUser | None, rule: LockRule) -> None:
    """Count a wrong password or code, and let the account rest when there were too many.

    The name typed is not kept: it may be a password, typed into the wrong field. While the
    account rests nothing is counted, so nobody can keep it shut for ever.
    """
    with unscoped(COMING), atomic(session):
        audit.record(session, actor, "user.sign_in_failed", "user", user.id if user else None)
        if user is None:
            return
        now = now_utc()
        count = func.coalesce(OfficeUser.fail_login_count, 0) + 1
        rests = update(OfficeUser).where(
            OfficeUser.id == user.id,
            or_(OfficeUser.locked_until.is_(None), OfficeUser.locked_until <= now),
        )
        until = now + timedelta(minutes=rule.minutes)
        rows_changed(
            session,
            rests.values(
                fail_login_count=count,
                locked_until=case((count % rule.failures == 0, until), else_=None),
            ),
        )
        session.refresh(user, ["fail_login_count", "locked_until"])
        if user.locked_until == until:
            audit.record(session, actor, "user.locked", "user", user.id, until=until.isoformat())


def still_coming(session: Session, user_id: int, epoch: int) -> OfficeUser | None:
    """Fetch whoever gave the right password a moment ago, if all is as it was then."""
    with unscoped(COMING):
        user = session.get(OfficeUser, user_id)
    if user is None or user.session_epoch != epoch:
        return None
    return user if user.state_at(now_utc()) is UserState.ACTIVE else None


def _find(session: Session, name: str) -> OfficeUser | None:
    typed = name.lower()
    matching = or_(func.lower(OfficeUser.username) == typed, func.lower(OfficeUser.email) == typed)
    with unscoped(COMING):
        found = select(OfficeUser).where(matching).options(joinedload(OfficeUser.region))
        return session.scalars(found.order_by(OfficeUser.id).limit(1)).unique().first()


def _look_again(session: Session, user: OfficeUser) -> None:
    """Read whether the account rests or is suspended as it is now."""
    with unscoped(COMING):
        session.refresh(user, ["active", "locked_until"])
    end_reading(session)


@cache
def _nobodys(hash_password: Callable[[str], str]) -> str:
    """A hash to compare with where there is no user: the time taken must not tell."""
    return hash_password("nobody's")

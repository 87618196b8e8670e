"""Bearers of programs: made, shown once, withdrawn; and who shows one.

An account is a person's or a program's. A program's never had a password, so that nobody signs
in to pages with it, and nobody's own name stands under what a program did: where an account
gets a password, its bearers count no more, and it is a person's for ever.
"""

import logging
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Select, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import Bearer, BearerScope, BearerState, OfficeUser
from vmsapp.models.bearer import hash_of
from vmsapp.models.user_session import SEEN_EVERY
from vmsapp.scope import Actor, unscoped
from vmsapp.security import ADMINISTRATORS, NAME_LENGTH, sight_of
from vmsapp.security.held import as_permissions, held_as_text
from vmsapp.services import audit, users
from vmsapp.services.sign_in import NO_PASSWORD
from vmsapp.statements import made_once

log = logging.getLogger(__name__)

PREFIX: Final = "vms_"
"""How every bearer begins: who looks for leaked ones finds them by it."""

MARK_BYTES: Final = 4
SECRET_BYTES: Final = 32
LONGEST: Final = 80
NAME_LONGEST: Final = 60

MOST: Final = 10
"""Bearers of an account that count at once: two while one follows the other, a few for parts."""

LONGEST_LIFE: Final = timedelta(days=731)


class NameMissing(InvalidInput):
    """A bearer without a name is not found again when it must be withdrawn."""

    code = "bearer_name_missing"
    message = N_("Say what it is for, in at most %(longest)s characters.")
    field = "name"

    def __init__(self) -> None:
        super().__init__(longest=NAME_LONGEST)


class ScopesMissing(InvalidInput):
    """A bearer that may do nothing is of no use."""

    code = "bearer_scopes_missing"
    message = N_("Choose at least one thing that it may do.")
    field = "scopes"


class LastDayWrong(InvalidInput):
    """No day, one that is over, or one too far away."""

    code = "bearer_last_day"
    message = N_("Choose its last day: today or later, and not beyond %(latest)s.")
    field = "last_day"

    def __init__(self, *, latest: date) -> None:
        super().__init__(latest=latest)


class AccountOfPerson(Refused):
    """Somebody signs in with that account, or once did."""

    code = "account_of_person"
    message = N_(
        "Somebody signs in with this account. Add an account without a password for the program:"
        " people and programs are told apart by it."
    )


class AccountOfAdministrator(Refused):
    """What a program may do is little, and a group's that was made for it."""

    code = "account_of_administrator"
    message = N_("No program works as an administrator. Put the account into a narrower group.")


class TooManyBearers(Refused):
    """Nobody keeps track of so many."""

    code = "too_many_bearers"
    message = N_("This account has %(most)s bearers that count. Withdraw one first.")

    def __init__(self) -> None:
        super().__init__(most=MOST)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a bearer is to be.

    Attributes:
        name: What it is for.
        scopes: What it may do.
        last_day: In the utility's zone; it counts to its end.
    """

    name: str
    scopes: Collection[BearerScope]
    last_day: date | None


@dataclass(frozen=True, slots=True)
class MadeBearer:
    """A new bearer; ``text`` is shown once, to whoever made it."""

    id: int
    name: str
    text: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"MadeBearer(id={self.id})"


@dataclass(frozen=True, slots=True)
class Client:
    """The program that asks.

    Attributes:
        actor: Its account, with what the account sees and may do.
        scopes: What this bearer may be used for.
        notes_use: It is time to write down that it was used.
    """

    bearer_id: int
    actor: Actor
    scopes: frozenset[BearerScope]
    expires_at: datetime
    notes_use: bool


def bearers_of(session: Session, actor: Actor, user_id: int) -> tuple[OfficeUser, list[Bearer]]:
    """List the bearers of an account, the newest first.

    Raises:
        NotFound, OwnAccountHere, MayDoMore: The account is not one the asker looks after.
    """
    user = users.other(session, actor, user_id)
    rows = session.scalars(
        select(Bearer).where(Bearer.user_id == user_id).order_by(Bearer.id.desc()).limit(200)
    )
    return user, list(rows)


def make(session: Session, actor: Actor, user_id: int, wish: Wish, zone: str) -> MadeBearer:
    """Make a bearer for an account that never had a password; its one-time code counts no more.

    Args:
        session: Outside any transaction, or inside the caller's.
        actor: Who makes it.
        user_id: Whose it is.
        wish: What it is to be.
        zone: The utility's.

    Raises:
        NameMissing, ScopesMissing, LastDayWrong: Something is to be put right.
        AccountOfPerson, AccountOfAdministrator, TooManyBearers: This account gets none.
        NotFound, OwnAccountHere, MayDoMore: The account is not one the asker looks after.
    """
    now = now_utc()
    name, expires_at = wish.name.strip(), _end_of(wish.last_day, now, zone)
    if not name or len(name) > NAME_LONGEST:
        raise NameMissing
    if not wish.scopes:
        raise ScopesMissing
    mark = PREFIX + secrets.token_hex(MARK_BYTES)
    text = f"{mark}_{secrets.token_urlsafe(SECRET_BYTES)}"
    with atomic(session):
        user = users.other(session, actor, user_id)
        check_account(session, user)
        user.code_hash = user.code_until = None
        row = Bearer(
            user_id=user.id, name=name, mark=mark, bearer_hash=hash_of(text),
            scopes=" ".join(one for one in BearerScope if one in wish.scopes),
            made_at=now, made_by_id=actor.user_id, expires_at=expires_at,
        )  # fmt: skip
        session.add(row)
        session.flush()
        audit.record(
            session, actor, "bearer.made", "user", user.id, bearer_id=row.id, mark=mark, name=name,
            scopes=row.scopes, expires_at=expires_at.isoformat(),
        )  # fmt: skip
    return MadeBearer(row.id, name, text, expires_at)


def withdraw(session: Session, actor: Actor, user_id: int, bearer_id: int) -> None:
    """Let a bearer count no more; one that was withdrawn before stays so.

    Raises:
        NotFound: The account has none of that number.
        OwnAccountHere, MayDoMore: The account is not one the asker looks after.
    """
    with atomic(session):
        user = users.other(session, actor, user_id)
        mine = select(Bearer).where(Bearer.id == bearer_id, Bearer.user_id == user.id)
        row = session.scalars(mine).one_or_none()
        if row is None:
            raise NotFound
        if row.withdrawn_at is not None:
            return
        row.withdrawn_at, row.withdrawn_by_id = now_utc(), actor.user_id
        audit.record(
            session, actor, "bearer.withdrawn", "user", user.id, bearer_id=row.id, mark=row.mark
        )


def client_of(session: Session, text: str, address: str | None) -> Client | None:
    """Find whose bearer it is; nobody's if it does not count.

    That an account rests after wrong passwords does not matter: it has none, and whoever
    knows its name could keep it resting.
    """
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        return None
    now = now_utc()
    with unscoped("the scope is not known before the bearer is"):
        found = session.execute(_shown(), {"bearer_hash": hash_of(text)}).unique().one_or_none()
    if found is None:
        return None
    row, user, held = found
    if row.state_at(now) is not BearerState.VALID:
        return None
    if not user.active or _is_person(user):
        return None
    permissions = as_permissions(held) if held else frozenset()
    return Client(
        bearer_id=row.id,
        actor=Actor(user.id, user.username[:NAME_LENGTH], sight_of(user), permissions, address),
        scopes=row.all_scopes,
        expires_at=row.expires_at,
        notes_use=row.used_at is None or now - row.used_at >= SEEN_EVERY,
    )


@made_once
def _shown() -> Select[Bearer, OfficeUser, str | None]:
    return (
        select(Bearer, OfficeUser, held_as_text())
        .join(OfficeUser, OfficeUser.id == Bearer.user_id)
        .where(Bearer.bearer_hash == bindparam("bearer_hash"))
        .options(joinedload(OfficeUser.region))
        .execution_options(populate_existing=True)
    )


def note_use(engine: Engine, bearer_id: int) -> None:
    """Write down that a bearer was used, in a short transaction of its own."""
    try:
        with unscoped("the last use of a bearer"), Session(engine) as own, atomic(own):
            own.execute(update(Bearer).where(Bearer.id == bearer_id).values(used_at=now_utc()))
    except SQLAlchemyError:
        log.warning("the last use of bearer %s was not noted", bearer_id, exc_info=True)


def _end_of(last_day: date | None, now: datetime, zone: str) -> datetime:
    """The first moment after a bearer's last day."""
    today = business_day(now, zone)
    latest = today + LONGEST_LIFE
    if last_day is None or not today <= last_day <= latest:
        raise LastDayWrong(latest=latest)
    after = datetime.combine(last_day + timedelta(days=1), time(0), ZoneInfo(zone))
    return after.astimezone(UTC)


def check_account(session: Session, user: OfficeUser) -> None:
    """See whether a bearer can be made for an account.

    Raises:
        AccountOfPerson, AccountOfAdministrator, TooManyBearers: This account gets none.
    """
    if _is_person(user):
        raise AccountOfPerson
    if ADMINISTRATORS in {group.ready_made for group in user.roles}:
        raise AccountOfAdministrator
    if len(session.scalars(Bearer.counting(user.id, now_utc())).all()) >= MOST:
        raise TooManyBearers


def _is_person(user: OfficeUser) -> bool:
    """Tell whether anybody has, or ever had, a way in with the account.

    The password alone tells of every account whose code was handed out by this version. Before,
    a code left no trace of the password; that somebody signed in, was told to choose a password
    or set a second factor up did. A wrong password tells nothing: anybody may type one.
    """
    return (
        user.password != NO_PASSWORD
        or bool(user.login_count)
        or user.last_login is not None
        or user.must_change_password
        or user.totp_secret is not None
    )


SCOPE_WORDS: Final[dict[BearerScope, str]] = {
    BearerScope.METERS_READ: N_("Look meters up"),
    BearerScope.QUOTES_READ: N_("Ask for prices"),
    BearerScope.SALES_WRITE: N_("Sell"),
    BearerScope.SALES_READ: N_("See sales"),
    BearerScope.TOKENS_READ: N_("See the digits of tokens"),
}
"""What each scope is called for people."""


def scopes_from(codes: Sequence[str]) -> frozenset[BearerScope]:
    """Read the scopes that were ticked; unknown ones are left out."""
    return frozenset(one for one in BearerScope if one.value in codes)

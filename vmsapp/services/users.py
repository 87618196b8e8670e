"""Accounts: making them, their places and states, and codes for a forgotten password."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import Bearer, OfficeUser, Region, UserState, VendingPoint
from vmsapp.models.user import Role
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit, reach
from vmsapp.services.second_factor import hashed_code, new_code, written_code
from vmsapp.services.sign_in import FORGOTTEN, NO_PASSWORD

UPPER: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LOWER: Final = "abcdefghijkmnpqrstuvwxyz"
DIGITS: Final = "23456789"
PARTS: Final = (UPPER, LOWER, LOWER, LOWER, DIGITS, DIGITS)
"""Letters and digits that are not taken for one another; a group as it is typed."""

CODE_LIVES: Final = timedelta(hours=24)
"""How long a one-time code can be used."""

HashPassword = Callable[[str], str]


class UnknownUser(NotFound):
    """No account of that name."""

    code = "unknown_user"
    message = N_("There is no user “%(username)s”.")

    def __init__(self, *, username: str) -> None:
        super().__init__(username=username)


class PointElsewhere(InvalidInput):
    """The vending point lies outside the user's region, so the user could never sell there."""

    code = "point_elsewhere"
    message = N_("“%(point)s” does not lie in the region “%(region)s”. Choose another of the two.")
    field = "vending_point"

    def __init__(self, *, point: str, region: str) -> None:
        super().__init__(point=point, region=region)


class RegionMissing(InvalidInput):
    """Without a region nothing would be seen."""

    code = "region_missing"
    message = N_("Without a region this person would see nothing. Choose one.")
    field = "region"


class OwnAccountHere(InvalidInput):
    """What one does to others is not done to oneself."""

    code = "own_account_here"
    message = N_("This is your own account. Use the menu at the top of the page.")


class AccountOfProgram(Refused):
    """A program works under that account: who signed in to it would work in the program's name."""

    code = "account_of_program"
    message = N_(
        "A program uses this account: it has bearers that count. Add an account for the person,"
        " or withdraw the bearers first."
    )


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """What an administrator hands out in the place of a forgotten password.

    The code is shown once, to whoever made it.
    """

    username: str
    code: str
    until: datetime

    def __repr__(self) -> str:
        return f"OneTimeCode(username={self.username!r}, until={self.until!r})"


@dataclass(frozen=True, slots=True)
class Account:
    """A new account and the password it was given.

    The password is shown once, to whoever made the account.
    """

    username: str
    password: str
    group: str

    def __repr__(self) -> str:
        return f"Account(username={self.username!r}, group={self.group!r})"


def random_password() -> str:
    """Make a password of 18 letters and digits in three groups: about 92 bits."""
    groups = ("".join(secrets.choice(part) for part in PARTS) for _ in range(3))
    return "-".join(groups)


def add_user(
    session: Session,
    actor: Actor,
    *,
    username: str,
    first_name: str,
    last_name: str,
    group: str,
    hash_password: HashPassword,
    region_id: int | None = None,
    vending_point_id: int | None = None,
    all_regions: bool = False,
    must_change: bool = False,
) -> Account:
    """Add a user with a random password, inside the caller's transaction."""
    password = random_password()
    user = OfficeUser(
        username=username,
        first_name=first_name,
        last_name=last_name,
        email=f"{username}@localhost",
        active=True,
        password=hash_password(password),
        region_id=region_id,
        vending_point_id=vending_point_id,
        all_regions=all_regions,
        must_change_password=must_change,
    )
    user.roles = [session.scalars(select(Role).where(Role.name == group)).one()]
    session.add(user)
    session.flush()
    audit.record(session, actor, "user.added", "user", user.id, username=username, group=group)
    return Account(username, password, group)


def new_password(
    session: Session, actor: Actor, *, username: str, hash_password: HashPassword
) -> Account:
    """Replace a user's password by a random one.

    Raises:
        UnknownUser: There is no such user.
    """
    password = random_password()
    with atomic(session):
        user = named(session, username)
        user.password, user.must_change_password = hash_password(password), True
        user.locked_until = None
        audit.record(session, actor, "user.password_reset", "user", user.id)
        return Account(username, password, ", ".join(role.name for role in user.roles))


def named(session: Session, username: str) -> OfficeUser:
    """Find an account by its name, with its user groups.

    Raises:
        UnknownUser: There is no such user.
    """
    user = session.scalars(
        select(OfficeUser)
        .where(OfficeUser.username == username)
        .options(selectinload(OfficeUser.roles))
    ).first()
    if user is None:
        raise UnknownUser(username=username)
    return user


def give_code(session: Session, actor: Actor, user_id: int, key: bytes) -> OneTimeCode:
    """Make a one-time code with which somebody chooses a new password.

    The old password counts no more and all sessions end: a code is handed out when the
    password is forgotten, or when somebody else may know it. The lock ends, too. That there
    was a password stays to be read: the account is a person's for ever.

    Raises:
        AccountOfProgram: A program shows a bearer of it.
        NotFound, OwnAccountHere, MayDoMore: See ``other``.
    """
    code, until = new_code(), now_utc() + CODE_LIVES
    with atomic(session):
        user = other(session, actor, user_id)
        if session.scalars(Bearer.counting(user.id, now_utc()).limit(1)).first() is not None:
            raise AccountOfProgram
        user.code_hash, user.code_until = hashed_code(key, user.id, code), until
        if user.password != NO_PASSWORD:
            user.password = FORGOTTEN
        user.locked_until = None
        audit.record(session, actor, "user.code_given", "user", user.id, until=until.isoformat())
        return OneTimeCode(user.username, written_code(code), until)


def other(session: Session, actor: Actor, user_id: int) -> OfficeUser:
    """Fetch somebody else whom the asker sees, and who may do no more than the asker.

    Raises:
        NotFound: Nobody there, as far as the asker sees.
        OwnAccountHere: It is the asker.
        MayDoMore: The other may do more.
    """
    if user_id == actor.user_id:
        raise OwnAccountHere
    user = session.scalars(select(OfficeUser).where(OfficeUser.id == user_id)).first()
    if user is None:
        raise NotFound
    reach.check_reach(session, actor, [user_id])
    return user


def suspend(session: Session, actor: Actor, user_ids: Sequence[int]) -> int:
    """Let people sign in no more, and end their sessions; never the asker's own.

    Returns:
        How many were not suspended until now.

    Raises:
        LastAdministrator: No active administrator would be left.
        MayDoMore: One of them may do more than the asker.
    """
    with reach.an_administrator_stays(session):
        reach.check_reach(session, actor, user_ids)
        wanted = select(OfficeUser).where(
            OfficeUser.id.in_(user_ids), OfficeUser.active, OfficeUser.id != actor.user_id
        )
        users = session.scalars(wanted).all()
        for user in users:
            user.active = False
            audit.record(session, actor, "user.suspended", "user", user.id)
        return len(users)


def activate(session: Session, actor: Actor, user_ids: Sequence[int]) -> int:
    """Let people sign in again: the suspended, and those whose account rests.

    Returns:
        How many could not sign in until now.

    Raises:
        MayDoMore: One of them may do more than the asker.
    """
    now = now_utc()
    with atomic(session):
        reach.check_reach(session, actor, user_ids)
        wanted = select(OfficeUser).where(
            OfficeUser.id.in_(user_ids), OfficeUser.state_in_sql(now) != UserState.ACTIVE
        )
        users = session.scalars(wanted).all()
        for user in users:
            action = "user.unlocked" if user.active else "user.activated"
            user.active, user.locked_until = True, None
            audit.record(session, actor, action, "user", user.id)
        return len(users)


def check_place(session: Session, user: OfficeUser) -> None:
    """See to it that a vending point lies in its user's region.

    Raises:
        RegionMissing: There is a point or a scope, but no region.
        PointElsewhere: It lies elsewhere.
    """
    if user.all_regions:
        return
    with session.no_autoflush:
        region = session.get(Region, user.region_id) if user.region_id else None
        if region is None:
            raise RegionMissing
        if user.vending_point_id is None:
            return
        found = session.execute(
            select(VendingPoint.name, Region.path)
            .join(Region, Region.id == VendingPoint.region_id)
            .where(VendingPoint.id == user.vending_point_id)
        ).first()
    if found is not None and not found[1].startswith(region.path):
        raise PointElsewhere(point=found[0], region=region.name)


def names_taken(session: Session, username: str, email: str, but: int | None) -> set[str]:
    """Tell which of a name and an address, in small letters, another account has as either."""
    wanted = {username.lower(), email.lower()}
    names, addresses = func.lower(OfficeUser.username), func.lower(OfficeUser.email)
    found = select(names, addresses).where(
        or_(names.in_(wanted), addresses.in_(wanted)), OfficeUser.id != (but or 0)
    )
    with unscoped("a name that must be unique is taken wherever its account is"):
        return {text for row in session.execute(found) for text in row} & wanted

"""Accounts: making them, and passwords that people can type."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from vmsapp.errors import N_, NotFound
from vmsapp.extensions import atomic
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import Actor
from vmsapp.services import audit, reach

UPPER: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LOWER: Final = "abcdefghijkmnpqrstuvwxyz"
DIGITS: Final = "23456789"
PARTS: Final = (UPPER, LOWER, LOWER, LOWER, DIGITS, DIGITS)
"""Letters and digits that are not taken for one another; a group as it is typed."""

HashPassword = Callable[[str], str]


class UnknownUser(NotFound):
    """No account of that name."""

    code = "unknown_user"
    message = N_("There is no user %(username)s.")

    def __init__(self, *, username: str) -> None:
        super().__init__(username=username)


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
        user = session.scalars(
            select(OfficeUser)
            .where(OfficeUser.username == username)
            .options(selectinload(OfficeUser.roles))
        ).first()
        if user is None:
            raise UnknownUser(username=username)
        user.password = hash_password(password)
        audit.record(session, actor, "user.password_reset", "user", user.id)
        return Account(username, password, ", ".join(role.name for role in user.roles))


def deactivate(session: Session, actor: Actor, user_ids: Sequence[int]) -> int:
    """Let people sign in no more, and end their sessions; never the asker's own.

    Returns:
        How many were active until now.

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
            audit.record(session, actor, "user.deactivated", "user", user.id)
        return len(users)


def names_taken(session: Session, username: str, email: str, but: int | None) -> set[str]:
    """Tell which of a name and an address, in small letters, another account has as either."""
    wanted = {username.lower(), email.lower()}
    names, addresses = func.lower(OfficeUser.username), func.lower(OfficeUser.email)
    found = select(names, addresses).where(
        or_(names.in_(wanted), addresses.in_(wanted)), OfficeUser.id != (but or 0)
    )
    return {text for row in session.execute(found) for text in row} & wanted

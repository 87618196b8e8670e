"""How far somebody's permissions reach: over which groups and accounts, and who must stay.

Nobody gives a group more than the own groups permit, puts people into one that permits more,
or acts on the account of somebody who may do more; administrators apart, of whom one stays.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from flask_appbuilder.security.sqla.models import assoc_user_role
from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, NotAllowed, Refused
from vmsapp.extensions import atomic
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import Actor, unscoped
from vmsapp.security.groups import ADMINISTRATORS
from vmsapp.security.held import holder, permissions_held
from vmsapp.security.matrix import Cell, permissions_of
from vmsapp.security.permissions import EVERYBODY, Permission
from vmsapp.services.rows import hold

Own = frozenset[Permission] | None
"""What the asker may do; ``None`` is everything."""


class MoreThanOwn(NotAllowed):
    """A group was to be given what the asker may not do."""

    code = "more_than_own"
    message = N_("You can give no more than you may do yourself. Ask an administrator.")


class MayDoMore(NotAllowed):
    """The account is of somebody whose groups permit more than the asker's."""

    code = "may_do_more"
    message = N_("This person may do more than you. Ask an administrator.")


class LastAdministrator(Refused):
    """Nobody would be left to let others in."""

    code = "last_administrator"
    message = N_("At least one active administrator must stay, or nobody could let others in.")


@contextmanager
def one_by_one(session: Session) -> Iterator[None]:
    """Let one change of groups, or of who is in them, follow the other: the outermost lock."""
    with atomic(session):
        hold(session, select(Role.id).where(Role.ready_made == ADMINISTRATORS).with_for_update())
        yield


def own_permissions(session: Session, actor: Actor) -> Own:
    """Read what the asker may do, and so give to others; ``None`` is everything."""
    if actor.user_id is None:
        return None
    link = assoc_user_role.c
    groups = session.execute(
        select(Role.id, Role.ready_made)
        .join(assoc_user_role, link.role_id == Role.id)
        .where(link.user_id == actor.user_id)
    ).all()
    if any(ready_made == ADMINISTRATORS for _, ready_made in groups):
        return None
    ids = [group_id for group_id, _ in groups]
    return frozenset(permissions_held(session, holder.in_(ids)))


def may_give(cell: Cell, own: Own) -> bool:
    """Tell whether somebody with these permissions may give a cell."""
    return own is None or permissions_of(cell.key) <= own


def check_hand_out(session: Session, actor: Actor, group_ids: Iterable[int]) -> None:
    """Refuse to put somebody into a group that permits more than the asker's own.

    Raises:
        MoreThanOwn: One of them does.
    """
    if _exceed(session, actor, list(group_ids)):
        raise MoreThanOwn


def check_reach(session: Session, actor: Actor, user_ids: Iterable[int]) -> None:
    """Refuse to act on the account of somebody who may do more: it would be a way to do it, too.

    Raises:
        MayDoMore: One of them may.
    """
    link = assoc_user_role.c
    groups = select(link.role_id).where(link.user_id.in_(list(user_ids))).distinct()
    if _exceed(session, actor, session.scalars(groups).all()):
        raise MayDoMore


@contextmanager
def an_administrator_stays(session: Session) -> Iterator[None]:
    """Refuse what the block did to users if no active administrator is left.

    Raises:
        LastAdministrator: None is.
    """
    with one_by_one(session):
        before = _administrators(session)
        yield
        session.flush()
        if before and not _administrators(session):
            raise LastAdministrator


def _exceed(session: Session, actor: Actor, group_ids: Sequence[int]) -> bool:
    """Tell whether groups permit more than the asker's own."""
    own = own_permissions(session, actor)
    if own is None or not group_ids:
        return False
    administrators = select(Role.id).where(
        Role.id.in_(group_ids), Role.ready_made == ADMINISTRATORS
    )
    more = permissions_held(session, holder.in_(group_ids)).keys() - own - EVERYBODY
    return bool(more) or session.scalar(administrators) is not None


def _administrators(session: Session) -> bool:
    link = assoc_user_role.c
    active = (
        select(OfficeUser.id)
        .join(assoc_user_role, link.user_id == OfficeUser.id)
        .join(Role, Role.id == link.role_id)
        .where(OfficeUser.active, Role.ready_made == ADMINISTRATORS)
    )
    with unscoped("an administrator counts wherever the asker may look"):
        return session.scalar(active.limit(1)) is not None

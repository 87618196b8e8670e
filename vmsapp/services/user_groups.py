"""User groups: made, changed, put back and deleted.

Saving changes what was on the page and nothing else; the administrators' group stays as it is.
Who is bound to a region changes only groups that reach nobody beyond it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask_appbuilder.security.sqla.models import assoc_permissionview_role, assoc_user_role
from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, NotAllowed, NotFound, Refused
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import Actor, current_sight
from vmsapp.security.groups import ADMINISTRATORS, NOBODY, READY_MADE
from vmsapp.security.held import holder, permissions_held, rows_of
from vmsapp.security.matrix import (
    CELLS,
    DECLARED,
    Cell,
    permissions_of,
    state_of,
)
from vmsapp.security.permissions import Permission
from vmsapp.services import audit
from vmsapp.services.reach import MoreThanOwn, Own, may_give, one_by_one, own_permissions

Held = Mapping[Permission, int]
"""The permissions of a group, each with the id of its row."""

LEVELS: Final = ("none", "some", "all")


class GroupNameTaken(InvalidInput):
    """Two groups cannot be told apart by capital letters."""

    code = "group_name_taken"
    message = N_("Another user group is called that already. Choose another name.")
    field = "name"


class AdministratorsStay(Refused):
    """The group that may do everything is neither changed nor deleted."""

    code = "administrators_stay"
    message = N_("The administrators may do everything; their group cannot be changed.")


class GroupOfOthers(NotAllowed):
    """A change would reach people outside the asker's region."""

    code = "group_of_others"
    message = N_(
        "You cannot change this group: it came with the product, or people outside your region are"
        " in it, and what it may do would change for them, too. Ask an administrator who sees all"
        " regions, or make a copy for your own people."
    )


class ReadyMadeStays(Refused):
    """A group that comes with the product is not deleted."""

    code = "ready_made_stays"
    message = N_("This group comes with the product and stays. Take its permissions instead.")


class GroupInUse(Refused):
    """There are people in it."""

    code = "group_in_use"
    message = N_("There are people in this group. Put them into another one first.")


@dataclass(frozen=True, slots=True)
class Wish:
    """A group as it shall be.

    Attributes:
        name: As typed; a ready-made group's own name is stored as delivered.
        description: What it is for; ``None`` for what a ready-made group is delivered with.
        chosen: Keys of the cells it shall hold.
        kept: Keys of cells of which it shall keep the part it has.
    """

    name: str
    description: str | None
    chosen: frozenset[str]
    kept: frozenset[str] = frozenset()


def add(session: Session, actor: Actor, wish: Wish) -> Role:
    """Make a group.

    Raises:
        GroupNameTaken: Another one is called that.
        MoreThanOwn: The asker may not do all that.
    """
    with one_by_one(session):
        _check_name(session, wish.name, None)
        role = Role(name=wish.name, description=wish.description)
        session.add(role)
        session.flush()
        given, _ = _set(
            session, role, permissions_of(*wish.chosen), {}, own_permissions(session, actor)
        )
        _note(session, actor, "added", role, given=given)
        return role


def change(session: Session, actor: Actor, group_id: int, wish: Wish) -> Role:
    """Change what a group is called, is for, and may do, as far as the matrix says.

    Raises:
        NotFound: There is no such group.
        AdministratorsStay: It is the administrators'.
        GroupOfOthers: It reaches beyond the asker's region.
        GroupNameTaken: Another one is called that.
        MoreThanOwn: It would be given what the asker may not do.
    """
    with one_by_one(session):
        role = _changeable(session, actor, group_id)
        _check_name(session, wish.name, role.id)
        held = held_by(session, role.id)
        before = {"name": role.name, "description": role.description}
        role.name, role.description = wish.name, wish.description
        own = own_permissions(session, actor)
        given, taken = _set(session, role, _wanted(wish, held, own), held, own)
        _note(session, actor, "changed", role, given=given, taken=taken, before=before)
        return role


def put_back(session: Session, actor: Actor, group_id: int) -> Role:
    """Make a ready-made group what it was when it was delivered.

    Raises:
        NotFound: There is no such group, or it did not come with the product.
        AdministratorsStay, GroupOfOthers, GroupNameTaken, MoreThanOwn: As for a change.
    """
    with one_by_one(session):
        role = _changeable(session, actor, group_id)
        if role.ready_made is None:
            raise NotFound
        delivered = READY_MADE[role.ready_made]
        return change(session, actor, group_id, Wish(role.ready_made, None, delivered.cells))


def delete(session: Session, actor: Actor, group_id: int) -> str:
    """Delete a group nobody is in.

    Returns:
        What it was called.

    Raises:
        NotFound: There is no such group.
        AdministratorsStay, ReadyMadeStays: It came with the product.
        GroupOfOthers: It reaches beyond the asker's region.
        GroupInUse: There are people in it, be they seen or not.
    """
    with one_by_one(session):
        role = _changeable(session, actor, group_id)
        if role.ready_made:
            raise ReadyMadeStays
        link = assoc_user_role.c
        if session.scalar(select(func.count()).where(link.role_id == role.id)):
            raise GroupInUse
        name, held = str(role.name), held_by(session, role.id)
        _, taken = _set(session, role, frozenset(), held, None)
        session.delete(role)
        _note(session, actor, "deleted", role, taken=taken)
        return name


def held_by(session: Session, group_id: int) -> dict[Permission, int]:
    """Read what a group may do."""
    return permissions_held(session, holder == group_id)


def of_others(session: Session, actor: Actor) -> set[int]:
    """List the groups that the asker does not change: ready-made, or with people he does not see.

    Who sees everything may change every group.
    """
    if actor.sight.everything:
        return set()
    link, seen = assoc_user_role.c, people_counts(session)
    everybody = (
        select(Role.id, Role.ready_made, func.count(link.user_id))
        .outerjoin(assoc_user_role, link.role_id == Role.id)
        .group_by(Role.id, Role.ready_made)
    )
    return {
        group_id
        for group_id, ready_made, count in session.execute(everybody)
        if ready_made is not None or count > seen.get(group_id, 0)
    }


def people_counts(session: Session) -> dict[int, int]:
    """Count the people of each group, as far as the asker sees them."""
    link = assoc_user_role.c
    statement = (
        select(link.role_id, func.count())
        .select_from(OfficeUser)
        .join(assoc_user_role, link.user_id == OfficeUser.id)
        .group_by(link.role_id)
    )
    if not current_sight().everything:
        statement = statement.join(OfficeUser.region)  # whose scope narrows it
    return dict(session.execute(statement).all())


def people_of(session: Session, group_id: int, most: int) -> list[OfficeUser]:
    """List the people of a group, as far as the asker sees them."""
    link = assoc_user_role.c
    statement = (
        select(OfficeUser)
        .join(assoc_user_role, link.user_id == OfficeUser.id)
        .where(link.role_id == group_id)
        .order_by(OfficeUser.username)
        .limit(most)
    )
    if not current_sight().everything:
        statement = statement.join(OfficeUser.region)
    return list(session.scalars(statement))


def _wanted(wish: Wish, held: Held, own: Own) -> frozenset[Permission]:
    """Put together what a group shall hold: what was chosen, and what was not on the page.

    Cells that the asker may not give stay as they are, like those of which a part is kept.
    """
    wanted = permissions_of(*wish.chosen) | (held.keys() - DECLARED)
    for key, cell in CELLS.items():
        stays = key in wish.kept or not may_give(cell, own)
        if stays and state_of(cell, held) != "none":
            wanted |= permissions_of(key) & held.keys()
    return wanted


def _set(
    session: Session, role: Role, wanted: frozenset[Permission], held: Held, own: Own
) -> tuple[list[str], list[str]]:
    """Give and take until a group holds what is wanted.

    Returns:
        The cells given and those taken, in words.
    """
    more, less = wanted - held.keys(), held.keys() - wanted
    if own is not None and not more <= own:
        raise MoreThanOwn
    row_id = assoc_permissionview_role.c.permission_view_id
    if less:
        gone = row_id.in_([held[permission] for permission in less])
        session.execute(delete_from(assoc_permissionview_role).where(holder == role.id, gone))
    if more:
        new = [{holder: role.id, row_id: row} for row in rows_of(session, more)]
        session.execute(insert(assoc_permissionview_role).values(new))
    session.expire(role, ["permissions"])
    changes = {cell: _level(cell, wanted) - _level(cell, held) for cell in CELLS.values()}
    return (
        [str(cell) for cell, by in changes.items() if by > 0],
        [str(cell) for cell, by in changes.items() if by < 0],
    )


def _level(cell: Cell, held: Iterable[Permission]) -> int:
    return LEVELS.index(state_of(cell, held))


def _changeable(session: Session, actor: Actor, group_id: int) -> Role:
    role = session.scalars(
        select(Role)
        .where(Role.id == group_id, Role.name != NOBODY)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if role is None:
        raise NotFound
    if role.ready_made == ADMINISTRATORS:
        raise AdministratorsStay
    if role.id in of_others(session, actor):
        raise GroupOfOthers
    return role


def _check_name(session: Session, name: str, group_id: int | None) -> None:
    """Refuse a name another group has, is delivered with, or could be taken for."""
    others = select(Role.name, Role.ready_made).where(Role.id != (group_id or 0))
    taken = {known.casefold() for row in session.execute(others) for known in row if known}
    if name.casefold() in taken:
        raise GroupNameTaken


def _note(session: Session, actor: Actor, deed: str, role: Role, **details: Any) -> None:  # noqa: ANN401
    audit.record(
        session, actor, f"user_group.{deed}", "user_group", role.id,
        name=role.name, description=role.description, **details,
    )  # fmt: skip

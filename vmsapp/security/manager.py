"""The framework's security manager with our users, sessions and permissions."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from flask import Response, after_this_request, current_app, g, session
from flask_appbuilder.security.sqla.manager import SecurityManager
from sqlalchemy import Engine, Select, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, db
from vmsapp.models import OfficeUser, UserSession, UserState
from vmsapp.models.user import Role
from vmsapp.models.user_session import SEEN_EVERY, hash_of, live_bounds
from vmsapp.scope import unscoped
from vmsapp.security.asking import TICKET, owes_second_factor
from vmsapp.security.held import as_permissions, held_as_text, held_by
from vmsapp.security.permissions import Permission
from vmsapp.statements import made_once

log = logging.getLogger(__name__)

EPOCH: Final = "epoch"
"""Which claim of a bearer names the user's session epoch."""

MENU_ACCESS: Final = "menu_access"
"""What the framework calls the permission to see an entry of the menu."""

_PLACE: Final = (joinedload(OfficeUser.region), joinedload(OfficeUser.roles))
"""What is read with a user, in the same statement: the region tells the scope."""


class OfficeSecurityManager(SecurityManager):
    """The framework's security manager with our users."""

    user_model = OfficeUser
    userstatschartview = None  # draws with a script from another host

    def get_user_by_id(self, pk: int) -> OfficeUser | None:
        """Fetch a user with the groups and the region."""
        with unscoped("the scope is not known before the user is"):
            user: OfficeUser | None = db.session.get(OfficeUser, pk, options=_PLACE)
        return user

    def load_user(self, pk: str) -> OfficeUser | None:
        """Find whose browser asks: the ticket in its cookie tells, if its session is live."""
        ticket = session.get(TICKET)
        if ticket is None:
            return None
        now, idle = now_utc(), current_app.permanent_session_lifetime
        whose = {"ticket_hash": hash_of(ticket), **live_bounds(now, idle)}
        with unscoped("the scope is not known before the user is"):
            found = db.session.execute(_signed_in(), whose).unique().one_or_none()
        if found is None:
            return None
        user: OfficeUser = found[0]
        g.user_session = found[1]
        if user.roles:
            g.granted = {_ids(user.roles): as_permissions(found[2])}
        if now - g.user_session.seen_at >= SEEN_EVERY:
            _once_answered(_note_use, db.engine, g.user_session.id, now)
        return user

    def load_user_jwt(self, _jwt_header: dict[str, Any], jwt_data: dict[str, Any]) -> Any:  # noqa: ANN401 - the framework's
        """Find whose bearer it is; one given before all sessions ended counts no more."""
        user = self.get_user_by_id(int(jwt_data["sub"]))
        if user is None or user.state_at(now_utc()) is not UserState.ACTIVE:
            return None
        if jwt_data.get(EPOCH) != user.session_epoch or user.must_change_password:
            return None
        if owes_second_factor(user):
            return None
        g.user = user  # the framework's own step
        return user

    def get_user_roles(self, user: Any) -> list[Any]:  # noqa: ANN401 - the framework's
        """List a user's groups; the framework's second layer of groups is not used."""
        return list(user.roles) if user.is_authenticated else []

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        """Nothing but the sign-in page is public, and that page does not ask."""
        return False

    def add_permissions_view(self, base_permissions: Iterable[str], view_menu: str) -> None:
        """Write a screen's permissions, and that of its place in the menu where it has its name.

        The framework keeps both under the name, and would delete the one as not the screen's.
        """
        wanted = list(base_permissions)
        if self.appbuilder.menu.find(view_menu) is not None:
            wanted.append(MENU_ACCESS)
        super().add_permissions_view(wanted, view_menu)

    def exist_permission_on_roles(
        self, view_name: str, permission_name: str, role_ids: list[int]
    ) -> bool:
        """Tell whether one of the groups holds a permission."""
        return (permission_name, view_name) in self._granted(role_ids)

    def _get_user_permission_view_menus(
        self,
        user: Any,  # noqa: ANN401 - the framework's
        permission_name: str,
        view_menus_name: list[str],
    ) -> set[str]:
        """List the screens on which a user holds a permission: what the menu asks."""
        roles = [] if user is None else self.get_user_roles(user)
        granted = self._granted([role.id for role in roles])
        return {screen for deed, screen in granted if deed == permission_name}

    def permissions_of(self, user: OfficeUser) -> frozenset[Permission]:
        """All that a user's group permits."""
        return self._granted([role.id for role in user.roles])

    def _granted(self, role_ids: list[int]) -> frozenset[Permission]:
        """All permissions of some groups, read once a request."""
        known: dict[tuple[int, ...], frozenset[Permission]] = g.setdefault("granted", {})
        ids = tuple(sorted(role_ids))
        if ids not in known:
            known[ids] = held_by(db.session(), ids)
        return known[ids]


def _ids(roles: Iterable[Role]) -> tuple[int, ...]:
    return tuple(sorted(role.id for role in roles))


@made_once
def _signed_in() -> Select[OfficeUser, UserSession, str | None]:
    return (
        select(OfficeUser, UserSession, held_as_text())
        .join(UserSession, UserSession.user_id == OfficeUser.id)
        .where(UserSession.ticket_hash == bindparam("ticket_hash"), OfficeUser.active)
        .where(UserSession.live_after(bindparam("created_after"), bindparam("seen_after")))
        .options(*_PLACE)
    )


def _once_answered(deed: Callable[..., None], *args: object) -> None:
    """Do something when the answer is out, so that nobody waits for it."""

    @after_this_request
    def put_off(response: Response) -> Response:
        response.call_on_close(lambda: deed(*args))
        return response


def _note_use(engine: Engine, session_id: int, moment: datetime) -> None:
    """Write down that a session was used, in a short transaction of its own."""
    try:
        with Session(engine) as own, atomic(own):
            own.execute(
                update(UserSession)
                .where(UserSession.id == session_id, UserSession.seen_at < moment)
                .values(seen_at=moment)
            )
    except SQLAlchemyError:
        log.warning("the last use of session %s was not noted", session_id, exc_info=True)

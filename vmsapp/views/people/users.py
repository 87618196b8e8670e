"""Users: who works with the system, where, and as what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import flash, redirect
from flask_appbuilder import action, expose, has_access
from flask_appbuilder.security.views import UserDBModelView
from flask_babel import ngettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.wrappers import Response

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser, Region, UserState, VendingPoint
from vmsapp.security import ADMINISTRATORS
from vmsapp.services import audit, passwords, reach, second_factor, sessions, users
from vmsapp.views.base import actor, session, zone
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Among, Choice, Searched, names_of
from vmsapp.views.lists.pages import Answer, names
from vmsapp.views.look import digits, state
from vmsapp.views.people.account import known_of, language_choices
from vmsapp.views.people.sign_in import key_for
from vmsapp.views.people.user_bearers import BearerPages
from vmsapp.views.people.user_forms import ChangedUserForm, NewUserForm
from vmsapp.views.words import group_name

STATES: Final[dict[str, str]] = {
    UserState.ACTIVE: N_("Active"),
    UserState.SUSPENDED: N_("Suspended"),
    UserState.LOCKED: N_("Locked"),
}
TONES: Final[dict[str, str]] = {
    UserState.ACTIVE: "good",
    UserState.SUSPENDED: "bad",
    UserState.LOCKED: "warn",
}

TO_OTHERS: Final = {"give_code", "suspend", "activate", "end_sessions", "reset_second_factor"}
"""Deeds an administrator does to other people."""

NAMING: Final = ("username", "first_name", "last_name", "language")
"""What somebody is called, and in which language addressed."""


class UsernameTaken(InvalidInput):
    """Somebody else signs in with it, be it as name or address."""

    code = "username_taken"
    message = N_("Somebody else signs in with that already. Choose another.")
    field = "username"


class EmailTaken(UsernameTaken):
    """The same for the address."""

    field = "email"


class OwnAccountLost(InvalidInput):
    """An administrator would lock themselves out."""

    code = "own_account_lost"
    message = N_("You cannot suspend yourself. Another administrator can.")
    field = "active"


class OwnGroupLost(InvalidInput):
    """The same by leaving the group."""

    code = "own_group_lost"
    message = N_("You cannot leave the administrators yourself. Another administrator can.")
    field = "group"


@dataclass(frozen=True, kw_only=True)
class StateNow(Choice):
    """Whether people may sign in at this moment."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows in this state."""
        return OfficeUser.state_in_sql(now_utc()) == value


def _state(user: OfficeUser) -> Any:  # noqa: ANN401 - markup
    now = user.state_at(now_utc())
    return state(_(STATES[now]), TONES[now])


def _aware(moment: datetime | None) -> datetime | None:
    """Give the framework's times, which are the server's local ones, their zone."""
    return moment.astimezone() if moment else None


class Users(BearerPages, Exported, OfficeModelView, UserDBModelView):
    """The people who work with the system; who has a history is never deleted."""

    class_permission_name = "UserDBModelView"
    base_permissions = None
    export_subject = "user"
    exclude_route_methods = {"download", "delete"}
    add_form, edit_form = NewUserForm, ChangedUserForm
    resetmypassword = resetpasswords = userinfoedit = None  # the framework's deeds

    list_title = _l("Users")
    add_title = _l("Add user")
    list_columns = names("username get_full_name group region vending_point state last_login")
    order_columns = names("username last_login")
    base_order = ("username", "asc")
    edit_columns = names(
        "username first_name last_name email group region vending_point all_regions language active"
    )
    add_columns = names(
        "username first_name last_name email group region vending_point all_regions language"
        " password"
    )
    show_fieldsets = [
        (None, {"fields": names("username get_full_name email group region vending_point language"
                                " state")}),
        (_l("Sign-ins"), {"fields": names("last_login login_count fail_login_count second_factor"
                                          " created_on")}),
    ]  # fmt: skip
    label_columns = {
        "username": _l("Username"), "get_full_name": _l("Full name"),
        "first_name": _l("First name"),
        "last_name": _l("Last name"), "email": _l("E-mail"), "group": _l("User group"),
        "region": _l("Region"), "vending_point": _l("Vending point"), "state": _l("Status"),
        "language": _l("Language"), "second_factor": _l("Second factor"),
        "last_login": _l("Last sign-in"), "login_count": _l("Sign-ins"),
        "fail_login_count": _l("Failed sign-ins since the last one"), "created_on": _l("Added at"),
    }  # fmt: skip
    numbers = frozenset({"login_count", "fail_login_count"})
    searched = (OfficeUser.username, OfficeUser.first_name, OfficeUser.last_name, OfficeUser.email)
    filters = (
        StateNow(name="state", label=_l("Status"), column=OfficeUser.active, words=STATES),
        Searched(name="region", label=_l("Region"), column=OfficeUser.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Among(name="point", label=_l("Vending point"), column=OfficeUser.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
    )  # fmt: skip
    loads = (
        selectinload(OfficeUser.roles), joinedload(OfficeUser.region),
        joinedload(OfficeUser.vending_point),
    )  # fmt: skip
    cells = {
        "get_full_name": OfficeUser.get_full_name,
        "group": lambda user: ", ".join(sorted(map(group_name, user.roles))),
        "last_login": lambda user: _aware(user.last_login),
        "created_on": lambda user: _aware(user.created_on),
        "region": lambda user: _("Everywhere") if user.all_regions else user.region,
        "state": _state,
        "second_factor": lambda user: user.totp_since is not None,
        "language": lambda user: dict(language_choices()).get(user.language or ""),
    }

    def pre_add(self, item: OfficeUser) -> None:
        """See to it that the account fits in."""
        self._check(item)

    def pre_update(self, item: OfficeUser) -> None:
        """Nobody locks themselves out, so somebody is always left to let others in."""
        self._check(item)
        left: Sequence[Any] = inspect(item).attrs.roles.history.deleted
        if item.id != actor().user_id:
            return
        if not item.active:
            raise OwnAccountLost
        if ADMINISTRATORS in {group.ready_made for group in left}:
            raise OwnGroupLost

    def process_form(self, form: FlaskForm, is_created: bool) -> None:  # noqa: FBT001 - the framework's
        """Judge a first password by what is known of the person."""
        if not is_created or not form.password.data:
            return
        person = OfficeUser(
            username=form.username.data, first_name=form.first_name.data,
            last_name=form.last_name.data, email=form.email.data,
        )  # fmt: skip
        passwords.check_strength(form.password.data, known_of(person))

    def _check(self, item: OfficeUser) -> None:
        """Refuse names that are taken, groups above the asker, and places that do not fit."""
        with session().no_autoflush:
            taken = users.names_taken(session(), item.username, item.email, item.id)
            if item.id is not None:
                reach.check_reach(session(), actor(), [item.id])
            given: Sequence[Any] = inspect(item).attrs.roles.history.added
            reach.check_hand_out(session(), actor(), [group.id for group in given])
        if item.username.lower() in taken:
            raise UsernameTaken
        if item.email.lower() in taken:
            raise EmailTaken
        users.check_place(session(), item)

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Answer:
        """After adding somebody without a password, show the code to hand out."""
        with reach.an_administrator_stays(session()):
            answer: Answer = super()._saved(form, columns, pk)
        if pk is None and not form.password.data:
            added = select(OfficeUser.id).where(OfficeUser.username == form.username.data)
            return self._code_page(session().scalars(added).one())
        return answer

    def _note(self, deed: str, pk: int, **details: Any) -> None:  # noqa: ANN401
        """Put what matters to others on record by its own name, too."""
        before, after = details.get("before") or {}, details.get("after") or {}
        audit.record(session(), actor(), f"user.{deed}", "user", pk, **details)
        if deed != "changed":
            return
        if before.get("group") != after.get("group"):
            audit.record(session(), actor(), "user.groups_changed", "user", pk,
                         before=before.get("group"), after=after.get("group"))  # fmt: skip
        named = [name for name in NAMING if before.get(name) != after.get(name)]
        if named:
            audit.record(session(), actor(), "user.renamed", "user", pk,
                         before={name: before.get(name) for name in named},
                         after={name: after.get(name) for name in named})  # fmt: skip
        if before.get("active") != after.get("active"):
            action = "user.activated" if after.get("active") == "True" else "user.suspended"
            audit.record(session(), actor(), action, "user", pk)

    def name_of(self, row: OfficeUser) -> str:
        """The name they sign in with."""
        return str(row.username)

    @expose("/userinfo/")
    @has_access
    def userinfo(self) -> Answer:
        """The own account."""
        point = actor().sight.vending_point_id
        named = select(VendingPoint.name).where(VendingPoint.id == point)
        return self._page(
            "office/profile.html", title=_("My account"),
            point=session().scalar(named) if point else None,
        )  # fmt: skip

    @action("give_code", _l("Hand out a one-time code"),
            _l("The old password will count no more. Go on?"), multiple=False)  # fmt: skip
    def give_code(self, user: OfficeUser) -> Answer:
        """Make a code with which the person chooses a new password."""
        return self._code_page(user.id)

    @action("suspend", _l("Suspend"), _l("Suspend and sign out everywhere?"))
    def suspend(self, chosen: OfficeUser | Sequence[OfficeUser]) -> Response:
        """Let people sign in no more; not oneself."""
        count = users.suspend(session(), actor(), _ids(chosen))
        done = ngettext("%(num)s user was suspended.", "%(num)s users were suspended.", count)
        return self._done(done, count)

    @action("activate", _l("Activate"), "")
    def activate(self, chosen: OfficeUser | Sequence[OfficeUser]) -> Response:
        """Let people sign in again."""
        count = users.activate(session(), actor(), _ids(chosen))
        done = ngettext(
            "%(num)s user may sign in again.", "%(num)s users may sign in again.", count
        )
        return self._done(done, count)

    @action("end_sessions", _l("Sign out everywhere"), _l("Sign this person out everywhere?"),
            multiple=False)  # fmt: skip
    def end_sessions(self, user: OfficeUser) -> Response:
        """End all sessions of somebody else."""
        users.other(session(), actor(), user.id)
        sessions.end_all(session(), actor(), user.id)
        flash(_("All sessions have ended."), "success")
        return redirect(self.url("show", pk=user.id))

    @action(
        "reset_second_factor", _l("Reset the second factor"),
        _l("After that the password alone signs the person in. Go on?"), multiple=False,
    )  # fmt: skip
    def reset_second_factor(self, user: OfficeUser) -> Response:
        """Help somebody who lost the telephone and the codes."""
        users.other(session(), actor(), user.id)
        second_factor.switch_off(session(), actor(), user.id)
        flash(_("The second factor is off. Its owner is signed out everywhere."), "success")
        return redirect(self.url("show", pk=user.id))

    def deeds_for(self, row: OfficeUser) -> Sequence[Any]:
        """Those that would change something; none to oneself."""
        can_sign_in = row.state_at(now_utc()) is UserState.ACTIVE
        idle = {
            "suspend": not row.active,
            "activate": can_sign_in,
            "reset_second_factor": row.totp_secret is None,
        }
        if row.id == actor().user_id:
            return ()
        return [deed for deed in self.deeds(single=True) if not idle.get(deed.name)]

    def links(self, row: OfficeUser) -> Sequence[tuple[str, str]]:
        """To the bearers of a program's account."""
        if not self.may("bearers") or row.id == actor().user_id:
            return ()
        return [(str(_("Bearers")), self.url("bearers", pk=row.id))]

    def deeds(self, *, single: bool) -> Sequence[Any]:
        """Only those to others; the own ones stand in the menu of the account."""
        return [deed for deed in super().deeds(single=single) if deed.name in TO_OTHERS]

    def _code_page(self, user_id: int) -> Answer:
        given = users.give_code(session(), actor(), user_id, key_for("one-time codes"))
        return self._page(
            "account/code_given.html", title=_("One-time code"), given=given, zone=zone(),
            code=Markup('<span id="code">{}</span>').format(digits(given.code)),
            back=self.url("show", pk=user_id),
        )  # fmt: skip

    def _done(self, text: str, count: int) -> Response:
        flash(text, "success" if count else "warning")
        return redirect(self.url("list"))


def _ids(chosen: OfficeUser | Sequence[OfficeUser]) -> list[int]:
    return [user.id for user in ([chosen] if isinstance(chosen, OfficeUser) else chosen)]

"""Users: the framework's records in our pages."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import flash, redirect, url_for
from flask_appbuilder import action, expose, has_access
from flask_appbuilder.models.sqla.filters import FilterNotEqual
from flask_appbuilder.security.views import UserDBModelView
from flask_babel import ngettext
from flask_wtf import FlaskForm
from sqlalchemy import inspect
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, validators

from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser
from vmsapp.security import ADMINISTRATORS, NOBODY
from vmsapp.services import reach, users
from vmsapp.views.account import LONGEST, SHORTEST
from vmsapp.views.base import actor, session
from vmsapp.views.crud import OfficeModelView
from vmsapp.views.filters import YesNo
from vmsapp.views.forms import of_length
from vmsapp.views.lists import Answer, names
from vmsapp.views.words import group_name

ACCOUNT = re.compile(r"[\w.@+-]{1,64}\Z")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\Z")  # a name on this machine is one, too

TO_OTHERS = {"deactivate", "resetpasswords"}
"""Deeds an administrator does to other people."""


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
    message = N_("You cannot make yourself inactive. Another administrator can.")
    field = "active"


class OwnGroupLost(InvalidInput):
    """The same by leaving the group."""

    code = "own_group_lost"
    message = N_("You cannot leave the administrators yourself. Another administrator can.")
    field = "roles"


class Users(OfficeModelView, UserDBModelView):
    """The people who work with the system; who has a history is never deleted."""

    class_permission_name = "UserDBModelView"
    exclude_route_methods = {"download", "delete"}

    list_title = _l("Users")
    add_title = _l("Add user")
    list_columns = names("username get_full_name roles region active last_login")
    order_columns = names("username last_login")
    base_order = ("username", "asc")
    add_columns = names("username first_name last_name email roles active password conf_password")
    edit_columns = names("username first_name last_name email roles active")
    show_fieldsets = [
        (None, {"fields": names("username get_full_name email roles region active")}),
        (_l("Sign-ins"), {"fields": names("last_login login_count fail_login_count created_on")}),
    ]
    label_columns = {
        "username": _l("Username"), "get_full_name": _l("Name"), "first_name": _l("First name"),
        "last_name": _l("Last name"), "email": _l("E-mail"), "roles": _l("User groups"),
        "region": _l("Region"), "active": _l("Active"), "last_login": _l("Last sign-in"),
        "login_count": _l("Sign-ins"), "fail_login_count": _l("Failed sign-ins since the last one"),
        "created_on": _l("Added at"),
    }  # fmt: skip
    description_columns = {
        "username": _l("What the person signs in with; it cannot be used twice."),
        "active": _l("Who is not active cannot sign in; everything done stays on record."),
        "roles": _l("What the person may do."),
    }
    add_form_extra_fields = {
        "password": PasswordField(
            _l("Password"), [validators.DataRequired(), of_length(SHORTEST, LONGEST)],
            description=_l("At least 10 characters; a few words are easy to remember."),
        ),
        "conf_password": PasswordField(
            _l("Password, once more"),
            [validators.DataRequired(),
             validators.EqualTo("password", _l("This is not the same password."))],
        ),
    }  # fmt: skip
    validators_columns = {
        "username": [validators.Regexp(ACCOUNT, message=_l("Letters, digits and . _ - @ + only."))],
        "email": [validators.Regexp(ADDRESS, message=_l("This is no e-mail address."))],
        "roles": [validators.DataRequired(_l("Choose at least one user group."))],
    }
    add_form_query_rel_fields = {"roles": [["name", FilterNotEqual, NOBODY]]}
    edit_form_query_rel_fields = add_form_query_rel_fields
    numbers = frozenset({"login_count", "fail_login_count"})
    searched = (OfficeUser.username, OfficeUser.first_name, OfficeUser.last_name, OfficeUser.email)
    filters = (YesNo(name="active", label=_l("Active"), column=OfficeUser.active),)
    loads = (selectinload(OfficeUser.roles), joinedload(OfficeUser.region))
    cells = {
        "get_full_name": OfficeUser.get_full_name,
        "roles": lambda user: ", ".join(sorted(map(group_name, user.roles))),
        "last_login": lambda user: _aware(user.last_login),
        "created_on": lambda user: _aware(user.created_on),
        "region": lambda user: _("Everywhere") if user.all_regions else user.region,
    }

    def pre_add(self, item: OfficeUser) -> None:
        """Keep the password's hash alone."""
        self._refuse_taken(item)
        self._refuse_more_than_own(item)
        item.password = generate_password_hash(item.password)

    def pre_update(self, item: OfficeUser) -> None:
        """Nobody locks themselves out, so somebody is always left to let others in."""
        self._refuse_taken(item)
        self._refuse_more_than_own(item)
        if item.id != actor().user_id:
            return
        if not item.active:
            raise OwnAccountLost
        left: Sequence[Any] = inspect(item).attrs.roles.history.deleted
        if ADMINISTRATORS in {group.ready_made for group in left}:
            raise OwnGroupLost

    def _form(self, form: FlaskForm, title: str, columns: Sequence[str], row: Any) -> Answer:  # noqa: ANN401
        form.roles.get_label = group_name
        answer: Answer = super()._form(form, title, columns, row)
        return answer

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Response:
        with reach.an_administrator_stays(session()):
            return super()._saved(form, columns, pk)

    def _refuse_more_than_own(self, item: OfficeUser) -> None:
        """Nobody acts on who may do more, or puts people into a group that permits more."""
        new: Sequence[Any] = inspect(item).attrs.roles.history.added
        with session().no_autoflush:
            if item.id is not None:
                reach.check_reach(session(), actor(), [item.id])
            reach.check_hand_out(session(), actor(), [group.id for group in new])

    def _refuse_taken(self, item: OfficeUser) -> None:
        """Names and addresses people sign in with differ by more than capital letters."""
        with session().no_autoflush:
            taken = users.names_taken(session(), item.username, item.email, item.id)
        if item.username.lower() in taken:
            raise UsernameTaken
        if item.email.lower() in taken:
            raise EmailTaken

    def name_of(self, row: OfficeUser) -> str:
        """The name they sign in with."""
        return str(row.username)

    @expose("/userinfo/")
    @has_access
    def userinfo(self) -> str:
        """The own profile."""
        return self._page("office/profile.html", title=_("Profile"))

    @action("resetpasswords", _l("Set a new password"), "", multiple=False)
    def resetpasswords(self, user: OfficeUser) -> Response:
        """Lead to the form for another's password."""
        return redirect(url_for("ResetPasswordView.this_form_get", pk=user.id))

    @action("deactivate", _l("Make inactive"), _l("Make inactive and sign out everywhere?"))
    def deactivate(self, chosen: OfficeUser | Sequence[OfficeUser]) -> Response:
        """Let people sign in no more; not oneself."""
        wanted = [chosen] if isinstance(chosen, OfficeUser) else chosen
        count = users.deactivate(session(), actor(), [user.id for user in wanted])
        done = ngettext(
            "%(num)s user was made inactive.", "%(num)s users were made inactive.", count
        )
        flash(done, "success" if count else "warning")
        return redirect(self.url("list"))

    def deeds(self, *, single: bool) -> Sequence[Any]:
        """Only those to others; the own ones stand in the menu of the account."""
        return [deed for deed in super().deeds(single=single) if deed.name in TO_OTHERS]


def _aware(moment: datetime | None) -> datetime | None:
    """Give the framework's times, which are the server's local ones, their zone."""
    return moment.astimezone() if moment else None

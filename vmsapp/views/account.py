"""Signing in and out, and passwords: the framework's screens, by our rules for sessions."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask import session as cookie
from flask_appbuilder import expose
from flask_appbuilder.security import views as framework
from flask_appbuilder.security.decorators import no_cache
from flask_appbuilder.security.forms import LoginForm_db
from flask_appbuilder.utils.base import get_safe_redirect
from flask_login import current_user, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, EqualTo

from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser
from vmsapp.security import TICKET, current_session
from vmsapp.services import audit, sessions
from vmsapp.views.base import actor, session
from vmsapp.views.forms import OfficeForm, of_length

Answer = str | Response

SHORTEST, LONGEST = 10, 128
"""Characters of a password."""


class AuthDBView(framework.AuthDBView):
    """The doors in and out; the framework knows them by this name."""

    @expose("/login/", methods=["GET", "POST"])
    @no_cache
    def login(self) -> Answer:
        """Sign in."""
        if current_user.is_authenticated:
            return redirect(self._get_safe_next_url())
        form = LoginForm_db()
        if not form.validate_on_submit():
            return str(self.render_template(self.login_template, title=self.title, form=form))
        wanted = self._get_safe_next_url()
        user = self.appbuilder.sm.auth_user_db(form.username.data, form.password.data)
        if user is None:
            flash(str(self.invalid_login_message), "warning")
            return redirect(self.appbuilder.get_url_for_login_with(wanted))
        sign_in(user)
        return redirect(wanted)

    def _get_safe_next_url(self) -> str:
        """Where to go once signed in: a page of ours, whatever the address says."""
        wanted = request.args.get("next", "")
        return str(get_safe_redirect(wanted if wanted.isprintable() else ""))

    @expose("/logout/", methods=["GET", "POST"])
    def logout(self) -> Answer:
        """Ask whether to sign out, and do it when the button is pressed."""
        if not current_user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_index)
        if request.method != "POST":
            return str(self.render_template("office/sign_out.html"))
        sessions.sign_out(session(), actor(), current_session().id)
        logout_user()
        empty_cookie(cookie.get("locale"))
        return redirect(self.appbuilder.get_url_for_index)


def sign_in(user: OfficeUser) -> None:
    """Begin a session in this browser; nothing of what its cookie held before is kept."""
    ticket = sessions.begin(session(), user.id, **whence())
    empty_cookie(user.language or cookie.get("locale"))
    cookie.permanent = True
    cookie[TICKET] = ticket
    login_user(user)


def empty_cookie(language: str | None) -> None:
    """Forget all that the browser's cookie holds but the language."""
    cookie.clear()
    if language:
        cookie["locale"] = language


def whence() -> dict[str, Any]:
    """Where a request comes from, as its session remembers it."""
    return {"address": actor().address, "user_agent": request.user_agent.string}


class NewPasswordForm(OfficeForm):
    """A password, twice."""

    password = PasswordField(
        _l("New password"), [DataRequired(), of_length(SHORTEST, LONGEST)],
        description=_l("At least 10 characters; a few words are easy to remember."),
    )  # fmt: skip
    conf_password = PasswordField(
        _l("New password, once more"),
        [DataRequired(), EqualTo("password", _l("This is not the same password."))],
    )


class OwnPasswordForm(NewPasswordForm):
    """The old password, and the new one."""

    old_password = PasswordField(
        _l("Old password"), [DataRequired()], render_kw={"autocomplete": "current-password"}
    )


class OwnNameForm(OfficeForm):
    """What one is called."""

    first_name = StringField(_l("First name"), [DataRequired(), of_length(1, 64)])
    last_name = StringField(_l("Last name"), [DataRequired(), of_length(1, 64)])


class UserInfoEditView(framework.UserInfoEditView):
    """The own name."""

    form = OwnNameForm
    form_title = _l("Change name")

    def form_post(self, form: OwnNameForm) -> Response:
        """Keep it."""
        with atomic(session()):
            user = session().get_one(OfficeUser, actor().user_id)
            before = {"first_name": user.first_name, "last_name": user.last_name}
            user.first_name, user.last_name = form.first_name.data, form.last_name.data
            audit.record(
                session(), actor(), "user.renamed", "user", user.id, before=before,
                after={"first_name": user.first_name, "last_name": user.last_name},
            )  # fmt: skip
        flash(_("Saved."), "success")
        return redirect(url_for("Users.userinfo"))


class ResetMyPasswordView(framework.ResetMyPasswordView):
    """The own password: whoever knows the old one may choose another."""

    form = OwnPasswordForm
    form_title = _l("Change password")
    form_columns = ("old_password", "password", "conf_password")

    def form_post(self, form: OwnPasswordForm) -> tuple[str, int] | None:
        """Check the old password; sign out everywhere else."""
        manager = self.appbuilder.sm
        user = manager.get_user_by_id(current_user.id)
        if not check_password_hash(user.password, form.old_password.data):
            manager.update_user_auth_stat(user, success=False)
            sessions.note_wrong_password(session(), actor())
            form.old_password.errors = [_("This is not your old password.")]
            return self._again(form), 422
        hashed = generate_password_hash(form.password.data)
        cookie[TICKET] = sessions.change_own_password(session(), actor(), hashed, **whence())
        flash(_("Your password is changed. You are signed out everywhere else."), "success")
        return None

    def _again(self, form: OwnPasswordForm) -> str:
        widgets = self._get_edit_widget(form=form)
        return str(self.render_template(self.form_template, title=self.form_title, widgets=widgets))


class ResetPasswordView(framework.ResetPasswordView):
    """Another's password, by an administrator."""

    form = NewPasswordForm
    form_title = _l("Set a new password")

    def form_post(self, form: NewPasswordForm) -> Response | None:
        """Sign the other out everywhere; for the own password the old one is asked."""
        user_id = request.args.get("pk", type=int)
        if user_id is None or not 0 < user_id < 2**31:
            raise NotFound  # no id is that large, and no database takes it as one
        if user_id == actor().user_id:
            flash(_("Change your own password here."), "info")
            return redirect(url_for("ResetMyPasswordView.this_form_get"))
        hashed = generate_password_hash(form.password.data)
        sessions.replace_password(session(), actor(), user_id, hashed)
        flash(_("The password is changed. Its owner is signed out everywhere."), "success")
        return None

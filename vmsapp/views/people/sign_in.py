"""The doors in and out: by password, by one-time code, and the second step."""

from typing import Any, Final

from flask import current_app, flash, redirect, request, url_for
from flask import session as cookie
from flask_appbuilder import expose
from flask_appbuilder.security import views as framework
from flask_appbuilder.security.decorators import no_cache
from flask_appbuilder.utils.base import get_safe_redirect
from flask_login import current_user, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, EqualTo

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.errors import InvalidInput
from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser
from vmsapp.security import LICENCE, MODULES, TICKET, current_session
from vmsapp.services import second_factor, sessions, sign_in
from vmsapp.services.passwords import LONGEST, SHORTEST
from vmsapp.services.sign_in import LockRule
from vmsapp.views.base import actor, session, utility_name
from vmsapp.views.forms import OfficeForm, of_length, put_error
from vmsapp.views.modules.words import warn_of_keys
from vmsapp.views.office.licence import warn_who_signs_in

Answer = str | Response | tuple[str, int]

HALF_WAY: Final = "half"
"""Where the signed cookie keeps who gave the right password and owes the second step."""

HALF_WAY_SECONDS: Final = 300


class SignInForm(OfficeForm):
    """Name and password."""

    username = StringField(_l("Username"), [DataRequired(), of_length(1, LONGEST)])
    password = PasswordField(
        _l("Password"), [DataRequired(), of_length(1, LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )  # fmt: skip


class SecondStepForm(OfficeForm):
    """What the telephone shows, or a recovery code."""

    code = StringField(
        _l("Code"), [DataRequired(), of_length(1, 20)],
        description=_l("Six digits from your telephone, or one of your recovery codes."),
        render_kw={"autocomplete": "one-time-code", "dir": "ltr", "autocapitalize": "none"},
    )  # fmt: skip


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


class OneTimeCodeForm(NewPasswordForm):
    """The code an administrator handed out, and the password that is chosen with it."""

    username = StringField(_l("Username"), [DataRequired(), of_length(1, LONGEST)])
    code = StringField(
        _l("One-time code"), [DataRequired(), of_length(1, 20)],
        description=_l("The code that an administrator gave you."),
        render_kw={"autocomplete": "off", "dir": "ltr", "autocapitalize": "none"},
    )  # fmt: skip


class AuthDBView(framework.AuthDBView):
    """The doors in and out; the framework knows them by this name."""

    @expose("/login/", methods=["GET", "POST"])
    @no_cache
    def login(self) -> Answer:
        """Sign in."""
        if current_user.is_authenticated:
            return redirect(self._get_safe_next_url())
        form = SignInForm()
        if not form.validate_on_submit():
            return self._door(self.login_template, form)
        try:
            user = sign_in.by_password(
                session(), actor(), form.username.data, form.password.data, rule=lock_rule(),
                matches=check_password_hash, hash_password=generate_password_hash,
            )  # fmt: skip
        except InvalidInput as error:
            put_error(form, error)
            return self._door(self.login_template, form), 422
        return self._let_in(user, self._get_safe_next_url())

    @expose("/login/second", methods=["GET", "POST"])
    @no_cache
    def second(self) -> Answer:
        """Ask for the second factor of whoever gave the right password."""
        user, form = half_way(), SecondStepForm()
        if user is None:
            flash(_("That took too long. Sign in once more."), "info")
            return redirect(url_for("AuthDBView.login", next=request.args.get("next")))
        if not form.validate_on_submit():
            return self._door("office/second_step.html", form)
        try:
            second_factor.take(session(), actor(), user, key_for("second factor"), form.code.data)
        except second_factor.WrongCode as error:
            sign_in.note_failure(session(), actor(), user, lock_rule())
            if half_way() is None:  # the account rests now
                return redirect(url_for("AuthDBView.second", next=request.args.get("next")))
            put_error(form, error)
            return self._door("office/second_step.html", form), 422
        enter(user)
        return redirect(self._get_safe_next_url())

    @expose("/login/code", methods=["GET", "POST"])
    @no_cache
    def code(self) -> Answer:
        """Choose a new password with the code an administrator handed out."""
        form = OneTimeCodeForm()
        if not form.validate_on_submit():
            return self._door("office/one_time_code.html", form)
        name, password = form.username.data, form.password.data
        try:
            user = sign_in.by_code(
                session(), actor(), name, form.code.data, key=key_for("one-time codes"),
                password=password, hash_password=generate_password_hash, rule=lock_rule(),
                utility=utility_name(),
            )  # fmt: skip
        except InvalidInput as error:
            put_error(form, error)
            return self._door("office/one_time_code.html", form), 422
        return self._let_in(user, self.appbuilder.get_url_for_index)

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

    def _let_in(self, user: OfficeUser, wanted: str) -> Response:
        """Begin the session, or ask for the second factor first."""
        if user.totp_since is None:
            enter(user)
            return redirect(wanted)
        sign_in.note_half_way(session(), actor(), user)
        since = int(now_utc().timestamp())
        cookie[HALF_WAY] = {"user": user.id, "epoch": user.session_epoch, "since": since}
        return redirect(url_for("AuthDBView.second", next=request.args.get("next")))

    def _door(self, template: str, form: OfficeForm) -> str:
        return str(self.render_template(template, form=form))

    def _get_safe_next_url(self) -> str:
        """Where to go once signed in: a page of ours, whatever the address says."""
        wanted = request.args.get("next", "")
        if not wanted:  # the framework warns of it as of one that leads elsewhere
            return str(self.appbuilder.get_url_for_index)
        return str(get_safe_redirect(wanted if wanted.isprintable() else ""))


def half_way() -> OfficeUser | None:
    """Whoever gave the right password in this browser, not long ago."""
    half = cookie.get(HALF_WAY)
    if half is None or now_utc().timestamp() - half["since"] > HALF_WAY_SECONDS:
        return None
    return sign_in.still_coming(session(), half["user"], half["epoch"])


def enter(user: OfficeUser) -> None:
    """Begin a session in this browser; nothing of what its cookie held before is kept."""
    sign_in.admit(session(), actor(), user)
    ticket = sessions.begin(session(), user.id, **whence())
    empty_cookie(user.language or cookie.get("locale"))
    cookie.permanent = True
    cookie[TICKET] = ticket
    login_user(user)
    if current_app.extensions["appbuilder"].sm.has_access("can_show", LICENCE):
        warn_who_signs_in()
    if current_app.extensions["appbuilder"].sm.has_access("can_import", MODULES):
        warn_of_keys()


def empty_cookie(language: str | None) -> None:
    """Forget all that the browser's cookie holds but the language."""
    cookie.clear()
    if language:
        cookie["locale"] = language


def whence() -> dict[str, Any]:
    """Where a request comes from, as its session remembers it."""
    return {"address": actor().address, "user_agent": request.user_agent.string}


def lock_rule() -> LockRule:
    """After how many wrong attempts an account rests here."""
    settings = current_app.extensions["vms_settings"]
    return LockRule(settings.lock_failures, settings.lock_minutes)


def key_for(purpose: str) -> bytes:
    """The key of this installation for one purpose."""
    return sealing.expand(str(current_app.config["SECRET_KEY"]).encode(), purpose)

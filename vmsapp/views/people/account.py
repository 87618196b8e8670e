"""The own account: name, language and password."""

from collections.abc import Iterable

from flask import current_app, flash, redirect, url_for
from flask import session as cookie
from flask_appbuilder.security import views as framework
from flask_login import current_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, SelectField, StringField
from wtforms.validators import DataRequired

from vmsapp.errors import InvalidInput
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import OfficeUser
from vmsapp.scope import unscoped
from vmsapp.security import TICKET
from vmsapp.services import audit, passwords, sessions, sign_in
from vmsapp.services.passwords import LONGEST
from vmsapp.views.base import actor, session, utility_name
from vmsapp.views.forms import OfficeForm, of_length, put_error
from vmsapp.views.people.sign_in import NewPasswordForm, lock_rule, whence


class OwnPasswordForm(NewPasswordForm):
    """The old password, and the new one."""

    old_password = PasswordField(
        _l("Old password"), [DataRequired(), of_length(1, LONGEST)],
        render_kw={"autocomplete": "current-password"},
    )  # fmt: skip


class OwnNameForm(OfficeForm):
    """What one is called, and in which language one reads."""

    first_name = StringField(_l("First name"), [DataRequired(), of_length(1, 64)])
    last_name = StringField(_l("Last name"), [DataRequired(), of_length(1, 64)])
    language = SelectField(
        _l("Language"), choices=list,
        description=_l("The language you see after signing in, on every device."),
    )  # fmt: skip

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.language.choices = language_choices()


class LeadsToAccount:
    """The framework's forms lead back by addresses kept in the cookie, which must stay small."""

    def update_redirect(self) -> None:
        """Keep no address."""

    def get_redirect(self) -> str:
        """Lead to the own account."""
        return url_for("Users.userinfo")


class UserInfoEditView(LeadsToAccount, framework.UserInfoEditView):
    """The own name and language."""

    form = OwnNameForm
    form_title = _l("Name and language")

    def form_get(self, form: OwnNameForm) -> None:
        """Begin with what stands now."""
        form.first_name.data, form.last_name.data = current_user.first_name, current_user.last_name
        form.language.data = current_user.language or ""

    def form_post(self, form: OwnNameForm) -> Response:
        """Keep it."""
        with unscoped("everybody's own account"), atomic(session()):
            user = session().get_one(OfficeUser, actor().user_id)
            before = _called(user)
            user.first_name, user.last_name = form.first_name.data, form.last_name.data
            user.language = form.language.data or None
            audit.record(
                session(), actor(), "user.renamed", "user", user.id, before=before,
                after=_called(user),
            )  # fmt: skip
        if user.language:
            cookie["locale"] = user.language
        flash(_("Saved."), "success")
        return redirect(url_for("Users.userinfo"))


def _called(user: OfficeUser) -> dict[str, str | None]:
    return {name: getattr(user, name) for name in ("first_name", "last_name", "language")}


class ResetMyPasswordView(LeadsToAccount, framework.ResetMyPasswordView):
    """The own password: whoever knows the old one may choose another."""

    form = OwnPasswordForm
    form_title = _l("Change password")
    form_columns = ("old_password", "password", "conf_password")

    def form_post(self, form: OwnPasswordForm) -> tuple[str, int] | Response | None:
        """Check the old password; sign out everywhere else."""
        password, forced = form.password.data, current_user.must_change_password
        try:
            user = sign_in.check_own(
                session(), actor(), form.old_password.data, rule=lock_rule(),
                matches=check_password_hash,
            )  # fmt: skip
            passwords.check_strength(password, known_of(user))
            if password == form.old_password.data:
                raise passwords.SamePassword
        except InvalidInput as error:
            put_error(form, error)
            return self._again(form), 422
        hashed = generate_password_hash(password)
        cookie[TICKET] = sessions.change_own_password(session(), actor(), hashed, **whence())
        flash(_("Your password is changed. You are signed out everywhere else."), "success")
        return redirect(url_for("Start.index")) if forced else None  # on to what one came for

    def _again(self, form: OwnPasswordForm) -> str:
        widgets = self._get_edit_widget(form=form)
        return str(self.render_template(self.form_template, title=self.form_title, widgets=widgets))


def known_of(user: OfficeUser) -> Iterable[str]:
    """What a guesser knows of somebody."""
    return (user.username, user.first_name, user.last_name, user.email, utility_name())


def language_choices() -> list[tuple[str, str]]:
    """Codes and own names of the languages; first the one the browser asks for."""
    names = current_app.config["LANGUAGES"]
    return [("", _("As the browser asks")), *((code, spec["name"]) for code, spec in names.items())]

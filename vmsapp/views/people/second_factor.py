"""The own second factor: switching it on and off, and the recovery codes."""

from base64 import b32encode
from collections.abc import Callable

from flask import flash, redirect, request, url_for
from flask import session as cookie
from flask_appbuilder import expose, has_access, permission_name
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.i18n import _
from vmsapp.models import RecoveryCode
from vmsapp.security import SECOND_FACTOR, TICKET
from vmsapp.services import second_factor, sessions, sign_in
from vmsapp.services.passwords import LONGEST
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, zone
from vmsapp.views.people.sign_in import key_for, lock_rule, whence

Answer = str | Response | tuple[str, int]


class PasswordMissing(InvalidInput):
    """Nothing was typed, which is no wrong password."""

    code = "password_missing"
    message = N_("Type your password: it is asked before the second factor changes.")


class SecondFactor(OfficeView):
    """For everybody, and only of their own."""

    route_base = "/second-factor"
    default_view = "show"
    class_permission_name = SECOND_FACTOR

    @expose("/")
    @has_access
    @permission_name("set_up")
    def show(self) -> Answer:
        """Show whether it is on, or the square code of a new one."""
        return self._page()

    @expose("/begin", methods=["POST"])
    @has_access
    @permission_name("set_up")
    def begin(self) -> Answer:
        """Make a new secret for the telephone."""
        try:
            self._ask_password()
            second_factor.begin(session(), actor(), key())
        except VmsError as error:
            return self._page(refusal=sentence(error)), status_of(error)
        return redirect(url_for("SecondFactor.show"))

    @expose("/confirm", methods=["POST"])
    @has_access
    @permission_name("set_up")
    def confirm(self) -> Answer:
        """Switch it on once the telephone shows the right code; a thief would want to, too."""
        typed = request.form.get("code", "")[:20]

        def switch_on() -> list[str]:
            self._ask_password()
            codes = second_factor.confirm(session(), actor(), key(), typed)
            cookie[TICKET] = sessions.begin(session(), current_user.id, **whence())
            return codes

        return self._codes(switch_on, _("The second factor is on."))

    @expose("/codes", methods=["POST"])
    @has_access
    @permission_name("set_up")
    def codes(self) -> Answer:
        """Make new recovery codes."""

        def renew() -> list[str]:
            self._ask_password()
            return second_factor.renew_codes(session(), actor(), key())

        return self._codes(renew, _("The old recovery codes count no more."))

    @expose("/off", methods=["POST"])
    @has_access
    @permission_name("set_up")
    def off(self) -> Answer:
        """Switch it off."""
        try:
            self._ask_password()
            second_factor.switch_off(session(), actor(), current_user.id)
        except VmsError as error:
            return self._page(refusal=sentence(error)), status_of(error)
        cookie[TICKET] = sessions.begin(session(), current_user.id, **whence())
        flash(_("The second factor is off."), "success")
        return redirect(url_for("SecondFactor.show"))

    def _ask_password(self) -> None:
        password = request.form.get("password", "")[:LONGEST]
        if not password:
            raise PasswordMissing
        sign_in.check_own(
            session(), actor(), password, rule=lock_rule(), matches=check_password_hash
        )

    def _codes(self, make: Callable[[], list[str]], done: str) -> Answer:
        try:
            codes = make()
        except VmsError as error:
            return self._page(refusal=sentence(error)), status_of(error)
        return self.page("account/recovery_codes.html", codes=codes, done=done)

    def _page(self, refusal: str | None = None) -> str:
        user = current_user
        secret = second_factor.secret_of(user, key()) if user.totp_since is None else None
        return self.page(
            "account/second_factor.html",
            since=user.totp_since,
            zone=zone(),
            left=self._codes_left() if user.totp_since else 0,
            secret=secret and in_groups(secret),
            address=secret
            and second_factor.address_of(
                secret, issuer=self.appbuilder.app_name, account=user.username
            ),
            refusal=refusal,
        )

    def _codes_left(self) -> int:
        mine = RecoveryCode.user_id == current_user.id, RecoveryCode.used_at.is_(None)
        return session().scalar(select(func.count(RecoveryCode.id)).where(*mine)) or 0


def key() -> bytes:
    """The key that seals secrets and hashes codes."""
    return key_for("second factor")


def in_groups(secret: bytes) -> str:
    """Write a secret as it is typed into a telephone that cannot read square codes."""
    text = b32encode(secret).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))

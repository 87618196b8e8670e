"""The door for programs: a bearer for whoever signs in by JSON.

A bearer names its user and the user's session epoch; both are looked at on every call, so
it ends with the sessions: at a new password, a suspension, another second factor. It lives
a quarter of an hour; a refreshing one as long as a browser's session may.
"""

from typing import Any, Final

from flask import Response, jsonify, request
from flask_appbuilder.api import BaseApi
from flask_appbuilder.views import expose
from flask_jwt_extended import (
    create_access_token,
    create_refresh_token,
    get_current_user,
    jwt_required,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.security import check_password_hash, generate_password_hash

from vmsapp.errors import N_, InvalidInput, NotAllowed, VmsError
from vmsapp.models import OfficeUser
from vmsapp.models.user_session import ABSOLUTE_LIMIT
from vmsapp.security import EPOCH, owes_second_factor
from vmsapp.services import second_factor, sign_in
from vmsapp.services.passwords import LONGEST
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.people.sign_in import key_for, lock_rule

UNREADABLE: Final = 400


class PasswordFirst(NotAllowed):
    """The password was given by somebody else and must be changed in a browser."""

    code = "password_first"
    message = N_("Sign in with a browser first and choose a password of your own.")


class SecondFactorFirst(NotAllowed):
    """A second factor is asked of this user, and there is none yet."""

    code = "second_factor_first"
    message = N_("Sign in with a browser first and set up the second factor.")


class Unreadable(InvalidInput):
    """The body is not what the door takes."""

    code = "unreadable"
    message = N_("Send a JSON object with username and password, and code where one is asked for.")


NO_NUL: Final = r"^[^\x00]*$"
"""No database takes that mark as text."""


class Wanted(BaseModel):
    """What a program sends to sign in."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    username: str = Field(min_length=1, max_length=LONGEST, pattern=NO_NUL)
    password: str = Field(min_length=1, max_length=LONGEST)
    code: str = Field(default="", max_length=20)
    provider: str = Field(default="db", pattern="^db$")
    refresh: bool = False


class SecurityApi(BaseApi):
    """Signs programs in; the framework's clients know it by this address."""

    resource_name = "security"
    version = "v1"

    @expose("/login", methods=["POST"])
    def login(self) -> tuple[Response, int]:
        """Answer with a bearer, and a refreshing one if wanted."""
        try:
            wanted = Wanted.model_validate(request.get_json(silent=True))
        except ValidationError:
            return refused(Unreadable(), UNREADABLE)
        try:
            user = self._let_in(wanted)
        except VmsError as error:
            return refused(error, 401 if isinstance(error, InvalidInput) else None)
        return jsonify(bearers_of(user, refresh=wanted.refresh)), 200

    def _let_in(self, wanted: Wanted) -> OfficeUser:
        user = sign_in.by_password(
            session(), actor(), wanted.username, wanted.password, rule=lock_rule(),
            matches=check_password_hash, hash_password=generate_password_hash,
        )  # fmt: skip
        if user.totp_since:
            try:
                second_factor.take(session(), actor(), user, key_for("second factor"), wanted.code)
            except second_factor.WrongCode:  # which it was is no program's business
                sign_in.note_failure(session(), actor(), user, lock_rule())
                raise sign_in.NotLetIn(lock_rule()) from None
        if user.must_change_password:
            raise PasswordFirst
        if owes_second_factor(user):
            raise SecondFactorFirst
        sign_in.admit(session(), actor(), user)
        return user

    @expose("/refresh", methods=["POST"])
    @jwt_required(refresh=True)
    def refresh(self) -> tuple[Response, int]:
        """Answer a refreshing bearer with a new one."""
        return jsonify(bearers_of(get_current_user(), refresh=False)), 200


def bearers_of(user: OfficeUser, *, refresh: bool) -> dict[str, Any]:
    """Make the bearers of a user."""
    claims = {EPOCH: user.session_epoch}
    who = str(user.id)
    made = {"access_token": create_access_token(who, additional_claims=claims, fresh=not refresh)}
    if refresh:
        made["refresh_token"] = create_refresh_token(
            who, additional_claims=claims, expires_delta=ABSOLUTE_LIMIT
        )
    return made


def refused(error: VmsError, status: int | None = None) -> tuple[Response, int]:
    """Say a refusal to a program: its code, and its sentence for whoever reads the log."""
    answer = jsonify(error={"code": error.code, "message": sentence(error)})
    return answer, status or status_of(error)

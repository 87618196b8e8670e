"""The second factor: a code that a telephone makes, and codes for when it is lost.

The secret is sealed in the user's row under a key of the installation. A code counts
once: the time step of the last one is kept, and only later ones are taken.

Source: RFC 6238 (TOTP), with 6 digits and steps of 30 s, which every application knows.
"""

import logging
import secrets
from base64 import b32encode
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import OfficeUser, RecoveryCode
from vmsapp.scope import Actor, unscoped
from vmsapp.security import as_person
from vmsapp.services import audit
from vmsapp.services.rows import rows_changed

log = logging.getLogger(__name__)

SECRET_BYTES: Final = 20
STEP_SECONDS: Final = 30
DRIFT: Final = 1
"""How many steps a telephone's clock may be off."""

CODES: Final = 10
CODE_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
CODE_LENGTH: Final = 10

OWN: Final = "everybody's own account"


class WrongCode(InvalidInput):
    """Neither a code of now nor a recovery code."""

    code = "wrong_code"
    message = N_(
        "This code does not fit. Wait for the next one, and look at the telephone's clock."
    )
    field = "code"


class CodeUsed(WrongCode):
    """The telephone shows it, and it let somebody in already."""

    code = "code_used"
    message = N_(
        "This code was used already, and each counts once. Wait until the telephone shows the"
        " next one."
    )


class RecoveryCodeUsed(WrongCode):
    """The same of a recovery code."""

    code = "recovery_code_used"
    message = N_("This recovery code was used already, and each counts once. Take another one.")


class AlreadyOn(Conflict):
    """A second factor is in use; it must be switched off first."""

    code = "second_factor_on"
    message = N_("The second factor is on already.")


def begin(session: Session, actor: Actor, key: bytes) -> None:
    """Make a new secret, which counts once a code made with it was typed.

    Raises:
        AlreadyOn: There is one that counts.
    """
    with unscoped(OWN), atomic(session):
        user = _own(session, actor)
        if user.totp_since is not None:
            raise AlreadyOn
        secret = secrets.token_bytes(SECRET_BYTES)
        user.totp_secret = sealing.seal(key, secret, aad=_bound(user.id))
        audit.record(session, actor, "user.second_factor_begun", "user", user.id)


def secret_of(user: OfficeUser, key: bytes) -> bytes | None:
    """Open a user's secret; there is none any more where it was sealed under another key."""
    if user.totp_secret is None:
        return None
    try:
        return sealing.unseal(key, user.totp_secret, aad=_bound(user.id))
    except sealing.SealBroken:
        log.warning("the second factor of user %s was sealed under another key", user.id)
        return None


def address_of(secret: bytes, *, issuer: str, account: str) -> str:
    """The address that telephones read as a square code.

    >>> address_of(bytes(20), issuer="VMS", account="ana")
    'otpauth://totp/VMS:ana?secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&issuer=VMS'
    """
    query = urlencode({"secret": b32encode(secret).decode(), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"


def confirm(session: Session, actor: Actor, key: bytes, code: str) -> list[str]:
    """Switch the second factor on; every other session of the user ends.

    Returns:
        The recovery codes, to be shown this once.

    Raises:
        WrongCode: The code is not the new secret's.
        AlreadyOn: It is on.
    """
    with unscoped(OWN), atomic(session):
        user = _own(session, actor)
        if user.totp_since is not None:
            raise AlreadyOn
        step = _step_of(user, key, code)
        if step is None:
            raise WrongCode
        user.totp_since, user.totp_step = now_utc(), step
        audit.record(session, actor, "user.second_factor_on", "user", user.id)
        return _new_codes(session, user, key)


def renew_codes(session: Session, actor: Actor, key: bytes) -> list[str]:
    """Make new recovery codes; the old ones count no more."""
    with unscoped(OWN), atomic(session):
        user = _own(session, actor)
        audit.record(session, actor, "user.recovery_codes_made", "user", user.id)
        return _new_codes(session, user, key)


def switch_off(session: Session, actor: Actor, user_id: int) -> None:
    """Switch the second factor off: one's own, or another's who lost the telephone."""
    with atomic(session):
        user = session.get_one(OfficeUser, user_id)
        own = actor.user_id == user_id
        user.totp_secret = user.totp_since = user.totp_step = None
        session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        action = "user.second_factor_off" if own else "user.second_factor_reset"
        audit.record(session, actor, action, "user", user_id)


def take(session: Session, actor: Actor, user: OfficeUser, key: bytes, typed: str) -> None:
    """Take a code of now, or a recovery code, each once, whoever else sends it meanwhile.

    Raises:
        CodeUsed: The telephone's code, or a later one, was taken before.
        RecoveryCodeUsed: The recovery code was.
        WrongCode: It is neither.
    """
    step = _step_of(user, key, typed)
    with unscoped(OWN), atomic(session):
        if step is not None:
            newer = or_(OfficeUser.totp_step.is_(None), OfficeUser.totp_step < step)
            taken = rows_changed(
                session,
                update(OfficeUser)
                .where(OfficeUser.id == user.id, OfficeUser.totp_since.is_not(None), newer)
                .values(totp_step=step),
            )
            if not taken:
                raise CodeUsed
            return
        mine = (
            RecoveryCode.user_id == user.id,
            RecoveryCode.code_hash == hashed_code(key, user.id, typed),
        )
        fresh = update(RecoveryCode).where(*mine, RecoveryCode.used_at.is_(None))
        if rows_changed(session, fresh.values(used_at=now_utc())):
            who = as_person(actor, user)
            audit.record(session, who, "user.recovery_code_used", "user", user.id)
            return
        known = session.scalar(select(exists().where(*mine)))
        raise RecoveryCodeUsed if known else WrongCode


def new_code() -> str:
    """Make a code that people type: about 49 bits."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))


def written_code(code: str) -> str:
    """Write a code as it is read.

    >>> written_code("abcdefghjk")
    'abcde-fghjk'
    """
    return f"{code[:5]}-{code[5:]}"


def hashed_code(key: bytes, user_id: int, typed: str) -> str:
    """Hash a code as its row keeps it; case, spaces and hyphens do not matter."""
    code = "".join(mark for mark in typed.lower() if mark.isalnum())
    return sealing.mac(key, f"{user_id}:{code}".encode()).hex()


def _step_of(user: OfficeUser, key: bytes, typed: str) -> int | None:
    """Tell which time step's code was typed, if one's near now."""
    secret, code = secret_of(user, key), "".join(typed.split())
    if secret is None or not (code.isascii() and code.isdigit()):
        return None
    now = step_at(now_utc())
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):  # all are compared, in the same time
        if sealing.same(sealing.one_time_password(secret, step).encode(), code.encode()):
            found = step
    return found


def step_at(moment: datetime) -> int:
    """Count the steps of 30 s since 1970."""
    return int(moment.timestamp()) // STEP_SECONDS


def _new_codes(session: Session, user: OfficeUser, key: bytes) -> list[str]:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    codes = [new_code() for _ in range(CODES)]
    session.add_all(
        RecoveryCode(user_id=user.id, code_hash=hashed_code(key, user.id, code)) for code in codes
    )
    return [written_code(code) for code in codes]


def _own(session: Session, actor: Actor) -> OfficeUser:
    assert actor.user_id is not None
    return session.get_one(OfficeUser, actor.user_id)


def _bound(user_id: int) -> bytes:
    return f"totp {user_id}".encode()

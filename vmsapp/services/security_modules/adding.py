"""Adding a module that somebody named by address: only what was tried before, in this form.

What is typed as a secret goes into a file of the instance's own (``kept_secrets``), and the row
holds the file's name.

Source: SECURITY-MODULES.md 5.4 "Connect test and creation".
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.errors import N_, InvalidInput, Refused
from vmsapp.extensions import atomic
from vmsapp.hsm import connect
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.connect import Allowed, Target, Ticket, Tried
from vmsapp.hsm.drivers.prism import opening as prism
from vmsapp.hsm.drivers.prism.link import PASSWORD_MAX, Login
from vmsapp.hsm.drivers.prism.wire import Endpoint
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.policy import Limits
from vmsapp.models import SecurityModule
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.security_modules import kept_secrets
from vmsapp.services.security_modules.opening import secret_of, secret_path
from vmsapp.sts.secret import SecretBytes

TESTS_A_MINUTE: Final = 10
"""Connect tests one person may make: enough to add a module, too few to search a network."""
DRIVERS: Final = ("tcp", "prism")
"""What is reached by an address; the others lie on the server itself."""


class NameTaken(InvalidInput):
    """Two modules of one name could not be told apart."""

    code = "module_name_taken"
    message = N_("Another security module has this name. Choose another.")
    field = "name"


class AddedBefore(Refused):
    """The module itself, by its own name, is here already."""

    code = "module_added_before"
    message = N_("This is the module %(module_id)s, which is listed here as “%(name)s” already.")

    def __init__(self, *, module_id: str, name: str) -> None:
        super().__init__(module_id=module_id, name=name)


class TooManyTests(Refused):
    """More connect tests in a minute than anybody needs."""

    code = "too_many_tests"
    message = N_("Only %(count)s connections can be tested in a minute. Wait a minute and go on.")


class NotByAddress(Refused):
    """A module of this server has no address."""

    code = "module_not_by_address"
    message = N_("“%(name)s” lies on this server itself and is not reached by an address.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class SecretMissing(InvalidInput):
    """A module lets nobody in without a secret."""

    code = "module_secret_missing"
    message = N_("Type the secret again: it is kept for ten minutes, and for this address alone.")
    field = "secret"


class SecretOfAnother(InvalidInput):
    """The secret on record was not given for what it would be shown to now."""

    code = "module_secret_of_another"
    message = N_(
        "The secret on record belongs to the name on record, and a PrismToken password to the"
        " certificate on record too. Type the one for what you have entered."
    )
    field = "secret"


class SecretTooLong(InvalidInput):
    """PrismToken takes no such password."""

    code = "module_secret_too_long"
    message = N_("PrismToken takes passwords of at most %(most)s characters.")
    field = "secret"


@dataclass(frozen=True, slots=True)
class Credential:
    """Who we are to a module.

    Attributes:
        client: Our name there.
        secret: Shared with a module server, or PrismToken's password.
    """

    client: str
    secret: SecretBytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a connect test came to.

    Attributes:
        tried: Each step.
        kept: Name under which the secret lies aside.
        ticket: With it the module may be added; None where it may not.
        typed: The secret was typed, now or for the test before; else it is the one on record.
    """

    tried: Tried
    kept: str
    ticket: str | None
    typed: bool = True


def try_out(
    settings: Settings,
    secret: bytes,
    target: Target,
    client: str,
    typed: bytes,
    kept: str = "",
    row: SecurityModule | None = None,
) -> Outcome:
    """Try a module, with no transaction open.

    PrismToken is sent a password, so it is asked for no more than its certificate until
    somebody has said which one it must show.

    Args:
        settings: Where modules may be, and where secrets lie.
        secret: The instance's, which signs tickets.
        target: What was typed.
        client: Our name there.
        typed: The secret; empty where it was kept by the test before.
        kept: What that test gave.
        row: The module that is reached elsewhere from now on; its secret may stay. None for
            a new one.

    Raises:
        SecretMissing: Neither is given, or what is kept was typed for another address.
        SecretOfAnother: Nothing is typed, and the secret on record must not be shown there.
        SecretTooLong: PrismToken would not take it.
    """
    value, pinned = typed.strip() or kept_secrets.aside(settings, kept, target, client), None
    was_typed = bool(value)
    if not value and row is not None:
        value, pinned = _on_record(settings, row, target, client), target.fingerprint
    if not value:
        raise SecretMissing
    if target.driver == "prism" and len(value) > PASSWORD_MAX:
        raise SecretTooLong(most=PASSWORD_MAX)
    name = kept_secrets.lay_aside(settings, target, client, value, pinned=pinned)
    allowed = Allowed.of(settings.module_networks, settings.module_ports)
    with tempfile.TemporaryDirectory(prefix="vms-connect-") as folder, SecretBytes(value) as own:
        credential = Credential(client, own)

        def open_module(address: str, port: int, fingerprint: bytes) -> Module:
            reached = replace(target, host=address, port=port)
            return _opened(reached, fingerprint, credential, Path(folder))

        tried = connect.tried(target, allowed, open_module)
    ticket = connect.ticket_for(secret, target, tried) if tried.proved else None
    return Outcome(tried, name, ticket, was_typed)


def check_found(session: Session, found: Outcome, row: SecurityModule | None) -> None:
    """Refuse, as soon as it is known, a module that could not be added or reached so.

    Args:
        session: To read with.
        found: By a test in which all went well.
        row: The module that is reached elsewhere from now on; None for a new one.

    Raises:
        OtherModule: Who answers there is another.
        AddedBefore: It is here already.
    """
    name = found.tried.module_id
    if row is None:
        check_new(session, name)
    elif row.module_id != name:
        raise OtherModule(name=row.name, expected=row.module_id, found=name)


def add(
    session: Session,
    settings: Settings,
    secret: bytes,
    actor: Actor,
    *,
    target: Target,
    ticket: str,
    kept: str,
    client: str,
    name: str,
) -> int:
    """Add the module a ticket proves.

    Returns:
        The row's id.

    Raises:
        StaleTest: The ticket is too old, or of another address.
        SecretMissing: The secret is kept no longer.
        NameTaken, AddedBefore: It cannot be told from another.
    """
    proved = connect.checked(secret, ticket, target)
    value = _kept(settings, kept, proved, client)
    reference = kept_secrets.write(settings, proved.driver, value)
    try:
        with atomic(session) as current:
            check_name(current, name)
            check_new(current, proved.module_id)
            row = SecurityModule(
                name=name, driver=proved.driver, module_id=proved.module_id,
                params=params_of(proved, client, reference),
            )  # fmt: skip
            current.add(row)
            current.flush()
            audit.record(
                current, actor, "module.added", "security_module", row.id,
                name=name, module_id=row.module_id, driver=row.driver, where=_where(proved),
            )  # fmt: skip
    except IntegrityError as error:
        secret_path(settings, reference).unlink(missing_ok=True)
        raise NameTaken from error
    except BaseException:
        secret_path(settings, reference).unlink(missing_ok=True)
        raise
    kept_secrets.forget_aside(settings, kept)
    return row.id


def replace_at(
    session: Session,
    settings: Settings,
    secret: bytes,
    actor: Actor,
    module_id: int,
    *,
    target: Target,
    ticket: str,
    kept: str,
    client: str,
) -> None:
    """Reach the same module elsewhere, with another certificate or another secret.

    Raises:
        StaleTest, SecretMissing: As ``add``.
        OtherModule: Who answers there is another.
    """
    proved = connect.checked(secret, ticket, target)
    value = _kept(settings, kept, proved, client)
    reference = kept_secrets.write(settings, proved.driver, value)
    try:
        with atomic(session) as current:
            row = current.get_one(SecurityModule, module_id, with_for_update=True)
            _check_same(row, proved)
            former = row.params
            row.params = params_of(proved, client, reference)
            audit.record(
                current, actor, "module.replaced", "security_module", row.id,
                before=_seen(former), after=_seen(row.params),
            )  # fmt: skip
    except BaseException:
        secret_path(settings, reference).unlink(missing_ok=True)
        raise
    if former.get("secret"):
        secret_path(settings, former["secret"]).unlink(missing_ok=True)
    kept_secrets.forget_aside(settings, kept)


class OtherModule(Refused):
    """A module is replaced by itself alone: its keys and its record are what counts."""

    code = "other_module"
    message = N_(
        "“%(name)s” is the module %(expected)s, and at that address is %(found)s. Add that one as"
        " a module of its own, then let it take over."
    )

    def __init__(self, *, name: str, expected: str, found: str) -> None:
        super().__init__(name=name, expected=expected, found=found)


def check_name(session: Session, name: str, but: int | None = None) -> None:
    """Refuse a name that another module has, be it in other capitals.

    Raises:
        NameTaken: One has.
    """
    for number, other in session.execute(select(SecurityModule.id, SecurityModule.name)):
        if number != but and other.casefold() == name.casefold():
            raise NameTaken


def check_new(session: Session, module_id: str) -> None:
    """Refuse a module that is here already.

    Raises:
        AddedBefore: It is, perhaps retired.
    """
    known = select(SecurityModule.name).where(SecurityModule.module_id == module_id)
    name = session.scalar(known)
    if name is not None:
        raise AddedBefore(module_id=module_id, name=name)


def _check_same(row: SecurityModule, proved: Ticket) -> None:
    if (row.module_id, row.driver) != (proved.module_id, proved.driver):
        raise OtherModule(name=row.name, expected=row.module_id, found=proved.module_id)


def params_of(proved: Ticket, client: str, reference: str) -> dict[str, Any]:
    """Say in a row how a module is reached (``opening``)."""
    where = _where(proved) | {"secret": reference}
    if proved.driver == "prism":
        return where | {"username": client, "realm": "local"}
    return where | {"client": client}


def _where(proved: Ticket) -> dict[str, str]:
    return {"host": proved.host, "port": str(proved.port), "fingerprint": proved.fingerprint}


def _kept(settings: Settings, kept: str, proved: Ticket, client: str) -> bytes:
    """Read the secret a test was made with.

    Raises:
        SecretMissing: It is kept no longer.
    """
    known = bytes.fromhex(proved.fingerprint)
    target = Target(proved.driver, proved.host, proved.port, known)
    value = kept_secrets.aside(settings, kept, target, client)
    if not value:
        raise SecretMissing
    return value


def _on_record(settings: Settings, row: SecurityModule, target: Target, client: str) -> bytes:
    """Read the secret a module is reached with now; nothing where its file is gone.

    A module server is shown a proof of it alone. PrismToken is sent the password itself, so
    whoever names another certificate must know it.

    Raises:
        SecretOfAnother: It is asked for another name, or would be sent to a stranger.
    """
    params = row.params
    ours = (row.driver, params.get("client", params.get("username")))
    known = target.fingerprint is not None and target.fingerprint.hex() == params["fingerprint"]
    if (target.driver, client) != ours or (row.driver == "prism" and not known):
        raise SecretOfAnother
    try:
        with secret_of(settings, params["secret"]) as secret:
            return secret.reveal()
    except HsmUnavailable:
        return b""


def _seen(params: dict[str, Any]) -> dict[str, Any]:
    """What of a row's params goes on record."""
    return {name: value for name, value in params.items() if name not in {"secret", "pin"}}


def _opened(target: Target, fingerprint: bytes, credential: Credential, folder: Path) -> Module:
    if target.driver == "tcp":
        return TcpModule(
            Account(target.host, target.port, fingerprint, credential.client, credential.secret),
            connections=1,
        )
    if target.fingerprint is None:
        raise HsmUnavailable("certificate", sent=False)
    return prism.opened(
        prism.PrismOptions(
            Endpoint(target.host, target.port, fingerprint.hex()),
            Login(credential.client, credential.secret),
            folder,
            folder / "results.sqlite",
            table_set="production",
            limits=Limits(),
        )
    )

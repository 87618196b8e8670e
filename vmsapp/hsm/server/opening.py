"""Opening what a server serves: a keystore file, a token behind PKCS#11, a PrismToken service."""

import getpass
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.drivers.locked import LockedModule
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.keystore import Keystore, read_passphrase_fd
from vmsapp.hsm.keystore_file import name_in, passphrases_needed
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.hsm.server.settings import ServerSettings
from vmsapp.sts.secret import SecretBytes


class CannotServe(Exception):
    """The server does not start; the sentence says why."""


class NoPassphrase(CannotServe):
    """There is none to open the module with, which says nothing against the module."""


def count_needed(settings: ServerSettings) -> int:
    """Tell how many passphrases the module takes; a token takes its PIN, a service a password.

    Raises:
        KeystoreError: There is no keystore, or it cannot be read.
    """
    if settings.token or settings.prism:
        return 1
    return passphrases_needed(settings.keystore_path)


def passphrases(
    settings: ServerSettings, handed: Sequence[int], *, count: int, new: bool = False
) -> list[SecretBytes]:
    """Get the keystore's passphrases: handed over, from files, or typed; never the environment.

    Args:
        settings: Name the files or the credentials.
        handed: Open file descriptors, if any were handed over.
        count: How many are asked for at a terminal.
        new: Whether a keystore is made with them: what is typed is asked for twice.

    Raises:
        NoPassphrase: There is none, or not the same one twice.
        KeystoreError: One is empty or too long.
    """
    try:
        if handed:
            return [read_passphrase_fd(each) for each in handed]
        if paths := _passphrase_paths(settings):
            flags = os.O_RDONLY | os.O_CLOEXEC
            return [read_passphrase_fd(os.open(path, flags)) for path in paths]
    except OSError as error:
        msg = f"The passphrase cannot be read: {error.strerror}."
        raise NoPassphrase(msg) from None
    if sys.stdin is not None and sys.stdin.isatty():
        return [_typed(f"Passphrase of the keystore, {n} of {count}", new=new)
                for n in range(1, count + 1)]  # fmt: skip
    msg = (
        "There is no passphrase: name passphrase_files, or passphrase_credentials that systemd"
        " gives, or hand over a descriptor, or start at a terminal."
    )
    raise NoPassphrase(msg)


def _typed(prompt: str, *, new: bool) -> SecretBytes:
    """Ask at the terminal, where nothing is shown of it.

    Raises:
        NoPassphrase: The input ended, or the second time it was another.
    """
    try:
        typed = getpass.getpass(f"{prompt}: ")
        if new and getpass.getpass(f"{prompt}, again: ") != typed:
            msg = "The passphrase was not the same the second time; nothing was made."
            raise NoPassphrase(msg)
    except EOFError:
        msg = "No passphrase was typed."
        raise NoPassphrase(msg) from None
    return SecretBytes(typed.encode())


def _passphrase_paths(settings: ServerSettings) -> list[Path]:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")  # a folder; systemd sets it for the service
    if folder is not None and settings.passphrase_credentials:
        return [Path(folder) / name for name in settings.passphrase_credentials]
    return list(settings.passphrase_files)


def initialise(settings: ServerSettings, *secrets: SecretBytes) -> None:
    """Make an empty keystore and record.

    Args:
        settings: Say where.
        secrets: Passphrases, one or two.

    Raises:
        KeystoreError: There is one already.
    """
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(Keystore.create(settings.keystore_path, *secrets)):
        results = Results(settings.results_path)
        results.sequence()
        results.close()


def opened(settings: ServerSettings, *secrets: SecretBytes) -> SecurityModule:
    """Open the module.

    Args:
        settings: Say which.
        secrets: The keystore's passphrases, or the token's PIN; the caller wipes them.

    Raises:
        CannotServe: Its keys are for demonstration, and this is production.
        KeystoreError: The keystore cannot be opened.
        HsmUnavailable: Nor can the record, or the token.
    """
    if settings.prism:
        return _of_prism(settings, *secrets)
    module = _of_token(settings, *secrets) if settings.token else _of_file(settings, *secrets)
    try:
        module.status()
        if settings.production and any(key.demo for key in module.list_keys()):
            msg = "The keystore holds keys for demonstration, and production does not serve them."
            raise CannotServe(msg)  # noqa: TRY301 - one way out for all that keeps it from starting
    except BaseException:
        module.close()
        raise
    return module


def locked(settings: ServerSettings, lack: NoPassphrase) -> SecurityModule:
    """Give what is served of a module that nobody can open: its name, and that it is locked.

    So whoever asks is told what is wrong, where a server that is not there says nothing.

    Raises:
        NoPassphrase: There is no keystore that says the name: not made yet, or a service's.
        KeystoreError: It cannot be read.
    """
    if settings.prism or not settings.keystore_path.exists():
        raise lack
    return LockedModule(
        name_in(settings.keystore_path),
        driver="pkcs11" if settings.token else "soft",
        table_set=settings.sta_tables,
    )


def _of_file(settings: ServerSettings, *secrets: SecretBytes) -> SecurityModule:
    return SoftModule(
        Keystore.open(settings.keystore_path, *secrets),
        Results(settings.results_path, make=False),
        **_options(settings),
    )


def _of_token(settings: ServerSettings, pin: SecretBytes) -> SecurityModule:
    from vmsapp.hsm.drivers.pkcs11 import opening as token  # noqa: PLC0415 - not everywhere

    asked = settings.token
    assert asked is not None, "asked before"
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return token.opened(
        token.TokenOptions(
            asked.library,
            asked.label,
            SecretBytes(pin.reveal()),
            settings.keystore_path,
            settings.results_path,
            **_options(settings),
        )
    )


def _of_prism(settings: ServerSettings, password: SecretBytes) -> SecurityModule:
    """Open the way to a PrismToken service, which may be down now and come back later."""
    from vmsapp.hsm.drivers.prism import opening as prism  # noqa: PLC0415 - not everywhere
    from vmsapp.hsm.drivers.prism.link import Login  # noqa: PLC0415
    from vmsapp.hsm.drivers.prism.wire import Endpoint  # noqa: PLC0415

    asked = settings.prism
    assert asked is not None, "asked before"
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    module = prism.opened(
        prism.PrismOptions(
            Endpoint(asked.host, asked.port, asked.fingerprint),
            Login(asked.username, SecretBytes(password.reveal()), asked.realm),
            settings.folder,
            settings.results_path,
            table_set=settings.sta_tables,
            limits=_options(settings)["limits"],
        )
    )
    for key in asked.keys:
        module.register_key(key.info(), actor="settings")
    return module


def _options(settings: ServerSettings) -> dict[str, Any]:
    return {
        "trusted": settings.trusted,
        "pending": Pending.beside(settings.keystore_path) if settings.second_custodian else None,
        "production": settings.production,
        "table_set": settings.sta_tables,
        "limits": Limits(
            per_minute=settings.tokens_per_meter_minute, per_day=settings.tokens_per_meter_day
        ),
    }

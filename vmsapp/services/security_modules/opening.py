"""Opening the module behind a row, in this process, when it is first asked.

What a row's ``params`` say, by driver:

======= ===============================================================================
soft    nothing: the embedded module is where the settings say
tcp     ``host``, ``port``, ``fingerprint`` (hex), ``client``, ``secret``
pkcs11  ``library``, ``label``, ``pin``
prism   ``host``, ``port``, ``fingerprint`` (hex), ``username``, ``realm``, ``secret``
======= ===============================================================================

``secret`` and ``pin`` are names of files in the instance's folder of secrets, which are their
owner's alone; a row, and so the database and its copies, never holds a secret.
"""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from config import Settings
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.circuit import CircuitBreaker
from vmsapp.hsm.drivers.pkcs11 import opening as token
from vmsapp.hsm.drivers.prism import opening as prism
from vmsapp.hsm.drivers.prism.link import Login
from vmsapp.hsm.drivers.prism.module import PrismModule
from vmsapp.hsm.drivers.prism.wire import Endpoint
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_keys import TcpModuleWithKeys
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError
from vmsapp.hsm.keystore import Keystore, read_passphrase_fd
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Factory, ModuleDescriptor, Registry
from vmsapp.hsm.results import Results
from vmsapp.models import SecurityModule
from vmsapp.sts.secret import SecretBytes

T = TypeVar("T")

SECRET_BYTES_MAX: Final = 4096
OF_THE_DAY: Final = "web"
OF_THE_KEYS: Final = "keys"
"""Our names at the module server of this machine: for selling, and for bringing keys in."""
_SECRET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def registry_from(settings: Settings) -> Registry:
    """Make the registry of this process; modules are opened when first asked.

    The embedded module is opened behind the module server of this machine, where the settings
    say that there is one: then no web process ever holds a vending key. Otherwise its
    passphrase comes from the file descriptor the starting process handed over, or from the
    file the settings name.
    """
    handed = settings.keystore_passphrase_fd
    from_start = None if handed is None else read_passphrase_fd(handed)

    def open_embedded(_descriptor: ModuleDescriptor) -> Module:
        if settings.module_server:
            return CircuitBreaker(_behind_our_server(settings))
        passphrase = from_start or _passphrase_in(settings.passphrase_path)
        return SoftModule(
            _unlocked(lambda: Keystore.open(settings.keystore_path, passphrase)),
            Results(settings.results_path, make=False),
            production=settings.production,
            table_set=settings.sta_tables,
            limits=limits_of(settings),
        )

    kinds = {"soft": open_embedded} | factories(settings)
    return Registry((), kinds, production=settings.production)


def factories(settings: Settings) -> dict[str, Factory]:
    """Tell how modules of every kind but the embedded one are opened."""

    def open_tcp(descriptor: ModuleDescriptor) -> Module:
        return CircuitBreaker(tcp_module(settings, descriptor))

    def open_pkcs11(descriptor: ModuleDescriptor) -> Module:
        params, folder = descriptor.params, module_folder(settings, descriptor.id)
        options = token.TokenOptions(
            Path(params["library"]),
            params["label"],
            secret_of(settings, params["pin"]),
            keystore_path=folder / "keystore.json",
            results_path=folder / "results.sqlite",
            production=settings.production,
            table_set=settings.sta_tables,
            limits=limits_of(settings),
        )
        return _unlocked(lambda: token.opened(options))

    def open_prism(descriptor: ModuleDescriptor) -> Module:
        return CircuitBreaker(prism_module(settings, descriptor))

    return {"tcp": open_tcp, "pkcs11": open_pkcs11, "prism": open_prism}


def tcp_module(settings: Settings, descriptor: ModuleDescriptor) -> TcpModule:
    """Open a module behind a module server.

    Raises:
        HsmUnavailable: ``secret``: our own secret is missing or open to others.
    """
    params = descriptor.params
    return TcpModule(
        Account(
            params["host"],
            int(params["port"]),
            bytes.fromhex(params["fingerprint"]),
            params["client"],
            secret_of(settings, params["secret"]),
            module_id=descriptor.module_id or None,
        )
    )


def prism_module(settings: Settings, descriptor: ModuleDescriptor) -> PrismModule:
    """Open a PrismToken service, with its record in a folder of its own.

    Raises:
        HsmUnavailable: ``secret``, ``storage``.
    """
    params, folder = descriptor.params, module_folder(settings, descriptor.id)
    options = prism.PrismOptions(
        Endpoint(params["host"], int(params["port"]), params["fingerprint"]),
        Login(params["username"], secret_of(settings, params["secret"]), params["realm"]),
        folder,
        folder / "results.sqlite",
        table_set=settings.sta_tables,
        limits=limits_of(settings),
    )
    try:
        return prism.opened(options)
    except OSError as error:
        raise HsmUnavailable("storage", sent=False) from error


def _behind_our_server(settings: Settings) -> TcpModule:
    """Open the embedded module where the module server of this machine has it.

    The server made its certificate and the secrets at its first start, in a folder that only
    this user reads.

    Raises:
        HsmUnavailable: ``secret``: the server has never been started.
    """
    folder = settings.keystore_path.parent / "tls"

    def account(client: str) -> Account:
        try:
            fingerprint = bytes.fromhex((folder / "server.sha256").read_text().strip())
            secret = SecretBytes((folder / f"{client}.psk").read_bytes().strip())
        except (OSError, ValueError) as error:
            raise HsmUnavailable("secret", sent=False) from error
        return Account(settings.module_host, settings.module_port, fingerprint, client, secret)

    return TcpModuleWithKeys(account(OF_THE_DAY), lambda: account(OF_THE_KEYS))


def limits_of(settings: Settings) -> Limits:
    """Give the limits our own modules keep."""
    return Limits(
        per_minute=settings.tokens_per_meter_minute, per_day=settings.tokens_per_meter_day
    )


def module_folder(settings: Settings, module_id: int) -> Path:
    """Give the folder in which a module's driver keeps its files, made if need be."""
    folder = settings.instance / "modules" / str(module_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def secret_of(settings: Settings, name: str) -> SecretBytes:
    """Read one of the instance's secrets.

    Raises:
        HsmUnavailable: ``secret``: there is none of this name, or others may read it.
    """
    path = secret_path(settings, name)
    try:
        others_may_read = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        value = path.read_bytes().strip()
    except OSError as error:
        raise HsmUnavailable("secret", sent=False) from error
    if others_may_read or not 0 < len(value) <= SECRET_BYTES_MAX:
        raise HsmUnavailable("secret", sent=False)
    return SecretBytes(value)


def secret_path(settings: Settings, name: str) -> Path:
    """Say where a secret of this name lies; a row cannot name a file elsewhere.

    Raises:
        HsmUnavailable: ``secret``: no such name can be.
    """
    if not _SECRET_NAME.fullmatch(name):
        raise HsmUnavailable("secret", sent=False)
    return settings.instance / "secrets" / name


def open_module(session: Session, registry: Registry, module_id: int) -> Module:
    """Hand out the module behind a row, opening it in this process if need be."""
    if not registry.knows(module_id):
        row = session.get_one(SecurityModule, module_id)
        registry.describe(
            ModuleDescriptor(
                id=row.id,
                name=row.name,
                driver=row.driver,
                params=row.params,
                module_id=row.module_id,
            )
        )
    return registry.module(module_id)


def _unlocked(opened: Callable[[], T]) -> T:
    try:
        return opened()
    except KeystoreError as error:
        raise HsmUnavailable(error.why, sent=False) from error


def _passphrase_in(path: Path) -> SecretBytes:
    try:
        return SecretBytes(path.read_bytes().strip())
    except OSError:
        raise HsmUnavailable("locked", sent=False) from None

"""The connect test: what an administrator sees before a module is added.

Each step is tried in turn and the first that fails is named. Because somebody types an
address, the settings say which networks and ports may be tried at all; the name is resolved
once, and the address that was checked is the one that is dialled. Nothing the other side
sends is shown but what was understood and checked.

What was found is put into a ticket that is good for ten minutes: only with it may the module
be added, so nobody adds an address that was never tried, or trusts a certificate unseen.

Source: SECURITY-MODULES.md 5.4 "Connect test and creation".
"""

import json
import queue
import re
import socket
import ssl
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused, VmsError
from vmsapp.hsm.answers import ModuleStatus, Ping
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire import dial
from vmsapp.hsm.wire.ops import CONNECT_SECONDS

STEPS: Final = {
    "resolve": N_("Find the address"),
    "tcp": N_("Connect"),
    "tls": N_("Begin TLS"),
    "fingerprint": N_("Look at the certificate"),
    "handshake": N_("Prove who we are"),
    "ping": N_("Ask for a sign of life"),
    "status": N_("Ask how it is"),
}
"""The steps, in their order."""
WHYS: Final = frozenset(
    {"unknown_name", "network_not_allowed", "port_not_allowed", *HsmUnavailable.WHYS}
)
"""Why a step failed, as codes."""
TICKET_TIME: Final = timedelta(minutes=10)
SAID_MAX: Final = 200
"""Characters of a text of the other side that is shown, at most."""

_PURPOSE: Final = "connect ticket"
_MODULE_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
"""As far as a row has room for it."""
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be tried.

    Attributes:
        driver: ``tcp`` or ``prism``.
        host: Name or address, as it was typed.
        port: 1 to 65535.
        fingerprint: The certificate it had before, 32 bytes; None where it is new.
    """

    driver: str
    host: str
    port: int
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where modules may be.

    Attributes:
        networks: An address must lie in one of them.
        ports: The port must be one of them.
    """

    networks: tuple[Network, ...]
    ports: frozenset[int]

    @classmethod
    def of(cls, networks: str, ports: str) -> "Allowed":
        """Read both as the settings write them, separated by commas."""
        return cls(
            tuple(ip_network(part.strip()) for part in networks.split(",")),
            frozenset(int(part) for part in ports.split(",")),
        )

    def takes(self, address: Address, port: int) -> bool:
        """Tell whether an address and a port may be dialled."""
        return port in self.ports and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was tried.

    Attributes:
        name: Of ``STEPS``.
        why: Of ``WHYS``; None where it went well.
        took_ms: How long it took.
    """

    name: str
    why: str | None
    took_ms: float


@dataclass(frozen=True, slots=True)
class Tried:
    """What a connect test found.

    Attributes:
        steps: Those that were tried; only the last can have failed.
        fingerprint: SHA-256 of the certificate, 32 bytes; None before TLS.
        ping: Of the module.
        status: Of the module.
        algorithms: What it can do, of ``legacy`` and ``sts6``.
    """

    steps: tuple[Step, ...] = ()
    fingerprint: bytes | None = None
    ping: Ping | None = None
    status: ModuleStatus | None = None
    algorithms: frozenset[str] = frozenset()

    @property
    def well(self) -> bool:
        """All steps were tried, and none failed."""
        return len(self.steps) == len(STEPS) and self.steps[-1].why is None

    @property
    def proved(self) -> bool:
        """It may be added: all went well, or all it lacks is its first key file."""
        return len(self.steps) == len(STEPS) and self.steps[-1].why in {None, "no_keys"}

    @property
    def module_id(self) -> str:
        """The module's own name, as far as it told it; some tell it with their status alone."""
        return (self.ping and self.ping.module_id) or (self.status and self.status.module_id) or ""


Opener = Callable[[str, int, bytes], SecurityModule]
"""Opens a module at an address, a port and with a certificate of that fingerprint."""


class StaleTest(Refused):
    """A module is added without a connect test of exactly this, in the last ten minutes."""

    code = "stale_test"
    message = N_("Test the connection again: the last test is too old, or was of another address.")


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a test proved."""

    driver: str
    host: str
    port: int
    fingerprint: str
    module_id: str


class _Failed(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def tried(target: Target, allowed: Allowed, open_module: Opener) -> Tried:
    """Try a module, step by step; never raises for what it finds.

    Args:
        target: What somebody typed.
        allowed: Where modules may be.
        open_module: Of the driver, with its credential.
    """
    test = _Test(target, allowed, open_module)
    for name in STEPS:
        began = time.perf_counter()
        why = None
        try:
            getattr(test, name)()
        except _Failed as failed:
            why = failed.why
        except HsmUnavailable as error:
            why = error.why
        except (VmsError, KeyError):
            why = "protocol"
        took = (time.perf_counter() - began) * 1000
        test.found = replace(test.found, steps=(*test.found.steps, Step(name, why, took)))
        if why is not None:
            break
    test.close()
    return test.found


class _Test:
    """A test under way: each method is a step."""

    def __init__(self, target: Target, allowed: Allowed, open_module: Opener) -> None:
        self.found = Tried()
        self._target = target
        self._allowed = allowed
        self._open = open_module
        self._address = ""
        self._plain: socket.socket | None = None
        self._module: SecurityModule | None = None

    def resolve(self) -> None:
        if self._target.port not in self._allowed.ports:
            raise _Failed("port_not_allowed")
        for address in resolved(self._target.host, self._target.port):
            if self._allowed.takes(address, self._target.port):
                self._address = str(address)
                return
        raise _Failed("network_not_allowed")

    def tcp(self) -> None:
        until = time.monotonic() + CONNECT_SECONDS
        self._plain = dial.connected(self._address, self._target.port, until)

    def tls(self) -> None:
        assert self._plain is not None, "connected first"
        until = time.monotonic() + CONNECT_SECONDS
        context = dial.client_tls(oldest=ssl.TLSVersion.TLSv1_2)  # each driver asks for its own
        secure, found = dial.secured(self._plain, context, until, known=None)
        secure.close()
        self.found = replace(self.found, fingerprint=found)

    def fingerprint(self) -> None:
        assert self.found.fingerprint is not None, "TLS first"
        before = self._target.fingerprint
        if before is not None and not sealing.same(before, self.found.fingerprint):
            raise _Failed("certificate")
        self._module = self._open(self._address, self._target.port, self.found.fingerprint)

    def handshake(self) -> None:
        assert self._module is not None, "opened first"
        self._module.ping()

    def ping(self) -> None:
        assert self._module is not None, "opened first"
        ping = self._module.ping()
        tells_later = self._target.driver == "prism" and not ping.module_id
        if not tells_later and not _MODULE_ID.fullmatch(ping.module_id):
            raise _Failed("protocol")
        self.found = replace(self.found, ping=ping)

    def status(self) -> None:
        assert self._module is not None, "opened first"
        status = self._module.status()
        said = (status.module_id, status.firmware, status.table_set, *status.alerts)
        if not all(text.isprintable() and len(text) <= SAID_MAX for text in said):
            raise _Failed("protocol")
        algorithms = self._module.capabilities.algorithms
        found = replace(self.found, status=status, algorithms=algorithms)
        if not _MODULE_ID.fullmatch(found.module_id):
            raise _Failed("protocol")
        self.found = found
        if status.locked:
            raise _Failed("locked")
        if status.keys == 0:
            raise _Failed("no_keys")

    def close(self) -> None:
        if self._plain is not None:
            self._plain.close()
        if self._module is not None:
            self._module.close()


def resolved(host: str, port: int, *, seconds: float = CONNECT_SECONDS) -> list[Address]:
    """Find the addresses of a name, as they would be dialled.

    Raises:
        _Failed: ``unknown_name``: there is none, or it did not come in time.
    """
    if not _HOST.fullmatch(host):
        raise _Failed("unknown_name")
    answers: queue.Queue[list[Address]] = queue.Queue()

    def ask() -> None:  # the library waits as long as it likes
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answers.put([_plainly(str(entry[4][0])) for entry in found])

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = answers.get(timeout=seconds)
    except queue.Empty:
        addresses = []
    if not addresses:
        raise _Failed("unknown_name")
    return addresses


def _plainly(text: str) -> Address:
    """Read an address; an IPv4 one in IPv6 clothes is the IPv4 one."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def ticket_for(secret: bytes, target: Target, found: Tried, *, now: datetime | None = None) -> str:
    """Sign what a test proved; good for ten minutes.

    Args:
        secret: The instance's.
        target: What was tried.
        found: What was found of it proves it.
        now: The moment, by default now.
    """
    assert found.proved, "only what went well is proved"
    assert found.fingerprint is not None, "it went well"
    ticket = Ticket(
        target.driver, target.host, target.port, found.fingerprint.hex(), found.module_id
    )
    until = int(((now or now_utc()) + TICKET_TIME).timestamp())
    said = json.dumps([until, asdict(ticket)], separators=(",", ":")).encode()
    signed = sealing.mac(sealing.expand(secret, _PURPOSE), said)
    return urlsafe_b64encode(signed + said).decode()


def checked(secret: bytes, text: str, target: Target, *, now: datetime | None = None) -> Ticket:
    """Read a ticket.

    Raises:
        StaleTest: It is too old, of another target, altered, or none.
    """
    try:
        both = urlsafe_b64decode(text.encode())
    except ValueError:
        raise StaleTest from None
    signed, said = both[: sealing.KEY_BYTES], both[sealing.KEY_BYTES :]
    if not sealing.same(signed, sealing.mac(sealing.expand(secret, _PURPOSE), said)):
        raise StaleTest
    until, fields = json.loads(said)
    ticket = Ticket(**fields)
    if (ticket.driver, ticket.host, ticket.port) != (target.driver, target.host, target.port):
        raise StaleTest
    if (now or now_utc()).timestamp() >= until:
        raise StaleTest
    return ticket

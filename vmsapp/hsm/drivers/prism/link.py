"""The way to the service: a few connections, one sign-in, for all threads of a process.

Connections are opened when first needed, by the process that needs them, and are kept. How many
there may be at once the service itself says (``smpd.Tps``); a security module on a serial line
does one thing at a time.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from vmsapp.hsm.drivers.prism import codes, frames
from vmsapp.hsm.drivers.prism.frames import DeviceRefused
from vmsapp.hsm.drivers.prism.wire import Connection, Endpoint
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.sts.errors import SecretWiped
from vmsapp.sts.secret import SecretBytes

log = logging.getLogger(__name__)

VERSION: Final = "1.1"
PING_SECONDS: Final = 2.0
CALL_SECONDS: Final = 10.0
CONNECTIONS_MAX: Final = 8
PASSWORD_MAX: Final = 55
"""Characters the interface takes."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to the service.

    Attributes:
        username: As the service knows us.
        password: Asked for at each sign-in.
        realm: Where the service looks the name up.
    """

    username: str
    password: SecretBytes
    realm: str = "local"


class Link:
    """Calls to one service, from any thread of any process.

    Args:
        endpoint: Where it is.
        login: Who we are.
        call_seconds: How long an answer may take.
    """

    def __init__(
        self, endpoint: Endpoint, login: Login, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._endpoint = endpoint
        self._login = login
        self._call_seconds = call_seconds
        self._by_process: dict[int, _Pool] = {}

    def ping(self, echo: str) -> str:
        """Have the service say something after us; needs no sign-in.

        Raises:
            HsmUnavailable: It cannot be reached, or does not answer.
        """
        with self._mine().connection(self._endpoint, PING_SECONDS) as connection:
            said: str = connection.call("ping", PING_SECONDS, sleepMs=0, echo=echo)
        return said

    def call(self, method: str, message_id: str, **arguments: object) -> Any:  # noqa: ANN401
        """Call a method, signed in.

        A sign-in that has ended is made anew once, and the call repeated once: the service
        has then not looked at what was asked.

        Raises:
            DeviceRefused: The service answered with a code.
            HsmUnavailable: With ``sent=False``, this call was surely not carried out.
        """
        pool, seconds = self._mine(), self._call_seconds
        with pool.connection(self._endpoint, seconds) as connection:
            for last in (False, True):
                bearer = pool.bearer(lambda: self._sign_in(connection))
                try:
                    return connection.call(
                        method, seconds, messageId=message_id, accessToken=bearer, **arguments
                    )
                except DeviceRefused as refused:
                    if last or refused.code != codes.TOKEN_ENDED:
                        raise
                    pool.forget(bearer)
        raise AssertionError

    def allow(self, at_once: int) -> None:
        """Set how many connections there may be, 1 to ``CONNECTIONS_MAX``."""
        self._mine().size = max(1, min(at_once, CONNECTIONS_MAX))

    @property
    def at_once(self) -> int:
        """How many connections there may be."""
        return self._mine().size

    def close(self) -> None:
        """Close this process's connections; the next call opens them again."""
        pool = self._by_process.pop(os.getpid(), None)
        if pool is not None:
            pool.close()

    def _sign_in(self, connection: Connection) -> str:
        """Sign in.

        Raises:
            HsmUnavailable: ``secret``, ``permission`` or ``protocol``, or what breaks on the
                way; the call that needs it has not left.
        """
        try:
            password = self._login.password.reveal().decode()
        except (SecretWiped, UnicodeDecodeError):
            raise HsmUnavailable("secret", sent=False) from None
        if len(password) > PASSWORD_MAX:
            raise HsmUnavailable("secret", sent=False)
        try:
            result = connection.call(
                "signInWithPassword", self._call_seconds,
                messageId=secrets.token_hex(16), realm=self._login.realm,
                username=self._login.username, password=password,
                sessionOpts=frames.api.SessionOptions(version=VERSION, culture="en"),
            )  # fmt: skip
        except DeviceRefused as refused:
            log.warning("prism: sign-in: %s", codes.printable(refused.code))
            why = codes.NOT_DONE.get(codes.known(refused.code), "hardware")
            raise HsmUnavailable(why, sent=False) from None
        except HsmUnavailable as broken:
            raise HsmUnavailable(broken.why, sent=False) from None
        return str(result.accessToken)

    def _mine(self) -> "_Pool":
        # Sockets are not shared over a fork. setdefault is atomic among threads.
        return self._by_process.setdefault(os.getpid(), _Pool())


@dataclass(eq=False, repr=False)
class _Pool:
    """What one process has: idle connections, how many are out, and the sign-in."""

    size: int = 1
    idle: list[Connection] = field(default_factory=list)
    out: int = 0
    free: threading.Condition = field(default_factory=threading.Condition)
    signing: threading.Lock = field(default_factory=threading.Lock)
    token: str | None = None

    @contextmanager
    def connection(self, endpoint: Endpoint, seconds: float) -> Iterator[Connection]:
        """Lend a connection; one that a call has broken is not kept."""
        self._wait(seconds)
        kept: Connection | None = None
        try:
            connection = self._quiet() or Connection.open(endpoint)
            try:
                yield connection
                kept = connection
            except DeviceRefused:
                kept = connection
                raise
            finally:
                if kept is None:
                    connection.close()
        finally:
            with self.free:
                self.out -= 1
                if kept is not None:
                    self.idle.append(kept)
                self.free.notify()

    def bearer(self, sign_in: Callable[[], str]) -> str:
        """Give the sign-in, made once for all threads."""
        with self.signing:
            if self.token is None:
                self.token = sign_in()
            return self.token

    def forget(self, bearer: str) -> None:
        """Let go of a sign-in that has ended, unless another thread has a new one."""
        with self.signing:
            if self.token == bearer:
                self.token = None

    def close(self) -> None:
        with self.free:
            idle, self.idle = self.idle, []
        self.token = None
        for connection in idle:
            connection.close()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self.free:
            while self.out >= self.size:
                if not self.free.wait(end - time.monotonic()):
                    raise HsmUnavailable("busy", sent=False)
            self.out += 1

    def _quiet(self) -> Connection | None:
        while True:
            with self.free:
                if not self.idle:
                    return None
                connection = self.idle.pop()
            if connection.is_quiet():
                return connection
            connection.close()

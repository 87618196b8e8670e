"""One connection: TLS, greeting, then one request after the other until it ends."""

import logging
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm.server.desk import Client, Desk
from vmsapp.hsm.server.gate import Strikes
from vmsapp.hsm.wire import frames, greeting
from vmsapp.hsm.wire.codec import NotOurProtocol, parse, read, write
from vmsapp.hsm.wire.frames import FrameRefused, Line
from vmsapp.hsm.wire.greeting import Auth, Denied, Hello, Meeting, Welcome
from vmsapp.hsm.wire.ops import OPERATIONS, SHAPE
from vmsapp.sts.secret import SecretBytes

_BEGINS: Final = re.compile(rb'\{"t":"req","n":\d{1,19},"op":"(\w{1,40})"')

log = logging.getLogger("vms.module")


@dataclass(frozen=True, slots=True)
class Times:
    """How long the server waits, in seconds.

    Attributes:
        handshake: For TLS, and again for the greeting.
        idle: For the next request; then the connection ends.
        frame: For the rest of a request that has begun, and for the client to take an answer.
        ttl: After which a client must greet anew.
        delay: Before a wrong proof is answered.
    """

    handshake: float = 5.0
    idle: float = 120.0
    frame: float = 30.0
    ttl: float = 3600.0
    delay: float = 1.0


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a server share.

    Attributes:
        tls: The server's side of TLS.
        fingerprint: SHA-256 of its certificate.
        desk: Answers.
        clients: By id.
        strikes: Wrong proofs; they make the next wrong one wait, and never a right one.
        times: How long it waits.
        stopping: Nothing new is begun.
        may_join: Counts a client's connections; False when it has too many.
        large: One long request is taken in at a time.
    """

    tls: ssl.SSLContext
    fingerprint: bytes
    desk: Desk
    clients: dict[str, Client]
    strikes: Strikes
    times: Times
    stopping: threading.Event
    may_join: Callable[["Session"], bool]
    large: threading.Lock = field(default_factory=threading.Lock)
    nobody: SecretBytes = field(default_factory=lambda: SecretBytes(secrets.token_bytes(32)))
    """Proofs of unknown clients are checked too, in the same time."""


LONGER: Final = 5
"""How many times as long a wrong proof waits after several others from there."""


class WrongProof(Exception):
    """Whoever it is did not prove it; what the log says of why, never a secret."""


class Session:
    """One connection's thread.

    Args:
        house: What it shares with the others.
        connection: As it was accepted.
        address: Where it comes from.
    """

    def __init__(self, house: House, connection: socket.socket, address: str) -> None:
        self.client: Client | None = None
        self.idle = True
        self._house = house
        self._socket = connection
        self._line = Line(connection)
        self._address = address

    def run(self) -> None:
        """Serve until the end; whatever happens concerns this connection alone."""
        try:
            self._secure()
            self._greet()
            self._serve()
        except WrongProof as wrong:
            level = logging.DEBUG if self._house.strikes.many(self._address) else logging.WARNING
            log.log(level, "%s did not prove who it is: %s", self._address, wrong)
        except (NotOurProtocol, FrameRefused) as error:
            log.warning("%s ended: %s", self._name(), error)
        except OSError as error:  # it hung up, or was too slow; TLS says so in the same family
            log.debug("%s ended: %s", self._name(), type(error).__name__)
        finally:
            self._line.close()

    def hang_up(self) -> None:
        """End the connection, from any thread."""
        self._line.hang_up()

    def _name(self) -> str:
        return self.client.id if self.client else self._address

    def _secure(self) -> None:
        self._socket.settimeout(self._house.times.handshake)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured = self._house.tls.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False
        )
        self._socket, self._line = secured, Line(secured)
        try:
            secured.do_handshake()
        except ssl.SSLCertVerificationError as error:
            self._house.strikes.add(self._address)
            msg = "its certificate is not of the clients' authority"
            raise WrongProof(msg) from error

    def _greet(self) -> None:
        house, seconds = self._house, self._house.times.handshake
        hows = sorted({client.how for client in house.clients.values()})
        hello = Hello(
            "hello", greeting.VERSION, SHAPE, house.desk.module_id,
            secrets.token_bytes(greeting.NONCE_BYTES), tuple(hows),
        )  # fmt: skip
        self._line.send(write(hello), seconds=seconds)
        received = self._line.receive(wait=seconds, finish=seconds, limit=frames.GREETING)
        auth = read(Auth, parse(received))
        if len(auth.nc) != greeting.NONCE_BYTES:
            msg = "a nonce of another length"
            raise NotOurProtocol(msg)
        client, proof = self._known(hello, auth)
        if client is None:
            time.sleep(house.times.delay * (LONGER if house.strikes.many(self._address) else 1))
            house.strikes.add(self._address)
            self._line.send(write(Denied("no", "secret")), seconds=seconds)
            raise WrongProof(self._what_is_wrong(auth))
        self.client = client
        if not house.may_join(self):
            self._line.send(write(Denied("no", "busy")), seconds=seconds)
            msg = "too many connections"
            raise NotOurProtocol(msg)
        welcome = Welcome(
            "ok", proof, tuple(sorted(client.roles)), int(house.times.ttl), house.desk.capabilities
        )
        self._line.send(write(welcome), seconds=seconds)

    def _known(self, hello: Hello, auth: Auth) -> tuple[Client | None, bytes]:
        """Tell who it is, and the server's own proof; None for whoever did not prove it."""
        house = self._house
        client = house.clients.get(auth.client)
        if auth.how == "mtls":
            certified = client is not None and client.how == "mtls" and self._certified(client.id)
            return (client if certified else None), b""
        secret = client.secret if client and client.secret and client.how == "psk" else None
        meeting = Meeting(auth.client, hello.module, hello.ns, auth.nc, house.fingerprint)
        proven = sealing.same(auth.mac, meeting.client_proof(secret or house.nobody))
        if not proven or secret is None:
            return None, b""
        return client, meeting.server_proof(secret)

    def _what_is_wrong(self, auth: Auth) -> str:
        """Say for the log whom a greeting names and what is wrong with its proof."""
        if not greeting.CLIENT_ID.fullmatch(auth.client):
            return "a name that no client can have"
        client = self._house.clients.get(auth.client)
        if client is None:
            return f"no client is called {auth.client}"
        if client.how != auth.how:
            return f"{auth.client} proves it another way (auth)"
        if auth.how == "mtls":
            return f"it has no certificate of {auth.client}"
        return f"it has not the secret of {auth.client}, or sees another certificate of ours"

    def _certified(self, client_id: str) -> bool:
        """Tell whether TLS took a certificate with this CN, and no other."""
        assert isinstance(self._socket, ssl.SSLSocket), "TLS comes first"
        subject: Any = (self._socket.getpeercert() or {}).get("subject", ())
        names = [value for part in subject for name, value in part if name == "commonName"]
        return names == [client_id]

    def _serve(self) -> None:
        assert self.client is not None, "greeting comes first"
        house, times = self._house, self._house.times
        until = time.monotonic() + times.ttl
        while (left := until - time.monotonic()) > 0:
            self.idle = True
            if house.stopping.is_set():
                return
            with ExitStack() as held:
                data = self._line.receive(
                    wait=min(times.idle, left),
                    finish=times.frame,
                    longer=lambda begin, held=held: self._room(begin, held),  # type: ignore[misc]
                )
                self.idle = False
                answer = house.desk.answer(self.client, data)
            self._line.send(answer, seconds=times.frame)

    def _room(self, begin: bytes, held: ExitStack) -> int:
        """Tell how long a request that begins so may be; long ones come one at a time."""
        named = _BEGINS.match(begin)
        operation = OPERATIONS.get(named[1].decode()) if named else None
        assert self.client is not None, "greeting comes first"
        if operation is None or not operation.roles & self.client.roles:
            return frames.SMALL
        if operation.limit > frames.SMALL:
            if not self._house.large.acquire(timeout=self._house.times.frame):
                return frames.SMALL
            held.callback(self._house.large.release)
        return operation.limit

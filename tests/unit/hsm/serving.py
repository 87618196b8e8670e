"""A module server in this process, on a port that is free, and clients that know it."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.hsm.server.desk import Client
from vmsapp.hsm.server.identity import Identity, identity_in, shared_secret
from vmsapp.hsm.server.service import ModuleServer, server_tls
from vmsapp.hsm.server.session import Times
from vmsapp.hsm.wire import dial, frames
from vmsapp.hsm.wire.codec import parse, read, write
from vmsapp.hsm.wire.frames import Line
from vmsapp.hsm.wire.greeting import Auth, Hello, Meeting
from vmsapp.hsm.wire.ops import Role
from vmsapp.sts.secret import SecretBytes

ROOT = Path(__file__).resolve().parents[3]
QUICK = Times(handshake=10.0, idle=10.0, frame=2.0, delay=0.01)


@dataclass
class Served:
    """A server that runs, and what a client of it needs.

    Attributes:
        account: Of a client with every role.
    """

    server: ModuleServer
    identity: Identity
    account: Account
    opened: list[TcpModule] = field(default_factory=list)

    def module(self, *, connections: int = 8, **changed: Any) -> TcpModule:
        """A client's module, with some of its account changed."""
        module = TcpModule(replace(self.account, **changed), connections=connections)
        self.opened.append(module)
        return module


@contextmanager
def served(
    module: SecurityModule,
    folder: Path,
    *,
    more: tuple[Client, ...] = (),
    per_second: float = 10_000.0,
    times: Times = QUICK,
    client_ca: Path | None = None,
) -> Iterator[Served]:
    """Serve a module while the block lasts; the client ``web-1`` may do anything."""
    identity = identity_in(folder, name="module")
    secret = shared_secret(folder / "web-1.psk")
    everything = Client("web-1", frozenset(Role), secret=secret, per_second=per_second)
    server = ModuleServer(module, identity, [everything, *more], times=times, client_ca=client_ca)
    server.start()
    host, port = server.address
    running = Served(server, identity, Account(host, port, identity.fingerprint, "web-1", secret))
    try:
        yield running
    finally:
        for client in running.opened:
            client.close()
        assert server.stop(), "something was still under way"


class Stranger:
    """A client written by hand, to say what ours never would."""

    def __init__(self, account: Account) -> None:
        self.account = account
        until = time.monotonic() + 5
        plain = socket.create_connection((account.host, account.port), 5)
        self.socket, _ = dial.secured(plain, dial.client_tls(), until, known=None)
        self.line = Line(self.socket)
        self.hello = read(Hello, self.hear())

    def hear(self, *, seconds: float = 5) -> Any:
        """What the server says next, as JSON."""
        return parse(self.line.receive(wait=seconds, finish=seconds, limit=frames.CAMPAIGN))

    def say(self, said: Any) -> None:
        """Say something that is at least a frame."""
        self.line.send(said if isinstance(said, bytes) else write(said), seconds=5)

    def proof(self, *, nc: bytes = bytes(32), certificate: bytes | None = None) -> Auth:
        """A proof with our secret."""
        account = self.account
        seen = account.fingerprint if certificate is None else certificate
        meeting = Meeting(account.client, self.hello.module, self.hello.ns, nc, seen)
        proof = meeting.client_proof(account.secret)
        return Auth("auth", account.client, "psk", nc, proof)

    def come_in(self) -> Any:
        """Greet as one should."""
        self.say(self.proof())
        return self.hear()

    def ended(self, *, seconds: float = 5) -> bool:
        """Tell whether the server hangs up without another word."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True
        except TimeoutError:
            return False

    def close(self) -> None:
        self.line.close()


class Watched:
    """A module to which something happens before it is asked; ``asked`` counts."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.before: dict[str, Any] = {}
        self.asked: list[str] = []

    @property
    def capabilities(self) -> Any:
        return self.inner.capabilities

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)

        def ask(*args: Any, **options: Any) -> Any:
            self.asked.append(name)
            self.before.get(name, lambda: None)()
            return call(*args, **options)

        return ask


class Relay:
    """Passes bytes on between clients and a server, until it is told otherwise.

    Attributes:
        deaf: What the server says is no longer passed on; the client is hung up on instead.
        mute: What clients say is no longer passed on; they are hung up on instead.
    """

    def __init__(self, host: str, port: int) -> None:
        self.deaf = self.mute = False
        self.taken = 0
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self.taken += 1
                self._sockets += [client, server]
                for pump in (
                    threading.Thread(target=self._up, args=(client, server), daemon=True),
                    threading.Thread(target=self._down, args=(server, client), daemon=True),
                ):
                    self._threads.append(pump)
                    pump.start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while (some := client.recv(65_536)) and not self.mute:
                server.sendall(some)
        self._cut(client, server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while (some := server.recv(65_536)) and not self.deaf:
                client.sendall(some)
        self._cut(client, server)

    def _cut(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._cut(self._listener, *self._sockets)
        for thread in self._threads:
            thread.join(5)
        for each in [self._listener, *self._sockets]:
            each.close()


class Impostor:
    """Stands between client and server with a certificate of its own, and passes all words on."""

    def __init__(self, identity: Identity, account: Account) -> None:
        self._tls = server_tls(identity, None)
        self._account = account
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _run(self) -> None:
        with suppress(OSError):
            raw, _ = self._listener.accept()
            try:
                self._between(self._tls.wrap_socket(raw, server_side=True))
            finally:
                raw.close()

    def _between(self, client: socket.socket) -> None:
        until = time.monotonic() + 5
        plain = socket.create_connection((self._account.host, self._account.port))
        server, _ = dial.secured(plain, dial.client_tls(), until, known=None)
        here, there = Line(client), Line(server)
        try:
            here.send(there.receive(wait=5, finish=5), seconds=5)  # hello
            there.send(here.receive(wait=5, finish=5), seconds=5)  # the client's proof
            here.send(there.receive(wait=5, finish=5), seconds=5)
        finally:
            here.close()
            there.close()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)


CONFIG = """
folder = "{folder}"
port = 0
env = "{env}"
tokens_per_meter_minute = 1000000
tokens_per_meter_day = 1000000
{more}
[[clients]]
id = "web-1"
roles = ["issuer", "auditor"]
per_second = 10000
"""


class ServerProcess:
    """A module server as an administrator starts it, on a keystore that is there already."""

    def __init__(
        self, folder: Path, passphrase: bytes | None, *, env: str = "production", more: str = ""
    ) -> None:
        self._folder = folder
        config = folder / "server.toml"
        config.write_text(CONFIG.format(folder=folder, env=env, more=more))
        reader, writer = os.pipe()
        os.write(writer, passphrase or b"")
        os.close(writer)
        handed = [] if passphrase is None else ["--passphrase-fd", str(reader)]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vmsapp.hsm.server", "--config", str(config), *handed],
                cwd=ROOT, pass_fds=[reader], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True,
            )  # fmt: skip
        finally:
            os.close(reader)
        self.said = ""
        self.port = self._port()

    def _port(self) -> int:
        """Wait until it says where it listens; 0 if it stops instead."""
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"port (\d+)", line):
                return int(found[1])
        return 0

    def account(self) -> Account:
        """A client's account, from the files the server has made."""
        tls = self._folder / "tls"
        fingerprint = bytes.fromhex((tls / "server.sha256").read_text().strip())
        secret = SecretBytes((tls / "web-1.psk").read_bytes())
        return Account("127.0.0.1", self.port, fingerprint, "web-1", secret)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.said += self.process.communicate(timeout=30)[1]
        return self.process.returncode

"""A kept connection to a module server, and the few of them a process has.

A lost connection says two things that decide about money: whether the whole request had
been handed over, and whether the connection was an old one that may have been dead before.
"""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any, Final, NoReturn

from vmsapp import sealing
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire import dial, frames, greeting
from vmsapp.hsm.wire.codec import NotOurProtocol, parse, read, write
from vmsapp.hsm.wire.faults import error_of
from vmsapp.hsm.wire.frames import FrameRefused, Line
from vmsapp.hsm.wire.greeting import Answer, Ask, Auth, Denied, Hello, Meeting, Refusal, Welcome
from vmsapp.hsm.wire.ops import CONNECT_SECONDS, SHAPE, Operation
from vmsapp.sts.secret import SecretBytes

IDLE_SECONDS: Final = 90.0
"""After which a connection is not used again: less than the server keeps it."""
TTL_SHARE: Final = 0.9
"""Share of its time after which a connection is not used again."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a module server is, how to know it, and who we are to it.

    Attributes:
        host: Name or address.
        port: 1 to 65535.
        fingerprint: SHA-256 of the server's certificate, 32 bytes.
        client: Our name there.
        secret: What we share with it; None where we show a certificate.
        certificate: Our certificate; None where we share a secret.
        module_id: Whom we expect behind it; None for anybody.
    """

    host: str
    port: int
    fingerprint: bytes
    client: str
    secret: SecretBytes | None = None
    certificate: dial.ClientCertificate | None = None
    module_id: str | None = None


class Lost(Exception):
    """A connection ended with a request under way.

    Attributes:
        why: As in ``HsmUnavailable.WHYS``.
        whole: All of the request had been handed over: it may be carried out.
        kept: The connection was an old one.
    """

    def __init__(self, why: str, *, whole: bool, kept: bool) -> None:
        super().__init__(why)
        self.why = why
        self.whole = whole
        self.kept = kept


class Link:
    """One connection that has been greeted on; one request at a time.

    Raises:
        HsmUnavailable: It could not be made; nothing was sent.
    """

    def __init__(self, account: Account) -> None:
        until = time.monotonic() + CONNECT_SECONDS
        context = dial.client_tls(account.certificate)
        plain = dial.connected(account.host, account.port, until)
        self._socket, _ = dial.secured(plain, context, until, known=account.fingerprint)
        self._line = Line(self._socket)
        self._asked = 0
        self.answered = True
        """Nothing is under way on it; another answer cannot be taken for the next one's."""
        try:
            self.module_id, self.welcome = _greet(self._line, account, until)
        except BaseException:
            self._line.close()
            raise
        self._used_at = self._made_at = time.monotonic()

    def alive(self) -> bool:
        """Tell whether it may be asked once more, without sending anything.

        An idle server is silent: whatever can be read is the end of the connection.
        """
        now = time.monotonic()
        rested = now - self._used_at > IDLE_SECONDS
        if rested or now - self._made_at > self.welcome.ttl * TTL_SHARE:
            return False
        try:
            said = select.poll()
            said.register(self._socket, select.POLLIN)
            return not said.poll(0) and not self._socket.pending()
        except (OSError, ValueError):
            return False

    def ask(self, operation: Operation, args: object, until: float) -> Any:  # noqa: ANN401 - as declared
        """Ask and wait for the answer.

        Raises:
            Lost: The connection ended, or no answer came in time; it is closed.
            VmsError: What the module says instead of an answer.
        """
        kept, self._asked = self._asked > 0, self._asked + 1
        request = write(Ask("req", self._asked, operation.name, args))
        if len(request) > operation.limit:
            raise HsmUnavailable("protocol", sent=False)
        whole = self.answered = False
        try:
            self._line.send(request, seconds=dial.left(until))
            whole = True
            wait = dial.left(until)
            received = self._line.receive(wait=wait, finish=wait, limit=operation.answer_limit)
            answer = _understood(received, self._asked, operation)
        except (NotOurProtocol, FrameRefused):
            self._line.close()
            raise Lost("protocol", whole=True, kept=False) from None
        except OSError as error:
            self._line.close()
            late = isinstance(error, TimeoutError)
            raise Lost(dial.why_of(error), whole=whole, kept=kept and not late) from None
        self._used_at, self.answered = time.monotonic(), True
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Hang up."""
        self._line.close()


class Pool:
    """The connections of one process to one server.

    Args:
        account: The server.
        size: How many at a time.
    """

    def __init__(self, account: Account, size: int) -> None:
        self._account = account
        self._room = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Link] = []
        self._closed = False
        self.welcome: Welcome | None = None

    @contextmanager
    def link(self, until: float, *, fresh: bool = False) -> Iterator[Link]:
        """Have a connection for one request.

        Args:
            until: ``time.monotonic`` by which one must be free.
            fresh: A new one, because the old ones seem dead.

        Raises:
            HsmUnavailable: None is free, or none can be made; nothing was sent.
        """
        if not self._room.acquire(timeout=dial.left(until)):
            raise HsmUnavailable("busy", sent=False)
        try:
            link = self._taken(fresh=fresh)
            try:
                yield link
            finally:
                self._put_back(link)
        finally:
            self._room.release()

    def close(self) -> None:
        """Hang up all that is idle; what is in use is closed when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def _taken(self, *, fresh: bool) -> Link:
        while True:
            with self._lock:
                link = self._idle.pop() if self._idle else None
            if link is None:
                link = Link(self._account)
                self.welcome = link.welcome
                return link
            if not fresh and link.alive():
                return link
            link.close()

    def _put_back(self, link: Link) -> None:
        with self._lock:
            if link.answered and not self._closed:
                self._idle.append(link)
                return
        link.close()


def _greet(line: Line, account: Account, until: float) -> tuple[str, Welcome]:
    try:
        hello = read(Hello, parse(_heard(line, until)))
        if (hello.v, hello.shape) != (greeting.VERSION, SHAPE):
            raise HsmUnavailable("protocol", sent=False)
        if account.module_id not in {None, hello.module}:
            raise HsmUnavailable("unknown_module", sent=False)
        meeting = Meeting(
            account.client, hello.module, hello.ns, token_bytes(greeting.NONCE_BYTES),
            account.fingerprint,
        )  # fmt: skip
        line.send(write(_auth(account, meeting)), seconds=dial.left(until))
        welcome = _welcome(parse(_heard(line, until)))
    except (NotOurProtocol, FrameRefused):
        raise HsmUnavailable("protocol", sent=False) from None
    except OSError as error:
        raise HsmUnavailable(dial.why_of(error), sent=False) from None
    secret = account.secret
    if secret and not sealing.same(welcome.mac, meeting.server_proof(secret)):
        raise HsmUnavailable("secret", sent=False)
    return hello.module, welcome


def _heard(line: Line, until: float) -> bytes:
    wait = dial.left(until)
    return line.receive(wait=wait, finish=wait, limit=frames.GREETING)


def _auth(account: Account, meeting: Meeting) -> Auth:
    if account.secret is None:
        return Auth("auth", account.client, "mtls", meeting.nc, b"")
    proof = meeting.client_proof(account.secret)
    return Auth("auth", account.client, "psk", meeting.nc, proof)


def _welcome(said: Any) -> Welcome:  # noqa: ANN401 - JSON
    if isinstance(said, dict) and said.get("t") == "no":
        _denied(read(Denied, said))
    return read(Welcome, said)


def _denied(denied: Denied) -> NoReturn:
    known = denied.why if denied.why in {"secret", "busy"} else "protocol"
    raise HsmUnavailable(known, sent=False)


def _understood(received: bytes, number: int, operation: Operation) -> Any:  # noqa: ANN401 - as declared
    """Give the answer, or what was said instead of one."""
    said = parse(received)
    if isinstance(said, dict) and said.get("t") == "err":
        refusal = read(Refusal, said)
        _check_number(refusal.n, number)
        return error_of(refusal.err)
    answer = read(Answer, said)
    _check_number(answer.n, number)
    return read(operation.gives, answer.res)


def _check_number(found: int, expected: int) -> None:
    if found != expected:
        msg = "the answer to another request"
        raise NotOurProtocol(msg)

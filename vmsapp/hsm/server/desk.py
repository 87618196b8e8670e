"""What a client that is known may ask, and what it is answered.

The desk adds nothing of its own to an answer: whether a request was carried out before is
the module's to know, by the request's id. Whatever the desk itself refuses, the module never
heard of.
"""

import logging
import time
import traceback
from dataclasses import dataclass, field
from typing import Final

from vmsapp.errors import VmsError
from vmsapp.hsm.answers import Capabilities, Ping
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.server.gate import Gate, Rate
from vmsapp.hsm.wire.codec import NotOurProtocol, parse, read, write
from vmsapp.hsm.wire.faults import code_of
from vmsapp.hsm.wire.greeting import Answer, Ask, How, Refusal
from vmsapp.hsm.wire.ops import OPERATIONS, PROTOCOL, Operation, Role
from vmsapp.sts.secret import SecretBytes

NARROW: Final = {"ping": 5.0, "verify": 10.0}
"""What costs a module much, or tells somebody who guesses: so many a second for a client."""

log = logging.getLogger("vms.module")


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who may ask.

    Attributes:
        id: 1 to 40 characters of ``[A-Za-z0-9_.-]``; with ``mtls`` the CN of its certificate.
        roles: What it may do.
        how: How it proves who it is.
        secret: What it shares with the server; None with ``mtls``.
        per_second: Requests a second, over all its connections.
    """

    id: str
    roles: frozenset[Role]
    how: How = "psk"
    secret: SecretBytes | None = None
    per_second: float = 200.0


@dataclass(frozen=True, slots=True)
class _Rates:
    all: Rate
    narrow: dict[str, Rate] = field(
        default_factory=lambda: {name: Rate(rate) for name, rate in NARROW.items()}
    )

    def take(self, operation: Operation) -> None:
        self.all.take()
        if narrow := self.narrow.get(operation.name):
            narrow.take()


class Desk:
    """Answers requests, for any number of connections at once.

    Args:
        module: Who is asked.
        clients: Who may ask.
    """

    def __init__(self, module: SecurityModule, clients: list[Client]) -> None:
        self._module = module
        self.capabilities: Capabilities = module.capabilities
        self._gate = Gate(self.capabilities.at_once)
        known = module.ping()
        self._ping = Ping(known.module_id, known.driver, PROTOCOL, 0.0)
        self._rates = {client.id: _Rates(Rate(client.per_second)) for client in clients}

    @property
    def module_id(self) -> str:
        """The module's own name for itself."""
        return self._ping.module_id

    def answer(self, client: Client, data: bytes) -> bytes:
        """Answer one request.

        Raises:
            NotOurProtocol: It is none.
        """
        ask = read(Ask, parse(data))
        began = time.monotonic()
        try:
            answer = write(Answer("rep", ask.n, self._ask(client, ask)))
            outcome = "ok"
        except (VmsError, KeyError) as error:
            fault = code_of(error)
            answer, outcome = write(Refusal("err", ask.n, fault)), fault.code
        took = (time.monotonic() - began) * 1000
        log.log(
            logging.DEBUG if outcome == "ok" else logging.INFO,
            "%s %s: %s, %.0f ms", client.id, _known(ask.op), outcome, took,
        )  # fmt: skip
        return answer

    def _ask(self, client: Client, ask: Ask) -> object:
        operation = OPERATIONS.get(ask.op)
        if operation is None:
            raise HsmUnavailable("protocol", sent=False)
        if not operation.roles & client.roles:
            raise HsmUnavailable("permission", sent=False)
        self._rates[client.id].take(operation)
        try:
            args = read(operation.takes, ask.args)
        except NotOurProtocol:
            raise HsmUnavailable("protocol", sent=False) from None
        if operation.turn is None:
            return self._ping
        with self._gate.turn(operation.turn, seconds=operation.seconds):
            return self._carried_out(operation, args)

    def _carried_out(self, operation: Operation, args: object) -> object:
        try:
            return operation.call(self._module, args)
        except VmsError:
            raise
        except Exception as error:
            if isinstance(error, KeyError) and operation.name == "removeKey":
                raise
            # The text of an error may hold what was asked; where it happened does not.
            where = "".join(traceback.format_tb(error.__traceback__))
            name = type(error).__name__
            log.error("%s failed: %s\n%s", operation.name, name, where)  # noqa: TRY400 - as said
            raise HsmTimeout from None


def _known(name: str) -> str:
    return name if name in OPERATIONS else "unknown operation"

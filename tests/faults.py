"""What goes wrong between the product and a security module, or its database.

``FaultyModule`` wraps any module. A fault is a function of the call that would reach it;
``once`` plans faults for the next calls of a method, ``always`` for all of them.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vmsapp.extensions import _ATOMIC
from vmsapp.hsm.answers import (
    Cancelled,
    IssuedToken,
    IssuedTokens,
    KeyInfo,
    ModuleStatus,
    NotExecuted,
    SignedHead,
)
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import CreditRequest, EngineeringRequest, KeyChangeRequest

Call = Callable[[], Any]
Fault = Callable[[Call], Any]


def works(call: Call) -> Any:
    """Nothing goes wrong."""
    return call()


def down(call: Call) -> Any:
    """Not a byte leaves: connection refused."""
    raise HsmUnavailable("down", sent=False)


def put_off(why: str) -> Fault:
    """Refused before the request id was looked up: clock, rate, locked."""

    def fault(call: Call) -> Any:
        raise HsmUnavailable(why, sent=True)

    return fault


def answer_lost(call: Call) -> Any:
    """The module has done it and written it down, but its answer never arrives."""
    try:
        call()
    except ModuleRefused as refusal:
        raise HsmTimeout from refusal
    raise HsmTimeout


def request_lost(call: Call) -> Any:
    """The request never reaches the module."""
    raise HsmTimeout


def doubled(call: Call) -> Any:
    """The network repeats the request; the first answer is lost."""
    call()
    return call()


def during(deed: Call, then: Fault = works) -> Fault:
    """Something else happens while the module is being asked."""

    def fault(call: Call) -> Any:
        deed()
        return then(call)

    return fault


class Late:
    """The request is under way for longer than anybody waits; ``arrive`` lets it in."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def __call__(self, call: Call) -> Any:
        self._calls.append(call)
        raise HsmTimeout

    def arrive(self) -> Any:
        """Let the oldest request in and give the module's answer, which nobody hears."""
        return self._calls.pop(0)()


class FaultyModule:
    """A module that works, but for the faults planned."""

    def __init__(self, inner: SecurityModule) -> None:
        self.inner = inner
        self.asked: list[tuple[str, str]] = []
        self._once: dict[str, list[Fault]] = defaultdict(list)
        self._always: dict[str, Fault] = {}
        self._refused: dict[str, ModuleRefused] = {}

    def once(self, method: str, *faults: Fault) -> None:
        """Plan faults for the next calls of a method, one each."""
        self._once[method].extend(faults)

    def always(self, method: str, fault: Fault) -> None:
        """Plan a fault for every call of a method."""
        self._always[method] = fault

    def refuse(
        self,
        reason: str,
        *,
        highest_tid: int | None = None,
        times: int = 1,
        heard: bool = True,
        method: str = "issue_credit",
    ) -> None:
        """Have the next requests refused, the refusal written under their ids.

        Not ``heard``, the answer is lost: only who asks by the id learns of it.
        """

        def fault(call: Call) -> Any:
            request_id = self.asked[-1][1]
            self._refused[request_id] = ModuleRefused(reason, highest_tid=highest_tid)
            raise self._refused[request_id] if heard else HsmTimeout

        self.once(method, *[fault] * times)

    def count(self, method: str) -> int:
        """Tell how often a method was called."""
        return sum(name == method for name, _ in self.asked)

    def status(self) -> ModuleStatus:
        return self._do("status", "", self.inner.status)

    def list_keys(self) -> list[KeyInfo]:
        return self._do("list_keys", "", self.inner.list_keys)

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        return self._do(
            "issue_credit", request.request_id, lambda: self.inner.issue_credit(request)
        )

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        return self._do(
            "issue_key_change", request.request_id, lambda: self.inner.issue_key_change(request)
        )

    def issue_engineering(self, request: EngineeringRequest) -> IssuedToken:
        return self._do(
            "issue_engineering", request.request_id, lambda: self.inner.issue_engineering(request)
        )

    def fetch_result(self, request_id: str) -> IssuedToken | NotExecuted:
        return self._do("fetch_result", request_id, lambda: self.inner.fetch_result(request_id))

    def cancel(self, request_id: str) -> IssuedToken | Cancelled:
        return self._do("cancel", request_id, lambda: self.inner.cancel(request_id))

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        return self._do(
            "sign_head", str(place), lambda: self.inner.sign_head(place, digest, restart=restart)
        )

    def last_head(self) -> SignedHead | None:
        return self._do("last_head", "", self.inner.last_head)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a module does, with faults planned by name."""
        value = getattr(self.inner, name)
        if not callable(value):
            return value
        return lambda *args, **named: self._do(name, "", lambda: value(*args, **named))

    def close(self) -> None:
        self.inner.close()

    def _do(self, method: str, request_id: str, call: Call) -> Any:
        if method != "status":  # no request about a token
            self.asked.append((method, request_id))
        fault = self._once[method].pop(0) if self._once[method] else None
        fault = fault or self._always.get(method, works)

        def reach() -> Any:
            written = self._refused.get(request_id) if request_id else None
            if written is None or method == "cancel":
                return call()
            raise written

        return fault(reach)


class WeatherySession(Session):
    """A session whose next commits go wrong: ``lost`` is written all the same."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.weather: list[str] = []

    def commit(self) -> None:
        """Commit, or do what the weather says: ``fine``, ``broken`` or ``lost``.

        Only commits of ``atomic`` count, not the end of a transaction that only read.
        """
        weather = self.weather.pop(0) if self.weather and self.info.get(_ATOMIC) else "fine"
        if weather == "broken":
            raise _no_connection()
        super().commit()
        if weather == "lost":
            raise _no_connection()


def _no_connection() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("server closed the connection"))


NOWHERE = {
    "sqlite": {"database": "/nowhere/vms.sqlite"},
    "postgresql": {"host": "/nowhere", "dbname": "vms"},
}
"""What each driver is told to connect to, which is not there."""


class Outage:
    """A database that goes away: it takes no connection, and cuts off those it has.

    Attributes:
        tries: How often it was asked for anything since.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self.tries = engine, 0

    def begin(self) -> None:
        self._engine.dispose()
        event.listen(self._engine, "do_connect", self._refuse)
        event.listen(self._engine, "before_cursor_execute", self._cut_off)

    def end(self) -> None:
        event.remove(self._engine, "do_connect", self._refuse)
        event.remove(self._engine, "before_cursor_execute", self._cut_off)
        self._engine.dispose()

    def _refuse(self, dialect: Any, *_: object) -> Any:
        self.tries += 1
        return dialect.connect(**NOWHERE[dialect.name])

    def _cut_off(self, *_: object) -> None:
        self.tries += 1
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

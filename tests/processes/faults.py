"""A module with a bad line to it: requests come late, twice, in another order, or never.

It wraps any module. Whatever the caller is told, a request that was sent may still reach
the module behind; ``deliver`` waits until all have.
"""

import threading
from contextlib import suppress
from itertools import cycle
from typing import Any

from vmsapp.errors import VmsError
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.requests import CreditRequest

LATE_S = 0.05


class BadLine:
    """A module behind a line whose faults come round in turn.

    Args:
        module: The module behind.
        faults: Names of the methods below, without their underscore.
    """

    def __init__(self, module: SecurityModule, faults: list[str]) -> None:
        self._module = module
        self._faults = cycle(faults)
        self._held: list[CreditRequest] = []
        self._late: list[threading.Timer] = []
        self._delivered = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        token: IssuedToken = getattr(self, f"_{next(self._faults)}")(request)
        return token

    def deliver(self) -> int:
        """Let everything held back reach the module.

        Returns:
            How many requests came to it after their caller had been told otherwise.
        """
        for timer in self._late:
            timer.join()
        self._let_go()
        return self._delivered

    def _fine(self, request: CreditRequest) -> IssuedToken:
        return self._module.issue_credit(request)

    def _twice(self, request: CreditRequest) -> IssuedToken:
        first = self._module.issue_credit(request)
        second = self._module.issue_credit(request)
        assert first == second, "one request, two tokens"
        return second

    def _answer_lost(self, request: CreditRequest) -> IssuedToken:
        self._arrive(request)
        raise HsmTimeout

    def _request_lost(self, request: CreditRequest) -> IssuedToken:
        raise HsmTimeout

    def _late_by_a_moment(self, request: CreditRequest) -> IssuedToken:
        timer = threading.Timer(LATE_S, self._arrive, [request])
        self._late.append(timer)
        timer.start()
        raise HsmTimeout

    def _behind_the_next(self, request: CreditRequest) -> IssuedToken:
        """The next request overtakes this one."""
        overtaken, self._held = self._held, [request]
        for earlier in overtaken:
            self._arrive(earlier)
        raise HsmTimeout

    def _overtaking(self, request: CreditRequest) -> IssuedToken:
        """This request comes first, and then those held back before it."""
        token = self._module.issue_credit(request)
        self._let_go()
        return token

    def _not_sent(self, request: CreditRequest) -> IssuedToken:
        raise HsmUnavailable("down", sent=False)

    def _broken_off(self, request: CreditRequest) -> IssuedToken:
        raise HsmUnavailable("broken off", sent=True)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for request in held:
            self._arrive(request)

    def _arrive(self, request: CreditRequest) -> None:
        """Reach the module when nobody waits for its answer any more."""
        with suppress(VmsError):
            self._module.issue_credit(request)
        self._delivered += 1

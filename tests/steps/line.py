"""The line to a module as the model has it: what was sent once may arrive again at any time.

Each fault has a name; a step plans some of them for the next requests for a token.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from tests.faults import (
    Call,
    Fault,
    FaultyModule,
    answer_lost,
    doubled,
    down,
    put_off,
    request_lost,
    works,
)
from vmsapp.errors import VmsError
from vmsapp.hsm.answers import IssuedToken, IssuedTokens
from vmsapp.hsm.requests import CreditRequest, KeyChangeRequest

MAKES: Final = ("issue_credit", "issue_key_change")
"""What a module is asked for tokens by."""

FAULTS: Final[dict[str, Fault]] = {
    "works": works,
    "not a byte sent": down,
    "refused before the id is looked up": put_off("rate"),
    "answer lost": answer_lost,
    "request lost": request_lost,
    "request doubled": doubled,
}

NO: Final = {"refused": True, "refused, answer lost": False}
"""A definite no, and whether it is heard."""


class Line(FaultyModule):
    """A module behind a line on which every request stays under way for ever."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: list[tuple[str, Call]] = []
        self.credits: dict[str, CreditRequest] = {}
        self.elsewhere = 0

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        self.credits[request.meter.meter_pan] = request
        self._note(request.request_id, lambda: self.inner.issue_credit(request))
        return super().issue_credit(request)

    def issue_key_change(self, request: KeyChangeRequest) -> IssuedTokens:
        self._note(request.request_id, lambda: self.inner.issue_key_change(request))
        return super().issue_key_change(request)

    def plan(self, *names: str) -> None:
        """Plan what becomes of the next requests for a token."""
        for method in MAKES:
            for name in names:
                if name in NO:
                    self.refuse("parameters", method=method, heard=NO[name])
                else:
                    self.once(method, FAULTS[name])

    def forget(self) -> None:
        """Let nothing go wrong any more."""
        self._once.clear()
        self._always.clear()

    def arrives_again(self, number: int) -> str:
        """Let an old request in, with nobody to hear the answer; its id."""
        request_id, call = self.sent[number % len(self.sent)]
        if request_id not in self._refused:  # a no that was written is written
            with suppress(VmsError):
                call()
        return request_id

    def spend_elsewhere(self, meter_pan: str, ahead: int) -> None:
        """Have another system use up an identifier of a meter."""
        last = self.credits.get(meter_pan)
        if last is None:
            return
        self.elsewhere += 1
        request = replace(last, request_id=f"X-{self.elsewhere}", tid=last.tid + ahead)
        with suppress(VmsError):
            self.inner.issue_credit(request)

    def made(self, request_id: str) -> bool:
        """Tell whether the module made something under an id."""
        record = self.inner._results.find(request_id)
        return record is not None and record.outcome == "issued"

    def _note(self, request_id: str, call: Callable[[], Any]) -> None:
        if not self.asked_before(request_id):
            self.sent.append((request_id, call))

    def asked_before(self, request_id: str) -> bool:
        return any(known == request_id for known, _ in self.sent)

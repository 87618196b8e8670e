"""One request, from its id to its tokens: what is sent, and what is written before and after.

Nothing is asked twice while an earlier message may have made a token, unless the service has
been asked for that message's result and knows nothing of it; and then for the same minute,
which a meter takes once.

Source: SALE.md 6 "The module's own net", 7 "Reconcile and cancel".
"""

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from vmsapp.hsm import earlier, policy
from vmsapp.hsm.answers import IssuedTokens, KeyInfo
from vmsapp.hsm.drivers.prism import codes, replies
from vmsapp.hsm.drivers.prism.book import Book
from vmsapp.hsm.drivers.prism.checks import Checks
from vmsapp.hsm.drivers.prism.frames import DeviceRefused
from vmsapp.hsm.drivers.prism.link import Link
from vmsapp.hsm.drivers.prism.messages import Message, Messages, State
from vmsapp.hsm.drivers.prism.orders import Issuing, Order
from vmsapp.hsm.drivers.prism.replies import WrongAnswer
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import DisplayRequest, KeyRef
from vmsapp.hsm.writing import args_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Has tokens made, one request at a time, from any thread.

    Attributes:
        link: The way to the service.
        book: What it answered.
        messages: What it was sent.
        checks: What is refused before it is asked.
        clock: Gives the aware UTC time.
        learn: Called before anything is sent; raises ``HsmUnavailable`` with ``sent=False``.
    """

    link: Link
    book: Book
    messages: Messages
    checks: Checks
    clock: Callable[[], datetime]
    learn: Callable[[], None]

    def issue(self, request: Issuing, *, of_batch: bool = False) -> IssuedTokens:
        """Give what a request was given before, or have it made.

        Args:
            request: What is asked for.
            of_batch: Its id is the batch's and the row.

        Raises:
            ModuleRefused, RequestReused, HsmUnavailable, HsmTimeout: As the interface says.
        """
        known = self.book.find(request)
        if known is not None:
            return known
        doubtful = self.doubtful(request.request_id)
        if doubtful:
            found = self.fetched(request.request_id, doubtful)
            if found is not None:
                return self.book.find(request) or found
        try:
            if not of_batch:
                policy.check_id(request.request_id)
            now = self.clock()
            order, key = self.checks.ordered(request, self.keys(), now)
            self.book.admit(request, key, self.checks.limits, now)
        except ModuleRefused as refusal:
            known = self.book.find(request)  # which another thread may just have been given
            if known is not None:
                return known
            self._refuse(request, refusal)
        return self._send(request, order)

    def _send(self, request: Issuing, order: Order) -> IssuedTokens:
        """Send one message; it is written down before, and what became of it after."""
        name = request.request_id
        sent = self.messages.begin(name, request.operation, args_of(request), self.clock())
        try:
            known = self.book.find(request)  # another may have had its answer just now
        except ModuleRefused:
            self._end(sent, "harmless")
            raise
        if known is not None:
            self._end(sent, "harmless")
            return known
        try:
            self.learn()
            answer = self.link.call(order.method, sent, **order.arguments)
        except DeviceRefused as refused:
            log.warning("prism: %s: %s", order.method, codes.printable(refused.code))
            self._refused(request, sent, codes.meaning(refused))
        except HsmUnavailable as broken:
            log.warning("prism: %s: %s, sent=%s", order.method, broken.why, broken.sent)
            if broken.sent:
                self._end(sent, "unknown")
                raise HsmTimeout from broken
            self._end(sent, "harmless")
            raise self._not_done(name, broken) from broken
        return self._believed(request, sent, answer)

    def _believed(self, request: Issuing, sent: str, answer: Any) -> IssuedTokens:  # noqa: ANN401
        """Check an answer, write it down and give it."""
        try:
            tokens = replies.tokens_of(request, answer, self.keys(), self.checks.table_set)
            given = self.book.issued(request, tokens, self.clock())
        except WrongAnswer as wrong:
            log.warning("prism: an answer about something else (%s)", wrong.field)
            self._end(sent, "unknown")
            raise
        except HsmUnavailable as broken:  # made, but not written: it is asked for again
            self._end(sent, "unknown")
            raise HsmTimeout from broken
        self._end(sent, "answered")
        self._confirm(request)
        return given

    def _refused(self, request: Issuing, sent: str, meaning: codes.Meaning) -> NoReturn:
        match meaning:
            case ModuleRefused():
                self._end(sent, "harmless")
                self._refuse(request, meaning)
            case HsmUnavailable(sent=False):
                self._end(sent, "harmless")
                raise self._not_done(request.request_id, meaning)
            case _:
                self._end(sent, "unknown")
                raise meaning

    def _refuse(self, request: Issuing, refusal: ModuleRefused) -> NoReturn:
        """Write a definite no; it is none while an earlier message may have been heard."""
        if self.doubtful(request.request_id):
            raise HsmTimeout from refusal
        self.book.refused(request, refusal, self.clock())
        raise refusal

    def _not_done(self, name: str, broken: HsmUnavailable) -> HsmUnavailable:
        """Tell that this call did nothing; an earlier one may have."""
        return HsmUnavailable(broken.why, sent=bool(self.doubtful(name)))

    def fetched(self, name: str, messages: list[Message]) -> IssuedTokens | None:
        """Ask for the result of each message; None where the service knows of none.

        Raises:
            HsmUnavailable: The service cannot be asked, so nobody knows.
            WrongAnswer: It answers about something else.
        """
        for message in messages:
            request = earlier.again(message.operation, name, message.args, self.clock())
            try:
                answer = self.link.call(
                    "fetchTokenResult",
                    secrets.token_hex(16),
                    reqMessageId=message.message_id,
                )
            except DeviceRefused as refused:
                meaning = codes.meaning(refused)
                if isinstance(meaning, HsmUnavailable):
                    raise HsmUnavailable(meaning.why, sent=True) from None
                continue  # a miss, or what the message was answered with: neither proves a thing
            except HsmUnavailable as broken:
                raise HsmUnavailable(broken.why, sent=True) from broken
            return self._believed(request, message.message_id, answer)
        return None

    def doubtful(self, name: str) -> list[Message]:
        """List the messages of a request that may have made a token.

        Class 1 tokens bear no key and no TID: made twice they are the same, so nothing
        hangs on whether they were.
        """
        return [
            each
            for each in self.messages.of(name)
            if each.state != "harmless" and each.operation != DisplayRequest.operation
        ]

    def keys(self) -> dict[KeyRef, KeyInfo]:
        """Give the keys that were entered, by name."""
        return {key.ref: key for key in self.messages.keys_entered()}

    def _end(self, sent: str, state: State) -> None:
        # If it cannot be written the message stays open, which is treated as unknown.
        with suppress(HsmUnavailable):
            self.messages.end(sent, state)

    def _confirm(self, request: Issuing) -> None:
        if not isinstance(request, DisplayRequest):
            with suppress(HsmUnavailable):
                self.messages.confirm(request.meter.key, self.clock())

"""Who is let to the module, and when: turns, rates, and who knocked wrongly too often.

A slow module works on a few requests at a time. Sales go first, campaigns last, and a sale
that would wait too long is told so at once, before the module hears of it: then it surely
was not carried out.

Source: SECURITY-MODULES.md 4 "Physical and network limits", 5.6 "Wire protocol VSM/1".
"""

import heapq
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import count
from typing import Final

from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire.ops import Turn

PATIENCE: Final = 0.9
"""Share of the time a client waits that may pass before the module begins."""
RECENT: Final = 0.2
"""Weight of the latest when estimating how long one takes."""
STRIKES: Final = 3
STRIKE_SECONDS: Final = 60.0
ADDRESSES_MAX: Final = 10_000

Clock = Callable[[], float]


@dataclass(order=True)
class _Ticket:
    turn: Turn
    number: int
    called: threading.Event = field(default_factory=threading.Event, compare=False)


class Gate:
    """The queue before a module.

    Args:
        at_once: How many requests the module works on at a time.
        clock: Seconds that only go forward.
    """

    def __init__(self, at_once: int, *, clock: Clock = time.monotonic) -> None:
        self._at_once = at_once
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = count()
        self._waiting: list[_Ticket] = []
        self._inside: dict[int, tuple[Turn, float]] = {}
        self._takes = dict.fromkeys(Turn, 0.0)

    @contextmanager
    def turn(self, turn: Turn, *, seconds: float) -> Iterator[None]:
        """Wait for a turn, and have the module for as long as the block lasts.

        Args:
            turn: Who comes first.
            seconds: How long whoever asked will wait for the answer.

        Raises:
            HsmUnavailable: ``busy``: the turn would come too late, or did not come in time.
        """
        number = self._enter(turn, seconds)
        try:
            yield
        finally:
            self._leave(number)

    def _enter(self, turn: Turn, seconds: float) -> int:
        with self._lock:
            ticket = _Ticket(turn, next(self._numbers))
            if len(self._inside) < self._at_once and not self._waiting:
                return self._let_in(ticket)
            wait = self._estimate(turn)
            if wait > seconds:
                raise HsmUnavailable("busy", sent=False, wait_seconds=wait)
            heapq.heappush(self._waiting, ticket)
        if not ticket.called.wait(seconds * PATIENCE):
            self._give_up(ticket)
        return ticket.number

    def _give_up(self, ticket: _Ticket) -> None:
        with self._lock:
            if ticket.called.is_set():  # called at the last moment
                return
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            wait = self._estimate(ticket.turn)
        raise HsmUnavailable("busy", sent=False, wait_seconds=wait)

    def _let_in(self, ticket: _Ticket) -> int:
        self._inside[ticket.number] = (ticket.turn, self._clock())
        ticket.called.set()
        return ticket.number

    def _leave(self, number: int) -> None:
        with self._lock:
            turn, began = self._inside.pop(number)
            took = self._clock() - began
            before = self._takes[turn]
            self._takes[turn] = took if not before else before + RECENT * (took - before)
            if self._waiting:
                self._let_in(heapq.heappop(self._waiting))

    def _estimate(self, turn: Turn) -> float:
        now = self._clock()
        begun = [max(0.0, self._takes[t] - (now - began)) for t, began in self._inside.values()]
        ahead = [self._takes[t.turn] for t in self._waiting if t.turn <= turn]
        return (sum(begun) + sum(ahead)) / self._at_once


class Rate:
    """So many a second, and a few at once.

    Args:
        per_second: Above 0.
        burst: How many may come at once.
    """

    def __init__(
        self, per_second: float, burst: float | None = None, *, clock: Clock = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second if burst is None else burst)
        self._clock = clock
        self._left, self._at = self._burst, clock()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Count one.

        Raises:
            HsmUnavailable: ``client_rate``: it is one too many; it is not counted.
        """
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
            self._at = now
            if self._left < 1:
                wait = (1 - self._left) / self._per_second
                raise HsmUnavailable("client_rate", sent=False, wait_seconds=wait)
            self._left -= 1


class Strikes:
    """Wrong proofs by address.

    They do not shut an address out: behind it may be others, who prove who they are. A proof
    is made with 256 secret bits, so nobody comes nearer to a right one by trying.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> None:
        """Write down that a proof was wrong."""
        with self._lock:
            known = self._by_address.setdefault(_neighbours(address), deque(maxlen=STRIKES))
            known.append(self._clock())
            self._by_address.move_to_end(_neighbours(address))
            while len(self._by_address) > ADDRESSES_MAX:
                self._by_address.popitem(last=False)

    def many(self, address: str) -> bool:
        """Tell whether there were three in the last minute."""
        with self._lock:
            known = list(self._by_address.get(_neighbours(address), ()))
            return len(known) == STRIKES and self._clock() - known[0] < STRIKE_SECONDS


def _neighbours(address: str) -> str:
    """Whoever has one IPv6 address has all of its /64."""
    ip = ip_address(address.partition("%")[0])
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ip_network((ip, 64), strict=False))

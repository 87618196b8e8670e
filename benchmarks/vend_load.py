"""The load of ``vend.py``, in a process of its own: it asks for prices and sells, and measures.

Reads one line of JSON and prints one. A thread a connection, plain sockets, no more of HTTP than
it takes: what it costs is taken from what it measures.
"""

import heapq
import html
import json
import random  # noqa: TID251 - which meter is next
import re
import secrets
import socket
import sys
import threading
import time
from typing import Any
from urllib.parse import urlencode

QUOTE = re.compile(rb'name="quote" value="([^"]*)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
SLOWEST = 12


class Connection(threading.Thread):
    """Sells on one connection until the time is over."""

    def __init__(self, order: dict[str, Any], number: int, pace: "Pace") -> None:
        super().__init__(daemon=True)
        self.quotes: list[float] = []
        self.sales: list[float] = []
        self.refused: dict[str, int] = {}
        self.seen: list[tuple[float, float, float]] = []  # ms, of them at the door, due at s
        self._chance = random.Random(f"{order['seed']} {number}")
        self._sellers = order["sellers"]
        self._meters = order["meters"][number :: order["connections"]]
        self._chance.shuffle(self._meters)
        self._pace = pace
        self._line = socket.create_connection(("127.0.0.1", order["port"]), 60)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"127.0.0.1:{order['port']}"

    def run(self) -> None:
        """Sell to one meter after the other."""
        for n in range(10**9):
            due = self._pace.next()
            if due is None:
                return
            self._vend(self._meters[n % len(self._meters)], due)

    def _vend(self, meter: int, due: float) -> None:
        seller = self._chance.choice(self._sellers)
        units = f"{self._chance.randint(200, 900) / 10}"
        typed = {"mode": "quantity", "value": units}
        cookie = seller["cookie"]
        path = f"/counter/meter/{meter}"
        began = time.perf_counter()
        status, body = self._ask(f"GET {path}/quote?{urlencode(typed)}", cookie, b"")
        priced = time.perf_counter()
        found = QUOTE.search(body)
        if status != 200 or found is None:
            self._refuse(f"quote {status}")
            return
        form = typed | {
            "csrf_token": seller["csrf"], "vending_point": str(seller["point"]),
            "key": f"1-{secrets.token_hex(16)}", "quote": html.unescape(found[1].decode()),
        }  # fmt: skip
        sent = time.perf_counter()
        status, _ = self._ask(f"POST {path}/sell", cookie, urlencode(form).encode())
        if status != 302:
            self._refuse(f"sale {status}")
            return
        self.quotes.append((priced - began) * 1000)
        waited = max(0.0, began - due)  # who comes while all are busy waits, and that counts
        self.sales.append((time.perf_counter() - sent + waited) * 1000)
        self.seen.append((self.sales[-1], waited * 1000, due - self._pace.began))

    def _refuse(self, what: str) -> None:
        self.refused[what] = self.refused.get(what, 0) + 1

    def _ask(self, what: str, cookie: str, body: bytes) -> tuple[int, bytes]:
        head = f"{what} HTTP/1.1\r\nHost: {self._host}\r\nCookie: {cookie}\r\n"
        if body:
            head += (f"Content-Type: application/x-www-form-urlencoded\r\n"
                     f"Content-Length: {len(body)}\r\n")  # fmt: skip
        self._line.sendall(head.encode() + b"\r\n" + body)
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += self._more()
        top, _, rest = heard.partition(b"\r\n\r\n")
        length = LENGTH.search(top)
        if length is None:
            raise ValueError("an answer without a length")
        while len(rest) < int(length[1]):
            rest += self._more()
        return int(top[9:12]), rest

    def _more(self) -> bytes:
        more = self._line.recv(65536)
        if not more:
            raise ConnectionError("the server hung up")
        return more


class Pace:
    """When the next sale is due: at once, or so many a second."""

    def __init__(self, seconds: float, rate: float | None) -> None:
        self._lock = threading.Lock()
        self.began = time.perf_counter()
        self._until = self.began + seconds
        self._rate = rate
        self._count = 0

    def next(self) -> float | None:
        """Wait until one is due; None when the time is over."""
        now = time.perf_counter()
        if self._rate is None:
            return now if now < self._until else None
        with self._lock:
            due = self.began + self._count / self._rate
            self._count += 1
        if due >= self._until:
            return None
        time.sleep(max(0.0, due - now))
        return due


def main() -> None:
    """Do as ordered."""
    order = json.loads(sys.stdin.readline())
    pace = Pace(order["seconds"], order.get("rate"))
    began = time.perf_counter()
    connections = [Connection(order, n, pace) for n in range(order["connections"])]
    for one in connections:
        one.start()
    for one in connections:
        one.join()
    took = time.perf_counter() - began
    refused: dict[str, int] = {}
    for one in connections:
        for what, count in one.refused.items():
            refused[what] = refused.get(what, 0) + count
    print(json.dumps({
        "seconds": took, "cpu_s": time.process_time(), "refused": refused,
        "quotes": [ms for one in connections for ms in one.quotes],
        "sales": [ms for one in connections for ms in one.sales],
        "slowest": heapq.nlargest(SLOWEST, (seen for one in connections for seen in one.seen)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()

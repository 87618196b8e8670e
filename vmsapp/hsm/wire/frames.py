"""Frames: four bytes of length, big end first, then so many bytes of JSON.

Nothing is read that would be thrown away: a length above the limit ends the connection
before memory is taken for it. What may be longer than ``SMALL`` says so in its first bytes.

Source: SECURITY-MODULES.md 5.6 "Wire protocol VSM/1".
"""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

SMALL: Final = 64 * 1024
"""Bytes of most frames, at most."""
KEY_FILE: Final = 1024 * 1024
CAMPAIGN: Final = 8 * 1024 * 1024
CAMPAIGN_ANSWER: Final = 16 * 1024 * 1024
"""16,000 sets of four tokens."""
GREETING: Final = 4 * 1024
"""Bytes of a frame before both sides know each other."""
PEEK_BYTES: Final = 128
"""How much of a long frame is looked at before the rest is read."""

CHUNK: Final = 64 * 1024

_LENGTH: Final = struct.Struct(">I")


class FrameRefused(ValueError):
    """Longer than allowed, or empty; the connection cannot go on."""


class LineEnded(ConnectionError):
    """The other side is gone."""


class Line:
    """One side of a connection: whole frames in, whole frames out, each by a deadline.

    Args:
        connection: A connected socket; the line closes it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, payload: bytes, *, seconds: float) -> None:
        """Hand a frame over.

        Raises:
            OSError: Not all of it left, so the other side cannot have understood it.
        """
        until = time.monotonic() + seconds
        rest = memoryview(_LENGTH.pack(len(payload)) + payload)
        while rest:
            self._let_wait(until)
            rest = rest[self._socket.send(rest[:CHUNK]) :]

    def receive(
        self,
        *,
        wait: float,
        finish: float,
        limit: int = SMALL,
        longer: Callable[[bytes], int] | None = None,
    ) -> bytes:
        """Read a frame.

        Args:
            wait: Seconds until its first byte.
            finish: Seconds from then to its last.
            limit: Bytes it may have.
            longer: Tells from its first bytes how many another may have.

        Raises:
            FrameRefused: It is longer, or empty.
            LineEnded: The other side closed.
            TimeoutError: It did not come in time.
            OSError: The connection broke.
        """
        first = self._some(_LENGTH.size, time.monotonic() + wait)
        until = time.monotonic() + finish
        (length,) = _LENGTH.unpack(first + self._all(_LENGTH.size - len(first), until))
        begin = b""
        if length > limit and longer is not None and length > PEEK_BYTES:
            begin = self._all(PEEK_BYTES, until)
            limit = longer(begin)
        if not 0 < length <= limit:
            msg = "a frame of this length is not read"
            raise FrameRefused(msg)
        return begin + self._all(length - len(begin), until)

    def hang_up(self) -> None:
        """End the connection, from any thread: whoever reads or writes here wakes."""
        with suppress(OSError):
            # Not TLS's own: that would let another thread go on in the clear for a moment.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up and let go, from the thread that reads and writes; twice is no mistake."""
        self.hang_up()
        with suppress(OSError):
            self._socket.close()

    def _all(self, count: int, until: float) -> bytes:
        got = bytearray()
        while len(got) < count:
            got += self._some(count - len(got), until)
        return bytes(got)

    def _some(self, count: int, until: float) -> bytes:
        self._let_wait(until)
        got = self._socket.recv(min(count, CHUNK))  # which takes all it is told beforehand
        if not got:
            raise LineEnded
        return got

    def _let_wait(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

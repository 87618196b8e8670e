"""How many rows a job takes into one transaction, so that nobody waits for them for long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONG_S: Final = 0.12
"""A transaction that took longer is followed by one of half as many rows: none shall take 0.2 s."""
SHORT_S: Final = 0.05
"""One that took less is followed by one of twice as many."""
FIRST: Final = 500
LEAST: Final = 250
"""Fewer cost more by what every transaction costs than they give back."""


class ChunkSize:
    """The size of a job's next chunk, by how long those before it took on this machine.

    Args:
        most: Rows of a chunk at most.

    Attributes:
        rows: Of the next.
    """

    def __init__(self, most: int) -> None:
        self._most, self._least = most, min(most, LEAST)
        self.rows = min(most, FIRST)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Put around a transaction that is committed within it."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        if took > LONG_S:
            self.rows = max(self._least, self.rows // 2)
        elif took < SHORT_S:
            self.rows = min(self._most, self.rows * 2)

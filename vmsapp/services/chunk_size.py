"""How many rows a job takes into one transaction, so that nobody waits for them for long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

AIM_S: Final = 0.08
"""What a transaction shall take: where the machine is suddenly busy with others, the one under way
still ends within the 0.2 s that whoever sells may wait for it."""
FIRST: Final = 250
LEAST: Final = 125
"""Fewer cost more by what every transaction costs than they give back."""


class ChunkSize:
    """The size of a job's next chunk, by how long those before it took on this machine.

    Args:
        most: Rows of a chunk at most.
        first: Rows of the first chunk, where that is less than is usual.

    Attributes:
        rows: Of the next.
    """

    def __init__(self, most: int, first: int = FIRST) -> None:
        self.rows = min(most, first)
        self._most, self._least = most, min(self.rows, LEAST)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Put around a transaction that is committed within it."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        fitting = self.rows * min(1.25, max(0.5, AIM_S / max(took, AIM_S / 4)))
        self.rows = min(self._most, max(self._least, int(fitting)))

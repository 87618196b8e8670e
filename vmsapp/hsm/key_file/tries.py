"""So many wrong passphrases, then wait."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from vmsapp.clock import now_utc
from vmsapp.hsm.errors import KeyFileRefused

TRIES: Final = 5
WITHIN: Final = timedelta(minutes=15)


class Tries:
    """Counts wrong passphrases, whichever files they were tried on.

    A try counts from its beginning, so that many at once are no more than five either.
    """

    def __init__(self, clock: Callable[[], datetime] = now_utc) -> None:
        self._clock = clock
        self._lock = Lock()
        self._wrong: list[datetime] = []

    def begin(self) -> datetime:
        """Count a try, wrong until it is taken back.

        Returns:
            What names it to ``take_back``.

        Raises:
            KeyFileRefused: ``wait``: there were five within 15 minutes.
        """
        now = self._clock()
        with self._lock:
            # A clock set back must not lock anybody out for longer than the 15 minutes.
            self._wrong = [at for at in self._wrong if now - WITHIN < at <= now]
            if len(self._wrong) >= TRIES:
                rest = self._wrong[0] + WITHIN - now
                raise KeyFileRefused("wait", minutes=-(-rest // timedelta(minutes=1)))
            self._wrong.append(now)
        return now

    def take_back(self, begun: datetime) -> None:
        """Take back a try whose passphrase was right; the others stay."""
        with self._lock:
            if begun in self._wrong:
                self._wrong.remove(begun)

    def left(self) -> int:
        """Tell how many tries there are before the wait."""
        with self._lock:
            return max(0, TRIES - len(self._wrong))

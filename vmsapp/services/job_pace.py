"""How fast a job is, by the moments that were stored, and when it gives way to people.

The web processes note how long people at the counter waited, each in a file of its own in the
instance's folder, which web and worker share. A job looks there between two chunks, and pauses
while one of a hundred waits too long; never for long at a time, so that it comes to an end.
"""

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmsapp.models import Job, JobState

SLOW_MS: Final = 300.0
"""Above this, for one of a hundred requests, the counter is busy and jobs give way."""
WINDOW_S: Final = 10.0
"""Requests of so long count."""
LEAST: Final = 20
"""Fewer requests say nothing of one in a hundred."""
NOTED_S: Final = 1.0
"""How often a process writes down how it does."""
FRESH_S: Final = 5.0
"""A note older than that is of a process with nothing to do, or of none."""
LONGEST_S: Final = 10.0
"""How long a job waits at most before it does its next chunk all the same."""
STEP_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a job is.

    Attributes:
        per_second: Rows; nothing while too few were done to tell.
        seconds_left: Until it is through, where the total is known.
    """

    per_second: float | None
    seconds_left: int | None


def pace_of(job: Job) -> Pace:
    """Work out a job's speed from the moments that were stored."""
    if job.started_at is None or job.progress_at is None:
        return Pace(None, None)
    spent = (job.progress_at - job.started_at).total_seconds()
    done = job.done - job.done_before
    if spent <= 0 or done <= 0:
        return Pace(None, None)
    speed = done / spent
    if job.total is None or job.state != JobState.RUNNING:
        return Pace(speed, None)
    return Pace(speed, max(0, round((job.total - job.done) / speed)))


class Waits:
    """How long people waited for answers of this process, noted in a file now and then.

    Args:
        folder: Where all processes note; made when the first note is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, float]] = deque()
        self._due = 0.0

    def note(self, took_ms: float) -> None:
        """Add one answer; what cannot be written is left out, for it is no reason to fail."""
        now = time.monotonic()
        with self._lock:
            self._seen.append((now, took_ms))
            while self._seen[0][0] < now - WINDOW_S:
                self._seen.popleft()
            if now < self._due:
                return
            self._due = now + NOTED_S
            waits = sorted(ms for _, ms in self._seen)
        slow = waits[int(len(waits) * 0.99)] if len(waits) >= LEAST else 0.0
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True, mode=0o700)
            file = self._folder / f"{socket.gethostname()}-{os.getpid()}"
            file.write_text(f"{slow:.0f}")


def counter_is_busy(folder: Path) -> bool:
    """Tell whether some process noted lately that one of a hundred waited too long."""
    busy = False
    with suppress(OSError):
        for file in folder.iterdir():
            with suppress(OSError, ValueError):
                age = time.time() - file.stat().st_mtime
                if age > 60 * FRESH_S:
                    file.unlink()  # of a process that is gone
                busy = busy or (age < FRESH_S and float(file.read_text()) > SLOW_MS)
    return busy


def give_way(
    folder: Path, *, wait: Callable[[float], object] = time.sleep, longest_s: float = LONGEST_S
) -> float:
    """Wait while the counter is busy, though never longer than told.

    Returns:
        Seconds waited.
    """
    steps = 0
    while steps < round(longest_s / STEP_S) and counter_is_busy(folder):
        wait(STEP_S)
        steps += 1
    return steps * STEP_S

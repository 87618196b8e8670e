"""How fast a job is, by the moments that were stored, and when it gives way to people.

The web processes note how long people at the counter waited, and how much of their threads' time
it took to answer them, each in a file of its own in the instance's folder, which web and worker
share. A job looks there between two chunks. It rests after each for longer the fewer threads are
free. It pauses while one of a hundred waits too long, or while hardly a thread is free, for then
people wait at the door; never for long at a time, so that it comes to an end. What a job does to
people is noted a moment late, so it begins slowly where somebody is being served, and so it does
after a pause.
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
FULL: Final = 0.7
"""Above this share of the time of a process's threads it is busy, too."""
LITTLE: Final = 0.1
"""Below this share a job may take what it can."""
WINDOW_S: Final = 10.0
"""Requests of so long count."""
FULL_WINDOW_S: Final = 2.0
"""What threads did for so long counts: a queue grows fast."""
LEAST: Final = 20
"""Fewer requests say nothing of one in a hundred."""
LEAST_FULL: Final = 10
"""Fewer requests say nothing of how full a process is."""
NOTED_S: Final = 0.25
"""How often a process writes down how it does."""
FRESH_S: Final = 5.0
"""A note older than that is of a process with nothing to do, or of none."""
LONGEST_S: Final = 10.0
"""How long a job waits at most before it does its next chunk all the same."""
STEP_S: Final = 0.2
RESTS: Final = (0.5, 8.0)
"""After a pause a job rests after each chunk, at first and at most for so many times as long as
the chunk took; the most where it begins while people are served."""
EASES: Final = 0.85
"""What is left of that after each chunk for which there was no need to pause."""


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
        self._threads: set[int] = set()
        self._due = 0.0

    def note(self, took_ms: float) -> None:
        """Add one answer; what cannot be written is left out, for it is no reason to fail."""
        now = time.monotonic()
        with self._lock:
            self._seen.append((now, took_ms))
            self._threads.add(threading.get_ident())
            while self._seen[0][0] < now - WINDOW_S:
                self._seen.popleft()
            if now < self._due:
                return
            self._due = now + NOTED_S
            waits = sorted(ms for _, ms in self._seen)
            full = self._full(now)
        slow = waits[int(len(waits) * 0.99)] if len(waits) >= LEAST else 0.0
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True, mode=0o700)
            file = self._folder / f"{socket.gethostname()}-{os.getpid()}"
            file.write_text(f"{slow:.0f} {full:.2f}")

    def _full(self, now: float) -> float:
        """Tell which share of their time the threads that ever answered took to answer lately."""
        lately = [ms for at, ms in self._seen if at > now - FULL_WINDOW_S]
        if len(lately) < LEAST_FULL:
            return 0.0
        return sum(lately) / 1000 / (FULL_WINDOW_S * len(self._threads))


@dataclass(frozen=True, slots=True)
class Counter:
    """What web processes noted lately, of the worst of them.

    Attributes:
        slow_ms: What one of a hundred people waited.
        full: Share of the threads' time that went into answers.
    """

    slow_ms: float = 0.0
    full: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether jobs pause."""
        return self.slow_ms > SLOW_MS or self.full > FULL

    @property
    def rest(self) -> float:
        """How many times as long as a chunk took a job rests after it: the fuller, the longer."""
        if self.full < LITTLE:
            return 0.0
        return min(RESTS[1], self.full / max(FULL - self.full, FULL / 100))


def counter_now(folder: Path) -> Counter:
    """Read how the counter does."""
    slow = full = 0.0
    with suppress(OSError):
        for file in folder.iterdir():
            with suppress(OSError, ValueError):
                age = time.time() - file.stat().st_mtime
                if age > 60 * FRESH_S:
                    file.unlink()  # of a process that is gone
                waited, *share = map(float, file.read_text().split())  # once the first stood alone
                if age < FRESH_S:
                    slow, full = max(slow, waited), max(full, *share, 0.0)
    return Counter(slow, full)


class GiveWay:
    """Called between two chunks of a job: waits while the counter is busy, and rests.

    Args:
        folder: Where web processes note.
        wait: Sleeps for so many seconds.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wait: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._wait, self._clock = folder, wait, clock
        self._rest = 0.0
        self._met = False  # anybody who is served
        self._since = clock()

    def __call__(self) -> float:
        """Wait, though never longer than ``LONGEST_S``.

        Returns:
            Seconds waited.
        """
        worked = self._clock() - self._since
        waited, counter = self._until_quiet()
        first, most = RESTS
        if not self._met and (waited or counter.rest):
            self._met, self._rest = True, most
        elif waited:
            self._rest = min(most, max(first, 2 * self._rest))
        else:
            self._rest = self._rest * EASES if self._rest > first * EASES else 0.0
        resting = min(worked * max(self._rest, counter.rest), LONGEST_S - waited)
        if resting > 0:
            self._wait(resting)
        self._since = self._clock()
        return waited + max(0.0, resting)

    def _until_quiet(self) -> tuple[float, Counter]:
        steps, counter = 0, counter_now(self._folder)
        while counter.busy and steps < round(LONGEST_S / STEP_S):
            self._wait(STEP_S)
            steps, counter = steps + 1, counter_now(self._folder)
        return steps * STEP_S, counter

"""The product's processes with a clock that can be put wrong while they run.

A file holds the seconds that are added to the machine's clock; the processes of a trial all read
the same, as those of one machine do. ``TRIAL_CLOCK`` names it.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from vmsapp import clock

VARIABLE = "TRIAL_CLOCK"
FRESH_S = 0.05
"""So long a reading of the file holds."""


class Offset:
    """What the file says, read again every so often."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = timedelta()
        self._until = 0.0

    def __call__(self) -> timedelta:
        """Give what is to be added."""
        now = time.monotonic()
        if now >= self._until:
            self._known = timedelta(seconds=float(self._file.read_text() or 0))
            self._until = now + FRESH_S
        return self._known


def begin() -> None:
    """Have this process read the clock of the trial."""
    clock.add_to_clock(Offset(Path(os.environ[VARIABLE])))


def create_app() -> Any:
    """The web server's application."""
    begin()
    from vmsapp import create_app as made  # noqa: PLC0415 - under that clock

    return made()


def main() -> int:
    """A worker or a module server, as they start themselves."""
    begin()
    role = sys.argv.pop(1)
    if role == "module":
        from vmsapp.hsm.server.__main__ import main as serve  # noqa: PLC0415

        return serve()
    import run  # noqa: PLC0415

    run.worker()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A broker of files that are there whole or not at all.

kombu's own writes a message into the file it is found under, and another process that looks in
between reads half of it, or nothing: its worker dies of that (celery/kombu issue 1551, seen here
on a busy machine every few minutes). Here a message is written under another name and then given
its own; so is the table of an exchange. A message is taken inside the same folder, not through a
folder of all users.
"""

import fcntl
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any, Final

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)

SCHEME: Final = "vmsfiles"
"""Of the broker's URL."""
MESSAGE, TAKEN, SPOILT, UNFINISHED = ".msg", ".taken", ".spoilt", ".part"


class Channel(filesystem.Channel):
    """Puts, takes and binds by renaming."""

    def _put(  # type: ignore[override]  # the library's own differs from its base, too
        self,
        queue: str,
        payload: Any,  # noqa: ANN401
        **_: Any,  # noqa: ANN401
    ) -> None:
        # the name tells the order, as the library has it
        name = f"{round(monotonic() * 1000)}_{uuid.uuid4()}.{queue}{MESSAGE}"
        _write(Path(self.data_folder_out) / name, payload)

    def _get(self, queue: str, _timeout: float | None = None) -> Any:  # noqa: ANN401
        folder = Path(self.data_folder_in)
        for name in sorted(path.name for path in folder.iterdir()):
            if name.partition(".")[2] != queue + MESSAGE:
                continue
            found, taken = folder / name, folder / (name + TAKEN)
            try:
                found.rename(taken)
            except FileNotFoundError:
                continue  # somebody else was quicker
            try:
                message = loads(taken.read_text())
            except ValueError:
                # the machine stopped before its disk had it; what was asked is swept up again
                taken.rename(folder / (name + SPOILT))
                log.warning("broker: a message cannot be read: %s", name)
                continue
            taken.unlink()
            return message
        raise Empty

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._alone():
            table = self.get_table(exchange)
            if bound not in table:
                _write(self._exchange_file(exchange), [bound, *table])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from binding meanwhile."""
        folder = Path(self.control_folder)
        folder.mkdir(exist_ok=True)
        with (folder / "bind.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """The library's, with whole files."""

    Channel = Channel


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"


def _write(path: Path, content: Any) -> None:  # noqa: ANN401 - a message, or a table
    unfinished = path.with_name(f"{uuid.uuid4()}{UNFINISHED}")
    unfinished.write_text(dumps(content))
    unfinished.replace(path)

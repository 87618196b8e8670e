"""A sender that writes each message to a file: for tests and trials, where nothing may leave.

The files hold tokens that may still be entered. They are their owner's alone, and production
does not take this sender.
"""

import json
import os
from pathlib import Path
from typing import Protocol

from vmsapp.errors import N_, Unavailable


class Writable(Protocol):
    """What is written of a message."""

    @property
    def to(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def reference(self) -> str: ...  # noqa: D102


class FolderClosed(Unavailable):
    """The folder cannot be written to."""

    code = "sms_folder_closed"
    message = N_("Text messages cannot be written to their folder on this server.")


class FolderSender:
    """Writes ``<reference>.json`` with ``to`` and ``text``; the same reference once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: Writable) -> str:
        """Write a message; one that is there already counts as taken.

        Raises:
            FolderClosed: Nothing was written.
        """
        text = json.dumps({"to": message.to, "text": message.text}, ensure_ascii=False)
        path = self._folder / f"{message.reference}.json"
        part = path.with_suffix(".part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            part.replace(path)
        except OSError:
            raise FolderClosed from None
        return f"file-{message.reference}"

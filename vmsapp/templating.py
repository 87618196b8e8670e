"""Templates, compiled once and kept beside the instance for every process that shows pages.

To compile what the first page of a new process needs takes seven times as long as to show it:
a fifth of a second, and more than one where the processors are busy. What is kept is
found by name and checked against the template itself, so an upgrade compiles what it changed.
"""

from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError

from flask import Flask
from jinja2 import FileSystemBytecodeCache
from jinja2.bccache import Bucket


class KeptTemplates(FileSystemBytecodeCache):
    """What was compiled, in files of their own; where none can be read or written, none is."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what was compiled, if it is there and whole."""
        try:
            super().load_bytecode(bucket)
        except (OSError, EOFError, ValueError, TypeError, UnpicklingError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it; a page is shown on a full disk, too."""
        with suppress(OSError):
            Path(self.directory).mkdir(mode=0o700, exist_ok=True)
            super().dump_bytecode(bucket)


def init_app(app: Flask, folder: Path) -> None:
    """Keep compiled templates in a folder that the product's processes alone may write to."""
    app.jinja_env.bytecode_cache = KeptTemplates(str(folder))

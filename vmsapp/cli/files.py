"""What commands share that write and read files: keys, refusals, hexadecimal digits."""

import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

import click

from vmsapp import sealing
from vmsapp.errors import Unavailable, VmsError

KEY_DIGITS: Final = 2 * sealing.KEY_BYTES
MOST_BYTES: Final = 4096


class Spoken(click.Group):
    """Commands whose refusals are a sentence, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except VmsError as error:
            raise click.ClickException(sentence(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from None


NOT_LET_IN: Final = (
    "our secret for it is not where it belongs, may be read by others, or is not the one it knows"
)
"""Why a module is not reached, where a file of ours may be the reason, too."""


def sentence(error: VmsError) -> str:
    """Say a refusal in English, with words for a module's and a keystore's codes."""
    from vmsapp.hsm.errors import (  # noqa: PLC0415 - few commands need it
        HsmUnavailable,
        KeystoreError,
        ModuleRefused,
    )
    from vmsapp.hsm.keystore import REASONS  # noqa: PLC0415 - the same

    if isinstance(error, KeystoreError) and error.why in REASONS:
        reason = REASONS[error.why]
        return f"{reason[0].upper()}{reason[1:]}."
    words: dict[str, dict[str, str]] = {}
    if isinstance(error, Unavailable):
        words["why"] = REASONS | HsmUnavailable.WHYS | {"secret": NOT_LET_IN}
    if isinstance(error, ModuleRefused):
        words["reason"] = ModuleRefused.REASONS
    said = {name: words.get(name, {}).get(str(it), it) for name, it in error.params.items()}
    return error.message % said if said else error.message


class Hexadecimal(click.ParamType[str]):
    """So many hexadecimal digits, as a page or a command shows them: spaces do not matter."""

    name = "DIGITS"

    def __init__(self, length: int) -> None:
        self._length = length

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Read them."""
        digits = hexadecimal(value, self._length)
        if digits is None:
            self.fail(f"{value} is not {self._length} hexadecimal digits.", param, ctx)
        return digits


def hexadecimal(text: str, length: int) -> str | None:
    """Read so many hexadecimal digits; ``None`` if that is not what it is."""
    digits = "".join(text.split()).lower()
    return digits if len(digits) == length and set(digits) <= set("0123456789abcdef") else None


def new_private_key(path: Path) -> str:
    """Make an Ed25519 key, its private side into a new file; give the public side."""
    made = secrets.token_bytes(sealing.KEY_BYTES)
    write_new(path, f"{made.hex()}\n", mode=0o600)
    return sealing.public_key_of(made).hex()


def private_key(path: Path | None) -> bytes:
    """Read the private key from its file, or ask for it without showing it."""
    text = _ask_private() if path is None else read_private(path)
    digits = hexadecimal(text, KEY_DIGITS)
    if digits is None:
        raise click.UsageError(f"The private key is {KEY_DIGITS} hexadecimal digits; this is none.")
    return bytes.fromhex(digits)


def _ask_private() -> str:
    return str(click.prompt("Private key in hexadecimal (not shown)", hide_input=True, err=True))


def read_private(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Read a secret from a file that is its owner's alone.

    Raises:
        click.UsageError: Others may read it.
    """
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise click.UsageError(
                f"{path} may be read by others; make it readable by its owner alone (chmod 600)."
            )
        return file.read(most_bytes).decode(errors="replace")


def write_new(path: Path, text: str, *, mode: int) -> None:
    """Write a file that was not there.

    Raises:
        click.UsageError: It was.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise click.UsageError(f"{path} is there already; nothing was written.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)

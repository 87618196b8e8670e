"""``flask licence``: making licences, and looking at them, without a database or an instance.

The private key comes from a file that is its owner's alone, or from a prompt, never from
an argument: those are seen by everybody on the machine and kept in the shell's history.
"""

import os
import secrets
import stat
import sys
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from vmsapp import sealing
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.services.licence.file import (
    MOST_BYTES,
    MOST_METERS,
    Licence,
    Terms,
    read,
    write,
)

NUMBER_BYTES: Final = 8
KEY_DIGITS: Final = 2 * sealing.KEY_BYTES
INSTALLATION_DIGITS: Final = 32


class Spoken(click.Group):
    """Commands whose refusals are a sentence, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except VmsError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from None


class Day(click.ParamType[date]):
    """A day of the calendar."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read one."""
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not a day like 2027-12-31.", param, ctx)


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


@click.group(
    "licence",
    cls=Spoken,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
def licence() -> None:
    """Make licences and look at them.

    Works on any machine, without a database or an instance. Whoever issues licences makes a key
    once (keygen), keeps the private side to themselves and gives the public one to those who run
    the product, as VMS_LICENCE_KEY. No command writes over a file.
    """


@licence.command("keygen")
@click.argument("private_key_file", type=click.Path(path_type=Path))
def keygen_command(private_key_file: Path) -> None:
    """Make a key: the private side into a new file, the public side onto the screen."""
    private_key = secrets.token_bytes(sealing.KEY_BYTES)
    _write_new(private_key_file, f"{private_key.hex()}\n", mode=0o600)
    click.echo(f"VMS_LICENCE_KEY={sealing.public_key_of(private_key).hex()}")


@licence.command("make")
@click.argument("licence_file", type=click.Path(path_type=Path))
@click.option(
    "--private-key-file",
    type=click.Path(path_type=Path),
    help="As keygen made it, readable by its owner alone; asked for if not given.",
)
@click.option("--holder", metavar="NAME", required=True, help="To whom it is given.")
@click.option("--valid-until", type=Day(), required=True, help="Its last day.")
@click.option(
    "--meters",
    type=click.IntRange(1, MOST_METERS),
    required=True,
    help="How many meters there may be.",
)
@click.option(
    "--installation",
    type=Hexadecimal(INSTALLATION_DIGITS),
    help="Id of the only installation it is for, as its licence page shows it; by default any.",
)
def make_command(
    licence_file: Path,
    private_key_file: Path | None,
    holder: str,
    valid_until: date,
    meters: int,
    installation: str | None,
) -> None:
    """Make a licence and sign it."""
    today = now_utc().date()
    if valid_until < today:
        raise click.UsageError(f"A licence until {valid_until} would be over before it is used.")
    try:
        terms = Terms(
            number=secrets.token_hex(NUMBER_BYTES), holder=holder.strip(), issued_on=today,
            valid_until=valid_until, meter_limit=meters, installation=installation,
        )  # fmt: skip
    except ValueError as error:
        raise click.UsageError(_wrong(str(error))) from None
    text = write(terms, _private_key(private_key_file))
    _write_new(licence_file, text, mode=0o644)
    _tell(read(text))


@licence.command("show")
@click.argument("licence_file", type=click.Path(path_type=Path))
@click.option(
    "--trusted-key", type=Hexadecimal(KEY_DIGITS), help="Say whether this public key signed it."
)
def show_command(licence_file: Path, trusted_key: str | None) -> None:
    """Show a licence whose signature holds; any other is refused."""
    with licence_file.open("rb") as file:
        found = read(file.read(MOST_BYTES + 1))
    _tell(found)
    if trusted_key is not None:
        trusted = found.signed_with == trusted_key
        click.echo(f"trusted        {'yes' if trusted else 'no: another key signed it'}")
        sys.exit(0 if trusted else 1)


def _tell(found: Licence) -> None:
    terms = found.terms
    for name, value in (
        ("number", terms.number),
        ("holder", terms.holder),
        ("issued on", terms.issued_on),
        ("valid until", terms.valid_until),
        ("meters", terms.meter_limit),
        ("installation", terms.installation or "any"),
        ("signed with", found.signed_with),
    ):
        click.echo(printable(f"{name:<15}{value}"))


def _private_key(path: Path | None) -> bytes:
    """Read the private key from its file, or ask for it without showing it."""
    text = _ask_private() if path is None else _read_private(path)
    digits = hexadecimal(text, KEY_DIGITS)
    if digits is None:
        raise click.UsageError(f"The private key is {KEY_DIGITS} hexadecimal digits; this is none.")
    return bytes.fromhex(digits)


def _ask_private() -> str:
    return str(click.prompt("Private key in hexadecimal (not shown)", hide_input=True, err=True))


def _read_private(path: Path) -> str:
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise click.UsageError(
                f"{path} may be read by others; make it readable by its owner alone (chmod 600)."
            )
        return file.read(MOST_BYTES).decode(errors="replace")


def _write_new(path: Path, text: str, *, mode: int) -> None:
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


def _wrong(named: str) -> str:
    return {
        "holder": "--holder is a name of up to 120 characters, on one line.",
        "valid_until": "--valid-until lies too far ahead.",
    }[named]

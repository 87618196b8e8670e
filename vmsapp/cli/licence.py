"""``flask licence``: making licences, and looking at them, without a database or an instance.

The private key comes from a file that is its owner's alone, or from a prompt, never from
an argument: those are seen by everybody on the machine and kept in the shell's history.
"""

import secrets
import sys
from datetime import date
from pathlib import Path
from typing import Any, Final

import click

from vmsapp.cli.files import (
    KEY_DIGITS,
    Hexadecimal,
    Spoken,
    new_private_key,
    private_key,
    write_new,
)
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.services.licence.file import (
    MOST_BYTES,
    MOST_METERS,
    Licence,
    Terms,
    read,
    write,
)

NUMBER_BYTES: Final = 8
INSTALLATION_DIGITS: Final = 32


class Day(click.ParamType[date]):
    """A day of the calendar."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read one."""
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not a day like 2027-12-31.", param, ctx)


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
    click.echo(f"VMS_LICENCE_KEY={new_private_key(private_key_file)}")


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
    text = write(terms, private_key(private_key_file))
    write_new(licence_file, text, mode=0o644)
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


def _wrong(named: str) -> str:
    return {
        "holder": "--holder is a name of up to 120 characters, on one line.",
        "valid_until": "--valid-until lies too far ahead.",
    }[named]

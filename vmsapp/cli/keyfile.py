"""``flask keyfile``: making key files and looking at them, without a database or an instance.

Keys come from a file that is its owner's alone or are typed without being shown, passphrases
from a prompt or a file descriptor: what stands among the arguments is seen by everybody on the
machine and kept in the shell's history.
"""

from pathlib import Path
from typing import Any, Final

import click

from vmsapp.cli.files import (
    KEY_DIGITS,
    Spoken,
    hexadecimal,
    new_private_key,
    private_key,
    write_new,
)
from vmsapp.cli.key_list import Row, Wrong, key_of, read_list, ref_of
from vmsapp.cli.secret_input import passphrase
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.hsm.answers import KeyFilePreview, KeyInfo
from vmsapp.hsm.canonical import moment_text
from vmsapp.hsm.key_file import reading, writing
from vmsapp.hsm.key_file.model import ANY, FILE_BYTES_MAX
from vmsapp.hsm.keystore import NewKey, checked, demo_key
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.identifiers import BaseDate

ASKED: Final = (
    ("sgc", "Supply group code (6 digits)", None),
    ("krn", "Key revision number", "1"),
    ("kt", "Key type (1 default, 2 unique)", "2"),
    ("dkga", "Derivation algorithm (02 or 04)", "04"),
    ("bdt", "Base date", "2014"),
    ("ken", "Key expiry number", "255"),
    ("name", "Name of the supply group", ""),
)
DEMO_NAME: Final = "Demonstration"
FILE = click.Path(path_type=Path, dir_okay=False)
PRIVATE_KEY = click.option(
    "--private-key-file",
    type=FILE,
    help="As keys made it, readable by its owner alone; asked for if not given.",
)


class Ref(click.ParamType[KeyRef]):
    """The name of a key."""

    name = "SGC/KRN/KT/DKGA"

    def convert(self, value: Any, param: Any, ctx: Any) -> KeyRef:
        """Read one."""
        try:
            return ref_of(value)
        except ValueError:
            self.fail(f"{value} is not a key's name like 600675/1/2/04.", param, ctx)


class Signer(click.ParamType[tuple[str, bytes]]):
    """Who may sign, and with which key."""

    name = "NAME=PUBLIC-KEY"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, bytes]:
        """Read one."""
        name, _, digits = value.rpartition("=")
        key = hexadecimal(digits, KEY_DIGITS)
        if not name or key is None:
            self.fail(f"{value} is not a name, = and {KEY_DIGITS} hexadecimal digits.", param, ctx)
        return name, bytes.fromhex(key)


@click.group(
    "keyfile",
    cls=Spoken,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
def keyfile() -> None:
    """Make key files and look at them.

    Works on any machine, best on one without a network. A key file carries vending keys to a
    module of this product, sealed under a passphrase that travels another way. No command
    writes over a file.
    """


@keyfile.command("keys")
@click.argument("private_key_file", type=FILE)
def keys_command(private_key_file: Path) -> None:
    """Make a signing key: the private side into a new file, the public side onto the screen."""
    click.echo(new_private_key(private_key_file))


@keyfile.command("new")
@click.argument("key_file", type=FILE)
@click.option("--target", metavar="VSM-…", default=ANY, help="The only module it is for.")
@click.option(
    "--from",
    "list_file",
    type=FILE,
    help="List of keys (.json or .csv), readable by its owner alone; asked for if not given.",
)
@click.option(
    "--demo", "demo_refs", type=Ref(), multiple=True,
    help="Put in a random key of this name, marked as one for demonstration.",
)  # fmt: skip
@click.option("--sign", is_flag=True, help="Sign it, with the key of --private-key-file.")
@PRIVATE_KEY
@click.option("--passphrase-fd", type=int, help="Descriptor to read the new passphrase from.")
@click.option(
    "--scrypt-n", type=int, hidden=True, help="Cost of trying a passphrase, a power of two."
)
def new_command(
    key_file: Path,
    target: str,
    list_file: Path | None,
    demo_refs: tuple[KeyRef, ...],
    sign: bool,  # noqa: FBT001 - as click gives it
    private_key_file: Path | None,
    passphrase_fd: int | None,
    scrypt_n: int | None,
) -> None:
    """Make a key file."""
    if key_file.exists():
        raise click.UsageError(f"{key_file} is there already; nothing was written.")
    made = [demo_key(ref, base_date=BaseDate.Y2014, name=DEMO_NAME) for ref in demo_refs]
    if list_file is not None:
        made += read_list(list_file)
    elif not made:
        made += _typed()
    signing = private_key(private_key_file) if sign or private_key_file else None
    with passphrase(passphrase_fd, "New passphrase", new=True) as secret:
        blob = writing.write(
            made, secret, created=now_utc(), target=target,
            private_key=signing, scrypt_n=scrypt_n,
        )  # fmt: skip
    for key in made:
        key.value.wipe()
    write_new(key_file, blob.decode(), mode=0o600)
    found = reading.read(blob)
    _tell(reading.preview(found, None))


@keyfile.command("sign")
@click.argument("key_file", type=FILE)
@click.argument("signed_file", type=FILE)
@PRIVATE_KEY
def sign_command(key_file: Path, signed_file: Path, private_key_file: Path | None) -> None:
    """Sign a key file, into a new file; needs no passphrase."""
    blob = writing.sign(read_key_file(key_file), private_key(private_key_file))
    write_new(signed_file, blob.decode(), mode=0o600)
    _tell(reading.preview(reading.read(blob), None))


@keyfile.command("inspect")
@click.argument("key_file", type=FILE)
@click.option("--module", metavar="VSM-…", help="Say whether it is for this module.")
@click.option("--trusted", type=Signer(), multiple=True, help="Who may sign; as often as needed.")
@click.option("--open", "opened", is_flag=True, help="Ask for the passphrase and try it.")
@click.option("--passphrase-fd", type=int, help="Descriptor to read the passphrase from.")
def inspect_command(
    key_file: Path,
    module: str | None,
    trusted: tuple[tuple[str, bytes], ...],
    opened: bool,  # noqa: FBT001 - as click gives it
    passphrase_fd: int | None,
) -> None:
    """Show what a key file says of itself; its keys are never shown."""
    found = reading.read(read_key_file(key_file))
    signer = reading.check_signer(found, dict(trusted))
    if module is not None:
        reading.check_target(found, module)
    _tell(reading.preview(found, signer))
    if opened or passphrase_fd is not None:
        with passphrase(passphrase_fd, "Passphrase") as secret:
            reading.wipe(reading.open_keys(found, secret))
        click.echo("The passphrase opens it, and it holds what it says.")


def read_key_file(path: Path) -> bytes:
    """Read as much of a file as a key file may have, and a byte."""
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def key_line(info: KeyInfo) -> str:
    """Tell of a key what may be known, on one line."""
    told = [str(info.ref), info.kcv, str(info.base_date.year), f"KEN {info.ken}", info.name]
    if info.active_from:
        told.append(f"from {moment_text(info.active_from)}")
    if info.issue_until:
        told.append(f"until {moment_text(info.issue_until)}")
    if info.tenths_per_day is not None:
        told.append(f"{info.tenths_per_day // 10}.{info.tenths_per_day % 10} units a day")
    if info.tokens_per_day is not None:
        told.append(f"{info.tokens_per_day} tokens a day")
    if info.changes_to:
        told.append("changes to " + " ".join(f"{sgc}/{krn}" for sgc, krn in info.changes_to))
    if info.demo:
        told.append("demonstration")
    return "  ".join(filter(None, told))


def _tell(found: KeyFilePreview) -> None:
    signed = found.signed_with
    for name, value in (
        ("file", found.file_id),
        ("made", moment_text(found.created)),
        ("for", "any module" if found.target == ANY else found.target),
        ("signed with", "nothing" if signed is None else signed),
        ("signer", found.signer or "not known"),
    ):
        click.echo(printable(f"{name:<15}{value}"))
    for info in found.keys:
        click.echo(printable(f"{'key':<15}{key_line(info)}"))


def _typed() -> list[NewKey]:
    """Ask for keys until there are no more."""
    made: list[NewKey] = []
    while not made or click.confirm("Another key?", err=True):
        made.append(_typed_key())
        info = checked(made[-1])
        click.echo(f"{info.ref}: check value {info.kcv}", err=True)
    return made


def _typed_key() -> NewKey:
    """Ask for a key; if it cannot be, ask again with what was typed before."""
    row: Row = {}
    while True:
        for name, question, usual in ASKED:
            default = row.get(name, usual)
            row[name] = click.prompt(
                question, default=default, show_default=bool(default), err=True
            )
        typed = click.prompt(
            "Key in hexadecimal (not shown)", hide_input=True, confirmation_prompt=True, err=True
        )
        try:
            return key_of(row | {"vk": "".join(typed.split())})
        except Wrong as wrong:
            click.echo(f"This cannot be: {wrong}", err=True)

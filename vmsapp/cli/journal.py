"""``flask journal``: check what a security module issued, without a database or an instance.

The chain alone needs no secret. Its seals do: with ``--keystore`` the passphrase is asked for,
or read from a file descriptor, never taken from an argument.
"""

import sys
from collections.abc import Callable
from contextlib import closing
from copy import copy
from datetime import UTC
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from vmsapp.cli.files import Spoken
from vmsapp.hsm import journal as journals
from vmsapp.hsm.keystore import Keystore, read_passphrase_fd
from vmsapp.hsm.results import Results
from vmsapp.hsm.writing import Seals
from vmsapp.sts.secret import SecretBytes

RECORD: Final = "record"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

WHY: Final = {
    "gap": "a line before it is missing",
    "chain": "it is not as it was written, or another stood before it",
    "seal": "the module did not seal it: the chain was made anew by somebody else",
    "request": "the request it speaks of is missing or not as it was",
}
"""What is wrong with a line, by ``Finding.why``."""

OTHER_KEYSTORE: Final = (
    "The seals were not checked: the keystore does not belong to this journal, nothing in which was"
    " sealed with it. Give the keystore of the module that wrote it. If it is that one, the whole"
    " record was put there by somebody else."
)

journal = Spoken("journal", help="Check a security module's journal.")


@journal.command("verify")
@click.argument(RECORD, type=_FILE)
@click.option("--keystore", type=_FILE, help="Check the seals too, with the module's keystore.")
@click.option("--passphrase-fd", type=int, help="File descriptor that gives the passphrase.")
@click.option("--last", metavar="HEX", help="The last line's hash as it was noted before.")
def verify_command(
    record: Path, keystore: Path | None, passphrase_fd: int | None, last: str | None
) -> None:
    """Make every hash of RECORD, a module's own record, again; fails at the first break."""
    seals = _seals(keystore, passphrase_fd) if keystore else None
    results = Results(record, make=False)
    try:
        found, sealed = _checked(results, seals)
        noted = last is None or _has_line(results, last)
    finally:
        results.close()
        if seals:
            seals.wipe()
    for line in report(found, sealed=sealed):
        click.echo(line)
    if found.broken_at is not None:
        click.echo(f"BROKEN: line {found.broken_at}: {WHY[found.why]}.", err=True)
        sys.exit(1)
    if not noted:
        click.echo("BROKEN: no line has the hash that was noted: it was cut short.", err=True)
        sys.exit(1)
    if seals and not sealed:
        raise click.ClickException(OTHER_KEYSTORE)


@journal.command("list")
@click.argument(RECORD, type=_FILE)
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin after this line.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, help="Lines at most.")
def list_command(record: Path, after: int, limit: int) -> None:
    """List lines of RECORD: number, time, operation, meter, TID and request id, never digits."""
    results = Results(record, make=False)
    try:
        for entry in journals.entries(results, after, limit):
            row = "" if entry.row is None else f"#{entry.row}"
            at = entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            click.echo(
                f"{entry.number}\t{at}\t{entry.operation}\t{entry.meter_pan or '-'}"
                f"\t{'-' if entry.tid is None else entry.tid}\t{entry.request_id}{row}"
            )
    finally:
        results.close()


def with_record(command: click.Command, find: Callable[[], Path]) -> click.Command:
    """Give a command that takes the record of ``find`` where none is named, and tells its path."""

    def tell(ctx: click.Context, _param: click.Parameter, path: Path) -> Path:
        if ctx.get_parameter_source(RECORD) is ParameterSource.DEFAULT:
            click.echo(f"Record: {path}", err=command is list_command)
        return path

    record = click.Argument([RECORD], type=_FILE, required=False, default=find, callback=tell)
    here = copy(command)
    here.params = [record if each.name == RECORD else each for each in command.params]
    return here


def report(found: journals.Finding, *, sealed: bool) -> list[str]:
    """Say what a check found, a line each."""
    return [
        f"Lines checked: {found.lines}, of {found.tokens} tokens",
        f"Seals: {'checked' if sealed else 'not checked, which needs the keystore'}",
        f"Hash of the last line: {found.chain.hex()}",
        f"Issued without a line, before there was a journal: {found.without_line}",
    ]


def _checked(results: Results, seals: Seals | None) -> tuple[journals.Finding, bool]:
    """Check a journal, its seals too if they can be; tell whether they were."""
    if seals is None:
        return journals.verify(results, None), False
    found = journals.verify(results, seals.chain_key())
    if found.why == "seal" and not seals.made_any_of(results):
        return journals.verify(results, None), False
    return found, True


def _has_line(results: Results, chain: str) -> bool:
    after = 0
    while page := results.lines(after, journals.PAGE):
        if any(line.chain.hex() == chain.strip().lower() for line in page):
            return True
        after = page[-1].number
    return False


def _seals(keystore: Path, passphrase_fd: int | None) -> Seals:
    if passphrase_fd is not None:
        passphrase = read_passphrase_fd(passphrase_fd)
    else:
        typed = click.prompt("Passphrase of the keystore", hide_input=True)
        passphrase = SecretBytes(typed.encode())
    with passphrase:
        store = Keystore.open(keystore, passphrase)
    with closing(store):
        return Seals(store.module_id, store.sealing_key)

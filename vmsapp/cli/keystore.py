"""``flask keystore``: what custodians do on the module's own host.

They work on the keystore's file, whether the module runs or not; a module that runs sees the
change at its next question. Passphrases come from a prompt or a file descriptor.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from vmsapp.cli.files import Spoken
from vmsapp.cli.key_list import ref_of
from vmsapp.cli.keyfile import FILE, Signer, key_line
from vmsapp.cli.secret_input import of_custodians, passphrase
from vmsapp.cli.terminal import printable
from vmsapp.hsm import keystore_file
from vmsapp.hsm.answers import ImportReport
from vmsapp.hsm.canonical import moment_text
from vmsapp.hsm.key_file import VERDICTS
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.keystore import Keystore

DIGEST = re.compile("[0-9a-f]{8,64}")
FDS = click.option(
    "--passphrase-fd", "fds", type=int, multiple=True,
    help="Descriptor to read the keystore's passphrase from; twice if it takes two.",
)  # fmt: skip
YES = click.option("--yes", is_flag=True, help="Ask nothing.")


@click.group(
    "keystore",
    cls=Spoken,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
def keystore() -> None:
    """Look after a module's keystore, on the module's own host.

    Run it as who owns the file. KEYSTORE is the file's path, such as
    instance/module/keystore.json.
    """


KEYSTORE = click.argument("path", metavar="KEYSTORE", type=FILE)


@keystore.command("status")
@KEYSTORE
@click.option("--open", "opened", is_flag=True, help="Open it, check all of it and list the keys.")
@FDS
def status_command(path: Path, opened: bool, fds: tuple[int, ...]) -> None:  # noqa: FBT001
    """Say what a keystore is; without --open nothing of it is proved."""
    header = keystore_file.header_of(keystore_file.read(path))
    for name, value in (
        ("module", header.module_id),
        ("passphrases", len(header.kdf)),
        ("cost", header.kdf[0].n),
        ("waiting", len(Pending.beside(path).all())),
    ):
        click.echo(f"{name:<15}{value}")
    if opened or fds:
        store = _opened(path, fds)
        click.echo(f"{'written':<15}{store.seq}")
        for line in map(key_line, store.keys()):
            click.echo(printable(f"{'key':<15}{line}"))
        store.close()


@keystore.command("rewrap")
@KEYSTORE
@click.option("--two/--one", default=None, help="How many passphrases it takes from now on.")
@FDS
@click.option(
    "--new-passphrase-fd", "new_fds", type=int, multiple=True,
    help="Descriptor to read a new passphrase from; twice for two.",
)  # fmt: skip
@click.option("--scrypt-n", type=int, hidden=True, help="Cost of trying a passphrase.")
def rewrap_command(
    path: Path, *, two: bool | None, fds: tuple[int, ...], new_fds: tuple[int, ...],
    scrypt_n: int | None,
) -> None:  # fmt: skip
    """Change the passphrase, or how many there are."""
    _require_owner(path)
    needed = keystore_file.passphrases_needed(path)
    store = _opened(path, fds)
    count = needed if two is None else 1 + two
    made = of_custodians(count, new_fds, "New passphrase", new=True)
    store.rewrap(*made, scrypt_n=scrypt_n)
    for secret in made:
        secret.wipe()
    store.close()
    click.echo(
        f"Done; from now on it takes {count}. The earlier generations of the file and its backups"
        " still open with the old passphrase: remove them when the new one has proved itself."
    )


@keystore.command("pending")
@KEYSTORE
def pending_command(path: Path) -> None:
    """List the key files that wait for a second custodian."""
    waiting = Pending.beside(path).all()
    for each in waiting:
        click.echo(printable(f"{each.digest}  {moment_text(each.at)}  {each.by}"))
    if not waiting:
        click.echo("Nothing waits.")


@keystore.command("approve")
@KEYSTORE
@click.argument("digest")
@click.option("--as", "actor", metavar="NAME", prompt="Your name", help="Who approves it.")
@click.option("--replace", is_flag=True, help="Let keys take the place of others of their name.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--allow-demo", is_flag=True,
    help="Take keys made for demonstration too, for a module server whose env is development.",
)  # fmt: skip
@click.option("--trusted", type=Signer(), multiple=True, help="Who may sign; as often as needed.")
@FDS
@click.option("--file-passphrase-fd", type=int, help="Descriptor with the key file's passphrase.")
def approve_command(
    path: Path, digest: str, *, actor: str, replace: bool, dry_run: bool, allow_demo: bool,
    trusted: tuple[tuple[str, bytes], ...], fds: tuple[int, ...], file_passphrase_fd: int | None,
) -> None:  # fmt: skip
    """Take in a key file that waits; DIGEST is the beginning of its digest, or all of it."""
    _require_owner(path)
    pending = Pending.beside(path)
    waiting = pending.for_approval(_digest(digest), actor=actor)
    store = _opened(path, fds)
    taking = KeyImport(store, store.module_id, trusted=dict(trusted), production=not allow_demo)
    with passphrase(file_passphrase_fd, "Passphrase of the key file") as secret:
        report = taking.import_keys(
            waiting.blob, secret, actor=actor, replace=replace, dry_run=dry_run
        )
    store.close()
    _tell(report)
    if report.done:
        pending.remove(waiting.digest)
    elif not dry_run:
        demo = any(verdict.code == "demo" for verdict in report.verdicts)
        hint = " With --allow-demo it takes keys made for demonstration." if demo else ""
        raise click.ClickException(f"Nothing was taken, for a key of the file is refused.{hint}")


@keystore.command("remove")
@KEYSTORE
@click.argument("what")
@FDS
@YES
def remove_command(path: Path, what: str, *, fds: tuple[int, ...], yes: bool) -> None:
    """Forget a key, named SGC/KRN/KT/DKGA, or a key file that waits, named by its digest.

    Nothing here checks whether meters still need the key; the module's page in the browser does.
    """
    _require_owner(path)
    if DIGEST.fullmatch(what):
        _ask(f"The key file {what} will wait no longer. Go on?", yes=yes)
        Pending.beside(path).remove(what)
        click.echo("Removed; it waits no longer.")
        return
    try:
        ref = ref_of(what)
    except ValueError:
        raise click.UsageError(
            f"{what} is neither a key's name like 600675/1/2/04 nor a digest of 8 digits and more."
        ) from None
    _ask(
        f"The key {ref} will be removed from {printable(str(path))}. Nothing here checks whether"
        " meters still need it; the module's page in the browser does. Go on?",
        yes=yes,
    )
    store = _opened(path, fds)
    try:
        store.remove(ref)
    except KeyError:
        raise click.ClickException(f"No key {ref} is loaded.") from None
    finally:
        store.close()
    click.echo("Removed. The earlier generations of the file and its backups still hold it.")


def _opened(path: Path, fds: Sequence[int]) -> Keystore:
    needed = keystore_file.passphrases_needed(path)
    secrets = of_custodians(needed, fds, "Passphrase of the keystore")
    try:
        return Keystore.open(path, *secrets)
    finally:
        for secret in secrets:
            secret.wipe()


def _require_owner(path: Path) -> None:
    """Refuse to write a file that its owner could not read afterwards."""
    if path.exists() and os.name == "posix" and path.stat().st_uid != os.geteuid():
        raise click.UsageError(
            f"{path} belongs to somebody else; run this as its owner, or the module could not"
            " read it afterwards."
        )


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise click.UsageError(f"{text} is not the beginning of a digest, 8 digits and more.")
    return text


def _tell(report: ImportReport) -> None:
    for verdict in report.verdicts:
        said = VERDICTS[verdict.code] % dict(verdict.params) if verdict.code else ""
        click.echo(printable(f"{verdict.outcome:<10}{key_line(verdict.key)}  {said}".rstrip()))


def _ask(question: str, *, yes: bool) -> None:
    """Go on only where somebody says so, or said so before."""
    if not yes:
        click.confirm(question, abort=True)

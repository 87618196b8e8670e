"""Passphrases: from a prompt that does not show them, or from a file descriptor, nowhere else."""

from collections.abc import Sequence
from typing import Final

import click

from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore import PASSPHRASE_BYTES_MAX, read_passphrase_fd
from vmsapp.sts.secret import SecretBytes

CUSTODIANS: Final = ("first custodian", "second custodian")


def passphrase(fd: int | None, prompt: str, *, new: bool = False) -> SecretBytes:
    """Read a passphrase from a descriptor, or ask for it, a new one twice.

    Raises:
        KeystoreError: ``passphrase_empty`` or ``passphrase_long``.
        click.UsageError: The descriptor cannot be read.
    """
    if fd is not None:
        try:
            return read_passphrase_fd(fd)
        except OSError:
            raise click.UsageError(f"Nothing can be read from descriptor {fd}.") from None
    typed = click.prompt(
        f"{prompt} (not shown)", hide_input=True, confirmation_prompt=new, err=True
    )  # fmt: skip
    value = str(typed).encode()
    if len(value) > PASSPHRASE_BYTES_MAX:
        raise KeystoreError("passphrase_long")
    return SecretBytes(value)


def of_custodians(
    count: int, fds: Sequence[int], prompt: str, *, new: bool = False
) -> list[SecretBytes]:
    """Read the passphrases of so many custodians, 1 or 2.

    Raises:
        click.UsageError: As many descriptors as custodians, or none, must be given.
    """
    if fds and len(fds) != count:
        raise click.UsageError(f"It takes {count} passphrases, from {count} descriptors.")
    who = [prompt] if count == 1 else [f"{prompt} of the {each}" for each in CUSTODIANS]
    sources: list[int | None] = list(fds) or [None] * count
    pairs = zip(sources, who, strict=True)
    return [passphrase(fd, asked, new=new) for fd, asked in pairs]

"""The keystore: vending keys at rest, in one sealed file.

A passphrase opens a data key, the data key opens each vending key. What lies open in the
file cannot be changed either: each key is bound to its own description, so nobody can
raise a KEN or swap a supply group, and one HMAC covers the whole file with its sequence
number, so no key can be dropped unseen (``keystore_file``).
"""

import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from vmsapp import sealing
from vmsapp.errors import N_
from vmsapp.hsm import keystore_file
from vmsapp.hsm.base import KeyInfo, KeyRef
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore_file import Content, Header, Stamp
from vmsapp.sts import dkga, identifiers
from vmsapp.sts.errors import KeyLengthError, KeyParityError, StsError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.secret import SecretBytes

SCRYPT_N: Final = 2**15
PASSPHRASE_BYTES_MAX: Final = 1024

REASONS: Final = {
    "missing": N_("there is no such file"),
    "unreadable": N_("the file cannot be read"),
    "exists": N_("there is a file already"),
    "format": N_("this is not a keystore file"),
    "version": N_("it was made by a newer release"),
    "kdf": N_("its passphrase parameters are outside the bounds"),
    "passphrase": N_("the passphrase is wrong"),
    "passphrase_empty": N_("the passphrase is empty"),
    "passphrase_long": N_("the passphrase is too long"),
    "tampered": N_("the passphrase is right, but the file was altered"),
    "rolled_back": N_("the file is older than the one read before"),
    "being_written": N_("another process is writing it, or died doing so and left a .new file"),
    "key_range": N_("a value that describes the key is out of range"),
    "key_length": N_("the key has the wrong length for its algorithm"),
    "key_parity": N_("the key does not have odd parity"),
    "key_loaded": N_("this key is already loaded"),
    "key_conflict": N_("another key is loaded under this name"),
    "base_date_ended": N_("the 1993 base date ended on 24 November 2024: roll the meters over"),
}
"""What each ``why`` of a ``KeystoreError`` means."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A vending key on its way into the keystore; the other fields are as in ``KeyInfo``.

    Attributes:
        value: 8 bytes of odd parity for DKGA ``"02"``, 20 bytes for ``"04"``.
    """

    ref: KeyRef
    base_date: BaseDate
    ken: int
    name: str
    demo: bool
    value: SecretBytes


class Keystore:
    """An open keystore.

    Any number of processes may have one file open. A key that one of them adds is seen by
    the others at their next question, without the passphrase.
    """

    def __init__(self, path: Path, dek: SecretBytes, content: Content, stamp: Stamp) -> None:
        self._path = path
        self._dek = dek
        # One assignment replaces both, so that another thread sees the old file or the new.
        self._read = (content, stamp)

    @classmethod
    def create(cls, path: Path, passphrase: SecretBytes, *, scrypt_n: int = SCRYPT_N) -> Self:
        """Make an empty keystore with a new module id.

        Args:
            path: Where; its folder exists.
            passphrase: At least one byte.
            scrypt_n: Cost of trying a passphrase, a power of two from 2**14 to 2**20.

        Raises:
            KeystoreError: The file exists or the passphrase is empty.
            KdfRefused: ``scrypt_n`` is out of bounds.
        """
        if not len(passphrase):
            raise KeystoreError("passphrase_empty")
        params = sealing.ScryptParams(scrypt_n, secrets.token_bytes(sealing.SALT_BYTES))
        opener = sealing.keys_of_passphrase(passphrase.reveal(), params)
        module_id = f"VSM-{secrets.token_hex(3).upper()}"
        dek = secrets.token_bytes(sealing.KEY_BYTES)
        wrapped = sealing.seal(opener.seal_key, dek, aad=module_id.encode())
        content = Content(Header(module_id, params, opener.check, wrapped), 1, {})
        with keystore_file.sole_writer(path) as new:
            if path.exists():
                raise KeystoreError("exists")
            keystore_file.replace_file(path, new, content, dek)
        return cls(path, SecretBytes(dek), content, keystore_file.stamp_of(path))

    @classmethod
    def open(cls, path: Path, passphrase: SecretBytes) -> Self:
        """Open a keystore and check all of it.

        Raises:
            KeystoreError: ``why`` is one of ``REASONS``. An altered salt or check value
                reads as a wrong passphrase: nothing can tell them apart.
        """
        stamp = keystore_file.stamp_of(path)  # first: a change while reading is seen later
        document = keystore_file.read(path)
        header = keystore_file.header_of(document)
        opener = sealing.keys_of_passphrase(passphrase.reveal(), header.kdf)
        if not sealing.same(opener.check, header.kc):
            raise KeystoreError("passphrase")
        aad = header.module_id.encode()
        try:
            dek = sealing.unseal(opener.seal_key, header.wrapped_dek, aad=aad)
        except sealing.SealBroken:
            raise KeystoreError("tampered") from None
        return cls(path, SecretBytes(dek), keystore_file.verified(document, dek), stamp)

    @property
    def module_id(self) -> str:
        """The module's own name, ``VSM-`` and 6 hex digits."""
        return self._read[0].header.module_id

    @property
    def seq(self) -> int:
        """How often the file was written."""
        return self._current().seq

    def keys(self) -> list[KeyInfo]:
        """List what is loaded, by name and check value."""
        return [entry.info for entry in self._current().entries.values()]

    def vending_key(self, ref: KeyRef) -> tuple[KeyInfo, SecretBytes]:
        """Open one key, which the caller wipes.

        Raises:
            KeyError: No key of this name is loaded.
            KeystoreError: The file was altered since it was read.
        """
        entry = self._current().entries[ref]
        return entry.info, SecretBytes(keystore_file.open_entry(entry, self._dek.reveal()))

    def sealing_key(self, purpose: str) -> SecretBytes:
        """Make the key that seals something else of this module's, always the same one."""
        return SecretBytes(sealing.expand(self._dek.reveal(), f"purpose:{purpose}"))

    def add(self, key: NewKey) -> KeyInfo:
        """Check a key and write it into the file.

        Raises:
            KeystoreError: The key is refused (``key_...``, ``base_date_ended``), or
                another process is writing.
        """
        info = _checked(key)
        with keystore_file.sole_writer(self._path) as new:
            content = self._current()
            if key.ref in content.entries:
                raise KeystoreError(self._clash(key))
            entry = keystore_file.seal_entry(info, key.value.reveal(), self._dek.reveal())
            entries = content.entries | {key.ref: entry}
            content = replace(content, seq=content.seq + 1, entries=entries)
            keystore_file.replace_file(self._path, new, content, self._dek.reveal())
        return info

    def close(self) -> None:
        """Wipe the data key; whatever needs it afterwards raises ``ValueError``."""
        self._dek.wipe()

    def _current(self) -> Content:
        """Read the file again if it was replaced."""
        content, known = self._read
        stamp = keystore_file.stamp_of(self._path)
        if stamp == known:
            return content
        fresh = keystore_file.verified(keystore_file.read(self._path), self._dek.reveal())
        if fresh.seq < content.seq:
            raise KeystoreError("rolled_back")
        self._read = (fresh, stamp)
        return fresh

    def _clash(self, key: NewKey) -> str:
        with self.vending_key(key.ref)[1] as held:
            return "key_loaded" if held == key.value else "key_conflict"


def demo_key(ref: KeyRef, *, base_date: BaseDate, name: str, ken: int = 255) -> NewKey:
    """Make a random key for demonstrations, marked as one.

    >>> demo_key(KeyRef("600000", 1, 2, "02"), base_date=BaseDate.Y2014, name="Demo").value
    SecretBytes(…)
    """
    value = secrets.token_bytes(identifiers.dkga.validate(ref.dkga).key_bytes)
    if ref.dkga == "02":
        value = bytes(map(_with_odd_parity, value))
    return NewKey(ref, base_date, ken, name, demo=True, value=SecretBytes(value))


def read_passphrase_fd(fd: int) -> SecretBytes:
    """Read a passphrase from a file descriptor to its end, and close it.

    One line feed at the end is not part of it.

    Raises:
        KeystoreError: Nothing came, or more than 1024 bytes.
    """
    with os.fdopen(fd, "rb") as pipe:
        text = bytearray(pipe.read(PASSPHRASE_BYTES_MAX + 2))
    if text.endswith(b"\n"):
        del text[-1]
    if len(text) > PASSPHRASE_BYTES_MAX:
        raise KeystoreError("passphrase_long")
    if not text:
        raise KeystoreError("passphrase_empty")
    return SecretBytes(text)


def _checked(key: NewKey) -> KeyInfo:
    """Check all that can be said of a key by itself."""
    ref, value = key.ref, key.value.reveal()
    try:
        if identifiers.sgc.validate(ref.sgc) != ref.sgc:
            raise KeystoreError("key_range")
        identifiers.krn.validate(ref.krn)
        identifiers.ken.validate(key.ken)
        identifiers.kt.validate(ref.kt)
        vending_key = VendingKey(ref.dkga, value)
    except KeyLengthError:
        raise KeystoreError("key_length") from None
    except KeyParityError:
        raise KeystoreError("key_parity") from None
    except StsError:
        raise KeystoreError("key_range") from None
    if key.base_date is BaseDate.Y1993:
        raise KeystoreError("base_date_ended")
    with vending_key:
        kcv = dkga.kcv(vending_key)
    return KeyInfo(ref, key.base_date, key.ken, kcv, key.name, key.demo)


def _with_odd_parity(byte: int) -> int:
    """Set bit 0 so that the count of ones is odd, as in every DES key."""
    return byte | 1 if (byte >> 1).bit_count() % 2 == 0 else byte & 0xFE

"""The keystore: vending keys at rest, in one sealed file.

A passphrase opens a data key, the data key opens each vending key. What lies open in the
file cannot be changed either: each key is bound to its own description, so nobody can
raise a KEN or swap a supply group, and one HMAC covers the whole file with its sequence
number, so no key can be dropped unseen (``keystore_file``).

Where two passphrases open it, of two custodians, neither alone is of any use (dual control).
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from vmsapp import sealing
from vmsapp.errors import N_
from vmsapp.hsm import keystore_file
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.key_rules import is_weak, out_of_range
from vmsapp.hsm.keystore_file import Content, Entry, Header, Stamp
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts import dkga, identifiers
from vmsapp.sts.errors import KeyLengthError, KeyParityError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.secret import SecretBytes

SCRYPT_N: Final = 2**17
"""Cost of trying a passphrase on a new file: about 400 ms and 128 MiB."""
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
    "one_passphrase": N_("one passphrase opens it, not two"),
    "two_passphrases": N_("it takes the passphrases of two custodians"),
    "passphrases_equal": N_("the two passphrases are the same"),
    "tampered": N_("the passphrase is right, but the file was altered"),
    "rolled_back": N_("the file is older than the one read before"),
    "being_written": N_("another process is writing it, or died doing so and left a .new file"),
    "full": N_("it has no room for so many keys"),
    "key_range": N_("a value that describes the key is out of range"),
    "key_length": N_("the key has the wrong length for its algorithm"),
    "key_parity": N_("the key does not have odd parity"),
    "key_weak": N_("the key is one of the weak keys of DES"),
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
    active_from: datetime | None = None
    issue_until: datetime | None = None
    tenths_per_day: int | None = None
    tokens_per_day: int | None = None
    changes_to: tuple[tuple[str, int], ...] = ()

    def info(self, kcv: str) -> KeyInfo:
        """Give what may be known of it outside, with its check value."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        del told["value"]
        return KeyInfo(kcv=kcv, **told)


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
    def create(cls, path: Path, *passphrases: SecretBytes, scrypt_n: int | None = None) -> Self:
        """Make an empty keystore with a new module id.

        Args:
            path: Where; its folder exists.
            passphrases: One, or two for dual control; at least one byte each.
            scrypt_n: Cost of trying a passphrase, a power of two from 2**14 to 2**20;
                ``SCRYPT_N`` unless given.

        Raises:
            KeystoreError: The file exists, a passphrase is empty or both are the same.
            KdfRefused: ``scrypt_n`` is out of bounds.
        """
        module_id = f"VSM-{secrets.token_hex(3).upper()}"
        dek = secrets.token_bytes(sealing.KEY_BYTES)
        content = Content(_header(module_id, dek, passphrases, scrypt_n), 1, {})
        with keystore_file.sole_writer(path) as new:
            if path.exists():
                raise KeystoreError("exists")
            keystore_file.replace_file(path, new, content, dek)
        return cls(path, SecretBytes(dek), content, keystore_file.stamp_of(path))

    @classmethod
    def open(cls, path: Path, *passphrases: SecretBytes) -> Self:
        """Open a keystore and check all of it.

        Args:
            path: Where it is.
            passphrases: As many as it was made with, in the same order
                (``keystore_file.passphrases_needed``).

        Raises:
            KeystoreError: ``why`` is one of ``REASONS``. An altered salt or check value
                reads as a wrong passphrase: nothing can tell them apart.
        """
        stamp = keystore_file.stamp_of(path)  # first: a change while reading is seen later
        document = keystore_file.read(path)
        header = keystore_file.header_of(document)
        if len(passphrases) != len(header.kdf):
            raise KeystoreError("two_passphrases" if len(header.kdf) > 1 else "one_passphrase")
        opener = _opener(passphrases, header.kdf)
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
        return entry.info, SecretBytes(self._kept(entry))

    def sealing_key(self, purpose: str) -> SecretBytes:
        """Make the key that seals something else of this module's, always the same one."""
        return SecretBytes(sealing.expand(self._dek.reveal(), f"purpose:{purpose}"))

    def fingerprint(self, value: SecretBytes) -> bytes:
        """Compute what stands for a value of a key: equal only for equal values, 32 bytes.

        It is keyed, so that it tells nothing outside; a check value has 24 bits, and two keys
        may have one by chance or by design.
        """
        return sealing.mac(sealing.expand(self._dek.reveal(), "fingerprint"), value.reveal())

    def fingerprints(self) -> list[tuple[KeyInfo, bytes]]:
        """List what is loaded, each with the fingerprint of its value.

        Raises:
            KeystoreError: The file was altered since it was read.
        """
        return [
            (entry.info, self._fingerprint_in(entry)) for entry in self._current().entries.values()
        ]

    def add(self, key: NewKey) -> KeyInfo:
        """Check a key and write it into the file; see ``add_all``."""
        return self.add_all([key])[0]

    def add_all(self, keys: Sequence[NewKey], *, replace: bool = False) -> list[KeyInfo]:
        """Check keys and write all of them into the file in one go, or none.

        Args:
            keys: Each of another name.
            replace: Let a key take the place of one loaded under its name.

        Raises:
            KeystoreError: A key is refused (``key_...``, ``base_date_ended``), the file is
                ``full``, or another process is writing.
        """
        infos = [checked(key) for key in keys]
        with keystore_file.sole_writer(self._path) as new:
            entries = dict(self._current().entries)
            for key, info in zip(keys, infos, strict=True):
                if key.ref in entries and not replace:
                    raise KeystoreError(self._clash(key, entries[key.ref]))
                kept = self._keep(key)
                entries[key.ref] = keystore_file.seal_entry(info, kept, self._dek.reveal())
            self._write(new, entries=entries)
        return infos

    def remove(self, ref: KeyRef) -> None:
        """Forget a key. The earlier generations of the file hold it until they are gone.

        Raises:
            KeyError: No key of this name is loaded.
            KeystoreError: Another process is writing.
        """
        with keystore_file.sole_writer(self._path) as new:
            entries = dict(self._current().entries)
            gone = entries.pop(ref)
            self._write(new, entries=entries)
        self._let_go(gone)

    def rewrap(self, *passphrases: SecretBytes, scrypt_n: int | None = None) -> None:
        """Change the passphrase, or how many there are; the keys stay as they are.

        Who has it open keeps it open. The earlier generations of the file, and copies of it,
        open with the old passphrase for ever.

        Raises:
            KeystoreError, KdfRefused: As ``create``; or another process is writing.
        """
        header = _header(self.module_id, self._dek.reveal(), passphrases, scrypt_n)
        with keystore_file.sole_writer(self._path) as new:
            self._write(new, header=header)

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

    def _write(self, new: Path, **changes: object) -> None:
        content = self._current()
        content = replace(content, seq=content.seq + 1, **changes)  # type: ignore[arg-type]
        keystore_file.replace_file(self._path, new, content, self._dek.reveal())

    def _clash(self, key: NewKey, entry: Entry) -> str:
        same = sealing.same(self._fingerprint_in(entry), self.fingerprint(key.value))
        return "key_loaded" if same else "key_conflict"

    # What a keystore that holds its keys elsewhere does otherwise:

    def _keep(self, key: NewKey) -> bytes:
        """Give what lies sealed in the file for a key."""
        return key.value.reveal()

    def _fingerprint_in(self, entry: Entry) -> bytes:
        with SecretBytes(self._kept(entry)) as value:
            return self.fingerprint(value)

    def _let_go(self, entry: Entry) -> None:
        """Forget what is kept elsewhere of a key that is not in the file any more."""

    def _kept(self, entry: Entry) -> bytes:
        return keystore_file.open_entry(entry, self._dek.reveal())


def _header(
    module_id: str, dek: bytes, passphrases: Sequence[SecretBytes], scrypt_n: int | None
) -> Header:
    """Wrap the data key under one passphrase, or under two together."""
    if not passphrases or not all(map(len, passphrases)):
        raise KeystoreError("passphrase_empty")
    if len(passphrases) > 1 and passphrases[0] == passphrases[1]:
        raise KeystoreError("passphrases_equal")
    n = SCRYPT_N if scrypt_n is None else scrypt_n
    kdf = tuple(
        sealing.ScryptParams(n, secrets.token_bytes(sealing.SALT_BYTES)) for _ in passphrases
    )
    opener = _opener(passphrases, kdf)
    wrapped = sealing.seal(opener.seal_key, dek, aad=module_id.encode())
    return Header(module_id, kdf, opener.check, wrapped)


def _opener(
    passphrases: Sequence[SecretBytes], kdf: Sequence[sealing.ScryptParams]
) -> sealing.PassphraseKeys:
    if len(kdf) == 1:
        return sealing.keys_of_passphrase(passphrases[0].reveal(), kdf[0])
    first, second = zip((each.reveal() for each in passphrases), kdf, strict=True)
    return sealing.keys_of_two(first, second)


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


def checked(key: NewKey) -> KeyInfo:
    """Check all that can be said of a key by itself, and compute its check value.

    Raises:
        KeystoreError: ``key_range``, ``key_length``, ``key_parity``, ``key_weak`` or
            ``base_date_ended``.
    """
    if out_of_range(key):
        raise KeystoreError("key_range")
    try:
        vending_key = VendingKey(key.ref.dkga, key.value.reveal())
    except KeyLengthError:
        raise KeystoreError("key_length") from None
    except KeyParityError:
        raise KeystoreError("key_parity") from None
    if is_weak(key):
        raise KeystoreError("key_weak")
    if key.base_date is BaseDate.Y1993:
        raise KeystoreError("base_date_ended")
    with vending_key:
        return key.info(dkga.kcv(vending_key))


def _with_odd_parity(byte: int) -> int:
    """Set bit 0 so that the count of ones is odd, as in every DES key."""
    return byte | 1 if (byte >> 1).bit_count() % 2 == 0 else byte & 0xFE

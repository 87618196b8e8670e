"""A keystore file whose passphrase and keys a token keeps.

The file is the same as of any keystore, so its descriptions, limits and allow-lists are as
well guarded; what lies sealed in it for a key is not the key:

========= ==========================================================================
byte 0    what follows
========= ==========================================================================
1         STS6: id of the key in the token, 16 bytes; fingerprint, 32
2         Legacy: fingerprint, 32 bytes; the key, sealed under a key of the token
========= ==========================================================================

The file's passphrase is an HMAC that the token alone can compute.
"""

import secrets
from pathlib import Path
from typing import Final, Self

from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.drivers.pkcs11.token import ROOT_LABEL, Token
from vmsapp.hsm.keystore import Keystore, NewKey
from vmsapp.hsm.keystore_file import Entry
from vmsapp.hsm.requests import KeyRef
from vmsapp.sealing import SCRYPT_N_MIN
from vmsapp.sts.secret import SecretBytes

IN_TOKEN: Final = 1
WRAPPED: Final = 2
ID_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 32


class TokenKeystore(Keystore):
    """An open keystore whose keys lie in a token; the token is closed with it."""

    token: Token

    @classmethod
    def of(cls, path: Path, token: Token) -> Self:
        """Open the keystore of a token, or make it the first time.

        Raises:
            KeystoreError: As ``Keystore.open``; ``passphrase`` for another token's file.
            HsmUnavailable: The token cannot be used.
        """
        token.prepare()
        with SecretBytes(token.hmac(ROOT_LABEL, b"VMS keystore 1")) as passphrase:
            if path.exists():
                opened = cls.open(path, passphrase)
            else:  # a passphrase of 256 random bits needs no stretching
                opened = cls.create(path, passphrase, scrypt_n=SCRYPT_N_MIN)
        opened.token = token
        return opened

    def in_token(self, ref: KeyRef) -> tuple[KeyInfo, bytes | None]:
        """Give a key's description, and its id in the token; None for a Legacy key.

        Raises:
            KeyError: No key of this name is loaded.
        """
        entry = self._current().entries[ref]
        kept = self._kept(entry)
        return entry.info, kept[1 : 1 + ID_BYTES] if kept[0] == IN_TOKEN else None

    def vending_key(self, ref: KeyRef) -> tuple[KeyInfo, SecretBytes]:
        """Open a Legacy key, which the caller wipes; one of STS6 never leaves the token.

        Raises:
            KeyError: No Legacy key of this name is loaded.
        """
        entry = self._current().entries[ref]
        kept = self._kept(entry)
        if kept[0] != WRAPPED:
            raise KeyError(ref)
        sealed = kept[1 + FINGERPRINT_BYTES :]
        return entry.info, SecretBytes(self.token.unseal(sealed, aad=str(ref).encode()))

    def close(self) -> None:
        """Wipe the data key and close the token."""
        super().close()
        self.token.close()

    def _keep(self, key: NewKey) -> bytes:
        fingerprint, value = self.fingerprint(key.value), key.value.reveal()
        if key.ref.dkga == "02":
            sealed = self.token.seal(value, aad=str(key.ref).encode())
            return bytes([WRAPPED]) + fingerprint + sealed
        object_id = secrets.token_bytes(ID_BYTES)
        self.token.keep(object_id, f"sts/{key.ref}", value)
        return bytes([IN_TOKEN]) + object_id + fingerprint

    def _fingerprint_in(self, entry: Entry) -> bytes:
        kept = self._kept(entry)
        start = 1 if kept[0] == WRAPPED else 1 + ID_BYTES
        return kept[start : start + FINGERPRINT_BYTES]

    def _let_go(self, entry: Entry) -> None:
        kept = self._kept(entry)
        if kept[0] == IN_TOKEN:
            self.token.destroy(kept[1 : 1 + ID_BYTES])

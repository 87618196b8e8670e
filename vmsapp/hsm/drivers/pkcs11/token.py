"""One token of a PKCS#11 library, as this process has it open.

Everything goes one at a time, under one lock for the process: SoftHSM 2.6 crashes when
threads have sessions of their own, and no token is faster for being asked by many. It is
opened when first asked, so after a fork; a child never uses its parent's handles. A wrong PIN is
tried once: most tokens lock themselves after a few.
"""

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, Session, lib
from pkcs11.exceptions import (
    NoSuchKey,
    NoSuchToken,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.mechanisms import GCMParams

from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.sts.secret import SecretBytes

HMAC_KEY_BYTES: Final = 32
"""Shorter keys are filled up with zeros, as HMAC does itself: SoftHSM refuses them as they are."""
NONCE_BYTES: Final = 12
WRAP_LABEL: Final = "vms/wrap"
ROOT_LABEL: Final = "vms/root"

_WRONG_PIN: Final = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)
Library = Any
Handle = Any
"""The package gives their classes no names of their own."""

_lock = threading.RLock()
_libraries: dict[Path, tuple[int, Library]] = {}
_refused_pins: set[bytes] = set()


@dataclass
class Token:
    """A token, by its label.

    Args:
        library: The vendor's library.
        label: The token's.
        pin: The user's; wiped by ``close``.
    """

    library: Path
    label: str
    pin: SecretBytes = field(repr=False)
    _session: Session | None = field(default=None, repr=False)
    _pid: int = 0
    _handles: dict[bytes | str, Handle] = field(default_factory=dict, repr=False)

    def hmac(self, object_id: bytes | str, message: bytes) -> bytes:
        """Compute HMAC-SHA-256 under a key of the token, 32 bytes.

        Raises:
            HsmUnavailable: ``hardware`` (also if there is no such key), ``secret``.
        """
        with self._used():
            key = self._key(object_id, KeyType.GENERIC_SECRET)
            return bytes(key.sign(message, mechanism=Mechanism.SHA256_HMAC))

    def seal(self, plain: bytes, *, aad: bytes) -> bytes:
        """Encrypt under the token's own key: nonce, ciphertext, tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        with self._used():
            key = self._key(WRAP_LABEL, KeyType.AES)
            param = GCMParams(nonce, aad)
            return nonce + bytes(
                key.encrypt(plain, mechanism=Mechanism.AES_GCM, mechanism_param=param)
            )

    def unseal(self, sealed: bytes, *, aad: bytes) -> bytes:
        """Open what ``seal`` made."""
        with self._used():
            key = self._key(WRAP_LABEL, KeyType.AES)
            param = GCMParams(sealed[:NONCE_BYTES], aad)
            return bytes(
                key.decrypt(
                    sealed[NONCE_BYTES:], mechanism=Mechanism.AES_GCM, mechanism_param=param
                )
            )

    def keep(self, object_id: bytes, label: str, value: bytes) -> None:
        """Put an HMAC key into the token, which it never leaves."""
        with self._used() as session:
            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.SECRET_KEY,
                    Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
                    Attribute.VALUE: value.ljust(HMAC_KEY_BYTES, b"\0"),
                    Attribute.ID: object_id,
                    Attribute.LABEL: label,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.SIGN: True,
                }
            )

    def destroy(self, object_id: bytes) -> None:
        """Take an HMAC key out of the token; one that is not there is gone already."""
        with self._used():
            with suppress(NoSuchKey):
                self._key(object_id, KeyType.GENERIC_SECRET).destroy()
            self._handles.pop(object_id, None)

    def prepare(self) -> None:
        """Make the token's own two keys, where they are not there yet."""
        with self._used() as session:
            rights = {
                Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True,
            }  # fmt: skip
            if not self._has(WRAP_LABEL, KeyType.AES):
                session.generate_key(
                    KeyType.AES, 256, label=WRAP_LABEL, store=True, template=rights
                )
            if not self._has(ROOT_LABEL, KeyType.GENERIC_SECRET):
                session.generate_key(
                    KeyType.GENERIC_SECRET, 8 * HMAC_KEY_BYTES, label=ROOT_LABEL, store=True,
                    template=rights | {Attribute.SIGN: True},
                )  # fmt: skip

    def close(self) -> None:
        """Close the session and wipe the PIN."""
        with _lock:
            self._drop()
            self.pin.wipe()

    def _has(self, label: str, kind: KeyType) -> bool:
        try:
            self._key(label, kind)
        except NoSuchKey:
            return False
        return True

    def _key(self, name: bytes | str, kind: KeyType) -> Handle:
        """Find a key by its id or label once: that takes ten times as long as using it."""
        assert self._session is not None, "asked inside _used alone"
        if name not in self._handles:
            by = {"id": name} if isinstance(name, bytes) else {"label": name}
            self._handles[name] = self._session.get_key(
                object_class=ObjectClass.SECRET_KEY, key_type=kind, **by
            )
        return self._handles[name]

    @contextmanager
    def _used(self) -> Iterator[Session]:
        with _lock:
            if self._pid != os.getpid():
                self._session, self._handles, self._pid = None, {}, os.getpid()
            try:
                if self._session is None:
                    self._session = self._opened()
                yield self._session
            except PKCS11Error as error:
                self._drop()  # a token that was pulled out is opened anew when it is back
                raise HsmUnavailable("hardware", sent=True) from error

    def _opened(self) -> Session:
        mark = hashlib.sha256(
            f"{self.library}\0{self.label}\0".encode() + self.pin.reveal()
        ).digest()
        if mark in _refused_pins:
            raise HsmUnavailable("secret", sent=False)
        try:
            token = _library(self.library).get_token(token_label=self.label)
            return _session_on(token, self.pin.reveal().decode())
        except _WRONG_PIN:
            _refused_pins.add(mark)
            raise HsmUnavailable("secret", sent=False) from None
        except NoSuchToken:
            raise HsmUnavailable("unreachable", sent=False) from None
        except (PKCS11Error, OSError, UnicodeDecodeError) as error:
            raise HsmUnavailable("hardware", sent=False) from error

    def _drop(self) -> None:
        session, self._session, self._handles = self._session, None, {}
        if session is not None and self._pid == os.getpid():
            with suppress(PKCS11Error):
                session.close()


def _session_on(token: pkcs11.Token, pin: str) -> Session:
    try:
        return token.open(rw=True, user_pin=pin)
    except UserAlreadyLoggedIn:  # by another session of this process
        return token.open(rw=True)


def _library(path: Path) -> Library:
    """Load the vendor's library once in a process; in a child, begin it anew."""
    if path not in _libraries:
        _libraries[path] = (os.getpid(), lib(str(path)))
    pid, library = _libraries[path]
    if pid != os.getpid():
        library.reinitialize()
        _libraries[path] = (os.getpid(), library)
    return library

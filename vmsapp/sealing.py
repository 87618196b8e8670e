"""Sealing: keeping bytes secret and unaltered, under a key or a passphrase.

AES-256-GCM for the bytes, scrypt for passphrases, HKDF to make several keys of one, and
HMAC-SHA-256 for what is open but must not change; Ed25519 where whoever checks must not
be able to sign. Two different keys come of one
passphrase: one seals, the other makes a *check value* that is stored beside the sealed
bytes. GCM alone cannot tell a wrong passphrase from an altered file; the check value can.

Source: NIST SP 800-38D (GCM), RFC 7914 (scrypt), RFC 5869 (HKDF), RFC 2104 (HMAC),
RFC 8032 (Ed25519), RFC 4226 (HOTP).

>>> key = bytes(KEY_BYTES)
>>> unseal(key, seal(key, b"five loaves", aad=b"bread"), aad=b"bread")
b'five loaves'
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

KEY_BYTES: Final = 32
"""Length of every key here: AES-256 and HMAC-SHA-256."""
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
HMAC_BLOCK_BYTES: Final = 64
_PADS: Final = tuple(bytes(value ^ pad for value in range(256)) for pad in (0x36, 0x5C))
"""What HMAC does to a key's bytes, within and around (RFC 2104)."""
SALT_BYTES: Final = 16

SCRYPT_N_MIN: Final = 2**14
SCRYPT_N_MAX: Final = 2**20
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1


class SealBroken(ValueError):
    """The bytes, their nonce or what was bound to them are not what was sealed."""


class KdfRefused(ValueError):
    """Passphrase parameters outside the bounds: too weak, or made to exhaust memory."""


@dataclass(frozen=True, slots=True)
class ScryptParams:
    """How a passphrase becomes a key.

    Attributes:
        n: Cost, a power of two from 2**14 to 2**20; memory is 1024 * n bytes.
        salt: 16 random bytes.
        r: Block size, always 8.
        p: Parallelism, always 1.

    Raises:
        KdfRefused: A value outside these bounds.
    """

    n: int
    salt: bytes
    r: int = SCRYPT_R
    p: int = SCRYPT_P

    def __post_init__(self) -> None:
        in_bounds = (
            all(type(number) is int for number in (self.n, self.r, self.p))
            and SCRYPT_N_MIN <= self.n <= SCRYPT_N_MAX
            and self.n & (self.n - 1) == 0
            and (self.r, self.p) == (SCRYPT_R, SCRYPT_P)
            and len(self.salt) == SALT_BYTES
        )
        if not in_bounds:
            msg = "scrypt parameters outside the bounds"
            raise KdfRefused(msg)


@dataclass(frozen=True, slots=True, repr=False)
class PassphraseKeys:
    """What comes of a passphrase.

    Attributes:
        seal_key: 32 bytes, for ``seal``.
        check: 8 bytes that may be stored openly, and tell the passphrase was right.
    """

    seal_key: bytes
    check: bytes


def seal(key: bytes, plain: bytes, *, aad: bytes) -> bytes:
    """Encrypt ``plain`` and bind it to ``aad``, which stays open.

    Args:
        key: 32 bytes.
        plain: Any length.
        aad: What must be shown again, unchanged, to open it.

    Returns:
        Nonce (12 bytes, fresh), ciphertext, tag (16 bytes).
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, aad)


def unseal(key: bytes, sealed: bytes, *, aad: bytes) -> bytes:
    """Open what ``seal`` made.

    Raises:
        SealBroken: Another key, other ``aad``, or altered bytes.
    """
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        msg = "too short to have been sealed"
        raise SealBroken(msg)
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
    except InvalidTag:
        msg = "not what was sealed under this key"
        raise SealBroken(msg) from None


def expand(key: bytes, purpose: str) -> bytes:
    """Make the key for one purpose from a key: HKDF-Expand, 32 bytes."""
    return HKDFExpand(SHA256(), KEY_BYTES, purpose.encode()).derive(key)


def mac(key: bytes, message: bytes) -> bytes:
    """Compute the HMAC-SHA-256 of ``message``, 32 bytes."""
    return hmac.digest(key, message, "sha256")


def macs(key: bytes, messages: Iterable[bytes]) -> list[bytes]:
    """Compute what ``mac`` does of many messages: what the key alone decides is hashed once.

    >>> macs(b"key", [b"one", b"two"]) == [mac(b"key", b"one"), mac(b"key", b"two")]
    True
    """
    block = hashlib.sha256(key).digest() if len(key) > HMAC_BLOCK_BYTES else key
    block = block.ljust(HMAC_BLOCK_BYTES, b"\x00")
    inner, outer = (hashlib.sha256(block.translate(pad)) for pad in _PADS)
    found = []
    for message in messages:
        within, around = inner.copy(), outer.copy()
        within.update(message)
        around.update(within.digest())
        found.append(around.digest())
    return found


def sign(private_key: bytes, message: bytes) -> bytes:
    """Sign with Ed25519.

    Args:
        private_key: 32 bytes, as RFC 8032 takes them.
        message: Any length.

    Returns:
        64 bytes, the same for the same key and message.
    """
    return Ed25519PrivateKey.from_private_bytes(private_key).sign(message)


def public_key_of(private_key: bytes) -> bytes:
    """Give the public key, 32 bytes, that checks what a private key signs."""
    return Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether ``signature`` is the key's for exactly this message; never raises."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def one_time_password(secret: bytes, counter: int) -> str:
    """Make the 6 digits of RFC 4226 for a counter; with time steps of 30 s those of RFC 6238.

    Args:
        secret: At least 16 bytes, 20 by custom.
        counter: Not negative.
    """
    return HOTP(secret, 6, SHA1()).generate(counter).decode()  # noqa: S303 - what telephones know


def same(one: bytes, other: bytes) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def keys_of_passphrase(passphrase: bytes, params: ScryptParams) -> PassphraseKeys:
    """Stretch a passphrase into a sealing key and its check value.

    Takes about 100 ms at n = 2**15 and 400 ms at 2**17, on purpose.
    """
    return _keys_of(_stretched(passphrase, params))


def keys_of_two(
    first: tuple[bytes, ScryptParams], second: tuple[bytes, ScryptParams]
) -> PassphraseKeys:
    """Stretch the passphrases of two people into one key, of which neither has a half.

    HKDF-Extract of both, one behind the other. The one check value is of both, so that neither
    passphrase can be tried without the other.

    Args:
        first: A passphrase and how it is stretched.
        second: The same, with another salt.
    """
    return _keys_of(mac(bytes(KEY_BYTES), _stretched(*first) + _stretched(*second)))


def _stretched(passphrase: bytes, params: ScryptParams) -> bytes:
    # OpenSSL refuses above 32 MiB unless told; it needs a little over 128 * n * r bytes.
    return hashlib.scrypt(
        passphrase,
        salt=params.salt,
        n=params.n,
        r=params.r,
        p=params.p,
        maxmem=2 * 128 * params.n * params.r,
        dklen=KEY_BYTES,
    )


def _keys_of(stretched: bytes) -> PassphraseKeys:
    check = mac(expand(stretched, "check"), b"kc")[:8]
    return PassphraseKeys(seal_key=expand(stretched, "seal"), check=check)


def secret_file(path: Path) -> str:
    """Read a secret from a file of our own, made at random the first time, mode 0600.

    Made aside and linked into place, so that of several that start at once the first
    wins, and none reads half a secret.

    Returns:
        64 characters of URL-safe base64.

    Raises:
        PermissionError: Others may read the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _link_new_secret(path)
    if path.stat().st_mode & (0o007 if _lent(path) else 0o077):
        msg = f"{path} may be read by others; make it readable by its owner alone (chmod 600)"
        raise PermissionError(msg)
    return path.read_text().strip()


def _lent(path: Path) -> bool:
    """Whether systemd lends the file: by an access list, which shows as rights of the group."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def _link_new_secret(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()

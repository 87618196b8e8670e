"""Writing a key file: sealed under a passphrase, signed with Ed25519."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm import keystore
from vmsapp.hsm.canonical import canonical, moment_text
from vmsapp.hsm.errors import KeyFileRefused, KeystoreError
from vmsapp.hsm.key_file.model import (
    ANY,
    FILE_BYTES_MAX,
    FORMAT,
    VERSION,
    bound,
    describe,
    message,
)
from vmsapp.hsm.key_file.reading import read
from vmsapp.hsm.keystore import NewKey, checked
from vmsapp.sts.secret import SecretBytes

FILE_ID_BYTES: Final = 8


def write(
    keys: Sequence[NewKey],
    passphrase: SecretBytes,
    *,
    created: datetime,
    target: str = ANY,
    private_key: bytes | None = None,
    scrypt_n: int | None = None,
) -> bytes:
    """Make a key file.

    Args:
        keys: At least one, each of another name.
        passphrase: At least one byte.
        created: Aware moment, kept to the second.
        target: The module it is for; any unless given.
        private_key: Ed25519, 32 bytes, to sign it; not signed unless given.
        scrypt_n: Cost of trying a passphrase, 2**14 to 2**18; ``keystore.SCRYPT_N`` unless given.

    Raises:
        KeystoreError: ``passphrase_empty``, or a key cannot be right (``keystore.checked``).
        KeyFileRefused: ``too_large``, or ``format`` for a target that names no module.
    """
    if not len(passphrase):
        raise KeystoreError("passphrase_empty")
    infos = [checked(key) for key in keys]
    n = keystore.SCRYPT_N if scrypt_n is None else scrypt_n
    kdf = sealing.ScryptParams(n, secrets.token_bytes(sealing.SALT_BYTES))
    opener = sealing.keys_of_passphrase(passphrase.reveal(), kdf)
    public = [describe(info) for info in infos]
    members: dict[str, Any] = {
        "fmt": FORMAT,
        "v": VERSION,
        "file_id": secrets.token_hex(FILE_ID_BYTES),
        "created": moment_text(created),
        "target": target,
        "kdf": {"name": "scrypt", "n": kdf.n, "r": kdf.r, "p": kdf.p, "salt": kdf.salt.hex()},
        "kc": opener.check.hex(),
        "public": public,
    }
    values = [
        told | {"vk": key.value.reveal().hex()} for told, key in zip(public, keys, strict=True)
    ]
    sealed = sealing.seal(opener.seal_key, canonical({"keys": values}), aad=bound(members))
    members["nonce"] = sealed[: sealing.NONCE_BYTES].hex()
    members["payload"] = base64.b64encode(sealed[sealing.NONCE_BYTES :]).decode()
    return _written(members, private_key)


def sign(blob: bytes, private_key: bytes) -> bytes:
    """Sign a key file, in the place of whoever signed it before; needs no passphrase.

    Raises:
        KeyFileRefused: It is none (``read``).
    """
    return _written(read(blob).members, private_key)


def _written(members: dict[str, Any], private_key: bytes | None) -> bytes:
    if private_key is not None:
        signature = sealing.sign(private_key, message(members)).hex()
        kid = sealing.public_key_of(private_key).hex()
        members = members | {"sig": {"alg": "Ed25519", "kid": kid, "sig": signature}}
    blob = canonical(members) + b"\n"
    if len(blob) > FILE_BYTES_MAX:
        raise KeyFileRefused("too_large", most=FILE_BYTES_MAX)
    read(blob)
    return blob

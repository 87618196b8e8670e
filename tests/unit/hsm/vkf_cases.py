"""Key files built from the format's description alone, by a few lines of cryptography of their own.

Nothing here calls the code under test.
"""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSPHRASE = b"sent by another way"
SIGNER = bytes(range(32))
OTHER_SIGNER = bytes(range(1, 33))
VK02 = "0dfe450851baf80e"
VK04 = "abababababababab949494949494949401234567"


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@cache
def stretched(passphrase, salt, n=2**14):
    return hashlib.scrypt(passphrase, salt=salt, n=n, r=8, p=1, maxmem=2**30, dklen=32)


def expanded(key, purpose):
    """HKDF-Expand of one block (RFC 5869, 2.3)."""
    return hmac.digest(key, purpose + b"\x01", "sha256")


def des_kcv(vk):
    """Single DES is triple DES under one key thrice."""
    encryptor = Cipher(TripleDES(bytes.fromhex(vk) * 3), modes.ECB()).encryptor()
    return encryptor.update(bytes(8))[:3].hex().upper()


def sha_kcv(vk):
    return hashlib.sha256(b"\x01" + bytes.fromhex(vk)).hexdigest()[:6].upper()


def described(vk=VK04, **changed):
    """One key as it stands in the sealed list."""
    legacy = len(vk) == 16
    told = {
        "sgc": "201457", "krn": 1, "kt": 2, "dkga": "02" if legacy else "04", "bdt": "2014",
        "ken": 255, "kcv": "", "kcv_alg": "DES0" if legacy else "SHA256-01",
        "name": "Riverside", "vk": vk,
    }  # fmt: skip
    told["kcv"] = des_kcv(vk) if legacy else sha_kcv(vk) if len(vk) == 40 else "000000"
    return {name: value for name, value in (told | changed).items() if value is not None}


def public_of(keys):
    return [{name: value for name, value in key.items() if name != "vk"} for key in keys]


def members_of(*keys, passphrase=PASSPHRASE, payload=None, public=None, **changed):
    """Seal keys: all the members of a file that is not signed."""
    salt, nonce = bytes(range(16)), bytes(range(12))
    keys = keys or (described(),)
    stretch = stretched(passphrase, salt)
    header = {
        "fmt": "VKF",
        "v": 1,
        "file_id": "file-1",
        "created": "2026-11-20T08:00:00Z",
        "target": "*",
        "kdf": {"name": "scrypt", "n": 2**14, "r": 8, "p": 1, "salt": salt.hex()},
        "kc": hmac.digest(expanded(stretch, b"check"), b"kc", "sha256")[:8].hex(),
        "public": public_of(keys) if public is None else public,
    } | changed
    plain = canonical({"keys": list(keys)}) if payload is None else payload
    sealed = AESGCM(expanded(stretch, b"seal")).encrypt(nonce, plain, canonical(header))
    return header | {"nonce": nonce.hex(), "payload": base64.b64encode(sealed).decode()}


def signed(members, private=SIGNER):
    key = Ed25519PrivateKey.from_private_bytes(private)
    unsigned = {name: value for name, value in members.items() if name != "sig"}
    signature = key.sign(b"VMS key file\n" + canonical(unsigned))
    sig = {"alg": "Ed25519", "kid": public(private).hex(), "sig": signature.hex()}
    return unsigned | {"sig": sig}


def public(private):
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def blob_of(members):
    return canonical(members) + b"\n"


def file_of(*keys, **changed):
    return blob_of(members_of(*keys, **changed))

"""Reading a key file: what it says of itself without a passphrase, and the keys with one.

The order of the checks is part of the format: each later one may trust the ones before it, and
no passphrase is tried on a file that is refused anyway.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm.answers import KeyFilePreview
from vmsapp.hsm.canonical import moment_of, read_exactly
from vmsapp.hsm.errors import KeyFileRefused
from vmsapp.hsm.key_file.kmc import refuse_kmc_file
from vmsapp.hsm.key_file.model import (
    ANY,
    FILE_BYTES_MAX,
    FILE_ID,
    FORMAT,
    TARGET,
    VERSION,
    Entry,
    KeyFile,
    bound,
    entry_of,
    info_of,
    matched,
    members_of,
    message,
)
from vmsapp.sts.secret import SecretBytes

SCRYPT_N_MAX: Final = 2**18
"""Costliest passphrase of a file: 256 MiB and about a second, which the module can spare."""
CHECK_BYTES: Final = 8
SIGNATURE_BYTES: Final = 64
KEY_SHOWN: Final = 8

_MEMBERS: Final = frozenset(
    {"fmt", "v", "file_id", "created", "target", "kdf", "kc", "nonce", "public", "payload"}
)


def read(blob: bytes) -> KeyFile:
    """Read a key file of whoever's, for whichever module.

    Raises:
        KeyFileRefused: ``too_large``, ``kmc_...``, ``format``, ``version``, ``kdf`` or
            ``signature``: the one it bears is not the one of this content.
    """
    members = _document(blob)
    kdf = _kdf(members)
    try:
        found = _shaped(members, kdf)
    except (KeyError, TypeError, ValueError):
        raise KeyFileRefused("format") from None
    if found.signer and not sealing.signed_by(found.signer, message(members), found.signature):
        raise KeyFileRefused("signature")
    return found


def check_signer(found: KeyFile, trusted: Mapping[str, bytes]) -> str | None:
    """Find who signed a file.

    Args:
        found: A file whose signature holds, if it bears one.
        trusted: Name and Ed25519 public key (32 bytes) of each who may sign. Where there are
            none, no signature is asked for.

    Returns:
        The signer's name; None where no signature is asked for.

    Raises:
        KeyFileRefused: ``unsigned`` or ``signer``.
    """
    if not trusted:
        return None
    if found.signer is None:
        raise KeyFileRefused("unsigned")
    for name, public_key in trusted.items():
        if sealing.same(public_key, found.signer):
            return name
    raise KeyFileRefused("signer", key=found.signer.hex()[:KEY_SHOWN])


def check_target(found: KeyFile, module_id: str) -> None:
    """Refuse a file for another module.

    Raises:
        KeyFileRefused: ``target``.
    """
    if found.target not in {ANY, module_id}:
        raise KeyFileRefused("target", target=found.target, module=module_id)


def preview(found: KeyFile, signer: str | None) -> KeyFilePreview:
    """Tell what a file says of itself."""
    return KeyFilePreview(
        found.file_id, found.created, found.target, signer, found.keys,
        signed_with=found.signer.hex() if found.signer else None,
    )  # fmt: skip


def open_keys(found: KeyFile, passphrase: SecretBytes) -> tuple[Entry, ...]:
    """Open the keys of a file, which the caller wipes.

    Raises:
        KeyFileRefused: ``not_opened``, ``tampered``, ``format`` or ``mismatch``.
    """
    opener = sealing.keys_of_passphrase(passphrase.reveal(), found.kdf)
    if not sealing.same(opener.check, found.kc):
        raise KeyFileRefused("not_opened")
    try:
        plain = sealing.unseal(opener.seal_key, found.sealed, aad=bound(found.members))
    except sealing.SealBroken:
        raise KeyFileRefused("tampered") from None
    try:
        entries = _entries(plain)
    except (KeyError, TypeError, ValueError):
        raise KeyFileRefused("format") from None
    if tuple(entry.info for entry in entries) != found.keys:
        wipe(entries)
        raise KeyFileRefused("mismatch")
    return entries


def wipe(entries: tuple[Entry, ...]) -> None:
    """Overwrite the keys."""
    for entry in entries:
        entry.key.value.wipe()


def _document(blob: bytes) -> dict[str, Any]:
    if len(blob) > FILE_BYTES_MAX:
        raise KeyFileRefused("too_large", most=FILE_BYTES_MAX)
    refuse_kmc_file(blob)
    try:
        members = read_exactly(blob)
    except ValueError:
        raise KeyFileRefused("format") from None
    version = members.get("v")
    if members.get("fmt") != FORMAT or type(version) is not int or version < VERSION:
        raise KeyFileRefused("format")
    if version > VERSION:
        raise KeyFileRefused("version")
    return members


def _kdf(members: dict[str, Any]) -> sealing.ScryptParams:
    try:
        kdf = members_of(members["kdf"])
        salt = _hex(kdf.pop("salt"), sealing.SALT_BYTES)
        name, n, r, p = (kdf.pop(member) for member in ("name", "n", "r", "p"))
    except (KeyError, TypeError, ValueError):
        raise KeyFileRefused("format") from None
    if kdf or name != "scrypt" or type(n) is not int or n > SCRYPT_N_MAX:
        raise KeyFileRefused("kdf")
    try:
        return sealing.ScryptParams(n, salt, r, p)
    except sealing.KdfRefused:
        raise KeyFileRefused("kdf") from None


def _shaped(members: dict[str, Any], kdf: sealing.ScryptParams) -> KeyFile:
    if members.keys() - {"sig"} != _MEMBERS:
        raise ValueError
    signer, signature = _signature(members)
    return KeyFile(
        file_id=matched(FILE_ID, members["file_id"]),
        created=moment_of(members["created"]),
        target=matched(TARGET, members["target"]),
        kdf=kdf,
        kc=_hex(members["kc"], CHECK_BYTES),
        sealed=_hex(members["nonce"], sealing.NONCE_BYTES) + _base64(members["payload"]),
        keys=tuple(info_of(described) for described in _list(members["public"])),
        signer=signer,
        signature=signature,
        members=members,
    )


def _signature(members: dict[str, Any]) -> tuple[bytes | None, bytes]:
    if "sig" not in members:
        return None, b""
    sig = members_of(members["sig"])
    signer = _hex(sig.pop("kid"), sealing.KEY_BYTES)
    signature = _hex(sig.pop("sig"), SIGNATURE_BYTES)
    if sig != {"alg": "Ed25519"}:
        raise ValueError
    return signer, signature


def _entries(plain: bytes) -> tuple[Entry, ...]:
    members = read_exactly(plain + b"\n")
    if members.keys() != {"keys"}:
        raise ValueError
    return tuple(entry_of(told) for told in _list(members["keys"]))


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - as it was read
    if not isinstance(value, list) or not value:
        raise TypeError
    return value


def _hex(text: str, length: int) -> bytes:
    """Read so many bytes in their one spelling."""
    value = bytes.fromhex(text)
    if value.hex() != text or len(value) != length:
        raise ValueError
    return value


def _base64(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError
    return value

"""The keystore's file: what is in it, how it is checked, how it is replaced.

============= ==================================================================
member        content
============= ==================================================================
fmt, v        ``VMS-KEYSTORE``, 1
module_id     ``VSM-`` and 6 hex digits, given at creation
seq           counts the writes, from 1
kdf, kc       scrypt parameters, with ``salt2`` where it takes two passphrases; check
              value that tells a wrong passphrase
wrapped_dek   data key, sealed under the passphrase, bound to ``module_id``
keys          list of {meta, nonce, ct}; ct is bound to meta in canonical JSON
mac           HMAC-SHA-256 over all of the above in canonical JSON
============= ==================================================================

The file is exactly the canonical JSON of its content and a line feed: anything else that
would read the same is refused.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.canonical import canonical, moment_of, moment_text, read_exactly
from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.identifiers import BaseDate

FORMAT: Final = "VMS-KEYSTORE"
VERSION: Final = 1
FILE_BYTES_MAX: Final = 2**20
GENERATIONS: Final = 3
"""How many earlier files are kept beside the present one, as ``.1`` (newest) to ``.3``."""

SALTS: Final = ("salt", "salt2")
"""Names of the salts, one a passphrase."""

_MODULE_ID: Final = re.compile("VSM-[0-9A-F]{6}")

Stamp = tuple[int, int, int]
"""Inode, time of change and size: tells one generation of the file from another."""


@dataclass(frozen=True, slots=True)
class Header:
    """What opens the file.

    Attributes:
        module_id: The module's own name.
        kdf: How each passphrase is stretched, one or two.
        kc: Check value of the passphrases, 8 bytes.
        wrapped_dek: The data key, sealed.
    """

    module_id: str
    kdf: tuple[sealing.ScryptParams, ...]
    kc: bytes
    wrapped_dek: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as it lies in the file: nonce, ciphertext and tag in ``sealed``."""

    info: KeyInfo
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """The whole file, read and checked."""

    header: Header
    seq: int
    entries: dict[KeyRef, Entry]


def stamp_of(path: Path) -> Stamp:
    """Look at the file without reading it.

    Raises:
        KeystoreError: ``missing`` or ``unreadable``.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise KeystoreError("missing") from None
    except OSError:
        raise KeystoreError("unreadable") from None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def read(path: Path) -> dict[str, Any]:
    """Read the file as JSON, nothing of it to be trusted yet.

    Raises:
        KeystoreError: ``missing``, ``unreadable``, ``format`` or ``version``.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise KeystoreError("missing") from None
    except OSError:
        raise KeystoreError("unreadable") from None
    try:
        document = read_exactly(raw)
    except ValueError:
        raise KeystoreError("format") from None
    if document.get("fmt") != FORMAT:
        raise KeystoreError("format")
    if document.get("v") != VERSION:
        raise KeystoreError("version")
    return document


def holds_real_keys(path: Path) -> bool:
    """Tell whether a keystore is, or may be, in earnest: without a passphrase, to refuse only.

    Returns:
        False where there is no file nor an earlier generation of it, or none of its keys was
        made for more than demonstration.
    """
    return any(map(_may_be_real, [path, *_earlier(path)]))


def _may_be_real(path: Path) -> bool:
    try:
        records = read(path)["keys"]
        return not isinstance(records, list) or any(
            record["meta"]["demo"] is not True for record in records
        )
    except KeystoreError as error:
        return error.why != "missing"
    except (KeyError, TypeError):
        return True


def _earlier(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}.{number}") for number in range(1, GENERATIONS + 1)]


def passphrases_needed(path: Path) -> int:
    """Tell how many passphrases open a keystore, 1 or 2, without any.

    Raises:
        KeystoreError: ``missing``, ``unreadable``, ``format``, ``version`` or ``kdf``.
    """
    return len(header_of(read(path)).kdf)


def name_in(path: Path) -> str:
    """Give the name of a keystore's module, without a passphrase and so unproved.

    Raises:
        KeystoreError: As ``passphrases_needed``.
    """
    return header_of(read(path)).module_id


def header_of(document: dict[str, Any]) -> Header:
    """Take out what is needed before the passphrase is known to be right.

    Raises:
        KeystoreError: ``format`` or ``kdf``.
    """
    try:
        kdf = document["kdf"]
        params = tuple(
            sealing.ScryptParams(kdf["n"], bytes.fromhex(kdf[salt]), kdf["r"], kdf["p"])
            for salt in SALTS[: 1 + (SALTS[1] in kdf)]
        )
        module_id = _MODULE_ID.fullmatch(document["module_id"])
        kc, wrapped = bytes.fromhex(document["kc"]), bytes.fromhex(document["wrapped_dek"])
    except sealing.KdfRefused:
        raise KeystoreError("kdf") from None
    except (KeyError, TypeError, ValueError):
        raise KeystoreError("format") from None
    if module_id is None or kdf.get("name") != "scrypt":
        raise KeystoreError("format")
    return Header(module_id.group(), params, kc, wrapped)


def verified(document: dict[str, Any], dek: bytes) -> Content:
    """Check the whole file, and every key in it, under the data key.

    Raises:
        KeystoreError: ``tampered``.
    """
    body = {name: value for name, value in document.items() if name != "mac"}
    if not sealing.same(canonical(document.get("mac")), canonical(_mac(dek, body))):
        raise KeystoreError("tampered")
    entries = {}
    for record in body["keys"]:
        entry = Entry(_info(record["meta"]), bytes.fromhex(record["nonce"] + record["ct"]))
        open_entry(entry, dek)
        entries[entry.info.ref] = entry
    return Content(header_of(document), body["seq"], entries)


def seal_entry(info: KeyInfo, value: bytes, dek: bytes) -> Entry:
    """Seal a vending key, bound to its description."""
    return Entry(info, sealing.seal(dek, value, aad=canonical(_meta(info))))


def open_entry(entry: Entry, dek: bytes) -> bytes:
    """Open a vending key.

    Raises:
        KeystoreError: ``tampered``: the key or its description is not what was sealed.
    """
    try:
        return sealing.unseal(dek, entry.sealed, aad=canonical(_meta(entry.info)))
    except sealing.SealBroken:
        raise KeystoreError("tampered") from None


@contextmanager
def sole_writer(path: Path) -> Iterator[Path]:
    """Claim the right to write: whoever creates the ``.new`` file has it.

    Raises:
        KeystoreError: ``being_written``.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise KeystoreError("being_written") from None
    try:
        yield new
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def replace_file(path: Path, new: Path, content: Content, dek: bytes) -> None:
    """Fill ``new``, keep the earlier generations and put ``new`` in the place of ``path``.

    Raises:
        KeystoreError: ``full``: it would be too large to be read again.
    """
    data = _serialised(content, dek)
    if len(data) > FILE_BYTES_MAX:
        raise KeystoreError("full")
    _write_through(new, data)
    if path.exists():
        _keep_generations(path)
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _mac(dek: bytes, body: dict[str, Any]) -> str:
    return sealing.mac(sealing.expand(dek, "file"), canonical(body)).hex()


def _serialised(content: Content, dek: bytes) -> bytes:
    header, kdf = content.header, content.header.kdf[0]
    salts = {name: of.salt.hex() for name, of in zip(SALTS, content.header.kdf, strict=False)}
    body = {
        "fmt": FORMAT,
        "v": VERSION,
        "module_id": header.module_id,
        "seq": content.seq,
        "kdf": {"name": "scrypt", "n": kdf.n, "r": kdf.r, "p": kdf.p} | salts,
        "kc": header.kc.hex(),
        "wrapped_dek": header.wrapped_dek.hex(),
        "keys": [_record(entry) for entry in content.entries.values()],
    }
    return canonical(body | {"mac": _mac(dek, body)}) + b"\n"


def _record(entry: Entry) -> dict[str, Any]:
    nonce, ct = entry.sealed[: sealing.NONCE_BYTES], entry.sealed[sealing.NONCE_BYTES :]
    return {"meta": _meta(entry.info), "nonce": nonce.hex(), "ct": ct.hex()}


def _meta(info: KeyInfo) -> dict[str, Any]:
    """Write a description; what is not set is left out, as in files made before it could be."""
    ref = info.ref
    bounds = {
        "active_from": info.active_from and moment_text(info.active_from),
        "issue_until": info.issue_until and moment_text(info.issue_until),
        "tenths_per_day": info.tenths_per_day,
        "tokens_per_day": info.tokens_per_day,
        "changes_to": [list(pair) for pair in info.changes_to] or None,
    }
    return {
        "sgc": ref.sgc,
        "krn": ref.krn,
        "kt": ref.kt,
        "dkga": ref.dkga,
        "base_date": info.base_date.value,
        "ken": info.ken,
        "kcv": info.kcv,
        "name": info.name,
        "demo": info.demo,
    } | {name: value for name, value in bounds.items() if value is not None}


def _info(meta: dict[str, Any]) -> KeyInfo:
    ref = KeyRef(meta["sgc"], meta["krn"], meta["kt"], meta["dkga"])
    base_date = BaseDate(meta["base_date"])
    return KeyInfo(
        ref, base_date, meta["ken"], meta["kcv"], meta["name"], meta["demo"],
        active_from=_moment(meta, "active_from"),
        issue_until=_moment(meta, "issue_until"),
        tenths_per_day=meta.get("tenths_per_day"),
        tokens_per_day=meta.get("tokens_per_day"),
        changes_to=tuple((sgc, krn) for sgc, krn in meta.get("changes_to", ())),
    )  # fmt: skip


def _moment(meta: dict[str, Any], name: str) -> datetime | None:
    return moment_of(meta[name]) if name in meta else None


def _write_through(path: Path, data: bytes) -> None:
    """Write so that it is on the disk, readable by the owner alone, when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _keep_generations(path: Path) -> None:
    older = _earlier(path)
    for source, target in reversed(list(pairwise(older))):
        if source.exists():
            source.replace(target)
    _write_through(older[0], path.read_bytes())

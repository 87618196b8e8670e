"""What stands in a key file, ``VKF`` version 1.

============= ======================================================================
member        content
============= ======================================================================
fmt, v        ``VKF``, 1
file_id       1 to 40 characters of ``[A-Za-z0-9_.-]``
created       moment, ``2026-11-27T08:00:00Z``
target        ``VSM-`` and 6 hex digits, or ``*`` for any module
kdf, kc       scrypt parameters; check value of the passphrase, 16 hex digits
nonce         24 hex digits
public        list of the keys' descriptions, without their values
payload       base64 of ciphertext and tag of ``{"keys": […]}``: the same, with values
sig           ``alg`` Ed25519, ``kid`` the public key, ``sig``; left out where not signed
============= ======================================================================

A key is described by ``sgc``, ``krn``, ``kt``, ``dkga``, ``bdt``, ``ken``, ``kcv``, ``kcv_alg``,
``name`` and, where they are set, ``demo``, ``act``, ``iut``, ``ulm``, ``tlm``,
``allow_kct_to``; its value is ``vk``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from vmsapp import sealing
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.canonical import canonical, moment_of, moment_text
from vmsapp.hsm.key_rules import CHANGES_MAX, NAME_CHARACTERS_MAX
from vmsapp.hsm.keystore import NewKey
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import Dkga
from vmsapp.sts.secret import SecretBytes

T = TypeVar("T")

FORMAT: Final = "VKF"
VERSION: Final = 1
FILE_BYTES_MAX: Final = 256 * 1024
ANY: Final = "*"
SIGNED: Final = b"VMS key file\n"
"""Begins every message signed, so that no other signature passes for one of a key file."""
KCV_ALGORITHMS: Final[dict[str, str]] = {Dkga.DES: "DES0", Dkga.HMAC: "SHA256-01"}
"""How a check value is computed: DES of zeros; SHA-256 over 01h and the key."""

FILE_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
TARGET: Final = re.compile(r"\*|VSM-[0-9A-F]{6}")
VALUE: Final = re.compile(r"(?:[0-9a-f]{2}){1,64}")
NUMBER_MAX: Final = 10**15
TEXT_MAX: Final = 20

_NEEDED: Final = {"sgc", "krn", "kt", "dkga", "bdt", "ken", "kcv", "kcv_alg", "name"}
_MAY_BE: Final = {"demo", "act", "iut", "ulm", "tlm", "allow_kct_to"}
_KCV: Final = re.compile("[0-9A-F]{6}")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file whose shape holds; nothing of it is proved.

    Attributes:
        file_id: Its own name.
        created: When it was made.
        target: The module it is for, ``"*"`` for any.
        kdf: How the passphrase is stretched.
        kc: Check value of the passphrase, 8 bytes.
        sealed: Nonce, ciphertext and tag of the keys.
        keys: Their descriptions.
        signer: Ed25519 public key, 32 bytes; None where it is not signed.
        signature: 64 bytes; empty likewise.
        members: All that stands in it.
    """

    file_id: str
    created: datetime
    target: str
    kdf: sealing.ScryptParams
    kc: bytes
    sealed: bytes
    keys: tuple[KeyInfo, ...]
    signer: bytes | None
    signature: bytes
    members: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of an opened file: as it is described, and with its value."""

    info: KeyInfo
    key: NewKey


def bound(members: dict[str, Any]) -> bytes:
    """Give what the seal is bound to: all but what is sealed and what was signed afterwards."""
    return _without(members, "payload", "nonce", "sig")


def message(members: dict[str, Any]) -> bytes:
    """Give what is signed: all but the signature."""
    return SIGNED + _without(members, "sig")


def describe(info: KeyInfo) -> dict[str, Any]:
    """Write a key's description; what is not set is left out."""
    ref = info.ref
    may_be = {
        "demo": info.demo or None,
        "act": info.active_from and moment_text(info.active_from),
        "iut": info.issue_until and moment_text(info.issue_until),
        "ulm": info.tenths_per_day,
        "tlm": info.tokens_per_day,
        "allow_kct_to": [list(pair) for pair in info.changes_to] or None,
    }
    return {
        "sgc": ref.sgc,
        "krn": ref.krn,
        "kt": ref.kt,
        "dkga": ref.dkga,
        "bdt": str(info.base_date.year),
        "ken": info.ken,
        "kcv": info.kcv,
        "kcv_alg": KCV_ALGORITHMS.get(ref.dkga, ""),
        "name": info.name,
    } | {name: value for name, value in may_be.items() if value is not None}


def info_of(described: Any) -> KeyInfo:  # noqa: ANN401 - as it was read
    """Read a key's description; whether its values are in range is not asked here.

    Raises:
        ValueError, TypeError, KeyError: It is not of this shape.
    """
    members = members_of(described)
    names = members.keys()
    if not (_NEEDED <= names <= _NEEDED | _MAY_BE) or not isinstance(members["bdt"], str):
        raise ValueError
    ref = KeyRef(
        _text(members["sgc"]), _number(members["krn"]), _number(members["kt"]),
        _text(members["dkga"]),
    )  # fmt: skip
    info = KeyInfo(
        ref, identifiers.base_date.validate(members["bdt"]), _number(members["ken"]),
        matched(_KCV, members["kcv"]), _text(members["name"], NAME_CHARACTERS_MAX),
        demo="demo" in members,
        active_from=_optional(moment_of, members, "act"),
        issue_until=_optional(moment_of, members, "iut"),
        tenths_per_day=_optional(_number, members, "ulm"),
        tokens_per_day=_optional(_number, members, "tlm"),
        changes_to=_optional(_changes, members, "allow_kct_to") or (),
    )  # fmt: skip
    as_written = describe(info)
    if ref.dkga not in KCV_ALGORITHMS:
        as_written["kcv_alg"] = _text(members["kcv_alg"])
    if canonical(as_written) != canonical(members):
        raise ValueError
    return info


def entry_of(told: Any) -> Entry:  # noqa: ANN401 - as it was read
    """Read a key with its value.

    Raises:
        ValueError, TypeError, KeyError: It is not of this shape.
    """
    members = members_of(told)
    value = bytes.fromhex(matched(VALUE, members.pop("vk")))
    info = info_of(members)
    key = NewKey(
        info.ref, info.base_date, info.ken, info.name, info.demo, SecretBytes(value),
        active_from=info.active_from, issue_until=info.issue_until,
        tenths_per_day=info.tenths_per_day, tokens_per_day=info.tokens_per_day,
        changes_to=info.changes_to,
    )  # fmt: skip
    return Entry(info, key)


def members_of(value: Any) -> dict[str, Any]:  # noqa: ANN401 - as it was read
    """Copy an object's members.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, dict):
        raise TypeError
    return dict(value)


def matched(pattern: re.Pattern[str], text: str) -> str:
    """Hand back a text that has the shape.

    Raises:
        ValueError, TypeError: It has not, or is no text.
    """
    if not pattern.fullmatch(text):
        raise ValueError
    return text


def _without(members: dict[str, Any], *names: str) -> bytes:
    return canonical({name: value for name, value in members.items() if name not in names})


def _optional(read: Callable[[Any], T], members: dict[str, Any], name: str) -> T | None:
    return read(members[name]) if name in members else None


def _changes(pairs: list[Any]) -> tuple[tuple[str, int], ...]:
    if not 0 < len(pairs) <= CHANGES_MAX:
        raise ValueError
    return tuple((_text(sgc), _number(krn)) for sgc, krn in pairs)


def _number(value: Any) -> int:  # noqa: ANN401 - as it was read
    if type(value) is not int or abs(value) > NUMBER_MAX:
        raise TypeError
    return value


def _text(value: Any, most: int = TEXT_MAX) -> str:  # noqa: ANN401 - as it was read
    if type(value) is not str or len(value) > most or not value.isprintable():
        raise TypeError
    return value

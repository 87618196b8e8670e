"""The licence file: a few facts for people to read, and the signature that vouches for them.

A JSON object of one level. The message signed is made anew from the facts that were
read, so spaces, line ends and the order of the names in the file do not matter, and
nothing in the file goes unsigned. It is the line ``VMS licence`` and below it the facts
as JSON: names sorted, no spaces, UTF-8.

The key that signed stands in the file. That tells a licence of somebody else from one
that was changed; whether the key is to be trusted is the reader's affair.

Source: RFC 8032 (Ed25519), RFC 8259 (JSON).

>>> terms = Terms("1f", "Northern Power", date(2026, 1, 1), date(2026, 12, 31), 5000)
>>> licence = read(write(terms, bytes(32)))
>>> licence.terms == terms
True
>>> licence.signed_with == sealing.public_key_of(bytes(32)).hex()
True
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from vmsapp import sealing
from vmsapp.errors import N_, InvalidInput

VERSION: Final = 1
MARK: Final = "vms_licence"
"""The name under which the file says that it is one, and of which version."""
DOMAIN: Final = b"VMS licence\n"
"""Begins every message signed, so that no other signature passes for one of a licence."""

MOST_BYTES: Final = 4096
HOLDER_LENGTH: Final = 120
MOST_METERS: Final = 10**9
LAST_YEAR: Final = 2999
MOST_VERSIONS: Final = 999
DIGITS_SAID: Final = 8
"""As many digits of a key or an id as a sentence needs to tell it from others."""

NUMBER: Final = re.compile(r"[0-9a-f]{1,32}")
INSTALLATION: Final = re.compile(r"[0-9a-f]{32}")
KEY: Final = re.compile(r"[0-9a-f]{64}")
SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")

FACTS: Final = frozenset(
    {"number", "holder", "issued_on", "valid_until", "meter_limit", "installation", "key"}
)


class LicenceFault(InvalidInput):
    """A licence file that will not do."""

    code = "licence_fault"
    field = "file"


class LicenceUnreadable(LicenceFault):
    """Not a licence file, or its facts are not of the shape they have."""

    code = "licence_unreadable"
    message = N_(
        "This is not a licence file, or it was damaged on its way."
        " Ask whoever issued it to send it again."
    )


class LicenceOfUnknownVersion(LicenceFault):
    """A file of a later product."""

    code = "licence_of_unknown_version"
    message = N_(
        "This licence file is of version %(version)s, which this release of the product"
        " cannot read. Upgrade the product, or ask for a file of version %(known)s."
    )

    def __init__(self, *, version: int) -> None:
        super().__init__(version=version, known=VERSION)


class LicenceTampered(LicenceFault):
    """The signature is not one of these facts."""

    code = "licence_tampered"
    message = N_(
        "This licence file was changed after it was signed. Ask whoever issued it to send it again."
    )


class LicenceOfForeignKey(LicenceFault):
    """Signed, but not by whom this installation trusts."""

    code = "licence_of_foreign_key"
    message = N_(
        "This licence is signed with a key that this installation does not trust; it begins with"
        " %(key)s. Licences are taken of the key named in the settings alone."
    )

    def __init__(self, *, key: str) -> None:
        super().__init__(key=key[:DIGITS_SAID])


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence says.

    Attributes:
        number: Tells one licence from another; up to 32 hexadecimal digits.
        holder: To whom it is given.
        issued_on: The day it was made.
        valid_until: Its last day, in the utility's time zone.
        meter_limit: How many meters there may be.
        installation: Id of the only installation it is for; ``None`` is any.

    Raises:
        ValueError: A value outside its shape.
    """

    number: str
    holder: str
    issued_on: date
    valid_until: date
    meter_limit: int
    installation: str | None = None

    def __post_init__(self) -> None:
        for named, sound in {
            "number": NUMBER.fullmatch(self.number),
            "holder": isinstance(self.holder, str)
            and 0 < len(self.holder) <= HOLDER_LENGTH
            and self.holder.isprintable()
            and self.holder == self.holder.strip(),
            "valid_until": self.issued_on <= self.valid_until
            and self.valid_until.year <= LAST_YEAR,
            "meter_limit": type(self.meter_limit) is int and 0 < self.meter_limit <= MOST_METERS,
            "installation": self.installation is None or INSTALLATION.fullmatch(self.installation),
        }.items():
            if not sound:
                raise ValueError(named)


@dataclass(frozen=True, slots=True)
class Licence:
    """A file whose signature holds; ``signed_with`` is the key's public side, in hexadecimal."""

    terms: Terms
    signed_with: str


def write(terms: Terms, private_key: bytes) -> str:
    """Sign terms and make the file of them."""
    facts = _facts(terms, sealing.public_key_of(private_key).hex())
    signature = sealing.sign(private_key, _message(facts)).hex()
    return json.dumps(facts | {"signature": signature}, indent=2, ensure_ascii=False) + "\n"


def read(content: bytes | str) -> Licence:
    """Read a file and check its signature.

    Raises:
        LicenceUnreadable: Not a licence file, or facts not of their shape.
        LicenceOfUnknownVersion: Made for a later product.
        LicenceTampered: The signature does not hold.
    """
    try:
        found = _parse(content)
        _check_version(found[MARK])
        terms, key, signature = _shaped(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LicenceUnreadable from None
    if not sealing.signed_by(bytes.fromhex(key), _message(_facts(terms, key)), signature):
        raise LicenceTampered
    return Licence(terms, key)


def read_trusted(content: bytes | str, trusted_key: str) -> Licence:
    """Read a file and see that the trusted key signed it.

    Raises:
        LicenceOfForeignKey: Another key did.
        LicenceFault: As ``read``.
    """
    licence = read(content)
    if licence.signed_with != trusted_key:
        raise LicenceOfForeignKey(key=licence.signed_with)
    return licence


def _facts(terms: Terms, key: str) -> dict[str, Any]:
    return {
        MARK: VERSION,
        "number": terms.number,
        "holder": terms.holder,
        "issued_on": terms.issued_on.isoformat(),
        "valid_until": terms.valid_until.isoformat(),
        "meter_limit": terms.meter_limit,
        "installation": terms.installation,
        "key": key,
    }


def _message(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return DOMAIN + text.encode()


def _parse(content: bytes | str) -> dict[str, Any]:
    """Read one JSON object no name of which stands twice."""
    content = content.encode() if isinstance(content, str) else content
    if len(content) > MOST_BYTES:
        raise ValueError
    found = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    if not isinstance(found, dict):
        raise TypeError
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _check_version(version: object) -> None:
    if type(version) is not int or not 0 < version <= MOST_VERSIONS:
        raise ValueError
    if version != VERSION:
        raise LicenceOfUnknownVersion(version=version)


def _shaped(found: dict[str, Any]) -> tuple[Terms, str, bytes]:
    """Take exactly the facts there are, each of its type and in its one spelling."""
    if found.keys() != FACTS | {MARK, "signature"}:
        raise ValueError
    terms = Terms(
        number=found["number"],
        holder=found["holder"],
        issued_on=date.fromisoformat(found["issued_on"]),
        valid_until=date.fromisoformat(found["valid_until"]),
        meter_limit=found["meter_limit"],
        installation=found["installation"],
    )
    key, signature = found["key"], found["signature"]
    spelt_so = _facts(terms, key).items() <= found.items()
    if not (spelt_so and KEY.fullmatch(key) and SIGNATURE.fullmatch(signature)):
        raise ValueError
    return terms, key, bytes.fromhex(signature)

"""What becomes of each key of a file: taken, known already, or refused and why.

The order is that of the format: what is said first hides what would be said later.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vmsapp.hsm.answers import KeyInfo, KeyVerdict
from vmsapp.hsm.canonical import moment_text
from vmsapp.hsm.key_file.model import Entry
from vmsapp.hsm.key_rules import is_weak, out_of_range
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts import dkga, identifiers, tid
from vmsapp.sts.identifiers import BaseDate, Dkga
from vmsapp.sts.keys import VendingKey, first_even_byte
from vmsapp.sts.secret import SecretBytes

Finding = tuple[str, dict[str, str]] | None
"""A code of ``VERDICTS`` and the values for its holes; None where nothing is to be said."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a module holds: descriptions and fingerprints by name, and how to take one."""

    infos: dict[KeyRef, KeyInfo]
    prints: dict[KeyRef, bytes]
    fingerprint: Callable[[SecretBytes], bytes]

    @classmethod
    def of(cls, keystore: Keystore) -> "Holding":
        """Look at a keystore.

        Raises:
            KeystoreError: It cannot be read, or was altered.
        """
        held = keystore.fingerprints()
        infos = {info.ref: info for info, _ in held}
        prints = {info.ref: value for info, value in held}
        return cls(infos, prints, keystore.fingerprint)


def judge(
    entries: Sequence[Entry],
    holding: Holding,
    *,
    now: datetime,
    production: bool,
    replace: bool,
) -> tuple[KeyVerdict, ...]:
    """Say of each key what would become of it.

    Args:
        entries: Of one file.
        holding: What the module holds.
        now: The module's clock.
        production: Keys for demonstration are refused.
        replace: A key may take the place of another of its name.
    """
    named = Counter(entry.info.ref for entry in entries)
    prints = dict(holding.prints)
    verdicts = []
    for entry in entries:
        refusal = ("twice", {}) if named[entry.info.ref] > 1 else _refusal(entry, now)
        if refusal is None and production and entry.info.demo:
            refusal = "demo", {}
        if refusal is not None:
            verdicts.append(_verdict(entry, "refused", refusal))
            continue
        verdicts.append(_against(entry, holding, prints, now=now, replace=replace))
        prints[entry.info.ref] = holding.fingerprint(entry.key.value)
    return tuple(verdicts)


def _verdict(entry: Entry, outcome: str, finding: Finding) -> KeyVerdict:
    code, params = finding or ("", {})
    return KeyVerdict(entry.info, outcome, code, tuple(params.items()))  # type: ignore[arg-type]


def _refusal(entry: Entry, now: datetime) -> Finding:
    """Check a key by itself."""
    for check in _BY_ITSELF:
        finding = check(entry)
        if finding is not None:
            return finding
    return _over(entry.info, now)


def _range(entry: Entry) -> Finding:
    wrong = out_of_range(entry.key)
    return wrong and ("range", {"field": wrong[0], "value": wrong[1]})


def _length(entry: Entry) -> Finding:
    has, needed = len(entry.key.value), identifiers.dkga.validate(entry.info.ref.dkga).key_bytes
    return None if has == needed else ("length", {"bytes": str(has), "needed": str(needed)})


def _parity(entry: Entry) -> Finding:
    if entry.info.ref.dkga != Dkga.DES:
        return None
    place = first_even_byte(entry.key.value.reveal())
    return None if place is None else ("parity", {"byte": str(place)})


def _weak(entry: Entry) -> Finding:
    return ("weak", {}) if is_weak(entry.key) else None


def _kcv(entry: Entry) -> Finding:
    with VendingKey(entry.info.ref.dkga, entry.key.value.reveal()) as vending_key:
        computed = dkga.kcv(vending_key)
    expected = entry.info.kcv
    return None if computed == expected else ("kcv", {"expected": expected, "computed": computed})


_BY_ITSELF: Final = (_range, _length, _parity, _weak, _kcv)


def _over(info: KeyInfo, now: datetime) -> Finding:
    """Refuse a key whose time is over."""
    if info.base_date is BaseDate.Y1993:
        return "base_date_ended", {}
    ended = tid.key_expires_at(info.ken, info.base_date)
    if ended <= now:
        return "expired", {"ended": moment_text(ended)}
    if info.issue_until is not None and info.issue_until <= now:
        return "closed", {"ended": moment_text(info.issue_until)}
    return None


def _against(
    entry: Entry, holding: Holding, prints: dict[KeyRef, bytes], *, now: datetime, replace: bool
) -> KeyVerdict:
    """Compare a key that is sound with those the module holds, and those before it."""
    ref, value = entry.info.ref, holding.fingerprint(entry.key.value)
    held = holding.infos.get(ref)
    if held is None:
        return _verdict(entry, "added", _warning(entry.info, value, prints, now))
    same_value = holding.prints[ref] == value
    if same_value and held == entry.info:
        return _verdict(entry, "same", ("same", {}))
    if replace:
        return _verdict(entry, "replaced", _warning(entry.info, value, prints, now))
    return _verdict(entry, "refused", ("differs" if same_value else "conflict", {}))


def _warning(info: KeyInfo, value: bytes, prints: dict[KeyRef, bytes], now: datetime) -> Finding:
    """Find what to know of a key that is taken."""
    for ref, other in prints.items():
        if other == value and ref.sgc != info.ref.sgc:
            return "reused", {"other": str(ref)}
    begins = max(info.active_from or info.base_date.moment, info.base_date.moment)
    return ("future", {"usable_from": moment_text(begins)}) if now < begins else None

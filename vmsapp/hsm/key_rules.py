"""What no vending key may be, whoever brings it: values out of range, weak keys of DES.

Source: IEC 62055-41:2018, 6.1 "Data elements"; NIST SP 800-67 Rev. 2, "Weak keys", which lists
the four weak keys and the six pairs of semi-weak ones (after FIPS 74).
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import Dkga, KeyType

if TYPE_CHECKING:
    from vmsapp.hsm.keystore import NewKey

NAME_CHARACTERS_MAX: Final = 120
TENTHS_PER_DAY_MAX: Final = 10**12
TOKENS_PER_DAY_MAX: Final = 10**9
CHANGES_MAX: Final = 100

WEAK_KEYS: Final = frozenset(
    map(
        bytes.fromhex,
        (
            # One that undoes what it did itself,
            "0101010101010101", "fefefefefefefefe", "e0e0e0e0f1f1f1f1", "1f1f1f1f0e0e0e0e",
            # and pairs of which one undoes what the other did.
            "011f011f010e010e", "1f011f010e010e01",
            "01e001e001f101f1", "e001e001f101f101",
            "01fe01fe01fe01fe", "fe01fe01fe01fe01",
            "1fe01fe00ef10ef1", "e01fe01ff10ef10e",
            "1ffe1ffe0efe0efe", "fe1ffe1ffe0efe0e",
            "e0fee0fef1fef1fe", "fee0fee0fef1fef1",
        ),
    )
)  # fmt: skip
"""Weak and semi-weak keys of DES, with odd parity."""


def is_weak(key: "NewKey") -> bool:
    """Tell whether a DKGA02 key is a weak or semi-weak one of DES."""
    return key.ref.dkga == Dkga.DES and key.value.reveal() in WEAK_KEYS


def out_of_range(key: "NewKey") -> tuple[str, str] | None:
    """Find the first thing told of a key that cannot be; its value is not looked at.

    Returns:
        Name of the field in the standard's words and what stands in it; None where all is well.
    """
    ref = key.ref
    told: list[tuple[str, object, bool]] = [
        ("SGC", ref.sgc, _is_sgc(ref.sgc)),
        ("KRN", ref.krn, _is_krn(ref.krn)),
        ("KT", ref.kt, _within(ref.kt, 0, max(KeyType))),
        ("DKGA", ref.dkga, ref.dkga in set(Dkga)),
        ("KEN", key.ken, _within(key.ken, 0, identifiers.ken.MAX)),
        ("name", key.name, _is_name(key.name)),
        ("ACT", key.active_from, _is_moment(key.active_from)),
        ("IUT", key.issue_until, _is_moment(key.issue_until) and _in_order(key)),
        ("ULM", key.tenths_per_day, _is_limit(key.tenths_per_day, TENTHS_PER_DAY_MAX)),
        ("TLM", key.tokens_per_day, _is_limit(key.tokens_per_day, TOKENS_PER_DAY_MAX)),
        ("changes to", len(key.changes_to), len(key.changes_to) <= CHANGES_MAX),
    ]
    told += [("changes to", f"{s}/{k}", _is_sgc(s) and _is_krn(k)) for s, k in key.changes_to]
    return next(((name, str(value)) for name, value, sound in told if not sound), None)


def _is_sgc(sgc: str) -> bool:
    return len(sgc) == identifiers.sgc.DIGITS and sgc.isascii() and sgc.isdigit()


def _is_krn(krn: int) -> bool:
    return _within(krn, 1, identifiers.krn.MAX)


def _within(number: int, least: int, most: int) -> bool:
    return type(number) is not bool and least <= number <= most


def _is_name(name: str) -> bool:
    return name.isprintable() and len(name) <= NAME_CHARACTERS_MAX


def _is_moment(moment: datetime | None) -> bool:
    """Tell whether a moment can be kept: aware, of whole seconds."""
    return moment is None or (moment.utcoffset() == timedelta(0) and not moment.microsecond)


def _in_order(key: "NewKey") -> bool:
    return not key.active_from or not key.issue_until or key.active_from < key.issue_until


def _is_limit(limit: int | None, most: int) -> bool:
    return limit is None or _within(limit, 1, most)

"""What a key may be used for, and which key may follow it: key type, carrier and expiry.

======== ================================== ==========
key type credit                             management
======== ================================== ==========
DITK     yes                                yes
DDTK     no: the meter has no supply group  yes
DUTK     yes                                yes
DCTK     on magnetic cards (TCT 01) only    yes
======== ================================== ==========

A key change may leave an expired key, but not enter one, and does not change the meter's cipher.
The standard lets it go back to an earlier base date; ``require_forward`` does not.

Source: IEC 62055-41:2018, "KT: KeyType", "KEN: KeyExpiryNumber".

>>> require_usable(CreditToken(0, 5, 0x660000, 10), KeyType.DDTK, ken=255)
Traceback (most recent call last):
vmsapp.sts.errors.KeyTypeRefused: KT 1 (DDTK) takes no credit
"""

from datetime import datetime
from typing import Final

from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.errors import KeyExpired, KeyRuleError, KeyTypeRefused
from vmsapp.sts.identifiers import KeyType, TokenCarrier
from vmsapp.sts.keys import KeyParameters
from vmsapp.sts.tid import key_usable, ordinary_tid
from vmsapp.sts.token import Token

CHANGES: Final = {
    KeyType.DITK: frozenset(KeyType),
    KeyType.DDTK: frozenset((KeyType.DDTK, KeyType.DUTK, KeyType.DCTK)),
    KeyType.DUTK: frozenset((KeyType.DDTK, KeyType.DUTK)),
    KeyType.DCTK: frozenset((KeyType.DDTK, KeyType.DCTK)),
}
"""Which key types a meter can be taken to from each."""


def require_usable(
    token: Token, kt: KeyType, *, ken: int, carrier: TokenCarrier = TokenCarrier.NUMERIC
) -> None:
    """Refuse a token its key may not be used for.

    Args:
        token: What is to be made.
        kt: Key type of the meter's key.
        ken: Its key expiry number; a key change token has no TID, so it is not tested.
        carrier: How the token will reach the meter.

    Raises:
        KeyTypeRefused: This key type takes no credit, or not on this carrier.
        KeyExpired: The TID is past what the expiry number allows.
    """
    if isinstance(token, CreditToken | CurrencyToken):
        if kt is KeyType.DDTK:
            raise KeyTypeRefused("KT", int(kt), "(DDTK) takes no credit")
        if kt is KeyType.DCTK and carrier is not TokenCarrier.MAGNETIC:
            raise KeyTypeRefused("KT", int(kt), "(DCTK) takes credit on magnetic cards only")
    if token.tid is not None and not key_usable(token.tid, ken):
        raise KeyExpired("TID", token.tid, f"is past what KEN {ken} allows")


def require_change(old: KeyParameters, new: KeyParameters, moment: datetime | None = None) -> None:
    """Refuse a change of keys the standard does not allow. The old key may have expired.

    Args:
        old: What the meter has.
        new: What it is to have.
        moment: Aware time of issue; None where it is not known, then expiry is not tested.

    Raises:
        KeyRuleError: Another meter or cipher.
        KeyTypeRefused: The new key type is not reached from the old one.
        KeyExpired: The new key is past its expiry number.
        TimeBeforeBaseDate, TimePastBaseDate: No token could be made under the new base date.
    """
    if old.meter_pan != new.meter_pan:
        raise KeyRuleError("MeterPAN", new.meter_pan, "is another meter's")
    if old.ea is not new.ea:
        raise KeyRuleError("EA", int(new.ea), "is another cipher: it is the meter's hardware")
    if new.kt not in CHANGES[old.kt]:
        rule = f"({new.kt.name}) is not reached from {old.kt.name}"
        raise KeyTypeRefused("KT", int(new.kt), rule)
    if moment is not None:
        tid = ordinary_tid(moment, new.base_date)
        if not key_usable(tid, new.ken):
            raise KeyExpired("KEN", new.ken, f"of the new key is past at TID {tid}")


def require_forward(old: KeyParameters, new: KeyParameters) -> None:
    """Refuse to go back to an earlier base date.

    The meter would forget the TIDs spent since, and if the key it then gets is one it had before,
    it would take the tokens of that time once more. A DKGA02 key does not depend on the base
    date, so for it the same is true of a KRN used again under a later one: a keystore gives each
    KRN of a supply group one base date, and never another.

    Raises:
        KeyRuleError: The new base date is before the old one.
    """
    if new.base_date.year < old.base_date.year:
        rule = f"is before {old.base_date.year}: spent tokens could be entered again"
        raise KeyRuleError("base date", new.base_date.year, rule)

"""What a token may be made for: key type, carrier and expiry.

======== ================================== ==========
key type credit                             management
======== ================================== ==========
DITK     yes                                yes
DDTK     no: the meter has no supply group  yes
DUTK     yes                                yes
DCTK     on magnetic cards (TCT 01) only    yes
======== ================================== ==========

Source: IEC 62055-41:2018, "KT: KeyType", "KEN: KeyExpiryNumber".

>>> require_usable(CreditToken(0, 5, 0x660000, 10), KeyType.DDTK, ken=255)
Traceback (most recent call last):
vmsapp.sts.errors.KeyTypeRefused: KT 1 (DDTK) takes no credit
"""

from vmsapp.sts.codec import Token
from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.errors import KeyExpired, KeyTypeRefused
from vmsapp.sts.identifiers import KeyType, TokenCarrier
from vmsapp.sts.tid import key_usable


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

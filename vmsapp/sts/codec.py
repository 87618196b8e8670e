"""From a token's fields to its twenty digits, and back.

Credit and management tokens are encrypted under the meter's decoder key, test tokens are not.
Reading tells what is wrong with digits that are no token of this key:

>>> key = DecoderKey(EncryptionAlgorithm.STA, bytes.fromhex("0abc12def3456789"))
>>> digits = encode(CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256), key)
>>> digits
'29054347139309851356'
>>> decode(digits, key).amount
Decimal('25.6')
>>> decode("29054347139309851357", key)
Traceback (most recent call last):
vmsapp.sts.errors.CrcError: CRC 506F is not that of the rest: another key, another meter or a \
slip in the digits

Source: IEC 62055-41:2018, 6.4 "Token encoding"; IEC 62055-51 for the digits.
"""

from typing import Final

from vmsapp.sts import ea07, ea11
from vmsapp.sts.block import split_block, with_crc
from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.errors import KeyMissing, ReservedToken, TidRangeError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import EncryptionAlgorithm
from vmsapp.sts.keychange import (
    MIDDLE,
    FirstSection,
    MiddleSection,
    SecondSection,
    SupplyGroupSection,
)
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.mse import PROPRIETARY, ManagementToken, ProprietaryToken
from vmsapp.sts.nmse import DisplayToken
from vmsapp.sts.tid import is_reserved
from vmsapp.sts.token import Token, from_digits, split_class, written

_TEST, _CREDIT = TokenClass.TEST, TokenClass.CREDIT  # looking one up is slow in Python 3.11
_STA: Final = EncryptionAlgorithm.STA
_CLASSES: Final = frozenset(TokenClass)
_CURRENCY: Final = range(4, 8)


def encode(
    token: Token,
    key: DecoderKey | None = None,
    *,
    tables: ea07.TableSet = ea07.PRODUCTION,
    allow_reserved: bool = False,
) -> str:
    """Make the twenty digits of a token.

    Args:
        token: What it says.
        key: The meter's key; a class 1 token needs none.
        tables: The tables of EA 07.
        allow_reserved: Take a TID of 00:01, which ordinary tokens must not carry.

    Raises:
        TidRangeError: The TID is reserved and ``allow_reserved`` is not set.
        KeyMissing: No key for a token of class 0 or 2.
    """
    tid, token_class = token.tid, token.token_class
    if tid is not None and is_reserved(tid) and not allow_reserved:
        raise TidRangeError("TID", tid, "is reserved: it falls on 00:01")
    block = with_crc(token_class, token.subclass, token.data)
    if token_class is not _TEST:
        block = encrypt(block, _require_key(key), tables)
    return written(block, token_class)


def decode(
    digits: str, key: DecoderKey | None = None, *, tables: ea07.TableSet = ea07.PRODUCTION
) -> Token:
    """Read a token; one with a reserved TID is read like any other.

    Args:
        digits: Twenty digits; spaces and hyphens between them do no harm.
        key: The meter's key; a class 1 token is read without one.
        tables: The tables of EA 07.

    Raises:
        NotDigits, LengthError, TokenRangeError: The digits are no token.
        ReservedToken: A class or sub-class kept for later.
        KeyMissing: No key for a token of class 0 or 2.
        CrcError: Another key, another meter, or a slip in the digits.
        FieldRangeError: A field holds what the standard does not allow.
    """
    block, number = split_class(from_digits(digits))
    if number not in _CLASSES:
        raise ReservedToken("Class", number, "is reserved")
    token_class = TokenClass(number)
    if token_class is _TEST:
        return DisplayToken.from_data(*split_block(block, token_class=token_class))
    key = _require_key(key)
    plain = decrypt(block, key, tables)
    subclass, data = split_block(plain, token_class=token_class)
    if token_class is _CREDIT:
        return _credit(subclass, data)
    return _management(subclass, data, key.ea)


def encrypt(block: int, key: DecoderKey, tables: ea07.TableSet = ea07.PRODUCTION) -> int:
    """Encrypt a 64-bit block by the key's cipher."""
    if key.ea is _STA:
        return ea07.encrypt(block, key.number(), tables)
    return ea11.encrypt(block, key.number())


def decrypt(block: int, key: DecoderKey, tables: ea07.TableSet = ea07.PRODUCTION) -> int:
    """Undo ``encrypt``."""
    if key.ea is _STA:
        return ea07.decrypt(block, key.number(), tables)
    return ea11.decrypt(block, key.number())


def _credit(subclass: int, data: int) -> Token:
    if subclass < _CURRENCY[0]:
        return CreditToken.from_data(subclass, data)
    if subclass in _CURRENCY:
        return CurrencyToken.from_data(subclass, data)
    raise ReservedToken("SubClass", subclass, "is reserved in class 0")


def _management(subclass: int, data: int, ea: EncryptionAlgorithm) -> Token:
    wide = ea is EncryptionAlgorithm.MISTY1
    if subclass == FirstSection.subclass:
        return FirstSection.from_data(data)
    if subclass == SecondSection.subclass:
        return SecondSection.from_data(data)
    if subclass == SupplyGroupSection.subclass and not wide:
        return SupplyGroupSection.from_data(data)
    if subclass in MIDDLE and wide:
        return MiddleSection.from_data(subclass, data)
    if subclass in PROPRIETARY:
        return ProprietaryToken.from_data(subclass, data)
    return ManagementToken.from_data(subclass, data)


def _require_key(key: DecoderKey | None) -> DecoderKey:
    if key is None:
        raise KeyMissing("decoder key", None, "is needed for credit and management tokens")
    return key

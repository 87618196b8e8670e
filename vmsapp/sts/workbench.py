"""The engine by hand: keys and parameters as people have them, tokens as people read them.

For support staff and laboratories who work on one meter at a time, with its keys. What sells
tokens goes through a security module instead.

>>> key = decoder_key("0abc12de f3456789", "07")
>>> read_token("2905 4347 1393 0985 1356", key).amount
Decimal('25.6')
"""

import string
from datetime import datetime
from typing import Final

from vmsapp.sts import codec, dkga, ea07, identifiers, keychange
from vmsapp.sts.errors import FormatError, KeyRuleError
from vmsapp.sts.identifiers import KeyType
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.rules import require_forward, require_usable
from vmsapp.sts.token import Token

_HEX: Final = frozenset(string.hexdigits)


def decoder_key(text: str, ea: int | str) -> DecoderKey:
    """Read a decoder key written in hexadecimal, most significant digit first.

    Raises:
        FormatError: It is not hexadecimal.
        KeyLengthError: It is not as long as the cipher's keys.
        UnsupportedAlgorithm: The cipher is not offered.
    """
    return DecoderKey(ea, _bytes("decoder key", text))


def vending_key(text: str, algorithm: int | str) -> VendingKey:
    """Read a vending key written in hexadecimal; errors are those of ``decoder_key``.

    Raises:
        KeyParityError: A DES key has a byte of even parity.
    """
    return VendingKey(algorithm, _bytes("vending key", text))


def parameters_of(
    meter: str,
    sgc: str,
    krn: int | str,
    ti: str,
    *,
    kt: int | str,
    ken: int | str,
    base_date: int | str,
    ea: int | str,
    algorithm: int | str,
) -> KeyParameters:
    """Put together what names a key, as people write it.

    Args:
        meter: DRN, 11 or 13 digits, or MeterPAN, 18.
        sgc: Supply group code.
        krn: Key revision number.
        ti: Tariff index.
        kt: Key type.
        ken: Key expiry number.
        base_date: Year.
        ea: Cipher.
        algorithm: DKGA.

    Raises:
        StsError: One of them is wrong.
    """
    whole = len(identifiers.meter_pan.compact(meter)) == identifiers.meter_pan.DIGITS
    return KeyParameters(
        meter_pan=meter if whole else identifiers.meter_pan.of_drn(meter),
        sgc=sgc,
        krn=identifiers.krn.validate(krn),
        ti=ti,
        kt=identifiers.kt.validate(kt),
        base_date=identifiers.base_date.validate(base_date),
        ken=identifiers.ken.validate(ken),
        dkga=identifiers.dkga.validate(algorithm),
        ea=identifiers.ea.validate(ea),
    )


def derived_key(text: str, parameters: KeyParameters) -> DecoderKey:
    """Derive a meter's key from a vending key written in hexadecimal."""
    with vending_key(text, parameters.dkga) as key:
        return dkga.derive(key, parameters)


def check_value(text: str, algorithm: int | str) -> str:
    """Compute the check value of a vending key written in hexadecimal, 6 digits."""
    with vending_key(text, algorithm) as key:
        return dkga.kcv(key)


def table_set(name: str) -> ea07.TableSet:
    """Find the tables of EA 07 by name; see ``ea07.table_set``."""
    return ea07.table_set(name)


def read_table_set(text: str) -> ea07.TableSet:
    """Read a table set of one's own; see ``ea07.read_table_set``."""
    return ea07.read_table_set(text)


def read_token(
    digits: str, key: DecoderKey | None, tables: ea07.TableSet = ea07.PRODUCTION
) -> Token:
    """Read twenty digits; see ``codec.decode``."""
    return codec.decode(digits, key, tables=tables)


def make_token(
    token: Token,
    key: DecoderKey | None,
    *,
    kt: int | str = KeyType.DUTK,
    ken: int | str = identifiers.ken.MAX,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> str:
    """Make twenty digits by the rules of the key's type and expiry.

    Raises:
        KeyTypeRefused, KeyExpired: As ``rules.require_usable`` says.
        StsError: As ``codec.encode`` says.
    """
    require_usable(token, identifiers.kt.validate(kt), ken=identifiers.ken.validate(ken))
    return codec.encode(token, key, tables=tables)


def change_tokens(
    old_key: DecoderKey,
    new_key: DecoderKey,
    old: KeyParameters,
    new: KeyParameters,
    *,
    moment: datetime,
    three_tokens: bool = False,
    tables: ea07.TableSet = ea07.PRODUCTION,
) -> list[str]:
    """Make the tokens of a change of keys.

    Raises:
        KeyRuleError: It changes nothing, goes back to an earlier base date, or as
            ``keychange.change`` says.
        StsError: As ``keychange.change`` says.
    """
    if old == new:
        raise KeyRuleError("key change", None, "changes nothing")
    require_forward(old, new)
    sections = keychange.change(
        old_key, new_key, old, new, moment=moment, three_tokens=three_tokens
    )
    return [codec.encode(section, old_key, tables=tables) for section in sections]


def bare_key(text: str) -> str:
    """Strip what people put around hexadecimal digits: spaces, hyphens, ``0x``."""
    return identifiers.shape.strip(text).lower().removeprefix("0x")


def _bytes(what: str, text: str) -> bytes:
    bare = bare_key(text)
    if not bare:
        raise FormatError(what, None, "is empty")
    if len(bare) % 2 or not _HEX.issuperset(bare):
        raise FormatError(what, None, "is not an even number of hexadecimal digits")
    return bytes.fromhex(bare)

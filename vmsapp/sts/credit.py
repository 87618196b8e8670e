"""Class 0, sub-classes 0 to 3: the credit token.

====== ==== ======================================================
field  bits place in the 44 data bits
====== ==== ======================================================
RND       4 43..40, random, so that equal sales differ
TID      24 39..16, minutes since the base date
Amount   16 15..0, see ``amount``
====== ==== ======================================================

Sub-class: 0 electricity, 0.1 kWh; 1 water, 0.1 m³; 2 gas, 0.1 m³; 3 time, 0.1 min.

Source: IEC 62055-41:2018, "Class 0: Credit".

>>> token = CreditToken(subclass=0, rnd=11, tid=0x19EB23, amount_field=256)
>>> key = bytes.fromhex("0abc12def3456789")
>>> digits = encode_credit(token, key)
>>> digits
'29054347139309851356'
>>> decode_credit(digits, key) == token
True
"""

from dataclasses import dataclass

from vmsapp.sts import ea07
from vmsapp.sts.block import build_block, split_block
from vmsapp.sts.errors import FormatError, TidRangeError, UnsupportedAlgorithm, VendingKeyError
from vmsapp.sts.fields import (
    AMOUNT_BITS,
    BLOCK_BITS,
    CREDIT_CLASS,
    CREDIT_SUBCLASS_MAX,
    RND_BITS,
    TID_BITS,
    require_bits,
    require_range,
)
from vmsapp.sts.identifiers import EncryptionAlgorithm
from vmsapp.sts.tid import is_reserved
from vmsapp.sts.token import from_digits, join_class, split_class, to_digits


@dataclass(frozen=True, slots=True)
class CreditToken:
    """The fields of a credit token, as the meter will read them.

    Attributes:
        subclass: 0 electricity, 1 water, 2 gas, 3 time.
        rnd: 4 random bits, 0 to 15.
        tid: Token identifier, 0 to 16 777 215.
        amount_field: The coded amount, 16 bits.

    Raises:
        FieldRangeError: A field is outside its range.
    """

    subclass: int
    rnd: int
    tid: int
    amount_field: int

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, 0, CREDIT_SUBCLASS_MAX)
        require_bits("RND", self.rnd, RND_BITS)
        require_bits("TID", self.tid, TID_BITS)
        require_bits("amount field", self.amount_field, AMOUNT_BITS)


def encode_credit(
    token: CreditToken,
    decoder_key: bytes,
    *,
    ea: int = EncryptionAlgorithm.STA,
    table_set: str = ea07.PRODUCTION.name,
    allow_reserved: bool = False,
) -> str:
    """Make the 20 digits of a credit token.

    Args:
        token: What it says.
        decoder_key: The meter's key, 8 bytes, most significant first.
        ea: Encryption algorithm; 7 only.
        table_set: Name of the cipher's tables, ``"production"`` or ``"sample"``.
        allow_reserved: Take a TID of 00:01, which ordinary tokens must not carry.

    Raises:
        TidRangeError: The TID is reserved and ``allow_reserved`` is not set.
        VendingKeyError: The key is not 8 bytes.
        UnsupportedAlgorithm: Another ``ea`` or an unknown table set.
    """
    if is_reserved(token.tid) and not allow_reserved:
        raise TidRangeError("TID", token.tid, "is reserved: it falls on 00:01")
    tables = _tables(ea, table_set)
    data = (token.rnd << TID_BITS | token.tid) << AMOUNT_BITS | token.amount_field
    block = build_block(token_class=CREDIT_CLASS, subclass=token.subclass, data=data)
    cipher = ea07.encrypt(block, _key_number(decoder_key), tables)
    return to_digits(join_class(cipher, CREDIT_CLASS))


def decode_credit(
    digits: str,
    decoder_key: bytes,
    *,
    ea: int = EncryptionAlgorithm.STA,
    table_set: str = ea07.PRODUCTION.name,
) -> CreditToken:
    """Read a credit token; one with a reserved TID is read like any other.

    Raises:
        FormatError: Not a token, or of another class, or of a sub-class above 3.
        CrcError: Wrong key, wrong meter or wrong digits.
        VendingKeyError: The key is not 8 bytes.
        UnsupportedAlgorithm: Another ``ea`` or an unknown table set.
    """
    tables = _tables(ea, table_set)
    cipher, token_class = split_class(from_digits(digits))
    if token_class != CREDIT_CLASS:
        raise FormatError("Class", token_class, "is not a credit token's")
    block = ea07.decrypt(cipher, _key_number(decoder_key), tables)
    subclass, data = split_block(block, token_class=CREDIT_CLASS)
    if subclass > CREDIT_SUBCLASS_MAX:
        raise FormatError("SubClass", subclass, f"is not 0 to {CREDIT_SUBCLASS_MAX}")
    return CreditToken(
        subclass=subclass,
        rnd=data >> TID_BITS + AMOUNT_BITS,
        tid=data >> AMOUNT_BITS & (1 << TID_BITS) - 1,
        amount_field=data & (1 << AMOUNT_BITS) - 1,
    )


def _tables(ea: int, table_set: str) -> ea07.TableSet:
    if ea != EncryptionAlgorithm.STA:
        raise UnsupportedAlgorithm("EA", int(ea), "is not offered for credit tokens")
    if table_set not in ea07.TABLE_SETS:
        raise UnsupportedAlgorithm("table set", table_set, "is unknown")
    return ea07.TABLE_SETS[table_set]


def _key_number(decoder_key: bytes) -> int:
    if len(decoder_key) * 8 != BLOCK_BITS:
        raise VendingKeyError("decoder key", None, f"is {len(decoder_key)} bytes, not 8")
    return int.from_bytes(decoder_key, "big")

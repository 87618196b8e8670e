"""DecoderKeyGenerationAlgorithm (DKGA): from a vending key to the key of one meter.

==== ============================== =========== =============== =========
DKGA method                         vending key decoder key     here
==== ============================== =========== =============== =========
01   DES, legacy                    8 bytes     8 bytes         refused
02   DES                            8 bytes     8 bytes (EA 07) offered
03   two-key triple DES, withdrawn  16 bytes    8 bytes         refused
04   HMAC-SHA-256                   20 bytes    8 bytes (EA 07)
                                                16 (EA 11)      offered
==== ============================== =========== =============== =========

DKGA02 encrypts PANBlock xor ControlBlock by DES under the vending key, and xors both in:

============= ===================================================
block         digits, a nibble each, big end first
============= ===================================================
PANBlock      16 decimal: the end of the IIN, then the DRN
ControlBlock  KT 1, SGC 6, TI 2, KRN 1 decimal, then six times Fh
============= ===================================================

DKGA04 takes the leftmost bits of an HMAC over 49 bytes that name meter and key.

A common key (KT 3) is refused: no two sources agree on the number that stands for the meter's
in it, and a guessed key is worse than none.

Source: IEC 62055-41:2018, 6.5.3 "DecoderKey generation"; NIST SP 800-108 for DKGA04.

>>> parameters = KeyParameters(
...     "600727000000000009", sgc="123456", krn=1, ti="01", base_date="93", dkga="02"
... )
>>> derive(VendingKey("02", bytes.fromhex("ab" * 8)), parameters).reveal().hex()
'e653341f9d5bf36f'
"""

from typing import TYPE_CHECKING, Final, NamedTuple, cast

from vmsapp.sts import identifiers
from vmsapp.sts.errors import UnsupportedAlgorithm
from vmsapp.sts.identifiers import Dkga, KeyType
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey

if TYPE_CHECKING:
    from hashlib import _Hash

    from Crypto.Cipher._mode_ecb import EcbMode

BLOCK_DIGITS: Final = 16
HASH_BLOCK_BYTES: Final = 64
_DES, _DCTK = Dkga.DES, KeyType.DCTK  # looking a member up is slow in Python 3.11
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))


def derive(vending_key: VendingKey, parameters: KeyParameters) -> DecoderKey:
    """Derive a meter's decoder key.

    Args:
        vending_key: The supply group's key.
        parameters: The meter's; ``base_date`` is no part of a DKGA02 key.

    Returns:
        8 bytes for EA 07, 16 for EA 11.

    Raises:
        UnsupportedAlgorithm: The key is for another algorithm than the parameters name, or
            they ask for a common key.
    """
    require_derivable(vending_key, parameters.dkga, parameters.kt)
    if parameters.dkga is _DES:
        return _dkga02(vending_key, parameters)
    return _dkga04(vending_key, parameters)


def require_derivable(vending_key: VendingKey, dkga: Dkga, kt: KeyType) -> None:
    """Refuse what no key is derived for.

    Raises:
        UnsupportedAlgorithm: As ``derive`` says.
    """
    if vending_key.dkga is not dkga:
        rule = f"is not the algorithm of this vending key, {vending_key.dkga}"
        raise UnsupportedAlgorithm("DKGA", dkga, rule)
    require_known_number(kt)


def require_known_number(kt: KeyType) -> None:
    """Refuse a common key: the number it is made of is not known.

    Raises:
        UnsupportedAlgorithm: It is one.
    """
    if kt is _DCTK:
        rule = "(DCTK, a common key) is not derived: sources differ on the number it is made of"
        raise UnsupportedAlgorithm("KT", int(kt), rule)


def pan_block(meter_pan: str, kt: int) -> bytes:
    """Write the meter's number as 8 bytes; its last check digit is left out.

    A common key names no meter: zeros stand for the DRN. Which zeros where the DRN has 13
    digits, no two sources agree on.

    Raises:
        FormatError, CheckDigitError: ``meter_pan`` is not a MeterPAN.
        FieldRangeError: ``kt`` is not 0 to 3.
        UnsupportedAlgorithm: A common key for a 13-digit DRN.

    >>> pan_block("600727123456789030", KeyType.DUTK).hex()
    '0072712345678903'
    """
    digits = identifiers.meter_pan.validate(meter_pan)[:-1][-BLOCK_DIGITS:]
    if identifiers.kt.validate(kt) is _DCTK:
        drn_digits = identifiers.drn.SHORT
        if len(identifiers.meter_pan.drn_of(meter_pan)) != drn_digits:
            raise UnsupportedAlgorithm("KT", kt, "has no agreed PANBlock for a 13-digit DRN")
        digits = digits[:-drn_digits] + "0" * drn_digits
    return bytes.fromhex(digits)


def control_block(kt: int, sgc: str, ti: str, krn: int) -> bytes:
    """Write key type, supply group, tariff index and key revision as 8 bytes.

    Raises:
        FormatError: ``sgc`` is not 6 digits or ``ti`` not 2.
        FieldRangeError: ``kt`` is not 0 to 3 or ``krn`` not 1 to 9.

    >>> control_block(KeyType.DUTK, "123456", "01", 1).hex()
    '2123456011ffffff'
    """
    kt, krn = identifiers.kt.validate(kt), identifiers.krn.validate(krn)
    sgc, ti = identifiers.sgc.validate(sgc), identifiers.ti.validate(ti)
    return bytes.fromhex(f"{kt:d}{sgc}{ti}{krn:d}FFFFFF")


def kcv(vending_key: VendingKey) -> str:
    """Compute a key check value: shows that two keys are one without showing either.

    Three bytes of zeros encrypted by DES for a 64-bit key, of SHA-256 over 01h and the key for
    a 160-bit one.

    Returns:
        6 upper-case hexadecimal digits.
    """
    from hashlib import sha256  # noqa: PLC0415 - not loaded before it is needed

    if vending_key.dkga is _DES:
        check = des(vending_key).cipher.encrypt(bytes(8))
    else:
        check = sha256(b"\x01" + vending_key.reveal()).digest()
    return check[:3].hex().upper()


class Des(NamedTuple):
    """DES under one key, one block at a time (no mode is involved), and the key as a number."""

    cipher: "EcbMode"
    key: int

    def __repr__(self) -> str:
        return "Des(…)"


def des(vending_key: VendingKey) -> Des:
    """Give the DES cipher under a DKGA02 key.

    It is kept with the key, since making it costs three times what using it does.
    """
    if vending_key.prepared is None:
        from Crypto.Cipher import DES  # noqa: PLC0415 - not loaded before it is needed

        value = vending_key.reveal()
        cipher = DES.new(value, DES.MODE_ECB)  # noqa: S304 - the standard's cipher
        vending_key.prepared = Des(cast("EcbMode", cipher), int.from_bytes(value, "big"))
    return cast("Des", vending_key.prepared)


class HmacStates(NamedTuple):
    """HMAC-SHA-256 under one key, after its first block inside and outside; used by copying."""

    inner: "_Hash"
    outer: "_Hash"

    def __repr__(self) -> str:
        return "HmacStates(…)"


def hmac_states(vending_key: VendingKey) -> HmacStates:
    """Give the HMAC under a DKGA04 key, half done; kept with the key.

    Source: RFC 2104, 4 "Implementation Note".
    """
    if vending_key.prepared is None:
        from hashlib import sha256  # noqa: PLC0415 - not loaded before it is needed

        padded = vending_key.reveal().ljust(HASH_BLOCK_BYTES, b"\x00")
        inner, outer = (sha256(padded.translate(pad)) for pad in (_INNER_PAD, _OUTER_PAD))
        vending_key.prepared = HmacStates(inner, outer)
    return cast("HmacStates", vending_key.prepared)


def message(of: KeyParameters) -> bytes:
    """Write the 49 bytes DKGA04 hashes: two lists, a zero byte between, the key's length.

    A list is its number of items, then each item with its length before it:

    ====== ======== =====================================
    offset bytes    content
    ====== ======== =====================================
    0      1        04h, four items
    1      3 each   DKGA, base date, EA, TI
    13     1        00h
    14     1        04h, four items
    15     7        SGC
    22     2 each   KT, KRN
    26     19       MeterPAN
    45     4        the decoder key's length in bits
    ====== ======== =====================================
    """
    label = f"\4\x0204\2{of.base_date.value}\2{of.ea:02d}\2{of.ti}"
    context = f"\4\6{of.sgc}\1{of.kt:d}\1{of.krn:d}\x12{of.meter_pan}"
    return f"{label}\0{context}".encode() + (8 * of.ea.key_bytes).to_bytes(4, "big")


def _dkga02(vending_key: VendingKey, of: KeyParameters) -> DecoderKey:
    # PANBlock (of all but common keys) and ControlBlock
    data = int(of.meter_pan[1:-1], 16) ^ int(f"{of.kt:d}{of.sgc}{of.ti}{of.krn:d}FFFFFF", 16)
    cipher, key = des(vending_key)
    encrypted = bytearray(8)
    cipher.encrypt(data.to_bytes(8, "big"), encrypted)  # into a buffer it takes half the time
    number = int.from_bytes(encrypted, "big") ^ data ^ key
    return DecoderKey(of.ea, number.to_bytes(8, "big"))


def _dkga04(vending_key: VendingKey, of: KeyParameters) -> DecoderKey:
    inner, outer = hmac_states(vending_key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(message(of))
    outer.update(inner.digest())
    return DecoderKey(of.ea, outer.digest()[: of.ea.key_bytes])

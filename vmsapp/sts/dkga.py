"""DecoderKeyGenerationAlgorithm (DKGA): from a vending key to the key of one meter.

==== ============================== =========== =============== ==========
DKGA method                         vending key decoder key     here
==== ============================== =========== =============== ==========
01   DES, legacy                    8 bytes     8 bytes         refused
02   DES                            8 bytes     8 bytes (EA 07) ``dkga02``
03   two-key triple DES, withdrawn  16 bytes    8 bytes         refused
04   HMAC-SHA-256                   20 bytes    8 bytes (EA 07)
                                                16 (EA 11)      ``dkga04``
==== ============================== =========== =============== ==========

Source: IEC 62055-41:2018, 6.5.3 "DecoderKey generation"; NIST SP 800-108 for DKGA04.

>>> key = derive(
...     "02", bytes.fromhex("ab" * 8), meter_pan="600727000000000009", sgc="123456",
...     krn=1, kt=2, ti="01", base_date=BaseDate.Y1993, ea=7,
... )
>>> key.hex()
'e653341f9d5bf36f'
"""

import hmac
from hashlib import sha256
from typing import Final

from Crypto.Cipher import DES

from vmsapp.sts.errors import UnsupportedAlgorithm, VendingKeyError
from vmsapp.sts.identifiers import (
    EncryptionAlgorithm,
    KeyType,
    validate_key_type,
    validate_krn,
    validate_meter_pan,
    validate_sgc,
    validate_ti,
)
from vmsapp.sts.keys import control_block, pan_block
from vmsapp.sts.tid import BaseDate

DKGA02_KEY_BYTES: Final = 8
DKGA04_KEY_BYTES: Final = 20

_REFUSED: Final = {"01": "is a legacy method and not offered", "03": "was withdrawn"}
_DECODER_KEY_BITS: Final = {
    "02": {EncryptionAlgorithm.STA: 64},
    "04": {EncryptionAlgorithm.STA: 64, EncryptionAlgorithm.MISTY1: 128},
}
"""The allowed pairs of DKGA and EA, and how long a decoder key each makes."""


def derive(
    dkga: str,
    vending_key: bytes,
    *,
    meter_pan: str,
    sgc: str,
    krn: int,
    kt: int,
    ti: str,
    base_date: BaseDate,
    ea: int,
) -> bytes:
    """Derive a meter's decoder key by the algorithm named.

    Args:
        dkga: ``"02"`` or ``"04"``.
        vending_key: 8 bytes of odd parity for 02, 20 bytes for 04.
        meter_pan: MeterPAN, 18 digits.
        sgc: Supply group code, 6 digits.
        krn: Key revision number, 1 to 9.
        kt: Key type, 0 to 3.
        ti: Tariff index, 2 digits.
        base_date: Base date of the vending key; DKGA02 makes no use of it.
        ea: Encryption algorithm of the meter, 7 or, with 04, 11.

    Returns:
        8 bytes for EA 07, 16 for EA 11, most significant first.

    Raises:
        UnsupportedAlgorithm: Another algorithm, a pair that is not allowed, or a common key
            whose derivation the sources do not agree on.
        VendingKeyError: Length or parity of the vending key is wrong.
        FormatError, CheckDigitError, FieldRangeError: Another argument is wrong.
    """
    _decoder_key_bits(dkga, ea)
    if dkga == "02":
        return dkga02(vending_key, meter_pan=meter_pan, sgc=sgc, krn=krn, kt=kt, ti=ti)
    return dkga04(
        vending_key,
        meter_pan=meter_pan,
        sgc=sgc,
        krn=krn,
        kt=kt,
        ti=ti,
        base_date=base_date,
        ea=ea,
    )


def dkga02(vending_key: bytes, *, meter_pan: str, sgc: str, krn: int, kt: int, ti: str) -> bytes:
    """Encrypt PANBlock xor ControlBlock by DES under the vending key, and xor both in.

    Arguments and errors are those of ``derive``.
    """
    _require_des_key(vending_key)
    data = _xor(pan_block(meter_pan, kt), control_block(kt, sgc, ti, krn))
    return _xor(_xor(_des(vending_key, data), data), vending_key)


def dkga04(
    vending_key: bytes,
    *,
    meter_pan: str,
    sgc: str,
    krn: int,
    kt: int,
    ti: str,
    base_date: BaseDate,
    ea: int,
) -> bytes:
    """Take the leftmost bits of HMAC-SHA-256 over 49 bytes that name meter and key.

    The bytes are two lists, each a count and as many texts with their length before them
    (label: DKGA, base date, EA, TI; context: SGC, KT, KRN, MeterPAN), a zero byte between,
    and the key's length in bits as 32 bits at the end.

    Arguments and errors are those of ``derive``.
    """
    bits = _decoder_key_bits("04", ea)
    _require_length(vending_key, DKGA04_KEY_BYTES)
    if validate_key_type(kt) == KeyType.DCTK:
        raise UnsupportedAlgorithm("KT", kt, "has no agreed MeterPAN under DKGA04")
    label = _listed("04", base_date.value, f"{ea:02d}", validate_ti(ti))
    context = _listed(
        validate_sgc(sgc), f"{kt:d}", f"{validate_krn(krn):d}", validate_meter_pan(meter_pan)
    )
    data = label + b"\x00" + context + bits.to_bytes(4, "big")
    return hmac.digest(vending_key, data, "sha256")[: bits // 8]


def has_odd_parity(key: bytes) -> bool:
    """Tell whether each byte has an odd number of one bits, as a genuine DES key has.

    >>> has_odd_parity(bytes.fromhex("ab")), has_odd_parity(bytes.fromhex("aa"))
    (True, False)
    """
    return all(byte.bit_count() % 2 for byte in key)


def kcv(dkga: str, vending_key: bytes) -> str:
    """Compute a key check value: shows that two keys are one without showing either.

    Three bytes of zeros encrypted by DES for a 64-bit key, of SHA-256 over 01h and the key for
    a 160-bit one.

    Returns:
        6 upper-case hexadecimal digits.

    Raises:
        UnsupportedAlgorithm: ``dkga`` is neither 02 nor 04.
        VendingKeyError: Length or parity of the key is wrong.
    """
    _require_offered(dkga)
    if dkga == "02":
        _require_des_key(vending_key)
        check = _des(vending_key, bytes(DKGA02_KEY_BYTES))
    else:
        _require_length(vending_key, DKGA04_KEY_BYTES)
        check = sha256(b"\x01" + vending_key).digest()
    return check[:3].hex().upper()


def _require_offered(dkga: str) -> None:
    if dkga not in _DECODER_KEY_BITS:
        raise UnsupportedAlgorithm("DKGA", dkga, _REFUSED.get(dkga, "is unknown"))


def _decoder_key_bits(dkga: str, ea: int) -> int:
    _require_offered(dkga)
    for offered, bits in _DECODER_KEY_BITS[dkga].items():
        if offered == ea:
            return bits
    raise UnsupportedAlgorithm("EA", ea, f"does not go with DKGA{dkga}")


def _require_des_key(vending_key: bytes) -> None:
    _require_length(vending_key, DKGA02_KEY_BYTES)
    if not has_odd_parity(vending_key):
        raise VendingKeyError("vending key", None, "does not have odd parity")


def _require_length(vending_key: bytes, wanted: int) -> None:
    if len(vending_key) != wanted:
        raise VendingKeyError("vending key", None, f"is {len(vending_key)} bytes, not {wanted}")


def _des(key: bytes, block: bytes) -> bytes:
    """One block of the standard's own choosing: no mode is involved."""
    return DES.new(key, DES.MODE_ECB).encrypt(block)  # noqa: S304 - the standard's cipher


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _listed(*texts: str) -> bytes:
    return bytes([len(texts)]) + b"".join(bytes([len(text)]) + text.encode() for text in texts)

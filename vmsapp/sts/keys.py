"""PANBlock and ControlBlock: which meter, and which key, a DKGA02 decoder key is for.

============= ===================================================
block         digits, big end first
============= ===================================================
PANBlock      16 decimal: the end of the IIN, then the DRN
ControlBlock  KT 1, SGC 6, TI 2, KRN 1 decimal, then six times Fh
============= ===================================================

Both are written a digit a nibble. A common key (KT 3) is the same for a whole group, so zeros
stand for the DRN; which zeros, where the DRN has 13 digits, no two sources agree on, so that
case is refused.

Source: IEC 62055-41:2018, 6.5.3 "DecoderKey generation".

>>> pan_block("600727123456789030", KeyType.DUTK).hex()
'0072712345678903'
>>> control_block(KeyType.DUTK, "123456", "01", 1).hex()
'2123456011ffffff'
"""

from typing import Final

from vmsapp.sts.errors import UnsupportedAlgorithm
from vmsapp.sts.identifiers import (
    DRN_SHORT,
    KeyType,
    drn_of_pan,
    validate_key_type,
    validate_krn,
    validate_meter_pan,
    validate_sgc,
    validate_ti,
)

BLOCK_DIGITS: Final = 16


def pan_block(meter_pan: str, kt: int) -> bytes:
    """Write the meter's number as 8 bytes; its last check digit is left out.

    Raises:
        FormatError: ``meter_pan`` is not a MeterPAN.
        CheckDigitError: One of its two check digits is wrong.
        FieldRangeError: ``kt`` is not 0 to 3.
        UnsupportedAlgorithm: A common key for a 13-digit DRN.
    """
    issuer_and_drn = validate_meter_pan(meter_pan)[:-1]
    if validate_key_type(kt) == KeyType.DCTK:
        if len(drn_of_pan(meter_pan)) != DRN_SHORT:
            raise UnsupportedAlgorithm("KT", kt, "has no agreed PANBlock for a 13-digit DRN")
        issuer_and_drn = issuer_and_drn[:-DRN_SHORT] + "0" * DRN_SHORT
    return bytes.fromhex(issuer_and_drn[-BLOCK_DIGITS:])


def control_block(kt: int, sgc: str, ti: str, krn: int) -> bytes:
    """Write key type, supply group, tariff index and key revision as 8 bytes.

    Raises:
        FormatError: ``sgc`` is not 6 digits or ``ti`` not 2.
        FieldRangeError: ``kt`` is not 0 to 3 or ``krn`` not 1 to 9.
    """
    validate_key_type(kt)
    text = f"{kt:d}{validate_sgc(sgc)}{validate_ti(ti)}{validate_krn(krn):d}FFFFFF"
    return bytes.fromhex(text)

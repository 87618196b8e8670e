"""Files and lines of a key management centre (KMC): known, explained and not opened.

What a KMC sends is wrapped for one hardware module, which alone can open it. Files of the first
edition begin with a record ``9500``, those of the second (STS600-4-2) are lines of text such as
the one that names a module::

    SMID.1:Prism:94001632:20210204T081427Z:039F2C48F2030174:AEEA

Its end is the CRC-16/MODBUS of all up to the last colon: the checksum of a token, not swapped.

>>> f"{crc16_modbus(b'123456789'):04X}"
'4B37'
"""

import re
from typing import Final

from vmsapp.hsm.errors import KeyFileRefused

BEGINNINGS: Final = (b"9500", b"KLF", b"SMID.")
POLYNOMIAL: Final = 0xA001
START: Final = 0xFFFF
MODULE_NAME: Final = re.compile(rb"[A-Za-z0-9_.-]{1,40}")
LINE_BYTES_MAX: Final = 1024


def refuse_kmc_file(blob: bytes) -> None:
    """Explain a KMC's file to who sent it here.

    Raises:
        KeyFileRefused: ``kmc_file``; of a ``SMID`` line ``kmc_module``, which it names, or
            ``kmc_damaged``.
    """
    beginning = blob[:LINE_BYTES_MAX].lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(b"SMID."):
        _refuse_module_line(beginning.splitlines()[0].rstrip())
    if beginning.startswith(BEGINNINGS):
        raise KeyFileRefused("kmc_file")


def crc16_modbus(data: bytes) -> int:
    """Compute CRC-16/MODBUS: polynomial 8005h reflected, start FFFFh."""
    register = START
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
    return register


def _refuse_module_line(line: bytes) -> None:
    body, _, check = line.rpartition(b":")
    fields = body.split(b":")
    fits = check == b"%04X" % crc16_modbus(body + b":")
    if not fits or len(fields) < 3 or not MODULE_NAME.fullmatch(fields[2]):
        raise KeyFileRefused("kmc_damaged")
    raise KeyFileRefused("kmc_module", module=fields[2].decode())

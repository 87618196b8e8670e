"""The numbers and codes that name a meter, its key and its algorithms.

One module an identifier, all of one shape: ``compact``, ``validate``, ``format`` (``shape``
says what each does). They are read best with the package's name before them:

>>> from vmsapp.sts import identifiers
>>> identifiers.drn.validate("1234 5678 903")
'12345678903'
>>> identifiers.krn.validate(10)
Traceback (most recent call last):
vmsapp.sts.errors.FieldRangeError: KRN 10 is not 1 to 9
"""

from vmsapp.sts.identifiers import (
    base_date,
    dkga,
    drn,
    ea,
    ken,
    krn,
    kt,
    luhn,
    manufacturer,
    meter_pan,
    sgc,
    tct,
    ti,
)
from vmsapp.sts.identifiers.base_date import BaseDate
from vmsapp.sts.identifiers.dkga import Dkga
from vmsapp.sts.identifiers.ea import EncryptionAlgorithm
from vmsapp.sts.identifiers.kt import KeyType
from vmsapp.sts.identifiers.tct import TokenCarrier

__all__ = [
    "BaseDate",
    "Dkga",
    "EncryptionAlgorithm",
    "KeyType",
    "TokenCarrier",
    "base_date",
    "dkga",
    "drn",
    "ea",
    "ken",
    "krn",
    "kt",
    "luhn",
    "manufacturer",
    "meter_pan",
    "sgc",
    "tct",
    "ti",
]

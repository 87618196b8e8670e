"""KT: key type, what a decoder key is for.

== ==== ================================================
KT name key
== ==== ================================================
0  DITK initialisation, put in by the manufacturer
1  DDTK default, of a meter without a supply group yet
2  DUTK unique to one meter
3  DCTK common to all meters of a group on magnetic cards
== ==== ================================================

Source: IEC 62055-41:2018, "KT: KeyType".

>>> format(validate("2"))
'DUTK'
"""

from enum import IntEnum

from vmsapp.sts.identifiers import shape


class KeyType(IntEnum):
    """What a key is for (KT): initialisation, default, unique to a meter, common to many."""

    DITK = 0
    DDTK = 1
    DUTK = 2
    DCTK = 3


compact = shape.strip


def validate(value: int | str) -> KeyType:
    """Hand back the key type.

    Raises:
        NotDigits, LengthError: Text that is no number.
        FieldRangeError: It is not 0 to 3.
    """
    if isinstance(value, KeyType):
        return value
    return KeyType(shape.number("KT", value, min(KeyType), max(KeyType)))


def format(value: int | str) -> str:  # noqa: A001 - the shape all identifiers share
    """Write the standard's name of it."""
    return validate(value).name

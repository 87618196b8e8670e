"""BDT: base date, the midnight a key's TIDs count from.

Each begins 2**24 minutes of TIDs: 1993 ended in November 2024, 2014 ends in 2045, 2035 in 2066.

Source: IEC 62055-41:2018, "BDT: BaseDate".

>>> validate("2014") is validate("14") is BaseDate.Y2014
True
>>> format(BaseDate.Y2035)
'2035'
"""

from datetime import UTC, datetime
from enum import Enum
from typing import Final

from vmsapp.sts.errors import FormatError
from vmsapp.sts.identifiers import shape


class BaseDate(Enum):
    """The midnight a key's TIDs count from; the value is its two-digit code.

    >>> BaseDate("14").year
    2014
    """

    Y1993 = "93"
    Y2014 = "14"
    Y2035 = "35"

    @property
    def year(self) -> int:
        """The year, four digits."""
        return int(self.name[1:])

    @property
    def moment(self) -> datetime:
        """1 January, 00:00 UTC."""
        return datetime(self.year, 1, 1, tzinfo=UTC)


_NAMED: Final[dict[int | str, BaseDate]] = {
    name: base for base in BaseDate for name in (base.year, str(base.year), base.value)
}

compact = shape.strip


def validate(value: "int | str | BaseDate") -> BaseDate:
    """Hand back the base date of a year, or of its last two digits.

    Raises:
        FormatError: There is no such base date.
    """
    if isinstance(value, BaseDate):
        return value
    name = value if isinstance(value, int) else compact(value)
    if name in _NAMED:
        return _NAMED[name]
    raise FormatError("base date", name, "is not 1993, 2014 or 2035")


def format(value: "int | str | BaseDate") -> str:  # noqa: A001 - the shape all share
    """Write its year."""
    return str(validate(value).year)

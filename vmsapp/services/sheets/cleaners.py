"""What a cell must hold, and the value made of it. A cleaner is called with a cell.

It gets a text without spaces around it, a number (a float, as Excel keeps them), a truth or
a date, never nothing; it gives back the clean value or raises ``CellFault``.

>>> Digits(11, 11)("0700 0000 013")
'07000000013'
>>> Number(2)("1 234,50")
Decimal('1234.50')
>>> Number(2, minor=True)("١٢٣٤٫٥")
123450
>>> Day()("2026年1月2日")
datetime.date(2026, 1, 2)
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Final, Protocol

from vmsapp.money import MAX_MINOR
from vmsapp.services.sheets.faults import CellFault, shown

Value = str | float | bool | date | datetime
"""What a cleaner is called with."""


class Cleaner(Protocol):
    """Makes a value of a cell."""

    def __call__(self, value: Value) -> object:
        """Raise ``CellFault`` where the cell breaks the rule."""


_UNSEEN: Final = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")
"""Signs without a shape that come along when text is copied; dropped."""
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffd\ufffe\uffff]")
"""Controls, also those that turn the direction of what follows; refused."""
_SHORT_FORM: Final = re.compile(r"[+-]?\d+([.,]\d+)?E[+-]\d+", re.IGNORECASE)
"""As spreadsheet programs write it; without its sign it is a number that somebody gave."""
_EXACT: Final = 10**15
"""From here on a spreadsheet drops digits."""


def plain(text: str) -> str:
    """A text in one spelling: composed, single spaces, no signs that are not seen.

    Raises:
        CellFault: It holds controls.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    text = one_spelling(text)
    if _FORBIDDEN.search(text):
        raise CellFault("odd_characters")
    return text


def one_spelling(text: str) -> str:
    """Write a text as ``plain`` does, whatever signs it holds."""
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFC", text)).split())


def western(text: str) -> str:
    """Write the decimal digits of any script as 0 to 9."""
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text
    )  # fmt: skip


def _text_of(value: Value) -> str:
    """A cell as text, where a number is as good."""
    match value:
        case str():
            return plain(value)
        case bool():
            raise CellFault("truth_for_text")
        case float() if isfinite(value) and abs(value) < _EXACT:
            return f"{value:.15g}"
        case float():
            raise CellFault("number_for_text")
        case _:
            raise CellFault("date_for_text")


def _exact_text_of(value: Value) -> str:
    """A cell that must be text, for its digits count."""
    if isinstance(value, float) and not isinstance(value, bool):
        raise CellFault("number_for_text")
    text = _text_of(value)
    if _SHORT_FORM.fullmatch(text):
        raise CellFault("scientific", shown=shown(text))
    return text


@dataclass(frozen=True, slots=True)
class Text:
    """Any text.

    Attributes:
        longest: Characters at most.
        exact: A number is refused, for it may have lost digits: account numbers and the like.
        form: A pattern of the whole text, if there is one.
        lines: It may have several lines, which stay.
    """

    longest: int
    exact: bool = False
    form: re.Pattern[str] | None = None
    lines: bool = False

    def __call__(self, value: Value) -> str:
        """Give the text in one spelling."""
        if self.lines and isinstance(value, str) and "\n" in value:
            text = "\n".join(map(plain, value.split("\n"))).strip()
        else:
            text = _exact_text_of(value) if self.exact else _text_of(value)
        if len(text) > self.longest:
            raise CellFault("too_long", longest=self.longest)
        if self.form and not self.form.fullmatch(text):
            raise CellFault("wrong_form", shown=shown(text))
        return text


_BETWEEN: Final = str.maketrans("", "", " -\u00a0\u202f")


@dataclass(frozen=True, slots=True)
class Digits:
    """A number that is a name: digits whose zeros count, in a text cell.

    Attributes:
        least: Digits at least.
        most: Digits at most.
    """

    least: int
    most: int

    def __call__(self, value: Value) -> str:
        """Give the digits, without what stood between them."""
        text = western(_exact_text_of(value)).translate(_BETWEEN)
        if not (text.isascii() and text.isdigit()):
            raise CellFault("not_digits")
        if not self.least <= len(text) <= self.most:
            code = "exact_length" if self.least == self.most else "wrong_length"
            raise CellFault(code, least=self.least, most=self.most, count=len(text))
        return text


_SIGNS: Final = str.maketrans({"٫": ",", "٬": " ", "−": "-", "’": "'"})
_BY_SPACES: Final = re.compile(r"[+-]?\d{1,3}(?:([ \u00a0\u202f'])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
_EITHER_SIGN: Final = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_WRITTEN: Final = {
    (group, decimal): re.compile(
        rf"[+-]?(?:\d+|\d{{1,3}}(?:\{group}\d{{3}})+)?(?:(?<=\d)|(?=\{decimal}))(?:\{decimal}\d+)?"
    )
    for group, decimal in (",.", ".,")
}
"""Numbers by the signs between thousands and before decimals."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number, or an amount in minor units.

    Attributes:
        places: Decimals at most.
        least: Smallest value.
        most: Largest value.
        minor: Give whole minor units, of which ``places`` decimals make one unit.
        sign: The decimal sign of texts, where it is known; else ``1,234`` is refused.
    """

    places: int
    least: Decimal | int | None = None
    most: Decimal | int = MAX_MINOR
    minor: bool = False
    sign: str | None = None

    def __call__(self, value: Value) -> Decimal | int:
        """Give the number."""
        number = self._number(value)
        if self.least is not None and number < self.least:
            raise CellFault("too_small", least=Decimal(self.least))
        if number > self.most or number < -MAX_MINOR:
            raise CellFault("too_large", most=Decimal(self.most))
        if number.as_tuple().exponent < -self.places and number != round(number, self.places):  # type: ignore[operator]
            raise CellFault("too_many_decimals", places=self.places)
        return int(number.scaleb(self.places)) if self.minor else number

    def _number(self, value: Value) -> Decimal:
        if isinstance(value, float) and isfinite(value):
            return Decimal(f"{value:.15g}")
        if isinstance(value, str) and (written := _pointed(value, self.sign)):
            return Decimal(written)
        raise CellFault("not_a_number", shown=shown(value))


def _pointed(text: str, sign: str | None) -> str | None:
    """A number with a decimal point and nothing else between its digits.

    Raises:
        CellFault: Its one sign may be a decimal sign or stand between thousands.
    """
    if text.isascii() and text.isdigit():
        return text
    bare = western(text).translate(_SIGNS)
    if _BY_SPACES.fullmatch(bare):
        return re.sub("[ \u00a0\u202f']", "", bare).replace(",", ".")
    marks = "".join(mark for mark in bare if mark in ".,")
    if len(marks) > 1:
        decimal = "." if marks[0] == "," else ","
    elif "٫" in text or sign is None:
        if "٫" not in text and _EITHER_SIGN.fullmatch(bare):
            raise CellFault("either_sign", shown=shown(text))
        decimal = marks or "."
    else:
        decimal = sign
    group = "," if decimal == "." else "."
    if not _WRITTEN[group, decimal].fullmatch(bare):
        return None
    return bare.replace(group, "").replace(decimal, ".")


_YEAR_FIRST: Final = re.compile(
    r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ]00:00(?::00)?)?|(\d{4})年(\d{1,2})月(\d{1,2})日"
)
_EITHER_DAY: Final = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}")


@dataclass(frozen=True, slots=True)
class Day:
    """A date.

    Attributes:
        first: Earliest day.
        last: Latest day.
    """

    first: date = date(1900, 1, 1)
    last: date = date(2199, 12, 31)

    def __call__(self, value: Value) -> date:
        """Give the day; a time of day with it is dropped."""
        if isinstance(value, datetime):
            day = value.date()
        elif isinstance(value, date):
            day = value
        else:
            day = _day_of(value)
        if day < self.first:
            raise CellFault("too_small", least=self.first)
        if day > self.last:
            raise CellFault("too_large", most=self.last)
        return day


def _day_of(value: str | float) -> date:
    text = western(value) if isinstance(value, str) else ""
    found = _YEAR_FIRST.fullmatch(text)
    if not found:
        either = _EITHER_DAY.fullmatch(text)
        raise CellFault("ambiguous_date" if either else "not_a_date", shown=shown(value))
    year, month, day = (int(part) for part in found.groups() if part and part.isdigit())
    try:
        return date(year, month, day)
    except ValueError:
        raise CellFault("no_such_day", shown=shown(value)) from None

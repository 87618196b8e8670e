"""Reading JSON strictly: every key is known, every figure exact, every fault has its place.

>>> reader = Reader({"price": "0.10"}, "steps[1]")
>>> reader.decimal("price")
Decimal('0.10')
>>> Reader({"price": True}, "steps[1]").decimal("price")
Traceback (most recent call last):
vmsapp.tariffs.reader.InvalidDocument: steps[1].price: a number is expected.
"""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeGuard, TypeVar
from unicodedata import category

from vmsapp.errors import N_, InvalidInput
from vmsapp.money import Currency, MoneyFormatError

MAX_ROWS: Final = 1000
Word = TypeVar("Word", bound=StrEnum)


class InvalidDocument(InvalidInput):
    """A file is no plan.

    Attributes:
        place: Where.
        why: Message id of what is expected there, a sentence without its full stop.
        holes: The values for it.
    """

    code = "invalid_plan_file"
    message = N_("%(place)s: %(why)s.")
    field = "file"

    def __init__(self, place: str, why: str, **holes: object) -> None:
        super().__init__(place=place, why=why % holes if holes else why)
        self.place, self.why, self.holes = place, why, holes


def parse(text: str) -> "Reader":
    """Read a JSON object; numbers with decimals stay exact.

    Raises:
        InvalidDocument: No JSON, no object, or an object with one key twice.
    """
    try:
        content = json.loads(
            text, parse_float=_number, parse_constant=_number, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as fault:
        if isinstance(fault, json.JSONDecodeError):
            raise InvalidDocument(
                "plan", N_("line %(line)s is not JSON"), line=fault.lineno
            ) from None
        raise InvalidDocument("plan", N_("this is not JSON")) from None
    return Reader(content, "plan")


def _number(text: str) -> Decimal:
    """Read a number; one too large or too fine for any arithmetic is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; of two equal keys none may silently win."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidDocument(twice, N_("this key stands there twice"))
    if not all(map(_is_text, content)):
        raise InvalidDocument("plan", N_("this is not JSON"))
    return content


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text of characters that can be stored and shown."""
    return isinstance(value, str) and not any(category(char) in {"Cc", "Cs"} for char in value)


class Reader:
    """One JSON object, read key by key; what was not asked for is refused at the end."""

    def __init__(self, content: object, place: str) -> None:
        if not isinstance(content, dict):
            raise InvalidDocument(place, N_("an object is expected"))
        self._left: dict[str, Any] = dict(content)
        self.place = place

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def fault(self, key: str, why: str, **holes: object) -> None:
        """Refuse what stands under a key."""
        raise InvalidDocument(self._at(key), why, **holes)

    def take_all(self) -> dict[str, Any]:
        """Take everything."""
        left, self._left = self._left, {}
        return left

    def has(self, key: str) -> bool:
        """Tell whether a key stands there and is not null, which is as good as missing."""
        if self._left.get(key) is not None:
            return True
        self._left.pop(key, None)
        return False

    def take(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """Take a value that must be there."""
        if not self.has(key):
            raise InvalidDocument(self._at(key), N_("it is missing"))
        return self._left.pop(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text."""
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not _is_text(value):
            raise InvalidDocument(
                self._at(key), N_("a text without control characters is expected")
            )
        return value

    def text_or_none(self, key: str) -> str | None:
        """Take a text that may be missing or null."""
        return self.text(key) if self.has(key) else None

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        if not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, bool):
            raise InvalidDocument(self._at(key), N_("true or false is expected"))
        return value

    def whole(self, key: str, default: int | None = None) -> int:
        """Take a whole number."""
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidDocument(self._at(key), N_("a whole number is expected"))
        return value

    def whole_or_none(self, key: str) -> int | None:
        """Take a whole number that may be missing or null."""
        return self.whole(key) if self.has(key) else None

    def decimal(self, key: str) -> Decimal:
        """Take an exact number, written as a number or as text."""
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise InvalidDocument(self._at(key), N_("a number is expected"))
        number = _number(value) if isinstance(value, str) else Decimal(value)
        if not number.is_finite():
            raise InvalidDocument(self._at(key), N_("a number is expected"))
        return number

    def decimal_or_none(self, key: str) -> Decimal | None:
        """Take an exact number that may be missing or null."""
        return self.decimal(key) if self.has(key) else None

    def money(self, key: str, currency: Currency) -> int:
        """Take an amount in currency units; gives minor units."""
        number = self.decimal(key)
        try:
            return currency.parse(f"{number:f}" if abs(number.adjusted()) < 40 else "NaN").minor
        except MoneyFormatError:
            why = N_("an amount with at most %(decimals)s decimals is expected")
            raise InvalidDocument(self._at(key), why, decimals=currency.exponent) from None

    def money_or_none(self, key: str, currency: Currency) -> int | None:
        """Take an amount that may be missing or null."""
        return self.money(key, currency) if self.has(key) else None

    def day(self, key: str) -> date | None:
        """Take a date, ``2026-01-31``, that may be missing or null."""
        if not self.has(key):
            return None
        try:
            return date.fromisoformat(self.text(key))
        except ValueError:
            raise InvalidDocument(self._at(key), N_("a date like 2026-01-31 is expected")) from None

    def word(self, key: str, words: type[Word], default: Word | None = None) -> Word:
        """Take one of a few words."""
        if default is not None and not self.has(key):
            return default
        return self._word(self.take(key), self._at(key), words)

    def words(self, key: str, words: type[Word], default: frozenset[Word]) -> frozenset[Word]:
        """Take several of a few words."""
        if not self.has(key):
            return default
        return frozenset(
            self._word(value, f"{self._at(key)}[{place}]", words)
            for place, value in enumerate(self._list(key), 1)
        )

    @staticmethod
    def _word(value: Any, place: str, words: type[Word]) -> Word:  # noqa: ANN401 - JSON
        try:
            return words(value)
        except ValueError:
            listed = ", ".join(words)
            why = N_("one of these is expected: %(words)s")
            raise InvalidDocument(place, why, words=listed) from None

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts; empty where it is missing."""
        values = self._list(key)
        if not all(map(_is_text, values)):
            raise InvalidDocument(self._at(key), N_("a list of texts is expected"))
        return tuple(values)

    def wholes(self, key: str) -> tuple[int, ...]:
        """Take a list of whole numbers; empty where it is missing."""
        values = self._list(key)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise InvalidDocument(self._at(key), N_("a list of whole numbers is expected"))
        return tuple(values)

    def rows(self, key: str) -> Iterator["Reader"]:
        """Take a list of objects; empty where it is missing. Each is finished before the next."""
        for number, content in enumerate(self._list(key), 1):
            row = Reader(content, f"{self._at(key)}[{number}]")
            yield row
            row.finish()

    def part(self, key: str) -> "Reader | None":
        """Take an object that may be missing or null; the caller finishes it."""
        return Reader(self.take(key), self._at(key)) if self.has(key) else None

    def needed_part(self, key: str) -> "Reader":
        """Take an object that must be there; the caller finishes it."""
        return Reader(self.take(key), self._at(key))

    def _list(self, key: str) -> list[Any]:
        if not self.has(key):
            return []
        values = self.take(key)
        if not isinstance(values, list) or len(values) > MAX_ROWS:
            raise InvalidDocument(self._at(key), N_("a list is expected"))
        return values

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt key must not price something else."""
        if self._left:
            key = sorted(map(str, self._left))[0]
            raise InvalidDocument(self._at(key), N_("this key is not known"))

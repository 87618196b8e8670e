"""All that is wrong with a plan file, not only the first of it.

First the faults of form, all of them: what is missing, misspelt, or no number. Where there
is none of these, the rules a plan breaks, all of them, too.

>>> text = '{"format": "vms-tariff-plan/1", "currency": {"code": "usd"}, "steps": [{"end": "x"}]}'
>>> for fault in faults_in(text):
...     print(describe_fault(fault))
currency.decimals: it is missing.
currency.code: three capital letters are expected.
name: it is missing.
steps[1].end: a number is expected.
steps[1].price: it is missing.
"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from vmsapp.errors import N_
from vmsapp.money import Currency
from vmsapp.tariffs.checks import faults_of
from vmsapp.tariffs.document import read_parts
from vmsapp.tariffs.plan import Plan
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.plan_file import describe_fault, read_frame
from vmsapp.tariffs.reader import InvalidDocument, Reader, Word, parse

__all__ = ["describe_fault", "faults_in"]

Value = TypeVar("Value")


def faults_in(text: str) -> list[InvalidDocument | InvalidPlan]:
    """Find all that is wrong with a plan file; nothing when it can be priced by."""
    noted: list[InvalidDocument] = []
    try:
        parsed = parse(text)
        reader = _Noting(parsed.take_all(), parsed.place, noted)
        frame = read_frame(reader)
        parts = read_parts(reader, frame["currency"])
    except InvalidDocument as fault:
        return list(noted or [fault])
    if noted:
        return list(noted)
    return list(faults_of(cast(Plan, SimpleNamespace(**parts))))


class _Noting(Reader):
    """A reader that notes what it refuses, and goes on with a value that does no harm."""

    def __init__(self, content: object, place: str, noted: list[InvalidDocument]) -> None:
        self._noted = noted
        self._readable = True
        try:
            super().__init__(content, place)
        except InvalidDocument as fault:
            self._note(fault)
            super().__init__({}, place)
            self._readable = False  # what is no object lacks every key, which says nothing

    def _note(self, fault: InvalidDocument) -> None:
        """Keep the first fault of each place."""
        place = fault.params["place"]
        if self._readable and all(one.params["place"] != place for one in self._noted):
            self._noted.append(fault)

    def _or(self, value: Value, read: Callable[[], Value]) -> Value:
        try:
            return read()
        except InvalidDocument as fault:
            self._note(fault)
            return value

    def fault(self, key: str, why: str, **holes: object) -> None:
        self._or(None, lambda: super(_Noting, self).fault(key, why, **holes))

    def text(self, key: str, default: str | None = None) -> str:
        return self._or("?", lambda: super(_Noting, self).text(key, default))

    def flag(self, key: str, *, default: bool) -> bool:
        return self._or(default, lambda: super(_Noting, self).flag(key, default=default))

    def whole(self, key: str, default: int | None = None) -> int:
        return self._or(0, lambda: super(_Noting, self).whole(key, default))

    def decimal(self, key: str) -> Decimal:
        return self._or(Decimal(0), lambda: super(_Noting, self).decimal(key))

    def money(self, key: str, currency: Currency) -> int:
        return self._or(0, lambda: super(_Noting, self).money(key, currency))

    def day(self, key: str) -> date | None:
        return self._or(None, lambda: super(_Noting, self).day(key))

    def word(self, key: str, words: type[Word], default: Word | None = None) -> Word:
        return self._or(next(iter(words)), lambda: super(_Noting, self).word(key, words, default))

    def words(self, key: str, words: type[Word], default: frozenset[Word]) -> frozenset[Word]:
        return self._or(default, lambda: super(_Noting, self).words(key, words, default))

    def texts(self, key: str) -> tuple[str, ...]:
        return self._or((), lambda: super(_Noting, self).texts(key))

    def wholes(self, key: str) -> tuple[int, ...]:
        return self._or((), lambda: super(_Noting, self).wholes(key))

    def rows(self, key: str) -> Iterator[Reader]:
        contents: list[Any] = self._or([], lambda: super(_Noting, self)._list(key))
        for number, content in enumerate(contents, 1):
            row = _Noting(content, f"{self._at(key)}[{number}]", self._noted)
            yield row
            row.finish()

    def part(self, key: str) -> Reader | None:
        return self.needed_part(key) if self.has(key) else None

    def needed_part(self, key: str) -> Reader:
        is_missing = not self.has(key)
        if is_missing:
            self.fault(key, N_("it is missing"))
        part = _Noting({} if is_missing else self.take(key), self._at(key), self._noted)
        part._readable = part._readable and not is_missing
        return part

    def finish(self) -> None:
        for key in sorted(self.take_all()):
            self.fault(key, N_("this key is not known"))

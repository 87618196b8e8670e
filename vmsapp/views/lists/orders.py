"""How a list is sorted, and what of it follows a row: the same on every database.

Rows with equal sort values follow by id; rows without a value come last, going up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

Edge = Sequence[Any]
"""The values by which a row is sorted, its key last."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted.

    Attributes:
        column: The column sorted by.
        key: The primary key, which decides between equals.
        descending: From the largest down.
        then: A column without gaps that decides before the key does, so that one index serves
            who narrows by the first and sorts by this.
    """

    column: InstrumentedAttribute[Any]
    key: InstrumentedAttribute[int]
    descending: bool = False
    then: InstrumentedAttribute[Any] | None = None

    @property
    def columns(self) -> list[InstrumentedAttribute[Any]]:
        """What is compared, one after the other, the key last."""
        found: list[InstrumentedAttribute[Any]] = []
        for column in (self.column, self.then, self.key):
            if column is not None and all(column is not one for one in found):
                found.append(column)
        return found

    @property
    def unseen(self) -> "Order":
        """The same of the bare table, past the scope: for what the scope is asked of afterwards."""
        table = self.key.class_.__table__.c
        then = None if self.then is None else table[self.then.key]
        return Order(table[self.column.key], table[self.key.key], self.descending, then)

    def reversed(self) -> "Order":
        """The same order from its end."""
        return replace(self, descending=not self.descending)

    def clauses(self, table: Any = None) -> list[ColumnElement[Any]]:  # noqa: ANN401
        """What ``ORDER BY`` says, of a model or a subquery; the same on every database.

        Where a column has gaps, they are last going up; where it has none, nothing is said of
        them, for SQLite would not use an index then.
        """
        found = []
        for column in self.columns:
            one = column if table is None else table.c[column.key]
            sorted_one = one.desc() if self.descending else one.asc()
            if _has_gaps(column):
                sorted_one = (
                    sorted_one.nulls_first() if self.descending else sorted_one.nulls_last()
                )
            found.append(sorted_one)
        return found

    def beyond(self, values: Sequence[Any]) -> list[ColumnElement[bool]]:
        """State which rows follow the one with these values of ``columns``: any of some cases.

        Each case is one range of an index, which all together would not be to PostgreSQL; where
        a few values are had by all rows it could not tell how many rows lie in it either.
        """
        (first, *others), (value, *rest) = self.columns, values
        if not others:
            return [first < value if self.descending else first > value]
        ties = _further(others, rest, descending=self.descending)
        if value is None:
            same = and_(first.is_(None), ties)
            return [same, first.is_not(None)] if self.descending else [same]
        cases = [and_(first == value, ties), first < value if self.descending else first > value]
        if _has_gaps(first) and not self.descending:
            cases.append(first.is_(None))
        return cases


def _has_gaps(column: InstrumentedAttribute[Any]) -> bool:
    """Tell whether a column may be empty; what is reckoned says nothing of it, and so may."""
    return bool(getattr(column.expression, "nullable", True))


def _further(
    columns: Sequence[InstrumentedAttribute[Any]], values: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Compare columns without gaps, one after the other."""
    typed = (literal(one, column.type) for column, one in zip(columns, values, strict=True))
    here, there = tuple_(*columns), tuple_(*typed)
    return here < there if descending else here > there

"""What cells are made of: codes that are put into words, and columns that are read alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstrumentedAttribute

from vmsapp.models.base import Model


@dataclass(frozen=True, slots=True)
class Coded:
    """A cell that depends on one column alone, which has few values: a file says each once.

    Attributes:
        column: Whose value it says.
        say: Puts the value into the reader's words.
    """

    column: str
    say: Callable[[Any], Any]

    def __call__(self, row: Any) -> Any:  # noqa: ANN401 - a row of any model
        """Say what the row's code means."""
        return self.say(getattr(row, self.column))


@dataclass(frozen=True, slots=True)
class Known:
    """A cell that tells what was read for all rows beforehand, under their ids.

    Attributes:
        known: What was read.
        say: Which part of it the cell tells.
        otherwise: What it tells of other rows.
    """

    known: Callable[[], Mapping[int, Any]]
    say: Callable[[Any], Any] = lambda found: found
    otherwise: Any = None

    def __call__(self, row: Any) -> Any:  # noqa: ANN401 - a row of any model
        """Say what is known of the row."""
        return self.of([row.id])[0]

    def of(self, ids: Iterable[int]) -> list[Any]:
        """Say what is known of some rows."""
        known, say, otherwise = self.known(), self.say, self.otherwise
        return [say(known[key]) if key in known else otherwise for key in ids]


def own_columns(model: type[Model]) -> list[InstrumentedAttribute[Any]]:
    """The columns of a table, for rows that are read and never changed."""
    return [getattr(model, column.key) for column in inspect(model).column_attrs]

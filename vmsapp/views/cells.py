"""What cells are made of: codes that are put into words, and columns that are read alone."""

from collections.abc import Callable
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


def own_columns(model: type[Model]) -> list[InstrumentedAttribute[Any]]:
    """The columns of a table, for rows that are read and never changed."""
    return [getattr(model, column.key) for column in inspect(model).column_attrs]

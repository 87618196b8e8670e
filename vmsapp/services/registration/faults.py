"""What is wrong with rows that are to be registered: every fault, with its row and column."""

from collections.abc import Sequence
from dataclasses import dataclass

from vmsapp.errors import N_, InvalidInput, VmsError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that keeps a row from being registered.

    Attributes:
        row: Place of the row among those checked, from 0.
        column: The field it belongs beside.
        error: What is wrong, in a sentence with its values.
    """

    row: int
    column: str
    error: VmsError


class FaultyRows(InvalidInput):
    """Rows were to be registered that have faults; nothing was written.

    Attributes:
        faults: All of them, in the order of the rows.
    """

    code = "faulty_rows"
    message = N_("Rows with errors: %(count)s. Nothing was saved.")

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(count=len({fault.row for fault in faults}))
        self.faults = tuple(faults)

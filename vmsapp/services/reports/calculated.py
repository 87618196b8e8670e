"""Lines of the calculations that sales stored, read in the database where it stores them.

A purchase counts on its own business date; what was taken back counts with the same lines, taken
off, on the date of that. So the two together are what the ledger has of them.
"""

from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Select, case, column, func
from sqlalchemy.orm import Session

from vmsapp.models import LedgerTransfer, Sale, TransferState
from vmsapp.services.reports.narrowing import narrowed
from vmsapp.services.reports.question import Question

SIGN: Final[ColumnElement[int]] = case((LedgerTransfer.kind == "reversal", -1), else_=1)
"""What was taken back is taken off."""


def stored_lines(session: Session) -> Any:  # noqa: ANN401 - a column of JSON of a table of lines
    """Give the lines of each sale of a statement as a column ``value``."""
    if session.get_bind().dialect.name == "postgresql":
        found = func.json_array_elements(Sale.calculation["lines"])
    else:
        found = func.json_each(Sale.calculation, "$.lines")
    return found.table_valued(column("value", JSON), joins_implicitly=True).c.value


def moved(statement: Select[Any], question: Question, *, free: bool = False) -> Select[Any]:
    """Narrow to transfers of sales and of what took them back, settled in a period.

    Args:
        statement: Of columns of transfers, sales, and what hangs on them.
        question: The period and what narrows it.
        free: What was given without money, in place of purchases.
    """
    return narrowed(
        statement.join_from(LedgerTransfer, Sale, Sale.id == LedgerTransfer.sale_id)
        .where(LedgerTransfer.business_date.between(question.first, question.last))
        .where(LedgerTransfer.state == TransferState.POSTED),
        question,
        free=free,
    )

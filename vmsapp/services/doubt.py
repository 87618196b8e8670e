"""What is open too long: found, marked as in doubt, settled one by one.

Sales, key changes and engineering tokens stand *open* while a security module is asked. The
worker takes each that has been open for a while, stamps doubt on it, so that whoever began it
leaves it alone, and asks the module what it knows. How one is settled its own room says.

Source: SALE.md, "7. Reconcile and cancel".
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, or_, select, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute, Session

from vmsapp import logs
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import Sale
from vmsapp.services.rows import rows_changed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is open is left alone, and how long it is asked for again."""

    take_after: timedelta = timedelta(seconds=30)
    cancel_after: timedelta = timedelta(minutes=10)

    def still_young(self, began: datetime) -> bool:
        """Tell whether it is asked for again; what is older is cancelled."""
        return now_utc() - began < self.cancel_after


PLAIN: Final = Patience()


class Doubtful(Protocol):
    """A row that may be in doubt."""

    @property
    def state(self) -> Any:  # noqa: ANN401 - a column's
        """What it is."""


Row = TypeVar("Row", bound=Doubtful)


@dataclass(frozen=True)
class Open(Generic[Row]):
    """A kind of thing that can be open.

    Attributes:
        model: Its table, with ``id``, ``state`` and ``doubt_at``.
        state: The one in which it is open.
        began: Column of when it began.
        read: Reads one as it stands, let go of by the session.
        name: What the log calls it.
        only: Which rows of the table; all where it is None.
    """

    model: type[Row]
    state: str
    began: InstrumentedAttribute[datetime]
    read: Callable[[Session, int], Row]
    name: str
    only: ColumnElement[bool] | None = None


def settle_open(
    session: Session, kind: Open[Row], settle: Callable[[Row], Row], patience: Patience
) -> dict[str, int]:
    """Settle what can be settled of a kind.

    Args:
        session: Outside any transaction.
        kind: What is settled.
        settle: Settles one, outside any transaction; gives it back as it stands.
        patience: For how long.

    Returns:
        How many are now in each state.
    """
    counts: dict[str, int] = {}
    for row_id in _due(session, kind, patience):
        with logs.about_sale(row_id if kind.model is Sale else None):
            state = _settle_one(session, kind, settle, row_id)
        counts[state] = counts.get(state, 0) + 1
    return counts


def _settle_one(
    session: Session, kind: Open[Row], settle: Callable[[Row], Row], row_id: int
) -> str:
    """Settle one if that can be done now, and tell how it stands."""
    try:
        row = _take(session, kind, row_id)
        if row.state == kind.state:
            row = settle(row)
        return str(row.state)
    except (VmsError, DBAPIError) as error:
        session.rollback()  # one that cannot be settled does not hold up the others
        log.warning("%s %s: not settled (%s)", kind.name, row_id, error.code)
        return kind.state


def _due(session: Session, kind: Open[Row], patience: Patience) -> Sequence[int]:
    now, model = now_utc(), _columns(kind)
    ids = session.scalars(
        select(model.id)
        .where(model.state == kind.state, true() if kind.only is None else kind.only)
        # one from the future began before the clock was set back: it is old, too
        .where(or_(kind.began <= now - patience.take_after, kind.began > now))
        .order_by(kind.began, model.id)
    ).all()
    end_reading(session)
    return ids


def _take(session: Session, kind: Open[Row], row_id: int) -> Row:
    """Stamp doubt on what is open: from here on its maker leaves it to the worker."""
    model = _columns(kind)
    with atomic(session, durable=True):
        rows_changed(
            session,
            update(model)
            .where(model.id == row_id, model.state == kind.state, model.doubt_at.is_(None))
            .values(doubt_at=now_utc()),
        )
    row = kind.read(session, row_id)
    end_reading(session)
    return row


def _columns(kind: Open[Any]) -> Any:  # noqa: ANN401 - a table's class, whichever it is
    return kind.model

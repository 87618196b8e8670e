"""Prints of receipts: which is the original, and who made which copy.

A print is counted before paper or file leaves. What is counted and never arrives makes the
next one a copy, which does no harm; an original that nobody counted would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotAllowed, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import PrintKind, ReceiptPrint, Sale, SaleState
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.receipts import Receipt

OPEN_FOR: Final = timedelta(minutes=10)
"""How long a print that was confirmed stays open as that print, to who confirmed it."""

SENT_KINDS: Final = (PrintKind.MAIL, PrintKind.SMS)
"""Those that may turn out not to have left."""


class NoReceipt(Refused):
    """The sale has no token to print, or has it no more."""

    code = "no_receipt"
    message = N_("Sale %(sale_id)s has no receipt to print: its token is not shown.")

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class PrintedMeanwhile(Conflict):
    """Since the preview was opened the receipt was printed, here or elsewhere."""

    code = "printed_meanwhile"
    message = N_(
        "This receipt was printed while its preview was open. Look at the preview again: what"
        " is printed now is a copy."
    )


@dataclass(frozen=True, slots=True)
class Printed:
    """A print, and who made it."""

    nth: int
    kind: str
    language: str
    printed_at: datetime
    printed_by_id: int
    by: str

    @property
    def copy(self) -> int:
        """Number of the copy; 0 is the original."""
        return self.nth - 1

    def open_to(self, actor: Actor, now: datetime) -> bool:
        """Whether somebody may still have it as it was confirmed."""
        return self.printed_by_id == actor.user_id and now - self.printed_at < OPEN_FOR


def prints_of(session: Session, sale_id: int) -> list[Printed]:
    """List the prints of a sale in the asker's scope, the first one first."""
    return prints_with(session, ReceiptPrint.sale_id, sale_id)


def prints_with(session: Session, column: InstrumentedAttribute[int], number: int) -> list[Printed]:
    """List the prints of whatever a column of theirs names, the first one first."""
    model = column.class_
    rows = session.scalars(
        select(model).where(column == number).order_by(model.nth)
        .options(undefer(model.printed_by))
    )  # fmt: skip
    return [
        Printed(row.nth, row.kind, row.language, row.printed_at, row.printed_by_id, row.printed_by)
        for row in rows
    ]


def prints_before(session: Session, receipt: Receipt) -> list[Printed]:
    """List the prints of a receipt; there are none of one that nobody has seen before."""
    return [] if receipt.first_shown else prints_of(session, receipt.sale.id)


def next_of(prints: Sequence[Printed]) -> int:
    """Tell which print the next one is, from 1 on."""
    return prints[-1].nth + 1 if prints else 1


def note_print(
    session: Session,
    actor: Actor,
    sale_id: int,
    *,
    nth: int,
    kind: PrintKind,
    language: str,
    may_reprint: bool,
) -> None:
    """Count a print before it leaves.

    Args:
        session: The request's.
        actor: Who prints.
        sale_id: Whose receipt it is.
        nth: Which print the preview said it would be.
        kind: How it leaves.
        language: The one it is printed in.
        may_reprint: Whether who prints may make copies.

    Raises:
        NotFound: No such sale in the asker's scope.
        NoReceipt: Its token is not shown.
        PrintedMeanwhile: It would be another print than the preview said.
        NotAllowed: It would be a copy, and who asks may make none.
    """
    assert actor.user_id is not None, "who prints has signed in"
    with atomic(session):
        sale = _locked(session, sale_id)
        if sale.state != SaleState.ISSUED or sale.shown_at is None:
            raise NoReceipt(sale_id=sale_id)
        if nth != next_print(session, sale_id):
            raise PrintedMeanwhile
        if nth > 1 and not may_reprint:
            raise NotAllowed
        session.add(
            ReceiptPrint(
                sale_id=sale_id, vending_point_id=sale.vending_point_id, nth=nth, kind=kind,
                language=language, printed_at=now_utc(), printed_by_id=actor.user_id,
            )
        )  # fmt: skip
        audit.record(
            session, actor, "receipt.printed", "sale", sale_id,
            vending_point_id=sale.vending_point_id, copy=nth - 1, kind=kind.value,
        )  # fmt: skip


def next_print(session: Session, sale_id: int) -> int:
    """Tell which print of a sale the next one is, from 1 on."""
    newest = select(func.max(ReceiptPrint.nth)).where(ReceiptPrint.sale_id == sale_id)
    return (session.scalar(newest) or 0) + 1


def note_not_sent(session: Session, actor: Actor, sale_id: int, *, nth: int, why: str) -> None:
    """Take back the count of a message that surely was not sent."""
    with atomic(session):
        sale = _locked(session, sale_id)
        session.execute(
            delete(ReceiptPrint).where(
                ReceiptPrint.sale_id == sale_id,
                ReceiptPrint.nth == nth,
                ReceiptPrint.kind.in_(SENT_KINDS),
            )
        )
        audit.record(
            session, actor, "receipt.not_sent", "sale", sale_id,
            vending_point_id=sale.vending_point_id, copy=nth - 1, outcome=why,
        )  # fmt: skip


def printed_of(session: Session, sale_ids: Sequence[int]) -> dict[int, int]:
    """Tell which print was the last of each sale; those that were never printed are left out."""
    found = session.execute(
        select(ReceiptPrint.sale_id, func.max(ReceiptPrint.nth).label("nth"))
        .where(ReceiptPrint.sale_id.in_(sale_ids))
        .group_by(ReceiptPrint.sale_id)
    )
    return {row.sale_id: row.nth for row in found}


def _locked(session: Session, sale_id: int) -> Sale:
    sale = session.scalars(
        select(Sale)
        .where(Sale.id == sale_id)
        .with_for_update().execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if sale is None:
        raise NotFound
    return sale

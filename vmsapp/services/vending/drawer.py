"""Whose drawer the money of a sale that is taken back comes from."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, undefer

from vmsapp.errors import N_
from vmsapp.models import LedgerTransfer, Sale, SaleReversal, Shift, ShiftState
from vmsapp.scope import unscoped
from vmsapp.services.approvals.deed import Drawer, Line, Sentence
from vmsapp.services.shifts.state import present

FROM: Final = N_("The money comes from")
NO_DRAWER: Final = N_(
    "No drawer: neither who asks for it nor the seller has an open shift. No shift’s count will"
    " tell of this money."
)
NO_DRAWER_THEN: Final = N_("No drawer: no shift was open.")


def paying_shift(session: Session, sale: Sale, asker_id: int | None) -> int | None:
    """Tell whose shift pays: of who takes the sale back, else the seller's, while it is open.

    None does for what was given without money.
    """
    if sale.is_free:
        return None
    own = present(session, sale.vending_point_id, asker_id)
    if own is not None and own.state == ShiftState.OPEN:
        return own.id
    with unscoped("the seller's shift pays, whoever asks"):
        sellers = session.get(Shift, sale.shift_id or 0, populate_existing=True)
    return sellers.id if sellers is not None and sellers.state == ShiftState.OPEN else None


def drawer_lines(session: Session, sale: Sale, asker_id: int | None) -> Sequence[Line]:
    """Tell the second person whose drawer will pay, and later whose did.

    Args:
        session: Of whoever reads it.
        sale: Which.
        asker_id: Who asked, while the request waits; else None.
    """
    if sale.is_free:
        return ()
    paid = session.execute(
        select(LedgerTransfer.shift_id)
        .join(SaleReversal, SaleReversal.transfer_id == LedgerTransfer.id)
        .where(SaleReversal.sale_id == sale.id)
    ).first()
    if paid is not None:
        return (Line(FROM, _told(session, paid.shift_id, NO_DRAWER_THEN)),)
    if asker_id is None:
        return ()
    shift_id = paying_shift(session, sale, asker_id)
    return (Line(FROM, _told(session, shift_id, NO_DRAWER), passing=True),)


def _told(session: Session, shift_id: int | None, none: str) -> Drawer | Sentence:
    if shift_id is None:
        return Sentence(none)
    with unscoped("the drawer is named to who decides on its money"):
        shift = session.scalars(
            select(Shift)
            .where(Shift.id == shift_id)
            .options(joinedload(Shift.vending_point), undefer(Shift.operator_name))
            .execution_options(populate_existing=True)
        ).one()
    return Drawer(shift.id, shift.operator_name, shift.vending_point.name)

"""Records of tokens: which were made, where, for which meter, by whom.

Digits are told in full only where they may have left already: a list hands no token out.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from vmsapp.models import ChangeState, KeyChange, KeyChangeToken, OfficeUser, Sale, SaleState
from vmsapp.scope import Sight
from vmsapp.services.rows import among

WITH_TOKEN: Final = (SaleState.ISSUED, SaleState.REVERSED)
"""States of sales whose token was made."""

SETS_MADE: Final = (ChangeState.COMPLETED, ChangeState.CONFIRMED, ChangeState.REFUSED)
"""States of key changes whose tokens were made and may have been handed out."""

SETS_TOLD: Final = (ChangeState.COMPLETED, ChangeState.CONFIRMED)
"""Those whose digits are worth something still: no meter took the others."""


def handed_out(sale: Sale) -> bool:
    """Tell whether a sale's digits may be read: they left, and it was not taken back."""
    return sale.state == SaleState.ISSUED and sale.shown_at is not None


def of_point(sight: Sight) -> ColumnElement[bool]:
    """State which key changes belong to the asker's vending point; without one all that are seen.

    A key change names no vending point. It is of the one whose people asked for it, and of any
    that handed it out with a sale.
    """
    if sight.vending_point_id is None:
        return true()
    people, sale = OfficeUser.__table__.c, Sale.__table__.c
    own = select(people.id).where(people.vending_point_id == sight.vending_point_id)
    handed = select(sale.key_change_id).where(
        sale.vending_point_id == sight.vending_point_id, sale.key_change_id.is_not(None)
    )
    return or_(KeyChange.reserved_by_id.in_(own), KeyChange.id.in_(handed))


def sets_of(session: Session, change_ids: Sequence[int]) -> dict[int, list[str]]:
    """Read the digits of key change sets, in the order they are entered, by the change's id."""
    rows = session.execute(
        select(KeyChangeToken.key_change_id, KeyChangeToken.digits)
        .where(among(session, KeyChangeToken.key_change_id, change_ids))
        .order_by(KeyChangeToken.key_change_id, KeyChangeToken.number)
    )
    found: dict[int, list[str]] = {}
    for change_id, text in rows:
        found.setdefault(change_id, []).append(text)
    return found

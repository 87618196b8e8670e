"""Who buys, and who stopped: questions about the places that consumers buy for."""

from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, exists, false, func

from vmsapp.models import Sale, SuppliedPlace
from vmsapp.models.sale import PURCHASES

QUIET_DAYS: Final = 90
"""Days without a purchase after which somebody is looked for, unless others are asked for."""


def bought(first: date | None = None, last: date | None = None) -> ColumnElement[bool]:
    """State for which places their consumers bought something that stands.

    Wherever it was sold: the bare table lies past the scope, and nothing of a sale is told but
    that there is one. The places themselves are scoped.

    Args:
        first: Business date from which on; without it from the beginning.
        last: Business date up to which, included; without it until now.
    """
    if last is None:
        kept = SuppliedPlace.bought_on
        return kept.is_not(None) if first is None else func.coalesce(kept >= first, false())
    sale = Sale.__table__.c
    found = exists().where(
        sale.service_point_id == SuppliedPlace.id,
        sale.consumer_id == SuppliedPlace.consumer_id,
        *PURCHASES,
        sale.business_date <= last,
    )
    return found if first is None else found.where(sale.business_date >= first)

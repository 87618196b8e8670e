"""Which vending keys open key changes need, beside those that meters have."""

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import OPEN_CHANGES, KeyChange, VendingKey

change = KeyChange.__table__.c  # past the scope: a key serves the meters of all regions


def in_open_change(session: Session, key: VendingKey) -> bool:
    """Tell whether a change that is not closed leads from a key, or to it."""
    sides = (
        and_(
            change[f"{which}_sgc"] == key.sgc, change[f"{which}_krn"] == key.krn,
            change[f"{which}_kt"] == key.kt, change[f"{which}_dkga"] == key.dkga,
        )
        for which in ("old", "new")
    )  # fmt: skip
    found = select(change.id).where(
        change.module_id == key.module_id, change.state.in_(OPEN_CHANGES), or_(*sides)
    )
    return session.scalar(found.limit(1)) is not None

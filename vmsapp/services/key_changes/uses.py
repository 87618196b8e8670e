"""Which vending keys open key changes need, beside those that meters have."""

from sqlalchemy import Select, and_, func, or_, select
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
    found = select(change.id).where(change.state.in_(OPEN_CHANGES), or_(*sides)).limit(1)
    return session.scalar(found) is not None


def changed_to(dkga: str) -> Select[str, int, int, int]:
    """Select the keys that meters are being taken to, with how many: SGC, KRN, KT."""
    return (
        select(change.new_sgc, change.new_krn, change.new_kt, func.count())
        .where(change.state.in_(OPEN_CHANGES), change.new_dkga == dkga)
        .group_by(change.new_sgc, change.new_krn, change.new_kt)
    )

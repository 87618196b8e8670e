"""Whether a token was made here: among sales, key changes, and whatever else makes tokens.

Each place is a ``Finder``; one more kind of token is one more function in ``FINDERS``. A finder
looks in the asker's scope, so that what may not be seen is answered as what is not there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    Consumer,
    EngineeringDigits,
    EngineeringToken,
    FindingKind,
    JournalFinding,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    Sale,
    Token,
    VendingPoint,
)

NEAR_LOOKED_AT: Final = 200
"""So many of a meter's newest tokens are compared with mistyped digits."""
SLIPS: Final = 2
"""Digits that may differ for a token to be the one that was meant."""


class Kind(StrEnum):
    """Where a token stands in our books."""

    SALE = "sale"
    KEY_CHANGE = "key_change"
    ENGINEERING = "engineering"
    UNSOLD = "unsold"
    """A module's journal has it, and no sale here does."""


@dataclass(frozen=True, slots=True)
class Made:
    """What our books say of a token.

    Attributes:
        meter_id, drn: The meter it was made for.
        at: When it was made.
        by: Who had it made; empty where nobody knows.
        point: The vending point; empty where there is none.
        consumer: Name and number of who bought it; empty where nobody did.
        state: Of the sale or of the key change; empty of an engineering token, which has digits
            only once it was made.
        demo: Made under a key for demonstration, or with the sample tables: no real meter takes it.
        number, of: Its place in a set of key change tokens.
        charged_minor, currency, exponent: What was paid.
    """

    kind: Kind
    meter_id: int | None
    drn: str
    at: datetime
    by: str = ""
    point: str = ""
    consumer: str = ""
    state: str = ""
    demo: bool = False
    sale_id: int | None = None
    change_id: int | None = None
    number: int = 0
    of: int = 0
    charged_minor: int = 0
    currency: str = ""
    exponent: int = 2


Finder = Callable[[Session, str, Meter | None], Made | None]
"""Looks for digits, among one meter's tokens first or alone."""


def of_sales(session: Session, digits: str, meter: Meter | None) -> Made | None:
    """Look among the credit tokens of sales, this meter's first.

    A sale one may see is seen whole, though its meter or consumer moved out of sight.
    """
    where, buyer, point = Meter.__table__.c, Consumer.__table__.c, VendingPoint.__table__.c
    seller = OfficeUser.__table__.c
    row = session.execute(
        select(
            Token, Sale, where.drn, buyer.name.label("buyer"), buyer.number.label("account"),
            point.name.label("point"), seller.username,
        )
        .join(Sale, Sale.id == Token.sale_id)
        .join(Meter.__table__, where.id == Token.meter_id)
        .join(Consumer.__table__, buyer.id == Sale.consumer_id)
        .join(VendingPoint.__table__, point.id == Sale.vending_point_id)
        .join(OfficeUser.__table__, seller.id == Sale.operator_id)
        .where(Token.digits == digits)
        .order_by(case((Token.meter_id == (meter.id if meter else 0), 0), else_=1), Token.id)
        .limit(1)
    ).first()  # fmt: skip
    if row is None:
        return None
    token, sale = row.Token, row.Sale
    return Made(
        Kind.SALE, token.meter_id, row.drn, sale.sold_at, by=row.username, point=row.point,
        consumer=f"{row.buyer} · {row.account}", state=sale.state,
        demo=token.demo or token.table_set != "production", sale_id=sale.id,
        charged_minor=sale.charged_minor, currency=sale.currency, exponent=sale.exponent,
    )  # fmt: skip


def of_key_changes(session: Session, digits: str, meter: Meter | None) -> Made | None:
    """Look among the meter's key change tokens; a campaign makes too many to search them all."""
    if meter is None:
        return None
    maker = OfficeUser.__table__.c
    row = session.execute(
        select(KeyChangeToken, KeyChange, maker.username)
        .join(KeyChange, KeyChange.id == KeyChangeToken.key_change_id)
        .outerjoin(OfficeUser.__table__, maker.id == KeyChange.reserved_by_id)
        .where(KeyChangeToken.meter_id == meter.id, KeyChangeToken.digits == digits)
        .order_by(KeyChange.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    token, change = row.KeyChangeToken, row.KeyChange
    return Made(
        Kind.KEY_CHANGE, meter.id, meter.drn, token.made_at, by=row.username or "",
        state=change.state, demo=token.demo or change.table_set != "production",
        change_id=change.id, number=token.number, of=change.token_count,
    )  # fmt: skip


def of_engineering(session: Session, digits: str, meter: Meter | None) -> Made | None:
    """Look among the tokens made to manage the meter; a campaign makes too many to search all."""
    if meter is None:
        return None
    maker, point = OfficeUser.__table__.c, VendingPoint.__table__.c
    row = session.execute(
        select(EngineeringDigits, EngineeringToken, maker.username, point.name.label("point"))
        .join(EngineeringToken, EngineeringToken.id == EngineeringDigits.token_id)
        .outerjoin(OfficeUser.__table__, maker.id == EngineeringToken.reserved_by_id)
        .outerjoin(VendingPoint.__table__, point.id == EngineeringToken.vending_point_id)
        .where(EngineeringToken.meter_id == meter.id, EngineeringDigits.digits == digits)
        .limit(1)
    ).first()
    if row is None:
        return None
    digit_row, token = row.EngineeringDigits, row.EngineeringToken
    return Made(
        Kind.ENGINEERING, meter.id, meter.drn, digit_row.made_at, by=row.username or "",
        point=row.point or "", demo=digit_row.demo or token.table_set != "production",
    )  # fmt: skip


FINDERS: Final[tuple[Finder, ...]] = (of_sales, of_key_changes, of_engineering)
"""Every place a token of ours may stand in."""


def find(session: Session, digits: str, meter: Meter | None) -> Made | None:
    """Look for a token in every place; one of the meter asked about comes first."""
    found = [made for finder in FINDERS if (made := finder(session, digits, meter))]
    return next((made for made in found if meter and made.meter_id == meter.id), None) or (
        found[0] if found else None
    )


def unsold(session: Session, meter: Meter, tid: int) -> Made | None:
    """Look among what a module's journal has and no sale does; for who sees everything."""
    finding = session.scalars(
        select(JournalFinding)
        .where(JournalFinding.kind == FindingKind.NOT_SOLD, JournalFinding.tid == tid)
        .where(JournalFinding.meter_pan == meter.meter_pan)
        .limit(1)
    ).first()
    if finding is None:
        return None
    at = finding.made_at or finding.found_at
    return Made(Kind.UNSOLD, meter.id, meter.drn, at)


@dataclass(frozen=True, slots=True)
class Near:
    """A token of the meter from which the digits typed differ by a slip.

    Attributes:
        places: Which of the twenty digits differ, from 1; what they should be is not told.
        at: When that token was made.
        swapped: Two neighbours changed places.
    """

    places: tuple[int, ...]
    at: datetime
    sale_id: int | None
    swapped: bool


def nearest(session: Session, digits: str, meter: Meter) -> Near | None:
    """Find the token of the meter that was most likely meant."""
    sold = session.execute(
        select(Token.digits, Token.made_at, Token.sale_id)
        .where(Token.meter_id == meter.id)
        .order_by(Token.id.desc())
        .limit(NEAR_LOOKED_AT)
    )
    sets = session.execute(
        select(KeyChangeToken.digits, KeyChangeToken.made_at)
        .where(KeyChangeToken.meter_id == meter.id)
        .order_by(KeyChangeToken.key_change_id.desc())
        .limit(NEAR_LOOKED_AT)
    )
    managing = session.execute(
        select(EngineeringDigits.digits, EngineeringDigits.made_at)
        .join(EngineeringToken, EngineeringToken.id == EngineeringDigits.token_id)
        .where(EngineeringToken.meter_id == meter.id)
        .order_by(EngineeringDigits.token_id.desc())
        .limit(NEAR_LOOKED_AT)
    )
    known: list[tuple[str, datetime, int | None]] = [(*row,) for row in sold]
    known += [(token, at, None) for token, at in (*sets, *managing)]
    return _nearest(digits, known)


def _nearest(digits: str, known: Sequence[tuple[str, datetime, int | None]]) -> Near | None:
    best: Near | None = None
    for token, at, sale_id in known:
        places = tuple(
            n for n, (one, other) in enumerate(zip(digits, token, strict=True), 1) if one != other
        )
        if 0 < len(places) <= SLIPS and (best is None or len(places) < len(best.places)):
            best = Near(places, at, sale_id, _swapped(digits, token, places))
    return best


def _swapped(digits: str, token: str, places: tuple[int, ...]) -> bool:
    if len(places) != SLIPS or places[1] != places[0] + 1:
        return False
    first = places[0] - 1
    return digits[first : first + 2] == token[first : first + 2][::-1]

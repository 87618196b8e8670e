"""Receipts: what the customer takes home, made from what the sale stored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import N_, NotFound
from vmsapp.extensions import atomic
from vmsapp.models import (
    ChangeState,
    Consumer,
    FreeToken,
    KeyChange,
    Meter,
    OfficeUser,
    Sale,
    SaleState,
    Setup,
    Token,
    VendingPoint,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.rows import rows_changed
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.give_back import Step, step_of

PRODUCTION_TABLES: Final = "production"

PRINTED: Final = re.compile(r"([0-9]{1,9})-([0-9]{1,9})-([0-9]{6,9})")
"""A receipt number as it is printed; no part of it is beyond what a column holds."""

SETTLED_LATER: Final = timedelta(days=1)
"""How long a sale that was in doubt stays on the counter's list once settled."""

ITS_OWN: Final = "a sale one may see is seen whole, though its meter or consumer moved away"

LISTED: Final = 500
"""The newest of so many are listed."""

LAST: Final = 10
"""So many of an operator's last sales are one key away."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything a receipt shows.

    Attributes:
        digits: The token, ``None`` unless the sale is issued and not taken back.
        key_tokens: The set of key change tokens that goes before it, in its order; only with
            ``digits``.
        set_refused: The meter refused that set, so it does not take this token either.
        marks: Words that must stand on it: ``DEMO``, ``TEST``.
        lines: The calculation's lines, as the price engine wrote them.
        free: Why it was given, of one that cost nothing.
        first_shown: Its digits are shown for the first time now, so nothing was printed yet.
    """

    sale: Sale
    utility: Setup
    point: VendingPoint
    operator: str
    consumer: Consumer
    meter: Meter
    digits: str | None
    key_tokens: tuple[str, ...]
    set_refused: bool
    marks: tuple[str, ...]
    lines: Sequence[dict[str, Any]]
    first_shown: bool = False
    free: FreeToken | None = None

    @property
    def number(self) -> str | None:
        """Receipt number: vending point, series and number."""
        return self.sale.receipt

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens in the order they are entered; the last one is the credit."""
        return () if self.digits is None else (*self.key_tokens, self.digits)

    @property
    def carries_more(self) -> bool:
        """The token's format rounded the units up in the customer's favour."""
        sale = self.sale
        if sale.credit_minor is not None:
            return int(sale.calculation["carried_minor"]) > sale.credit_minor
        return sale.units_carried > sale.units

    def __repr__(self) -> str:
        return f"Receipt(sale={self.sale.id})"


@dataclass(frozen=True, slots=True)
class OpenSale:
    """A line of the lists of sales at the counter: being settled, settled later, sold last."""

    id: int
    drn: str
    consumer: str
    vending_point_id: int
    charged_minor: int
    received_minor: int
    currency: str
    exponent: int
    units: Decimal
    credit_minor: int | None
    sold_at: datetime
    state: str
    sealed: bool
    step: Step
    free: bool = False


def receipt(session: Session, actor: Actor, sale_id: int) -> Receipt:
    """Make the receipt of a sale, and note that its digits are shown.

    Digits leave only once the sale is known to have been shown: a reversal "never
    handed out" must not meet a customer who holds the slip.

    Raises:
        NotFound: No such sale in the asker's scope.
    """
    state_of(session, sale_id)  # whoever may not see the sale goes no further
    sale, operator = _read(session, sale_id)
    first = sale.state == SaleState.ISSUED and sale.shown_at is None
    if first:
        _mark_shown(session, actor, sale)
        sale, operator = _read(session, sale_id)
    handed_out = sale.state == SaleState.ISSUED and sale.shown_at is not None
    return _made(session, sale, operator, shown=handed_out, first=first)


def without_digits(session: Session, sale_id: int) -> Receipt:
    """Make the receipt of a sale for who is not told its digits: they stay as unseen as they are.

    Raises:
        NotFound: No such sale in the asker's scope.
    """
    state_of(session, sale_id)
    sale, operator = _read(session, sale_id)
    return _made(session, sale, operator, shown=False, first=False)


def _made(session: Session, sale: Sale, operator: str, *, shown: bool, first: bool) -> Receipt:
    token, change = sale.token, sale.key_change
    shown = shown and token is not None
    return Receipt(
        sale=sale,
        utility=setup_at(session, sale.sold_at),
        point=sale.vending_point,
        operator=operator,
        consumer=sale.consumer,
        meter=sale.meter,
        digits=token.digits if shown and token else None,
        key_tokens=tuple(each.digits for each in change.tokens) if shown and change else (),
        set_refused=change is not None and change.state == ChangeState.REFUSED,
        marks=_marks(token),
        lines=sale.calculation["lines"],
        first_shown=first,
        free=free_token_of(session, sale),
    )


def numbers_in(text: str) -> tuple[int, int, int] | None:
    """Take a receipt number apart as it is printed; nothing of any other text.

    Returns:
        Vending point's id, series and number.

    >>> numbers_in(" 3-1 - 000042 ")
    (3, 1, 42)
    >>> numbers_in("60072700001")
    """
    printed = PRINTED.fullmatch("".join(text.split()))
    if printed is None:
        return None
    point, series, number = map(int, printed.groups())
    return point, series, number


def has_number(point: int, series: int, number: int) -> ColumnElement[bool]:
    """State which sale has a receipt number."""
    return and_(
        Sale.vending_point_id == point,
        Sale.receipt_series == series,
        Sale.receipt_number == number,
    )


def sale_with_receipt(session: Session, text: str) -> int | None:
    """Find the id of the sale whose receipt number was typed, in the asker's scope."""
    numbers = numbers_in(text)
    if numbers is None:
        return None
    return session.scalar(select(Sale.id).where(has_number(*numbers)))


def free_token_of(session: Session, sale: Sale) -> FreeToken | None:
    """Read why a sale was given without money; nothing of a purchase."""
    if not sale.is_free:
        return None
    with unscoped(ITS_OWN):
        return session.get(FreeToken, sale.id)


def open_sales(session: Session) -> list[OpenSale]:
    """List the sales whose outcome is not known yet, in the asker's scope, newest first."""
    return _listed(session, Sale.state == SaleState.PENDING)


def last_sales(session: Session, actor: Actor) -> list[OpenSale]:
    """List the asker's own last sales, in the asker's scope, newest first."""
    return _listed(session, Sale.operator_id == actor.user_id, by=Sale.id, limit=LAST)


def settled_later(session: Session, now: datetime) -> list[OpenSale]:
    """List the sales that were in doubt and were settled within the last day.

    The customer may be waiting: money to give back, or a token to hand out.
    """
    since = now - SETTLED_LATER
    return _listed(
        session,
        Sale.state != SaleState.PENDING,
        Sale.doubt_at.is_not(None),
        or_(Sale.issued_at > since, Sale.failed_at > since),
    )


def _listed(
    session: Session,
    *where: ColumnElement[bool],
    by: InstrumentedAttribute[Any] = Sale.sold_at,
    limit: int = LISTED,
) -> list[OpenSale]:
    # plain tables, outside the scope: meter and consumer may have moved out of sight
    meter, consumer = Meter.__table__.c, Consumer.__table__.c
    rows = session.execute(
        select(Sale, meter.drn, consumer.name)
        .join(Meter.__table__, meter.id == Sale.meter_id)
        .join(Consumer.__table__, consumer.id == Sale.consumer_id)
        .where(*where)
        .order_by(by.desc())
        .limit(limit)
    ).all()
    return [
        OpenSale(
            id=sale.id,
            drn=drn,
            consumer=name,
            vending_point_id=sale.vending_point_id,
            charged_minor=sale.charged_minor,
            received_minor=sale.received_minor,
            currency=sale.currency,
            exponent=sale.exponent,
            units=sale.units,
            credit_minor=sale.credit_minor,
            sold_at=sale.sold_at,
            state=sale.state,
            sealed=sale.money_given_back,
            step=step_of(sale),
            free=sale.is_free,
        )
        for sale, drn, name in rows
    ]


def state_of(session: Session, sale_id: int) -> str:
    """Tell the state of a sale.

    Raises:
        NotFound: No such sale in the asker's scope.
    """
    state = session.scalar(select(Sale.state).where(Sale.id == sale_id))
    if state is None:
        raise NotFound
    return state


def _read(session: Session, sale_id: int) -> tuple[Sale, str]:
    """Read a sale as it stands now, with all its receipt shows, and its operator's name.

    The name alone: the operator, read again whole, would lose the groups that were read
    at the request's beginning.
    """
    with unscoped(ITS_OWN):
        sale, operator = session.execute(
            select(Sale, OfficeUser.username)
            .join(OfficeUser, OfficeUser.id == Sale.operator_id)
            .where(Sale.id == sale_id)
            .options(
                joinedload(Sale.vending_point),
                joinedload(Sale.consumer).joinedload(Consumer.region),
                joinedload(Sale.meter),
                joinedload(Sale.token),
                joinedload(Sale.key_change).selectinload(KeyChange.tokens),
            )
            .execution_options(populate_existing=True)
        ).one()
    return sale, operator


def _mark_shown(session: Session, actor: Actor, sale: Sale) -> None:
    """Set ``shown_at`` by compare-and-set on issued; whoever loses shows what stands."""
    with atomic(session, durable=True):
        changed = rows_changed(
            session,
            update(Sale)
            .where(Sale.id == sale.id, Sale.state == SaleState.ISSUED, Sale.shown_at.is_(None))
            .values(shown_at=now_utc()),
        )
        if changed:
            audit.record(
                session, actor, "sale.shown", "sale", sale.id,
                vending_point_id=sale.vending_point_id,
            )  # fmt: skip


def _marks(token: Token | None) -> tuple[str, ...]:
    if token is None:
        return ()
    test = (N_("TEST"),) if token.table_set != PRODUCTION_TABLES else ()
    return (*((N_("DEMO"),) if token.demo else ()), *test)

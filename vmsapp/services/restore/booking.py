"""Booking what was sold in a lost interval: a module's journal has the token, nobody the sale.

A person says where it was sold, and what was paid if the tariff would not say so by itself. The
sale is priced as on the day of its token, by the debts that were there when it was made, and
written with the token's own inputs; nothing is made. What was taken back before the restore is
booked and taken back at once.

Source: SALE.md 16 "Restore, promotion, standby".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotAllowed, NotFound, Refused
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedToken, NotExecuted
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import CreditRequest
from vmsapp.models import (
    FindingKind,
    JournalFinding,
    Meter,
    Sale,
    SaleState,
    VendingPoint,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.security import TOKEN_JOURNAL, Permission, sight_of
from vmsapp.security.holders import holders
from vmsapp.services import audit, ledger
from vmsapp.services.restore import standstill
from vmsapp.services.restore.settling import spend
from vmsapp.services.rows import lock
from vmsapp.services.security_modules.journal_check import FindingSettled
from vmsapp.services.security_modules.opening import open_module
from vmsapp.services.setup import installation
from vmsapp.services.users import named
from vmsapp.services.vending import settle
from vmsapp.services.vending.amounts import OnToken
from vmsapp.services.vending.debts import Owed, lock_owed, recover
from vmsapp.services.vending.ground import Ground, check_funds, lock_ground
from vmsapp.services.vending.history import history_of
from vmsapp.services.vending.pricing import Priced, price
from vmsapp.services.vending.request import Purchase, SaleRequest
from vmsapp.services.vending.reserve import count, credits_of, insert_sale, sale_of
from vmsapp.services.vending.reversal import reverse_booked
from vmsapp.sts.amount import decode_units
from vmsapp.sts.credit import CURRENCY
from vmsapp.sts.currency import decode_currency
from vmsapp.sts.fields import AMOUNT_BITS

MAY_BOOK: Final[Permission] = ("can_settle", TOKEN_JOURNAL)
"""Who may say what became of a finding may book it."""


class NotToBook(Refused):
    """Only credit tokens were sold for money."""

    code = "not_to_book"
    message = N_(
        "This is no credit token, or the module does not tell what it was asked for. Settle the"
        " finding in the token journal, with what became of it."
    )


class MeterLost(Refused):
    """The meter was registered in the lost interval, too."""

    code = "meter_lost"
    message = N_("There is no meter %(meter_pan)s here. Register it again, then book its sale.")

    def __init__(self, *, meter_pan: str) -> None:
        super().__init__(meter_pan=meter_pan)


class OtherAmount(InvalidInput):
    """What was paid does not buy what the token carries."""

    code = "other_amount"
    field = "paid"
    message = N_(
        "At the tariff of that day a token for what was paid would carry %(would)s, but this one"
        " carries %(carries)s. Say what stands on the consumer’s receipt, or leave it out to book"
        " the tariff’s price."
    )

    def __init__(self, *, would: object, carries: object) -> None:
        super().__init__(would=would, carries=carries)


class PaidMissing(InvalidInput):
    """A meter that rates itself is sold money, and how much was paid only a person knows."""

    code = "paid_missing"
    field = "paid"
    message = N_("This meter takes money. Say how much was paid.")


class UnknownPoint(NotFound):
    """No vending point of that name."""

    code = "unknown_point"
    message = N_("There is no vending point “%(point)s”.")

    def __init__(self, *, point: str) -> None:
        super().__init__(point=point)


@dataclass(frozen=True, slots=True)
class Booking:
    """What a person says of a token.

    Attributes:
        finding_id: In the token journal.
        vending_point: Name of the point that sold it.
        paid_minor: Money paid, minor units; None for the tariff's price.
        reverse: It was taken back before the restore.
        note: What is known of it.
    """

    finding_id: int
    vending_point: str
    paid_minor: int | None = None
    reverse: bool = False
    note: str = ""


def to_book(session: Session) -> Sequence[JournalFinding]:
    """List what modules made and nobody sold here, as far as nobody settled it, oldest first."""
    return session.scalars(
        select(JournalFinding)
        .where(JournalFinding.kind == FindingKind.NOT_SOLD, JournalFinding.settled_at.is_(None))
        .order_by(JournalFinding.module_id, JournalFinding.number, JournalFinding.id)
        .options(joinedload(JournalFinding.module))
    ).all()


def booker(session: Session, username: str) -> Actor:
    """Find who books; it needs the right to settle the token journal's findings.

    Raises:
        UnknownUser: There is no such user.
        NotAllowed: It is not active, or may not.
    """
    user = named(session, username)
    if user.id not in holders(session, MAY_BOOK):
        raise NotAllowed
    return Actor(user.id, user.username, sight_of(user))


def book(session: Session, registry: Registry, actor: Actor, booking: Booking) -> Sale:
    """Book the sale of a token that a module made, and take it back where it was.

    Broken off between the two, the finding is settled and the sale stands; it is then taken back
    by hand.

    Args:
        session: Within the actor's scope, outside any transaction.
        registry: The security modules.
        actor: Who books.
        booking: What it says.

    Raises:
        NotFound: There is no such finding, or the actor does not see it.
        UnknownPoint: There is no such vending point.
        FindingSettled: Somebody settled it before.
        Standstill: The two histories have not been put together yet.
        VmsError: Of the price engine, or of the rules above; nothing was written.
    """
    standstill.check(session)
    finding = session.get(JournalFinding, booking.finding_id, populate_existing=True)
    if finding is None or finding.kind != FindingKind.NOT_SOLD:
        raise NotFound
    if finding.settled_at is not None:
        raise FindingSettled
    asked, token = _told(session, registry, finding)
    with unscoped("the right to settle the journal is asked for, wherever it was sold"):
        with atomic(session, durable=True):
            sale = _reserve(session, actor, booking, asked)
        session.expunge_all()
        sale = settle.complete(session, actor, settle.read(session, sale.id), token, show=True)
        if booking.reverse and sale.state == SaleState.ISSUED:
            with atomic(session, durable=True):
                reverse_booked(
                    session, actor, sale.id, booking.note, f"booked-{booking.finding_id}"
                )
        return settle.read(session, sale.id)


def asked_for(session: Session, registry: Registry, finding: JournalFinding) -> CreditRequest:
    """Ask a module what it was asked for.

    Raises:
        NotToBook: It was no credit token, or the module does not tell.
        HsmUnavailable, HsmTimeout: It does not answer.
    """
    module = open_module(session, registry, finding.module_id)
    end_reading(session)
    earlier = module.request_of(finding.request_id)
    if earlier is None or earlier.credit is None:
        raise NotToBook
    return earlier.credit


def carried_by(asked: CreditRequest) -> Decimal:
    """Tell what a token carries: units, or the currency's units for a meter that rates itself."""
    if asked.subclass < CURRENCY:
        return decode_units(asked.amount_field)
    return decode_currency(asked.amount_field)


def _told(
    session: Session, registry: Registry, finding: JournalFinding
) -> tuple[CreditRequest, IssuedToken]:
    """Ask the module what it was asked for, and what it made of it."""
    asked = asked_for(session, registry, finding)
    made = open_module(session, registry, finding.module_id).fetch_result(finding.request_id)
    if isinstance(made, NotExecuted):
        raise NotToBook
    return asked, made[0]


def _reserve(session: Session, actor: Actor, booking: Booking, asked: CreditRequest) -> Sale:
    """Write the sale as pending, its money and counters with it, and settle the finding."""
    finding = lock(session, JournalFinding, JournalFinding.id == booking.finding_id)
    if finding.settled_at is not None or finding.made_at is None:
        raise FindingSettled
    point_id = _point(session, booking.vending_point)
    purchase = _purchase(_meter(session, asked), asked, booking.paid_minor)
    key = f"{installation(session).epoch}-booked-{finding.id}"
    request = SaleRequest(point_id, key, purchase, quote_shown={"booked": finding.request_id})
    ground = lock_ground(session, request)
    history = history_of(session, ground.setup, ground.point, finding.made_at)
    owed = _owed_then(session, ground, finding.made_at)
    priced = price(session, ground.setup, ground.meter, history, purchase, owed)
    _check_amount(priced.on_token, asked)
    check_funds(ground, priced)
    sale = _as_asked(actor, request, ground, priced, asked, finding)
    spend(session, sale.meter_pan, sale.base_date, sale.tid, sale.request_id)
    insert_sale(session, sale)
    count(session, sale, priced)
    recover(session, sale, priced.taken)
    ledger.reserve(session, sale, ground.account, credits_of(ground.meter, priced))
    finding.settled_at, finding.settled_by_id = now_utc(), actor.user_id
    finding.note, finding.sale_id = booking.note, sale.id
    audit.record(
        session, actor, "sale.booked", "sale", sale.id, vending_point_id=point_id,
        finding_id=finding.id, request_id=sale.request_id, tid=sale.tid,
        charged_minor=sale.charged_minor, units=str(sale.units), note=booking.note,
        taken_back=booking.reverse,
    )  # fmt: skip
    session.flush()
    return sale


def _owed_then(session: Session, ground: Ground, made_at: datetime) -> Sequence[Owed]:
    """Lock what the consumer owes still of the debts that were there when the token was made."""
    owed = lock_owed(session, ground.point.consumer_id) if ground.owes else ()
    return [debt for debt in owed if debt.entered_at <= made_at]


def _as_asked(
    actor: Actor,
    request: SaleRequest,
    ground: Ground,
    priced: Priced,
    asked: CreditRequest,
    finding: JournalFinding,
) -> Sale:
    """Make the row with the inputs that the module had, whatever the meter's key is now."""
    assert finding.made_at is not None, "the journal has its time"
    sale = sale_of(
        actor, request, ground, priced, finding.made_at, asked.table_set, asked.request_id, None,
        asked.tid,
    )  # fmt: skip
    meter, key = asked.meter, asked.meter.key
    sale.sgc, sale.krn, sale.kt, sale.dkga = key.sgc, key.krn, key.kt, key.dkga
    sale.ti, sale.base_date, sale.ken = meter.ti, meter.base_date.value, meter.ken
    sale.ea, sale.tct = meter.ea, meter.tct
    sale.module_id, sale.key_change_id = finding.module_id, None
    attempt = asked.request_id.rpartition("-")[2]
    sale.attempt = int(attempt) if attempt.isascii() and attempt.isdigit() else 1
    if not sale.in_money:
        sale.rnd = asked.rnd
    return sale


def _point(session: Session, name: str) -> int:
    point_id = session.scalar(select(VendingPoint.id).where(VendingPoint.name == name))
    if point_id is None:
        raise UnknownPoint(point=name)
    return point_id


def _meter(session: Session, asked: CreditRequest) -> Meter:
    meter = session.scalars(select(Meter).where(Meter.meter_pan == asked.meter.meter_pan)).first()
    if meter is None:
        raise MeterLost(meter_pan=asked.meter.meter_pan)
    return meter


def _purchase(meter: Meter, asked: CreditRequest, paid_minor: int | None) -> Purchase:
    """Say what was bought: for what was paid, or what the token carries."""
    if paid_minor is not None:
        return Purchase(meter.id, "amount", tender_minor=paid_minor)
    if asked.subclass >= CURRENCY:
        raise PaidMissing
    return Purchase(meter.id, "quantity", units=decode_units(asked.amount_field))


def _check_amount(would: OnToken, asked: CreditRequest) -> None:
    """Refuse a price under which the token would have carried something else."""
    fields = (would.subclass, would.high << AMOUNT_BITS | would.low)
    if fields != (asked.subclass, asked.amount_field):
        raise OtherAmount(would=would.carried, carries=carried_by(asked))

"""What a sale stands on: its meter, service point, key, module and the money's account.

Rows that are to change are locked here, in the one order there is: service point, head
of token identifiers, vending point account. (The receipt counter comes last, when the
sale is completed.) Everything that forbids a sale to a meter is refused here.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BindParameter, Row, Select, bindparam, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.models import (
    Meter,
    MeterState,
    Sale,
    SaleState,
    ServicePoint,
    Setup,
    Shift,
    TidHead,
    VendingKey,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.money import Money
from vmsapp.scope import unscoped
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.services.key_changes.in_force import KeyInForce, key_in_force, told_by
from vmsapp.services.rows import lock_keyed, lock_or_insert, run
from vmsapp.services.security_modules import module_and_key
from vmsapp.services.setup import NotSetUp
from vmsapp.services.vending.errors import (
    InsufficientFunds,
    MeterBlocked,
    MeterNotInUse,
    MeterWithoutConsumer,
    NoSuchMeter,
    NoVendingPoint,
    SaleUnderway,
    VendingPointClosed,
)
from vmsapp.services.vending.pricing import Priced
from vmsapp.services.vending.reading import (
    all_locks,
    before_locks,
    point_and_account,
    under_locks,
)
from vmsapp.services.vending.request import SaleRequest
from vmsapp.services.vending.tids import begin_head, lock_head
from vmsapp.statements import made_once

REPEAT_WINDOW: Final = timedelta(minutes=2)
"""How long a sale just like another asks for a second yes."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a sale stands on, locked where it is to change.

    Attributes:
        moment: When all locks were held: the time of the sale.
        module_id: Of the module that serves the meter's algorithm.
        setup: In force at the moment.
        open_sale_id: The meter's pending sale, unless its money was given back.
        newest_sale: When the newest sale was made, wherever, but for those forgiven.
        licensed_until: The licence's last day; ``None`` in the open edition.
        shift: The operator's at the vending point.
        owes: The consumer has debts that are not recovered yet.
        sold_lately: Something was sold to the meter within ``REPEAT_WINDOW``.
    """

    moment: datetime
    meter: Meter
    in_force: KeyInForce
    point: ServicePoint
    head: TidHead
    account: VendingPointAccount
    module_id: int
    key: VendingKey
    setup: Setup
    open_sale_id: int | None
    newest_sale: datetime | None
    licensed_until: date | None
    shift: Shift | None
    owes: bool
    sold_lately: bool


Before = Row[*tuple[Any, ...]]
"""What ``reading.before_locks`` reads."""


def look(session: Session, request: SaleRequest) -> Before:
    """Read which rows a sale must lock, and the epoch.

    Raises:
        NotSetUp: The instance was never initialised.
    """
    which = {"vending_point_id": request.vending_point_id, "meter_id": request.purchase.meter_id}
    # by select, not by get: what the session holds already may not be in scope
    before = run(session, before_locks(), which).one_or_none()
    if before is None:
        raise NotSetUp
    return before


def lock_ground(
    session: Session,
    request: SaleRequest,
    before: Before | None = None,
    operator_id: int | None = None,
) -> Ground:
    """Lock what the sale stands on, in the one order there is, and read it under the locks.

    Args:
        session: Inside the sale's transaction.
        request: What is bought, where.
        before: What ``look`` has read.
        operator_id: Whose shift it belongs to.

    Raises:
        VmsError: It cannot be sold there, or to this meter.
    """
    before = before or look(session, request)
    if before.name is None:
        raise NoVendingPoint
    if before.closed_at is not None:
        raise VendingPointClosed(name=before.name)
    if before.drn is None:
        raise NoSuchMeter
    if before.service_point_id is None:
        raise MeterWithoutConsumer(drn=before.drn)
    if before.base_date is None:
        raise _without_key(session, request.purchase.meter_id)
    point, head, account = _locked(session, request, before)
    moment = now_utc()  # the locks are held: from here on this is the time of the sale
    now = {
        "meter_id": request.purchase.meter_id, "moment": moment, "since": moment - REPEAT_WINDOW,
        "consumer_id": point.consumer_id, "vending_point_id": request.vending_point_id,
        "operator_id": operator_id,
    }  # fmt: skip
    found = session.execute(under_locks(), now).one()
    meter, key, setup, shift = found[:4]
    if setup is None:
        raise NotSetUp
    if found.service_point_id != point.id or point.consumer_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    in_force = told_by(meter, found)
    if key is None or key.base_date != head.base_date:  # another key came before the locks did
        raise KeyChangeUnderway(drn=meter.drn, meter_id=meter.id)
    return Ground(
        moment=moment,
        meter=meter,
        in_force=in_force,
        point=point,
        head=head,
        account=account,
        module_id=found.module_id,
        key=key,
        setup=setup,
        open_sale_id=found.open_sale_id,
        newest_sale=found.newest_sale,
        licensed_until=found.licensed_until,
        shift=shift,
        owes=found.owes,
        sold_lately=found.sold_lately,
    )


def _locked(
    session: Session, request: SaleRequest, before: Before
) -> tuple[ServicePoint, TidHead, VendingPointAccount]:
    """Lock the three rows; whichever is not there yet is begun when its turn has come."""
    which = {
        "service_point_id": before.service_point_id, "meter_pan": before.meter_pan,
        "base_date": before.base_date, "vending_point_id": request.vending_point_id,
    }  # fmt: skip
    if not before.has_head:
        lock_keyed(session, ServicePoint, id=before.service_point_id)
        begin_head(session, before.meter_pan, before.base_date)
    rows = session.execute(all_locks(), which).one_or_none()
    if rows is None:  # the first sale at the vending point
        lock_keyed(session, ServicePoint, id=before.service_point_id)
        lock_head(session, before.meter_pan, before.base_date)
        lock_account(session, request.vending_point_id)
        rows = session.execute(all_locks(), which).one()
    return rows[0], rows[1], rows[2]


def _without_key(session: Session, meter_id: int) -> VmsError:
    """Find out why there is no key for a meter's tokens."""
    meter = session.scalars(select(Meter).where(Meter.id == meter_id)).one()
    try:
        in_force = key_in_force(session, meter)
        module_and_key(
            session, in_force.algorithm, sgc=in_force.sgc, krn=in_force.krn, kt=in_force.kt
        )
    except VmsError as error:
        return error
    return KeyChangeUnderway(drn=meter.drn, meter_id=meter.id)


def lock_account(session: Session, vending_point_id: int) -> VendingPointAccount:
    """Lock a vending point's account, opening it if it is the first sale there."""
    return lock_or_insert(
        session, VendingPointAccount, {"vending_point_id": vending_point_id}, limited=False,
        balance_minor=0, pending_minor=0, credit_limit_minor=0,
    )  # fmt: skip


def lock_to_settle(session: Session, sale: Sale) -> VendingPointAccount:
    """Lock the service point and the account of a sale, in this order."""
    which = {"service_point_id": sale.service_point_id, "vending_point_id": sale.vending_point_id}
    return session.execute(point_and_account(), which).one()[1]


def hold_sales(session: Session) -> None:
    """Let no sale begin until the end: for changes of what a sale reads once it has its lock."""
    with unscoped("what all vending points sell by is changed"):
        for point_id in session.scalars(select(VendingPoint.id).order_by(VendingPoint.id)).all():
            lock_account(session, point_id)


def check_meter(ground: Ground) -> None:
    """Refuse meters that are not to be sold to, or have a sale open.

    Raises:
        MeterBlocked, MeterNotInUse, SaleUnderway: Each with its sentence.
    """
    meter = ground.meter
    if meter.state == MeterState.BLOCKED:
        raise MeterBlocked(drn=meter.drn, reason=meter.blocked_reason)
    if meter.state != MeterState.ACTIVE:
        raise MeterNotInUse(drn=meter.drn, state=meter.state)
    if ground.open_sale_id is not None:
        raise SaleUnderway(sale_id=ground.open_sale_id)


def open_sale_of(session: Session, meter_pan: str) -> int | None:
    """Tell the id of a meter's pending sale, unless its money was given back."""
    return session.scalar(_open_sale(), {"pan": meter_pan})


def check_funds(ground: Ground, priced: Priced) -> None:
    """Refuse what the vending point's float does not cover.

    Raises:
        InsufficientFunds: With what is left and what is needed.
    """
    account, charged = ground.account, priced.quote.charged_minor
    if account.limited and account.available_minor < charged:
        raise InsufficientFunds(
            available=Money(account.available_minor, priced.currency.code),
            needed=Money(charged, priced.currency.code),
        )


@made_once
def _open_sale() -> Select[int]:
    table = Sale.__table__.c
    pan: BindParameter[str] = bindparam("pan")
    return (
        select(table.id)
        .where(table.state == SaleState.PENDING, table.sealed_at.is_(None))
        .where(table.meter_pan == pan)
        .limit(1)
    )

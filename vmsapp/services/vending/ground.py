"""What a sale stands on: its meter, service point, key, module and the money's account.

Rows that are to change are locked here, in the one order there is: service point, head
of token identifiers, vending point account. (The receipt counter comes last, when the
sale is completed.) Everything that forbids a sale to a meter is refused here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import (
    Meter,
    MeterInstallation,
    MeterState,
    Sale,
    SaleState,
    SecurityModule,
    ServicePoint,
    Setup,
    TidHead,
    VendingKey,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.money import Money
from vmsapp.scope import unscoped
from vmsapp.services.key_changes.in_force import KeyInForce, key_in_force
from vmsapp.services.rows import lock_keyed, lock_or_insert
from vmsapp.services.security_modules import module_and_key
from vmsapp.services.setup import setup_at
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
from vmsapp.services.vending.request import SaleRequest
from vmsapp.services.vending.tids import lock_head


@dataclass(frozen=True, slots=True)
class Ground:
    """The rows a sale stands on, locked where they are to change."""

    meter: Meter
    in_force: KeyInForce
    point: ServicePoint
    head: TidHead
    account: VendingPointAccount
    module: SecurityModule
    key: VendingKey
    setup: Setup


def lock_ground(session: Session, request: SaleRequest) -> Ground:
    """Fetch what the sale stands on; locks are taken in the one order there is."""
    # by select, not by get: what the session holds already may not be in scope
    point_of_sale = session.execute(
        _point_of_sale(), {"point_id": request.vending_point_id}
    ).one_or_none()
    if point_of_sale is None:
        raise NoVendingPoint
    if point_of_sale.closed_at is not None:
        raise VendingPointClosed(name=point_of_sale.name)
    meter, point_id = _meter_and_point(session, request.purchase.meter_id)
    point = lock_keyed(session, ServicePoint, id=point_id)
    in_force = key_in_force(session, meter)  # under the lock: from here on it stays
    if _point_of(session, meter) != point.id or point.consumer_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    module, key = module_and_key(
        session, in_force.algorithm, sgc=in_force.sgc, krn=in_force.krn, kt=in_force.kt
    )
    head = lock_head(session, meter.meter_pan, key.base_date)
    return Ground(
        meter=meter,
        in_force=in_force,
        point=point,
        head=head,
        account=lock_account(session, request.vending_point_id),
        module=module,
        key=key,
        setup=setup_at(session, now_utc()),
    )


def lock_account(session: Session, vending_point_id: int) -> VendingPointAccount:
    """Lock a vending point's account, opening it if it is the first sale there."""
    return lock_or_insert(
        session, VendingPointAccount, {"vending_point_id": vending_point_id}, limited=False,
        balance_minor=0, pending_minor=0, credit_limit_minor=0,
    )  # fmt: skip


def hold_sales(session: Session) -> None:
    """Let no sale begin until the end: for changes of what a sale reads once it has its lock."""
    with unscoped("what all vending points sell by is changed"):
        for point_id in session.scalars(select(VendingPoint.id).order_by(VendingPoint.id)).all():
            lock_account(session, point_id)


def _meter_and_point(session: Session, meter_id: int) -> tuple[Meter, int]:
    """Fetch a meter and the id of the service point it hangs at, before either is locked."""
    found = session.execute(_hanging(), {"meter_id": meter_id}).first()
    if found is None:
        raise NoSuchMeter
    meter, point_id = found
    if point_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    return meter, point_id


def _point_of(session: Session, meter: Meter) -> int:
    point_id = session.scalar(_place(), {"meter_id": meter.id})
    if point_id is None:
        raise MeterWithoutConsumer(drn=meter.drn)
    return point_id


def check_meter(session: Session, meter: Meter) -> None:
    """Refuse meters that are not to be sold to, or have a sale open.

    Raises:
        MeterBlocked, MeterNotInUse, SaleUnderway: Each with its sentence.
    """
    if meter.state == MeterState.BLOCKED:
        raise MeterBlocked(drn=meter.drn, reason=meter.blocked_reason)
    if meter.state != MeterState.ACTIVE:
        raise MeterNotInUse(drn=meter.drn, state=meter.state)
    pending = open_sale_of(session, meter.meter_pan)
    if pending is not None:
        raise SaleUnderway(sale_id=pending)


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


# Statements are made once: that takes longer than to run them.


@cache
def _point_of_sale() -> Select[*tuple[Any, ...]]:
    point_id: BindParameter[int] = bindparam("point_id")
    return select(VendingPoint.name, VendingPoint.closed_at).where(VendingPoint.id == point_id)


@cache
def _hanging() -> Select[Meter, int]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    hangs = (MeterInstallation.meter_id == Meter.id) & MeterInstallation.removed_at.is_(None)
    return (
        select(Meter, MeterInstallation.service_point_id)
        .outerjoin(MeterInstallation, hangs)
        .where(Meter.id == meter_id)
    )


@cache
def _place() -> Select[int]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    return select(MeterInstallation.service_point_id).where(
        MeterInstallation.meter_id == meter_id, MeterInstallation.removed_at.is_(None)
    )


@cache
def _open_sale() -> Select[int]:
    table = Sale.__table__.c
    pan: BindParameter[str] = bindparam("pan")
    return (
        select(table.id)
        .where(table.state == SaleState.PENDING, table.sealed_at.is_(None))
        .where(table.meter_pan == pan)
        .limit(1)
    )

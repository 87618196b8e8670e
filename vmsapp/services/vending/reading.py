"""The statements by which a sale reads what it stands on, before its locks and under them.

Few, because a statement costs the same whatever it reads; and made once, because to make one
takes longer than to run it.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    select,
)

from vmsapp.models import (
    Installation,
    Meter,
    MeterInstallation,
    Sale,
    SaleState,
    ServicePoint,
    Setup,
    Shift,
    SmAlgorithm,
    TidHead,
    VendingKey,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.services.key_changes.in_force import OF_CHANGE, with_key
from vmsapp.services.licence.standing import valid_until
from vmsapp.services.setup import in_force_at
from vmsapp.services.vending.debts import is_owed_by
from vmsapp.services.vending.tids import newest_sold_at
from vmsapp.statements import made_once

sale = Sale.__table__.c  # past the scope: a meter has one open sale, wherever it is made

HANGS: Final = (MeterInstallation.meter_id == Meter.id) & MeterInstallation.removed_at.is_(None)
"""Joins to a ``Meter`` where it hangs now."""


@made_once
def before_locks() -> Select[*tuple[Any, ...]]:
    """Read what tells which rows are to be locked; all of it may be missing but the epoch.

    Its values: ``vending_point_id``, ``meter_id``.
    """
    meter_id: BindParameter[int] = bindparam("meter_id")
    point_id: BindParameter[int] = bindparam("vending_point_id")
    return (
        with_key(
            select(
                Installation.epoch, VendingPoint.name, VendingPoint.closed_at, Meter.drn,
                Meter.meter_pan, MeterInstallation.service_point_id, VendingKey.base_date,
                TidHead.floor.is_not(None).label("has_head"),
            )
            .select_from(Installation)
            .outerjoin(VendingPoint, VendingPoint.id == point_id)
            .outerjoin(Meter, Meter.id == meter_id)
            .outerjoin(MeterInstallation, HANGS)
        )
        .outerjoin(
            TidHead,
            (TidHead.meter_pan == Meter.meter_pan) & (TidHead.base_date == VendingKey.base_date),
        )
        .where(Installation.id == 1)
    )  # fmt: skip


@made_once
def all_locks() -> Select[ServicePoint, TidHead, VendingPointAccount]:
    """Lock the three rows, in the order in which they are named.

    Its values: ``service_point_id``, ``meter_pan``, ``base_date``, ``vending_point_id``.
    """
    account = VendingPointAccount
    head = (TidHead.meter_pan == bindparam("meter_pan")) & (
        TidHead.base_date == bindparam("base_date")
    )
    return (
        select(ServicePoint, TidHead, account)
        .select_from(ServicePoint)
        .join(TidHead, head)
        .join(account, account.vending_point_id == bindparam("vending_point_id"))
        .where(ServicePoint.id == bindparam("service_point_id"))
        .with_for_update(of=[ServicePoint, TidHead, account])
        .execution_options(populate_existing=True)
    )


@made_once
def point_and_account() -> Select[int, VendingPointAccount]:
    """Lock the two rows that completing a sale changes, in the order in which they are named.

    Its values: ``service_point_id``, ``vending_point_id``.
    """
    account = VendingPointAccount
    return (
        select(ServicePoint.id, account)
        .select_from(ServicePoint)
        .join(account, account.vending_point_id == bindparam("vending_point_id"))
        .where(ServicePoint.id == bindparam("service_point_id"))
        .with_for_update(of=[ServicePoint, account])
        .execution_options(populate_existing=True)
    )


@made_once
def under_locks() -> Select[*tuple[Any, ...]]:
    """Read what the locks keep as it is, the meter with its place, key and open sale.

    Its values: ``meter_id``, ``vending_point_id``, ``operator_id``, ``consumer_id``,
    ``moment``, ``since``.
    """
    moment: BindParameter[datetime] = bindparam("moment")
    columns = with_key(
        select(
            Meter, VendingKey, Setup, Shift,
            MeterInstallation.service_point_id,
            SmAlgorithm.module_id,
            *OF_CHANGE,
            _open_sale().label("open_sale_id"),
            newest_sold_at().label("newest_sale"),
            valid_until().label("licensed_until"),
            is_owed_by(bindparam("consumer_id")).label("owes"),
            _sold_since(bindparam("since")).label("sold_lately"),
        )
        .select_from(Meter)
        .outerjoin(MeterInstallation, HANGS)
    )  # fmt: skip
    own_shift = and_(
        Shift.vending_point_id == bindparam("vending_point_id"),
        Shift.operator_id == bindparam("operator_id"),
        Shift.closed_at.is_(None),
    )
    return (
        columns.outerjoin(Setup, Setup.id == in_force_at(moment))
        .outerjoin(Shift, own_shift)
        .where(Meter.id == bindparam("meter_id"))
        .execution_options(populate_existing=True)
    )


def _open_sale() -> ScalarSelect[int]:
    """Select the pending sale of the ``Meter`` a statement reads, but for a sealed one."""
    return (
        select(sale.id)
        .where(sale.state == SaleState.PENDING, sale.sealed_at.is_(None))
        .where(sale.meter_pan == Meter.meter_pan)
        .limit(1)
        .correlate(Meter)
        .scalar_subquery()
    )


def _sold_since(since: BindParameter[datetime]) -> ColumnElement[bool]:
    """State that something was sold to the ``Meter`` a statement reads, wherever."""
    return (
        exists()
        .where(sale.meter_id == Meter.id, sale.sold_at > since)
        .where(sale.state != SaleState.FAILED)
        .correlate(Meter)
    )

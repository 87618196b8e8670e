"""First phase of a sale: claim the key, lock, price again, write every input down.

One transaction. After it the money has a record; the token is asked for from what is
written here, and from nothing else.
"""

import secrets
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.orm import Session

from vmsapp import metrics
from vmsapp.clock import business_day, local_hour
from vmsapp.extensions import after_commit, connection_of
from vmsapp.models import (
    AccountKind,
    Counter,
    FeePayment,
    Meter,
    Sale,
    SaleAttempt,
    SaleKind,
    SaleState,
)
from vmsapp.scope import Actor
from vmsapp.services import audit, ledger
from vmsapp.services.licence.standing import check_day
from vmsapp.services.rows import add_up, insert_at_once, inserting, run
from vmsapp.services.shifts.state import shift_for_sale
from vmsapp.services.vending.debts import lock_owed, recover
from vmsapp.services.vending.errors import (
    FormOutdated,
    IdempotencyConflict,
    LooksRepeated,
    QuoteChanged,
)
from vmsapp.services.vending.ground import (
    REPEAT_WINDOW,
    Ground,
    check_funds,
    check_meter,
    lock_ground,
    look,
)
from vmsapp.services.vending.history import history_of
from vmsapp.services.vending.limits import check_tokens_of_the_day
from vmsapp.services.vending.pricing import Priced, price
from vmsapp.services.vending.request import SaleRequest
from vmsapp.services.vending.tids import MeterKey, check_newest, spend_tid
from vmsapp.statements import made_once
from vmsapp.tariffs.engine import LineKind
from vmsapp.tariffs.plan import FeePeriod

RND_BITS: Final = 4


def new_request_id() -> str:
    """Make the id of a sale's first request to its module."""
    return f"S-{secrets.token_hex(12)}-1"


def find_replay(session: Session, request: SaleRequest) -> Sale | None:
    """Find the sale this key made before.

    Raises:
        IdempotencyConflict: The key was used for something else.
    """
    form = {"point_id": request.vending_point_id, "key": request.key}
    made = run(session, _made_before(), form).first()
    if made is None:
        return None
    if made.body_hash != request.body_hash():
        raise IdempotencyConflict(sale_id=made.id)
    fresh = select(Sale).where(Sale.id == made.id).execution_options(populate_existing=True)
    return session.scalars(fresh).one()


@made_once
def _made_before() -> Select[int, str]:
    point_id: BindParameter[int] = bindparam("point_id")
    key: BindParameter[str] = bindparam("key")
    return select(Sale.id, Sale.body_hash).where(
        Sale.vending_point_id == point_id, Sale.idempotency_key == key
    )


def reserve(
    session: Session,
    actor: Actor,
    request: SaleRequest,
    *,
    table_set: str,
    grace_days: int,
    request_id: str,
) -> Sale:
    """Write a pending sale, inside the caller's transaction.

    Args:
        session: Inside a durable transaction.
        actor: Who sells.
        request: What is bought.
        table_set: Name of the STA tables in use.
        grace_days: Days for which is sold after the licence's last.
        request_id: Under which the module will be asked.

    Raises:
        VmsError: One of the rules of ``vending.errors``, of the licence or of the price engine.
    """
    before = look(session, request)
    if request.epoch != before.epoch:
        raise FormOutdated
    ground = lock_ground(session, request, before, actor.user_id)
    moment = ground.moment
    check_meter(ground)
    latest = check_newest(moment, ground.newest_sale)
    check_day(ground.licensed_until, business_day(latest, ground.setup.time_zone), grace_days)
    shift_id = shift_for_sale(ground.shift, ground.setup, moment) if request.into_drawer else None
    history = history_of(session, ground.setup, ground.point, moment)
    check_tokens_of_the_day(session, ground.setup, ground.meter, history.today)
    owed = lock_owed(session, ground.point.consumer_id) if ground.owes else ()
    priced = price(session, ground.setup, ground.meter, history, request.purchase, owed)
    if priced.quote.figures() != request.quote_shown:
        raise QuoteChanged(priced.quote)
    if ground.sold_lately and not request.repeat_confirmed:
        _ask_about_repeat(session, actor, request, moment)
    check_funds(ground, priced)
    sale = write_sale(
        session, actor, request, ground, priced, moment, table_set, request_id, shift_id
    )
    count(session, sale, priced)
    recover(session, sale, priced.taken)
    ledger.reserve(session, sale, ground.account, credits_of(ground.meter, priced))
    audit.record(
        session, actor, "sale.reserved", "sale", sale.id,
        at_once=True, vending_point_id=sale.vending_point_id, meter_pan=sale.meter_pan,
        charged_minor=sale.charged_minor, units=str(sale.units), tid=sale.tid,
        request_id=sale.request_id,
    )  # fmt: skip
    return sale


def _ask_about_repeat(
    session: Session, actor: Actor, request: SaleRequest, moment: datetime
) -> None:
    """Ask before selling the same to the same meter twice in two minutes.

    Raises:
        LooksRepeated: Names the first sale.
    """
    purchase = request.purchase
    like_it = {
        "meter_id": purchase.meter_id, "operator_id": actor.user_id, "mode": purchase.mode,
        "since": moment - REPEAT_WINDOW,
    }  # fmt: skip
    recent = run(session, _sales_like_it(), like_it).all()
    for sale in recent:  # what was asked for is compared: a banknote may be larger
        asked = (
            sale.calculation["received_minor"] == purchase.tender_minor
            if purchase.mode == "amount"
            else sale.units == purchase.units
        )
        if asked:
            raise LooksRepeated(sale_id=sale.id, state=sale.state)


@made_once
def _sales_like_it() -> Select[*tuple[Any, ...]]:
    meter_id: BindParameter[int] = bindparam("meter_id")
    operator_id: BindParameter[int] = bindparam("operator_id")
    mode: BindParameter[str] = bindparam("mode")
    since: BindParameter[datetime] = bindparam("since")
    return (
        select(Sale.id, Sale.state, Sale.units, Sale.calculation)
        .where(Sale.meter_id == meter_id, Sale.operator_id == operator_id)
        .where(Sale.mode == mode, Sale.kind == SaleKind.SALE)
        .where(Sale.sold_at > since, Sale.state != SaleState.FAILED)
        .order_by(Sale.id.desc())
    )


def write_sale(
    session: Session,
    actor: Actor,
    request: SaleRequest,
    ground: Ground,
    priced: Priced,
    moment: datetime,
    table_set: str,
    request_id: str,
    shift_id: int | None,
    kind: SaleKind = SaleKind.SALE,
) -> Sale:
    """Write the sale with every input of its token, and spend the identifier."""
    tid = spend_tid(
        session, ground.head, MeterKey.of_meter(ground.meter, ground.key), moment=moment,
        request_id=request_id,
    )  # fmt: skip
    sale = sale_of(
        actor, request, ground, priced, moment, table_set, request_id, shift_id, tid, kind
    )
    insert_sale(session, sale)
    return sale


def insert_sale(session: Session, sale: Sale) -> None:
    """Write a sale, and that its module is asked."""
    insert_at_once(session, sale)
    asked = SaleAttempt(
        request_id=sale.request_id, sale_id=sale.id, module_id=sale.module_id, tid=sale.tid,
        asked_at=sale.sold_at,
    )  # fmt: skip
    insert_at_once(session, asked)
    after_commit(session, partial(metrics.count_sale, SaleState.PENDING.value))


def sale_of(
    actor: Actor,
    request: SaleRequest,
    ground: Ground,
    priced: Priced,
    moment: datetime,
    table_set: str,
    request_id: str,
    shift_id: int | None,
    tid: int,
    kind: SaleKind = SaleKind.SALE,
) -> Sale:
    """Make the row of a sale with every input of its token; it is not written yet."""
    meter, key = ground.meter, ground.key
    in_force = ground.in_force
    token = priced.on_token
    assert actor.user_id is not None, "a sale has an operator"
    assert ground.point.consumer_id is not None, "checked under the lock"
    return Sale(
        vending_point_id=request.vending_point_id,
        idempotency_key=request.key,
        body_hash=request.body_hash(),
        epoch=request.epoch,
        kind=kind,
        state=SaleState.PENDING,
        operator_id=actor.user_id,
        shift_id=shift_id,
        consumer_id=ground.point.consumer_id,
        service_point_id=ground.point.id,
        meter_id=meter.id,
        meter_pan=meter.meter_pan,
        sgc=in_force.sgc,
        krn=in_force.krn,
        kt=in_force.kt,
        ti=in_force.ti,
        base_date=key.base_date,
        ken=key.ken,
        dkga=key.dkga,
        ea=meter.ea,
        tct=meter.tct,
        table_set=table_set,
        subclass=token.subclass,
        tid=tid,
        rnd=token.high if priced.in_money else secrets.randbits(RND_BITS),
        amount_field=token.low,
        request_id=request_id,
        attempt=1,
        module_id=ground.module_id,
        key_change_id=in_force.change_id,
        plan_id=priced.plan.id,
        mode=request.purchase.mode,
        currency=priced.currency.code,
        exponent=priced.currency.exponent,
        received_minor=priced.received_minor,
        charged_minor=priced.charged_minor,
        change_minor=priced.change_minor,
        units=token.sold,
        units_carried=token.carried,
        credit_minor=token.credit_minor,
        bought_before=priced.bought_before,
        bought_after=priced.bought_after,
        counter_period=priced.business_date,
        calculation=priced.calculation,
        sold_at=moment,
        business_date=priced.business_date,
        local_hour=local_hour(moment, ground.setup.time_zone),
    )


def count(session: Session, sale: Sale, priced: Priced) -> None:
    """Add to the counter and mark the fees as paid, at the point and periods stored."""
    day = {"service_point_id": sale.service_point_id, "period_start": sale.counter_period}
    add_up(session, Counter, day, units=sale.counted_units, charged_minor=sale.charged_minor)
    paid = [
        {
            "service_point_id": sale.service_point_id,
            "fee_period": fee.period.value,
            "period_start": fee.start,
            "sale_id": sale.id,
        }
        for fee in priced.quote.fees
        if fee.period is not FeePeriod.SALE
    ]
    if paid:
        connection_of(session).execute(inserting(FeePayment), paid)


ACCOUNTS: Final = {
    LineKind.FEE_ARREARS: AccountKind.FEE_ARREARS,
    LineKind.FEE: AccountKind.FEE,
    LineKind.PENALTY: AccountKind.PENALTY,
    LineKind.DEBT: AccountKind.DEBT,
    LineKind.TAX: AccountKind.TAX,
    LineKind.LEVY: AccountKind.TAX,
    LineKind.ROUNDING: AccountKind.ROUNDING,
}


def credits_of(meter: Meter, priced: Priced) -> dict[ledger.AccountName, int]:
    """Tell which accounts the charged money belongs to, in minor units."""
    totals: dict[ledger.AccountName, int] = {}
    for line in priced.quote.lines:
        name = (
            (AccountKind.ENERGY, meter.meter_type)
            if line.kind in {LineKind.ENERGY, LineKind.CREDIT}
            else (ACCOUNTS[line.kind], line.name or "")
        )
        totals[name] = totals.get(name, 0) + line.amount_minor
    return totals

"""Selling a credit token: reserve, issue, complete.

Three phases, because a payment must be on record before a token is asked for, and no
lock may be held while a security module thinks. A retry of the same form finds the
sale it made before; the worker settles what was left open.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from vmsapp import logs, metrics
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import Meter, Sale, ServicePoint, Setup, TariffPlan
from vmsapp.scope import Actor
from vmsapp.services.broken_off import TRIES, is_weather
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.services.licence.standing import GRACE_DAYS
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.debts import owed_by
from vmsapp.services.vending.errors import Busy, OutcomeUnknown, SaleUnderway
from vmsapp.services.vending.history import History, history_of
from vmsapp.services.vending.issue import check_module_ready, issue
from vmsapp.services.vending.pricing import Priced, price
from vmsapp.services.vending.request import Purchase, SaleRequest, new_key
from vmsapp.services.vending.reserve import find_replay, new_request_id, reserve
from vmsapp.services.vending.settle import snapshot

__all__ = ["Purchase", "SaleRequest", "new_key", "quote", "sell"]

UNDERWAY_WAIT_S: Final = 5.0
"""How long a sale to a meter waits for another, or for a key change, to settle."""

UNDERWAY_POLL_S: Final = 0.1


def quote(
    session: Session,
    meter: Meter,
    point: ServicePoint,
    purchase: Purchase,
    moment: datetime,
    *,
    setup: Setup | None = None,
    history: History | None = None,
    plans: Sequence[TariffPlan] = (),
) -> Priced:
    """Price a purchase for the screen; it is priced again when it is sold.

    Whoever has read the settings of ``moment``, the point's history or the tariff's plans hands
    them in.
    """
    setup = setup or setup_at(session, moment)
    history = history or history_of(session, setup, point, moment)
    owed = owed_by(session, point.consumer_id)
    return price(session, setup, meter, history, purchase, owed=owed, plans=plans)


def sell(
    session: Session,
    registry: Registry,
    actor: Actor,
    request: SaleRequest,
    *,
    table_set: str = "production",
    grace_days: int = GRACE_DAYS,
    show: bool = True,
) -> Sale:
    """Sell one credit token.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: Who sells; the scope is taken on already.
        request: What is bought, with the form's key.
        table_set: Name of the STA tables in use.
        grace_days: Days for which is sold after the licence's last.
        show: Whoever asks hands the digits out now.

    Returns:
        The sale: issued with its token, failed with its reason, or pending when its
        outcome is not known yet. A replayed key gives the sale it made before.

    Raises:
        VmsError: Nothing was written; the error says why.
    """
    sale, replayed = _reserve(session, registry, actor, request, table_set, grace_days)
    if replayed:
        return sale
    with logs.about_sale(sale.id):
        try:
            return issue(session, registry, actor, sale, show=show)
        except DBAPIError as error:
            stands = _after_broken_commit(session, request, error)
            if stands is None:
                raise
            return stands


def _reserve(
    session: Session,
    registry: Registry,
    actor: Actor,
    request: SaleRequest,
    table_set: str,
    grace_days: int,
) -> tuple[Sale, bool]:
    """Reserve, waiting for a sale under way and trying again what was broken off.

    Returns:
        The sale, and whether an earlier request with the same key had made it.
    """
    deadline = time.monotonic() + UNDERWAY_WAIT_S
    request_id, tries = new_request_id(), 0
    while True:
        replayed = find_replay(session, request)
        if replayed is not None:
            end_reading(session)
            return snapshot(session, replayed), True
        try:
            check_module_ready(session, registry, request.purchase.meter_id)
            with metrics.phase("reserve"), atomic(session, durable=True):
                sale = reserve(
                    session, actor, request, table_set=table_set, grace_days=grace_days,
                    request_id=request_id,
                )  # fmt: skip
                return sale, False
        except (SaleUnderway, KeyChangeUnderway):
            if time.monotonic() > deadline:
                raise
            time.sleep(UNDERWAY_POLL_S)
        except VmsError:
            if _replayed(session, request) is None:
                raise
        except DBAPIError as error:
            mine = _after_broken_commit(session, request, error)
            if mine is not None:  # or another's who sent the same form at the same time
                return mine, mine.request_id != request_id
            tries = _count_try(tries, error)


def _replayed(session: Session, request: SaleRequest) -> Sale | None:
    sale = find_replay(session, request)
    end_reading(session)
    return sale and snapshot(session, sale)


def _count_try(tries: int, error: DBAPIError) -> int:
    """Allow one more try, or say that the system is busy.

    Raises:
        Busy: The database broke it off too often.
        IntegrityError: A constraint refuses each time: our own mistake.
    """
    if tries + 1 < TRIES:
        return tries + 1
    if isinstance(error, IntegrityError):
        raise error
    raise Busy from error


def _after_broken_commit(session: Session, request: SaleRequest, error: DBAPIError) -> Sale | None:
    """Find out what stands of a sale whose transaction broke.

    Returns:
        The sale as it stands; ``None`` if it was surely not written and may be tried again.

    Raises:
        OutcomeUnknown: The database cannot be asked just now.
        DBAPIError: Our own mistake, not the database's weather.
    """
    if isinstance(error, IntegrityError):
        return None  # the same key came twice at once; the next look finds it
    if not is_weather(error):
        raise error
    try:
        session.rollback()  # one that only read goes on in the transaction that broke, otherwise
        return _replayed(session, request)
    except DBAPIError:
        raise OutcomeUnknown from error

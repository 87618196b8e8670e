"""An approved free token made: the approval commits first, then the module is asked.

What would make it fail is looked for before anybody approves anything: a silent module, an
ended licence, a sale under way. What dies in between is left to the worker, as every sale.
"""

import logging
import time
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import end_reading
from vmsapp.models import ApprovalRequest, Meter, Sale
from vmsapp.scope import SYSTEM, Actor, seen_by, unscoped
from vmsapp.services.approvals.deed import Means
from vmsapp.services.free_tokens.reserve import Gift
from vmsapp.services.licence.standing import check_vending
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.errors import SaleUnderway
from vmsapp.services.vending.ground import open_sale_of
from vmsapp.services.vending.issue import check_module_ready, issue
from vmsapp.services.vending.settle import snapshot
from vmsapp.services.vending.tids import check_clock

log = logging.getLogger(__name__)

UNDERWAY_WAIT_S: Final = 5.0
"""How long an approval waits for a sale to the same meter to settle."""

UNDERWAY_POLL_S: Final = 0.1


def make(session: Session, means: Means, actor: Actor, request: ApprovalRequest) -> Sale | None:
    """Ask for the token of what was just approved; the digits are shown to whoever opens it.

    Returns:
        The sale: issued, failed, or pending while nobody knows.
    """
    with seen_by(SYSTEM):  # whose ground it stands on was checked when it was reserved
        sale = sale_of(session, request.vending_point_id, request.key)
        if sale is None:
            return None
        sale = snapshot(session, sale)
        end_reading(session)
        try:
            return issue(session, means.registry, actor, sale, show=False)
        except (VmsError, DBAPIError) as error:
            session.rollback()
            log.warning("sale %s: left to the worker (%s)", sale.id, type(error).__name__)
            return sale


def check_ready(session: Session, means: Means, gift: Gift) -> None:
    """Refuse to approve while the token must fail.

    Raises:
        LicenceEnded, ClockBehind, ModuleClockDiffers, HsmUnavailable, SaleUnderway.
    """
    moment, meter_id = now_utc(), gift.meter_id
    zone = setup_at(session, moment).time_zone
    check_vending(session, check_clock(session, moment), zone, means.grace_days)
    end_reading(session)
    check_module_ready(session, means.registry, meter_id)
    deadline = time.monotonic() + UNDERWAY_WAIT_S
    while (pending := _underway(session, meter_id)) is not None:
        if time.monotonic() > deadline:
            raise SaleUnderway(sale_id=pending)
        time.sleep(UNDERWAY_POLL_S)


def sale_of(session: Session, vending_point_id: int | None, key: str) -> Sale | None:
    """Find the sale that an approved request made, in the asker's scope."""
    return session.scalars(
        select(Sale)
        .where(Sale.vending_point_id == vending_point_id, Sale.idempotency_key == key)
        .execution_options(populate_existing=True)
    ).first()


def _underway(session: Session, meter_id: int) -> int | None:
    with unscoped("who approves may not see the meter; a pending token holds it up all the same"):
        meter = session.get(Meter, meter_id)
    pending = None if meter is None else open_sale_of(session, meter.meter_pan)
    end_reading(session)
    return pending

"""An approved free token made: the approval commits first, then the module is asked.

What would make it fail is looked for before anybody approves anything: a silent module, an
ended licence, a sale under way. What dies in between is left to the worker, as every sale.
"""

import logging
import time
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import end_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import ApprovalRequest, ApprovalState, Meter, Sale
from vmsapp.scope import SYSTEM, Actor, seen_by, unscoped
from vmsapp.services.approvals import deciding, requests
from vmsapp.services.free_tokens.deed import GIVE, sale_of
from vmsapp.services.licence.standing import GRACE_DAYS, check_vending
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


def approve(
    session: Session,
    registry: Registry,
    actor: Actor,
    request_id: int,
    shown_hash: str,
    *,
    grace_days: int = GRACE_DAYS,
) -> tuple[ApprovalRequest, Sale | None]:
    """Approve a request; where it gives a free token, have that made.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: The second person.
        request_id: Which request, of whichever deed.
        shown_hash: The hash on the page that was read.
        grace_days: Days for which tokens are made after the licence's last.

    Returns:
        The request, and the sale of a free token: issued, failed, or pending while nobody
        knows. None of another deed, or where it could not be done.

    Raises:
        VmsError: As ``deciding.approve`` does; and nothing was decided where no token could
            be made just now.
    """
    request = requests.read(session, request_id)
    gives = request.action == GIVE.action
    if gives and request.state == ApprovalState.PENDING:
        _check_ready(session, registry, request.params["meter_id"], grace_days)
    done = deciding.approve(session, actor, request_id, shown_hash)
    if not gives or done.state != ApprovalState.APPROVED:
        return done, None
    sale = _make(session, registry, actor, done)
    return requests.read(session, request_id), sale


def _make(
    session: Session, registry: Registry, actor: Actor, request: ApprovalRequest
) -> Sale | None:
    """Ask for the token of what was just approved; the digits are shown to whoever opens it."""
    with seen_by(SYSTEM):  # whose ground it stands on was checked when it was reserved
        sale = sale_of(session, request.vending_point_id, request.key)
        if sale is None:
            return None
        sale = snapshot(session, sale)
        end_reading(session)
        try:
            return issue(session, registry, actor, sale, show=False)
        except (VmsError, DBAPIError) as error:
            session.rollback()
            log.warning("sale %s: left to the worker (%s)", sale.id, type(error).__name__)
            return sale


def _check_ready(session: Session, registry: Registry, meter_id: int, grace_days: int) -> None:
    """Refuse to approve while the token must fail.

    Raises:
        LicenceEnded, ClockBehind, ModuleClockDiffers, HsmUnavailable, SaleUnderway.
    """
    moment = now_utc()
    zone = setup_at(session, moment).time_zone
    check_vending(session, check_clock(session, moment), zone, grace_days)
    end_reading(session)
    check_module_ready(session, registry, meter_id)
    deadline = time.monotonic() + UNDERWAY_WAIT_S
    while (pending := _underway(session, meter_id)) is not None:
        if time.monotonic() > deadline:
            raise SaleUnderway(sale_id=pending)
        time.sleep(UNDERWAY_POLL_S)


def _underway(session: Session, meter_id: int) -> int | None:
    with unscoped("who approves may not see the meter; a pending token holds it up all the same"):
        meter = session.get(Meter, meter_id)
    pending = None if meter is None else session.scalar(open_sale_of(meter.meter_pan))
    end_reading(session)
    return pending

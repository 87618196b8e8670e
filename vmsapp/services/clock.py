"""Accepting that the clock had been wrong.

A clock behind the newest sale, and a meter whose token identifiers run ahead of the
clock, stop selling. An administrator who knows why may accept it; what he accepted is
named and kept, and counts no more.
"""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import ClockAcceptance, Meter, Sale, TidHead
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.vending.errors import UnknownMeter


class ReasonMissing(InvalidInput):
    """Whoever accepts a wrong clock says why."""

    code = "reason_missing"
    message = N_("Say why the clock was wrong.")
    field = "reason"


class NothingToAccept(InvalidInput):
    """There is no sale yet, or the meter has no token identifier yet."""

    code = "nothing_to_accept"
    message = N_("There is nothing to accept.")


def accept_newest_sale(session: Session, actor: Actor, reason: str) -> None:
    """Forgive all sales made so far: the clock is compared with later ones only."""
    with atomic(session), unscoped("the clock is one for all vending points"):
        newest = session.scalar(select(func.max(Sale.id)))
        if newest is None:
            raise NothingToAccept
        _accept(session, actor, reason, newest_sale_id=newest)


def accept_meter(session: Session, actor: Actor, number: str, reason: str) -> None:
    """Forgive one meter's token identifiers: selling goes on from where they are."""
    with atomic(session):
        meter = session.scalars(select(Meter).where(Meter.drn == number)).first()
        if meter is None:
            raise UnknownMeter(number=number)
        heads = session.scalars(
            select(TidHead).where(
                TidHead.meter_pan == meter.meter_pan, TidHead.last_tid.is_not(None)
            )
        ).all()
        if not heads:
            raise NothingToAccept
        for head in heads:
            _accept(
                session, actor, reason, meter_pan=head.meter_pan, base_date=head.base_date,
                last_tid=head.last_tid,
            )  # fmt: skip


def _accept(session: Session, actor: Actor, reason: str, **what: Any) -> None:  # noqa: ANN401
    reason = reason.strip()
    if not reason:
        raise ReasonMissing
    session.add(
        ClockAcceptance(
            accepted_at=now_utc(), accepted_by_id=actor.user_id, reason=reason[:255], **what
        )
    )
    audit.record(session, actor, "clock.accepted", "clock", None, reason=reason, **what)

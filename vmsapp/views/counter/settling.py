"""A sale being settled, as the counter tells it: what can be done now, and who asked for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flask import url_for
from flask_babel import gettext

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.i18n import _, moment_text
from vmsapp.models import ApprovalRequest, ApprovalState, Sale, SaleState
from vmsapp.services.approvals.outcomes import said_again
from vmsapp.services.approvals.rules import asks
from vmsapp.services.receipts import OpenSale
from vmsapp.services.vending.give_back import (
    GIVE_BACK,
    GiveBack,
    Step,
    request_for,
    second_needed,
    step_of,
    waiting_for,
)
from vmsapp.views.approvals.deeds import request_url
from vmsapp.views.base import actor, sentence, session, zone

ENDED: Final = {
    ApprovalState.PENDING: N_(
        "%(asker)s asked on %(asked_at)s to give the money back. A second person must approve it;"
        " the request waits until %(until)s."
    ),
    ApprovalState.APPROVED: N_(
        "%(asker)s asked on %(asked_at)s to give the money back; %(decider)s approved it on"
        " %(decided_at)s."
    ),
    ApprovalState.REFUSED: N_(
        "%(asker)s asked on %(asked_at)s to give the money back; %(decider)s refused it on"
        " %(decided_at)s: %(reason)s"
    ),
    ApprovalState.WITHDRAWN: N_(
        "%(asker)s asked on %(asked_at)s to give the money back, and withdrew it on %(decided_at)s."
    ),
    ApprovalState.EXPIRED: N_(
        "%(asker)s asked on %(asked_at)s to give the money back; nobody decided on it by %(until)s."
    ),
    ApprovalState.FAILED: N_(
        "%(asker)s asked on %(asked_at)s to give the money back; %(decider)s approved it on"
        " %(decided_at)s, but it could not be done: %(reason)s"
    ),
}
"""What became of a request to give money back."""

STEPS: Final = {
    (True, False): N_("Give the money back, if the customer cannot wait."),
    (True, True): N_("Ask a second person, if the customer cannot wait."),
    (False, False): N_("A supervisor may give the money back."),
    (False, True): N_("A supervisor may give the money back once a second person approves it."),
}
"""What can be done about a sale in doubt: by who may give money back, and by two."""

FREE_STEPS: Final = {
    True: N_("Give this token up, if the meter must be sold to."),
    False: N_("A supervisor may give this token up."),
}
"""The same of a token for which no money was taken."""

GIVEN: Final = {
    False: N_("Nothing: the money was given back."),
    True: N_("Nothing: the token was given up."),
}
"""What is said where it was done: by whether no money was taken."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What a sale's page tells of its money.

    Attributes:
        possible: The money may be given back now, by who may do that.
        offered: By who looks.
        second: A second person must approve it.
        request: What became of the newest request, and where it is read.
        waits: That request still waits.
    """

    step: Step
    possible: bool = False
    offered: bool = False
    second: bool = False
    request: str | None = None
    request_url: str | None = None
    waits: bool = False


def settling(sale: Sale, *, may: bool) -> Settling:
    """Tell what can be done about a sale's money: nothing unless it was in doubt, or is sold.

    Args:
        sale: As it stands.
        may: Whether who looks may give money back.
    """
    step = step_of(sale)
    if sale.doubt_at is None or sale.state == SaleState.ISSUED:
        return Settling(step)
    asked = request_for(session(), sale)
    waits = asked is not None and asked.state_at(now_utc()) == ApprovalState.PENDING
    possible = step == Step.POSSIBLE and not waits
    params = GiveBack(sale.id, sale.received_minor)
    return Settling(
        step=step,
        possible=possible,
        offered=possible and may,
        second=possible and asks(session(), actor(), GIVE_BACK, params),
        request=_told(asked) if asked else None,
        request_url=request_url(asked.id) if asked else None,
        waits=waits,
    )


def goes_back(sale: Sale) -> str:
    """Say of the money of a sale of which nothing came that it is the customer's."""
    if sale.state != SaleState.FAILED or sale.is_free:
        return ""
    if sale.sealed_at is not None:
        return str(_("It was given back to the customer."))
    return str(_("It goes back to the customer."))


def request_link(sale: Sale) -> tuple[str, str] | None:
    """Lead from a sale's record to the newest request about its money."""
    asked = request_for(session(), sale) if sale.doubt_at is not None else None
    url = request_url(asked.id) if asked else None
    return (_("Request to give the money back"), url) if url else None


def _told(asked: ApprovalRequest) -> str:
    def at(moment: datetime | None) -> str:
        return moment_text(moment, zone()) if moment else ""

    reason = asked.reason
    if asked.outcome:
        reason = sentence(said_again(asked.outcome))
    return str(
        gettext(
            ENDED[asked.state_at(now_utc())],
            asker=asked.asked_by, asked_at=at(asked.made_at), until=at(asked.expires_at),
            decider=asked.decided_by or "", decided_at=at(asked.decided_at), reason=reason,
        )
    )  # fmt: skip


def next_steps(sales: Sequence[OpenSale], *, may: bool) -> Mapping[int, tuple[str, str | None]]:
    """Say of each sale being settled what can be done now, and where.

    Args:
        sales: Those that are being settled.
        may: Whether who looks may give money back.
    """
    waiting = waiting_for(session(), [sale.id for sale in sales]) if sales else {}
    second = second_needed(session(), actor(), sales) if sales else set()

    def said(sale: OpenSale) -> tuple[str, str | None]:
        if sale.step == Step.GIVEN:
            return gettext(GIVEN[sale.free]), None
        if sale.step == Step.NOT_YET:
            return _("Wait: the system is settling it."), None
        if sale.id in waiting:
            return _("Wait for the second person."), request_url(waiting[sale.id])
        here = url_for("Counter.sale", sale_id=sale.id, _anchor="money") if may else None
        step = FREE_STEPS[may] if sale.free else STEPS[may, sale.id in second]
        return gettext(step), here

    return {sale.id: said(sale) for sale in sales}

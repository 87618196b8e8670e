"""Fixed fees that are due at a service point, whoever buys there next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from vmsapp.models import ServicePoint, Setup
from vmsapp.services.tariffs import plans_between, terms_of
from vmsapp.services.tariffs.reading import NoPlanInForce
from vmsapp.services.vending.history import History, history_of
from vmsapp.services.vending.pricing import standing_of
from vmsapp.tariffs.engine import FeeDue
from vmsapp.tariffs.plan import FeePeriod


@dataclass(frozen=True, slots=True)
class Dues:
    """Fees due, minor units: those of this period, and those missed before."""

    current_minor: int
    missed_minor: int

    @classmethod
    def of(cls, fees: Sequence[FeeDue]) -> "Dues":
        """Add fees up; the fee of a sale itself is due with it alone."""
        due = [fee for fee in fees if fee.period is not FeePeriod.SALE]
        missed = sum(fee.amount_minor for fee in due if fee.missed)
        return cls(sum(fee.amount_minor for fee in due) - missed, missed)


def dues_of(session: Session, setup: Setup, tariff_id: int | None, history: History) -> Dues:
    """Add up the fees that a purchase would be charged; none without a plan in force."""
    if tariff_id is None:
        return Dues(0, 0)
    try:
        plans = plans_between(session, tariff_id, history.attached_on, history.today)
    except NoPlanInForce:
        return Dues(0, 0)
    return Dues.of(standing_of(plans, setup, terms_of(plans[-1], setup), history).fees_due)


def missed_at(
    session: Session, setup: Setup, tariff_id: int | None, point: ServicePoint, moment: datetime
) -> int:
    """Add up the missed fees of a service point at a moment, minor units."""
    return dues_of(
        session, setup, tariff_id, history_of(session, setup, point, moment)
    ).missed_minor

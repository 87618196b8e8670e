"""Which meters have an engineering token that is being made."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import EngineeringState, EngineeringToken

token = EngineeringToken.__table__.c  # past the scope: a meter has one key, whoever asks


def being_made(session: Session, meter_pans: Iterable[str]) -> set[str]:
    """Tell for which of these meters a token is being made, by their MeterPANs."""
    return set(session.scalars(
        select(token.meter_pan)
        .where(token.state == EngineeringState.RESERVED, token.meter_pan.in_(list(meter_pans)))
    ))  # fmt: skip

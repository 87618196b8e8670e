"""Which meters have an engineering token that is being made."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.models import EngineeringState, EngineeringToken

token = EngineeringToken.__table__.c  # past the scope: a meter has one key, whoever asks


def being_made(session: Session, meter_pans: Iterable[str]) -> str | None:
    """Find one of these meters for which a token is being made: its MeterPAN."""
    return session.scalar(
        select(token.meter_pan)
        .where(token.state == EngineeringState.RESERVED, token.meter_pan.in_(list(meter_pans)))
        .limit(1)
    )

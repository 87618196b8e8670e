"""What an engineering token's page and slip tell; its digits leave only once that is noted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.extensions import atomic
from vmsapp.models import (
    ChangeState,
    Consumer,
    EngineeringDigits,
    EngineeringState,
    EngineeringToken,
    KeyChange,
    Meter,
    MeterInstallation,
    ServicePoint,
)
from vmsapp.scope import Actor
from vmsapp.services.engineering.errors import NoSuchToken
from vmsapp.services.engineering.reserve import note
from vmsapp.services.engineering.rows import LostRace, compare_and_set, read
from vmsapp.services.receipts import PRODUCTION_TABLES


@dataclass(frozen=True, slots=True)
class Shown:
    """An engineering token as it is shown.

    Attributes:
        consumer: Who has the meter now, as far as the asker sees it.
        digits: None unless it is issued and the asker may see them.
        key_tokens: The set that goes before it; only with ``digits``.
        set_refused: The meter refused that set, so it does not take this token either.
        marks: Words that must stand on it: ``DEMO``, ``TEST``.
    """

    token: EngineeringToken
    consumer: Consumer | None
    digits: str | None
    key_tokens: tuple[str, ...]
    set_refused: bool
    marks: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Shown(token={self.token.id})"


def shown(session: Session, actor: Actor, token_id: int, *, digits: bool) -> Shown:
    """Show a token, and note it where its digits are.

    Args:
        session: In the asker's scope, outside any transaction but one that only read.
        actor: Who asks.
        token_id: Which token.
        digits: The asker may see them.

    Raises:
        NoSuchToken: There is none, or it is out of sight.
    """
    token = _read(session, token_id)
    if digits and token.state == EngineeringState.ISSUED and token.shown_at is None:
        _mark_shown(session, actor, token_id)
        token = _read(session, token_id)
    made = session.get(EngineeringDigits, token_id)
    leaves = digits and made is not None and token.shown_at is not None
    change = token.key_change
    test = (N_("TEST"),) if token.table_set != PRODUCTION_TABLES else ()
    return Shown(
        token=token,
        consumer=consumer_of(session, token.meter_id),
        digits=made.digits if leaves and made else None,
        key_tokens=tuple(one.digits for one in change.tokens) if leaves and change else (),
        set_refused=change is not None and change.state == ChangeState.REFUSED,
        marks=(*((N_("DEMO"),) if made and made.demo else ()), *test),
    )


def consumer_of(session: Session, meter_id: int) -> Consumer | None:
    """Find who has a meter now, in the asker's scope."""
    return session.scalars(
        select(Consumer)
        .join(ServicePoint, ServicePoint.consumer_id == Consumer.id)
        .join(MeterInstallation, MeterInstallation.service_point_id == ServicePoint.id)
        .where(MeterInstallation.meter_id == meter_id, MeterInstallation.removed_at.is_(None))
    ).first()


def last_of(session: Session, meter_id: int, count: int) -> Sequence[EngineeringToken]:
    """List the newest engineering tokens of a meter, in the asker's scope."""
    return session.scalars(
        select(EngineeringToken)
        .where(EngineeringToken.meter_id == meter_id)
        .options(undefer(EngineeringToken.reserved_by))
        .order_by(EngineeringToken.id.desc())
        .limit(count)
    ).all()


def _read(session: Session, token_id: int) -> EngineeringToken:
    token = session.scalars(
        select(EngineeringToken)
        .where(EngineeringToken.id == token_id)
        .options(
            joinedload(EngineeringToken.meter).joinedload(Meter.region),
            joinedload(EngineeringToken.vending_point),
            joinedload(EngineeringToken.key_change).selectinload(KeyChange.tokens),
            undefer(EngineeringToken.reserved_by),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()
    if token is None:
        raise NoSuchToken
    return token


def _mark_shown(session: Session, actor: Actor, token_id: int) -> None:
    """Note that digits are about to be shown; whoever else did it first was as good."""
    try:
        with atomic(session):
            token = read(session, token_id)
            compare_and_set(session, token, EngineeringToken.shown_at.is_(None), shown_at=now_utc())
            note(session, actor, "shown", token)
    except LostRace:
        pass

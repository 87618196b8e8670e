"""Working on findings: taking them on, writing about them, saying what was behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import (
    REVENUE_MOVES,
    RevenueFinding,
    RevenueNote,
    RevenueOutcome,
    RevenueState,
)
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.revenue_protection.errors import (
    AboutYourself,
    FindingOver,
    FoundAgain,
    NotDecided,
    NoteMissing,
    NotTaken,
    OutcomeUnfit,
)
from vmsapp.services.revenue_protection.looking import About
from vmsapp.services.revenue_protection.rules import RULES

LONGEST: Final = 255
"""Characters of a note."""

_OF_METERS: Final = (
    RevenueOutcome.TAMPERING, RevenueOutcome.FAULTY, RevenueOutcome.VACANT, RevenueOutcome.MOVED,
    RevenueOutcome.EXPLAINED, RevenueOutcome.FALSE_ALARM,
)  # fmt: skip
_OF_PEOPLE: Final = (
    RevenueOutcome.MISUSE, RevenueOutcome.EXPLAINED, RevenueOutcome.FALSE_ALARM
)  # fmt: skip

OUTCOMES: Final[Mapping[About, Sequence[RevenueOutcome]]] = {
    About.METER: _OF_METERS,
    About.OPERATOR: _OF_PEOPLE,
    About.POINT: _OF_PEOPLE,
    About.SALE: _OF_PEOPLE,
}
"""What may be behind a finding, by what it is about."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is written about a finding.

    Attributes:
        text: 1 to 255 characters.
        visit_on: Day of the field visit; ``None`` leaves it as it is.
    """

    text: str
    visit_on: date | None = None


def take(session: Session, actor: Actor, finding_id: int) -> RevenueFinding:
    """Make a finding the actor's own to look at; from whoever had it.

    Raises:
        NotFound: There is none, as far as the actor sees.
        AboutYourself: It is about the actor.
        FindingOver: It was decided, or is no longer true.
    """
    with atomic(session):
        row = _under_way(session, actor, finding_id)
        if row.state == RevenueState.TAKEN and row.assigned_id == actor.user_id:
            return row
        before = row.assigned_id
        if row.state != RevenueState.TAKEN:
            _move(row, RevenueState.TAKEN)
        row.assigned_id = actor.user_id
        _note(session, actor, row, "taken")
        audit.record(session, actor, "revenue_finding.taken", "revenue_finding", row.id,
                     rule=row.rule, taken_from=before)  # fmt: skip
        return row


def leave(session: Session, actor: Actor, finding_id: int) -> RevenueFinding:
    """Give a finding up, for others to take; what is no longer true is over with that.

    Raises:
        NotFound: There is none, as far as the actor sees.
        AboutYourself: It is about the actor.
        NotTaken: Nobody works on it.
    """
    with atomic(session):
        row = _locked(session, actor, finding_id)
        if row.state != RevenueState.TAKEN:
            raise NotTaken
        _move(row, RevenueState.OPEN)
        row.assigned_id = None
        if row.ceased_at is not None:
            _move(row, RevenueState.CEASED)
            row.live = False
        _note(session, actor, row, "left")
        audit.record(session, actor, "revenue_finding.left", "revenue_finding", row.id,
                     rule=row.rule)  # fmt: skip
        return row


def note(session: Session, actor: Actor, finding_id: int, said: Said) -> RevenueFinding:
    """Write about a finding, and when somebody goes there.

    Raises:
        NotFound: There is none, as far as the actor sees.
        AboutYourself: It is about the actor.
        FindingOver: It was decided, or is no longer true.
        NoteMissing: Nothing was written.
    """
    with atomic(session):
        row = _under_way(session, actor, finding_id)
        _say(session, actor, row, "noted", said)
        audit.record(session, actor, "revenue_finding.noted", "revenue_finding", row.id,
                     rule=row.rule, visit_on=_iso(row.visit_on))  # fmt: skip
        return row


def decide(
    session: Session, actor: Actor, finding_id: int, outcome: str, said: Said
) -> RevenueFinding:
    """Say what was behind a finding.

    Raises:
        NotFound: There is none, as far as the actor sees.
        AboutYourself: It is about the actor.
        FindingOver: It was decided, or is no longer true.
        OutcomeUnfit: There is no such outcome of such a finding.
        NoteMissing: Nothing was written.
    """
    with atomic(session):
        row = _under_way(session, actor, finding_id)
        if outcome not in outcomes_of(row):
            raise OutcomeUnfit
        _move(row, RevenueState.DECIDED)
        row.outcome, row.decided_at, row.decided_by_id = outcome, now_utc(), actor.user_id
        row.live = row.ceased_at is None
        _say(session, actor, row, "decided", said)
        audit.record(session, actor, "revenue_finding.decided", "revenue_finding", row.id,
                     rule=row.rule, outcome=outcome, visit_on=_iso(row.visit_on))  # fmt: skip
        return row


def reopen(session: Session, actor: Actor, finding_id: int) -> RevenueFinding:
    """Take a decision back, and the finding on.

    Raises:
        NotFound: There is none, as far as the actor sees.
        AboutYourself: It is about the actor.
        NotDecided: There is no decision.
        FoundAgain: There is a newer one of its rule and subject.
    """
    with atomic(session):
        row = _locked(session, actor, finding_id)
        if row.state != RevenueState.DECIDED:
            raise NotDecided
        newer = session.scalar(
            select(RevenueFinding.id)
            .where(RevenueFinding.rule == row.rule, RevenueFinding.subject == row.subject)
            .where(RevenueFinding.live, RevenueFinding.id != row.id)
        )
        if newer is not None:
            raise FoundAgain(id=newer)
        before = row.outcome
        _move(row, RevenueState.TAKEN)
        row.outcome = row.decided_at = row.decided_by_id = None
        row.assigned_id, row.live = actor.user_id, True
        _note(session, actor, row, "reopened")
        audit.record(session, actor, "revenue_finding.reopened", "revenue_finding", row.id,
                     rule=row.rule, outcome=before)  # fmt: skip
        return row


def outcomes_of(row: RevenueFinding) -> Sequence[RevenueOutcome]:
    """List what may be behind a finding."""
    rule = RULES.get(row.rule)
    about = rule.about if rule else About.METER if row.meter_id is not None else About.OPERATOR
    return OUTCOMES[about]


def _under_way(session: Session, actor: Actor, finding_id: int) -> RevenueFinding:
    row = _locked(session, actor, finding_id)
    if row.state not in {RevenueState.OPEN, RevenueState.TAKEN}:
        raise FindingOver
    return row


def _locked(session: Session, actor: Actor, finding_id: int) -> RevenueFinding:
    row = session.scalars(
        select(RevenueFinding).where(RevenueFinding.id == finding_id)
        .with_for_update().execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound
    if row.operator_id is not None and row.operator_id == actor.user_id:
        raise AboutYourself
    return row


def _move(row: RevenueFinding, to: RevenueState) -> None:
    assert to in REVENUE_MOVES[RevenueState(row.state)], f"{row.state} to {to}"
    row.state = to


def _say(session: Session, actor: Actor, row: RevenueFinding, deed: str, said: Said) -> None:
    text = said.text.strip()
    if not text or len(text) > LONGEST:
        raise NoteMissing
    if said.visit_on is not None:
        row.visit_on = said.visit_on
    _note(session, actor, row, deed, text=text, visit_on=said.visit_on)


def _note(session: Session, actor: Actor, row: RevenueFinding, deed: str, **more: object) -> None:
    session.add(
        RevenueNote(
            finding_id=row.id, deed=deed, outcome=row.outcome, made_at=now_utc(),
            made_by_id=actor.user_id, **more,
        )
    )  # fmt: skip


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()

"""Which deeds ask for a second person, and from which amount on.

Asking for more is done at once; asking for less is itself a deed for two, once any rule
is on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import ApprovalRule
from vmsapp.money import Money
from vmsapp.scope import Actor
from vmsapp.security import SECOND_PERSON
from vmsapp.services import audit
from vmsapp.services.approvals.deed import ChangedSinceAsked, Deed, DeedName, Line, Place
from vmsapp.services.rows import insert_missing, lock
from vmsapp.services.setup import setup_at

ADDS_UP_FOR: Final = timedelta(hours=24)
"""How long what one person did alone counts with what the same person does next."""


class AmountNegative(InvalidInput):
    """A rule from less than nothing."""

    code = "amount_negative"
    message = N_("An amount below zero means nothing here.")
    field = "from_amount"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """What a rule will say.

    Attributes:
        was: What it said when the form was opened, as ``written``; nothing where nobody noted
            it: then whatever it says is overwritten.
    """

    action: str
    active: bool
    from_amount_minor: int | None
    was: str = ""


def written(rule: ApprovalRule) -> str:
    """Write what a rule says that is overwritten."""
    return f"active {rule.active}, from {rule.from_amount_minor}"


def rules(session: Session) -> dict[str, ApprovalRule]:
    """Read all rules, by action."""
    return {rule.action: rule for rule in session.scalars(select(ApprovalRule))}


def rule_of(session: Session, action: str, *, locked: bool = False) -> ApprovalRule:
    """Read one rule as it stands; one that nobody made is off.

    Locked, nobody else does the deed until the end: two parts done at once would else each
    be counted without the other.
    """
    statement = select(ApprovalRule).where(ApprovalRule.action == action)
    fresh = (statement.with_for_update() if locked else statement).execution_options(
        populate_existing=True
    )
    found = session.scalars(fresh).first()
    return found or ApprovalRule(action=action, active=False, from_amount_minor=None)


def asks(
    session: Session,
    actor: Actor,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401 - the deed's own
    *,
    locked: bool = False,
) -> bool:
    """Tell whether a deed needs a second person.

    What its actor did alone of the same, at the same place, within the last 24 hours counts
    with it: cut into parts, a deed is as grave as it was whole.
    """
    if deed.asks is not None:
        return deed.asks(session, params)
    rule = rule_of(session, deed.action, locked=locked)
    amount, start = deed.amount_of(params), rule.from_amount_minor or 0
    if not rule.active:
        return False
    if amount is None or amount >= start:
        return True
    return amount + alone(session, actor.user_id, deed, params) >= start


def alone(
    session: Session,
    user_id: int | None,
    deed: Deed[Any],
    params: Any,  # noqa: ANN401
) -> int:
    """Add up what somebody did alone of a deed, at the same place, in the last 24 hours."""
    if deed.alone is None or user_id is None:
        return 0
    return deed.alone(session, user_id, params, now_utc() - ADDS_UP_FOR)


def weakens(rule: ApprovalRule, change: RuleChange) -> bool:
    """Tell whether a change lets through what asked before."""
    if not rule.active:
        return False
    return not change.active or (change.from_amount_minor or 0) > (rule.from_amount_minor or 0)


def switch_all_off(session: Session, actor: Actor) -> int:
    """Ask for no second person any more: for the server's own command line.

    Returns:
        How many rules were on.
    """
    with atomic(session):
        on = [rule for rule in rules(session).values() if rule.active]
        for rule in on:
            _write(session, actor, RuleChange(rule.action, False, rule.from_amount_minor))  # noqa: FBT003
    return len(on)


def _asks(session: Session, change: RuleChange) -> bool:
    return weakens(rule_of(session, change.action), change)


def _check(session: Session, _actor: Actor, change: RuleChange) -> None:
    if (change.from_amount_minor or 0) < 0:
        raise AmountNegative
    if change.was and change.was != written(rule_of(session, change.action, locked=True)):
        raise ChangedSinceAsked


def _run(session: Session, actor: Actor, change: RuleChange, _key: str) -> None:
    _write(session, actor, change)


def _write(session: Session, actor: Actor, change: RuleChange) -> None:
    insert_missing(session, ApprovalRule, action=change.action, active=False)
    rule = lock(session, ApprovalRule, ApprovalRule.action == change.action)
    audit.record(
        session, actor, "approval_rule.changed", "approval_rule", change.action,
        was_active=rule.active, was_from_amount_minor=rule.from_amount_minor,
        active=change.active, from_amount_minor=change.from_amount_minor,
    )  # fmt: skip
    rule.active, rule.from_amount_minor = change.active, change.from_amount_minor


def _describe(session: Session, change: RuleChange) -> Sequence[Line]:
    rule = rule_of(session, change.action)
    currency = setup_at(session, now_utc()).currency
    after, before = (Money(one.from_amount_minor or 0, currency) for one in (change, rule))
    told = (
        Line(N_("Action"), DeedName(change.action)),
        Line(N_("Asks for a second person"), change.active, rule.active),
    )
    if change.from_amount_minor is None and rule.from_amount_minor is None:
        return told
    return (*told, Line(N_("From amount"), after, before))


CHANGE_RULE = Deed(
    action="second_person.weaken",
    label=N_("Ask for a second person less often"),
    params=RuleChange,
    permission=("can_change", SECOND_PERSON),
    place=lambda _session, _change: Place(),
    amount_minor=None,
    describe=_describe,
    check=_check,
    run=_run,
    asks=_asks,
)

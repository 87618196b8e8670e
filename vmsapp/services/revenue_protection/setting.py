"""What a utility sets of the rules: which are asked, and with which thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import RevenueRule
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.revenue_protection.errors import (
    MoreThanThereAre,
    NeverClosed,
    NumberOutOfRange,
)
from vmsapp.services.revenue_protection.looking import Number, Rule
from vmsapp.services.revenue_protection.rules import REST, RULES
from vmsapp.services.rows import lock_or_insert


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule as it is asked now.

    Attributes:
        numbers: All its thresholds, those the utility set and the others as made.
        ran_at: When it was last through.
    """

    rule: Rule
    active: bool
    numbers: Mapping[str, int]
    ran_at: datetime | None


def thresholds(rule: Rule) -> tuple[Number, ...]:
    """List a rule's thresholds, with that of all rules."""
    return (*rule.numbers, REST)


def settings(session: Session) -> Mapping[str, Setting]:
    """Read how the rules are asked now, by code, in the order of the page."""
    rows = {row.code: row for row in session.scalars(select(RevenueRule))}
    return {code: setting_from(rule, rows.get(code)) for code, rule in RULES.items()}


def setting_of(session: Session, code: str) -> Setting:
    """Read how a rule is asked now.

    Raises:
        NotFound: There is no such rule.
    """
    if code not in RULES:
        raise NotFound
    return setting_from(RULES[code], session.get(RevenueRule, code, populate_existing=True))


def change(
    session: Session, actor: Actor, code: str, *, active: bool, numbers: Mapping[str, int]
) -> None:
    """Set a rule's thresholds, and whether it is asked; from the next run on.

    Args:
        session: The asker's.
        actor: Who sets it.
        code: Which rule.
        active: Whether it is asked.
        numbers: All its thresholds.

    Raises:
        NotFound: There is no such rule.
        NumberOutOfRange: One of them makes no sense.
        MoreThanThereAre: More months with a purchase than months.
        NeverClosed: Hours that are none.
    """
    with atomic(session):
        before = setting_of(session, code)
        _check(before.rule, numbers)
        row = lock_or_insert(
            session, RevenueRule, {"code": code}, active=True, numbers={}, ran_at=None
        )
        row.active = active
        row.numbers = {
            one.name: numbers[one.name]
            for one in thresholds(before.rule) if numbers[one.name] != one.default
        }  # fmt: skip
        audit.record(
            session, actor, "revenue_rule.changed", "revenue_rule", code,
            before={"active": before.active, **before.numbers},
            after={"active": active, **numbers},
        )  # fmt: skip


def note_run(session: Session, code: str) -> None:
    """Write down that a rule is through, in the caller's transaction."""
    row = lock_or_insert(session, RevenueRule, {"code": code}, active=True, numbers={}, ran_at=None)
    row.ran_at = now_utc()


MONTHS: Final = "months"


def _check(rule: Rule, numbers: Mapping[str, int]) -> None:
    for one in thresholds(rule):
        number = numbers[one.name]
        if not one.least <= number <= one.most:
            raise NumberOutOfRange(one.name, number=number, least=one.least, most=one.most)
    if MONTHS in numbers and numbers["least"] > numbers[MONTHS]:
        raise MoreThanThereAre
    if "opens" in numbers and numbers["opens"] == numbers["closes"] % 24:
        raise NeverClosed


def setting_from(rule: Rule, row: RevenueRule | None) -> Setting:
    """Tell how a rule is asked, by what was set of it."""
    numbers = {one.name: one.default for one in thresholds(rule)}
    if row is None:
        return Setting(rule, active=True, numbers=numbers, ran_at=None)
    numbers |= {name: number for name, number in row.numbers.items() if name in numbers}
    return Setting(rule, active=row.active, numbers=numbers, ran_at=row.ran_at)

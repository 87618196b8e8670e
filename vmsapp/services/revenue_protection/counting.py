"""How many findings of each rule there are in the reader's scope, by what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.models import RevenueFinding, RevenueOutcome, RevenueState
from vmsapp.models.revenue import EXPLAINED, FOUND_RIGHT
from vmsapp.services.revenue_protection.rules import RULES

COLUMNS: Final[Mapping[str, str]] = {
    RevenueState.OPEN: "open",
    RevenueState.TAKEN: "taken",
    RevenueState.CEASED: "ceased",
    **dict.fromkeys(FOUND_RIGHT, "right"),
    **dict.fromkeys(EXPLAINED, "explained"),
    RevenueOutcome.FALSE_ALARM: "false_alarm",
}
"""Where a finding counts: by its outcome once it has one, else by its state."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Findings of a rule.

    Attributes:
        right: Decided, and money was lost there.
        explained: Decided: it is as the rule says, for a reason of no concern.
        ceased: No longer true before anybody looked.
    """

    open: int = 0
    taken: int = 0
    right: int = 0
    explained: int = 0
    false_alarm: int = 0
    ceased: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def counts(session: Session) -> Mapping[str, Counts]:
    """Count the findings that the reader sees, by rule, in the order of the page."""
    found = dict.fromkeys(RULES, Counts())
    rows = session.execute(
        select(
            RevenueFinding.rule, RevenueFinding.state, RevenueFinding.outcome,
            func.count(RevenueFinding.id),
        )
        .group_by(RevenueFinding.rule, RevenueFinding.state, RevenueFinding.outcome)
    )  # fmt: skip
    for rule, state, outcome, count in rows:
        if rule in found:
            found[rule] += Counts(**{COLUMNS[outcome or state]: count})
    return found

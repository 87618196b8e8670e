"""What the worklist of revenue protection is narrowed by."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from flask import g
from sqlalchemy import ColumnElement, or_, select

from vmsapp.errors import N_
from vmsapp.i18n import _l
from vmsapp.models import (
    Meter,
    OfficeUser,
    Region,
    RevenueFinding,
    RevenueOutcome,
    RevenueState,
    VendingPoint,
)
from vmsapp.models.revenue import EXPLAINED, FOUND_RIGHT
from vmsapp.services.revenue_protection.rules import RULES
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import MOST_NAMES
from vmsapp.views.lists.filters import Among, Choice, Days, Names, Searched, names_of
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.region_filters import lying_in
from vmsapp.views.revenue.words import OUTCOMES

STANDINGS: Final[Mapping[str, str]] = {
    "due": N_("to look at or under work"),
    "open": N_("to look at"),
    "taken": N_("under work"),
    "right": N_("found right"),
    "explained": N_("explained"),
    "false_alarm": N_("false alarm"),
    "ceased": N_("no longer true"),
}
"""What became of a finding, as the rules count it."""


class Standing(Choice):
    """Findings by what became of them."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows of that standing."""
        state, outcome = RevenueFinding.state, RevenueFinding.outcome
        match value:
            case "due":
                return state.in_((RevenueState.OPEN, RevenueState.TAKEN))
            case "right":
                return outcome.in_(FOUND_RIGHT)
            case "explained":
                return outcome.in_(EXPLAINED)
            case "false_alarm":
                return outcome == RevenueOutcome.FALSE_ALARM
            case _:
                return state == value


@dataclass(frozen=True, kw_only=True)
class Around(Searched):
    """Findings about meters and vending points in a region and all below it."""

    def rows(self, value: Region) -> ColumnElement[bool]:
        """Rows of either."""
        return or_(
            lying_in(value, RevenueFinding.meter_id, Meter),
            lying_in(value, RevenueFinding.vending_point_id, VendingPoint),
        )


class Workers(Names):
    """Who has taken a finding on, as far as the reader sees it; few: it is not everybody's work."""

    def of(self, number: int) -> str | None:
        """The name of one of them."""
        return self._known().get(number)

    def _known(self) -> dict[int, str | None]:
        if "revenue_workers" not in g:
            taken = (
                select(RevenueFinding.assigned_id, RevenueFinding.assigned)
                .where(RevenueFinding.assigned_id.is_not(None))
                .distinct().limit(self.limit)
            )  # fmt: skip
            rows = session().execute(taken)
            named = sorted(((key, name) for key, name in rows), key=itemgetter(1))
            g.revenue_workers = dict(named)
        found: dict[int, str | None] = g.revenue_workers
        return found


@dataclass(frozen=True, kw_only=True)
class AssignedTo(Among):
    """Findings of one of those who work on some that the reader sees."""

    def options(self) -> list[tuple[str, str]]:
        """These people, by their names."""
        return [(str(number), name) for number, name in self.text()]


FILTERS: Final = (
    Standing(name="state", label=_l("State"), column=RevenueFinding.state, words=STANDINGS),
    Choice(name="rule", label=_l("Rule"), column=RevenueFinding.rule,
           words={code: rule.word for code, rule in RULES.items()}),
    Around(name="region", label=_l("Region"), column=RevenueFinding.meter_id, model=Region,
           endpoint="Regions.lookup"),
    Among(name="point", label=_l("Vending point"), column=RevenueFinding.vending_point_id,
          model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name, MOST_NAMES)),
    Mine(name="mine", label=_l("Assigned to"), column=RevenueFinding.assigned_id),
    AssignedTo(name="by", label=_l("Assigned to somebody"), column=RevenueFinding.assigned_id,
               model=OfficeUser, text=Workers(OfficeUser, OfficeUser.username, MOST_NAMES)),
    Choice(name="outcome", label=_l("Outcome"), column=RevenueFinding.outcome, words=OUTCOMES),
    Searched(name="meter", label=_l("Meter number"), column=RevenueFinding.meter_id, model=Meter,
             endpoint="Meters.lookup"),
    Days(name="found", label=_l("Found"), column=RevenueFinding.found_at),
    Days(name="visit", label=_l("Field visit"), column=RevenueFinding.visit_on),
)  # fmt: skip

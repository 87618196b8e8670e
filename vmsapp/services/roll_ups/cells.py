"""The roll-ups: what their cells tell apart, and what the records say a cell should hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, case, literal_column, select, true, union_all

from vmsapp.models import SalesByHour, SalesByPoint, SalesByProduct, SalesByTariff, Span
from vmsapp.services.roll_ups.calendar import begins
from vmsapp.services.roll_ups.facts import Where, Zone, facts, summed

ALWAYS: Final = ("vending_point_id", "subclass")
"""What all cells tell apart."""


@dataclass(frozen=True, slots=True)
class RollUp:
    """One table of cells.

    Attributes:
        keys: What its cells tell apart besides.
        spans: The times its cells stand for.
    """

    model: type[SalesByPoint | SalesByHour | SalesByTariff | SalesByProduct]
    keys: tuple[str, ...]
    spans: tuple[Span, ...]

    @property
    def all_keys(self) -> tuple[str, ...]:
        """The primary key, in the order of ``cells``."""
        return ("span", "first_on", *ALWAYS, *self.keys)

    def cells(self, spans: Sequence[Span], zone: Zone, where: Where, sign: int = 1) -> Select[Any]:
        """State what cells of some spans should hold by the records: keys, then figures.

        Args:
            spans: Some of its own.
            zone: The utility's.
            where: Which transfers, as ``facts`` takes it.
            sign: -1 for what takes them off.
        """
        names = (*ALWAYS, *self.keys)
        found = facts(("day", *names), zone, where)
        days = summed(found, [found.c.day, *(found.c[name] for name in names)], sign).subquery()
        each = union_all(*(select(_word(span).label("span")) for span in spans)).subquery("spans")
        first_on = case(*((each.c.span == _word(span), begins(span, days.c.day)) for span in spans))
        keys = [each.c.span, first_on.label("first_on"), *(days.c[name] for name in names)]
        return summed(days.join(each, true()), keys, of=days)


ROLL_UPS: Final[Sequence[RollUp]] = (
    RollUp(SalesByPoint, (), (Span.DAY, Span.WEEK, Span.MONTH)),
    RollUp(SalesByTariff, ("operator_id", "tariff_id"), (Span.DAY, Span.WEEK, Span.MONTH)),
    RollUp(SalesByProduct, ("product_id",), (Span.DAY, Span.WEEK, Span.MONTH)),
    RollUp(SalesByHour, ("hour",), (Span.DAY, Span.MONTH)),
)
"""In the order in which they are asked: the one with the fewest cells first."""


def _word(span: Span) -> ColumnElement[str]:
    return literal_column(f"'{span.value}'", String)


def covering(names: Collection[str]) -> RollUp | None:
    """Find a roll-up whose cells tell apart all that is named, if there is one.

    >>> covering({"tariff_id", "vending_point_id"}).model.__name__
    'SalesByTariff'
    >>> covering({"hour", "tariff_id"})
    """
    known = (one for one in ROLL_UPS if {*names} <= {*ALWAYS, *one.keys})
    return next(known, None)

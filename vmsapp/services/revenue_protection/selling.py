"""Rules about those who sell: hours, gifts, copies and sales taken back.

Each reads the sales of one day after the other, along the index of business dates, and adds them
up by vending point and operator: some hundred sums, however many sales.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, select

from vmsapp.models import ReceiptPrint, Sale, SaleKind, SaleState
from vmsapp.services.revenue_protection.looking import (
    Look,
    Part,
    of_operator,
    of_point,
    of_sale,
    whole,
)

HUNDRED: Final = 100

sale, printed = Sale.__table__.c, ReceiptPrint.__table__.c

MADE: Final = sale.receipt_number.is_not(None)
"""Its token was made, whatever became of it later."""
SOLD: Final = (MADE, sale.kind == SaleKind.SALE)

Who = tuple[int, int]
"""Vending point and operator."""


def outside_hours(look: Look) -> Iterator[Part]:
    """Find who makes tokens while the house is closed."""
    least, opens, closes = (look.numbers[name] for name in ("least", "opens", "closes"))
    early, late = sale.local_hour < opens, sale.local_hour >= closes
    outside = (early | late) if opens < closes else (early & late)  # open over midnight
    sums = _summed(look, (_counted(outside),), MADE)
    yield whole([
        of_operator(*who, tokens=made, outside=many)
        for who, (made, many) in sums.items() if many >= least
    ])  # fmt: skip


def gave(look: Look) -> Iterator[Part]:
    """Find who gives many of their tokens without money."""
    sums = _summed(look, (_counted(sale.kind != SaleKind.SALE),), MADE)
    yield whole([
        of_operator(*who, tokens=made, given=many)
        for who, (made, many) in sums.items() if _share(look, many, made)
    ])  # fmt: skip


def taken_back(look: Look) -> Iterator[Part]:
    """Find whose sales are often taken back."""
    sums = _summed(look, (_counted(sale.state == SaleState.REVERSED),), *SOLD)
    yield whole([
        of_operator(*who, sales=sold, back=many)
        for who, (sold, many) in sums.items() if _share(look, many, sold)
    ])  # fmt: skip


def taken_back_at(look: Look) -> Iterator[Part]:
    """Find vending points whose sales are often taken back."""
    by_point: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    sums = _summed(look, (_counted(sale.state == SaleState.REVERSED),), *SOLD)
    for (point, _operator), (sold, many) in sums.items():
        by_point[point][0] += sold
        by_point[point][1] += many
    yield whole([
        of_point(point, sales=sold, back=many)
        for point, (sold, many) in by_point.items() if _share(look, many, sold)
    ])  # fmt: skip


def copied(look: Look) -> Iterator[Part]:
    """Find sales of whose receipts there are many copies."""
    copies = func.max(printed.nth) - 1
    found = []
    for day in look.days():
        rows = look.session.execute(
            select(sale.id, sale.vending_point_id, sale.operator_id, copies)
            .join(ReceiptPrint.__table__, printed.sale_id == sale.id)
            .where(sale.business_date == day)
            .group_by(sale.id, sale.vending_point_id, sale.operator_id)
            .having(copies > look.numbers["copies"])
        )
        found += [of_sale(key, point, who, copies=many) for key, point, who, many in rows]
    yield whole(found)


def copies_much(look: Look) -> Iterator[Part]:
    """Find who prints far more copies a sale than the others."""
    sums = _summed(look, (), MADE)
    copies: dict[Who, int] = defaultdict(int)
    for day in look.days():
        for point, who, many in look.session.execute(
            select(printed.vending_point_id, printed.printed_by_id, func.count())
            .join(Sale.__table__, sale.id == printed.sale_id)
            .where(sale.business_date == day, printed.nth > 1)
            .group_by(printed.vending_point_id, printed.printed_by_id)
        ):
            copies[point, who] += many
    all_sales, all_copies = sum(made for (made,) in sums.values()), sum(copies.values())
    found = []
    for who, many in copies.items():
        own = sums.get(who, (0,))[0]
        others, theirs = all_sales - own, all_copies - many
        too_many = many * others > look.numbers["times"] * theirs * own
        if many >= look.numbers["least"] and too_many:
            found.append(of_operator(
                *who, sales=own, copies=many, others_sales=others, others_copies=theirs
            ))  # fmt: skip
    yield whole(found)


def _counted(what: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((what, 1), else_=0))


def _share(look: Look, many: int, of: int) -> bool:
    """Tell whether it is enough of them, and a larger share than is usual."""
    return many >= look.numbers["least"] and many * HUNDRED > of * look.numbers["percent"]


def _summed(
    look: Look, columns: Sequence[ColumnElement[int]], *where: Any  # noqa: ANN401 - conditions
) -> Mapping[Who, Sequence[int]]:  # fmt: skip
    """Count the sales of the days, and what ``columns`` count of them, by who sold where."""
    sums: dict[Who, list[int]] = {}
    for day in look.days():
        rows = look.session.execute(
            select(sale.vending_point_id, sale.operator_id, func.count(), *columns)
            .where(sale.business_date == day, *where)
            .group_by(sale.vending_point_id, sale.operator_id)
        )
        for point, who, *counts in rows:
            before = sums.get((point, who), [0] * len(counts))
            sums[point, who] = [a + int(b) for a, b in zip(before, counts, strict=True)]
    return sums

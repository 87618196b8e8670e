"""What posted transfers of sales say: the one set of statements that every sum is made of.

The cells, what is read beside them, their check, and a report that no roll-up answers, all add
up the same facts; they differ in which transfers they take, and by what they tell them apart.

A transfer gives one fact for its sale, and one for each entry that says what the money was for.
These are plain tables, beside the scope: who asks narrows them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Join,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal_column,
    select,
    union_all,
)

from vmsapp.models import (
    FIGURES,
    AccountKind,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Meter,
    Sale,
    SaleKind,
    TariffPlan,
    TransferState,
    VendingPoint,
)
from vmsapp.services.roll_ups.calendar import local_hour
from vmsapp.sts.credit import CURRENCY

Columns = Mapping[str, Any]
Zone = str | ColumnElement[str]
Where = Callable[[Columns], Iterable[ColumnElement[bool]]]
"""Which facts are wanted, said of their columns by name."""

sale, transfer = Sale.__table__.c, LedgerTransfer.__table__.c
plan, meter, point = TariffPlan.__table__.c, Meter.__table__.c, VendingPoint.__table__.c
entry, account = LedgerEntry.__table__.c, LedgerAccount.__table__.c

PARTS: Final = {
    AccountKind.TAX: "tax_minor",
    AccountKind.FEE: "fee_minor",
    AccountKind.FEE_ARREARS: "fee_minor",
    AccountKind.PENALTY: "penalty_minor",
}
"""Accounts of the ledger, and the figure each adds to."""

KEYS: Final[Columns] = {
    "day": transfer.business_date,
    "vending_point_id": sale.vending_point_id,
    "operator_id": sale.operator_id,
    "subclass": sale.subclass,
    "tariff_id": plan.tariff_id,
    "product_id": meter.product_id,
    "region_id": point.region_id,
}
"""What facts are told apart by; ``hour`` is one more."""

MORE: Final[Mapping[str, tuple[FromClause, ColumnElement[bool]]]] = {
    "tariff_id": (TariffPlan.__table__, plan.id == sale.plan_id),
    "product_id": (Meter.__table__, meter.id == sale.meter_id),
    "region_id": (VendingPoint.__table__, point.id == sale.vending_point_id),
}
"""Where a key stands that stands not on the sale."""

NOTHING: Final = literal_column("0", BigInteger)


def facts(names: Collection[str], zone: Zone, where: Where) -> Subquery:
    """State the facts of posted transfers of purchases.

    Args:
        names: Keys they are told apart and chosen by.
        zone: The utility's, in which hours are counted.
        where: Which are wanted, of the columns under ``names``, and ``transfer_id``.
    """
    # a sale keeps the hour it was sold at; what took it back has its moment
    hour = case(
        (transfer.kind == "sale", sale.local_hour), else_=local_hour(transfer.settled_at, zone)
    )
    columns: dict[str, Any] = {name: KEYS.get(name, hour) for name in names}
    wanted = and_(
        transfer.state == TransferState.POSTED,
        sale.kind == SaleKind.SALE,
        *where(columns | {"transfer_id": transfer.id}),
    )
    keys = [column.label(name) for name, column in columns.items()]
    source = LedgerTransfer.__table__.join(Sale.__table__, sale.id == transfer.sale_id)
    for name in names:
        if name in MORE:
            source = source.join(*MORE[name])
    return union_all(
        _of_sales(keys, source).where(wanted), _of_money(keys, source).where(wanted)
    ).subquery("facts")


def summed(
    found: FromClause, keys: Iterable[Any], sign: int = 1, *, of: FromClause | None = None
) -> Select[Any]:
    """Add facts or cells up by some of their columns.

    Args:
        found: What is added up.
        keys: Columns of it, labelled; the sums follow them.
        sign: -1 takes them off instead.
        of: The part of it that has the figures, under their names.
    """
    by = list(keys)
    sums = (func.sum((found if of is None else of).c[name]) for name in FIGURES)
    signed = ((one if sign > 0 else -one) for one in sums)
    labelled = [one.label(name) for name, one in zip(FIGURES, signed, strict=True)]
    return select(*by, *labelled).select_from(found).group_by(*by)


def _of_sales(keys: list[Any], source: Join) -> Select[Any]:
    """Count each sale as sold by its transfer, and as taken back by what answers that."""
    sold = transfer.kind == "sale"
    units = case((sale.subclass < CURRENCY, sale.units), else_=NOTHING)  # money is no units
    one = literal_column("1", BigInteger)
    figures = {
        "sold": (sold, one), "reversed": (~sold, one),
        "gross_minor": (sold, sale.charged_minor), "reversed_minor": (~sold, sale.charged_minor),
        "units": (sold, units), "units_reversed": (~sold, units),
    }  # fmt: skip
    return _row(keys, figures).select_from(source)


def _of_money(keys: list[Any], source: Join) -> Select[Any]:
    """Say what the money was for; the entries of a reversal take it off again."""
    kinds: dict[str, list[AccountKind]] = {}
    for kind, name in PARTS.items():
        kinds.setdefault(name, []).append(kind)
    figures = {name: (account.kind.in_(some), -entry.amount_minor) for name, some in kinds.items()}
    return (
        _row(keys, figures)
        .select_from(
            source.join(LedgerEntry.__table__, entry.transfer_id == transfer.id)
            .join(LedgerAccount.__table__, account.id == entry.account_id)
        )
        .where(account.kind.in_(PARTS))
    )  # fmt: skip


def _row(keys: list[Any], figures: Mapping[str, tuple[Any, Any]]) -> Select[Any]:
    """Write a fact: its keys, and all figures; those that are not given are nothing."""
    values = [
        (case(figures[name], else_=NOTHING) if name in figures else NOTHING).label(name)
        for name in FIGURES
    ]
    return select(*keys, *values)

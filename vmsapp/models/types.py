"""Column types that keep money, units and times exact on every database.

SQLite keeps decimals as floats and drops time zones; these types store whole numbers
and UTC instead, so that what was written is what is read, and sums are exact.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, Dialect, ForeignKey, Integer, String
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeDecorator

UNITS_SCALE = 3
"""Units are kept in thousandths: watt hours, litres."""

BigId = BigInteger().with_variant(Integer, "sqlite")
"""64-bit ids; SQLite numbers rows by itself only in a plain INTEGER."""


BY_STATEMENT = "by_statement"
"""Marks a foreign key that PostgreSQL checks otherwise (docs/decisions/0050)."""


def by_statement(column: str) -> ForeignKey:
    """Refer to a column; on PostgreSQL a trigger looks at all rows of a statement together."""
    return ForeignKey(column, info={BY_STATEMENT: True})


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, in UTC out of the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; write UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a time without a zone cannot be stored"
            raise ValueError(msg)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class FixedPoint(TypeDecorator[Decimal]):
    """An exact decimal of a fixed number of places, stored as a whole number."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def process_bind_param(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ANN401
        """Refuse floats and decimals finer than the scale; write a whole number."""
        if value is None:
            return None
        if not isinstance(value, Decimal | int):
            msg = f"{type(value).__name__} is not exact"
            raise TypeError(msg)
        whole = Decimal(value).scaleb(self.scale)
        if whole != whole.to_integral_value():
            msg = f"{value} has more than {self.scale} decimals"
            raise ValueError(msg)
        return int(whole)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Read an exact decimal."""
        return None if value is None else Decimal(int(value)).scaleb(-self.scale)


Id = Annotated[int, mapped_column(BigId, primary_key=True)]
Name = Annotated[str, mapped_column(String(120))]
Code = Annotated[str, mapped_column(String(40))]
Text = Annotated[str, mapped_column(String(255))]
Minor = Annotated[int, mapped_column(BigInteger)]
Units = Annotated[Decimal, mapped_column(FixedPoint(UNITS_SCALE))]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]

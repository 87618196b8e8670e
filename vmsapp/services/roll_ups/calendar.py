"""Days and hours as each database counts them."""

from typing import Any

from sqlalchemy import Date, Integer, String, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from vmsapp.models.roll_up import Span


class local_hour(FunctionElement[int]):  # noqa: N801 - a function of the database
    """The hour of a moment in a time zone, 0 to 23: ``local_hour(moment, zone)``."""

    type = Integer()
    inherit_cache = True


class week_of(FunctionElement[Any]):  # noqa: N801 - a function of the database
    """The Monday of the week a day lies in."""

    type = Date()
    inherit_cache = True


class month_of(FunctionElement[Any]):  # noqa: N801 - a function of the database
    """The first day of the month a day lies in."""

    type = Date()
    inherit_cache = True


def begins(span: Span, day: Any) -> Any:  # noqa: ANN401 - columns
    """Give the first day of the span that a day lies in."""
    match span:
        case Span.WEEK:
            return week_of(day)
        case Span.MONTH:
            return month_of(day)
        case _:
            return day


@compiles(local_hour, "postgresql")
def _hour_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    moment, zone = element.clauses
    inside = f"{compiler.process(moment, **options)} AT TIME ZONE"
    text = compiler.process(cast(zone, String), **options)
    return f"CAST(extract(hour FROM {inside} {text}) AS INTEGER)"


@compiles(local_hour)
def _hour(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    return f"local_hour({compiler.process(element.clauses, **options)})"  # see extensions.py


@compiles(week_of, "postgresql")
def _week_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    return _truncated("week", compiler.process(element.clauses, **options))


@compiles(week_of)
def _week(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    return f"date({compiler.process(element.clauses, **options)}, '-6 days', 'weekday 1')"


@compiles(month_of, "postgresql")
def _month_postgresql(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    return _truncated("month", compiler.process(element.clauses, **options))


@compiles(month_of)
def _month(element: Any, compiler: Any, **options: Any) -> str:  # noqa: ANN401
    return f"date({compiler.process(element.clauses, **options)}, 'start of month')"


def _truncated(unit: str, day: str) -> str:
    # without a zone: in that of the connection a day may have no midnight
    return f"CAST(date_trunc('{unit}', CAST({day} AS TIMESTAMP)) AS DATE)"

"""Column types: what goes in comes out, and what would be rounded or guessed is refused."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from vmsapp.models.types import UNITS_SCALE, FixedPoint, UtcDateTime

DIALECTS = [sqlite.dialect(), postgresql.dialect()]
NAIROBI = timezone(timedelta(hours=3))

STORED = [
    (UNITS_SCALE, "0", 0), (UNITS_SCALE, "0.001", 1), (UNITS_SCALE, "50", 50_000),
    (UNITS_SCALE, "-1.5", -1_500), (UNITS_SCALE, "1.500", 1_500),
    (6, "0.185", 185_000), (6, "0.000001", 1),
    (6, "9223372036854.775807", 2**63 - 1),
]  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
@pytest.mark.parametrize(("scale", "value", "whole"), STORED)
def test_a_decimal_is_stored_as_a_whole_number_and_read_back(dialect, scale, value, whole):
    column = FixedPoint(scale)
    assert column.process_bind_param(Decimal(value), dialect) == whole
    assert column.process_result_value(whole, dialect) == Decimal(value)


def test_a_whole_number_is_exact_too():
    assert FixedPoint(UNITS_SCALE).process_bind_param(7, DIALECTS[0]) == 7_000


REFUSED = [
    (0.1, TypeError), ("0.1", TypeError), (Decimal("0.0001"), ValueError),
    (Decimal("1.2345"), ValueError),
]  # fmt: skip


@pytest.mark.parametrize(("value", "error"), REFUSED)
def test_what_is_not_exact_at_the_scale_is_refused(value, error):
    with pytest.raises(error):
        FixedPoint(UNITS_SCALE).process_bind_param(value, DIALECTS[0])


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises((ValueError, ArithmeticError)):
        FixedPoint(UNITS_SCALE).process_bind_param(Decimal(text), DIALECTS[0])


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_a_moment_of_any_zone_is_stored_in_utc_and_read_back_aware(dialect):
    local = datetime(2026, 3, 17, 12, 30, 0, 5, tzinfo=NAIROBI)
    stored = UtcDateTime().process_bind_param(local, dialect)
    assert stored.replace(tzinfo=UTC) == local
    assert (stored.tzinfo is None) is (dialect.name == "sqlite")
    back = UtcDateTime().process_result_value(stored, dialect)
    assert (back, back.tzinfo) == (local, UTC)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 17, 12, 30), DIALECTS[0])  # noqa: DTZ001


@pytest.mark.parametrize("column", [FixedPoint(UNITS_SCALE), UtcDateTime()])
def test_nothing_stays_nothing(column):
    assert column.process_bind_param(None, DIALECTS[0]) is None
    assert column.process_result_value(None, DIALECTS[0]) is None

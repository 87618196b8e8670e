"""Counters of a former system: set for many places at once, all or nothing, from a file, too."""

from datetime import UTC, date, datetime
from decimal import Decimal

import click
import pytest
from click.testing import CliRunner

from tests import factories
from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    NOT_INSTALLED,
    OPERATOR,
    SOUTHERN,
    THIS_MONTH,
    TODAY,
)
from tests.faults import answer_lost, down, works
from vmsapp.cli.tariff_counters import counters_command
from vmsapp.models import AuditEvent, Counter, ServicePoint
from vmsapp.scope import seen_by
from vmsapp.services import counters
from vmsapp.services.counters import BadRows, CounterRow, set_counters
from vmsapp.tariffs.plan import Limits, Most, Span


def put(shop, *rows: CounterRow, by: str = OPERATOR, **how) -> int:
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        return set_counters(session, actor, rows, **how)


def row(shop, meter: str = DOMESTIC, **values) -> CounterRow:
    """A row for a meter; units of this month unless it says something else."""
    if not values.keys() & {"units", "fees_paid_until", "attached_on"}:
        values["units"] = "60"
    if "units" in values:
        values = {"period_start": THIS_MONTH} | values
        values["units"] = Decimal(values["units"])
    return CounterRow(meter=shop.meter(meter).drn, **values)


def faults(shop, *rows: CounterRow, **how) -> list[tuple[int, type]]:
    """What is wrong with rows; nothing may have been written."""
    before = [shop.count(Counter), shop.count(AuditEvent)]
    with pytest.raises(BadRows) as caught:
        put(shop, *rows, **how)
    assert [shop.count(Counter), shop.count(AuditEvent)] == before
    assert all(str(error) for _, error in caught.value.faults)
    return [(place, type(error)) for place, error in caught.value.faults]


def counted(shop, meter: str = DOMESTIC) -> dict[date, tuple[Decimal, int]]:
    rows = shop.rows(Counter, Counter.service_point_id == shop.point_of(meter))
    return {one.period_start: (one.units, one.charged_minor) for one in rows}


def test_a_price_goes_on_where_the_former_system_ended(shop):
    put(shop, row(shop, units="60", fees_paid_until=TODAY))
    # worked table: 60 bought, fee paid, 60 more
    assert shop.quote(DOMESTIC, units="60")["charged_minor"] == 820
    assert shop.quote(LEGACY_11, units="60")["charged_minor"] == 600, "the others are as before"


def test_money_counts_against_limits_and_stays_when_only_units_are_set(shop):
    put(shop, row(shop, LEGACY_11, units="60", charged_minor=600))
    put(shop, row(shop, LEGACY_11, units="70"))
    assert counted(shop, LEGACY_11) == {THIS_MONTH: (Decimal(70), 600)}

    def limited(session):
        factories.add_plan(
            session, shop.meter(LEGACY_11).tariff_id, factories.step("0", None, "0.10"),
            name="Limited", effective_on=date(2025, 6, 1),
            limits=Limits(most=(Most(Span.MONTH, minor=1000),)),
        )  # fmt: skip

    shop.change(limited)
    assert shop.quote(LEGACY_11, tender=400)["units"] == "40.0"
    with pytest.raises(counters.InvalidInput):
        shop.quote(LEGACY_11, tender=401)


def test_missed_fees_count_from_the_day_set(shop):
    put(shop, row(shop, attached_on=date(2026, 1, 20)))
    # January, February and March at 2.00, and 10 units at 0.10
    assert shop.quote(DOMESTIC, units="10")["charged_minor"] == 700


def test_a_place_is_named_by_its_id_too_and_may_have_several_periods(shop):
    point = shop.point_of(DOMESTIC)
    year = CounterRow(service_point_id=point, units=Decimal(500), period_start=date(2026, 1, 1))
    assert put(shop, year, row(shop)) == 1
    assert counted(shop) == {date(2026, 1, 1): (500, 0), THIS_MONTH: (60, 0)}


def test_each_place_leaves_an_event_with_what_was_there_before(shop):
    put(shop, row(shop, units="60", charged_minor=800))
    put(shop, row(shop, units="61", charged_minor=810, attached_on=date(2026, 2, 1)))
    first, second = shop.rows(AuditEvent, AuditEvent.action == "counters.set")
    assert (first.subject, first.subject_id) == ("service_point", str(shop.point_of(DOMESTIC)))
    assert first.actor_name == OPERATOR
    assert first.details["before"] == {"units": "0", "charged_minor": 0}
    assert second.details["before"] == {
        "units": "60.000", "charged_minor": 800, "attached_on": "2026-03-01",
    }  # fmt: skip
    assert second.details["after"] == {
        "units": "61", "charged_minor": 810, "attached_on": "2026-02-01",
    }  # fmt: skip
    assert second.details["period_start"] == "2026-03-01"


@pytest.mark.parametrize(("values", "error"), [
    ({"units": "-0.1"}, counters.UnitsOffGrid),
    ({"units": "1.25"}, counters.UnitsOffGrid),
    ({"units": "1e15"}, counters.UnitsOffGrid),
    ({"units": "NaN"}, counters.UnitsOffGrid),
    ({"units": "1", "period_start": None}, counters.PeriodIncomplete),
    ({"fees_paid_until": TODAY, "period_start": TODAY}, counters.PeriodIncomplete),
    ({"fees_paid_until": TODAY, "charged_minor": 5}, counters.PeriodIncomplete),
    ({"units": "1", "charged_minor": -1}, counters.MoneyOutOfRange),
    ({"units": "1", "charged_minor": 10**15 + 1}, counters.MoneyOutOfRange),
    ({"units": "1", "period_start": date(2026, 3, 18)}, counters.DayOutOfRange),
    ({"units": "1", "period_start": date(1026, 3, 1)}, counters.DayOutOfRange),
    ({"attached_on": date(2026, 3, 18)}, counters.DayOutOfRange),
    ({"fees_paid_until": date(2027, 3, 19)}, counters.DayOutOfRange),
])  # fmt: skip
def test_what_cannot_be_is_refused(shop, values, error):
    assert faults(shop, row(shop, **values)) == [(0, error)]


def test_the_utilitys_day_is_the_last_that_can_be(shop):
    shop.at(datetime(2026, 3, 17, 21, 0, tzinfo=UTC))  # midnight there
    assert put(shop, row(shop, units="1", period_start=date(2026, 3, 18))) == 1


def test_all_that_is_wrong_is_found_and_nothing_is_written(shop):
    drn = shop.meter(DOMESTIC).drn
    rows = [
        row(shop, LEGACY_11),
        row(shop, NOT_INSTALLED),
        CounterRow(meter="12345678903", units=Decimal(1), period_start=THIS_MONTH),
        CounterRow(service_point_id=10**9, units=Decimal(1), period_start=THIS_MONTH),
        row(shop),
        CounterRow(meter=f" {drn[:4]} {drn[4:]} ", units=Decimal(2), period_start=THIS_MONTH),
        CounterRow(meter=drn),
        CounterRow(fees_paid_until=TODAY),
        CounterRow(meter=drn, service_point_id=1, fees_paid_until=TODAY),
    ]
    assert faults(shop, *rows) == [
        (1, counters.MeterHangsNowhere),
        (2, counters.NoSuchPlace),
        (3, counters.NoSuchPlace),
        (5, counters.NamedTwice),
        (6, counters.NothingToSet),
        (7, counters.NothingToSet),
        (8, counters.NothingToSet),
    ]


def test_places_out_of_scope_are_not_there(shop):
    hidden = CounterRow(service_point_id=shop.point_of(SOUTHERN), fees_paid_until=TODAY)
    assert faults(shop, row(shop, SOUTHERN), hidden) == [
        (0, counters.NoSuchPlace), (1, counters.NoSuchPlace),
    ]  # fmt: skip


def test_where_sales_count_already_it_must_be_said_and_they_stay_on_top(shop, module):
    module.once("issue_credit", down)
    shop.sell(DOMESTIC, units="5")
    put(shop, row(shop))  # what failed counts no more
    module.once("issue_credit", answer_lost)
    module.always("fetch_result", down)
    doubtful = shop.sell(DOMESTIC, units="30")
    today = {"units": "10", "period_start": TODAY}
    assert faults(shop, row(shop), row(shop, **today)) == [
        (0, counters.SalesCount), (1, counters.SalesCount),
    ]  # fmt: skip
    put(shop, row(shop, fees_paid_until=date(2026, 2, 28)))
    put(shop, row(shop, units="70"), row(shop, **today), replace=True)
    # 30 units at 0.10 and the fee
    assert counted(shop) == {THIS_MONTH: (Decimal(70), 0), TODAY: (Decimal(40), 500)}
    shop.clock.forward(minutes=1)
    shop.reconcile()
    shop.seal(doubtful)
    module.always("fetch_result", works)
    shop.reconcile()
    assert shop.again(doubtful).state == "reversed"
    assert counted(shop) == {THIS_MONTH: (Decimal(70), 0), TODAY: (Decimal(10), 0)}


def test_looking_alone_writes_nothing_and_finds_the_same(shop):
    assert put(shop, row(shop), dry_run=True) == 1
    assert (counted(shop), shop.count(AuditEvent)) == ({}, 0)
    assert faults(shop, row(shop, units="0.05"), dry_run=True) == [(0, counters.UnitsOffGrid)]


def test_more_places_than_are_asked_for_at_once(shop, monkeypatch):
    monkeypatch.setattr(counters, "AT_ONCE", 2)
    names = [LEGACY_11, LEGACY_13, DOMESTIC]
    assert put(shop, *(row(shop, name) for name in names)) == 3
    assert [counted(shop, name) for name in names] == [{THIS_MONTH: (Decimal(60), 0)}] * 3


# the command


@pytest.fixture
def command(app, tmp_path):
    """Run the command on a file of these lines."""

    def run(*lines: str, options: tuple[str, ...] = (), encoding: str = "utf-8-sig"):
        file = tmp_path / "counters.csv"
        file.write_bytes("\r\n".join(lines).encode(encoding))
        group = click.Group(commands=[counters_command])
        return CliRunner().invoke(group, ["counters", str(file), *options], obj=_info(app))

    return run


def _info(app):
    from flask.cli import ScriptInfo  # noqa: PLC0415

    return ScriptInfo(create_app=lambda: app)


HEADER = "Meter,units,period_start,money,fees_paid_until,attached_on"


def test_a_file_is_set(shop, command):
    drn, other = shop.meter(DOMESTIC).drn, shop.meter(LEGACY_11).drn
    done = command(
        HEADER, f"{drn},60.5,2026-03-01,8.10,2026-03-31,2026-01-01", f"{other},,,,,2026-02-01"
    )
    assert (done.exit_code, done.stdout) == (0, "Service points set: 2\n")
    assert counted(shop) == {THIS_MONTH: (Decimal("60.5"), 810)}
    (point,) = shop.rows(ServicePoint, ServicePoint.id == shop.point_of(DOMESTIC))
    assert (point.fees_paid_until, point.plan_attached_on) == (date(2026, 3, 31), date(2026, 1, 1))
    (event,) = shop.rows(AuditEvent, AuditEvent.subject_id == str(point.id))
    assert event.actor_name == "system"


def test_every_bad_row_has_its_sentence_and_nothing_is_set(shop, command):
    drn = shop.meter(DOMESTIC).drn
    done = command(
        HEADER, f"{drn},60,2026-03-01,,,", "123,60,2026-03-01,,,", "",
        f"{drn},sixty,2026-03-01,,,", f"{drn},60,01/03/2026,,,", f"{drn},60,2026-02-01,8.123,,",
        f"{drn},60,2026-02-01,,,,7", f"{drn},60.55,2026-02-01,,,",
    )  # fmt: skip
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "Row 3: There is no such meter or service point here.",
        "Row 5: units: 'sixty' is not a number.",
        "Row 6: period_start: '01/03/2026' is not a day like 2026-01-31.",
        "Row 7: money: '8.123' is not an amount with at most 2 decimals.",
        "Row 8: There are more cells than columns.",
        "Row 9: Units are 0 or more, in steps of 0.1.",
        "6 rows cannot be set; nothing was changed.",
    ]
    assert counted(shop) == {}


def test_looking_at_a_file_and_replacing(shop, command):
    line = f"{shop.point_of(DOMESTIC)},60,2026-03-01"
    header = "service_point,units,period_start"
    looked = command(header, line, options=("--dry-run",))
    assert (looked.exit_code, looked.stdout, counted(shop)) == (
        0,
        "Service points looked at: 1\n",
        {},
    )
    shop.sell(DOMESTIC, units="10")
    assert "1 sales since 2026-03-01" in command(header, line).stderr
    assert command(header, line, options=("--replace",)).exit_code == 0
    assert counted(shop) == {THIS_MONTH: (Decimal(60), 0), TODAY: (Decimal(10), 300)}


@pytest.mark.parametrize(("lines", "sentence"), [
    ((), "it is empty"),
    ((HEADER,), "has no rows"),
    (("meter,unit", "1,2"), "there is no column 'unit'"),
    (("meter,units,units", "1,2,3"), "a column is named twice"),
])  # fmt: skip
def test_a_file_that_is_no_such_table_is_refused(command, lines, sentence):
    done = command(*lines)
    assert done.exit_code == 1
    assert sentence in done.stderr


def test_a_file_in_another_encoding_is_refused(command):
    assert "no CSV file in UTF-8" in command(HEADER, "Zähler,1", encoding="latin-1").stderr

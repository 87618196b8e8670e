"""Moving in: the former system's units, fees and last tokens come from a workbook.

Figures of the domestic tariff are those of docs/tariffs.md: 2.00 a month, 0.10 up to 100 units,
then 0.20 with 5 % tax. Identifiers are minutes of UTC since 2014 (SALE.md, 5. TID).
"""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from openpyxl import load_workbook

from tests.factories import (
    BLOCKED,
    DOMESTIC,
    ENDED_BASE_DATE,
    LEGACY_11,
    LEGACY_13,
    NOT_INSTALLED,
    NOW,
    RETIRED,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    SUPERVISOR,
    THIS_MONTH,
)
from tests.web.importing import METER_HEADINGS as OF_METERS
from tests.web.importing import NEW_METERS, codes, meters_of, work, workbook
from tests.web.office import ADMIN, BOTH
from tests.web.records import permit
from vmsapp.models import AuditEvent, Counter, ImportBatch, ImportRow, ServicePoint, Setup, TidHead
from vmsapp.services.counters import CounterRow, set_counters

SHEET = "opening-figures"
HEADINGS = [
    "Meter number", "Units bought in the month", "Month", "Fees paid until",
    "TID of the last token", "Time of the last token", "Base date",
]  # fmt: skip
MINUTE = (NOW - datetime(2014, 1, 1, tzinfo=UTC)) // timedelta(minutes=1)
"""09:30 UTC, half past twelve at the utility."""

minute = datetime.fromisoformat


@pytest.fixture
def line(shop):
    """A row for a meter, by what is special about it."""

    def make(name, units=None, month=None, fees=None, tid=None, at=None, base=None):
        return [shop.meter(name).drn, units, month, fees, tid, at, base]

    return make


@pytest.fixture
def moved_in(hand_in, go_on, shop):
    """Hand rows in without an error, and have them applied."""

    def do(*rows, **ticked):
        batch = hand_in(workbook(rows, HEADINGS), SHEET, **ticked)
        assert (batch.state, batch.faulty) == ("validated", 0), codes(shop, batch)
        return go_on("apply", batch)

    return do


def head(shop, meter, base="14"):
    pan = shop.meter(meter).meter_pan
    (row,) = shop.rows(TidHead, TidHead.meter_pan == pan, TidHead.base_date == base)
    return row


def states(shop, batch):
    return [row.state for row in shop.rows(ImportRow, ImportRow.batch_id == batch.id)]


def test_steps_and_fees_go_on_where_the_former_system_ended(shop, line, moved_in):
    moved_in(line(DOMESTIC, 60, "2026-03", date(2026, 3, 31)))
    assert shop.sell(DOMESTIC, units="60").charged_minor == 820  # 40 at 0.10, 20 at 0.20 and 5 %
    assert shop.fees(DOMESTIC) == [], "March's was paid before"
    shop.at(datetime(2026, 4, 2, 9, tzinfo=UTC))
    assert shop.sell(DOMESTIC, units="10").charged_minor == 300, "April's is due"
    assert shop.fees(DOMESTIC) == [date(2026, 4, 1)]


@BOTH
def test_the_first_token_has_an_identifier_above_the_last_one(shop, line, moved_in):
    moved_in(line(LEGACY_11, tid=MINUTE + 500), line(STS6_11, tid=MINUTE - 500))
    assert shop.sell(LEGACY_11).tid == MINUTE + 501
    assert shop.sell(LEGACY_11, units="1").tid == MINUTE + 502
    assert shop.sell(STS6_11).tid == MINUTE, "the minute is later than the former system's last"


@pytest.mark.parametrize(("at", "floor"), [
    (minute("2026-03-17 12:20"), "2026-03-17 13:21"),  # local time, counted as UTC
    ("2026-03-17 12:20", "2026-03-17 13:21"),
    ("2026-03-17", "2026-03-18 01:00"),  # any minute of the day
])  # fmt: skip
def test_a_time_is_read_as_the_later_of_both_ways_to_count_and_an_hour_more(
    shop, line, moved_in, at, floor
):
    moved_in(line(LEGACY_11, at=at))
    expected = (minute(floor) - minute("2014-01-01")) // timedelta(minutes=1)
    assert (head(shop, LEGACY_11).floor, shop.sell(LEGACY_11).tid) == (expected, expected)


def test_west_of_greenwich_the_time_counts_in_utc(shop, line, moved_in):
    shop.change(lambda s: setattr(s.query(Setup).one(), "time_zone", "America/Lima"))
    moved_in(line(LEGACY_11, at="2026-03-17 04:20"))
    expected = minute("2026-03-17 10:21") - minute("2014-01-01")  # UTC-5, and an hour
    assert head(shop, LEGACY_11).floor == expected // timedelta(minutes=1)


def test_the_floor_is_of_a_base_date(shop, line, moved_in):
    moved_in(line(LEGACY_11, tid=16_000_000, base="1993"), line(STS6_11, tid=MINUTE + 9))
    assert head(shop, LEGACY_11, "93").floor == 16_000_001
    assert shop.sell(LEGACY_11).tid == MINUTE, "under 2014 nothing was said"
    assert head(shop, STS6_11).floor == MINUTE + 10
    moved_in(line(ENDED_BASE_DATE, tid=16_777_215))
    assert head(shop, ENDED_BASE_DATE, "93").floor == 16_777_216, "the meter's own base date"


def test_the_same_file_again_changes_nothing_even_after_sales(shop, line, moved_in):
    rows = [line(DOMESTIC, "60,5", date(2026, 3, 9), "2026-03-31", MINUTE + 50)]
    first = moved_in(*rows)
    assert states(shop, first) == ["changed"]
    sold = shop.sell(DOMESTIC, units="10")
    before = (shop.counters(DOMESTIC), head(shop, DOMESTIC).floor, shop.count(AuditEvent))
    again = moved_in(*rows, although_same="y")
    assert states(shop, again) == ["same"]
    of_import = AuditEvent.subject.in_(["service_point", "meter"]), AuditEvent.id > 0
    assert [event.action for event in shop.rows(AuditEvent, *of_import)] == [
        "counters.set", "tid.floor_raised",
    ]  # fmt: skip
    assert before[:2] == (shop.counters(DOMESTIC), head(shop, DOMESTIC).floor)
    assert shop.counters(DOMESTIC) == {THIS_MONTH: Decimal("60.5"), date(2026, 3, 17): Decimal(10)}
    assert shop.sell(DOMESTIC, units="1").tid == sold.tid + 1


def test_a_floor_is_never_lowered(shop, line, moved_in):
    moved_in(line(LEGACY_11, tid=MINUTE + 700))
    lower = moved_in(line(LEGACY_11, tid=MINUTE + 3))
    assert (states(shop, lower), head(shop, LEGACY_11).floor) == (["same"], MINUTE + 701)


def test_a_figure_is_replaced_until_something_is_sold(shop, line, moved_in, hand_in):
    moved_in(line(DOMESTIC, 60, "2026-03", "2026-03-31"))
    moved_in(line(DOMESTIC, 70, "2026-03", "2026-04-30"))
    assert shop.counters(DOMESTIC) == {THIS_MONTH: Decimal(70)}
    shop.sell(DOMESTIC, units="5")
    batch = hand_in(
        workbook([line(DOMESTIC, 71, "2026-03", "2026-05-31", MINUTE + 900)], HEADINGS), SHEET
    )
    assert codes(shop, batch) == {2: ["opening_sold_here"] * 2}
    other = hand_in(workbook([line(DOMESTIC, 4, "2026-02")], HEADINGS), SHEET)
    assert codes(shop, other) == {2: ["opening_sold_here"]}, "a year's sum may hold the sale"
    assert shop.counters(DOMESTIC)[THIS_MONTH] == 70
    moved_in(line(DOMESTIC, tid=MINUTE + 900))
    assert shop.sell(DOMESTIC, units="1").tid == MINUTE + 901


def test_everything_wrong_is_said_of_each_row_and_nothing_is_set(shop, line, hand_in):
    drn = shop.meter(LEGACY_11).drn
    batch = hand_in(workbook([
        line(DOMESTIC),
        line(DOMESTIC, 60),
        line(LEGACY_13, -1, "2026-03"),
        line(STS6_11, "60.55", "2026-03"),
        line(BLOCKED, 60, "2026-04"),
        line(NOT_INSTALLED, 60, "2026-03"),
        line(RETIRED, 60, "2026-03"),
        ["04040404008", 1, "2026-03", None, None, None, None],
        ["12", 1, "2026-03", None, None, None, None],
        line(SOUTHERN, tid=MINUTE + 2881),
        [drn, None, None, None, None, "2014-01-01 00:00", "2035"],
        [drn, None, None, None, 5, "2026-03-17 25:00", "14"],
        line(ENDED_BASE_DATE, at="2026-03-17 12:00"),
    ], HEADINGS), SHEET)  # fmt: skip
    found = codes(shop, batch)
    assert found.pop(10)
    assert found == {
        2: ["nothing_to_set"],
        3: ["period_incomplete", "twice_in_file"],
        4: ["too_small"],
        5: ["too_many_decimals"],
        6: ["day_out_of_range"],
        7: ["meter_hangs_nowhere"],
        8: ["no_such_place"],
        9: ["no_such_place"],
        11: ["opening_token_ahead"],
        12: ["opening_token_outside"],
        13: ["wrong_form", "twice_in_file"],
        14: ["opening_token_outside"],
    }
    assert (shop.count(Counter), shop.count(TidHead)) == (0, 0)


def test_the_good_rows_alone_leave_the_others_out(shop, line, hand_in, go_on):
    batch = hand_in(workbook([
        line(DOMESTIC, 60, "2026-03"), line(DOMESTIC, 90, "2026-03"),
        line(NOT_INSTALLED, 5, "2026-03"),
        line(NOT_INSTALLED, tid=MINUTE + 7),
    ], HEADINGS), SHEET)  # fmt: skip
    assert batch.faulty == 3, codes(shop, batch)
    batch = go_on("apply", batch)
    assert (batch.applied, shop.counters(DOMESTIC)) == (1, {THIS_MONTH: Decimal(60)})


def test_a_meter_that_hangs_nowhere_has_its_floor_all_the_same(shop, line, moved_in):
    moved_in(line(NOT_INSTALLED, tid=MINUTE + 7))
    assert head(shop, NOT_INSTALLED).floor == MINUTE + 8


@BOTH
def test_undone_the_place_is_as_before_and_the_floor_stays(shop, line, moved_in, go_on):
    point = shop.point_of(DOMESTIC)
    shop.do(set_counters, [CounterRow(service_point_id=point, units=Decimal(7),
                                      period_start=THIS_MONTH)])  # fmt: skip
    batch = moved_in(
        line(DOMESTIC, 60, "2026-03", "2026-03-31", MINUTE + 700),
        line(LEGACY_11, 30, "2026-03", "2026-03-31"),
    )
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept, codes(shop, batch)) == (
        "undone", 1, {2: ["opening_floor_stays"]},
    )  # fmt: skip
    assert shop.counters(DOMESTIC) == {THIS_MONTH: Decimal(7)}
    assert shop.counters(LEGACY_11) == {THIS_MONTH: Decimal(0)}
    points = [point, shop.point_of(LEGACY_11)]
    rows = shop.rows(ServicePoint, ServicePoint.id.in_(points))
    assert [row.fees_paid_until for row in rows] == [None, None]
    assert shop.sell(DOMESTIC, units="1").tid == MINUTE + 701


def test_what_was_sold_or_changed_since_is_not_undone(shop, line, moved_in, go_on):
    batch = moved_in(line(DOMESTIC, 60, "2026-03"), line(LEGACY_11, 30, "2026-03"))
    shop.sell(DOMESTIC, units="1")
    shop.do(set_counters, [CounterRow(service_point_id=shop.point_of(LEGACY_11),
                                      units=Decimal(31), period_start=THIS_MONTH)])  # fmt: skip
    batch = go_on("undo", batch)
    assert codes(shop, batch) == {2: ["opening_sold_here"], 3: ["changed_since"]}
    assert shop.counters(LEGACY_11) == {THIS_MONTH: Decimal(31)}


def test_a_sale_of_an_earlier_month_keeps_nothing_from_being_undone(shop, line, moved_in, go_on):
    shop.at(datetime(2026, 2, 10, 9, tzinfo=UTC))
    shop.sell(LEGACY_11, units="5")
    shop.at(NOW)
    batch = moved_in(line(LEGACY_11, 30, "2026-03"))
    batch = go_on("undo", batch)
    assert (batch.kept, shop.counters(LEGACY_11)) == (
        0, {date(2026, 2, 10): Decimal(5), THIS_MONTH: Decimal(0)},
    )  # fmt: skip


def test_a_floor_outlives_the_import_of_its_meter(shop, row, hand_in, go_on, moved_in):
    meters = hand_in(workbook([row(NEW_METERS[0])], OF_METERS))
    go_on("apply", meters)
    moved_in([NEW_METERS[0], None, None, None, MINUTE + 700, None, None])
    pan = meters_of(shop)[NEW_METERS[0]].meter_pan
    go_on("undo", meters)
    assert NEW_METERS[0] not in meters_of(shop)
    assert [one.floor for one in shop.rows(TidHead, TidHead.meter_pan == pan)] == [MINUTE + 701]


def test_each_row_leaves_events_with_what_was_before(shop, line, moved_in):
    batch = moved_in(line(DOMESTIC, 60, "2026-03", "2026-03-31", MINUTE + 5))
    counted, raised = (
        shop.rows(AuditEvent, AuditEvent.action == action)[-1]
        for action in ("counters.set", "tid.floor_raised")
    )
    assert (counted.details["before"]["units"], counted.details["after"]["units"]) == ("0", "60")
    assert counted.details["after"]["fees_paid_until"] == "2026-03-31"
    assert (raised.subject, raised.subject_id) == ("meter", str(shop.meter(DOMESTIC).id))
    assert raised.details == {
        "batch": batch.id, "base_date": "14", "before": 0, "after": MINUTE + 6,
    }  # fmt: skip
    assert raised.actor_name == ADMIN


def test_who_may_import_meters_may_not_set_their_figures(browse, shop):
    form = {"file": (io.BytesIO(b"x"), "m.xlsx")}
    supervisor = browse(SUPERVISOR)
    assert supervisor.get("/imports/new/meters").status_code == 200
    assert supervisor.get(f"/imports/new/{SHEET}").status_code == 403
    assert supervisor.post(f"/imports/new/{SHEET}", form).status_code == 403
    permit(shop, "Imports", "can_opening_figures")
    assert supervisor.get(f"/imports/new/{SHEET}").status_code == 200


def test_the_template_is_in_the_readers_language_and_its_example_is_left_out(browse, shop, hand_in):
    browser = browse(ADMIN)
    content = browser.get(f"/imports/template/{SHEET}").data
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    headings = [cell.value for cell in sheet[1]]
    assert headings == HEADINGS
    assert all(cell.comment for cell in sheet[1])
    french = browse(ADMIN, "fr").get(f"/imports/template/{SHEET}").data
    assert load_workbook(io.BytesIO(french)).worksheets[0]["C1"].value == "Mois"
    sheet.append([shop.meter(DOMESTIC).drn, 60, "2026-03"])
    file = io.BytesIO()
    sheet.parent.save(file)
    batch = hand_in(file.getvalue(), SHEET)
    assert (batch.rows, batch.faulty, batch.about["examples"]) == (1, 0, 1), codes(shop, batch)


def test_a_meter_of_another_region_is_not_there(shop, office, browse, line):
    permit(shop, "Imports", "can_list", "can_show", "can_run", "can_opening_figures",
           group="Operator")  # fmt: skip
    rows = [line(DOMESTIC, 60, "2026-03"), line(SOUTHERN, 60, "2026-03")]
    form = {"file": (io.BytesIO(workbook(rows, HEADINGS)), "m.xlsx")}
    assert browse(SOUTH_OPERATOR).post(f"/imports/new/{SHEET}", form).status_code == 302
    batch = shop.rows(ImportBatch)[-1]
    work(office, batch.job_id)
    assert codes(shop, batch) == {2: ["no_such_place"]}

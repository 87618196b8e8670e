"""Importing meters, alone and with their consumers."""

from tests.factories import LEGACY_11
from tests.web.importing import METER_HEADINGS as HEADINGS
from tests.web.importing import NEW_METERS as NEW
from tests.web.importing import codes, meters_of, workbook
from vmsapp.models import Consumer, Job, MeterInstallation, ServicePoint

PEOPLE = ["Consumer number", "Consumer's name", "Consumer's telephone"]


def test_meters_are_registered_into_stock_and_taken_back(shop, row, hand_in, go_on):
    before = meters_of(shop).keys()
    batch = hand_in(workbook([row(NEW[0]), row("0404 0404 016")], HEADINGS))
    assert (batch.state, batch.faulty) == ("validated", 0), codes(shop, batch)
    batch = go_on("apply", batch)
    assert batch.applied == 2
    added = meters_of(shop)
    assert added.keys() - before == set(NEW[:2])
    assert (added[NEW[0]].state, added[NEW[0]].ea, added[NEW[0]].krn) == ("stock", 7, 1)
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept) == ("undone", 0)
    assert meters_of(shop).keys() == before


def test_everything_wrong_with_a_meter_is_told(shop, row, hand_in):
    batch = hand_in(workbook([
        row("4040404008"),
        row("1.23E+10"),
        row(4040404008),
        row("04040404009"),
        row(LEGACY_11),
        row(NEW[0], sgc="12345", ti=1, algorithm="Legacz"),
        row(NEW[0], product="No such", tariff="No such either"),
    ], HEADINGS))  # fmt: skip
    found = codes(shop, batch)
    assert found[2] == ["meter_number_zero_lost"] or len(found[2]) == 1
    assert found[3] == ["scientific"]
    assert found[4] == ["number_for_text"]
    assert found[5] == ["meter_check_digit"]
    assert len(found[6]) == 1
    assert len(found[7]) == 3
    assert set(found[8]) >= {"twice_in_file"}
    assert len(found[8]) == 3


def test_a_meter_on_record_changes_where_that_was_chosen(shop, row, hand_in, go_on):
    go_on("apply", hand_in(workbook([row(NEW[0])], HEADINGS)))
    moved = workbook([row(NEW[0], region="South")], HEADINGS)
    assert hand_in(moved).faulty == 1
    batch = hand_in(moved, update_existing="y", although_same="y")
    assert batch.faulty == 0, codes(shop, batch)
    go_on("apply", batch)
    assert meters_of(shop)[NEW[0]].region_id == shop.utility.regions["south"].id
    go_on("undo", batch)
    assert meters_of(shop)[NEW[0]].region_id == shop.utility.regions["north"].id


def test_meters_come_with_their_consumers_and_go_with_them(shop, row, hand_in, go_on):
    meters, people = meters_of(shop).keys(), shop.count(Consumer)
    places, links = shop.count(ServicePoint), shop.count(MeterInstallation)
    batch = hand_in(workbook([
        [*row(NEW[0]), "F-1", "Amina", "+254700000001"],
        [*row(NEW[1]), "F-1", "Amina", "+254700000001"],
        [*row(NEW[2]), "", "Bao", None],
    ], HEADINGS + PEOPLE), "meters-with-consumers")  # fmt: skip
    assert batch.faulty == 0, codes(shop, batch)
    batch = go_on("apply", batch)
    assert batch.applied == 3
    assert shop.count(Consumer) == people + 2
    assert shop.count(MeterInstallation) == links + 3
    assert meters_of(shop)[NEW[0]].state == "active"
    batch = go_on("undo", batch)
    assert batch.kept == 0, codes(shop, batch)
    assert meters_of(shop).keys() == meters
    counts = (shop.count(Consumer), shop.count(ServicePoint), shop.count(MeterInstallation))
    assert counts == (people, places, links)


def test_a_consumer_on_record_takes_the_meter(shop, row, hand_in, go_on):
    number = shop.rows(Consumer, Consumer.retired_at.is_(None))[0].number
    people = shop.count(Consumer)
    batch = hand_in(
        workbook([[*row(NEW[0]), number, "", None]], HEADINGS + PEOPLE), "meters-with-consumers"
    )
    assert batch.faulty == 0, codes(shop, batch)
    go_on("apply", batch)
    assert shop.count(Consumer) == people
    assert shop.count(Job) == 2


def test_a_number_and_a_name_of_two_people_are_an_error_of_the_row(shop, row, hand_in):
    known = shop.rows(Consumer, Consumer.retired_at.is_(None))[0]
    told = [(known.number, f" {known.name.upper()}"), (known.number, "Somebody Else"),
            ("N-5", "Idi Amani"), ("n-5", "idi  amani"), ("N-5", "Imani Adi")]  # fmt: skip
    numbers = [*NEW, "04040404032", "04040404040"]
    rows = [[*row(meter), *who, None] for meter, who in zip(numbers, told, strict=True)]
    batch = hand_in(workbook(rows, HEADINGS + PEOPLE), "meters-with-consumers")
    assert codes(shop, batch) == {3: ["row_consumer_named_otherwise"],
                                  6: ["row_consumer_named_otherwise"]}  # fmt: skip


def test_a_consumer_without_a_name_is_an_error_of_the_row(shop, row, hand_in):
    batch = hand_in(
        workbook([[*row(NEW[0]), "", "", None]], HEADINGS + PEOPLE), "meters-with-consumers"
    )
    assert codes(shop, batch) == {2: ["consumer_name_missing"]}

"""Consumers registered, changed, deleted and retired, one by one and many at once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import (
    DOMESTIC,
    FEE_MINOR,
    HARBOUR,
    LEGACY_11,
    MARKET,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.shop import in_threads
from vmsapp.errors import NotFound
from vmsapp.extensions import atomic
from vmsapp.models import AuditEvent, Consumer, MeterInstallation, NumberSeries, Region
from vmsapp.scope import OutOfScope, seen_by
from vmsapp.services.registration import consumers, retiring
from vmsapp.services.registration.consumer_faults import NumberTaken
from vmsapp.services.registration.consumer_meters import links_of, meters_bound
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.dues import dues_at
from vmsapp.services.registration.faults import FaultyRows
from vmsapp.services.registration.many import UndoneTooLate
from vmsapp.services.setup import setup_at


@pytest.fixture
def north(utility) -> int:
    return utility.regions["north"].id


@pytest.fixture
def south(utility) -> int:
    return utility.regions["south"].id


@pytest.fixture
def ada(north) -> ConsumerDraft:
    """A whole consumer."""
    return ConsumerDraft(
        name="Ada Wanjiru", region_id=north, number="K-17/3", address="Pier 1", gender="female",
        id_number="29384756", email="ada@example.org", phone="+254 20 123456", language="fr",
    )  # fmt: skip


def plain(region_id: int, name: str = "Somebody", **said) -> ConsumerDraft:
    return ConsumerDraft(name=name, region_id=region_id, **said)


def found(faults) -> list[tuple[int, str, str]]:
    return [(fault.row, fault.column, fault.error.code) for fault in faults]


def consumer(shop, key: int) -> Consumer:
    return shop.rows(Consumer, Consumer.id == key)[0]


def of(shop, number: str) -> int:
    return shop.rows(Consumer, Consumer.number == number)[0].id


def events(shop, prefix: str = "consumer.") -> list[AuditEvent]:
    return [row for row in shop.rows(AuditEvent) if row.action.startswith(prefix)]


ENDS = (0, 1999)
"""Rows with numbers of their own."""


# adding


def test_a_consumer_is_registered_as_it_was_said(shop, do, ada):
    (key,) = do(consumers.add, [ada])
    row = consumer(shop, key)
    written = {name: getattr(row, name) for name in consumers.FIELDS}
    assert written == {
        "name": "Ada Wanjiru", "region_id": ada.region_id, "number": "K-17/3",
        "address": "Pier 1", "gender": "female", "id_number": "29384756",
        "email": "ada@example.org", "phone": "+254 20 123456", "language": "fr",
    }  # fmt: skip
    assert (row.version, row.retired, row.anonymised_at) == (1, False, None)


def test_numbers_follow_one_another_and_pass_over_those_given(shop, do, north):
    do(consumers.add, [plain(north), plain(north)])
    do(consumers.add, [plain(north, number="00000004")])
    keys = do(consumers.add, [plain(north), plain(north, number="00000005"), plain(north)])
    assert [consumer(shop, key).number for key in keys] == ["00000003", "00000005", "00000006"]
    # the fourth was given before, the fifth with them
    assert do(consumers.add, []) == []


def test_numbers_leave_no_gap_when_a_row_is_refused(shop, do, north):
    with pytest.raises(FaultyRows):
        do(consumers.add, [plain(north), plain(north, name="")])
    (key,) = do(consumers.add, [plain(north)])
    assert consumer(shop, key).number == "00000001"


def test_many_who_register_at_once_each_get_a_number(shop, do, north):
    outcomes = in_threads(*(lambda: do(consumers.add, [plain(north)] * 5) for _ in range(4)))
    numbers = sorted(consumer(shop, key).number for keys in outcomes for key in keys)
    assert numbers == [f"{number:08d}" for number in range(1, 21)]
    assert [row.last for row in shop.rows(NumberSeries)] == [20]


def test_one_number_given_by_two_at_once_goes_to_one(shop, do, north):
    outcomes = in_threads(*(lambda: do(consumers.add, [plain(north, number="X1")]),) * 2)
    refused = [one for one in outcomes if isinstance(one, FaultyRows)]
    assert [found(one.faults) for one in refused] == [[(0, "number", "consumer_number_taken")]]
    assert shop.count(Consumer, Consumer.number == "X1") == 1


@pytest.mark.parametrize(("said", "fault"), [
    ({"name": ""}, ("name", "consumer_name_missing")),
    ({"name": "n" * 121}, ("name", "too_long")),
    ({"number": "x" * 21}, ("number", "consumer_number_unfit")),
    ({"number": "A B"}, ("number", "consumer_number_unfit")),
    ({"number": "٣"}, ("number", "consumer_number_unfit")),
    ({"number": "C0001"}, ("number", "consumer_number_taken")),
    ({"number": "c0001"}, ("number", "consumer_number_taken")),
    ({"region_id": None}, ("region", "consumer_region_unknown")),
    ({"region_id": 10**6}, ("region", "consumer_region_unknown")),
    ({"address": "a" * 256}, ("address", "too_long")),
    ({"gender": "x"}, ("gender", "gender_unfit")),
    ({"id_number": "1" * 41}, ("id_number", "too_long")),
    ({"email": "nowhere"}, ("email", "email_unfit")),
    ({"email": "a@b"}, ("email", "email_unfit")),
    ({"email": "a b@c.de"}, ("email", "email_unfit")),
    ({"phone": "none"}, ("phone", "phone_unfit")),
    ({"phone": "7"}, ("phone", "phone_unfit")),
    ({"language": "xx"}, ("language", "language_unfit")),
    ({"language": ""}, ("language", "language_unfit")),
])  # fmt: skip
def test_each_field_is_checked(shop, do, ada, said, fault):
    before = shop.count(Consumer)
    with pytest.raises(FaultyRows) as refused:
        do(consumers.add, [replace(ada, **said)])
    assert found(refused.value.faults) == [(0, *fault)]
    assert shop.count(Consumer) == before
    assert events(shop) == []


@pytest.mark.parametrize("number", ["1", "A-1/2", "Z" * 20])
def test_a_number_has_letters_digits_and_two_signs(shop, do, north, number):
    (key,) = do(consumers.add, [plain(north, number=number)])
    assert consumer(shop, key).number == number


def test_every_fault_of_every_row_is_told(do, north):
    rows = [
        plain(north), plain(None, name="", email="x"), plain(north, number="A1"),
        plain(north, number="a1", gender="?"),
    ]  # fmt: skip
    assert found(do(consumers.check, rows)) == [
        (1, "name", "consumer_name_missing"), (1, "email", "email_unfit"),
        (1, "region", "consumer_region_unknown"), (3, "gender", "gender_unfit"),
        (3, "number", "consumer_number_twice"),
    ]  # fmt: skip


def test_a_number_of_another_region_is_taken_and_nobody_says_whose(shop, do, north):
    (theirs,) = [row for row in shop.rows(Consumer) if row.number == "C0006"]
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        assert session.scalars(select(Consumer).where(Consumer.id == theirs.id)).first() is None
    (mine,) = do(consumers.check, [plain(north, number="C0001")])
    (other,) = do(consumers.check, [plain(north, number="C0006")])
    assert type(mine.error) is type(other.error) is NumberTaken
    assert mine.error.message == other.error.message
    assert other.error.params == {"number": "C0006"}


def test_nobody_registers_in_a_region_out_of_sight(shop, do, south):
    with pytest.raises(FaultyRows) as refused:
        do(consumers.add, [plain(south)])
    assert found(refused.value.faults) == [(0, "region", "consumer_region_unknown")]


def test_many_take_a_few_statements(shop, do, north, engine):
    from tests.web.office import statements  # noqa: PLC0415 - counts SQL, knows no browser

    rows = [plain(north, number=f"M{row}" if row in ENDS else "") for row in range(2000)]
    with statements(engine) as seen:
        keys = do(consumers.add, rows, batch_id=7)
    assert len(keys) == 2000
    inserts = [text for text in seen if text.startswith("INSERT INTO consumer")]
    assert len([text for text in seen if text not in inserts]) <= 12
    assert [consumer(shop, keys[at]).number for at in ENDS] == ["M0", "M1999"]
    (event,) = events(shop)
    assert (event.action, event.details) == (
        "consumer.added", {"count": 2000, "batch_id": 7, "first": "M0", "last": "M1999"}
    )  # fmt: skip


# changing


def test_a_change_writes_what_differs_and_puts_no_personal_word_on_record(shop, do, ada, utility):
    (key,) = do(consumers.add, [ada], by=SUPERVISOR)
    country = utility.regions["country"].id
    changed = replace(
        ada, number="K-18", region_id=country, name="Ada Odinga", id_number=None, phone=""
    )  # fmt: skip
    do(consumers.change, {key: changed}, by=SUPERVISOR)
    row = consumer(shop, key)
    assert (row.number, row.name, row.region_id, row.phone) == ("K-18", "Ada Odinga", country, "")
    assert (row.id_number, row.version) == ("29384756", 2)
    added, event = events(shop)
    assert event.details == {
        "number": "K-17/3", "changed": ["name", "number", "phone", "region_id"],
        "before": {"number": "K-17/3", "region_id": ada.region_id},
        "after": {"number": "K-18", "region_id": country},
    }  # fmt: skip
    told = repr([added.details, event.details])
    assert not any(word in told for word in ("Ada", "2938", "Pier", "example", "254"))


def test_saving_what_is_there_changes_nothing(shop, do, ada):
    (key,) = do(consumers.add, [ada])
    do(consumers.change, {key: ada})
    assert consumer(shop, key).version == 1
    assert len(events(shop)) == 1


def test_an_id_number_can_be_replaced_and_removed(shop, do, ada):
    (key,) = do(consumers.add, [ada])
    for said in ("111", ""):
        do(consumers.change, {key: replace(ada, id_number=said)})
        assert consumer(shop, key).id_number == said


def test_a_change_is_checked_like_a_new_one_but_for_its_own_number(shop, do, ada, north):
    one, two = do(consumers.add, [ada, plain(north)])
    with pytest.raises(FaultyRows) as refused:
        do(consumers.change, {one: ada, two: plain(north, number="k-17/3", name="")})
    assert found(refused.value.faults) == [
        (1, "name", "consumer_name_missing"), (1, "number", "consumer_number_twice")
    ]  # fmt: skip
    with pytest.raises(FaultyRows) as refused:
        do(consumers.change, {two: plain(north)})
    assert found(refused.value.faults) == [(0, "number", "consumer_number_missing")]


def test_another_regions_consumer_is_neither_changed_nor_deleted_nor_retired(shop, do, ada):
    theirs = of(shop, "C0006")
    for deed in (
        lambda: do(consumers.change, {theirs: ada}),
        lambda: do(consumers.delete, [theirs]),
        lambda: do(retiring.retire, [theirs]),
        lambda: do(retiring.take_back, [theirs]),
    ):
        with pytest.raises(NotFound):
            deed()
    assert consumer(shop, theirs).version == 1


def test_nobody_moves_a_consumer_out_of_sight(shop, do, ada, south):
    (key,) = do(consumers.add, [ada])
    with pytest.raises((FaultyRows, OutOfScope)):
        do(consumers.change, {key: replace(ada, region_id=south)})
    assert consumer(shop, key).region_id == ada.region_id


# deleting and retiring


def test_only_who_has_no_history_is_deleted(shop, do, ada):
    (key,) = do(consumers.add, [ada])
    do(consumers.delete, [key])
    assert shop.count(Consumer, Consumer.id == key) == 0
    event = events(shop)[-1]
    assert (event.action, event.details) == (
        "consumer.deleted", {"number": "K-17/3", "region_id": ada.region_id}
    )  # fmt: skip


def test_a_place_or_a_sale_keeps_a_consumer(shop, do, ada):
    with pytest.raises(consumers.ConsumerHasHistory):
        do(consumers.delete, [of(shop, "C0001")])
    (key,) = do(consumers.add, [ada])
    sale = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    shop.change(lambda s: setattr(s.merge(sale), "consumer_id", key))
    with pytest.raises(consumers.ConsumerHasHistory):  # though the sale is out of sight
        do(consumers.delete, [key])
    assert shop.count(Consumer, Consumer.id == key) == 1


@pytest.fixture
def three(do, north) -> list[int]:
    """Three consumers without a history."""
    return do(consumers.add, [plain(north, number=f"T{number}") for number in range(3)])


def test_who_still_has_a_meter_is_not_retired_and_the_others_are(shop, do, three):
    bound = of(shop, "C0001")
    done = do(retiring.retire, [*three, bound])
    assert (done.at, set(done.retired), done.kept) == (NOW, set(three), [bound])
    rows = shop.rows(Consumer, Consumer.retired)
    assert {row.id for row in rows} == set(three)
    assert {(row.retired_at, row.retired_by_id, row.version) for row in rows} == {
        (NOW, shop.actor().user_id, 2)
    }
    assert [event.action for event in events(shop)[-3:]] == ["consumer.retired"] * 3


def test_who_has_no_meter_any_more_is_retired(shop, do):
    key = of(shop, "C0001")
    shop.change(lambda s: s.execute(MeterInstallation.__table__.update().values(removed_at=NOW)))
    assert do(retiring.retire, [key]).retired == [key]
    assert do(retiring.retire, [key]).retired == []


def test_the_retired_are_taken_back(shop, do, three):
    do(retiring.retire, three)
    assert do(retiring.take_back, three[:2]) == 2
    assert do(retiring.take_back, three[:2]) == 0
    assert [row.id for row in shop.rows(Consumer, Consumer.retired)] == three[2:]


def test_undo_brings_back_exactly_what_was_done(shop, do, three):
    before = do(retiring.retire, three[:1])
    shop.clock.forward(seconds=5)
    done = do(retiring.retire, three)
    assert done.retired == three[1:]
    shop.clock.forward(minutes=10)
    assert do(retiring.undo, done.at) == 2
    assert [row.id for row in shop.rows(Consumer, Consumer.retired)] == before.retired


def test_undo_leaves_alone_what_changed_since(shop, do, three):
    done = do(retiring.retire, three)
    do(retiring.take_back, three[:2])
    shop.clock.forward(seconds=1)
    do(retiring.retire, three[:1])
    assert do(retiring.undo, done.at) == 1
    assert [row.id for row in shop.rows(Consumer, Consumer.retired)] == three[:1]


def test_undo_is_for_who_did_it_and_for_ten_minutes(shop, do, three):
    done = do(retiring.retire, three)
    with pytest.raises(UndoneTooLate):
        do(retiring.undo, done.at, by=SUPERVISOR)
    for moment in (done.at + timedelta(seconds=1), done.at - timedelta(days=1)):
        with pytest.raises(UndoneTooLate):
            do(retiring.undo, moment)
    shop.clock.forward(minutes=10, seconds=1)
    with pytest.raises(UndoneTooLate):
        do(retiring.undo, done.at)
    assert shop.count(Consumer, Consumer.retired) == 3


# meters and fees


def test_meters_are_counted_as_far_as_one_sees_them(shop, do, utility):
    one = of(shop, "C0001")

    def more(session):
        product = session.get_one(factories.Product, shop.meter(LEGACY_11).product_id)
        for serial, region in ((501, "north"), (502, "south")):
            place = session.get_one(Region, utility.regions[region].id)
            factories.add_meter(session, serial, product=product, tariff=None, region=place)
            session.flush()
            point = session.scalars(
                select(factories.ServicePoint).order_by(factories.ServicePoint.id.desc())
            ).first()
            point.consumer_id = one

    shop.change(more)
    count = lambda session, _actor, **how: meters_bound(session, [one], **how)  # noqa: E731
    assert do(count) == {one: 2}
    assert do(count, everywhere=True) == {one: 3}


def test_links_are_kept_when_a_meter_goes(shop, do):
    key = of(shop, "C0001")

    def listed(session, _actor):
        return [(link.meter.drn, link.until) for link in links_of(session, key).shown]

    drn = shop.meter(LEGACY_11).drn
    assert do(listed) == [(drn, None)]
    shop.change(lambda s: s.execute(MeterInstallation.__table__.update().values(removed_at=NOW)))
    assert do(listed) == [(drn, NOW)]


def test_fees_due_are_those_the_next_sale_would_charge(shop, do):
    """One fee a month since the place is there; a sale pays what is due."""

    def due(session, _actor):
        key = of(shop, "C0005")
        setup = setup_at(session, shop.clock())
        links = links_of(session, key).shown
        places = [(link.point, link.meter.tariff_id) for link in links]
        return [one.all_minor for one in dues_at(session, setup, places, shop.clock()).values()]

    assert do(due) == [FEE_MINOR]
    shop.clock.forward(days=31)  # April: one missed, one due
    assert do(due) == [2 * FEE_MINOR]
    shop.sell(DOMESTIC, point=HARBOUR)
    assert do(due) == [0]


def test_a_failed_insert_leaves_the_transaction_usable(shop, do, north):
    def twice(session, actor):
        with atomic(session):
            with pytest.raises(FaultyRows):
                consumers.add(session, actor, [plain(north, number="C0001")])
            return consumers.add(session, actor, [plain(north, number="N1")])

    assert len(do(twice)) == 1

"""What is held of a person: looked at on record, handed over whole, removed for good."""

import json

import pytest

from tests.factories import (
    LEGACY_11,
    MARKET,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.faults import request_lost
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, Consumer, MeterInstallation, Sale
from vmsapp.services.registration import consumers, personal_data, retiring
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.many import UndoneTooLate
from vmsapp.services.registration.masking import masked

SECRET = "29384756"
PERSONAL = ("Consumer 1", "ada@example.org", "+254 20 123456", "Pier 1", SECRET)


@pytest.fixture
def ada(shop) -> Consumer:
    """The consumer of the first meter, with all there can be on record."""

    def fill(session):
        row = session.query(Consumer).where(Consumer.number == "C0001").one()
        row.email, row.phone, row.address = PERSONAL[1:4]
        row.id_number, row.gender, row.language = SECRET, "female", "fr"
        return row

    return shop.change(fill)


def again(shop, row) -> Consumer:
    return shop.rows(Consumer, Consumer.id == row.id)[0]


def last(shop) -> AuditEvent:
    return shop.rows(AuditEvent)[-1]


def unbind(shop) -> None:
    shop.change(lambda s: s.execute(MeterInstallation.__table__.update().values(removed_at=NOW)))


@pytest.mark.parametrize(("number", "shown"), [
    ("", ""), ("7", "•••••"), ("756", "•••••"), ("4756", "•••••756"), (SECRET, "•••••756"),
])  # fmt: skip
def test_a_masked_number_shows_its_end_and_not_its_length(number, shown):
    assert masked(number) == shown


def test_looking_at_an_id_number_is_on_record_each_time(shop, do, ada):
    for count in (1, 2):
        assert do(personal_data.show_id_number, ada.id) == SECRET
        looked = [row for row in shop.rows(AuditEvent) if row.action.endswith("number_shown")]
        assert len(looked) == count
    assert (looked[0].subject_id, looked[0].details) == (str(ada.id), {"number": "C0001"})


def test_an_id_number_is_found_whole_or_not_at_all_and_in_ones_own_region(shop, do, ada):
    def find(text, by=OPERATOR):
        return [row.id for row in do(personal_data.find_id_number, text, by=by)]

    assert find(SECRET) == [ada.id]
    assert find(SECRET[:-1]) == []
    assert find("") == []
    assert find("%") == []
    assert find(SECRET, by=SOUTH_OPERATOR) == []
    events = [row for row in shop.rows(AuditEvent) if row.action.endswith("number_searched")]
    assert [row.details["found"] for row in events] == [["C0001"], [], [], [], []]


def test_another_regions_person_is_not_there(do, shop, settings):
    (theirs,) = [row.id for row in shop.rows(Consumer) if row.number == "C0006"]
    for deed in (personal_data.show_id_number, personal_data.everything_of):
        with pytest.raises(NotFound):
            do(deed, theirs)
    with pytest.raises(NotFound):
        do(personal_data.anonymise, settings, theirs, reason="asked", number="C0006")


def test_all_that_is_held_is_handed_over_without_the_digits_of_tokens(shop, do, ada):
    sale = shop.sell(LEGACY_11, units="50")
    held = do(personal_data.everything_of, ada.id)
    record = {name: held["consumer"][name] for name in ("number", "name", "region", "id_number")}
    assert record == {
        "number": "C0001", "name": "Consumer 1", "region": "North", "id_number": SECRET,
    }  # fmt: skip
    (meter,), (sold,) = held["meters"], held["sales"]
    assert (meter["number"], meter["tariff"]) == (shop.meter(LEGACY_11).drn, "Flat")
    assert meter["bound_at"].startswith("2026-03-17T09:30")
    assert meter["unbound_at"] is None
    # fifty units at ten cents
    assert (sold["units"], sold["charged"], sold["currency"]) == ("50.000", "5.00", "USD")
    assert (sold["state"], sold["receipt"], held["complete"]) == ("issued", sale.receipt, True)
    text = json.dumps(held)
    assert shop.digits(sale) not in text
    event = last(shop)
    assert (event.action, event.details) == (
        "consumer.person_exported", {"number": "C0001", "meters": 1, "sales": 1}
    )  # fmt: skip


def test_the_file_says_when_there_is_more_than_its_maker_sees(shop, do, ada):
    sale = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    shop.change(lambda s: setattr(s.merge(sale), "consumer_id", ada.id))
    held = do(personal_data.everything_of, ada.id)
    assert (held["sales"], held["complete"]) == ([], False)
    assert do(personal_data.everything_of, ada.id, by=SUPERVISOR)["complete"] is True


# removing


@pytest.fixture
def anonymise(do, ada, settings):
    """Remove what is held of a consumer."""

    def run(**said):
        said = {"reason": "asked", "number": "c0001"} | said
        do(personal_data.anonymise, settings, ada.id, **said)

    return run


def test_what_tells_who_it_was_is_removed_and_sales_stay(shop, do, ada, anonymise):
    sale = shop.sell(LEGACY_11)
    unbind(shop)
    anonymise()
    row = again(shop, ada)
    assert (row.name, row.address, row.phone, row.email, row.id_number, row.gender) == (
        "—", "", "", "", "", "unknown"
    )  # fmt: skip
    assert (row.number, row.retired_at, row.anonymised_at, row.version) == ("C0001", NOW, NOW, 2)
    assert shop.rows(Sale)[0].consumer_id == row.id
    assert shop.again(sale).charged_minor == sale.charged_minor
    assert last(shop).details == {"number": "C0001", "reason": "asked"}


def test_the_trail_holds_nothing_of_the_person(shop, do, ada, settings):
    draft = ConsumerDraft(
        name="Consumer 1", region_id=ada.region_id, number="P1", address="Pier 1",
        id_number=SECRET, email="ada@example.org", phone="+254 20 123456",
    )  # fmt: skip
    (key,) = do(consumers.add, [draft])
    do(personal_data.show_id_number, key)
    do(personal_data.find_id_number, SECRET)
    do(personal_data.everything_of, key)
    do(consumers.change, {key: ConsumerDraft(name="B", region_id=ada.region_id, number="P1")})
    do(personal_data.anonymise, settings, key, reason="asked", number="P1")
    trail = json.dumps([row.details for row in shop.rows(AuditEvent)])
    assert len(shop.rows(AuditEvent)) >= 6
    assert [word for word in PERSONAL if word in trail] == []


@pytest.mark.parametrize(("said", "error"), [
    ({"reason": ""}, personal_data.ReasonMissing),
    ({"reason": "r" * 256}, personal_data.ReasonMissing),
    ({"number": ""}, personal_data.NumberNotRepeated),
    ({"number": "C0002"}, personal_data.NumberNotRepeated),
])  # fmt: skip
def test_it_takes_a_reason_and_the_number(shop, do, ada, anonymise, said, error):
    unbind(shop)
    with pytest.raises(error):
        anonymise(**said)
    assert again(shop, ada).name == "Consumer 1"


def test_a_bound_meter_or_an_open_sale_keeps_the_name(shop, do, ada, anonymise, module):
    with pytest.raises(personal_data.MeterStillBound):
        anonymise()
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    unbind(shop)
    with pytest.raises(personal_data.SaleStillPending):
        anonymise()
    assert again(shop, ada).anonymised_at is None


def test_nothing_is_written_about_who_was_anonymised(shop, do, ada, anonymise):
    unbind(shop)
    anonymise()
    with pytest.raises(consumers.ConsumerAnonymised):
        anonymise()
    with pytest.raises(consumers.ConsumerAnonymised):
        do(consumers.change, {ada.id: ConsumerDraft(name="Ada", region_id=ada.region_id,
                                                    number="C0001")})  # fmt: skip
    assert do(retiring.take_back, [ada.id]) == 0
    with pytest.raises(UndoneTooLate):
        do(retiring.undo, NOW)
    assert again(shop, ada).name == "—"

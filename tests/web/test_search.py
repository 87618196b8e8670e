"""The one box at the counter takes numbers as people write and scan them."""

import pytest
from sqlalchemy import update

from tests.factories import LEGACY_11
from tests.web.office import contents, main_part, said
from vmsapp.models import Consumer, Meter, MeterInstallation, Sale, ServicePoint

PHONE = "+000 700 000-096"


@pytest.fixture
def with_phone(shop) -> int:
    """The id of a meter whose consumer has a phone with signs between its digits."""
    meter = shop.meter(LEGACY_11)

    def give(session):
        consumer = (
            session.query(ServicePoint.consumer_id)
            .join(MeterInstallation, MeterInstallation.service_point_id == ServicePoint.id)
            .join(Meter, Meter.id == MeterInstallation.meter_id)
            .filter(Meter.id == meter.id)
            .scalar()
        )
        session.execute(update(Consumer).where(Consumer.id == consumer).values(phone=PHONE))

    shop.change(give)
    return meter.id


@pytest.mark.parametrize(
    "typed", [PHONE, "+000700000096", "000700000096", "700 000 096", "(700) 000096"]
)
def test_a_phone_number_is_found_however_it_is_spaced(operator, with_phone, typed):
    found = operator.get("/counter/", query_string={"q": typed})
    assert found.location == f"/counter/meter/{with_phone}"


def test_a_meter_number_in_arabic_or_wide_digits_is_found(operator, shop, utility):
    drn = shop.meter(LEGACY_11).drn
    for zero in ("٠", "０"):
        typed = "".join(chr(ord(zero) + int(digit)) for digit in drn)
        found = operator.get("/counter/", query_string={"q": typed})
        assert found.location == f"/counter/meter/{utility.meters[LEGACY_11]}"


def test_a_meter_number_scanned_into_the_amount_is_not_taken_for_money(
    operator, shop, utility, engine
):
    drn, meter_id = shop.meter(LEGACY_11).drn, utility.meters[LEGACY_11]
    form = operator.purchase(meter_id, mode="amount", value="5")
    before = contents(engine)
    refused = operator.sell(meter_id, form | {"value": drn})
    assert refused.status_code == 422
    assert f"{drn} is a meter number, not an amount" in said(refused.text)
    assert contents(engine) == before
    assert shop.count(Sale) == 0


def test_who_is_not_signed_in_is_asked_to_and_comes_back(browse):
    answer = browse(None).get("/counter/?q=5")
    assert answer.location == "/login/?next=/counter/?q%3D5"
    assert "Please sign in." in browse(None).get("/counter/", follow_redirects=True).text


def test_blanks_alone_search_nothing(operator):
    page = operator.get("/counter/", query_string={"q": "   "})
    assert "matches" not in main_part(page.text)


def test_a_search_as_long_as_a_book_finds_nothing_and_fails_nowhere(operator):
    assert operator.get("/counter/", query_string={"q": "x" * 60_000}).status_code == 200

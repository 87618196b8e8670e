"""Token identifiers: each once for a MeterPAN and base date, whatever becomes of the sale."""

import importlib
from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.factories import NOW, STS6_11
from tests.shop import in_threads
from vmsapp.models import SpentTid, TidHead
from vmsapp.services.vending.errors import BaseDateEnded, KeyExpired
from vmsapp.services.vending.tids import MeterKey, lock_head, spend_tid
from vmsapp.sts.tid import TID_MAX, BaseDate, tid_from_datetime

PAN = "600727000000000009"
KEY = MeterKey("00000000000", PAN, BaseDate.Y2014, 255, "990001")
MINUTE = tid_from_datetime(NOW, BaseDate.Y2014)


def spend(shop, *, last=None, floor=0, highest=None, moment=NOW, key=KEY, request="r"):
    def deed(session):
        head = lock_head(session, PAN, "14")
        head.last_tid, head.floor = last, floor
        return spend_tid(
            session, head, key, moment=moment, request_id=request, highest_used=highest
        )

    return shop.change(deed)


CHOICES = [  # last, floor, highest used by the module -> next
    (None, 0, None, MINUTE),
    (MINUTE, 0, None, MINUTE + 1),
    (MINUTE - 5, 0, None, MINUTE),
    (MINUTE + 7, 0, None, MINUTE + 8),
    (MINUTE, MINUTE + 100, None, MINUTE + 100),
    (MINUTE + 200, MINUTE + 100, None, MINUTE + 201),
    (MINUTE, 0, MINUTE + 9, MINUTE + 10),
    (MINUTE + 9, 0, MINUTE, MINUTE + 10),
    (None, MINUTE + 10_000, None, MINUTE + 10_000),  # a floor may lie as far ahead as it must
]


@pytest.mark.parametrize(("last", "floor", "highest", "chosen"), CHOICES)
def test_the_next_identifier_is_the_highest_of_minute_last_plus_one_and_floor(
    shop, last, floor, highest, chosen
):
    assert spend(shop, last=last, floor=floor, highest=highest) == chosen
    (row,) = shop.rows(SpentTid)
    assert (row.tid, row.meter_pan, row.base_date, row.request_id) == (chosen, PAN, "14", "r")
    assert shop.rows(TidHead)[0].last_tid == chosen


@pytest.mark.parametrize("seconds", [60, 61, 119])
def test_minute_one_of_a_day_is_never_given(shop, seconds):
    midnight = NOW.replace(hour=0, minute=0)
    tid = spend(shop, moment=midnight + timedelta(seconds=seconds))
    assert tid % 1440 == 2


def test_no_sale_around_midnight_gets_the_reserved_minute(shop):
    shop.at(NOW.replace(hour=23, minute=58))
    tids = [shop.sell(units=f"{n}").tid for n in range(1, 8)]
    assert all(tid % 1440 != 1 for tid in tids)
    assert tids == sorted(set(tids))
    assert {tid % 1440 for tid in tids} == {1438, 1439, 0, 2, 3, 4, 5}


def test_an_identifier_cannot_be_spent_twice_even_past_the_head(shop):
    spend(shop)
    with pytest.raises(IntegrityError):
        spend(shop, last=None, request="other")
    assert shop.count(SpentTid) == 1


def test_identifiers_of_another_base_date_are_counted_apart(shop):
    spend(shop)
    shop.change(lambda s: s.add(SpentTid(meter_pan=PAN, base_date="35", tid=MINUTE, request_id="")))
    assert shop.count(SpentTid) == 2


def test_the_last_minute_of_a_base_date_is_given_and_none_after_it(shop):
    end = BaseDate.Y2014.moment + timedelta(minutes=TID_MAX)
    assert spend(shop, moment=end) == TID_MAX
    with pytest.raises(BaseDateEnded):
        spend(shop, last=TID_MAX, moment=end)


def test_the_identifier_and_not_the_clock_decides_whether_the_key_has_expired(shop):
    ken = MINUTE >> 16
    key = MeterKey("0", PAN, BaseDate.Y2014, ken, "990001")
    last_usable = ((ken + 1) << 16) - 1
    assert spend(shop, floor=last_usable, key=key) == last_usable
    with pytest.raises(KeyExpired):
        spend(shop, last=last_usable, key=key)


def test_sales_to_one_meter_at_the_same_moment_get_different_identifiers(shop, monkeypatch):
    # pending sales are not waited for, so that reservations meet at the head's lock
    reserving = importlib.import_module("vmsapp.services.vending.ground")
    monkeypatch.setattr(reserving, "open_sale_of", lambda *_: None)
    forms = [shop.form(STS6_11, units=f"{n}") for n in range(1, 4)]
    sales = in_threads(*[lambda form=form: shop.submit(form) for form in forms])
    assert sorted(sale.tid for sale in sales) == [MINUTE, MINUTE + 1, MINUTE + 2]


@pytest.mark.parametrize("deed", ["UPDATE tid SET request_id = 'x'", "DELETE FROM tid"])
def test_a_spent_identifier_is_never_changed_or_removed(shop, deed):
    spend(shop)
    with pytest.raises(DBAPIError, match="only added"):
        shop.change(lambda s: s.connection().exec_driver_sql(deed))

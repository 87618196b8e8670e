"""What filters read of an address, and how they say it."""

from datetime import date
from types import SimpleNamespace

import pytest
from flask import g
from werkzeug.datastructures import MultiDict

from vmsapp.models import Consumer, Meter, Region, Sale
from vmsapp.views.lists.filters import Among, Choice, Days, Names, YesNo, left_out
from vmsapp.views.words import METER_STATES

STATE = Choice(name="state", label="State", column=Meter.state, words=METER_STATES)
RETIRED = YesNo(name="retired", label="Retired", column=Consumer.retired)
SOLD = Days(name="sold", label="Sold", column=Sale.business_date)


class Places(Names):
    """North and South."""

    def __call__(self):
        return [(3, "North"), (5, "South")]

    def of(self, number):
        return dict(self()).get(number)


PLACE = Among(name="place", label="Place", column=Consumer.region_id, model=Region,
              text=Places(Region, Region.name, 2))  # fmt: skip


@pytest.mark.parametrize(("filter_", "typed", "read"), [
    (STATE, "blocked", "blocked"), (STATE, "Blocked", None), (STATE, "", None),
    (STATE, "__class__", None),
    (RETIRED, "yes", "yes"), (RETIRED, "no", "no"), (RETIRED, "true", None), (RETIRED, "", None),
    (PLACE, "3", "3"), (PLACE, "4", None), (PLACE, "x", None), (PLACE, "", None),
    (PLACE, "-3", None), (PLACE, "9" * 5000, None), (PLACE, "3.0", None),
])  # fmt: skip
def test_a_filter_reads_what_it_offers_and_nothing_else(filter_, typed, read):
    assert filter_.read(MultiDict({filter_.name: typed})) == read
    assert filter_.read(MultiDict({f"{filter_.name}x": typed})) is None


DAY = date(2026, 3, 17)


@pytest.mark.parametrize(("first", "last", "read"), [
    ("2026-03-17", "2026-03-17", (DAY, DAY)), ("2026-03-17", "", (DAY, None)),
    ("", "2026-03-17", (None, DAY)), ("x", "2026-03-17", (None, DAY)), ("", "", None),
    ("2026-02-30", "", None), ("1899-12-31", "", None), ("2201-01-01", "", None),
    ("1900-01-01", "2200-12-31", (date(1900, 1, 1), date(2200, 12, 31))),
    ("0001-01-01", "9999-12-31", None), ("-1", "9" * 5000, None), ("17.03.2026", None, None),
    ("2026-03-17T10:00", "", None),
])  # fmt: skip
def test_days_are_read_as_browsers_write_them(first, last, read):
    typed = {"sold_from": first} | ({} if last is None else {"sold_to": last})
    assert SOLD.read(MultiDict(typed)) == read
    assert SOLD.parameters == ("sold_from", "sold_to")


@pytest.mark.parametrize(("query", "amiss"), [
    ({}, []), ({"state": "", "place": " ", "sold_from": ""}, []), ({"other": "x"}, []),
    ({"state": "blocked", "retired": "no", "place": "3", "sold_from": "2026-03-17"}, []),
    ({"state": "Blocked", "retired": "true"}, ["State", "Retired"]),
    ({"place": "4"}, ["Place"]), ({"place": "x"}, ["Place"]), ({"place": "9" * 5000}, ["Place"]),
    ({"sold_from": "2026-03-17", "sold_to": "2026-02-30"}, ["Sold"]), ({"sold_to": "x"}, ["Sold"]),
])  # fmt: skip
def test_what_is_asked_for_and_cannot_be_taken_is_told(query, amiss):
    filters, arguments = (STATE, RETIRED, PLACE, SOLD), MultiDict(query)
    chosen = [(one, one.read(arguments)) for one in filters]
    assert [one.label for one in left_out(filters, arguments, chosen)] == amiss


def test_filters_say_their_values_in_words(page):
    assert STATE.said("blocked") == "Blocked"
    assert [RETIRED.said(word) for word in ("yes", "no")] == ["Yes", "No"]
    assert PLACE.said("5") == "South"
    assert SOLD.said((DAY, DAY)) == "Mar 17, 2026 to Mar 17, 2026"
    assert SOLD.said((DAY, None)) == "from Mar 17, 2026"
    assert SOLD.said((None, DAY)) == "until Mar 17, 2026"


def test_filters_offer_every_value_with_its_word(page):
    assert STATE.options() == [("stock", "In stock"), ("active", "Active"),
                               ("blocked", "Blocked"), ("retired", "Retired")]  # fmt: skip
    assert RETIRED.options() == [("yes", "Yes"), ("no", "No")]
    assert PLACE.options() == [("3", "North"), ("5", "South")]


def test_a_filter_keeps_nothing_of_what_it_read(page):
    g.utility = SimpleNamespace(time_zone="UTC")
    before = [repr(vars(one)) for one in (STATE, RETIRED, SOLD, PLACE)]
    for one in (STATE, RETIRED, SOLD, PLACE):
        one.read(MultiDict(dict.fromkeys(one.parameters, "yes")))
        with pytest.raises(AttributeError):
            one.name = "other"
    assert [repr(vars(one)) for one in (STATE, RETIRED, SOLD, PLACE)] == before

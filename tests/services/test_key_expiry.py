"""The report on keys that end: which, when, and how many meters need them."""

import pytest

from tests.factories import (
    AUDITOR,
    ENDED_SGC,
    EXPIRED_SGC,
    LEGACY_SGC,
    MISSING_SGC,
    OPERATOR,
    SOUTH_OPERATOR,
    STS6_SGC,
    TODAY,
)
from tests.services.test_money_reports import asked
from vmsapp.models import Meter, SecurityModule
from vmsapp.services.reports import By, Question
from vmsapp.services.reports.key_expiry import key_report

KEYS = {
    # supply group: meters of all regions, of the north, of the south
    MISSING_SGC: (1, 1, 0), EXPIRED_SGC: (1, 1, 0), ENDED_SGC: (1, 1, 0), LEGACY_SGC: (11, 10, 1),
    STS6_SGC: (2, 2, 0),
}  # fmt: skip


@pytest.mark.parametrize(("who", "place"), [(AUDITOR, 0), (OPERATOR, 1), (SOUTH_OPERATOR, 2)])
def test_keys_are_told_with_the_meters_that_the_reader_sees(shop, who, place):
    meters = shop.rows(Meter, Meter.state != "retired")
    region = {0: None, 1: "north", 2: "south"}[place]
    ids = {row.id for name, row in shop.utility.regions.items() if region in {None, name}}
    counted = {sgc: sum(one.sgc == sgc and one.region_id in ids for one in meters) for sgc in KEYS}
    assert counted == {sgc: counts[place] for sgc, counts in KEYS.items()}
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR), who)
    found = {line.apart.sgc: line.figures.meters for line in answer.lines}
    assert found == {sgc: count for sgc, count in counted.items() if count}


def test_keys_that_end_first_stand_first_and_those_that_are_missing_before_them(shop):
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR))
    order = [(line.apart.sgc, line.apart.ends_on and line.apart.ends_on.year)
             for line in answer.lines]  # fmt: skip
    assert order == [(MISSING_SGC, None), (EXPIRED_SGC, 2020), (ENDED_SGC, 2024),
                     (LEGACY_SGC, 2045), (STS6_SGC, 2045)]  # fmt: skip

    def retire(session):
        session.query(SecurityModule).one().retired_at = shop.clock.now

    shop.change(retire)
    answer = asked(shop, key_report, Question(TODAY, TODAY, By.YEAR))
    assert {line.apart.ends_on for line in answer.lines} == {None}
    south = Question(TODAY, TODAY, By.YEAR, region_id=shop.utility.regions["south"].id)
    (line,) = asked(shop, key_report, south).lines
    assert (line.apart.sgc, line.figures.meters) == (LEGACY_SGC, 1)

"""The sheets of a campaign: along the route, looked at before they are printed, each once."""

import pytest
from sqlalchemy import update

from tests.factories import LEGACY_SGC
from tests.fleet import LEGACY
from vmsapp.models import (
    AuditEvent,
    CampaignNotice,
    HandOut,
    Meter,
    NoticeState,
    Region,
    ServicePoint,
)
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns import sheets
from vmsapp.services.campaigns.rows import read
from vmsapp.services.campaigns.terms import Selection, Target

pytestmark = pytest.mark.ring

TO_2 = Target(krn=2)
FIRST_GROUP = Selection(sgcs=(LEGACY_SGC,), krns=(1,))


def printed(fleet, campaign_id, **options):
    def deed(session, actor):
        return sheets.sheet(session, actor, campaign_id, **options)

    return fleet.shop.do(deed, by=fleet.by)


def coming(fleet, campaign_id, **options):
    def look(session, _actor):
        return sheets.coming(session, read(session, campaign_id), **{"limit": 100} | options)

    return fleet.shop.do(look, by=fleet.by)


def set_address(shop, point_id, address):
    shop.change(lambda session: session.execute(
        update(ServicePoint).where(ServicePoint.id == point_id).values(address=address)
    ))  # fmt: skip


def test_sheets_are_in_the_order_of_the_route_and_each_set_is_printed_once(fleet, shop):
    for place, point in enumerate(shop.rows(ServicePoint)):
        set_address(shop, point.id, f"{'Road' if place % 2 else 'road'} {18 - place}")
    campaign_id = fleet.run(TO_2, selection=FIRST_GROUP, hand_out="sheet")
    made = fleet.sets(campaign_id)
    first = printed(fleet, campaign_id, limit=3)
    rest = printed(fleet, campaign_id, limit=1_000)
    assert printed(fleet, campaign_id, limit=1_000) == []
    both = [*first, *rest]
    assert len({row.key_change_id for row in both}) == len(both) == len(made)
    for region in ("North", "South"):
        houses = [int(row.address.split()[1]) for row in both if row.region == region
                  and row.address.lower().startswith("road")]  # fmt: skip
        assert houses == sorted(houses)
        last = [bool(row.address) for row in both if row.region == region]
        assert last == sorted(last, reverse=True), "without an address they come last"
    regions = [row.region for row in both]
    assert regions == sorted(regions), "each region is walked once, in the order of the names"
    roads = [row.address for row in both if row.address.lower().startswith("road")]
    assert {len(road) for road in roads} == {6, 7}, "of one and of two digits"
    digits = {row.id: made[row.meter_id] for row in fleet.changes(campaign_id)}
    assert all(list(row.tokens) == digits[row.key_change_id] for row in both)
    assert {row.prints for row in both} == {0}
    assert {row.prints for row in printed(fleet, campaign_id, limit=2, again=True)} == {1}
    assert fleet.progress(campaign_id).handed_out == len(made)
    told = [row.details for row in shop.rows(AuditEvent) if row.action == "campaign.printed"]
    assert [row["sets"] for row in told] == [3, len(rest), 2]
    assert "tokens=…" in repr(both[0])
    assert both[0].tokens[0] not in repr(both[0])


def test_regions_are_walked_by_their_names_as_people_count(fleet, shop):
    """Zone 2 comes before Zone 10, whichever was made first."""
    ids = fleet.add(3, [LEGACY])

    def hang(session):
        above = session.get(Region, session.get(Meter, ids[0]).region_id)
        for meter_id, name in zip(ids, ("Zone 10", "Zone 2", "Zone 1"), strict=True):
            region = Region(parent_id=above.id, level="city", name=name, path=f"{name}?")
            session.add(region)
            session.flush()
            region.path = f"{above.path}{region.id}."
            session.get(Meter, meter_id).region_id = region.id

    shop.change(hang)
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=numbers, hand_out="sheet")
    assert [row.region for row in printed(fleet, campaign_id, limit=2)] == ["Zone 1", "Zone 2"]
    assert [row.region for row in printed(fleet, campaign_id, limit=2)] == ["Zone 10"]


def test_looking_at_sheets_shows_no_digits_and_notes_nothing(fleet, shop):
    ids = fleet.add(3, [LEGACY])
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=numbers, hand_out="sheet")
    found = coming(fleet, campaign_id)
    assert (found.waiting, found.printed, len(found.rows)) == (3, 0, 3)
    assert {token for row in found.rows for token in row.tokens} == {sheets.HIDDEN}
    assert {len(row.tokens) for row in found.rows} == {2}
    assert shop.count(CampaignNotice) == 0
    rows = printed(fleet, campaign_id, limit=100, shown=found.digest)
    assert [row.key_change_id for row in rows] == [row.key_change_id for row in found.rows]


def test_what_is_printed_is_what_was_looked_at(fleet, shop):
    ids = fleet.add(3, [LEGACY])
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=numbers, hand_out="sheet")
    looked = coming(fleet, campaign_id)
    change = fleet.changes(campaign_id)[1]
    fleet.keys.confirm(change, "test_tokens", 2, change.new_ti)
    with pytest.raises(wrong.SheetsMoved):
        printed(fleet, campaign_id, limit=100, shown=looked.digest)
    assert shop.count(CampaignNotice) == 0
    looked = coming(fleet, campaign_id)
    assert len(printed(fleet, campaign_id, limit=100, shown=looked.digest)) == 2
    copies = coming(fleet, campaign_id, again=True)
    assert len(printed(fleet, campaign_id, limit=100, again=True, shown=copies.digest)) == 2
    with pytest.raises(wrong.SheetsMoved):
        printed(fleet, campaign_id, limit=100, again=True, shown=copies.digest)
    assert {row.prints for row in shop.rows(CampaignNotice)} == {2}


def test_of_text_messages_sheets_hold_those_that_reached_nobody(fleet, shop):
    ids = fleet.add(4, [LEGACY])
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=numbers, hand_out="sms")
    assert coming(fleet, campaign_id).rows == [], "nothing was tried yet"
    sent, failed, unsure, waiting = fleet.changes(campaign_id)
    states = {sent: "sent", failed: "failed", unsure: "unsure", waiting: "waiting"}

    def noted(session):
        for number, (change, state) in enumerate(states.items()):
            session.add(CampaignNotice(
                key_change_id=change.id, campaign_id=campaign_id, hand_out=HandOut.SMS,
                state=state, reference=str(number), state_at=shop.clock.now, prints=0,
            ))  # fmt: skip

    shop.change(noted)
    rows = printed(fleet, campaign_id, limit=100)
    assert {row.key_change_id for row in rows} == {failed.id, unsure.id}
    kept = {row.key_change_id: (row.hand_out, row.state) for row in shop.rows(CampaignNotice)}
    assert kept[failed.id] == kept[unsure.id] == (HandOut.SHEET, NoticeState.SENT)
    assert kept[waiting.id] == (HandOut.SMS, NoticeState.WAITING)
    assert coming(fleet, campaign_id).rows == []

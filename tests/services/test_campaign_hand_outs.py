"""What becomes of a campaign's sets: sheets, text messages, the report; and who sees them."""

import io
from datetime import date

import pytest
from openpyxl import load_workbook
from sqlalchemy import update

from config import Settings
from tests.factories import LEGACY_11, LEGACY_SGC, OPERATOR, SOUTH_OPERATOR, SOUTHERN
from tests.fleet import LEGACY, Fleet
from tests.services.pair import CHECKER, MAKER, make_pair
from vmsapp.errors import NotFound
from vmsapp.models import (
    CampaignNotice,
    Consumer,
    Meter,
)
from vmsapp.scope import seen_by
from vmsapp.services import job_runs, stored_files
from vmsapp.services.approvals import asking
from vmsapp.services.campaigns import beginning, messages, report
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns.terms import Selection, Target
from vmsapp.services.delivery.senders import Message, Senders

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"]), pytest.mark.ring]

TO_2 = Target(krn=2)
FIRST_GROUP = Selection(sgcs=(LEGACY_SGC,), krns=(1,))


class Gateway:
    """Takes messages, or raises what is planned."""

    def __init__(self, *faults):
        self.faults, self.taken = list(faults), []

    def send(self, message: Message) -> str:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.taken.append(message)
        return f"id-{len(self.taken)}"


def write(parcel, to):
    return Message(to=to, text=" ".join(parcel.tokens), reference=parcel.reference)


def sent(fleet, campaign_id, gateway):
    """Send what waits, as a worker does."""
    job = fleet.shop.do(messages.send_messages, campaign_id, by=fleet.by, locale="en")
    actor = fleet.shop.actor(fleet.by)
    senders = Senders(gateway, b"", ())
    with (
        fleet.shop.session() as session,
        job_runs.running(session, job.id) as work,
        seen_by(actor),
    ):
        messages.send(session, actor, work, senders, write)
    return fleet.shop.rows(job_runs.Job, job_runs.Job.id == job.id)[0]


def with_phones(shop):
    shop.change(lambda session: session.execute(update(Consumer).values(phone="+254 20 123456")))


def test_text_messages_hold_the_set_and_leave_once(fleet, shop):
    with_phones(shop)
    campaign_id = fleet.run(TO_2, selection=FIRST_GROUP, hand_out="sms")
    gateway = Gateway()
    assert sent(fleet, campaign_id, gateway).state == "done"
    made = {tuple(digits) for digits in fleet.sets(campaign_id).values()}
    texts = {tuple(message.text.split()) for message in gateway.taken}
    assert texts
    assert texts <= made
    assert sent(fleet, campaign_id, again := Gateway()).state == "done"
    assert again.taken == []
    rows = shop.rows(CampaignNotice)
    assert {row.state for row in rows} == {"sent", "failed"}
    assert {(row.problem or {}).get("code") for row in rows if row.state == "failed"} == {
        "no_phone"
    }
    assert len(rows) == len(made), "who has no consumer, and so no number, has a reason"
    assert fleet.progress(campaign_id).handed_out == len(texts)
    assert all("123456" not in row.to_masked for row in rows)


def test_what_may_have_left_is_not_sent_again(fleet, shop):
    with_phones(shop)
    campaign_id = fleet.run(TO_2, selection=FIRST_GROUP, hand_out="sms")
    sent(fleet, campaign_id, Gateway(RuntimeError("the line broke")))
    unsure = [row for row in shop.rows(CampaignNotice) if row.state == "unsure"]
    assert len(unsure) == 1
    sent(fleet, campaign_id, gateway := Gateway())
    assert gateway.taken == []
    other = fleet.draft(TO_2, selection=FIRST_GROUP)
    with pytest.raises(wrong.CampaignNotBySms):
        shop.do(messages.send_messages, other, by=fleet.by, locale="en")


def test_the_report_has_every_meter_with_its_state(fleet, shop, tmp_path):
    ids = fleet.add(5, [LEGACY])
    fleet.set_meters(ids[:1], state="retired")
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=[*numbers, "4711"], due_on=date(2026, 3, 18))
    change = fleet.changes(campaign_id)[0]
    fleet.keys.confirm(change, "test_tokens", 2, change.new_ti)
    shop.clock.forward(days=3)
    assert fleet.progress(campaign_id).overdue == 3
    job = shop.do(report.ask_report, campaign_id, by=fleet.by, locale="en")
    settings = Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DEMO": "0"})
    say = lambda message, **values: message % values if values else message  # noqa: E731
    with (
        shop.session() as session,
        job_runs.running(session, job.id) as work,
        seen_by(shop.actor(fleet.by)),
    ):
        report.write_report(session, settings, work, say)
    (row,) = shop.rows(job_runs.Job, job_runs.Job.id == job.id)
    path = stored_files.path_of(settings, stored_files.DOWNLOADS, row.stored)
    cells = list(load_workbook(io.BytesIO(path.read_bytes())).active.iter_rows(values_only=True))
    assert cells[0][:3] == ("Meter number", "Region", "State")
    states = sorted(line[2] for line in cells[1:])
    assert states == ["confirmed", "left out", "no such meter", *["not confirmed yet"] * 3]
    assert [line[9] for line in cells[1:] if line[2] == "left out"] == ["The meter is retired."]
    digits = {each for one in fleet.sets(campaign_id).values() for each in one}
    assert not digits & {str(cell) for line in cells for cell in line}


# who may, and who sees


def test_a_second_person_begins_what_was_shown(shop, module):
    pair = make_pair(shop)
    pair.rule(beginning.START)
    fleet = Fleet(shop)
    draft = fleet.draft(TO_2, selection=FIRST_GROUP)
    shown = fleet.shown(draft)
    request = pair.do(MAKER, asking.submit, beginning.START, shown, "k1")
    assert request.state == "pending"
    assert fleet.campaign(draft).state == "draft"
    pair.approve(request, by=CHECKER)
    campaign = fleet.campaign(draft)
    assert (campaign.state, campaign.begun_by_id) == ("running", pair.ids[MAKER])
    assert campaign.job_id
    trail = pair.trail("campaign.")
    assert trail[-1] == "campaign.begun"


def test_a_draft_changed_while_it_waits_is_not_begun_and_that_is_on_record(shop):
    pair = make_pair(shop)
    pair.rule(beginning.START)
    fleet = Fleet(shop)
    draft = fleet.draft(TO_2, selection=FIRST_GROUP)
    request = pair.do(MAKER, asking.submit, beginning.START, fleet.shown(draft), "k1")
    shop.change(lambda session: session.execute(
        update(fleet.campaign(draft).__class__).values(reason="another")
    ))  # fmt: skip
    pair.approve(request, by=CHECKER)
    assert pair.again(request).state == "failed"
    assert fleet.campaign(draft).state == "draft"
    assert pair.trail("campaign.")[-1] == "campaign.refused"


def test_a_further_round_asks_the_second_person_as_the_first_one_did(shop, module):
    pair = make_pair(shop)
    fleet = Fleet(shop)
    ids = fleet.add(3, [LEGACY])
    fleet.set_meters(ids[:1], state="blocked", blocked_reason="seal broken")
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    campaign_id = fleet.run(TO_2, numbers=numbers)
    fleet.set_meters(ids[:1], state="active", blocked_reason="")
    pair.rule(beginning.START)

    def once_more(session, _actor):
        return beginning.begin_of(session, campaign_id, again=True)

    shown = pair.do(MAKER, once_more)
    assert (shown.round, shown.meters) == (2, 1)
    request = pair.do(MAKER, asking.submit, beginning.START, shown, "again-1")
    assert request.state == "pending"
    assert (fleet.campaign(campaign_id).state, len(fleet.sets(campaign_id))) == ("made", 2)
    assert pair.trail("campaign.again") == []
    pair.approve(request, by=CHECKER)
    campaign = fleet.campaign(campaign_id)
    assert (campaign.state, campaign.round, campaign.meters) == ("running", 2, 3)
    fleet.work(campaign_id)
    assert sorted(fleet.sets(campaign_id)) == ids
    assert pair.trail("campaign.again") == ["campaign.again"]


def test_a_round_that_was_asked_for_is_not_gone_through_twice(shop, module):
    pair = make_pair(shop)
    pair.rule(beginning.START)
    fleet = Fleet(shop)
    ids = fleet.add(2, [LEGACY])
    fleet.set_meters(ids[:1], state="blocked", blocked_reason="seal broken")
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    draft = fleet.draft(TO_2, numbers=numbers)
    pair.approve(pair.do(MAKER, asking.submit, beginning.START, fleet.shown(draft), "k1"))
    fleet.work(draft)
    fleet.set_meters(ids[:1], state="active", blocked_reason="")
    shown = pair.do(MAKER, lambda s, _a: beginning.begin_of(s, draft, again=True))
    request = pair.do(MAKER, asking.submit, beginning.START, shown, "k2")
    pair.approve(request, by=CHECKER)
    fleet.work(draft)
    with pytest.raises(wrong.CampaignChanged):
        pair.do(MAKER, asking.submit, beginning.START, shown, "k3")
    assert fleet.campaign(draft).round == 2


def test_a_campaign_of_a_region_takes_its_meters_alone_and_is_seen_there_alone(shop):
    fleet = Fleet(shop, by=OPERATOR)
    campaign_id = fleet.run(TO_2, selection=FIRST_GROUP)
    regions = {row.id: row.region_id for row in shop.rows(Meter)}
    mine = fleet.campaign(campaign_id).region_id
    assert mine == shop.utility.users[OPERATOR].region_id
    assert {regions[row.meter_id] for row in fleet.changes(campaign_id)} == {mine}
    south = shop.meter(SOUTHERN)
    assert south.region_id != mine
    with pytest.raises(wrong.NoSuchCampaign):
        shop.do(lambda s, _a: beginning.begin_of(s, campaign_id), by=SOUTH_OPERATOR)
    with pytest.raises(NotFound):
        fleet.draft(TO_2, region_id=south.region_id)
    with pytest.raises(wrong.CampaignListEmpty):
        fleet.draft(TO_2, numbers=[south.drn])
    assert shop.meter(LEGACY_11).region_id == mine

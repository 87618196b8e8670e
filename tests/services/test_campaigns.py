"""Campaigns: many meters taken to another key, chunk by chunk, each by a change of its own."""

import gc
import sys
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text, update

from tests.factories import LEGACY_11, LEGACY_SGC, NOW
from tests.faults import answer_lost, down
from tests.fleet import LEGACY, LONG, STS6
from tests.keyring import OTHER_SGC
from vmsapp.models import (
    AuditEvent,
    Campaign,
    CampaignChunk,
    CampaignMeter,
    CampaignRefusal,
    ChangeState,
    Job,
    JournalFinding,
    KeyChange,
    KeyChangeToken,
    Meter,
    MeterInstallation,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.campaigns import errors as wrong
from vmsapp.services.campaigns import making, reserving, routes
from vmsapp.services.campaigns.reconcile import reconcile_chunks
from vmsapp.services.campaigns.terms import Selection, Target
from vmsapp.services.key_changes.errors import KeyChangeUnderway
from vmsapp.services.security_modules.journal_check import compare

pytestmark = pytest.mark.ring

TO_2 = Target(krn=2)


@pytest.fixture
def chunks_of(monkeypatch):
    """Have chunks be smaller, so that a few meters make several."""

    def small(size: int) -> None:
        monkeypatch.setattr(making, "CHUNK", size)

    return small


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(making, "WAITS", (0.0, 0.0))


def listed(fleet, ids):
    rows = {row.id: row.drn for row in fleet.shop.rows(Meter)}
    return [rows[each] for each in ids]


def test_every_meter_of_a_mixed_campaign_takes_its_set(fleet, chunks_of):
    chunks_of(7)
    ids = fleet.add(30)
    campaign_id = fleet.run(TO_2, numbers=listed(fleet, ids))
    assert fleet.campaign(campaign_id).state == "made"
    assert sorted(fleet.sets(campaign_id)) == ids
    assert {len(digits) for digits in fleet.sets(campaign_id).values()} == {2, 4}
    taken = fleet.enter_all(campaign_id)
    assert sorted(taken) == ids
    assert {meter.krn for meter in taken.values()} == {2}
    done = fleet.progress(campaign_id)
    assert (done.chosen, done.done, done.made, done.open) == (30, 30, 30, 30)
    assert (done.confirmed, done.left_out, done.failed, done.being_made) == (0, 0, 0, 0)


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_the_database_looks_at_the_changes_of_a_campaign_while_it_runs(
    fleet, shop, chunks_of, monkeypatch
):
    """What sells would keep the plans for a table without changes, and read all of it."""

    def rows_it_knows_of() -> float:
        wanted = text("SELECT reltuples FROM pg_class WHERE relname = 'key_change'")
        return shop.change(lambda session: session.scalar(wanted))

    chunks_of(7)
    monkeypatch.setattr(making, "COUNTED_ANEW", 20)
    shop.change(lambda session: session.execute(text("ANALYZE key_change")))
    assert rows_it_knows_of() == 0
    fleet.run(TO_2, numbers=listed(fleet, fleet.add(30)))
    assert rows_it_knows_of() == 21, "three chunks, and not once more"


def test_three_tokens_tell_the_supply_group_and_only_short_keys_get_them(fleet):
    ids = fleet.add(4, [LEGACY])
    target = Target(sgc=OTHER_SGC, three_tokens=True)
    campaign_id = fleet.run(target, numbers=listed(fleet, ids))
    assert {len(digits) for digits in fleet.sets(campaign_id).values()} == {3}
    assert sorted(fleet.enter_all(campaign_id)) == ids


def test_a_base_date_alone_finds_the_revision(fleet, shop):
    shop.at(datetime(2036, 5, 6, 7, 8, tzinfo=UTC))
    ids = fleet.add(6, [STS6, LONG])
    campaign_id = fleet.run(
        Target(base_date="35"), numbers=listed(fleet, ids), due_on=date(2036, 12, 31)
    )
    changes = fleet.changes(campaign_id)
    assert {(row.new_krn, row.new_base_date) for row in changes} == {(3, "35")}
    assert sorted(fleet.enter_all(campaign_id)) == ids


@pytest.mark.parametrize("backend", ["sqlite"])
def test_legacy_meters_become_sts6_only_where_the_hardware_can(fleet, shop):
    ids = fleet.add(2, [LEGACY], ti="01")
    numbers = listed(fleet, ids)
    draft = fleet.draft(Target(sts6=True), numbers=numbers)
    (conflict,) = fleet.preview(draft).conflicts
    assert (conflict.code, conflict.meters) == ("key_change_nothing", 2)
    fleet.keys.let_become_sts6()
    campaign_id = fleet.run(Target(sts6=True, krn=1), numbers=numbers)
    assert {(row.new_dkga, row.ea) for row in fleet.changes(campaign_id)} == {("04", 7)}
    assert sorted(fleet.enter_all(campaign_id)) == ids


def test_a_preview_counts_and_writes_nothing(fleet, shop):
    ids = fleet.add(12)
    events = shop.count(AuditEvent)
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    seen = fleet.preview(draft)
    assert (seen.chosen, seen.meters, seen.tokens) == (12, 12, 4 * 2 + 4 * 2 + 4 * 4)
    assert sum(route.meters for route in seen.routes) == 12
    assert seen.conflicts == ()
    assert seen.seconds
    assert shop.count(KeyChange) == 0
    assert shop.count(AuditEvent) == events + 1  # the draft itself


def test_conflicts_are_counted_before_and_left_out_with_their_reason(fleet, shop, module):
    ids = fleet.add(8, [LEGACY])
    retired, blocked, moved, elsewhere, missing, *good = ids
    fleet.set_meters([retired], state="retired")
    fleet.set_meters([blocked], state="blocked", blocked_reason="seal broken")
    fleet.set_meters([moved], krn=2)
    fleet.set_meters([elsewhere], sgc=OTHER_SGC)
    fleet.set_meters([missing], sgc="990005")
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    seen = fleet.preview(draft)
    wanted = {
        "campaign_meter_retired": 1, "campaign_meter_blocked": 1, "key_change_nothing": 1,
        "key_change_no_key": 1, "meter_without_key": 1,
    }  # fmt: skip
    assert {one.code: one.meters for one in seen.conflicts} == wanted
    assert all(one.examples for one in seen.conflicts)
    assert seen.meters == len(good)
    fleet.begin(draft)
    job = fleet.work(draft)
    assert (job.done, job.total) == (len(ids), len(ids)), "those left out were looked at, too"
    rows = shop.rows(CampaignRefusal)
    assert {row.meter_id: row.code for row in rows} == {
        retired: "campaign_meter_retired", blocked: "campaign_meter_blocked",
        moved: "key_change_nothing", elsewhere: "key_change_no_key", missing: "meter_without_key",
    }  # fmt: skip
    assert sorted(fleet.sets(draft)) == good
    told = [row for row in shop.rows(AuditEvent) if row.action == "campaign.left_out"]
    assert [row.details["codes"] for row in told] == [wanted]


def test_a_meter_has_one_open_change(fleet, shop):
    ids = fleet.add(4, [LEGACY])
    first = fleet.run(TO_2, numbers=listed(fleet, ids[:2]))
    second = fleet.run(TO_2, numbers=listed(fleet, ids))
    assert sorted(fleet.sets(first)) == ids[:2]
    assert sorted(fleet.sets(second)) == ids[2:]
    refused = shop.rows(CampaignRefusal)
    assert {(row.meter_id, row.code) for row in refused} == {
        (each, "campaign_meter_in_change") for each in ids[:2]
    }


def test_the_next_sale_has_the_set_before_its_credit_and_a_person_confirms(fleet, shop):
    """All that is done with a change of its own is done with one of a campaign."""
    campaign_id = fleet.run(TO_2, selection=Selection(sgcs=(LEGACY_SGC,), krns=(1,)))
    mine = shop.meter(LEGACY_11).id
    (change,) = [row for row in fleet.changes(campaign_id) if row.meter_id == mine]
    sale = shop.sell()
    assert (sale.krn, sale.key_change_id) == (2, change.id)
    assert fleet.progress(campaign_id).handed_out == 1
    assert fleet.keys.confirm(change, "test_tokens", 2, "01").state == ChangeState.CONFIRMED
    assert fleet.progress(campaign_id).confirmed == 1
    assert shop.meter(LEGACY_11).krn == 2


def test_nothing_is_sold_while_a_set_is_being_made_and_afterwards_it_is(fleet, shop, module):
    module.always("issue_key_changes", down)
    draft = fleet.draft(TO_2, selection=Selection(sgcs=(LEGACY_SGC,), krns=(1,)))
    fleet.begin(draft)
    assert fleet.work(draft).error == "campaign_module_away"
    assert fleet.campaign(draft).state == "paused"
    with pytest.raises(KeyChangeUnderway):
        shop.sell()
    module.always("issue_key_changes", lambda call: call())
    fleet.steer("go_on", draft, locale="en")
    fleet.work(draft)
    assert fleet.campaign(draft).state == "made"
    assert shop.sell().krn == 2


@pytest.fixture
def before_the_locks(monkeypatch):
    """Have something happen once between the look at a chunk and its locks; counts the looks."""
    looks = []

    def arrange(deed):
        end = reserving.end_reading

        def ended(session) -> None:
            end(session)
            looks.append(len(looks))
            if len(looks) == 1:
                deed()

        monkeypatch.setattr(reserving, "end_reading", ended)
        return looks

    return arrange


def test_a_meter_taken_down_before_the_locks_is_looked_at_again(fleet, shop, before_the_locks):
    mine = shop.meter(LEGACY_11).id
    looks = before_the_locks(lambda: shop.change(lambda session: session.execute(
        update(MeterInstallation).where(MeterInstallation.meter_id == mine)
        .values(removed_at=NOW)
    )))  # fmt: skip
    draft = fleet.run(TO_2, numbers=listed(fleet, [mine]))
    assert len(looks) == 2, "what was looked at first was not taken"
    assert [row.meter_id for row in fleet.changes(draft)] == [mine]
    assert fleet.job(draft).done == 1


def test_a_campaign_paused_before_the_locks_reserves_nothing(fleet, before_the_locks):
    ids = fleet.add(3, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)
    before_the_locks(lambda: fleet.steer("pause", draft))
    fleet.work(draft)
    assert (fleet.campaign(draft).state, fleet.changes(draft)) == ("paused", [])
    fleet.steer("go_on", draft, locale="en")
    fleet.work(draft)
    assert sorted(fleet.sets(draft)) == ids


def test_ways_are_planned_again_after_a_while_and_never_under_the_locks(
    fleet, module, chunks_of, clock, monkeypatch
):
    planned, plan = [], routes.plan

    def noted(session, *args):
        planned.append(session.info.get("vms_atomic") is None)
        return plan(session, *args)

    monkeypatch.setattr(routes, "plan", noted)
    chunks_of(1)

    def made(ids) -> list[bool]:
        draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
        fleet.begin(draft, f"begin-{draft}")
        planned.clear()
        fleet.work(draft)
        assert sorted(fleet.sets(draft)) == ids
        return list(planned)

    ids = fleet.add(12, [LEGACY], ti="01")
    assert made(ids[:6]) == [True]

    def later(call):
        clock.forward(seconds=31)
        return call()

    module.always("issue_key_changes", later)
    again = made(ids[6:])
    assert len(again) > 1
    assert all(again)


def test_an_answer_that_was_lost_is_asked_for_again_and_is_the_same(fleet, module, chunks_of):
    chunks_of(5)
    ids = fleet.add(12)
    module.once("issue_key_changes", answer_lost, answer_lost)
    campaign_id = fleet.run(TO_2, numbers=listed(fleet, ids))
    assert sorted(fleet.enter_all(campaign_id)) == ids


def test_ten_sets_asked_for_again_have_the_same_digits(fleet, shop, module):
    ids = fleet.add(10)
    campaign_id = fleet.run(TO_2, numbers=listed(fleet, ids))
    (chunk,) = shop.rows(CampaignChunk)
    with shop.session() as session, seen_by(SYSTEM):
        asked = making.asked_of(session, chunk)
    again = making._made(module, asked)
    by_change = dict(zip(asked.meter_ids, again, strict=True))
    assert {meter: [token.digits for token in one] for meter, one in by_change.items()} == (
        fleet.sets(campaign_id)
    )


def test_a_chunk_refused_for_one_meter_is_asked_for_meter_by_meter(fleet, shop, module):
    ids = fleet.add(6, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)
    module.refuse("key_expired", method="issue_key_changes")
    module.refuse("key_expired", method="issue_key_change")
    fleet.work(draft)
    assert fleet.campaign(draft).state == "made"
    states = sorted(row.state for row in fleet.changes(draft))
    assert states == ["completed"] * 5 + ["failed"]
    assert [row.state for row in shop.rows(CampaignChunk)] == ["parted"]
    assert fleet.progress(draft).failed == 1
    assert fleet.again(draft) is None
    fleet.work(draft)
    assert sorted(fleet.enter_all(draft)) == ids
    assert len({row.request_id for row in fleet.changes(draft)}) == 7
    done = fleet.progress(draft)
    assert (done.done, done.made, done.failed) == (6, 6, 0)


def test_a_withdrawn_change_of_a_chunk_stays_withdrawn(fleet, shop, module):
    ids = fleet.add(3, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)

    def withdrawn(call):
        made = call()
        fleet.keys.withdraw(fleet.changes(draft)[1])
        return made

    module.once("issue_key_changes", withdrawn)
    fleet.work(draft)
    assert [row.state for row in fleet.changes(draft)] == ["completed", "withdrawn", "completed"]
    assert shop.count(KeyChangeToken) == 4
    assert sorted(fleet.enter_all(draft)) == [ids[0], ids[2]]


def test_a_chunk_that_nobody_is_at_is_settled_by_the_worker(fleet, shop, module):
    ids = fleet.add(4)
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)
    module.always("issue_key_changes", answer_lost)
    fleet.work(draft)
    module.always("issue_key_changes", lambda call: call())
    shop.clock.forward(seconds=31)
    with shop.session() as session, seen_by(SYSTEM):
        assert reconcile_chunks(session, shop.registry) == {"made": 1}
    assert sorted(fleet.enter_all(draft)) == ids


def test_a_chunk_too_old_is_cancelled_and_its_meters_are_tried_again(fleet, shop, module):
    ids = fleet.add(4)
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)
    module.always("issue_key_changes", down)
    fleet.work(draft)
    module.always("issue_key_changes", lambda call: call())
    shop.clock.forward(minutes=11)
    with shop.session() as session, seen_by(SYSTEM):
        assert reconcile_chunks(session, shop.registry) == {"failed": 1}
    assert {row.failure for row in fleet.changes(draft)} == {"cancelled"}
    fleet.steer("go_on", draft, locale="en")
    fleet.work(draft)
    assert fleet.campaign(draft).state == "made"
    assert fleet.again(draft) is None
    fleet.work(draft)
    assert sorted(fleet.enter_all(draft)) == ids


def test_a_campaign_is_paused_goes_on_and_is_stopped(fleet, shop, module, chunks_of):
    chunks_of(4)
    ids = fleet.add(20, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)

    def paused(call):
        fleet.steer("pause", draft)
        return call()

    module.once("issue_key_changes", paused)
    fleet.work(draft)
    assert fleet.campaign(draft).state == "paused"
    so_far = len(fleet.sets(draft))
    assert 4 <= so_far <= 8, "what was reserved is made, and no more"
    assert {row.state for row in fleet.changes(draft)} == {"completed"}
    module.once("issue_key_changes", paused)
    before = fleet.job(draft)
    fleet.steer("go_on", draft, locale="en")
    assert (fleet.job(draft).done, fleet.job(draft).total) == (before.done, 20)
    fleet.work(draft)
    assert so_far < len(fleet.sets(draft)) < 20
    fleet.steer("stop", draft)
    with pytest.raises(wrong.CampaignMoved):
        fleet.steer("go_on", draft, locale="en")
    taken = fleet.enter_all(draft)
    assert len(taken) == len(fleet.sets(draft))
    deeds = [row.action for row in shop.rows(AuditEvent) if row.action.startswith("campaign.")]
    assert [deed for deed in deeds if deed not in {"campaign.reserved", "campaign.made"}] == [
        "campaign.drafted", "campaign.begun", "campaign.paused", "campaign.gone_on",
        "campaign.paused", "campaign.stopped",
    ]  # fmt: skip


def test_a_job_that_is_cancelled_pauses_the_campaign_and_leaves_nothing_open(
    fleet, shop, module, chunks_of
):
    chunks_of(4)
    ids = fleet.add(16, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    fleet.begin(draft)

    def cancelled(call):
        shop.change(lambda session: session.execute(
            update(Job).where(Job.id == fleet.campaign(draft).job_id).values(cancel_asked=True)
        ))  # fmt: skip
        return call()

    module.once("issue_key_changes", cancelled)
    assert fleet.work(draft).state == "cancelled"
    assert fleet.campaign(draft).state == "paused"
    assert {row.state for row in fleet.changes(draft)} == {"completed"}
    assert 0 < len(fleet.changes(draft)) < 16
    fleet.steer("go_on", draft, locale="en")
    fleet.work(draft)
    assert sorted(fleet.enter_all(draft)) == ids


def test_meters_that_come_after_the_preview_are_part_of_the_whole(fleet):
    first = fleet.add(6, [LEGACY])
    draft = fleet.draft(TO_2)
    seen = fleet.preview(draft).chosen  # those of the utility, too
    fleet.begin(draft)
    more = fleet.add(3, [LEGACY])
    assert fleet.job(draft).total == seen
    job = fleet.work(draft)
    assert {*first, *more} <= {*fleet.sets(draft)}
    assert (job.done, job.total) == (seen + 3, seen + 3)


def test_a_pace_makes_small_chunks(fleet, shop, module):
    ids = fleet.add(5, [LEGACY])
    campaign_id = fleet.run(TO_2, numbers=listed(fleet, ids), per_second=1)
    assert [row.meters for row in shop.rows(CampaignChunk)] == [2, 2, 1]
    assert len(fleet.sets(campaign_id)) == 5


def test_a_campaign_leaves_python_as_it_was(fleet):
    gc.freeze()  # as a worker begins
    before = gc.get_threshold(), gc.isenabled(), sys.getswitchinterval()
    fleet.run(TO_2, numbers=listed(fleet, fleet.add(3)))
    assert (gc.get_threshold(), gc.isenabled(), sys.getswitchinterval()) == before
    assert gc.get_freeze_count() > 100_000, "each walk would go through all that was loaded"


def test_a_list_tells_which_numbers_are_none(fleet, shop):
    ids = fleet.add(2, [LEGACY])
    first, second = listed(fleet, ids)
    spaced = f"{first[:4]} {first[4:]}"
    draft = fleet.draft(TO_2, numbers=[spaced, second, first, "12345", ""])
    rows = shop.rows(CampaignMeter, CampaignMeter.campaign_id == draft)
    assert [row.fault for row in rows] == [
        None, None, "campaign_number_doubled", "campaign_number_unknown",
        "campaign_number_unknown",
    ]  # fmt: skip
    assert fleet.preview(draft).chosen == 2
    with pytest.raises(wrong.CampaignListEmpty):
        fleet.draft(TO_2, numbers=["999"])


def test_a_draft_that_was_changed_since_it_was_shown_is_not_begun(fleet, shop):
    ids = fleet.add(2, [LEGACY])
    draft = fleet.draft(TO_2, numbers=listed(fleet, ids))
    shown = fleet.shown(draft)
    shop.change(lambda session: session.execute(update(Campaign).values(reason="another")))
    with pytest.raises(wrong.CampaignChanged):
        fleet.submit(shown)
    assert fleet.begin(draft) is None
    assert fleet.begin(draft) is None, "the same form begins it once"
    with pytest.raises(wrong.CampaignMoved):
        fleet.begin(draft, "begin-2")
    assert fleet.work(draft).state == "done"
    assert len(fleet.changes(draft)) == 2


def test_sets_of_a_campaign_are_no_ghosts_in_the_journal(fleet, shop):
    ids = fleet.add(9)
    fleet.run(TO_2, numbers=listed(fleet, ids))
    for _ in range(2):
        shop.clock.forward(minutes=6)
        with shop.session() as session, seen_by(SYSTEM):
            compare(session, shop.registry, SYSTEM, shop.utility.module_id)
    assert shop.count(JournalFinding) == 0

"""After a restore: all stand still, what a journal has is put right, and a person books the rest.

Source of what must hold: SALE.md 16 "Restore, promotion, standby", 4 "Idempotency", 5 "TID".
"""

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, update

from tests.engineer import Engineer
from tests.factories import (
    EPOCH,
    HARBOUR,
    LEGACY_11,
    LEGACY_13,
    NOW,
    OPERATOR,
    STS6_11,
    SUPERVISOR,
    TODAY,
)
from tests.faults import FaultyModule, answer_lost, down, during
from tests.fleet import LEGACY
from tests.keyring import KeyShop
from tests.services.gifts import Gifts
from tests.services.pair import make_pair, permitted
from tests.services.restored import Site, given_twice, site
from tests.services.test_debts import balance, owe
from tests.services.test_tariff_editing import do, simple, tariff
from tests.shop import Shop
from vmsapp.errors import NotAllowed
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import (
    AuditEvent,
    ChangeState,
    EngineeringState,
    Installation,
    JournalFinding,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    Sale,
    SaleAttempt,
    SaleReversal,
    SaleState,
    SecurityModule,
    SpentTid,
    TidHead,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.backup.databases import copy_sqlite
from vmsapp.services.campaigns.terms import Target
from vmsapp.services.restore import booking
from vmsapp.services.restore.booking import Booking, OtherAmount
from vmsapp.services.restore.procedure import AfterRestoreReasonMissing, NothingRestored
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.security_modules.health import look_at_all
from vmsapp.services.security_modules.journal_check import FindingSettled
from vmsapp.services.tariffs import editing
from vmsapp.services.tariffs.errors import PlanUsed
from vmsapp.services.vending import new_key
from vmsapp.services.vending.errors import FormOutdated
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import tid_from_datetime
from vmsapp.tasks.reconcile import settle as settle_task

AHEAD = 2_881
"""SALE.md 16."""


@pytest.fixture
def backend():
    """SQLite: the drill runs on both."""
    return "sqlite"


@pytest.fixture
def store(request):
    """The keystore of the test's module."""
    ringed = request.node.get_closest_marker("ring") is not None
    return request.getfixturevalue("ring" if ringed else "keystore")


@pytest.fixture
def origin(shop, module, tmp_path, store):
    """The instance whose database will be lost."""
    return site(shop, tmp_path, store)


@pytest.fixture
def older(origin, module, tmp_path):
    """Lose what a deed did: gives the instance on the database from before, beside its module.

    The database is copied as a snapshot of its disk would be: no backup of ours marks it.
    """
    engines = []

    def lose(deed) -> Site:
        copy = tmp_path / f"older-{len(engines)}.sqlite"
        copy_sqlite(tmp_path_of(origin.shop.engine), copy)
        deed()
        engine = create_engine(f"sqlite:///{copy}", hide_parameters=True)
        engines.append(engine)
        registry = Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)
        shop = Shop(engine, registry, origin.shop.utility, origin.shop.clock)
        return Site(shop, origin.settings)

    yield lose
    for engine in engines:
        engine.dispose()


def tmp_path_of(engine):
    return engine.url.database


def here(shop) -> Installation:
    return shop.rows(Installation)[0]


def look(shop) -> None:
    with shop.session() as session, seen_by(SYSTEM):
        look_at_all(session, shop.registry)


# --- noticing -----------------------------------------------------------------------------------


def test_an_older_database_is_noticed_at_the_first_sale(origin, older):
    there = older(origin.shop.sell)
    with pytest.raises(Standstill) as refused:
        there.shop.sell()
    assert "flask vms after-restore" in str(refused.value)
    assert there.shop.count(Sale) == 0
    assert here(there.shop).standstill_why == "database_older"
    (noticed,) = there.shop.rows(AuditEvent, AuditEvent.action == "restore.noticed")
    assert noticed.details["why"] == "database_older"


def test_a_sale_nobody_lost_is_no_restore(origin):
    origin.shop.sell()
    origin.shop.sell(STS6_11)
    look(origin.shop)
    origin.stand_still()
    assert here(origin.shop).standstill_since is None


def test_a_lost_sale_is_not_hidden_by_one_that_was_under_way(origin, older, module):
    """As when a replica is promoted: the last line of the journal is known, the one before not."""
    found = []

    def lost():
        found.append(older(lambda: None))
        origin.shop.sell(STS6_11)

    module.once("issue_credit", during(lost))
    origin.shop.sell()
    with pytest.raises(Standstill):
        found[0].stand_still()


def test_a_token_made_while_the_database_is_looked_at_is_no_restore(origin, module):
    """The word is older than what was sold since: it is asked for again."""
    module.once("status", lambda call: (call(), origin.shop.sell(STS6_11))[0])
    assert origin.shop.sell().state == SaleState.ISSUED
    look(origin.shop)
    module.once("status", during(lambda: (origin.shop.sell(STS6_11), look(origin.shop))))
    origin.stand_still()


def test_an_older_record_is_noticed(origin, store, tmp_path):
    shop = origin.shop
    shop.sell()
    saved = tmp_path / "saved.sqlite"
    copy_sqlite(origin.settings.results_path, saved)
    shop.sell(STS6_11)
    look(shop)
    assert shop.rows(SecurityModule)[0].sequence == 2
    results = Results(saved, make=False)
    module = FaultyModule(SoftModule(store, results, limits=Limits(None, None)))
    registry = Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)
    there = Site(Shop(shop.engine, registry, shop.utility, shop.clock), origin.settings)
    with pytest.raises(Standstill):
        there.stand_still()
    assert here(shop).standstill_why == "record_older"
    done = there.after_restore()
    assert done.begun.epoch == 2
    spent = max(row.tid for row in shop.rows(SpentTid))
    assert there.shop.sell(key=new_key(2)).tid >= spent + AHEAD
    assert given_twice(there.shop) == {}
    results.close()


def test_a_life_that_another_restore_began_is_noticed_by_its_epoch(origin, older):
    first = older(origin.shop.sell)
    look(first.shop)
    second_copy = older(lambda: None)  # of the origin, which knows its own sale
    look(second_copy.shop)
    first.after_restore()
    with pytest.raises(Standstill):
        second_copy.shop.sell(STS6_11)
    assert here(second_copy.shop).standstill_why == "other_epoch"
    assert second_copy.after_restore().begun.epoch == 3


def test_a_module_seen_for_the_first_time_is_taken_as_it_is(origin):
    look(origin.shop)
    (row,) = origin.shop.rows(SecurityModule)
    assert (row.epoch, row.sequence) == (1, 0)


# --- standing still -----------------------------------------------------------------------------


@pytest.fixture
def still(origin):
    """An instance that stands still."""
    origin.shop.change(
        lambda session: session.execute(
            update(Installation).values(standstill_since=origin.shop.clock(), standstill_why="told")
        )
    )
    return origin.shop


def test_free_tokens_stand_still(still):
    gifts = Gifts(still, make_pair(still))
    request = gifts.ask()
    with pytest.raises(Standstill):
        gifts.approve(request)
    assert still.count(Sale) == 0


def test_engineering_stands_still(still):
    engineer = Engineer(still)
    with pytest.raises(Standstill):
        engineer.make(LEGACY_11, "clear_tamper")
    assert engineer.tokens() == []


@pytest.mark.ring
def test_key_changes_and_campaigns_stand_still(still, fleet):
    with pytest.raises(Standstill):
        fleet.keys.start(LEGACY_11, krn=2)
    fleet.add(3, kinds=(LEGACY,))
    campaign = fleet.draft(Target(krn=2))
    fleet.begin(campaign)
    job = fleet.work(campaign)
    assert job.error == "standstill"
    assert fleet.campaign(campaign).state == "paused"
    assert still.count(KeyChange) == 0


def test_the_worker_stands_still(app, shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell()
    shop.clock.forward(minutes=5)
    shop.change(
        lambda s: s.execute(
            update(Installation).values(standstill_since=shop.clock(), standstill_why="told")
        )
    )
    with app.app_context():
        settle_task()
    assert shop.again(sale).doubt_at is None
    assert shop.again(sale).state == SaleState.PENDING


def test_a_known_form_is_still_answered(origin):
    form = origin.shop.form()
    sale = origin.shop.submit(form)
    origin.shop.change(
        lambda s: s.execute(update(Installation).values(standstill_since=origin.shop.clock()))
    )
    assert origin.shop.submit(form).id == sale.id
    with pytest.raises(Standstill):
        origin.shop.sell(STS6_11)


# --- the procedure ------------------------------------------------------------------------------


def test_without_a_restore_nothing_is_done(origin):
    origin.shop.sell()
    with pytest.raises(NothingRestored):
        origin.after_restore()
    assert (here(origin.shop).epoch, here(origin.shop).standstill_since) == (EPOCH, None)
    done = origin.after_restore(anyway=True)
    assert (done.begun.epoch, here(origin.shop).standstill_since) == (2, None)


def test_twice_does_no_harm(origin, older):
    there = older(origin.shop.sell)
    there.after_restore()
    floors = {row.meter_pan: row.floor for row in there.shop.rows(TidHead)}
    with pytest.raises(NothingRestored):
        there.after_restore()
    assert {row.meter_pan: row.floor for row in there.shop.rows(TidHead)} == floors
    assert here(there.shop).epoch == 2


def test_broken_off_it_is_run_again_and_begins_anew_once(origin, older, module):
    there = older(origin.shop.sell)
    module.once("begin_epoch", down)
    with pytest.raises(HsmUnavailable):
        there.after_restore()
    with pytest.raises(Standstill):
        there.shop.sell()
    began = here(there.shop)
    there.shop.clock.forward(minutes=3)
    done = there.after_restore()
    assert done.begun.floors is None
    assert (here(there.shop).epoch, here(there.shop).tids_from) == (2, began.tids_from)
    assert module.inner.status().epoch == 2
    there.shop.sell(key=new_key(2))


def test_somebody_says_why(origin, older):
    there = older(origin.shop.sell)
    with pytest.raises(AfterRestoreReasonMissing):
        there_with_reason(there, "  ")
    assert here(there.shop).epoch == EPOCH


def there_with_reason(there, reason):
    from vmsapp.services.restore.procedure import after_restore  # noqa: PLC0415

    with there.shop.session() as session, seen_by(SYSTEM):
        return after_restore(session, there.shop.registry, SYSTEM, reason)


def test_identifiers_go_on_behind_the_highest_that_is_known(origin, older):
    """SALE.md 16: max(now, journals, database, floor) + 2,881, for each meter."""
    shop = origin.shop
    shop.sell(STS6_11)
    shop.change(lambda s: s.execute(update(TidHead).values(floor=9_000_000)))
    known = shop.rows(TidHead)[0].floor

    def lost():
        for _ in range(5):
            shop.sell(LEGACY_11)  # five in one minute run ahead of the clock

    there = older(lost)
    there.after_restore()
    heads = {row.meter_pan: row.floor for row in there.shop.rows(TidHead)}
    now = tid_from_datetime(shop.clock(), BaseDate.Y2014)
    in_journal = max(row.tid for row in shop.rows(SpentTid))
    assert in_journal > now
    assert heads[there.shop.meter(LEGACY_11).meter_pan] == in_journal + AHEAD
    assert known > now
    assert heads[there.shop.meter(STS6_11).meter_pan] == known + AHEAD
    assert there.shop.sell(LEGACY_11, key=new_key(2)).tid >= in_journal + AHEAD


def test_a_meter_that_never_bought_begins_behind_too(origin, older):
    there = older(lambda: origin.shop.sell(STS6_11))
    there.after_restore()
    now = tid_from_datetime(there.shop.clock(), BaseDate.Y2014)
    assert there.shop.sell(LEGACY_11, key=new_key(2)).tid == now + AHEAD


def test_a_form_of_before_is_refused_and_its_key_not_given_again(origin, older):
    form = origin.shop.form()
    there = older(lambda: origin.shop.submit(form))
    there.after_restore()
    with pytest.raises(FormOutdated):
        there.shop.submit(form)
    there.shop.sell(key=new_key(2))
    assert given_twice(origin.shop, there.shop) == {}


def test_receipts_begin_a_new_series_after_each_restore(origin, older):
    first = older(origin.shop.sell)
    second = older(lambda: None)
    first.after_restore()
    assert first.shop.sell(key=new_key(2)).receipt_series == 2
    assert second.after_restore().begun.series == 3
    assert second.shop.sell(key=new_key(3)).receipt_series == 3
    assert given_twice(origin.shop, first.shop, second.shop) == {}


def test_a_series_may_be_made_to_begin_later(origin):
    done = origin.after_restore(anyway=True, at_least=7)
    assert (done.begun.epoch, done.begun.series) == (7, 7)
    assert origin.shop.sell(key=new_key(7)).receipt_series == 7


def test_a_pending_sale_is_completed_by_the_journal(origin, older, module):
    """The database is from between the two phases; the token was made after."""
    found = []

    def backed_up():
        found.append(older(lambda: None))

    module.once("issue_credit", during(backed_up))
    sale = origin.shop.sell()
    (there,) = found
    there.shop.clock.forward(minutes=20)
    assert there.shop.again(sale).state == SaleState.PENDING
    origin.shop.sell(STS6_11)
    done = there.after_restore()
    assert done.sales == 1
    settled = there.shop.again(sale)
    assert (settled.state, settled.receipt_series) == (SaleState.ISSUED, 2)
    assert there.shop.digits(sale) == origin.shop.digits(sale)
    assert given_twice(origin.shop, there.shop) == {}


def test_a_second_attempt_the_database_lost_is_taken_over(origin, older, module):
    found = []
    module.once("issue_credit", during(lambda: found.append(older(lambda: None)), refuses))
    sale = origin.shop.sell()
    assert (sale.attempt, sale.state) == (2, SaleState.ISSUED)
    (there,) = found
    assert there.shop.again(sale).attempt == 1
    origin.shop.sell(STS6_11)
    assert there.after_restore().sales == 1
    settled = there.shop.again(sale)
    assert (settled.request_id, settled.attempt) == (sale.request_id, 2)
    assert (settled.tid, settled.rnd) == (sale.tid, origin.shop.again(sale).rnd)
    assert there.shop.digits(sale) == origin.shop.digits(sale)
    asked = there.shop.rows(SaleAttempt, SaleAttempt.sale_id == sale.id)
    assert {row.tid for row in asked} == {row.tid for row in origin.shop.rows(SaleAttempt)}
    assert settled.tid in {row.tid for row in there.shop.rows(SpentTid)}


def refuses(_call):
    """A refusal that names a higher identifier, as the module's own net does."""
    raise ModuleRefused("tid_spent", highest_tid=tid_from_datetime(NOW, BaseDate.Y2014) + 5)


def test_an_engineering_token_is_completed_by_the_journal(origin, older, module):
    engineer, found = Engineer(origin.shop), []
    module.once("issue_engineering", during(lambda: found.append(older(lambda: None))))
    token = engineer.make(LEGACY_11, "clear_tamper")
    assert token.state == EngineeringState.ISSUED
    (there,) = found
    origin.shop.sell(STS6_11)
    assert there.after_restore().engineering == 1
    other = Engineer.__new__(Engineer)
    other.shop = there.shop
    assert other.again(token).state == EngineeringState.ISSUED
    assert other.digits(token) == engineer.digits(token)


# --- key changes --------------------------------------------------------------------------------


@pytest.mark.ring
def test_a_key_change_of_the_lost_interval_is_opened_again(origin, older):
    keys = KeyShop(origin.shop, SUPERVISOR)
    made = []
    there = older(lambda: made.append(keys.start(LEGACY_11, krn=2)))
    assert there.shop.count(KeyChange) == 0
    done = there.after_restore()
    assert (done.sets, sum(done.findings.values())) == (1, 0)
    (opened,) = there.shop.rows(KeyChange)
    assert opened.state == ChangeState.COMPLETED
    for name in ("old_krn", "new_krn", "new_sgc", "new_ti", "ea", "request_id", "three_tokens"):
        assert getattr(opened, name) == getattr(made[0], name)
    digits = [row.digits for row in there.shop.rows(KeyChangeToken)]
    assert digits == [row.digits for row in origin.shop.rows(KeyChangeToken)]
    sale = there.shop.sell(LEGACY_11, key=new_key(2))
    assert (sale.krn, sale.key_change_id) == (2, opened.id)


@pytest.mark.ring
def test_the_sets_of_a_campaign_are_opened_again(origin, older, fleet):
    fleet.add(4, kinds=(LEGACY,))
    campaign = fleet.draft(Target(krn=2))
    fleet.begin(campaign)
    there = older(lambda: fleet.work(campaign))
    made = {row.request_id: row for row in origin.shop.rows(KeyChange)}
    assert len(made) >= 4
    done = there.after_restore()
    assert (done.sets, sum(done.findings.values())) == (len(made), 0)
    for row in there.shop.rows(KeyChange):
        same = made[row.request_id]
        assert (row.meter_id, row.new_krn, row.old_ti) == (same.meter_id, same.new_krn, same.old_ti)
    assert {row.digits for row in there.shop.rows(KeyChangeToken)} == {
        row.digits for row in origin.shop.rows(KeyChangeToken)
    }


@pytest.mark.ring
def test_a_set_whose_meter_is_not_here_stays_on_the_list(origin, older):
    keys = KeyShop(origin.shop, SUPERVISOR)
    there = older(lambda: keys.start(LEGACY_11, krn=2))
    there.shop.change(
        lambda s: s.execute(
            update(Meter).where(Meter.id == there.shop.utility.meters[LEGACY_11]).values(ti="07")
        )
    )
    done = there.after_restore()
    assert (done.sets, sum(done.findings.values())) == (0, 1)
    assert there.shop.count(KeyChange) == 0


# --- booking ------------------------------------------------------------------------------------


@pytest.fixture
def clerk(origin):
    """An accountant who sees everything and may settle the token journal."""

    def add(session):
        user = session.get_one(OfficeUser, origin.shop.utility.users[SUPERVISOR].id)
        user.roles = [permitted(session, "Accounts", booking.MAY_BOOK)]
        user.region, user.region_id, user.all_regions = None, None, True

    origin.shop.change(add)
    return SUPERVISOR


def books(there, finding, by, **said):
    plain = {"vending_point": HARBOUR, "note": "receipt seen"} | said
    with there.shop.session() as session:
        with seen_by(SYSTEM):
            actor = booking.booker(session, by)
        with seen_by(actor):
            return booking.book(session, there.shop.registry, actor, Booking(finding.id, **plain))


def to_book(there):
    with there.shop.session() as session, seen_by(SYSTEM):
        return booking.to_book(session)


def test_a_lost_sale_is_booked(origin, older, clerk):
    lost = []
    there = older(lambda: lost.append(origin.shop.sell(LEGACY_11, units="50")))
    there.after_restore()
    (finding,) = to_book(there)
    there.shop.clock.forward(hours=30)
    sale = books(there, finding, clerk)
    was = origin.shop.again(lost[0])
    for name in (
        "meter_pan", "sgc", "krn", "tid", "rnd", "amount_field", "units", "charged_minor",
        "sold_at", "business_date", "request_id", "state",
    ):  # fmt: skip
        assert getattr(sale, name) == getattr(was, name), name
    assert there.shop.digits(sale) == origin.shop.digits(was)
    assert (sale.receipt_series, sale.shown_at is not None) == (2, True)
    assert there.shop.counters(LEGACY_11) == origin.shop.counters(LEGACY_11)
    assert there.shop.account().balance_minor == origin.shop.account().balance_minor
    assert to_book(there) == []
    (settled,) = there.shop.rows(JournalFinding)
    assert (settled.sale_id, settled.note) == (sale.id, "receipt seen")
    (event,) = there.shop.rows(AuditEvent, AuditEvent.action == "sale.booked")
    assert (event.actor_name, event.details["finding_id"]) == (clerk, finding.id)
    with pytest.raises(FindingSettled):
        books(there, finding, clerk)
    assert given_twice(origin.shop, there.shop) == {}
    assert there.faults() == {}


def test_a_lost_sale_that_was_taken_back_is_booked_and_taken_back(origin, older, clerk):
    there = older(origin.shop.sell)
    there.after_restore()
    (finding,) = to_book(there)
    there.shop.clock.forward(hours=100)
    sale = books(there, finding, clerk, reverse=True)
    assert sale.state == SaleState.REVERSED
    (reversal,) = there.shop.rows(SaleReversal)
    assert (reversal.may_be_used, reversal.note) == (True, "receipt seen")
    assert sum(there.shop.counters(LEGACY_11).values()) == 0
    assert there.faults() == {}


def test_what_was_paid_must_buy_what_the_token_carries(origin, older, clerk):
    lost = []
    there = older(lambda: lost.append(origin.shop.sell(LEGACY_11, tender=777)))
    there.after_restore()
    (finding,) = to_book(there)
    with pytest.raises(OtherAmount):
        books(there, finding, clerk, paid_minor=500)
    assert there.shop.count(Sale) == 0
    assert books(there, finding, clerk, paid_minor=777).charged_minor == lost[0].charged_minor


def test_a_sale_booked_later_frees_no_plan_that_later_days_were_sold_by(origin, older, clerk):
    begins = TODAY + timedelta(days=2)
    flat = tariff(origin.shop).id
    later = do(origin.shop, editing.add_plan, flat, simple("Later"), begins)
    there = older(lambda: origin.shop.sell(LEGACY_11))
    there.after_restore()
    there.shop.clock.forward(days=5)
    sold = there.shop.sell(LEGACY_13, units="10", key=new_key(2))
    (finding,) = to_book(there)
    booked = books(there, finding, clerk)
    assert (booked.id > sold.id, booked.business_date) == (True, TODAY)
    with pytest.raises(PlanUsed):
        do(there.shop, editing.change_plan, later.id, simple("Later", "9.99"), begins)
    with pytest.raises(PlanUsed):
        do(there.shop, editing.remove_plan, later.id)


def test_a_debt_entered_after_the_token_was_made_takes_nothing_of_its_sale(origin, older, clerk):
    before = owe(origin.shop, 1000, fixed=100, name="Before")
    lost = []
    there = older(lambda: lost.append(origin.shop.sell(LEGACY_11, tender=500)))
    # 5.00 less 1.00 of the debt that was there buy 40 units at 0.10
    assert (lost[0].units, lost[0].charged_minor) == (40, 500)
    there.after_restore()
    there.shop.clock.forward(hours=30)
    since = owe(there.shop, 1000, share=20, name="Since")
    (finding,) = to_book(there)
    sale = books(there, finding, clerk, paid_minor=500)
    assert (sale.units, sale.charged_minor) == (40, 500)
    assert (balance(there.shop, before), balance(there.shop, since)) == (900, 1000)
    assert there.faults() == {}


def test_who_may_not_settle_the_journal_books_nothing(origin, older):
    there = older(origin.shop.sell)
    there.after_restore()
    (finding,) = to_book(there)
    with pytest.raises(NotAllowed):
        books(there, finding, OPERATOR)
    assert len(to_book(there)) == 1


def test_nothing_is_booked_while_all_stand_still(origin, older, clerk):
    there = older(origin.shop.sell)
    with pytest.raises(Standstill):
        there.shop.sell()
    there.shop.change(
        lambda s: s.add(
            JournalFinding(
                module_id=there.shop.utility.module_id, kind="not_sold", request_id="S-1-1",
                found_at=there.shop.clock(),
            )
        )
    )  # fmt: skip
    with pytest.raises(Standstill):
        books(there, to_book(there)[0], clerk)

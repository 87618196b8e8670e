"""Row-level visibility: what a person's session can see, change, remove and add."""

import pytest
from sqlalchemy import delete, func, inspect, select, update
from sqlalchemy.orm import aliased

from tests import factories
from tests.engineer import engineered
from tests.factories import (
    AUDITOR,
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.keyring import KeyShop
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.till import Till
from vmsapp.models import (
    ApprovalRequest,
    AuditEvent,
    Bearer,
    Campaign,
    CampaignChunk,
    CampaignMeter,
    CampaignNotice,
    CampaignRefusal,
    Consumer,
    Delivery,
    EngineeringDigits,
    EngineeringPrint,
    EngineeringRefusal,
    EngineeringToken,
    FloatMovement,
    FreeToken,
    ImportBatch,
    Job,
    JournalFinding,
    KeyChange,
    KeyChangePrint,
    KeyChangeToken,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Meter,
    OfficeUser,
    PrintKind,
    Purchase,
    ReceiptCounter,
    ReceiptPrint,
    Region,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    RevenueFinding,
    RevenueNote,
    Sale,
    SaleReversal,
    SalesByHour,
    SalesByPoint,
    SalesByProduct,
    SalesByTariff,
    SavedReport,
    ServicePoint,
    Shift,
    ShiftCash,
    SuppliedPlace,
    TariffPlan,
    TariffSimulation,
    TestToken,
    Token,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.models.base import Model
from vmsapp.scope import (
    NOTHING,
    SYSTEM,
    Actor,
    OutOfScope,
    ScopedMixin,
    Sight,
    seen_by,
    take_on,
    unscoped,
)
from vmsapp.security import NotActing, actor_for
from vmsapp.services import prints, receipts
from vmsapp.services.floats import PAY_IN
from vmsapp.services.key_changes import printing as slips_of_keys
from vmsapp.services.roll_ups import merge
from vmsapp.services.vending.reversal import REVERSE, Reversal

REGIONAL = (
    Region, VendingPoint, Consumer, Meter, ServicePoint, KeyChange, KeyChangeToken,
    KeyChangePrint, SuppliedPlace, Purchase, TariffSimulation,
)  # fmt: skip
ENGINEERING = (
    EngineeringToken, EngineeringDigits, EngineeringRefusal, EngineeringPrint, TestToken,
)  # fmt: skip
AT_A_POINT = (
    Sale,
    Token,
    LedgerAccount,
    LedgerTransfer,
    LedgerEntry,
    VendingPointAccount,
    ReceiptCounter,
    ReceiptPrint,
    Delivery,
    FloatMovement,
    FreeToken,
    SaleReversal,
    ApprovalRequest,
    Shift,
    ShiftCash,
    SalesByHour,
    SalesByPoint,
    SalesByTariff,
    SalesByProduct,
)
REVENUE = (RevenueFinding, RevenueNote)
CAMPAIGNS = (Campaign, CampaignMeter, CampaignChunk, CampaignRefusal, CampaignNotice)
SEEN = REGIONAL + AT_A_POINT + ENGINEERING + CAMPAIGNS + REVENUE

NOT_SCOPED = {
    "Setup": "one utility; every screen names it",
    "Logo": "a picture on every receipt",
    "Installation": "one row; says which installation this is",
    "Product": "reference data of the whole utility",
    "Tariff": "reference data of the whole utility",
    "TariffPlan": "reference data of the whole utility",
    "AuditUnsealed": "numbers of events alone, for the sealer",
    "LastPurchase": "days of places, which are asked for as supplied places alone",
    "Unsummed": "numbers of transfers alone, for who adds them up",
    "AuditSeal": "places and hashes alone; the events themselves are scoped",
    "AuditHead": "one chain for all regions; holds no secret",
    "SecurityModule": "one for all regions; holds no secret",
    "SmAlgorithm": "one for all regions",
    "ModuleHealth": "of a module, which serves all regions",
    "JournalCheck": "of a module, which serves all regions",
    "VendingKey": "public side of keys, one list for all regions",
    "MeterInstallation": "reached through a meter or a service point, which are scoped",
    "Counter": "reached through a service point, which is scoped",
    "FeePayment": "reached through a service point, which is scoped",
    "TidHead": "belongs to a MeterPAN over all regions",
    "SpentTid": "belongs to a MeterPAN over all regions",
    "Debt": "reached through its consumer, which is scoped",
    "DebtPayment": "reached through its debt, and a consumer that is scoped",
    "DebtWriteOff": "reached through its debt, and a consumer that is scoped",
    "SaleAttempt": "reached through a sale, which is scoped",
    "ClockAcceptance": "the clock is one for all vending points",
    "LicenceChange": "one licence for all regions; shown to who may see its page",
    "ImportRow": "reached through its import, which is scoped",
    "NumberSeries": "one series over all regions; holds a number alone",
    "RecoveryCode": "reached through its user; asked for by the owner's id alone",
    "ApprovalRule": "one rule for the whole utility",
    "RevenueRule": "one rule for the whole utility",
    "LedgerProof": "of the whole utility's books; shown to who may see its page",
    "TrainingMeter": "of one signed-in browser, sealed with its session; no real meter",
    "UserSession": "everybody's own; the service asks for those of the asker alone",
}


@pytest.fixture
def sold(shop):
    """A sale in each region, so that every table has rows on both sides."""
    north = shop.sell()
    south = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    for sale, who in ((north, OPERATOR), (south, SOUTH_OPERATOR)):
        actor = shop.actor(who)
        with shop.session() as session, seen_by(actor):
            receipts.receipt(session, actor, sale.id)
            prints.note_print(session, actor, sale.id, nth=1, kind=PrintKind.PAPER, language="en",
                              may_reprint=False)  # fmt: skip
        sent = Delivery(
            sale_id=sale.id, vending_point_id=sale.vending_point_id, consumer_id=sale.consumer_id,
            channel="sms", language="en", nth=1, reference=f"r{sale.id}", to_masked="",
            asked_by_id=actor.user_id, asked_at=sale.sold_at,
            state_at=sale.sold_at, due_at=sale.sold_at,
        )  # fmt: skip
        shop.change(lambda session, sent=sent: session.add(sent))
    changing = KeyShop(shop, SUPERVISOR)
    for meter in (LEGACY_11, SOUTHERN):
        made = changing.start(meter, key=f"form of {meter}", ti="44")
        changing.do(
            lambda session, actor, made=made: slips_of_keys.note_print(
                session, actor, made.id, nth=1, kind=PrintKind.PAPER, language="en"
            )
        )
    for meter in (LEGACY_11, SOUTHERN):
        meter_id = shop.utility.meters[meter]
        shop.change(lambda session, one=meter_id: campaigned(session, session.get_one(Meter, one)))
    for meter, who in ((LEGACY_11, OPERATOR), (SOUTHERN, SOUTH_OPERATOR)):
        engineered(shop, meter, who)
    shop.change(lambda session: lost(session, shop.utility))
    shop.change(lambda session: session.add_all(simulated(session, shop.utility.regions)))
    pair = make_pair(shop)
    for number, sale in enumerate((north, south)):
        wrong = Reversal(sale.id, sale.charged_minor, "test")
        pair.approve(pair.ask(REVERSE, f"r{number}", params=wrong))
    gifts = Gifts(shop, pair)
    for meter, point in ((LEGACY_11, HARBOUR), (SOUTHERN, MARKET)):
        gifts.give(meter, point=point)
    for point in (HARBOUR, MARKET):
        pair.ask(key=f"paid in at {point}", point=point)
    till = Till(shop)
    for point, by in ((HARBOUR, OPERATOR), (MARKET, SOUTH_OPERATOR)):
        till.move(till.open(100, point=point, by=by), 50, by=by)
    pair.rule(PAY_IN)
    for point in (HARBOUR, MARKET):
        pair.ask(key=f"asked at {point}", reference="SLIP 8", point=point)
    with shop.session() as session, seen_by(SYSTEM):
        merge(session)
    return {"north": north, "south": south}


def lost(session, utility):
    """Findings of revenue protection about meters and vending points, with the work on them."""
    now = factories.NOW
    subjects = [
        *({"meter_id": utility.meters[name]} for name in (LEGACY_11, SOUTHERN)),
        *({"vending_point_id": utility.points[name]} for name in (HARBOUR, MARKET)),
    ]
    for subject in subjects:
        row = RevenueFinding(rule="x", subject=str(subject), facts={}, found_at=now, **subject)
        session.add(row)
        session.flush()
        session.add(RevenueNote(finding_id=row.id, deed="noted", made_at=now))


def simulated(session, regions):
    """A plan tried over the sales of each region."""
    plan = session.scalars(select(TariffPlan).order_by(TariffPlan.id).limit(1)).one()
    return [
        TariffSimulation(
            plan_id=plan.id, plan_version="0" * 64, rules=plan.rules, tariff_id=plan.tariff_id,
            month=factories.THIS_MONTH, region_id=regions[name].id, basis="units",
            made_at=factories.NOW,
        )
        for name in ("north", "south")
    ]  # fmt: skip


def campaigned(session, meter):
    """Rows of a campaign of a meter's region, as they stand half way."""
    change = session.scalars(select(KeyChange).where(KeyChange.meter_id == meter.id)).one()
    now = change.reserved_at
    campaign = Campaign(
        region_id=meter.region_id, name="New keys", reason="old", due_on=factories.TODAY,
        made_at=now, listed=True, selection={}, target={},
    )  # fmt: skip
    session.add(campaign)
    session.flush()
    same = {"campaign_id": campaign.id}
    session.add_all([
        CampaignMeter(**same, place=1, number=meter.drn, meter_id=meter.id),
        CampaignChunk(**same, request_id=f"C-{meter.id}", module_id=change.module_id,
                      first_id=change.id, last_id=change.id, meters=1, reserved_at=now),
        CampaignRefusal(**same, round=1, meter_id=meter.id, code="x", outcome={}, refused_at=now),
        CampaignNotice(**same, key_change_id=change.id, hand_out="sheet", state_at=now,
                       reference=f"n{meter.id}"),
    ])  # fmt: skip


def key_of(model):
    """The attributes that make a model's primary key; bare columns would be outside the hook."""
    return [getattr(model, column.key) for column in inspect(model).primary_key]


def keys(shop, model):
    """Primary keys of all rows of a model."""
    with shop.session() as session, unscoped("the test looks at everything"):
        return {tuple(row) for row in session.execute(select(*key_of(model)))}


def seen(shop, who, model):
    actor = who if isinstance(who, Actor) else shop.actor(who)
    with shop.session() as session, seen_by(actor):
        return {tuple(row) for row in session.execute(select(*key_of(model)))}


def test_every_model_is_scoped_or_named_with_its_reason():
    ours = {
        mapper.class_
        for mapper in Model.registry.mappers
        if mapper.class_.__module__.startswith("vmsapp.")
    }
    scoped = set(ScopedMixin.scoped)
    assert {model.__name__ for model in ours - scoped} == set(NOT_SCOPED)
    kept = {ReportRecipient, ReportSchedule, ReportSending, SavedReport}  # see test_saved_reports
    kept |= {Bearer}  # see test_bearers
    assert scoped == {*SEEN, *kept, AuditEvent, ImportBatch, Job, JournalFinding, OfficeUser}


def test_an_operator_sees_the_own_side_and_nothing_of_the_other(shop, sold):
    for model in SEEN:
        mine, theirs = seen(shop, OPERATOR, model), seen(shop, SOUTH_OPERATOR, model)
        assert mine, model
        assert theirs, model
        assert not mine & theirs, model


def test_who_sees_the_country_sees_both_sides(shop, sold):
    for model in SEEN:
        assert seen(shop, SUPERVISOR, model) == keys(shop, model), model


def test_nobody_sees_nothing(shop, sold):
    nobody = Actor(None, "nobody", NOTHING)
    take_on(NOTHING)
    for model in (*SEEN, AuditEvent):
        assert seen(shop, nobody, model) == set(), model
        with shop.session() as session:
            assert session.scalars(select(model)).all() == [], model
            assert session.scalar(select(func.count()).select_from(model)) == 0, model


def test_the_trail_is_read_by_those_who_see_everything_alone(shop, sold):
    assert seen(shop, AUDITOR, AuditEvent) == keys(shop, AuditEvent) != set()
    for who in (OPERATOR, SUPERVISOR):
        assert seen(shop, who, AuditEvent) == set()


def test_a_row_of_the_other_side_is_not_found_by_its_key(shop, sold):
    for model in SEEN:
        for key in seen(shop, SOUTH_OPERATOR, model):
            with shop.session() as session, seen_by(shop.actor(OPERATOR)):
                assert session.get(model, key if len(key) > 1 else key[0]) is None, model


def test_columns_counts_and_aliases_are_scoped_too(shop, sold):
    for model in SEEN:
        count = len(seen(shop, OPERATOR, model))
        with shop.session() as session, seen_by(shop.actor(OPERATOR)):
            assert session.scalar(select(func.count()).select_from(model)) == count, model
            assert session.scalar(select(func.count(key_of(model)[0]))) == count, model
            assert len(session.scalars(select(aliased(model))).all()) == count, model


CHANGES = {
    Region: {"name": "x"},
    VendingPoint: {"address": "x"},
    Consumer: {"address": "x"},
    Meter: {"blocked_reason": "x"},
    ServicePoint: {"plan_attached_on": factories.TODAY},
    KeyChange: {"reason": "x"},
    KeyChangePrint: {"language": "fr"},
    Campaign: {"reason": "x"},
    CampaignMeter: {"number": "x"},
    CampaignChunk: {"failure": "x"},
    CampaignNotice: {"message_id": "x"},
    EngineeringToken: {"reason": "y"},
    EngineeringPrint: {"language": "fr"},
    Sale: {"local_hour": 3},
    LedgerAccount: {"detail": "x"},
    VendingPointAccount: {"credit_limit_minor": 5},
    ReceiptCounter: {"last_number": 9},
    ReceiptPrint: {"language": "fr"},
    Delivery: {"language": "fr"},
    Shift: {"note": "x"},
    RevenueFinding: {"rule": "y"},
    RevenueNote: {"text": "x"},
    ShiftCash: {"note": "x"},
}


def test_an_update_of_everything_changes_the_own_side_alone(shop, sold):
    for model, values in CHANGES.items():
        hidden = keys(shop, model) - seen(shop, OPERATOR, model)
        name, value = next(iter(values.items()))
        with shop.session() as session:
            with seen_by(shop.actor(OPERATOR)):
                session.execute(update(model).values(values))
            with unscoped("the test looks at everything"):
                changed = {
                    tuple(row) for row in session.execute(
                        select(*key_of(model)).where(getattr(model, name) == value)
                    )
                }  # fmt: skip
            session.rollback()
        assert changed, model
        assert not changed & hidden, model


def test_a_delete_of_everything_removes_the_own_side_alone(shop, sold):
    for model in (ReceiptCounter, VendingPointAccount):
        theirs = keys(shop, model) - seen(shop, OPERATOR, model)
        with shop.session() as session, seen_by(shop.actor(OPERATOR)):
            session.execute(delete(model))
            session.commit()
        assert keys(shop, model) == theirs


def strangers(shop):
    """A new row of the south for every model with few columns."""
    south, market = shop.utility.regions["south"], shop.utility.points[MARKET]
    meter = shop.meter(SOUTHERN)
    values = {c.name: getattr(meter, c.name) for c in Meter.__table__.c if c.name != "id"}
    return {
        "region": Region(name="x", level="city", parent_id=south.id, path=f"{south.path}99."),
        "vending_point": VendingPoint(name="x", region_id=south.id),
        "consumer": Consumer(number="x", name="x", region_id=south.id),
        "meter": Meter(**values | {"meter_pan": "6" * 18}),
        "service_point": ServicePoint(region_id=south.id, plan_attached_on=factories.TODAY),
        "account": LedgerAccount(vending_point_id=market, kind="fee", detail="x"),
        "receipts": ReceiptCounter(vending_point_id=market, series=7, last_number=0),
    }


@pytest.mark.parametrize("name", ["region", "vending_point", "consumer", "meter",
                                  "service_point", "account", "receipts"])  # fmt: skip
def test_a_row_of_the_other_side_cannot_be_added(shop, name):
    row = strangers(shop)[name]
    before = shop.count(type(row))
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        session.add(row)
        with pytest.raises(OutOfScope):
            session.flush()
    assert shop.count(type(row)) == before


def test_a_row_cannot_be_given_away_to_the_other_side(shop):
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        meter = session.get(Meter, shop.meter("legacy 11").id)
        meter.region_id = shop.utility.regions["south"].id
        with pytest.raises(OutOfScope):
            session.flush()


def test_nor_by_naming_the_other_region_instead_of_its_number(shop):
    with shop.session() as session, unscoped("to fetch both"):
        point = session.scalars(select(VendingPoint).where(VendingPoint.name == HARBOUR)).one()
        south = session.get(Region, shop.utility.regions["south"].id)
        with seen_by(shop.actor()):
            point.region = south
            with pytest.raises(OutOfScope):
                session.flush()


def test_a_row_read_before_the_scope_was_taken_on_cannot_be_removed(shop, sold):
    with shop.session() as session:
        with unscoped("read by somebody else first"):
            row = session.scalars(
                select(ReceiptCounter).where(
                    ReceiptCounter.vending_point_id == shop.utility.points[MARKET]
                )
            ).one()
        with seen_by(shop.actor(OPERATOR)):
            session.delete(row)
            with pytest.raises(OutOfScope):
                session.flush()


def test_an_operator_sees_the_own_vending_point_alone(shop):
    north = shop.utility.regions["north"]
    shop.change(lambda s: s.add(VendingPoint(name="Second", region_id=north.id)))
    assert seen(shop, OPERATOR, VendingPoint) == {(shop.utility.points[HARBOUR],)}


def test_a_region_whose_path_only_begins_alike_is_not_below(shop):
    def add(session):
        session.add(Region(id=40, name="a", level="country", path="7."))
        session.add(Region(id=41, name="b", level="country", path="77."))
        session.add(Region(id=42, name="c", level="city", path="7.1.", parent_id=40))

    shop.change(add)
    assert seen(shop, Actor(1, "x", Sight(region_path="7.")), Region) == {(40,), (42,)}


def test_people_of_the_own_region_are_seen_and_who_sees_everything_is_not(shop):
    users = shop.utility.users
    north = Actor(1, "x", Sight(region_path=shop.utility.regions["north"].path))
    assert seen(shop, north, OfficeUser) == {(users[OPERATOR].id,)}
    assert seen(shop, SUPERVISOR, OfficeUser) == {
        (users[name].id,) for name in (OPERATOR, SOUTH_OPERATOR, SUPERVISOR)
    }
    with shop.session() as session, seen_by(north):
        session.add(
            OfficeUser(
                username="x", first_name="x", last_name="x", email="x@test", password="!",
                region_id=shop.utility.regions["north"].id, all_regions=True,
            )
        )  # fmt: skip
        with pytest.raises(OutOfScope):
            session.flush()


def test_a_worker_acts_for_somebody_as_that_person_is_now(shop):
    user_id = shop.utility.users[OPERATOR].id
    with shop.session() as session:
        actor = actor_for(session, user_id)
    assert (actor.user_id, actor.name, actor.sight) == (user_id, OPERATOR, shop.actor().sight)
    assert seen(shop, actor, VendingPoint) == {(shop.utility.points[HARBOUR],)}

    def move(session):
        session.get_one(OfficeUser, user_id).region_id = None

    shop.change(move)
    with shop.session() as session:
        assert actor_for(session, user_id).sight == NOTHING
    shop.change(lambda session: setattr(session.get_one(OfficeUser, user_id), "active", False))
    for nobody in (user_id, 10**6):
        with shop.session() as session, pytest.raises(NotActing):
            actor_for(session, nobody)


def test_jobs_and_imports_are_seen_by_whoever_asked_for_them(shop):
    ours, theirs = (shop.utility.users[name].id for name in (OPERATOR, SOUTH_OPERATOR))

    def add(session):
        for user_id in (ours, theirs):
            job = Job(kind="export", actor_id=user_id, made_at=factories.NOW)
            session.add(job)
            session.flush()
            session.add(ImportBatch(
                kind="consumers", file_name="a", sha256="0" * 64, size=1, actor_id=user_id,
                made_at=factories.NOW, job_id=job.id,
            ))  # fmt: skip
        session.add(Job(kind="nobodys", actor_id=None, made_at=factories.NOW))

    shop.change(add)
    for model in (Job, ImportBatch):
        assert seen(shop, OPERATOR, model) == {(1,)}
        assert seen(shop, SOUTH_OPERATOR, model) == {(2,)}
        north = Actor(None, "x", Sight(region_path=shop.utility.regions["north"].path))
        assert seen(shop, north, model) == set()
    for maker in (Job, ImportBatch):
        stranger = maker(kind="export", actor_id=theirs, made_at=factories.NOW)
        if maker is ImportBatch:
            stranger.file_name, stranger.sha256, stranger.size = "a", "0" * 64, 1
        with shop.session() as session, seen_by(shop.actor(OPERATOR)):
            session.add(stranger)
            with pytest.raises(OutOfScope):
                session.flush()


def test_a_statement_made_once_shows_everybody_the_own_rows_whoever_ran_it_before(shop):
    north, south = shop.sell().id, shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR).id
    once = select(Sale.id).order_by(Sale.id)
    sights = [(OPERATOR, [north]), (AUDITOR, [north, south]), (SOUTH_OPERATOR, [south])]
    for who, expected in [*sights, *reversed(sights)]:
        with shop.session() as session, seen_by(shop.actor(who)):
            assert session.scalars(once).all() == expected
    with shop.session() as session, seen_by(Actor(None, "nobody", NOTHING)):
        assert session.scalars(once).all() == []


def test_kept_reports_and_what_is_sent_of_them_are_seen_by_whose_they_are(shop):
    ours, theirs = (shop.utility.users[name].id for name in (OPERATOR, SOUTH_OPERATOR))

    def add(session):
        for user_id in (ours, theirs):
            kept = SavedReport(
                actor_id=user_id, report="x", name="x", query="", made_at=factories.NOW
            )
            session.add(kept)
            session.flush()
            row = ReportSchedule(
                actor_id=user_id, saved_id=kept.id, every="day", hour=6, kind="csv", zone="UTC",
                state="paused", made_at=factories.NOW,
            )  # fmt: skip
            session.add(row)
            session.flush()
            of_it = {"actor_id": user_id, "schedule_id": row.id, "user_id": ours}
            moments = dict.fromkeys(("for_at", "made_at", "state_at", "due_at"), factories.NOW)
            session.add_all([ReportRecipient(**of_it), ReportSending(**of_it, **moments)])

    shop.change(add)
    for model in (SavedReport, ReportSchedule, ReportRecipient, ReportSending):
        assert seen(shop, OPERATOR, model) == {(1,)}
        assert seen(shop, SOUTH_OPERATOR, model) == {(2,)}
        assert seen(shop, Actor(None, "x", NOTHING), model) == set()

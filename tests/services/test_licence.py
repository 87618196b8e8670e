"""The licence: installed, counted and given up; what its two limits stop, and what never."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.factories import LEGACY_11, LEGACY_SGC, NOW, RETIRED, STS6_11, TODAY, drn_of
from tests.faults import request_lost
from tests.licences import (
    FOREIGN,
    GRACE,
    LAST_DAY,
    METERS,
    OURS,
    RULES,
    THEIRS,
    licence_file,
)
from tests.shop import in_threads
from vmsapp.extensions import atomic
from vmsapp.models import (
    AuditEvent,
    LicenceChange,
    LicenceDeed,
    Meter,
    MeterState,
    Product,
    Region,
    Sale,
)
from vmsapp.scope import SYSTEM, Actor, Sight, seen_by
from vmsapp.services import clock as clocks
from vmsapp.services import receipts, vending
from vmsapp.services.licence import changes
from vmsapp.services.licence.changes import Rules
from vmsapp.services.licence.file import LicenceOfForeignKey, LicenceTampered
from vmsapp.services.licence.standing import (
    LicenceEnded,
    LicenceState,
    MeterLimitReached,
    Standing,
    admit_meters,
    count_meters,
    in_force,
)
from vmsapp.sts import identifiers

END_OF_GRACE = LAST_DAY + timedelta(days=GRACE)
NORTHERN = Actor(None, "northern", Sight(region_path="1.2."))


def at_noon(day: date) -> datetime:
    """Noon in the utility's zone, three hours east of Greenwich."""
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def install(shop, content=None, *, rules=RULES, by=SYSTEM, how=changes.install, **changed):
    with shop.session() as session, seen_by(by):
        return how(session, by, content or licence_file(**changed), rules)


def give_up(shop, reason="not renewed", by="auditor"):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        return changes.return_to_open_edition(session, actor, reason)


def standing(shop, rules=RULES):
    with shop.session() as session:
        return changes.overview(session, rules).standing


# how it stands on a day


def on(day, limit=100, grace=GRACE):
    row = LicenceChange(deed="installed", valid_until=LAST_DAY, meter_limit=limit)
    return Standing(row, day, grace)


@pytest.mark.parametrize(("days", "state"), [
    (-31, LicenceState.LICENSED), (-30, LicenceState.ENDS_SOON), (0, LicenceState.ENDS_SOON),
    (1, LicenceState.GRACE), (GRACE, LicenceState.GRACE), (GRACE + 1, LicenceState.ENDED),
])  # fmt: skip
def test_a_licence_warns_30_days_ahead_holds_through_its_last_day_and_ends_after_the_grace(
    days, state
):
    seen = on(LAST_DAY + timedelta(days=days))
    assert (seen.state, seen.days_left) == (state, -days)
    assert seen.sells_until == date(2026, 7, 30)


def test_without_grace_nothing_is_sold_on_the_day_after_the_last():
    assert on(LAST_DAY, grace=0).state is LicenceState.ENDS_SOON
    assert on(LAST_DAY + timedelta(days=1), grace=0).state is LicenceState.ENDED


@pytest.mark.parametrize(("limit", "meters", "near"), [
    (100, 94, False), (100, 95, True), (100, 100, True), (100, 101, True),
    (1000, 949, False), (1000, 950, True), (7, 6, False), (7, 7, True), (1, 0, False), (1, 1, True),
])  # fmt: skip
def test_the_meters_warn_5_per_cent_ahead(limit, meters, near):
    assert on(TODAY, limit).near_limit(meters) is near


def test_the_open_edition_has_no_end_and_no_limit():
    seen = Standing(None, date(2999, 1, 1), 0)
    assert (seen.state, seen.days_left, seen.sells_until) == (LicenceState.OPEN, None, None)
    assert not seen.near_limit(10**9)


# installing


def test_a_licence_installed_is_recorded_with_its_file_and_audited(shop):
    content = licence_file(installation=OURS)
    install(shop, content, by=shop.actor("auditor"))
    (row,) = shop.rows(LicenceChange)
    assert (row.deed, row.changed_at, row.changed_by_name) == ("installed", NOW, "auditor")
    assert (row.number, row.holder, row.valid_until) == ("5a", "Northern Power", LAST_DAY)
    assert (row.meter_limit, row.issued_on) == (100, date(2026, 1, 1))
    assert (row.installation, row.file) == (OURS, content.decode())
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "licence.installed")
    assert event.subject_id == str(row.id)
    assert event.details["valid_until"] == "2026-06-30"
    assert standing(shop).state is LicenceState.LICENSED


def test_the_newest_licence_holds(shop):
    install(shop)
    install(shop, number="5b", meter_limit=7)
    assert standing(shop).licence.meter_limit == 7
    with shop.session() as session:
        assert [row.number for row in changes.overview(session, RULES).history] == ["5b", "5a"]


@pytest.mark.parametrize(("content", "error", "values"), [
    (licence_file().replace(b"100", b"900"), LicenceTampered, {}),
    (licence_file(FOREIGN), LicenceOfForeignKey, {"key": "d75a9801"}),
    (licence_file(installation=THEIRS), changes.LicenceOfOtherInstallation,
     {"theirs": "eeeeeeee", "ours": "ffffffff"}),
    (licence_file(valid_until=TODAY - timedelta(days=1)), changes.LicenceExpired,
     {"valid_until": date(2026, 3, 16)}),
], ids=["tampered", "foreign key", "foreign installation", "expired"])  # fmt: skip
def test_a_file_that_will_not_do_is_refused_and_changes_nothing(shop, content, error, values):
    install(shop, number="1")
    with pytest.raises(error) as caught:
        install(shop, content)
    assert caught.value.params == values
    assert shop.count(LicenceChange) == 1
    assert standing(shop).licence.number == "1"


def test_a_licence_may_be_installed_on_its_last_day(shop):
    assert install(shop, valid_until=TODAY).valid_until == TODAY


def test_days_are_those_of_the_utilitys_zone(shop):
    shop.at(datetime(2026, 6, 30, 20, 59, tzinfo=UTC))
    install(shop)
    assert standing(shop).days_left == 0
    shop.at(datetime(2026, 6, 30, 21, 0, tzinfo=UTC))  # midnight in Nairobi
    assert standing(shop).days_left == -1
    with pytest.raises(changes.LicenceExpired):
        install(shop, number="5b")


def test_without_a_trusted_key_no_licence_is_taken_and_what_is_installed_still_counts(shop):
    install(shop)
    untrusting = Rules(None, RULES.zone, GRACE)
    with pytest.raises(changes.NoTrustedKey):
        install(shop, rules=untrusting, number="5b")
    assert standing(shop, untrusting).licence.number == "5a"


def test_the_same_licence_is_not_installed_twice_in_a_row(shop):
    install(shop)
    with pytest.raises(changes.LicenceInForce):
        install(shop)
    assert shop.count(LicenceChange) == 1


def test_of_two_who_install_the_same_licence_at_once_one_does(shop):
    outcomes = in_threads(lambda: install(shop), lambda: install(shop))
    refused = [outcome for outcome in outcomes if isinstance(outcome, changes.LicenceInForce)]
    assert (len(refused), shop.count(LicenceChange)) == (1, 1)


# a file that lies in its place


def take_up(shop, content=None, **changed):
    return install(shop, content, how=changes.take_up, **changed)


def test_a_start_installs_a_file_once(shop):
    assert take_up(shop).number == "5a"
    assert take_up(shop) is None
    assert shop.count(LicenceChange) == 1
    assert shop.count(AuditEvent, AuditEvent.action == "licence.installed") == 1


def test_a_file_left_in_its_place_displaces_no_later_licence_and_ends_without_a_word(shop):
    take_up(shop)
    install(shop, number="5b")
    assert take_up(shop) is None
    shop.at(at_noon(LAST_DAY + timedelta(days=1)))
    assert take_up(shop) is None
    assert standing(shop).licence.number == "5b"


def test_a_file_left_in_its_place_does_not_undo_the_return_to_the_open_edition(shop):
    take_up(shop)
    give_up(shop)
    assert take_up(shop) is None
    assert standing(shop).state is LicenceState.OPEN
    assert install(shop).number == "5a"  # asked for, it comes back


def test_a_faulty_file_in_its_place_is_refused_like_any_other(shop):
    with pytest.raises(LicenceTampered):
        take_up(shop, licence_file().replace(b"100", b"900"))


# returning to the open edition


def test_the_return_to_the_open_edition_is_recorded_with_its_reason_and_audited(shop):
    install(shop)
    shop.clock.forward(days=1)
    give_up(shop, "  we\tleft  ")
    row = shop.rows(LicenceChange)[-1]
    assert (row.deed, row.reason, row.changed_by_name) == ("returned", "we\tleft", "auditor")
    assert row.changed_by_id == shop.utility.users["auditor"].id
    assert (row.number, row.file) == (None, None)
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "licence.returned")
    assert event.details == {"number": "5a", "holder": "Northern Power", "reason": "we\tleft"}
    assert standing(shop).state is LicenceState.OPEN


@pytest.mark.parametrize("reason", ["", "   "])
def test_nobody_gives_a_licence_up_without_a_reason(shop, reason):
    install(shop)
    with pytest.raises(changes.ReasonMissing):
        give_up(shop, reason)
    assert standing(shop).state is LicenceState.LICENSED


def test_the_open_edition_cannot_be_returned_to_from_itself(shop):
    with pytest.raises(changes.NoLicence):
        give_up(shop)
    install(shop)
    give_up(shop)
    with pytest.raises(changes.NoLicence):
        give_up(shop)
    assert shop.count(LicenceChange) == 2


def test_of_two_who_give_the_licence_up_at_once_one_does(shop):
    install(shop)
    outcomes = in_threads(lambda: give_up(shop), lambda: give_up(shop))
    refused = [outcome for outcome in outcomes if isinstance(outcome, changes.NoLicence)]
    assert (len(refused), shop.count(LicenceChange)) == (1, 2)


# the date


def test_without_a_licence_everything_is_sold_for_ever(shop):
    assert shop.at(NOW + timedelta(days=900)).sell().state == "issued"


def test_tokens_are_sold_through_the_grace_period_and_not_a_day_longer(shop):
    install(shop)
    assert shop.at(at_noon(END_OF_GRACE)).sell().state == "issued"
    shop.at(at_noon(END_OF_GRACE + timedelta(days=1)))
    with pytest.raises(LicenceEnded) as caught:
        shop.sell(STS6_11)
    assert caught.value.params == {"valid_until": LAST_DAY}
    assert shop.count(Sale) == 1


def test_the_days_of_grace_are_those_the_door_names(shop):
    install(shop)
    shop.at(at_noon(LAST_DAY + timedelta(days=3)))
    form, actor = shop.form(), shop.actor()
    with shop.session() as session, seen_by(actor):
        with pytest.raises(LicenceEnded):
            vending.sell(session, shop.registry, actor, form, grace_days=2)
        assert vending.sell(session, shop.registry, actor, form, grace_days=3).state == "issued"


def test_a_new_licence_or_the_open_edition_sells_again_at_once(shop):
    install(shop)
    shop.at(at_noon(END_OF_GRACE + timedelta(days=1)))
    install(shop, number="5b", valid_until=date(2027, 6, 30))
    assert shop.sell().state == "issued"
    shop.at(at_noon(date(2027, 12, 1)))
    with pytest.raises(LicenceEnded):
        shop.sell(STS6_11)
    give_up(shop)
    assert shop.sell(STS6_11).state == "issued"


def test_a_clock_set_back_wins_no_time(shop):
    install(shop)
    shop.at(at_noon(END_OF_GRACE)).sell()
    shop.at(at_noon(LAST_DAY))
    assert standing(shop).day == END_OF_GRACE
    shop.at(at_noon(TODAY))
    with pytest.raises(changes.LicenceExpired):
        install(shop, number="5b", valid_until=LAST_DAY)


def test_the_newest_sale_counts_even_where_the_clock_may_lie_behind_it(shop):
    install(shop, valid_until=TODAY)
    midnight = datetime(2026, 4, 16, 21, tzinfo=UTC)  # in Nairobi, after the last day of grace
    sale = shop.at(midnight - timedelta(minutes=1)).sell()
    shop.change(lambda s: s.execute(update(Sale).values(sold_at=midnight)))
    with pytest.raises(LicenceEnded):  # the clock itself still shows the last day
        shop.sell(STS6_11)
    assert shop.count(Sale) == 1
    assert sale.state == "issued"


def test_a_sale_accepted_as_made_under_a_wrong_clock_ends_no_licence(shop):
    install(shop)
    shop.at(at_noon(END_OF_GRACE)).sell()
    shop.at(NOW)
    actor = shop.actor("auditor")
    with shop.session() as session, seen_by(actor):
        clocks.accept_newest_sale(session, actor, "the battery was empty")
    assert standing(shop).day == TODAY


def test_a_retry_of_an_earlier_sale_gets_its_digits_after_the_end(shop):
    install(shop)
    form = shop.form()
    first = shop.submit(form)
    shop.at(at_noon(END_OF_GRACE + timedelta(days=1)))
    again = shop.submit(form)
    assert (again.id, again.state) == (first.id, "issued")
    assert shop.digits(again) == shop.digits(first)


def test_what_was_begun_is_settled_and_read_after_the_end(shop, module):
    install(shop)
    module.once("issue_credit", request_lost)
    midnight = at_noon(END_OF_GRACE) + timedelta(hours=12)
    open_sale = shop.at(midnight - timedelta(seconds=30)).sell()
    shop.at(midnight + timedelta(seconds=30))
    with pytest.raises(LicenceEnded):
        shop.sell(STS6_11)
    assert shop.reconcile() == {"issued": 1}
    actor = shop.actor()
    with shop.session() as session, seen_by(actor):
        receipt = receipts.receipt(session, actor, open_sale.id)
    assert receipt.sale.state == "issued"


# the meters


def add_meters(shop, serials, by=SYSTEM):
    """Add meters the way whoever adds them does: asking first, in one transaction."""
    drns = [drn_of("07", serial) for serial in serials]
    with shop.session() as session, seen_by(by), atomic(session):
        admit_meters(session, len(drns))
        product = session.scalars(select(Product).where(Product.manufacturer_code == "07")).one()
        north = session.scalars(select(Region).where(Region.name == "North")).one()
        session.add_all(
            Meter(
                drn=drn, meter_pan=identifiers.meter_pan.of_drn(drn),
                meter_type=product.meter_type, algorithm="legacy", product_id=product.id,
                region_id=north.id, sgc=LEGACY_SGC, krn=1, kt=2, ti="01", base_date="14", ea=7,
                tct=2, state=MeterState.STOCK,
            )
            for drn in drns
        )  # fmt: skip


def test_all_meters_but_the_retired_count_whoever_looks(shop):
    all_meters = shop.count(Meter)
    retired = shop.count(Meter, Meter.state == MeterState.RETIRED)
    assert (all_meters - retired, retired) == (METERS, 1)
    with shop.session() as session, seen_by(NORTHERN):
        assert count_meters(session) == METERS


def test_meters_are_let_in_up_to_the_limit(shop):
    install(shop, meter_limit=METERS + 3)
    add_meters(shop, [1001, 1002, 1003])
    with pytest.raises(MeterLimitReached) as caught:
        add_meters(shop, [1004])
    assert caught.value.params == {"limit": METERS + 3, "meters": METERS + 3, "count": 1}


def test_an_import_fits_as_a_whole_or_not_at_all(shop):
    install(shop, meter_limit=METERS + 3)
    with pytest.raises(MeterLimitReached):
        add_meters(shop, [1001, 1002, 1003, 1004])
    with shop.session() as session:
        assert count_meters(session) == METERS
    add_meters(shop, [1001, 1002, 1003])


def test_the_limit_is_that_of_all_regions_whoever_adds(shop):
    install(shop, meter_limit=METERS)
    with pytest.raises(MeterLimitReached):
        add_meters(shop, [1001], by=NORTHERN)


def test_a_retired_meter_makes_room(shop):
    install(shop, meter_limit=METERS)
    mine = Meter.id == shop.utility.meters[LEGACY_11]
    shop.change(lambda s: s.execute(update(Meter).where(mine).values(state=MeterState.RETIRED)))
    add_meters(shop, [1001])
    assert shop.meter(RETIRED).state == "retired"


def test_without_a_licence_and_after_its_return_any_number_is_let_in(shop):
    add_meters(shop, range(1001, 1101))
    install(shop, meter_limit=1)
    with pytest.raises(MeterLimitReached):
        add_meters(shop, [2001])
    give_up(shop)
    add_meters(shop, range(2001, 2101))


def test_the_end_of_the_licence_does_not_keep_meters_out(shop):
    install(shop)
    shop.at(at_noon(END_OF_GRACE + timedelta(days=1)))
    add_meters(shop, [1001])


def test_two_imports_at_once_do_not_both_take_the_last_places(shop):
    install(shop, meter_limit=METERS + 5)
    outcomes = in_threads(
        *[lambda first=first: add_meters(shop, range(first, first + 3))
          for first in (1001, 2001, 3001)]
    )  # fmt: skip
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "MeterLimitReached", "MeterLimitReached", "NoneType",
    ]  # fmt: skip
    with shop.session() as session:
        assert count_meters(session) == METERS + 3


def test_meters_are_added_while_a_smaller_licence_is_installed_or_after_never_over_it(shop):
    """Whichever comes first: the import lies under the old limit, or is refused by the new."""
    install(shop, meter_limit=METERS + 5)
    added, installed = in_threads(
        lambda: add_meters(shop, range(1001, 1006)),
        lambda: install(shop, number="5b", meter_limit=METERS),
    )
    assert installed.meter_limit == METERS
    with shop.session() as session:
        meters = count_meters(session)
    assert meters == (METERS if isinstance(added, MeterLimitReached) else METERS + 5)


# the rows


def test_what_was_recorded_is_never_changed_or_removed(shop):
    install(shop)
    for deed in (
        update(LicenceChange).values(meter_limit=10**6),
        delete(LicenceChange),
        text("DELETE FROM licence_change"),
    ):
        with pytest.raises(DBAPIError, match="licence_change rows are only added"):
            shop.change(lambda s, deed=deed: s.execute(deed))
    assert shop.rows(LicenceChange)[0].meter_limit == 100


@pytest.mark.parametrize("wrong", [
    {"deed": "installed"}, {"deed": "returned", "number": "5a", "holder": "H", "file": "{}",
     "issued_on": TODAY, "valid_until": TODAY, "meter_limit": 1}, {"deed": "lost"},
])  # fmt: skip
def test_a_row_is_a_whole_licence_or_none_at_all(shop, wrong):
    row = {"changed_at": NOW, "changed_by_name": "x", "reason": ""} | wrong
    with pytest.raises(IntegrityError):
        shop.change(lambda s: s.add(LicenceChange(**row)))


def test_nothing_is_in_force_before_anything_was_installed(shop):
    with shop.session() as session:
        assert in_force(session) is None
    assert {*LicenceDeed} == {"installed", "returned"}

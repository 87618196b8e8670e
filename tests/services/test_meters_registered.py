"""Registering and changing meters: numbers, what they must agree with, what may still change."""

from dataclasses import replace

import pytest

from tests.factories import (
    BLOCKED,
    DOMESTIC,
    EXPIRED_SGC,
    LEGACY_11,
    LEGACY_SGC,
    NOT_INSTALLED,
    NOW,
    OPERATOR,
    RETIRED,
    SOUTH_OPERATOR,
    SOUTHERN,
    STOCK,
    STS6_SGC,
    SUPERVISOR,
    TODAY,
    WATER,
    drn_of,
)
from tests.faults import request_lost
from tests.licences import RULES, licence_file
from vmsapp.models import AuditEvent, Meter, Product, ServicePoint, Tariff
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.licence.changes import install
from vmsapp.services.licence.standing import MeterLimitReached
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration import meters, removing
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.faults import FaultyRows
from vmsapp.services.registration.meter_states import MOVES, move, possible
from vmsapp.services.vending.errors import NoSuchMeter

# 0700 0000 013 and 0107 0000 0001 2 are the utility's first meters; the check digits below are
# of ISO/IEC 7812-1, Annex B, reckoned by hand for 0712345678 and 010712345678.
SHORT, LONG = "07123456787", "0107123456785"


@pytest.fixture
def draft(shop):
    """What is said of a new meter in the north."""
    product = shop.rows(Product, Product.manufacturer_code == "07")[0]
    tariff = shop.rows(Tariff, Tariff.name == "Flat")[0]
    return MeterDraft(
        number=drn_of("07", 900), product_id=product.id, tariff_id=tariff.id,
        region_id=shop.utility.regions["north"].id, algorithm="legacy", sgc=LEGACY_SGC, ti="01",
    )  # fmt: skip


@pytest.fixture
def add(shop):
    """Add meters as somebody."""

    def do(*drafts, by=SUPERVISOR, **more):
        actor = shop.actor(by)
        with shop.session() as session, seen_by(actor):
            return [one.meter_id for one in meters.add(session, actor, drafts, **more)]

    return do


@pytest.fixture
def change(shop):
    """Change meters as somebody."""

    def do(changes, by=SUPERVISOR, **more):
        actor = shop.actor(by)
        with shop.session() as session, seen_by(actor):
            return meters.change(session, actor, changes, **more)

    return do


def codes(shop, *drafts, by=SUPERVISOR):
    """What is wrong with rows: row, column, code."""
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        found = meters.check(session, actor, drafts)
    return [(fault.row, fault.column, fault.error.code) for fault in found]


def of_meter(shop, name, **changed):
    """A meter's row as a draft."""
    meter = shop.meter(name)
    said = MeterDraft(
        number=meter.drn, product_id=meter.product_id, region_id=meter.region_id,
        algorithm=meter.algorithm, sgc=meter.sgc, krn=meter.krn, ti=meter.ti, kt=meter.kt,
        base_date=meter.base_date, ea=meter.ea, tct=meter.tct, tariff_id=meter.tariff_id,
    )  # fmt: skip
    return {meter.id: replace(said, **changed)}


def trail(shop):
    """Events about meters, in their order."""
    return sorted(shop.rows(AuditEvent, AuditEvent.subject == "meter"), key=lambda one: one.id)


def licence(shop, limit):
    """Install one for so many meters."""
    with shop.session() as session, seen_by(SYSTEM):
        install(session, SYSTEM, licence_file(meter_limit=limit), RULES)


def one(shop, meter_id):
    return shop.rows(Meter, Meter.id == meter_id)[0]


# the number


@pytest.mark.parametrize(("typed", "kept"), [
    ("0712 3456 787", SHORT), ("07-123-456-787", SHORT), ("0107 1234 5678 5", LONG),
])  # fmt: skip
def test_a_number_is_read_however_it_is_grouped(shop, draft, add, typed, kept):
    (meter_id,) = add(replace(draft, number=typed))
    meter = one(shop, meter_id)
    assert meter.drn == kept
    # IEC 62055-41:2018, MeterPAN: IIN 600727 before 11 digits, 0000 before 13, and a check digit
    assert meter.meter_pan[:-1] == ("600727" if len(kept) == 11 else "0000") + kept
    assert (meter.state, meter.base_date, meter.ea) == ("stock", "14", 7)


@pytest.mark.parametrize(("typed", "code"), [
    ("", "meter_number_missing"), ("  ", "meter_number_missing"),
    ("1.23E+10", "meter_number_shortened"), ("7,12346E+09", "meter_number_shortened"),
    ("ABC45678901", "meter_number_not_digits"), ("07123456787.0", "meter_number_not_digits"),
    ("12345", "meter_number_length"), ("123456789012", "meter_number_length"),
    ("7123456787", "meter_number_zero_lost"), ("107123456785", "meter_number_zero_lost"),
    ("07123456781", "meter_check_digit"), ("70123456787", "meter_check_digit"),
])  # fmt: skip
def test_a_wrong_number_is_refused_with_its_own_sentence(shop, draft, typed, code):
    assert codes(shop, replace(draft, number=typed)) == [(0, "number", code)]


def test_a_lost_zero_is_put_back_in_the_sentence(shop, draft):
    actor = shop.actor(SUPERVISOR)
    with shop.session() as session, seen_by(actor):
        (fault,) = meters.check(session, actor, [replace(draft, number="7123456787")])
    assert "0712 3456 787" in str(fault.error)


def test_a_number_stands_once_in_a_file_and_once_in_the_database(shop, draft):
    taken = replace(draft, number=shop.meter(LEGACY_11).drn)
    assert codes(shop, draft, taken, draft) == [
        (1, "number", "meter_number_taken"), (2, "number", "meter_number_twice"),
    ]  # fmt: skip


def test_a_number_of_another_region_is_taken_and_no_more_is_said(shop, draft):
    southern = replace(draft, number=shop.meter(SOUTHERN).drn)
    northern = replace(draft, number=shop.meter(LEGACY_11).drn)
    for by in (OPERATOR, SUPERVISOR):
        assert codes(shop, southern, by=by) == codes(shop, northern, by=by)


def test_a_retired_number_of_another_region_is_taken_too(shop, draft):
    shop.change(lambda s: setattr(s.get(Meter, shop.utility.meters[SOUTHERN]), "state", "retired"))
    southern = replace(draft, number=shop.meter(SOUTHERN).drn)
    assert codes(shop, southern, by=OPERATOR) == [(0, "number", "meter_number_taken")]


# what a meter must agree with


@pytest.mark.parametrize(("changed", "fault"), [
    ({"product_id": None}, ("product_id", "meter_product_missing")),
    ({"product_id": 10**6}, ("product_id", "meter_product_missing")),
    ({"meter_type": "water"}, ("meter_type", "meter_type_of_product")),
    ({"region_id": None}, ("region_id", "meter_region_missing")),
    ({"tariff_id": 10**6}, ("tariff_id", "meter_tariff_missing")),
    ({"algorithm": "sts7"}, ("algorithm", "meter_algorithm_unknown")),
    ({"ea": 11}, ("ea", "meter_cipher")),
    ({"algorithm": "sts6", "ea": 9}, ("ea", "meter_cipher")),
    ({"sgc": "99000"}, ("sgc", "meter_sgc")),
    ({"sgc": "99000a"}, ("sgc", "meter_sgc")),
    ({"ti": "1"}, ("ti", "meter_ti")),
    ({"krn": 0}, ("krn", "meter_krn")),
    ({"krn": None}, ("krn", "meter_krn")),
    ({"kt": 4}, ("kt", "meter_kt")),
    ({"tct": 3}, ("tct", "meter_tct")),
    ({"base_date": "15"}, ("base_date", "meter_base_date")),
    ({"base_date": "93"}, ("base_date", "meter_base_date_of_key")),
    ({"credit_mode": "gold"}, ("credit_mode", "meter_credit_mode")),
])  # fmt: skip
def test_each_thing_wrong_has_its_sentence_at_its_column(shop, draft, changed, fault):
    assert codes(shop, replace(draft, **changed)) == [(0, *fault)]


def test_all_that_is_wrong_is_said_at_once(shop, draft):
    bad = replace(draft, number="1", sgc="", ti="", product_id=None)
    assert [column for _, column, _ in codes(shop, draft, bad)] == [
        "number", "product_id", "sgc", "ti",
    ]  # fmt: skip


def test_a_tariff_prices_what_the_meter_measures(shop, draft):
    water = shop.rows(Product, Product.meter_type == "water")[0]
    assert codes(shop, replace(draft, product_id=water.id)) == [
        (0, "tariff_id", "meter_tariff_type")
    ]


def test_no_meter_gets_a_retired_tariff(shop, draft):
    shop.change(lambda s: setattr(s.get(Tariff, draft.tariff_id), "retired", True))
    assert codes(shop, draft) == [(0, "tariff_id", "meter_tariff_retired")]


def test_a_region_out_of_sight_is_as_none(shop, draft):
    south = replace(draft, region_id=shop.utility.regions["south"].id)
    assert codes(shop, south, by=OPERATOR) == [(0, "region_id", "meter_region_missing")]
    assert codes(shop, south, by=SUPERVISOR) == []


def test_an_sts6_meter_has_either_cipher(shop, draft, add):
    sts6 = replace(draft, algorithm="sts6", sgc=STS6_SGC)
    ids = add(sts6, replace(sts6, number=drn_of("07", 901), ea=11))
    assert [one(shop, number).ea for number in ids] == [7, 11]


def test_odd_but_possible_rows_are_warned_of(shop, draft):
    odd = replace(draft, number=drn_of("55", 1), sgc="123456", tariff_id=None)
    actor = shop.actor(SUPERVISOR)
    with shop.session() as session, seen_by(actor):
        said = meters.warnings(session, [draft, odd])
    assert [(fault.row, fault.error.code) for fault in said] == [
        (1, "meter_other_maker"), (1, "meter_tariff_lacking"), (1, "meter_key_lacking"),
    ]  # fmt: skip


# adding


def test_nothing_is_written_while_a_row_is_wrong(shop, draft, add):
    before = shop.count(Meter)
    with pytest.raises(FaultyRows) as caught:
        add(draft, replace(draft, number="1"))
    assert [fault.row for fault in caught.value.faults] == [1]
    assert shop.count(Meter) == before


def test_many_keep_the_order_of_their_rows(shop, draft, add):
    numbers = [drn_of("07", serial) for serial in (950, 905, 931, 902)]
    ids = add(*(replace(draft, number=number) for number in numbers))
    assert [one(shop, meter_id).drn for meter_id in ids] == numbers


def test_each_meter_of_a_form_is_on_record_and_an_import_once(shop, draft, add):
    add(draft)
    add(*(replace(draft, number=drn_of("07", 910 + n)) for n in range(3)), batch_id=7)
    events = trail(shop)
    assert [event.action for event in events] == ["meter.added", "meter.imported"]
    assert events[0].details["after"]["drn"] == draft.number
    assert events[1].details["count"] == 3
    assert events[1].details["first"] == drn_of("07", 910)
    assert events[1].details["last"] == drn_of("07", 912)


def test_the_licence_lets_all_in_or_none(shop, draft, add):
    there = shop.count(Meter, Meter.state != "retired")
    licence(shop, there + 1)
    with pytest.raises(MeterLimitReached):
        add(draft, replace(draft, number=drn_of("07", 901)))
    add(draft)
    with pytest.raises(MeterLimitReached):
        add(replace(draft, number=drn_of("07", 902)))


def test_adding_a_retired_number_brings_that_meter_back(shop, draft, add):
    old = shop.meter(RETIRED)
    (meter_id,) = add(replace(draft, number=old.drn, ti="05"))
    assert meter_id == old.id
    back = one(shop, meter_id)
    assert (back.state, back.ti, back.retired_at) == ("stock", "05", None)
    assert trail(shop)[-1].action == "meter.brought_back"


def test_a_retired_meter_with_tokens_comes_back_with_its_key_alone(shop, draft, add):
    shop.sell()
    shop.change(lambda s: setattr(s.get(Meter, shop.utility.meters[LEGACY_11]), "state", "retired"))
    old = replace(draft, number=shop.meter(LEGACY_11).drn)
    assert codes(shop, replace(old, ti="02", sgc=EXPIRED_SGC)) == [
        (0, "sgc", "meter_fixed_by_token"), (0, "ti", "meter_fixed_by_token"),
    ]  # fmt: skip
    assert add(old) == [shop.utility.meters[LEGACY_11]]


# changing


def test_before_a_token_everything_changes(shop, change):
    changed = of_meter(shop, NOT_INSTALLED, number=SHORT, algorithm="sts6", sgc=STS6_SGC, ti="03")
    (meter_id,) = change(changed)
    meter = one(shop, meter_id)
    assert (meter.drn, meter.algorithm, meter.sgc, meter.ti) == (SHORT, "sts6", STS6_SGC, "03")


@pytest.mark.parametrize(("changed", "column"), [
    ({"number": SHORT}, "number"), ({"sgc": EXPIRED_SGC}, "sgc"), ({"ti": "02"}, "ti"),
    ({"krn": 2}, "krn"), ({"kt": 1}, "kt"), ({"krn": 2, "base_date": "35"}, "base_date"),
    ({"algorithm": "sts6", "sgc": LEGACY_SGC}, "algorithm"),
])  # fmt: skip
def test_after_a_token_its_key_stays(shop, change, changed, column):
    shop.sell()
    with pytest.raises(FaultyRows) as caught:
        change(of_meter(shop, LEGACY_11, **changed))
    faults = {fault.column: fault.error.code for fault in caught.value.faults}
    assert faults[column] == "meter_fixed_by_token"
    assert set(faults.values()) == {"meter_fixed_by_token"}


def test_after_a_token_carrier_and_tariff_may_change(shop, change):
    shop.sell()
    domestic = shop.rows(Tariff, Tariff.name == "Domestic")[0]
    change(of_meter(shop, LEGACY_11, tct=1, tariff_id=domestic.id))
    assert shop.meter(LEGACY_11).tct == 1


def test_another_tariff_counts_at_the_place_from_today(shop, change):
    flat = shop.rows(Tariff, Tariff.name == "Flat")[0]
    point = ServicePoint.id == shop.point_of(DOMESTIC)
    change(of_meter(shop, DOMESTIC, tct=1))
    assert shop.rows(ServicePoint, point)[0].plan_attached_on != TODAY
    change(of_meter(shop, DOMESTIC, tariff_id=flat.id))
    assert shop.rows(ServicePoint, point)[0].plan_attached_on == TODAY


def test_a_meter_in_use_goes_on_measuring_the_same(shop, change):
    water = shop.rows(Product, Product.meter_type == "water")[0]
    with pytest.raises(FaultyRows) as caught:
        change(of_meter(shop, LEGACY_11, product_id=water.id, tariff_id=None))
    assert [fault.error.code for fault in caught.value.faults] == ["meter_type_fixed"]


def test_another_region_takes_the_place_along(shop, change):
    south = shop.utility.regions["south"].id
    change(of_meter(shop, LEGACY_11, region_id=south))
    point = shop.rows(ServicePoint, ServicePoint.id == shop.point_of(LEGACY_11))[0]
    assert (shop.meter(LEGACY_11).region_id, point.region_id) == (south, south)


def test_a_change_that_changes_nothing_leaves_no_event(shop, change):
    assert change(of_meter(shop, LEGACY_11)) == []
    assert shop.count(AuditEvent, AuditEvent.action == "meter.changed") == 0


def test_a_changed_number_is_free_over_all_regions(shop, change):
    with pytest.raises(FaultyRows) as caught:
        change(of_meter(shop, NOT_INSTALLED, number=shop.meter(SOUTHERN).drn), by=OPERATOR)
    assert [fault.error.code for fault in caught.value.faults] == ["meter_number_taken"]


def test_what_is_out_of_sight_is_not_changed(shop, change):
    with pytest.raises(NoSuchMeter):
        change(of_meter(shop, LEGACY_11), by=SOUTH_OPERATOR)
    south = of_meter(shop, LEGACY_11, region_id=shop.utility.regions["south"].id)
    with pytest.raises(FaultyRows):
        change(south, by=OPERATOR)


def test_nothing_changes_while_a_sale_is_being_settled(shop, module, change):
    module.once("issue_credit", request_lost)
    shop.sell()
    with pytest.raises(wrong.MetersBusy):
        change(of_meter(shop, LEGACY_11, tct=1))


def test_a_meter_never_used_is_deleted_and_one_with_a_past_is_not(shop):
    actor = shop.actor(SUPERVISOR)
    with shop.session() as session, seen_by(actor):
        removing.remove(session, actor, shop.utility.meters[NOT_INSTALLED])
        with pytest.raises(wrong.MeterHasHistory):
            removing.remove(session, actor, shop.utility.meters[LEGACY_11])
    assert shop.count(Meter, Meter.id == shop.utility.meters[NOT_INSTALLED]) == 0


# states

ALLOWED = {
    "stock": {"activate", "block", "retire"},
    "active": {"store", "block", "retire"},
    "blocked": {"unblock", "retire"},
    "retired": {"take_back"},
}
"""A meter is in stock, active, blocked with a reason, retired."""

LEADS_TO = {"activate": "active", "store": "stock", "block": "blocked", "unblock": "stock",
            "retire": "retired", "take_back": "stock"}  # fmt: skip


@pytest.mark.parametrize("deed", sorted(MOVES))
@pytest.mark.parametrize("state", sorted(ALLOWED))
def test_only_allowed_moves_are_made(shop, state, deed):
    number = shop.utility.meters[NOT_INSTALLED]
    shop.change(lambda s: setattr(s.get(Meter, number), "state", state))
    actor = shop.actor(SUPERVISOR)
    assert (deed in possible(state, bound=False)) is (deed in ALLOWED[state])
    with shop.session() as session, seen_by(actor):
        if deed not in ALLOWED[state]:
            with pytest.raises(wrong.StateMoved):
                move(session, actor, number, deed, reason="why")
            assert one(shop, number).state == state
            return
        move(session, actor, number, deed, reason="why")
    assert one(shop, number).state == LEADS_TO[deed]


def test_who_blocks_says_why_and_it_is_kept(shop):
    actor, number = shop.actor(SUPERVISOR), shop.utility.meters[LEGACY_11]
    with shop.session() as session, seen_by(actor):
        with pytest.raises(wrong.ReasonMissing):
            move(session, actor, number, "block", reason="  ")
        move(session, actor, number, "block", reason="seal broken")
    meter = one(shop, number)
    assert (meter.blocked_reason, meter.blocked_at, meter.blocked_by_id) == (
        "seal broken", NOW, actor.user_id,
    )  # fmt: skip
    with shop.session() as session, seen_by(actor):
        move(session, actor, number, "unblock")
    meter = one(shop, number)
    assert (meter.state, meter.blocked_reason, meter.blocked_at) == ("active", "", None)


@pytest.mark.parametrize("deed", ["store", "retire"])
def test_a_bound_meter_is_unbound_first(shop, deed):
    actor = shop.actor(SUPERVISOR)
    with shop.session() as session, seen_by(actor), pytest.raises(wrong.StillBound):
        move(session, actor, shop.utility.meters[LEGACY_11], deed)


def test_taking_back_asks_the_licence(shop):
    there = shop.count(Meter, Meter.state != "retired")
    licence(shop, there)
    actor = shop.actor(SUPERVISOR)
    with shop.session() as session, seen_by(actor), pytest.raises(MeterLimitReached):
        move(session, actor, shop.utility.meters[RETIRED], "take_back")


def test_a_state_out_of_sight_is_not_moved(shop):
    actor = shop.actor(SOUTH_OPERATOR)
    for name in (STOCK, BLOCKED, WATER):
        with shop.session() as session, seen_by(actor), pytest.raises(NoSuchMeter):
            move(session, actor, shop.utility.meters[name], "block", reason="why")

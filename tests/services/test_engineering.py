"""Engineering tokens: refused, reserved, made once, settled, approved, kept."""

from contextlib import suppress

import pytest
from sqlalchemy.exc import DBAPIError

from tests.engineer import FORM, Engineer
from tests.factories import (
    BLOCKED,
    EPOCH,
    LEGACY_11,
    NO_KEY,
    NOT_INSTALLED,
    RETIRED,
    SOUTHERN,
    STS6_11,
    SUPERVISOR,
    WATER,
)
from tests.faults import answer_lost, down, put_off, request_lost
from tests.keyring import KeyShop, meter_in_the_field
from tests.services.changes import credit_of, enter
from tests.services.pair import MAKER
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.models import (
    AuditEvent,
    EngineeringDigits,
    EngineeringRefusal,
    EngineeringToken,
    Installation,
    KeyChangeToken,
    OfficeUser,
    Sale,
    SpentTid,
)
from vmsapp.services.engineering import errors as wrong
from vmsapp.services.engineering.making import MAKING
from vmsapp.services.registration import meters
from vmsapp.services.registration.meter_errors import MetersBusy
from vmsapp.services.security_modules.finding import MeterWithoutKey
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts.meter import Result

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"]), pytest.mark.ring]


@pytest.fixture
def engineer(shop, keys):
    return Engineer(shop)


def deeds(shop):
    return [e.action for e in shop.rows(AuditEvent) if e.action.startswith("engineering.")]


# limits, each with both sides


@pytest.mark.parametrize(
    ("meter", "function", "said", "error", "field"),
    [
        (LEGACY_11, "power_limit", {"value": 0}, wrong.ValueOutside, "value"),
        (LEGACY_11, "power_limit", {"value": 18_201_625}, wrong.ValueOutside, "value"),
        (LEGACY_11, "phase_unbalance", {"value": 0}, wrong.ValueOutside, "value"),
        (LEGACY_11, "phase_unbalance", {"value": 18_201_625}, wrong.ValueOutside, "value"),
        (LEGACY_11, "tariff_rate", {"value": -1}, wrong.ValueOutside, "value"),
        (LEGACY_11, "tariff_rate", {"value": 65_536}, wrong.ValueOutside, "value"),
        (WATER, "water_factor", {"value": 65_536}, wrong.ValueOutside, "value"),
        (LEGACY_11, "extended", {"value": 1024}, wrong.ValueOutside, "value"),
        (LEGACY_11, "extended", {"index": 64}, wrong.IndexOutside, "index"),
        (LEGACY_11, "extended", {"index": -1}, wrong.IndexOutside, "index"),
        (LEGACY_11, "clear_tamper", {"value": 1}, wrong.ValueOutside, "value"),
        (LEGACY_11, "clear_credit", {"value": 1}, wrong.RegisterUnknown, "value"),
        (WATER, "clear_credit", {"value": 0}, wrong.RegisterUnknown, "value"),
        (LEGACY_11, "clear_tamper", {"reason": "  "}, wrong.ReasonMissing, "reason"),
        (LEGACY_11, "power_limit", {"value": 10, "last_digits": ""},
         wrong.OtherMeter, "last_digits"),
        (LEGACY_11, "clear_credit", {"last_digits": "0000"}, wrong.OtherMeter, "last_digits"),
        (LEGACY_11, "explode", {}, wrong.FunctionUnknown, "function"),
    ],
)  # fmt: skip
def test_what_no_token_can_carry_is_refused_beside_its_field(
    shop, engineer, meter, function, said, error, field
):
    with pytest.raises(error) as refused:
        engineer.make(meter, function, **said)
    assert refused.value.field == field
    assert shop.count(EngineeringToken) == shop.count(SpentTid) == 0


@pytest.mark.parametrize(
    ("meter", "function", "value"),
    [
        (LEGACY_11, "power_limit", 1), (LEGACY_11, "power_limit", 18_201_624),
        (LEGACY_11, "tariff_rate", 0), (LEGACY_11, "tariff_rate", 65_535),
        (WATER, "water_factor", 65_535), (LEGACY_11, "extended", 1023),
        (LEGACY_11, "clear_credit", 65_535), (WATER, "clear_credit", 1),
        (NOT_INSTALLED, "clear_tamper", 0), (BLOCKED, "clear_tamper", 0),
    ],
)  # fmt: skip
def test_the_ends_of_each_range_are_made(engineer, meter, function, value):
    token = engineer.make(meter, function, value)
    assert (token.state, token.wanted) == ("issued", value)
    assert len(engineer.digits(token)) == 20


@pytest.mark.parametrize(
    ("meter", "function", "error"),
    [
        (RETIRED, "clear_tamper", wrong.MeterAway),
        (WATER, "power_limit", wrong.NotForThisMeter),
        (WATER, "phase_unbalance", wrong.NotForThisMeter),
        (LEGACY_11, "water_factor", wrong.NotForThisMeter),
        (NO_KEY, "clear_tamper", MeterWithoutKey),
    ],
)
def test_a_refusal_is_kept_with_who_wanted_what_and_why_not(shop, engineer, meter, function, error):
    with pytest.raises(error) as refused:
        engineer.make(meter, function)
    kept = shop.rows(EngineeringRefusal)[0]
    assert (kept.function, kept.code, kept.reason) == (
        function, refused.value.code, "asked on site"
    )  # fmt: skip
    assert kept.wanted_by_id == engineer.pair.ids[MAKER]
    assert kept.outcome["message"] == refused.value.message
    assert deeds(shop) == ["engineering.refused"]
    assert shop.count(EngineeringToken) == 0


def test_digits_of_another_meter_are_a_refusal_to_keep_and_a_bad_value_is_not(engineer):
    with pytest.raises(wrong.OtherMeter):
        engineer.make(LEGACY_11, "clear_credit", last_digits="1234")
    with pytest.raises(wrong.ValueOutside):
        engineer.make(LEGACY_11, "power_limit", 0)
    assert engineer.refusals() == [("clear_credit", "engineering_number")]


def test_who_does_not_see_the_meter_gets_the_answer_of_an_unknown_one(shop, engineer):
    north = shop.utility.regions["north"].id

    def move(session):
        session.get_one(OfficeUser, engineer.pair.ids[MAKER]).region_id = north

    shop.change(move)
    with pytest.raises(NoSuchMeter):
        engineer.make(SOUTHERN, "clear_tamper")
    assert engineer.refusals() == []


# once


def test_the_same_form_makes_one_token_and_another_body_is_refused(shop, engineer, module):
    first = engineer.make(LEGACY_11, "clear_tamper")
    again = engineer.make(LEGACY_11, "clear_tamper")
    assert (first.id, shop.count(EngineeringToken), shop.count(SpentTid)) == (again.id, 1, 1)
    assert module.count("issue_engineering") == 1
    with pytest.raises(wrong.EngineeringFormUsed):
        engineer.make(LEGACY_11, "clear_tamper", reason="another")
    assert deeds(shop)[:2] == ["engineering.reserved", "engineering.issued"]


def test_a_form_of_before_a_restore_is_refused(shop, engineer):
    shop.change(lambda session: setattr(session.get_one(Installation, 1), "epoch", EPOCH + 1))
    with pytest.raises(wrong.EngineeringFormOutdated):
        engineer.make(LEGACY_11, "clear_tamper")
    assert shop.count(SpentTid) == 0


def test_credits_and_engineering_tokens_share_the_meters_identifiers(shop, engineer):
    sale, token = shop.sell(STS6_11), engineer.make(STS6_11, "clear_tamper")
    later = shop.sell(STS6_11, units="7")
    assert [token.tid - sale.tid, later.tid - token.tid] == [1, 1]
    meter = meter_in_the_field(shop.meter(STS6_11))
    for digits in (credit_of(shop, later), engineer.digits(token), credit_of(shop, sale)):
        assert meter.enter(digits) is Result.ACCEPT


@pytest.mark.parametrize("weather", [["lost"], ["lost", "fine"]])
def test_a_commit_that_breaks_leaves_one_token_or_none(shop, engineer, weather):
    with suppress(DBAPIError):
        engineer.make(LEGACY_11, "clear_tamper", weather=weather)
    again = engineer.make(LEGACY_11, "clear_tamper")
    engineer.reconcile()
    assert shop.count(EngineeringToken) == 1
    assert engineer.again(again).state in {"issued", "reserved"}


# one after the other


def test_while_a_sale_or_another_token_is_open_none_is_reserved(shop, engineer, module):
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    with pytest.raises(MetersBusy):
        engineer.make(LEGACY_11, "clear_tamper")
    shop.clock.forward(seconds=31)
    shop.reconcile()
    module.once("issue_engineering", request_lost)
    open_one = engineer.make(LEGACY_11, "clear_tamper", form="1-b")
    assert open_one.state == "reserved"
    with pytest.raises(wrong.EngineeringUnderway):
        engineer.make(LEGACY_11, "tariff_rate", 5, form="1-c")
    with pytest.raises(wrong.EngineeringUnderway):
        KeyShop(shop, SUPERVISOR).start(LEGACY_11, krn=2)
    assert engineer.refusals() == [
        ("clear_tamper", "meter_sale_underway"), ("tariff_rate", "engineering_underway"),
    ]  # fmt: skip


def test_after_a_key_change_tokens_are_made_under_the_new_key_and_the_set_goes_first(
    shop, engineer, keys
):
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    change = keys.start(LEGACY_11, krn=2, ti="07")
    token = engineer.make(LEGACY_11, "power_limit", 3000)
    assert (token.krn, token.ti, token.key_change_id) == (2, "07", change.id)
    assert meter.enter(engineer.digits(token)) is Result.CRC_ERROR
    rows = shop.rows(KeyChangeToken, KeyChangeToken.key_change_id == change.id)
    assert enter(meter, [one.digits for one in rows]) is Result.ACCEPT
    assert meter.enter(engineer.digits(token)) is Result.ACCEPT
    assert meter.maximum_power_limit == 3000


def test_once_a_token_was_made_the_key_parameters_stay(shop, engineer):
    token = engineer.make(NOT_INSTALLED, "clear_tamper")
    meter_id = shop.utility.meters[NOT_INSTALLED]
    assert shop.do(lambda session, _actor: meters.tokens_made(session, [meter_id])) == {meter_id}
    assert token.meter_id == meter_id


# what the module answers


def test_a_module_that_is_down_is_not_asked_to_make_and_nothing_is_spent(shop, engineer, module):
    module.always("status", down)
    with pytest.raises(HsmUnavailable):
        engineer.make(LEGACY_11, "clear_tamper")
    assert (shop.count(EngineeringToken), shop.count(SpentTid)) == (0, 0)
    assert [code for _, code in engineer.refusals()] == [HsmUnavailable.code]


def test_no_byte_sent_fails_and_the_identifier_stays_spent(shop, engineer, module):
    module.once("issue_engineering", down)
    failed = engineer.make(LEGACY_11, "clear_tamper")
    assert (failed.state, failed.failure) == ("failed", "unavailable_down")
    assert (shop.count(SpentTid), shop.count(EngineeringDigits)) == (1, 0)
    again = engineer.make(LEGACY_11, "clear_tamper", form="1-b")
    assert again.tid == failed.tid + 1


@pytest.mark.parametrize("fault", [answer_lost, request_lost, put_off("rate")])
def test_an_unknown_outcome_is_settled_by_the_worker_with_the_same_inputs(
    shop, engineer, module, fault
):
    module.once("issue_engineering", fault)
    token = engineer.make(LEGACY_11, "power_limit", 1000)
    assert token.state == "reserved"
    assert engineer.reconcile() == {}  # it is young
    shop.clock.forward(seconds=31)
    assert engineer.reconcile() == {"issued": 1}
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    assert meter.enter(engineer.digits(token)) is Result.ACCEPT
    assert (meter.maximum_power_limit, shop.count(SpentTid)) == (1000, 1)
    assert engineer.again(token).doubt_at is not None


def test_what_stays_open_too_long_is_cancelled_and_its_digits_never_come(shop, engineer, module):
    module.always("issue_engineering", request_lost)
    token = engineer.make(LEGACY_11, "clear_tamper")
    shop.clock.forward(minutes=5)
    assert engineer.reconcile() == {"reserved": 1}
    shop.clock.forward(minutes=6)
    assert engineer.reconcile() == {"failed": 1}
    assert engineer.again(token).failure == "cancelled"
    assert module.count("cancel") == 1


def test_made_but_unheard_and_old_is_completed_by_what_cancel_answers(shop, engineer, module):
    module.once("issue_engineering", answer_lost)
    token = engineer.make(LEGACY_11, "clear_tamper")
    module.always("fetch_result", request_lost)
    shop.clock.forward(minutes=11)
    assert engineer.reconcile() == {"issued": 1}
    assert len(engineer.digits(token)) == 20


@pytest.mark.parametrize("reason", ["tid_spent", "tid_too_old"])
def test_an_identifier_the_module_refuses_is_answered_by_a_higher_one_once(
    shop, engineer, module, reason
):
    first = shop.clock.now
    module.refuse(reason, highest_tid=None, method="issue_engineering")
    token = engineer.make(LEGACY_11, "clear_tamper")
    assert (token.state, token.attempt, token.request_id[-2:]) == ("issued", 2, "-2")
    assert shop.count(SpentTid) == 2
    module.refuse(reason, highest_tid=token.tid + 40, times=2, method="issue_engineering")
    failed = engineer.make(LEGACY_11, "clear_tamper", form="1-b")
    assert (failed.state, failed.failure, failed.tid) == ("failed", reason, token.tid + 41)
    assert shop.clock.now == first


def test_another_definite_no_fails_at_once(engineer, module):
    module.refuse("key_unknown", method="issue_engineering")
    token = engineer.make(LEGACY_11, "clear_tamper")
    assert (token.state, token.failure) == ("failed", "key_unknown")


# the second person


def test_with_a_rule_the_token_is_made_only_once_it_is_approved(shop, engineer, module):
    engineer.pair.rule(MAKING["clear_credit"])
    request = engineer.make(LEGACY_11, "clear_credit", 65_535)
    assert (request.state, request.action) == ("pending", "engineering.clear_credit")
    assert (shop.count(EngineeringToken), module.count("issue_engineering")) == (0, 0)
    done = engineer.approve(request)
    (token,) = engineer.tokens()
    assert (done.state, token.state) == ("approved", "issued")
    assert token.reserved_by_id == engineer.pair.ids[MAKER]
    assert engineer.make(LEGACY_11, "clear_credit", 65_535).id == request.id  # the same form
    other = engineer.make(LEGACY_11, "clear_tamper", form="1-b")  # that one asks nobody
    assert isinstance(other, EngineeringToken)


def test_approved_but_the_module_is_silent_the_worker_makes_it(shop, engineer, module):
    engineer.pair.rule(MAKING["clear_tamper"])
    request = engineer.make(LEGACY_11, "clear_tamper")
    module.once("issue_engineering", request_lost)
    engineer.approve(request)
    assert engineer.tokens()[0].state == "reserved"
    shop.clock.forward(seconds=31)
    assert engineer.reconcile() == {"issued": 1}


def test_what_cannot_be_done_any_more_when_it_is_approved_is_kept_as_a_refusal(
    shop, engineer, module
):
    engineer.pair.rule(MAKING["clear_tamper"])
    request = engineer.make(LEGACY_11, "clear_tamper")
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    assert engineer.approve(request).state == "failed"
    assert engineer.refusals() == [("clear_tamper", "meter_sale_underway")]
    assert shop.count(EngineeringToken) == 0
    assert shop.count(Sale) == 1


def test_the_record_of_a_form_is_one(engineer):
    token = engineer.make(LEGACY_11, "clear_tamper")
    assert (token.form_key, token.number) == (FORM, f"E-{token.id}")

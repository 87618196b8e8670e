"""What a module refuses, as tables: SALE.md 6, 7, 15 and the key types of SPEC 10.3."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.hsm.hsm_cases import (
    NOW,
    REF02,
    REF04,
    change_of,
    engineering_of,
    meter,
    request_of,
)
from vmsapp.hsm import policy
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import KeyChange, KeyChangeBatch
from vmsapp.hsm.results import UsedTids
from vmsapp.sts.identifiers import BaseDate

SECOND = timedelta(seconds=1)


def refusal(call, *args, **kwargs):
    with pytest.raises(ModuleRefused) as refused:
        call(*args, **kwargs)
    assert refused.value.reason in ModuleRefused.REASONS
    return refused.value.reason, refused.value.highest_tid


def info(ref=REF04, *, base_date=BaseDate.Y2014, ken=255):
    return KeyInfo(ref, base_date, ken, "000000", "Riverside", demo=False)


@pytest.mark.parametrize("seconds", [-121, 121, 86_400])
def test_a_clock_more_than_two_minutes_off_is_refused(seconds):
    with pytest.raises(HsmUnavailable) as refused:
        policy.check_clock(NOW + timedelta(seconds=seconds), NOW)
    assert (refused.value.why, refused.value.sent) == ("clock", True)


@pytest.mark.parametrize("seconds", [-120, 0, 120])
def test_a_clock_two_minutes_off_is_taken(seconds):
    assert policy.check_clock(NOW + timedelta(seconds=seconds), NOW) is None


@pytest.mark.parametrize(
    ("minute", "day", "made_minute", "made_day", "taken"),
    [
        (6, 60, 5, 59, True),
        (6, 60, 6, 6, False),
        (6, 60, 0, 60, False),
        (None, 60, 99, 59, True),
        (6, None, 5, 9999, True),
        (None, None, 9999, 9999, True),
    ],
)
def test_rates_refuse_the_one_too_many(minute, day, made_minute, made_day, taken):
    limits = Limits(per_minute=minute, per_day=day)
    if taken:
        assert policy.check_rates(limits, last_minute=made_minute, last_day=made_day) is None
        return
    with pytest.raises(HsmUnavailable) as refused:
        policy.check_rates(limits, last_minute=made_minute, last_day=made_day)
    assert (refused.value.why, refused.value.sent) == ("rate", True)


@pytest.mark.parametrize(
    ("ref", "ea"), [(REF02, 7), (REF04, 7), (REF04, 11)], ids=["02+7", "04+7", "04+11"]
)
def test_the_allowed_pairs_of_algorithms_pass(ref, ea):
    assert policy.check_meter(meter(ref, ea=ea)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        meter(REF02, ea=11),
        meter(ea=9),
        meter(replace(REF04, dkga="01")),
        meter(tct=0),
        meter(tct=3),
        meter(pan="600727000000000008"),
        meter(pan="60072700000000000"),
        meter(pan="600727 000000000009"),
        meter(pan="600727-000000000009"),
    ],
)
def test_meters_whose_parameters_do_not_fit_together_are_refused(wrong):
    assert refusal(policy.check_meter, wrong) == ("parameters", None)


@pytest.mark.parametrize("request_id", ["", "x" * 41, "a b", "a\n", "ä", "a/b"])
def test_an_id_that_cannot_stand_in_every_record_is_refused(request_id):
    assert refusal(policy.check_id, request_id) == ("parameters", None)


@pytest.mark.parametrize(
    ("tid", "reason"),
    [
        (-1, "parameters"),
        (1 << 24, "parameters"),
        (1, "tid_reserved"),
        (1441, "tid_reserved"),
        (85_681 // 1440 * 1440 + 1, "tid_reserved"),
    ],
)
def test_a_tid_that_no_token_carries_is_refused(tid, reason):
    assert refusal(policy.check_ordinary, tid, info()) == (reason, None)


@pytest.mark.parametrize("tid", [0, 2, 1440, (1 << 24) - 1])
def test_any_other_minute_is_not(tid):
    assert policy.check_ordinary(tid, info()) is None


@pytest.mark.parametrize(
    "key", [info(ken=254), info(base_date=BaseDate.Y2035), info(base_date=BaseDate.Y1993)]
)
def test_a_key_of_other_base_date_or_expiry_is_refused(key):
    assert refusal(policy.check_key, meter(), key, NOW) == ("parameters", None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"active_from": NOW}, None),
        ({"active_from": NOW + SECOND}, "key_not_active"),
        ({"issue_until": NOW}, None),
        ({"issue_until": NOW - SECOND}, "key_closed"),
        ({"active_from": NOW - SECOND, "issue_until": NOW + SECOND}, None),
    ],
)
def test_a_key_is_used_between_its_two_dates(fields, reason):
    key = replace(info(), **fields)
    if reason is None:
        assert policy.check_key(meter(), key, NOW) is None
    else:
        assert refusal(policy.check_key, meter(), key, NOW) == (reason, None)


@pytest.mark.parametrize(
    ("kt", "tct", "reason"),
    [
        (0, 1, None),
        (0, 2, None),
        (1, 1, "key_type"),
        (1, 2, "key_type"),
        (2, 1, None),
        (2, 2, None),
        (3, 1, None),
        (3, 2, "key_type"),
    ],
)
def test_which_key_types_make_credit(kt, tct, reason):
    ref = replace(REF04, kt=kt)
    asked = (Limits(), request_of(), meter(ref, tct=tct), info(ref))
    if reason is None:
        assert policy.check_use(*asked) is None
    else:
        assert refusal(policy.check_use, *asked) == (reason, None)


def test_a_default_key_may_manage_a_meter():
    ref = replace(REF04, kt=1)
    assert policy.check_use(Limits(), engineering_of(), meter(ref), info(ref)) is None


# SPEC 4.1: exponent 0 up to 16383, exponent 1 from there in steps of 10.
@pytest.mark.parametrize(
    ("amount_field", "limit", "taken"),
    [(100, 100, True), (101, 100, False), (0x4000, 16_384, True), (0x4000, 16_383, False),
     (0xFFFF, None, True)],
)  # fmt: skip
def test_one_token_gives_no_more_than_is_set(amount_field, limit, taken):
    asked = (Limits(tenths_per_token=limit), request_of(amount_field=amount_field), meter(), info())
    if taken:
        assert policy.check_use(*asked) is None
    else:
        assert refusal(policy.check_use, *asked) == ("amount", None)


@pytest.mark.parametrize(
    ("limits", "request_"),
    [
        (Limits(engineering=False), engineering_of()),
        (Limits(key_changes=False), change_of()),
    ],
)
def test_kinds_of_tokens_can_be_switched_off(limits, request_):
    asked = (limits, request_, meter(), info())
    assert refusal(policy.check_use, *asked) == ("switched_off", None)
    assert policy.check_use(limits, request_of(), meter(), info()) is None


@pytest.mark.parametrize(
    ("fields", "tokens", "given", "asks", "taken"),
    [
        ({}, 10**6, 10**9, 10**9, True),
        ({"tokens_per_day": 5}, 4, 0, 1, True),
        ({"tokens_per_day": 5}, 5, 0, 1, False),
        ({"tenths_per_day": 500}, 9, 400, 100, True),
        ({"tenths_per_day": 500}, 9, 400, 101, False),
    ],
)
def test_a_key_gives_no_more_than_its_file_says(fields, tokens, given, asks, taken):
    key = replace(info(), **fields)
    if taken:
        assert policy.check_day(key, asks, tokens=tokens, given=given) is None
        return
    with pytest.raises(HsmUnavailable) as refused:
        policy.check_day(key, asks, tokens=tokens, given=given)
    assert (refused.value.why, refused.value.sent) == ("key_limit", True)


@pytest.mark.parametrize(
    ("old", "new", "allowed", "reason"),
    [
        (REF04, REF04, (), None),  # of the tariff index alone
        (REF04, replace(REF04, krn=2), (), "change_not_allowed"),
        (REF04, replace(REF04, krn=2), (("201457", 2),), None),
        (REF04, replace(REF04, krn=3), (("201457", 2),), "change_not_allowed"),
        (REF04, replace(REF04, sgc="201458"), (("201457", 1),), "change_not_allowed"),
        (REF04, replace(REF04, kt=1), (("201457", 1),), "change_not_allowed"),
        (replace(REF04, kt=0), replace(REF04, kt=1), (("201457", 1),), None),
        (replace(REF04, kt=1), replace(REF04, kt=2), (("201457", 1),), None),
    ],
)
def test_a_meter_goes_only_where_its_keys_file_allows(old, new, allowed, reason):
    change = KeyChange(meter(old), meter(new))
    asked = (change, replace(info(old), changes_to=allowed), info(new))
    if reason is None:
        assert policy.check_change(*asked) is None
    else:
        assert refusal(policy.check_change, *asked) == (reason, None)


@pytest.mark.parametrize(
    "new", [meter(pan="000001000000000082"), meter(ea=11), meter(tct=1)], ids=["pan", "ea", "tct"]
)
def test_a_change_of_keys_is_of_one_meter(new):
    asked = (KeyChange(meter(), new), info(), info())
    assert refusal(policy.check_change, *asked) == ("parameters", None)


# SPEC 5.5: KEN counts steps of 65,536 minutes from the base date; NOW is in step 103 of 2014.
@pytest.mark.parametrize(
    ("base_date", "ken", "enterable"),
    [
        (BaseDate.Y2014, 103, True),
        (BaseDate.Y2014, 102, False),
        (BaseDate.Y2035, 255, False),
        (BaseDate.Y1993, 255, False),
    ],
)
def test_no_meter_is_taken_to_an_expired_key(base_date, ken, enterable):
    key = info(base_date=base_date, ken=ken)
    if enterable:
        assert policy.check_enterable(key, NOW) is None
    else:
        assert refusal(policy.check_enterable, key, NOW) == ("key_expired", None)


@pytest.mark.parametrize("rows", [0, 16_001])
def test_a_batch_has_a_meter_and_not_too_many(rows):
    change = KeyChange(meter(), meter())
    batch = KeyChangeBatch("b", (change,) * rows, "production", NOW)
    assert refusal(policy.check_batch, batch) == ("parameters", None)


@pytest.mark.parametrize(
    ("tid", "ken", "usable"),
    # SPEC 5.5: valid while TID[23..16] <= KEN.
    [
        (0x01FFFF, 1, True),
        (0x020000, 1, False),
        (0x00FFFF, 0, True),
        (0x010000, 0, False),
        (0xFFFFFF, 255, True),
    ],
)
def test_a_key_expires_by_the_tid_given(tid, ken, usable):
    if usable:
        assert policy.check_ordinary(tid, info(ken=ken)) is None
    else:
        assert refusal(policy.check_ordinary, tid, info(ken=ken)) == ("key_expired", None)


@pytest.mark.parametrize(
    ("asked", "used", "answer"),
    [
        (100, UsedTids(spent=False, highest=None, oldest_kept=None), None),
        (100, UsedTids(spent=False, highest=99, oldest_kept=None), None),
        (98, UsedTids(spent=False, highest=99, oldest_kept=None), None),
        (99, UsedTids(spent=True, highest=99, oldest_kept=None), ("tid_spent", 99)),
        (51, UsedTids(spent=False, highest=99, oldest_kept=50), None),
        (50, UsedTids(spent=True, highest=99, oldest_kept=50), ("tid_spent", 99)),
        (49, UsedTids(spent=False, highest=99, oldest_kept=50), ("tid_too_old", 99)),
        (40, UsedTids(spent=True, highest=99, oldest_kept=50), ("tid_spent", 99)),
    ],
)
def test_which_tids_a_meter_will_take(asked, used, answer):
    if answer is None:
        assert policy.check_tid(asked, used) is None
    else:
        assert refusal(policy.check_tid, asked, used) == answer

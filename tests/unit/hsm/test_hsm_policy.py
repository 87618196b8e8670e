"""What a module refuses, as tables: SALE.md 6, 7, 15 and the key types of SPEC 10.3."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.hsm.hsm_cases import NOW, REF02, REF04, meter, request_of
from vmsapp.hsm import policy
from vmsapp.hsm.base import KeyInfo
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import UsedTids
from vmsapp.sts.identifiers import BaseDate


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
    request = request_of(meter=meter(ref, ea=ea))
    assert policy.check_request(request, table_set="production") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"meter": meter(REF02, ea=11)},
        {"meter": meter(ea=9)},
        {"meter": meter(replace(REF04, dkga="01"))},
        {"meter": meter(tct=0)},
        {"meter": meter(tct=3)},
        {"meter": meter(pan="600727000000000008")},
        {"meter": meter(pan="60072700000000000")},
        {"meter": meter(pan="600727 000000000009")},
        {"meter": meter(pan="600727-000000000009")},
        {"table_set": "sample"},
        {"tid": -1},
        {"tid": 1 << 24},
        {"request_id": ""},
        {"request_id": "x" * 41},
        {"request_id": "a b"},
        {"request_id": "a\n"},
    ],
)
def test_parameters_that_do_not_fit_together_are_refused(changed):
    request = request_of(**changed)
    assert refusal(policy.check_request, request, table_set="production") == ("parameters", None)


@pytest.mark.parametrize("tid", [1, 1441, 85_681 // 1440 * 1440 + 1])
def test_one_minute_past_midnight_is_reserved(tid):
    request = request_of(tid=tid)
    assert refusal(policy.check_request, request, table_set="production") == ("tid_reserved", None)


@pytest.mark.parametrize("tid", [0, 2, 1440, (1 << 24) - 1])
def test_any_other_minute_is_not(tid):
    assert policy.check_request(request_of(tid=tid), table_set="production") is None


@pytest.mark.parametrize(
    "key", [info(ken=254), info(base_date=BaseDate.Y2035), info(base_date=BaseDate.Y1993)]
)
def test_a_key_of_other_base_date_or_expiry_is_refused(key):
    assert refusal(policy.check_key, request_of(), key) == ("parameters", None)


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
    request = request_of(meter=meter(ref, tct=tct))
    if reason is None:
        assert policy.check_key(request, info(ref)) is None
    else:
        assert refusal(policy.check_key, request, info(ref)) == (reason, None)


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
    request = request_of(tid=tid, meter=meter(ken=ken))
    if usable:
        assert policy.check_key(request, info(ken=ken)) is None
    else:
        assert refusal(policy.check_key, request, info(ken=ken)) == ("key_expired", None)


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

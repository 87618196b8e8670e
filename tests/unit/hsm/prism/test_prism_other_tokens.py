"""Tokens that are no credit: management, display, key change, and many of these at once."""

from dataclasses import replace

import pytest

from tests.prism_stub import Change, Code, Drop
from tests.unit.hsm.hsm_cases import (
    NOW,
    REF02,
    REF04,
    TID,
    change_of,
    engineering_of,
    meter,
    request_of,
)
from tests.unit.hsm.prism.prism_cases import ENTERED, SECOND, meter_of, refused, unavailable
from vmsapp.hsm.answers import NotExecuted
from vmsapp.hsm.drivers.prism.frames import api
from vmsapp.hsm.drivers.prism.replies import WrongAnswer
from vmsapp.hsm.errors import HsmTimeout, ModuleRefused, RequestReused
from vmsapp.hsm.requests import DisplayRequest, KeyChange, KeyChangeBatch
from vmsapp.sts.codec import encode
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.meter import Result
from vmsapp.sts.nmse import DisplayToken

PANS = [
    "600727000000000009", "600727858282770056", "600727000000000017", "600727000000000025",
]  # fmt: skip


# --- engineering ---


@pytest.mark.parametrize(
    ("subclass", "value", "said"),
    [
        (0, 0x4000, 16_384.0),
        (0, 250, 250.0),
        (1, 0xFFFF, 65_535.0),
        (1, 4, 4.0),
        (2, 16_383, 16_383.0),
        (5, 0, 0.0),
        (6, 0x8000, 180_224.0),
        (7, 12, 12.0),
        (10, 15 << 10 | 1, 15_361.0),
    ],
)
def test_a_management_token_does_to_the_meter_what_was_asked(prism, stub, subclass, value, said):
    token = prism.issue_engineering(engineering_of(subclass=subclass, value=value))
    asked = stub.arguments("issueMseToken")
    assert (asked["subclass"], asked["transferAmount"], asked["flags"]) == (subclass, said, 1)
    assert (token.token_class, token.subclass, token.tid) == (2, subclass, TID)
    assert token.amount_field == value
    meter_ = meter_of()
    assert meter_.enter(token.digits) is Result.ACCEPT
    limits = {0: meter_.maximum_power_limit, 6: meter_.phase_power_unbalance_limit}
    assert limits.get(subclass, said) == said


@pytest.mark.parametrize(("subclass", "value"), [(2, 16_384), (7, 65_535), (10, 63 << 10)])
def test_a_value_whose_coding_is_not_known_is_refused(prism, stub, subclass, value):
    asked = engineering_of(subclass=subclass, value=value)
    assert refused(prism.issue_engineering, asked) == "parameters"
    assert stub.count("issueMseToken") == 0


def test_another_value_in_the_answer_is_not_believed(prism, stub):
    def by(tokens):
        tokens[0].transferAmount = 1.0
        return tokens

    stub.next("issueMseToken", Change(by))
    with pytest.raises(WrongAnswer):
        prism.issue_engineering(engineering_of())


# --- test and display ---


DISPLAY = DisplayRequest("show-1", 0, 1 << 15, 0, NOW)


def test_a_display_token_is_read_before_it_is_given(prism):
    token = prism.issue_display(DISPLAY)
    meter_ = meter_of()
    assert meter_.enter(token.digits) is Result.ACCEPT
    assert list(meter_.shown) == ["sgc"]
    assert (token.token_class, token.tid, token.kcv) == (1, None, "")
    assert prism.issue_display(DISPLAY) == token
    assert prism.fetch_result("show-1") == (token,)


def test_a_display_token_is_made_anew_when_nobody_answered(prism, stub):
    stub.next("issueMeterTestToken", Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_display(DISPLAY)
    assert prism.fetch_result("show-1") == NotExecuted()
    assert prism.issue_display(DISPLAY).token_class == 1
    assert stub.count("fetchTokenResult") == 0


def test_another_display_token_is_not_believed(prism, stub):
    def by(token):
        other = encode(DisplayToken(0, 1 << 6))  # another test
        token.tokenDec, token.tokenHex = other, f"{int(other):017X}"
        return token

    stub.next("issueMeterTestToken", Change(by))
    with pytest.raises(WrongAnswer):
        prism.issue_display(DISPLAY)


@pytest.mark.parametrize(
    "changed",
    [
        {"subclass": 3},
        {"control": 1 << 36},
        {"manufacturer": 256},
        {"subclass": 1, "control": 1, "manufacturer": 40_000},
    ],
)
def test_a_display_token_that_cannot_be_is_refused(prism, stub, changed):
    assert refused(prism.issue_display, replace(DISPLAY, **changed)) == "parameters"
    assert stub.calls == []


# --- key change ---


@pytest.mark.parametrize(
    ("ea", "three", "kinds"),
    [(7, False, [3, 4]), (7, True, [3, 4, 8]), (11, False, [3, 4, 8, 9])],
)
def test_a_set_takes_the_meter_to_its_new_key(prism, stub, ea, three, kinds):
    old, new = meter(ea=ea), meter(SECOND, ti="05", ea=ea)
    tokens = prism.issue_key_change(change_of(old=old, new=new, three_tokens=three))
    assert [token.subclass for token in tokens] == kinds
    assert {(token.tid, token.amount_field, token.kcv) for token in tokens} == {
        (None, None, "AB12CD")
    }
    meter_ = meter_of(old)
    results = [meter_.enter(token.digits) for token in tokens]
    assert results[-1] is Result.ACCEPT
    assert (meter_.krn, meter_.ti) == (2, 5)
    credit = prism.issue_credit(request_of(meter=new))
    assert meter_.enter(credit.digits) is Result.ACCEPT
    asked = stub.arguments("issueKeyChangeTokens")
    assert asked["meterConfig"].allow3Kct is three
    assert asked["meterConfig"].newConfig is None
    assert asked["newConfig"] == api.MeterConfigAmendment(toSgc=201457, toKrn=2, toTi=5)


def advice(**fields):
    def by(tokens):
        for name, value in fields.items():
            setattr(tokens[0].newConfig, name, value)
        return tokens

    return by


@pytest.mark.parametrize(
    ("by", "field"),
    [
        (lambda tokens: tokens[:1], "tokens"),
        (lambda tokens: [*tokens, tokens[0]], "tokens"),
        (lambda _: [], "tokens"),
        (advice(toSgc=201458), "newConfig"),
        (advice(toKrn=3), "newConfig"),
        (advice(toTi=9), "newConfig"),
        (advice(toKen=7), "newConfig"),
        (advice(rollover=True), "rollover"),
        (advice(toVkKcv="000000"), "kcv"),
        (lambda tokens: [setattr(tokens[0], "newConfig", None), *tokens][1:], "newConfig"),
        (lambda tokens: [setattr(tokens[1], "krn", 2), *tokens][1:], "krn"),
    ],
)
def test_a_set_that_claims_something_else_is_not_passed_on(prism, stub, by, field):
    stub.next("issueKeyChangeTokens", Change(by))
    with pytest.raises(WrongAnswer) as wrong:
        prism.issue_key_change(change_of())
    assert wrong.value.field == field


def test_a_set_of_three_is_not_passed_on_where_two_were_asked_for(prism, stub):
    def by(tokens):
        config = stub.arguments("issueKeyChangeTokens")["meterConfig"]
        config.allow3Kct = True
        return stub.key_change(config, 201457, 2, 1)

    stub.next("issueKeyChangeTokens", Change(by))
    with pytest.raises(WrongAnswer):
        prism.issue_key_change(change_of())


@pytest.mark.parametrize(
    ("old", "new", "three", "reason"),
    [
        (meter(), meter(REF02), False, "change_not_allowed"),
        (meter(SECOND), meter(), False, "change_not_allowed"),
        (meter(), meter(replace(REF04, krn=5)), False, "key_not_found"),
        (meter(), meter(SECOND, pan=PANS[1]), False, "parameters"),
        (meter(ea=11), meter(SECOND, ea=11), True, "parameters"),
    ],
)
def test_a_change_goes_only_where_the_keys_entry_lets_it(prism, stub, old, new, three, reason):
    asked = change_of(old=old, new=new, three_tokens=three)
    assert refused(prism.issue_key_change, asked) == reason
    assert stub.count("issueKeyChangeTokens") == 0


OLD = replace(REF04, sgc="600675")
OLD_ENTRY = replace(
    ENTERED[0], ref=OLD, base_date=BaseDate.Y1993, kcv="C0FFEE", changes_to=(("201457", 2),)
)


def test_a_change_of_base_date_is_a_roll_over(prism, stub):
    prism.register_key(OLD_ENTRY, actor="ann")
    loaded = replace(stub.keys[0], sgc="600675", kcv="C0FFEE", base_date=BaseDate.Y1993)
    stub.keys.append(loaded)
    old = meter(OLD, base_date=BaseDate.Y1993)
    tokens = prism.issue_key_change(change_of(old=old, new=meter(SECOND)))
    meter_ = meter_of(old)
    meter_.remembered = [TID + 1] * 50
    assert [meter_.enter(token.digits) for token in tokens][-1] is Result.ACCEPT
    credit = prism.issue_credit(request_of(meter=meter(SECOND)))
    assert meter_.enter(credit.digits) is Result.ACCEPT, "it forgot its token identifiers"


def test_one_key_under_two_base_dates_is_refused(prism, stub):
    """The meter would forget its token identifiers and take the old tokens once more."""
    prism.register_key(replace(OLD_ENTRY, kcv="0F1E2D"), actor="ann")
    asked = change_of(old=meter(OLD, base_date=BaseDate.Y1993), new=meter(SECOND))
    assert refused(prism.issue_key_change, asked) == "change_not_allowed"
    assert stub.calls == []


def test_a_set_that_never_came_is_fetched(prism, stub):
    stub.next("issueKeyChangeTokens", Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_key_change(change_of())
    tokens = prism.fetch_result("change-1")
    assert [token.digits for token in tokens] == [token.tokenDec for token in stub.made[0]]
    assert prism.issue_key_change(change_of()) == tokens


# --- many at once ---


def batch_of(pans, **changed):
    rows = tuple(KeyChange(meter(pan=pan), meter(SECOND, pan=pan)) for pan in pans)
    return replace(KeyChangeBatch("batch-1", rows, "production", NOW), **changed)


def test_a_batch_is_made_row_by_row_under_ids_of_its_own(prism, stub):
    sets = prism.issue_key_changes(batch_of(PANS[:2]))
    assert [len(tokens) for tokens in sets] == [2, 2]
    for pan, tokens in zip(PANS, sets, strict=False):
        meter_ = meter_of(meter(pan=pan))
        assert [meter_.enter(token.digits) for token in tokens][-1] is Result.ACCEPT
    assert prism.issue_key_changes(batch_of(PANS[:2])) == sets
    assert prism.fetch_result("batch-1") == (*sets[0], *sets[1])
    assert [entry.request_id for entry in prism.journal(0, 10)] == ["batch-1.0", "batch-1.1"]
    assert len(stub.made) == 2
    with pytest.raises(RequestReused):
        prism.issue_key_changes(batch_of(PANS[1:2]))


def test_a_batch_that_broke_off_goes_on_where_it_stopped(prism, stub):
    stub.next("issueKeyChangeTokens", Change(list), Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_key_changes(batch_of(PANS[:2]))
    first = prism.fetch_result("batch-1.0")
    sets = prism.issue_key_changes(batch_of(PANS[:2]))
    assert sets[0] == first
    assert len(stub.made) == 2


def test_a_batch_half_made_is_no_result(prism, stub):
    stub.next("issueKeyChangeTokens", Change(list), Code("EService.Disabled"))
    assert unavailable(prism.issue_key_changes, batch_of(PANS[:2])) == ("permission", True)
    assert prism.fetch_result("batch-1") == NotExecuted()


def test_a_row_the_service_refuses_refuses_the_batch(prism, stub):
    stub.next("issueKeyChangeTokens", Change(list), Code("ESts.DrnOrPan"))
    for _ in range(2):
        with pytest.raises(ModuleRefused) as refusal:
            prism.issue_key_changes(batch_of(PANS[:2]))
        assert (refusal.value.reason, refusal.value.row) == ("parameters", 1)
    with pytest.raises(ModuleRefused):
        prism.fetch_result("batch-1")
    assert stub.count("issueKeyChangeTokens") == 2


def test_every_row_is_checked_before_the_first_is_sent(prism, stub):
    good, bad = batch_of(PANS[:2]).rows
    bad = replace(bad, new=meter(REF02, pan=PANS[1]))
    with pytest.raises(ModuleRefused) as refusal:
        prism.issue_key_changes(batch_of((), rows=(good, bad)))
    assert (refusal.value.reason, refusal.value.row) == ("change_not_allowed", 1)
    assert stub.calls == []
    with pytest.raises(ModuleRefused):
        prism.issue_key_changes(batch_of((), request_id="batch-2"))

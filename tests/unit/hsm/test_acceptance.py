"""What every kind of security module must do, each token tried at the virtual meter.

The meter reads digits with a reader of its own (``sts.meter_reader``), which shares nothing with
what makes them.
"""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.unit.hsm.drivers import DEFAULT04, DRIVERS, NEXT04, PARAMETERS, VALUES, meter_of
from tests.unit.hsm.hsm_cases import (
    DIGITS,
    NOW,
    PAN,
    REF02,
    REF04,
    TID,
    change_of,
    engineering_of,
    meter,
    request_of,
)
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.columns import ChangeColumns, ChangeRun
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused, NotSupported, RequestReused
from vmsapp.hsm.requests import DisplayRequest, KeyChange, KeyChangeBatch, VerifyRequest
from vmsapp.sts.meter import Result

OTHER_PAN = "000001000000000082"
HEAD = sha256(b"an audit trail").digest()


@pytest.fixture(params=PARAMETERS)
def driver(request, tmp_path):
    with DRIVERS[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def module(driver):
    return driver.module


def display_of(request_id="test-1", *, control=1 << 3, subclass=0, asked_at=NOW):
    return DisplayRequest(request_id, subclass, control, 0, asked_at)


def refusal(call, *args):
    with pytest.raises(ModuleRefused) as refused:
        call(*args)
    return refused.value.reason


# each kind of token, at the meter


def test_it_says_what_it_is(module):
    ping, status, can = module.ping(), module.status(), module.capabilities
    assert ping.module_id == status.module_id
    assert ping.driver == status.driver
    assert (status.locked, status.keys) == (False, len(VALUES))
    assert status.protection in {"process", "wrapped", "hsm"}
    assert can.algorithms == {"legacy", "sts6"}
    assert can.at_once >= 1


def test_it_lists_its_keys_by_check_value_and_never_a_key(module):
    listed = {info.ref: info for info in module.list_keys()}
    assert set(listed) == set(VALUES)
    assert all(len(info.kcv) == 6 for info in listed.values())
    assert not any(value in repr(listed).lower() for value in VALUES.values())


def test_the_published_credit_token_is_made_and_taken(driver):
    token = driver.module.issue_credit(request_of())
    if not driver.own_rnd:  # who draws the four random bits makes these digits once in sixteen
        assert token.digits == DIGITS
    assert (token.token_class, token.subclass, token.tid, token.amount_field) == (0, 0, TID, 1)
    taker = meter_of(meter())
    assert taker.enter(token.digits) is Result.ACCEPT
    assert taker.registers[0] == 1
    assert taker.enter(token.digits) is Result.USED_ERROR


@pytest.mark.parametrize("config", [meter(), meter(ea=11), meter(REF02)], ids=["04", "11", "02"])
@pytest.mark.parametrize("subclass", [0, 1, 2, 3])
def test_credit_of_every_service_under_every_algorithm(module, config, subclass):
    token = module.issue_credit(request_of(meter=config, subclass=subclass, amount_field=0x4001))
    taker = meter_of(config)
    assert taker.enter(token.digits) is Result.ACCEPT
    assert taker.registers[subclass] == 16_394  # SPEC 4.1: 2**14 + 10 * 1


@pytest.mark.parametrize(
    ("subclass", "value", "seen"),
    [
        (0, 0x4001, lambda m: m.maximum_power_limit == 16_394),
        (1, 0xFFFF, lambda m: not any(m.registers.values())),
        (5, 0, lambda m: not m.tampered),
        (6, 500, lambda m: m.phase_power_unbalance_limit == 500),
        (7, 12, lambda m: m.water_meter_factor == 12),
    ],
)
def test_engineering_tokens_do_their_work_at_the_meter(module, subclass, value, seen):
    taker = meter_of(meter())
    taker.tampered = True
    taker.registers[0] = 77
    token = module.issue_engineering(engineering_of(subclass=subclass, value=value))
    assert (token.token_class, token.subclass, token.tid) == (2, subclass, TID)
    assert taker.enter(token.digits) is Result.ACCEPT
    assert seen(taker)


def test_a_test_token_shows_at_any_meter(module):
    token = module.issue_display(display_of())
    taker = meter_of(meter())
    assert taker.enter(token.digits) is Result.ACCEPT
    assert taker.shown == {"krn kt": (1, 2)}
    assert (token.tid, token.kcv) == (None, "")


@pytest.mark.parametrize(
    ("ea", "three_tokens", "count"), [(7, False, 2), (7, True, 3), (11, False, 4)]
)
def test_a_key_change_takes_the_meter_to_its_new_key(module, ea, three_tokens, count):
    old, new = meter(ea=ea), meter(NEXT04, ea=ea, ti="07")
    tokens = module.issue_key_change(change_of(old=old, new=new, three_tokens=three_tokens))
    assert [token.subclass for token in tokens] == [3, 4, 8, 9][:count]
    taker = meter_of(old)
    answers = [taker.enter(token.digits) for token in tokens]
    assert answers[-1] is Result.ACCEPT
    assert (taker.krn, taker.ti) == (2, 7)
    credit = module.issue_credit(request_of("after", meter=new))
    assert taker.enter(credit.digits) is Result.ACCEPT


def test_a_batch_of_key_changes_is_the_same_as_each_alone(module):
    pans = [PAN, OTHER_PAN]
    rows = tuple(KeyChange(meter(pan=pan), meter(NEXT04, pan=pan)) for pan in pans)
    sets = module.issue_key_changes(KeyChangeBatch("campaign-1", rows, "production", NOW))
    for row, tokens in zip(rows, sets, strict=True):
        taker = meter_of(row.meter)
        assert [taker.enter(token.digits) for token in tokens][-1] is Result.ACCEPT
        assert taker.krn == 2
    alone = module.issue_key_change(change_of("alone"))
    assert [token.digits for token in sets[0]] == [token.digits for token in alone]


def test_a_batch_as_columns_is_the_same_as_its_rows(module):
    pans = [PAN, OTHER_PAN] * 40
    run = ChangeRun(change_of().change, pans)
    columns = KeyChangeBatch("columns", ChangeColumns([run, run]), "production", NOW)
    rows = replace(columns, request_id="rows", rows=tuple(columns.rows))
    digits = [
        [[token.digits for token in one] for one in module.issue_key_changes(batch)]
        for batch in (columns, rows)
    ]
    assert digits[0] == digits[1]
    assert (len(digits[0]), digits[0][:2]) == (160, digits[0][80:82])
    assert digits[0][0] != digits[0][1]


@pytest.mark.parametrize("count", [2, 80])
@pytest.mark.parametrize("pan", ["", PAN[:-1], f"{PAN[:-1]}x", f"\uff16{PAN[1:]}", f"{PAN}0"])
def test_a_number_in_a_column_that_is_none_refuses_the_batch_and_is_named(module, pan, count):
    pans = [PAN] * count
    pans[1] = pan
    rows = ChangeColumns([ChangeRun(change_of().change, pans)])
    with pytest.raises(ModuleRefused) as refused:
        module.issue_key_changes(KeyChangeBatch("columns", rows, "production", NOW))
    assert (refused.value.reason, refused.value.row) == ("parameters", 1)


def test_a_token_is_verified_for_what_it_is(module):
    token = module.issue_credit(request_of())
    said = module.verify(VerifyRequest(meter(), token.digits, "production"))
    assert (said.outcome, said.token_class, said.subclass) == ("valid", 0, 0)
    assert (said.tid, said.amount_field) == (TID, 1)
    other = module.verify(VerifyRequest(meter(pan=OTHER_PAN), token.digits, "production"))
    assert other.outcome == "not_of_this_meter"
    assert other.tid is None
    assert module.verify(VerifyRequest(meter(), "9" * 20, "production")).outcome == "not_a_token"


# one id, one answer


def test_one_id_gets_one_answer_even_after_a_restart(driver):
    first = driver.module.issue_credit(request_of())
    later = request_of(asked_at=NOW + timedelta(seconds=30))
    assert driver.module.issue_credit(later) == first
    again = driver.again()
    assert again.issue_credit(request_of()) == first
    assert again.fetch_result("sale-1-1") == (first,)


def test_sets_and_batches_are_given_again_as_they_were(driver):
    change = change_of("change-1")
    batch = KeyChangeBatch("campaign-1", (change.change,), "production", NOW)
    made = driver.module.issue_key_change(change), driver.module.issue_key_changes(batch)
    again = driver.again()
    assert (again.issue_key_change(change), again.issue_key_changes(batch)) == made
    assert again.fetch_result("change-1") == made[0]


@pytest.mark.parametrize(
    "other",
    [
        lambda m: m.issue_credit(request_of("one", tid=TID + 1)),
        lambda m: m.issue_engineering(engineering_of("one")),
        lambda m: m.issue_display(display_of("one")),
        lambda m: m.issue_key_change(change_of("one")),
        lambda m: m.issue_key_changes(
            KeyChangeBatch("one", (change_of().change,), "production", NOW)
        ),
    ],
    ids=["credit", "engineering", "display", "key change", "key changes"],
)
def test_an_id_is_for_one_request(module, other):
    first = module.issue_credit(request_of("one"))
    with pytest.raises(RequestReused):
        other(module)
    assert module.issue_credit(request_of("one")) == first


def test_an_id_never_seen_was_not_executed(module):
    assert module.fetch_result("never") == NotExecuted()


def test_a_refusal_stands(module):
    unknown = request_of(meter=meter(replace(REF04, sgc="999999")))
    assert refusal(module.issue_credit, unknown) == "key_not_found"
    assert refusal(module.fetch_result, "sale-1-1") == "key_not_found"


def test_a_cancelled_request_is_never_executed(driver):
    module = driver.module
    if not module.capabilities.can_cancel:
        with pytest.raises(NotSupported):
            module.cancel("sale-1-1")
        return
    assert module.cancel("sale-1-1") == Cancelled()
    assert refusal(driver.again().issue_credit, request_of()) == "cancelled"


def test_what_was_issued_is_not_cancelled_but_given(module):
    if not module.capabilities.can_cancel:
        assert not module.capabilities.can_cancel
        return
    token = module.issue_credit(request_of())
    assert module.cancel("sale-1-1") == (token,)


# what it refuses


def test_no_credit_under_a_default_key(module):
    assert refusal(module.issue_credit, request_of(meter=meter(DEFAULT04))) == "key_type"


def test_a_key_change_only_goes_where_the_key_file_allows(module):
    back = change_of(old=meter(NEXT04), new=meter())
    assert refusal(module.issue_key_change, back) == "change_not_allowed"
    default = change_of("change-2", new=meter(DEFAULT04))
    assert refusal(module.issue_key_change, default) == "change_not_allowed"


def test_one_row_refused_refuses_the_batch_and_is_named(module):
    good = change_of().change
    bad = KeyChange(meter(NEXT04, pan=OTHER_PAN), meter(pan=OTHER_PAN))
    batch = KeyChangeBatch("campaign-1", (good, bad), "production", NOW)
    with pytest.raises(ModuleRefused) as refused:
        module.issue_key_changes(batch)
    assert (refused.value.reason, refused.value.row) == ("change_not_allowed", 1)
    with pytest.raises(ModuleRefused) as again:
        module.fetch_result("campaign-1")
    assert (again.value.reason, again.value.row) == ("change_not_allowed", 1)


def test_a_tid_is_spent_by_credit_and_engineering_alike(module):
    module.issue_engineering(engineering_of("clear"))
    assert refusal(module.issue_credit, request_of()) == "tid_spent"


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_clock_that_is_off_says_nothing_of_the_request(module, seconds):
    off = NOW + timedelta(seconds=seconds)
    if module.capabilities.assigns_tid:  # it stamps with our clock: SALE.md 15, an alarm alone
        assert module.issue_credit(request_of("a", asked_at=off)).tid == TID
        return
    for call in (
        lambda: module.issue_credit(request_of("a", asked_at=off)),
        lambda: module.issue_display(display_of("a", asked_at=off)),
        lambda: module.issue_key_change(change_of("a", asked_at=off)),
    ):
        with pytest.raises(HsmUnavailable) as unavailable:
            call()
        assert unavailable.value.why == "clock"
    assert module.fetch_result("a") == NotExecuted()


# the journal


def test_the_journal_has_each_token_made_and_no_digits(driver):
    module = driver.module
    credit = module.issue_credit(request_of())
    change = module.issue_key_change(change_of())
    sets = module.issue_key_changes(
        KeyChangeBatch("campaign-1", (change_of().change,) * 2, "production", NOW)
    )
    refusal(module.issue_credit, request_of("refused", meter=meter(DEFAULT04)))
    entries = module.journal(0, 100)
    one_line = [(3, "campaign-1", 0), (3, "campaign-1", 1)]
    line_each = [(3, "campaign-1.0", None), (4, "campaign-1.1", None)]
    told = [(each.number, each.request_id, each.row) for each in entries]
    assert told[:2] == [(1, "sale-1-1", None), (2, "change-1", None)]
    assert told[2:] in (one_line, line_each), "a service is asked for one meter at a time"
    made = [(credit,), change, *sets]
    for entry, tokens in zip(entries, made, strict=True):
        assert list(entry.tags) == module.tags([token.digits for token in tokens])
    assert {entry.meter_pan for entry in entries} == {PAN}
    assert credit.digits not in repr(entries)
    assert module.journal(2, 100) == entries[2:]
    assert module.journal(0, 1) == entries[:1]


def test_a_head_of_the_audit_trail_is_signed_or_declined(module):
    if not module.capabilities.signs_heads:
        with pytest.raises(NotSupported):
            module.sign_head(1, HEAD)
        return
    head = module.sign_head(1, HEAD)
    assert module.last_head() == head
    assert module.status().head_key == head.public_key

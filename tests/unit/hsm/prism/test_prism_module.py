"""PrismToken as a security module: what is asked, what is believed, and what is kept."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.prism_stub import CACHE, Code, Drop, Slow
from tests.unit.hsm.hsm_cases import REF02, REF04, TID, VK02, meter, request_of
from tests.unit.hsm.prism.prism_cases import ENTERED, meter_of, refused, unavailable
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.drivers.prism.frames import api
from vmsapp.hsm.errors import (
    HsmTimeout,
    HsmUnavailable,
    ModuleRefused,
    NotSupported,
    RequestReused,
)
from vmsapp.hsm.policy import Limits
from vmsapp.sts.meter import Result

MINUTE_OF_TID = int((datetime(2014, 1, 1, tzinfo=UTC) + timedelta(minutes=TID)).timestamp())


# --- a credit ---


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (request_of(), None),
        (request_of(meter=meter(ea=11)), None),
        (request_of(meter=meter(REF02, pan="600727858282770056", ti="02")), VK02),
    ],
    ids=["DKGA04 EA07", "DKGA04 EA11", "DKGA02"],
)
def test_the_meter_takes_the_token(prism, request_, value):
    token = prism.issue_credit(replace(request_, amount_field=256))
    meter_ = meter_of(request_.meter, value) if value else meter_of(request_.meter)
    assert meter_.enter(token.digits) is Result.ACCEPT
    assert meter_.registers[0] == 256
    assert meter_.enter(token.digits) is Result.USED_ERROR
    assert (token.token_class, token.subclass, token.tid, token.amount_field) == (0, 0, TID, 256)
    assert (token.module_id, token.table_set, token.demo) == ("TSM250-0042", "production", False)


def test_what_is_asked(prism, stub):
    prism.issue_credit(request_of(amount_field=102))
    asked = stub.arguments("issueCreditToken")
    config = asked.pop("meterConfig")
    assert asked == {
        "messageId": "sale-1-1", "subclass": 0, "transferAmount": 102.0,
        "tokenTime": MINUTE_OF_TID, "flags": 1,
    }  # fmt: skip
    assert config == api.MeterConfigIn(
        drn="600727000000000009", ea=7, tct=2, sgc=201457, krn=1, ti=1, newConfig=None,
        allowKrnUpdate=False, ken=255, doe="0000", allow3Kct=False, allowKenUpdate=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "tenths"),
    [(0x0001, 1), (0x3FFF, 16_383), (0x4000, 16_384), (0x8000, 180_224), (0xFFFF, 18_201_624)],
)
def test_an_amount_travels_as_a_whole_number_of_tenths(prism, stub, field, tenths):
    token = prism.issue_credit(request_of(amount_field=field))
    assert stub.arguments("issueCreditToken")["transferAmount"] == float(tenths)
    assert token.amount_field == field
    meter_ = meter_of()
    meter_.enter(token.digits)
    assert meter_.registers[0] == tenths


@pytest.mark.parametrize("subclass", range(4, 8))
def test_money_is_refused_for_its_scale_is_not_known(prism, stub, subclass):
    asked = request_of(subclass=subclass, amount_field=0x060AA, rnd=0)
    assert refused(prism.issue_credit, asked) == "parameters"
    assert stub.count("issueCreditToken") == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tid": 1441}, "tid_reserved"),
        ({"tid": 1 << 24}, "parameters"),
        ({"table_set": "sample"}, "parameters"),
        ({"request_id": "a b"}, "parameters"),
        ({"subclass": 8}, "parameters"),
        ({"amount_field": 1 << 16}, "parameters"),
        ({"meter": meter(ken=0)}, "parameters"),
        ({"meter": meter(ti="xx")}, "parameters"),
        ({"meter": meter(tct=3)}, "parameters"),
        ({"meter": meter(pan="6007 2700 0000 0000 09")}, "parameters"),
        ({"meter": meter(replace(REF04, krn=3))}, "key_not_found"),
        ({"meter": meter(replace(REF04, kt=1))}, "key_not_found"),
    ],
)
def test_what_is_wrong_by_itself_is_never_sent(prism, stub, changed, reason):
    assert refused(prism.issue_credit, request_of(**changed)) == reason
    assert stub.calls == []


@pytest.mark.parametrize("kt", [1, 3])
def test_a_default_or_common_key_gives_no_credit(prism, stub, kt):
    ref = replace(REF04, kt=kt)
    prism.register_key(replace(ENTERED[0], ref=ref), actor="ann")
    assert refused(prism.issue_credit, request_of(meter=meter(ref))) == "key_type"
    assert stub.calls == []


def test_rates_and_the_meters_memory_hold_here_too(open_prism, stub):
    prism = open_prism(stub, limits=Limits(per_minute=2, per_day=None, tid_window=2))
    for key in ENTERED:
        prism.register_key(key, actor="ann")
    prism.issue_credit(request_of("a", tid=TID))
    with pytest.raises(ModuleRefused) as spent:
        prism.issue_credit(request_of("b", tid=TID))
    assert (spent.value.reason, spent.value.highest_tid) == ("tid_spent", TID)
    prism.issue_credit(request_of("c", tid=TID + 1))
    assert unavailable(prism.issue_credit, request_of("d", tid=TID + 2)) == ("rate", True)
    assert len(stub.made) == 2


# --- asked again ---


def test_the_same_request_gets_the_same_token_whatever_the_service_would_make(
    prism, open_prism, stub
):
    first = prism.issue_credit(request_of())
    assert prism.issue_credit(request_of()) == first
    assert prism.fetch_result("sale-1-1") == (first,)
    assert open_prism(stub).issue_credit(request_of()) == first, "another process, or a restart"
    assert len(stub.made) == 1
    with pytest.raises(RequestReused):
        prism.issue_credit(request_of(amount_field=2))


def test_many_who_ask_the_same_at_once_get_one_token(open_prism, prism, stub):
    stub.pause = 0.2
    modules = [open_prism(stub, seconds=5) for _ in range(4)]

    def ask(module):
        try:
            return module.issue_credit(request_of()).digits
        except HsmUnavailable as busy:
            return busy.why, busy.sent

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(ask, modules * 2))
    digits = prism.issue_credit(request_of()).digits
    assert answers <= {digits, ("busy", True)}
    assert len(stub.made) == 1


def test_an_answer_that_another_process_just_got_is_given_and_not_asked_for(
    prism, open_prism, stub, monkeypatch
):
    begin, others = prism._messages.begin, []

    def late(*args):
        others.append(open_prism(stub).issue_credit(request_of()))
        return begin(*args)

    monkeypatch.setattr(prism._messages, "begin", late)
    assert prism.issue_credit(request_of()) == others[0]
    assert len(stub.made) == 1


@pytest.mark.parametrize("misdeed", [Drop(after=True), Slow(2)], ids=["dropped", "slow"])
def test_an_answer_that_never_came_is_fetched_and_not_made_again(prism, stub, misdeed):
    stub.next("issueCreditToken", misdeed)
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    (token,) = prism.fetch_result("sale-1-1")
    assert token.digits == stub.made[0][0].tokenDec
    assert prism.issue_credit(request_of()) == token
    assert len(stub.made) == 1
    assert stub.arguments("fetchTokenResult")["reqMessageId"] == "sale-1-1"


def test_who_asks_again_after_silence_gets_what_was_made(prism, stub):
    stub.next("issueCreditToken", Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    assert prism.issue_credit(request_of()).digits == stub.made[0][0].tokenDec
    assert stub.count("issueCreditToken") == 1


def test_after_a_miss_the_same_minute_is_asked_for_under_another_message(prism, stub):
    stub.next("issueCreditToken", Drop(after=False))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    assert prism.fetch_result("sale-1-1") == NotExecuted()
    token = prism.issue_credit(request_of())
    asked = stub.arguments("issueCreditToken")
    assert (asked["messageId"], asked["tokenTime"]) == ("sale-1-1,2", MINUTE_OF_TID)
    assert token.tid == TID


def test_every_message_is_asked_for_at_once_and_after_two_and_five_seconds(
    prism, stub, monkeypatch
):
    for _ in range(2):
        stub.next("issueCreditToken", Drop(after=False))
        with pytest.raises(HsmTimeout):
            prism.issue_credit(request_of())
    waited, before = [], len(stub.calls)
    monkeypatch.setattr(prism, "_sleep", waited.append)
    assert prism.fetch_result("sale-1-1") == NotExecuted()
    fetched = [args["reqMessageId"] for _, args in stub.calls[before:]]
    assert fetched == ["sale-1-1", "sale-1-1,2"] * 3
    assert waited == [2.0, 3.0]


def test_a_result_the_service_has_forgotten_proves_nothing(prism, stub):
    stub.next("issueCreditToken", Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    for n in range(CACHE):
        stub._cache["vms"][f"other-{n}"] = []
    stub._cache["vms"].popitem(last=False)
    assert prism.fetch_result("sale-1-1") == NotExecuted()
    with pytest.raises(NotSupported):
        prism.cancel("sale-1-1")
    again = prism.issue_credit(request_of())
    meter_ = meter_of()
    results = [meter_.enter(tokens[0].tokenDec) for tokens in stub.made]
    assert results == [Result.ACCEPT, Result.USED_ERROR], "one minute is spent once"
    assert again.digits == stub.made[1][0].tokenDec


def test_a_result_that_cannot_be_asked_for_leaves_all_open(prism, stub):
    stub.next("issueCreditToken", Drop(after=True))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    stub.next("fetchTokenResult", Drop(after=False), Code("EAuthentication.Permission"))
    assert unavailable(prism.issue_credit, request_of()) == ("broken_off", True)
    assert unavailable(prism.fetch_result, "sale-1-1") == ("permission", True)
    assert stub.count("issueCreditToken") == 1
    assert len(prism.fetch_result("sale-1-1")) == 1


# --- codes ---


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("EParamRange", "parameters"),
        ("EPrefRange", "parameters"),
        ("ESts.DrnOrPan", "parameters"),
        ("ESts.DrnOrPan.CheckDigit", "parameters"),
        ("ESts.IdRecord", "parameters"),
        ("ESts.IdRecord.Expired", "parameters"),
        ("ESts.VkExpired", "key_expired"),
        ("ESts.VkBeforeBdt", "key_not_active"),
        ("EKeystore.NotFound", "key_not_found"),
        ("ESts.SomethingNew", "parameters"),
    ],
)
def test_a_definite_no_is_written_and_told_again(prism, stub, code, reason):
    stub.next("issueCreditToken", Code(code))
    assert refused(prism.issue_credit, request_of()) == reason
    assert refused(prism.issue_credit, request_of()) == reason
    assert refused(prism.fetch_result, "sale-1-1") == reason
    assert prism.cancel("sale-1-1") == Cancelled()
    assert stub.count("issueCreditToken") == 1


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("EService.Disabled", "permission"),
        ("EAuthentication.Permission", "permission"),
        ("EAuthentication.SomethingNew", "secret"),
    ],
)
def test_what_is_surely_not_done_may_be_asked_again(prism, stub, code, why):
    stub.next("issueCreditToken", Code(code))
    assert unavailable(prism.issue_credit, request_of()) == (why, False)
    assert prism.issue_credit(request_of()).tid == TID
    assert len(stub.made) == 1


@pytest.mark.parametrize("code", ["EService", "ESm", "ESm.SomethingNew", "EKeystore.Else"])
@pytest.mark.parametrize("after", [False, True])
def test_a_fault_says_nothing_of_how_far_it_came(prism, stub, code, after):
    stub.next("issueCreditToken", Code(code, after=after))
    assert unavailable(prism.issue_credit, request_of()) == ("hardware", True)
    with pytest.raises(NotSupported):
        prism.cancel("sale-1-1")
    assert prism.issue_credit(request_of()).digits == stub.made[-1][0].tokenDec
    assert len(stub.made) == 1


@pytest.mark.parametrize("code", ["EUnheardOf", "ECacheMiss", "", "<b>", "x" * 5000])
@pytest.mark.parametrize("after", [False, True])
def test_a_code_nobody_knows_leaves_the_outcome_open(prism, stub, code, after):
    stub.next("issueCreditToken", Code(code, after=after))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    assert prism.issue_credit(request_of()).digits == stub.made[-1][0].tokenDec
    assert len(stub.made) == 1


def test_a_no_to_the_second_message_is_none_while_the_first_may_have_been_heard(prism, stub):
    stub.next("issueCreditToken", Drop(after=False), Code("ESts.VkExpired"))
    for _ in range(2):
        with pytest.raises(HsmTimeout):
            prism.issue_credit(request_of())
    with pytest.raises(NotSupported):
        prism.cancel("sale-1-1")
    assert prism.issue_credit(request_of()).tid == TID


def test_what_did_not_leave_is_told_as_sent_while_an_earlier_message_is_open(prism, stub):
    stub.next("issueCreditToken", Drop(after=False))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    stub.next("issueCreditToken", Code("EAuthentication.Token"))
    stub.next("signInWithPassword", Code("ESignin.Authentication"))
    assert unavailable(prism.issue_credit, request_of()) == ("secret", True)
    stub.close()
    assert unavailable(prism.issue_credit, request_of()) == ("refused", True)
    assert unavailable(prism.issue_credit, request_of("other-1")) == ("refused", False)


# --- cancel ---


def test_what_was_made_is_told_in_place_of_a_cancel(prism):
    token = prism.issue_credit(request_of())
    assert prism.cancel("sale-1-1") == (token,)


def test_what_surely_never_left_is_cancelled_for_good(prism, stub):
    stub.next("issueCreditToken", Code("EService.Disabled"))
    unavailable(prism.issue_credit, request_of())
    assert prism.cancel("sale-1-1") == Cancelled()
    assert refused(prism.issue_credit, request_of()) == "cancelled"
    assert stub.count("issueCreditToken") == 1


def test_what_nobody_knows_of_is_not_cancelled(prism):
    assert prism.fetch_result("never-seen") == NotExecuted()
    with pytest.raises(NotSupported):
        prism.cancel("never-seen")
    assert not prism.capabilities.can_cancel


def test_who_finds_its_own_identifier_spent_by_a_twin_gets_the_twins_token(
    prism, open_prism, stub, monkeypatch
):
    """The other one ends between our looking the id up and looking the identifier up."""
    find, given = prism._book.find, []

    def late(request):
        found = find(request)
        if not given:
            given.append(open_prism(stub).issue_credit(request))
        return found

    monkeypatch.setattr(prism._issuer.book, "find", late)
    assert prism.issue_credit(request_of()) == given[0]
    assert len(stub.made) == 1

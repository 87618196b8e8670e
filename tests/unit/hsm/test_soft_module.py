"""The software module: SALE.md 6 and 7, sentence by sentence."""

import logging
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.hsm.hsm_cases import (
    DIGITS,
    NOW,
    PAN,
    PASSPHRASE,
    REF02,
    REF04,
    TID,
    VK02,
    VK04,
    answer_of,
    ask_from_another_process,
    key,
    meter,
    request_of,
)
from vmsapp.hsm import making
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.drivers.locked import LockedModule
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, RequestReused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts.codec import decode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import DecoderKey

# vectors.jsonl s001: DKGA02 on base date 2014, 2030-12-16 07:40.
S001 = request_of(
    "s001",
    meter=meter(REF02, pan="600727858282770056", ti="02"),
    rnd=13,
    tid=(datetime(2030, 12, 16, 7, 40) - datetime(2014, 1, 1)) // timedelta(minutes=1),  # noqa: DTZ001
)
S001_DIGITS = "64669047236306900412"
# SPEC 8.6: decoder key of the worked example under EA07.
DECODER_KEY = DecoderKey(7, bytes.fromhex("87f3ecbb2e46b48f"))


def refusal(call, *args):
    with pytest.raises(ModuleRefused) as refused:
        call(*args)
    return refused.value.reason, refused.value.highest_tid


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as refused:
        call(*args)
    return refused.value.why, refused.value.sent


# --- tokens ---


@pytest.mark.parametrize(
    ("request_", "digits"),
    [(request_of(), DIGITS), (S001, S001_DIGITS)],
    ids=["SPEC 8.6, DKGA04", "s001, DKGA02"],
)
def test_published_tokens_are_made(soft, request_, digits):
    assert soft.issue_credit(request_).digits == digits


def test_a_token_says_what_it_is(soft):
    token = soft.issue_credit(request_of())
    read = decode(token.digits, DECODER_KEY)
    assert read == CreditToken(subclass=0, rnd=5, tid=TID, amount_field=1)
    assert (token.token_class, token.subclass, token.tid, token.amount_field) == (0, 0, TID, 1)
    assert token.module_id == soft.status().module_id
    assert (token.table_set, token.demo) == ("production", False)
    assert token.kcv == next(info.kcv for info in soft.list_keys() if info.ref == REF04)


def test_a_demo_key_makes_marked_tokens(keystore, open_soft):
    keystore.add(key(demo=True))
    assert open_soft().issue_credit(request_of()).demo


def test_status_and_keys_tell_no_secret(soft):
    status = soft.status()
    assert (status.driver, status.locked, status.keys) == ("soft", False, 2)
    assert (status.time_utc, status.table_set, status.protection) == (NOW, "production", "process")
    assert [info.ref for info in soft.list_keys()] == [REF04, REF02]
    assert VK04 not in repr(soft.list_keys())


def test_digits_that_do_not_read_back_are_never_given(soft, monkeypatch):
    real = decode

    def misread(*args, **options):
        return replace(real(*args, **options), amount_field=2)

    monkeypatch.setattr(making, "decode", misread)
    assert unavailable(soft.issue_credit, request_of()) == ("self_check", True)
    assert soft.fetch_result("sale-1-1") == NotExecuted()


# --- the id is looked up before anything else ---


def test_the_same_request_gets_the_same_token(soft, open_soft):
    first = soft.issue_credit(request_of())
    assert soft.issue_credit(request_of()) == first
    assert open_soft().issue_credit(request_of()) == first, "another process, or after a restart"
    assert soft.fetch_result("sale-1-1") == (first,)
    assert soft._results.sequence() == 1


def test_a_repeat_is_answered_whatever_clock_rate_keys_and_settings_say(soft, open_soft):
    first = soft.issue_credit(request_of())
    late = NOW + timedelta(days=400)
    strict = open_soft(clock=lambda: late, limits=Limits(0, 0), table_set="sample")
    assert strict.issue_credit(request_of()) == first


def test_the_clock_of_the_caller_does_not_make_another_request(soft):
    first = soft.issue_credit(request_of())
    assert soft.issue_credit(request_of(asked_at=NOW + timedelta(days=3))) == first


@pytest.mark.parametrize(
    "changed",
    [
        {"tid": TID + 1},
        {"amount_field": 2},
        {"rnd": 6},
        {"subclass": 1},
        {"table_set": "sample"},
        {"meter": meter(ti="02")},
        {"meter": meter(pan="000001000000000082")},
        {"meter": meter(ken=254)},
        {"meter": meter(base_date=BaseDate.Y2035)},
        {"meter": meter(tct=1)},
        {"meter": meter(ea=11)},
        {"meter": meter(replace(REF04, krn=2))},
        {"meter": meter(replace(REF04, kt=1))},
        {"meter": meter(replace(REF04, sgc="201458"))},
        {"meter": meter(REF02)},
    ],
)
def test_an_id_used_for_something_else_is_our_own_mistake(soft, changed):
    first = soft.issue_credit(request_of())
    with pytest.raises(RequestReused) as reused:
        soft.issue_credit(request_of(**changed))
    assert reused.value.params == {"request_id": "sale-1-1"}
    assert soft.fetch_result("sale-1-1") == (first,)


def test_a_refusal_is_kept_and_given_again(soft, keystore):
    unknown = request_of(meter=meter(replace(REF04, krn=2)))
    assert refusal(soft.issue_credit, unknown) == ("key_not_found", None)
    keystore.add(key(replace(REF04, krn=2)))
    assert refusal(soft.issue_credit, unknown) == ("key_not_found", None)
    assert refusal(soft.fetch_result, "sale-1-1") == ("key_not_found", None)
    with pytest.raises(RequestReused):
        soft.issue_credit(request_of())
    assert answer_of(soft, replace(unknown, request_id="sale-1-2")).isdigit()


# --- refusals that end a sale ---


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"meter": meter(replace(REF04, sgc="201458"))}, "key_not_found"),
        ({"meter": meter(replace(REF04, kt=1))}, "key_not_found"),
        ({"meter": meter(ken=254)}, "parameters"),
        ({"meter": meter(base_date=BaseDate.Y2035)}, "parameters"),
        ({"meter": meter(REF02, ea=11)}, "parameters"),
        ({"meter": meter(ti="1")}, "parameters"),
        ({"subclass": 4}, "parameters"),
        ({"rnd": 16}, "parameters"),
        ({"amount_field": 1 << 16}, "parameters"),
        ({"table_set": "sample"}, "parameters"),
        ({"tid": 1441}, "tid_reserved"),
    ],
)
def test_a_definite_no_is_written_under_the_id(soft, changed, reason):
    assert refusal(soft.issue_credit, request_of(**changed)) == (reason, None)
    assert refusal(soft.fetch_result, "sale-1-1") == (reason, None)


@pytest.mark.parametrize(
    ("kt", "tct", "reason"), [(1, 1, "key_type"), (3, 2, "key_type"), (3, 1, "parameters")]
)
def test_default_and_common_keys_make_no_credit(keystore, open_soft, kt, tct, reason):
    ref = replace(REF02, kt=kt)
    keystore.add(key(ref, VK02))
    assert answer_of(open_soft(), request_of(meter=meter(ref, tct=tct))) == reason


def test_a_key_expires_between_two_tids(keystore, open_soft):
    keystore.add(key(ken=1))
    module = open_soft()
    last = request_of("last", tid=0x01FFFF, meter=meter(ken=1))
    assert answer_of(module, last).isdigit()
    first = request_of("first", tid=0x020000, meter=meter(ken=1))
    assert refusal(module.issue_credit, first) == ("key_expired", None)


# --- the TID net ---


def test_a_spent_tid_is_refused_with_the_highest(soft):
    soft.issue_credit(request_of("a"))
    soft.issue_credit(request_of("b", tid=TID + 7))
    again = request_of("c", amount_field=9)
    assert refusal(soft.issue_credit, again) == ("tid_spent", TID + 7)
    assert refusal(soft.fetch_result, "c") == ("tid_spent", TID + 7)


def test_a_tid_is_spent_whatever_the_key(soft, keystore):
    keystore.add(key(replace(REF04, krn=2), VK04[::-1]))
    soft.issue_credit(request_of("a"))
    other_key = request_of("b", meter=meter(replace(REF04, krn=2)))
    assert refusal(soft.issue_credit, other_key) == ("tid_spent", TID)


def test_a_tid_is_spent_for_one_meter_and_one_base_date(soft, keystore):
    keystore.add(key(replace(REF04, krn=2), base_date=BaseDate.Y2035))
    soft.issue_credit(request_of("a"))
    other_meter = request_of("b", meter=meter(pan="000001000000000082"))
    moved = meter(replace(REF04, krn=2), base_date=BaseDate.Y2035)
    assert answer_of(soft, other_meter).isdigit()
    assert answer_of(soft, request_of("c", meter=moved)).isdigit()


def test_a_tid_a_refusal_named_is_not_spent(soft):
    refusal(soft.issue_credit, request_of("a", rnd=16))
    assert answer_of(soft, request_of("b")) == DIGITS


def test_two_tokens_may_cross(soft):
    soft.issue_credit(request_of("later", tid=TID + 1))
    assert soft.issue_credit(request_of("earlier")).digits == DIGITS


def test_a_tid_below_the_fifty_highest_is_too_old(soft):
    tids = [TID + 2 * step for step in range(50)]
    for tid in tids[:49]:
        soft.issue_credit(request_of(f"i{tid}", tid=tid))
    assert answer_of(soft, request_of("still-49", tid=TID - 2)).isdigit()
    soft.issue_credit(request_of("highest", tid=tids[49]))
    below = request_of("below", tid=TID - 1)
    assert refusal(soft.issue_credit, below) == ("tid_too_old", tids[49])
    assert answer_of(soft, request_of("inside", tid=TID + 1)).isdigit()


def test_the_window_is_a_setting(keystore, open_soft):
    keystore.add(key())
    module = open_soft(limits=Limits(None, None, tid_window=2))
    for step in (1, 2):
        module.issue_credit(request_of(f"i{step}", tid=TID + step))
    assert refusal(module.issue_credit, request_of("old")) == ("tid_too_old", TID + 2)


# --- cancel ---


def test_a_cancelled_request_is_never_executed(soft, open_soft):
    assert soft.cancel("sale-1-1") == Cancelled()
    assert soft.cancel("sale-1-1") == Cancelled()
    assert refusal(soft.issue_credit, request_of()) == ("cancelled", None)
    assert refusal(open_soft().issue_credit, request_of(rnd=6)) == ("cancelled", None)
    assert refusal(soft.fetch_result, "sale-1-1") == ("cancelled", None)
    assert soft._results.sequence() == 1
    assert answer_of(soft, request_of("sale-1-2")) == DIGITS, "its TID was not spent"


def test_cancel_after_issue_gives_the_token(soft):
    token = soft.issue_credit(request_of())
    assert soft.cancel("sale-1-1") == (token,)
    assert soft.issue_credit(request_of()) == token


def test_cancel_after_a_refusal_cancels_all_the_same(soft):
    refusal(soft.issue_credit, request_of(tid=1441))
    assert soft.cancel("sale-1-1") == Cancelled()
    assert refusal(soft.issue_credit, request_of(tid=1441)) == ("tid_reserved", None)


def test_an_id_never_seen_was_not_executed(soft):
    assert soft.fetch_result("sale-1-1") == NotExecuted()


# --- what says nothing about the request ---


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_wrong_clock_is_not_written(soft, seconds):
    off = request_of(asked_at=NOW + timedelta(seconds=seconds))
    assert unavailable(soft.issue_credit, off) == ("clock", True)
    assert soft.fetch_result("sale-1-1") == NotExecuted()
    assert answer_of(soft, request_of()) == DIGITS


def test_a_wrong_clock_is_said_before_a_refusal_is_written(soft):
    off = request_of(asked_at=NOW + timedelta(hours=1), tid=1441)
    assert unavailable(soft.issue_credit, off) == ("clock", True)
    assert soft._results.sequence() == 0


@pytest.mark.parametrize(
    ("limits", "later"),
    [(Limits(2, None), timedelta(minutes=1)), (Limits(None, 2), timedelta(days=1))],
    ids=["per minute", "per day"],
)
def test_a_rate_is_not_written_and_passes_with_time(keystore, open_soft, limits, later):
    keystore.add(key())
    now = [NOW]
    module = open_soft(limits=limits, clock=lambda: now[0])
    for step in range(2):
        module.issue_credit(request_of(f"i{step}", tid=TID + step))
    third = request_of("third", tid=TID + 2)
    assert unavailable(module.issue_credit, third) == ("rate", True)
    assert module.fetch_result("third") == NotExecuted()
    other_meter = request_of("other", meter=meter(pan="000001000000000082"))
    assert answer_of(module, other_meter).isdigit()
    now[0] = NOW + later
    assert answer_of(module, replace(third, asked_at=now[0])).isdigit()


def test_six_a_minute_and_sixty_a_day_unless_set(keystore, open_soft):
    keystore.add(key())
    module = open_soft(limits=Limits())
    for step in range(6):
        module.issue_credit(request_of(f"i{step}", tid=TID + step))
    assert unavailable(module.issue_credit, request_of("seventh", tid=TID + 6)) == ("rate", True)
    assert Limits().per_day == 60


def test_a_keystore_gone_wrong_is_not_written(soft, store_path):
    store_path.write_bytes(store_path.read_bytes().replace(b'"krn":1', b'"krn":2'))
    assert unavailable(soft.issue_credit, request_of()) == ("keystore", True)
    assert unavailable(soft.status) == ("keystore", True)
    assert soft.fetch_result("sale-1-1") == NotExecuted()


def test_a_stored_token_altered_on_the_disk_is_not_given(soft):
    soft.issue_credit(request_of("a"))
    soft.issue_credit(request_of("b", tid=TID + 1))
    with soft._results.transaction() as records:
        records._connection.execute("DROP TRIGGER request_UPDATE")
        records._connection.execute(
            "UPDATE request SET sealed = (SELECT sealed FROM request WHERE request_id = 'b')"
            " WHERE request_id = 'a'"
        )
    for asked in (lambda: soft.issue_credit(request_of("a")), lambda: soft.fetch_result("a")):
        assert unavailable(asked) == ("storage", True)


def test_a_token_whose_record_may_be_lost_is_not_given(soft, monkeypatch):
    real = soft._results.transaction

    class Lost:
        def __enter__(self):
            self.block = real()
            return self.block.__enter__()

        def __exit__(self, *exc):
            self.block.__exit__(*exc)
            raise HsmTimeout

    monkeypatch.setattr(soft._results, "transaction", Lost)
    with pytest.raises(HsmTimeout):
        soft.issue_credit(request_of())
    assert soft.fetch_result("sale-1-1")[0].digits == DIGITS


def test_a_locked_module_says_so_and_sends_nothing():
    module = LockedModule("VSM-3F2A91", clock=lambda: NOW)
    assert (module.status().locked, module.status().keys) == (True, 0)
    assert (module.status().module_id, module.status().time_utc) == ("VSM-3F2A91", NOW)
    for asked in (
        module.list_keys,
        lambda: module.issue_credit(request_of()),
        lambda: module.fetch_result("sale-1-1"),
        lambda: module.cancel("sale-1-1"),
    ):
        assert unavailable(asked) == ("locked", False)
    assert module.close() is None


def test_a_closed_module_makes_nothing(soft):
    soft.close()
    with pytest.raises(ValueError, match="wiped"):
        soft.issue_credit(request_of())
    soft._results.close()


# --- many at once ---


def test_of_many_threads_that_want_one_tid_one_gets_it(soft):
    start = threading.Barrier(8)

    def ask(number):
        start.wait(10)
        return answer_of(soft, request_of(f"sale-{number}"))

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(ask, range(8)))
    assert answers == [DIGITS] + ["tid_spent"] * 7


def test_many_threads_with_one_id_get_one_token(soft):
    start = threading.Barrier(8)

    def ask(_):
        start.wait(10)
        return answer_of(soft, request_of())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {DIGITS}
    assert soft._results.sequence() == 1


def test_issue_and_cancel_at_once_agree(soft):
    for number in range(20):
        request = request_of(f"sale-{number}", tid=TID + number)
        start = threading.Barrier(2)

        def issue(request=request, start=start):
            start.wait(10)
            return answer_of(soft, request)

        def cancel(request=request, start=start):
            start.wait(10)
            return soft.cancel(request.request_id)

        with ThreadPoolExecutor(2) as pool:
            issued, cancelled = pool.submit(issue), pool.submit(cancel)
        if cancelled.result() == Cancelled():
            assert issued.result() == "cancelled"
        else:
            assert issued.result() == cancelled.result()[0].digits


@pytest.mark.processes
@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["same"] * 4, [DIGITS] * 4),
        (["a", "b", "c", "d"], [DIGITS, "tid_spent", "tid_spent", "tid_spent"]),
    ],
    ids=["one id", "one TID"],
)
def test_several_processes_never_make_two_tokens_of_one_tid(
    soft, store_path, results_path, ids, expected
):
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(len(ids)), context.Queue()
    children = [
        context.Process(
            target=ask_from_another_process, args=(store_path, results_path, start, id_, answers)
        )
        for id_ in ids
    ]
    for child in children:
        child.start()
    got = sorted(answers.get(timeout=120) for _ in children)
    for child in children:
        child.join(60)
    assert got == expected
    assert [child.exitcode for child in children] == [0] * len(children)


@pytest.mark.processes
def test_a_forked_child_opens_its_own_connection(soft):
    soft.issue_credit(request_of("before"))
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)

    def in_child():
        writer.send(
            [answer_of(soft, request_of("child", tid=TID + 1)), soft.cancel("before")[0].tid]
        )
        soft._results.close()

    child = context.Process(target=in_child)
    child.start()
    digits, tid = reader.recv()
    child.join(60)
    assert child.exitcode == 0
    assert (soft.fetch_result("child")[0].digits, tid) == (digits, TID)
    assert answer_of(soft, request_of("after", tid=TID + 1)) == "tid_spent"


# --- secrets ---


def test_neither_digits_nor_keys_lie_open_on_the_disk(soft, keystore, tmp_path):
    made = [soft.issue_credit(request_of()).digits, soft.issue_credit(S001).digits]
    assert made == [DIGITS, S001_DIGITS]
    keys = [VK04, VK02, DECODER_KEY.reveal().hex(), keystore._dek.reveal().hex()]
    keys.append(keystore.sealing_key("results").reveal().hex())
    for closed in (False, True):  # with the write-ahead log, and folded into the file
        raw = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        assert PAN.encode() in raw, "the record is among the files read"
        for digits in made:
            assert digits.encode() not in raw
        for secret in keys:
            assert bytes.fromhex(secret) not in raw
            assert secret.encode() not in raw.lower()
        assert PASSPHRASE not in raw
        if not closed:
            soft._results.close()


def test_neither_digits_nor_keys_show_in_logs_reprs_and_errors(soft, caplog):
    caplog.set_level(logging.DEBUG)
    token = soft.issue_credit(request_of())
    with pytest.raises(ModuleRefused) as spent:
        soft.issue_credit(request_of("b"))
    with pytest.raises(RequestReused) as reused:
        soft.issue_credit(request_of(rnd=6))
    logging.getLogger("test").error("%r %r %r", token, soft, soft._results.find("sale-1-1"))
    shown = caplog.text + repr(spent.value) + str(spent.value) + repr(reused.value)
    for secret in (DIGITS, VK04, DECODER_KEY.reveal().hex()):
        assert secret not in shown


def test_a_module_needs_no_more_than_keys_and_a_record(keystore, results_path):
    module = SoftModule(keystore, Results(results_path))
    assert module.status().keys == 0
    assert module.fetch_result("none") == NotExecuted()
    module.close()


def test_a_module_whose_record_is_lost_says_so(keystore, results_path):
    module = SoftModule(keystore, Results(results_path, make=False))
    status = module.status()
    assert (status.sequence, status.alerts) == (None, ("storage",))
    assert unavailable(module.issue_credit, request_of()) == ("storage", True)
    module.close()

"""What of PrismToken's answers is believed, and what is kept of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.prism_stub import Change, Drop
from tests.unit.hsm.hsm_cases import NOW, REF04, TID, meter, request_of
from tests.unit.hsm.prism.prism_cases import ENTERED, SECOND, meter_of, unavailable
from vmsapp.hsm.drivers.prism.replies import WrongAnswer
from vmsapp.hsm.errors import (
    HsmTimeout,
    HsmUnavailable,
    ModuleRefused,
    NotSupported,
)
from vmsapp.sts.meter import Result

# --- what is believed ---


def spoilt(**fields):
    def by(tokens):
        for name, value in fields.items():
            setattr(tokens[-1], name, value)
        return tokens

    return Change(by)


def test_key_change_tokens_thrown_in_are_not_taken_for_the_credit(prism, stub):
    def with_set(tokens):
        config = stub.arguments("issueCreditToken")["meterConfig"]
        return [*stub.key_change(config, 201457, 2, 1), *tokens]

    stub.next("issueCreditToken", Change(with_set))
    token = prism.issue_credit(request_of(amount_field=77))
    assert token.token_class == 0
    meter_ = meter_of()
    assert meter_.enter(token.digits) is Result.ACCEPT
    assert (meter_.registers[0], meter_.krn) == (77, 1)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pan": "600727858282770056"}, "pan"),
        ({"drn": "58282770056"}, "drn"),
        ({"ea": 11}, "ea"),
        ({"tct": 1}, "tct"),
        ({"sgc": 201458}, "sgc"),
        ({"krn": 2}, "krn"),
        ({"ti": 2}, "ti"),
        ({"tokenClass": 2}, "tokens"),
        ({"subclass": 1}, "tokens"),
        ({"transferAmount": 2560.0}, "amount"),
        ({"transferAmount": 255.0}, "amount"),
        ({"transferAmount": 256.5}, "amount"),
        ({"transferAmount": float("nan")}, "amount"),
        ({"transferAmount": float("inf")}, "amount"),
        ({"isReservedTid": True}, "reserved"),
        ({"tid": -1}, "tid"),
        ({"tid": 1 << 24}, "tid"),
        ({"tid": 1441}, "tid"),
        ({"tid": TID + 11_045_280}, "base date"),
        ({"vkKcv": "000000"}, "kcv"),
        ({"tokenDec": "1234"}, "digits"),
        ({"tokenDec": "٠" * 20}, "digits"),
        ({"tokenHex": "0" * 17}, "digits"),
        ({"tokenDec": "9" * 20, "tokenHex": f"{10**20 - 1:017X}"}, "digits"),
        ({"tokenDec": "0" * 12 + "34217728"[:8], "tokenHex": f"{134217728 + 0:017X}"}, "digits"),
    ],
)  # fmt: skip
def test_an_answer_about_something_else_is_not_passed_on(prism, stub, fields, field):
    stub.next("issueCreditToken", spoilt(**fields))
    with pytest.raises(WrongAnswer) as wrong:
        prism.issue_credit(request_of(amount_field=256))
    assert wrong.value.field == field
    with pytest.raises(NotSupported):
        prism.cancel("sale-1-1")
    assert prism.journal(0, 10) == []


@pytest.mark.parametrize("by", [lambda _: [], lambda tokens: tokens * 2], ids=["none", "two"])
def test_a_list_without_the_one_token_is_not_believed(prism, stub, by):
    stub.next("issueCreditToken", Change(by))
    with pytest.raises(WrongAnswer):
        prism.issue_credit(request_of())


def test_an_amount_rounded_in_the_customers_favour_is_taken_as_it_came(prism, stub):
    """16,383 and the next step, 16,384: the field after 3FFFh is 4000h."""
    stub.next("issueCreditToken", spoilt(transferAmount=16_384.0))
    assert prism.issue_credit(request_of(amount_field=0x3FFF)).amount_field == 0x4000


def test_another_tid_is_told_as_it_is(prism, stub):
    stub.tid_shift = 3
    token = prism.issue_credit(request_of())
    assert token.tid == TID + 3
    assert prism.journal(0, 1)[0].tid == TID + 3
    assert prism.capabilities.assigns_tid


def test_a_tid_that_another_request_holds_is_told_all_the_same(prism, stub):
    prism.issue_credit(request_of("first", tid=TID))
    stub.tid_shift = -1
    token = prism.issue_credit(request_of("second", tid=TID + 1))
    assert token.tid == TID
    assert [entry.tid for entry in prism.journal(0, 9)] == [TID, None]


def test_a_key_of_another_base_date_in_the_service_is_seen(prism, stub):
    key = stub.keys[0]
    stub.keys[0] = replace(key, base_date=type(key.base_date)("93"))
    with pytest.raises(WrongAnswer) as wrong:
        prism.issue_credit(request_of())
    assert wrong.value.field == "base date"


# --- the record ---


def test_every_answer_is_in_the_journal_and_no_digits_are_in_any_file(prism, stub, tmp_path):
    token = prism.issue_credit(request_of())
    (entry,) = prism.journal(0, 10)
    assert (entry.number, entry.request_id, entry.operation) == (1, "sale-1-1", "credit")
    assert entry.tags == tuple(prism.tags([token.digits]))
    assert prism.status().sequence == 1
    files = [path for path in (tmp_path / "record").iterdir() if path.is_file()]
    assert len(files) >= 3
    for path in files:
        held = path.read_bytes()
        assert token.digits.encode() not in held
        assert int(token.digits).to_bytes(9, "big") not in held
        assert path.stat().st_mode & 0o077 == 0, f"{path.name} can be read by others"


def test_a_token_that_could_not_be_written_is_not_given(prism, stub, monkeypatch):
    def full(*args):
        raise HsmUnavailable("storage", sent=True)

    monkeypatch.setattr(prism._book, "issued", full)
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    monkeypatch.undo()
    assert prism.issue_credit(request_of()).digits == stub.made[0][0].tokenDec
    assert len(stub.made) == 1


def test_a_message_left_open_by_a_crash_is_asked_for_first(prism, open_prism, stub, monkeypatch):
    stub.next("issueCreditToken", Drop(after=True))
    monkeypatch.setattr(prism._messages, "end", lambda *_: None)  # it died before it could
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    after = open_prism(stub)
    assert after.issue_credit(request_of()).digits == stub.made[0][0].tokenDec
    assert len(stub.made) == 1


# --- keys ---


def test_what_a_keys_entry_limits_is_kept_and_holds(prism, stub):
    ref = replace(REF04, sgc="600675")
    entered = replace(
        ENTERED[0], ref=ref, kcv="ab12cd", active_from=NOW - timedelta(days=1),
        issue_until=NOW + timedelta(days=1), tenths_per_day=500, tokens_per_day=9, demo=True,
        protection="process",
    )  # fmt: skip
    prism.register_key(entered, actor="ann")
    kept = next(key for key in prism.list_keys() if key.ref == ref)
    assert kept == replace(entered, kcv="AB12CD", protection="hsm")
    stub.keys.append(replace(stub.keys[0], sgc="600675"))
    assert prism.issue_credit(request_of("a", meter=meter(ref), amount_field=400)).demo
    more = request_of("b", meter=meter(ref), amount_field=101, tid=TID + 1)
    assert unavailable(prism.issue_credit, more) == ("key_limit", True)


def test_keys_are_what_was_entered_and_answers_confirm_them(prism):
    assert prism.list_keys() == list(ENTERED)
    assert prism.confirmed(REF04) is None
    prism.issue_credit(request_of())
    assert prism.confirmed(REF04) == NOW
    assert prism.confirmed(SECOND) is None
    assert not prism.register_key(ENTERED[0], actor="ann"), "known already"
    other = replace(ENTERED[0], kcv="111111")
    with pytest.raises(ModuleRefused):
        prism.register_key(other, actor="ann")
    prism.remove_key(SECOND, actor="ann")
    with pytest.raises(KeyError):
        prism.remove_key(SECOND, actor="ann")
    assert len(prism.list_keys()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"kcv": ""},
        {"kcv": "GGGGGG"},
        {"ken": 256},
        {"ref": replace(REF04, sgc="12")},
        {"ref": replace(REF04, krn=0)},
        {"ref": replace(REF04, kt=4)},
        {"ref": replace(REF04, dkga="03")},
    ],
)
def test_a_key_that_cannot_be_is_not_entered(prism, wrong):
    with pytest.raises(ModuleRefused):
        prism.register_key(replace(ENTERED[0], **wrong), actor="ann")


def test_key_files_and_heads_are_not_for_this_module(prism):
    for call in (
        lambda: prism.inspect_keys(b""),
        lambda: prism.import_keys(b"", None, actor="ann"),
        lambda: prism.sign_head(1, bytes(32)),
        prism.last_head,
    ):
        with pytest.raises(NotSupported):
            call()
    with pytest.raises(NotSupported, match="TsmWeb"):
        prism.inspect_keys(b"")
    assert not prism.capabilities.can_import
    assert not prism.capabilities.signs_heads

"""The words of VSM/1: frames, exact values, refusals, proofs."""

import json
import socket
import threading
import time
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hsm.hsm_cases import NOW, REF04, change_of, engineering_of, meter, request_of
from vmsapp.errors import Uncertain
from vmsapp.hsm.answers import (
    Capabilities,
    IssuedToken,
    JournalEntry,
    KeyInfo,
    NotExecuted,
    Ping,
)
from vmsapp.hsm.columns import SetRun
from vmsapp.hsm.errors import (
    HeadBehind,
    HsmTimeout,
    HsmUnavailable,
    KeyFileRefused,
    KeystoreError,
    ModuleRefused,
    NotSupported,
    RequestReused,
)
from vmsapp.hsm.requests import CreditRequest, KeyChangeBatch, KeyRef, VerifyRequest
from vmsapp.hsm.wire import frames, ops
from vmsapp.hsm.wire.codec import NotOurProtocol, parse, read, reader_of, write
from vmsapp.hsm.wire.faults import Fault, code_of, error_of
from vmsapp.hsm.wire.frames import FrameRefused, Line, LineEnded
from vmsapp.hsm.wire.greeting import Meeting
from vmsapp.hsm.wire.ops import Changes
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes

TOKEN = IssuedToken("1" * 20, 0, 0, 7, 1, "7915C8", "VSM-3F2A91", "production", False)
KEY = KeyInfo(
    REF04, BaseDate.Y2014, 255, "7915C8", "Ouest 供电", False, NOW, None, 10, None, (("1", 2),)
)
CAN = Capabilities(frozenset({"sts6"}), frozenset({7}), True, False, True, True, 3)
LINE = JournalEntry(1, NOW, "sale-1", None, "credit", None, "14", 7, (b"\x00\xff", b""))


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    lines = Line(ours), theirs
    yield lines
    ours.close()
    theirs.close()


# frames


def test_a_frame_is_four_bytes_of_length_and_its_bytes(pair):
    line, other = pair
    line.send(b"{}", seconds=1)
    assert other.recv(100) == b"\x00\x00\x00\x02{}"
    other.sendall(b"\x00\x00\x00\x03abc\x00\x00\x00\x01d")
    assert line.receive(wait=1, finish=1) == b"abc"
    assert line.receive(wait=1, finish=1) == b"d"


@pytest.mark.parametrize("length", [b"\x00\x00\x00\x00", b"\x00\x01\x00\x01", b"\xff\xff\xff\xff"])
def test_a_length_outside_the_bounds_is_refused_before_anything_is_read(pair, length):
    line, other = pair
    other.sendall(length)
    with pytest.raises(FrameRefused):
        line.receive(wait=1, finish=1)


def test_a_long_frame_is_judged_by_its_first_bytes(pair):
    line, other = pair
    payload = bytes(range(256)) * 300
    threading.Thread(
        target=other.sendall, args=(len(payload).to_bytes(4, "big") + payload,), daemon=True
    ).start()
    seen = []

    def longer(begin):
        seen.append(begin)
        return 100_000

    assert line.receive(wait=1, finish=1, longer=longer) == payload
    assert seen == [payload[:128]]


@pytest.mark.parametrize("part", [b"\x00\x00", b"\x00\x00\x00\x09abc"])
def test_a_frame_that_stays_unfinished_is_given_up(pair, part):
    line, other = pair
    other.sendall(part)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        line.receive(wait=5, finish=0.1)
    assert time.monotonic() - began < 2
    other.close()


def test_the_end_is_noticed(pair):
    line, other = pair
    other.close()
    with pytest.raises(LineEnded):
        line.receive(wait=1, finish=1)


# values


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (CreditRequest, request_of()),
        (type(engineering_of()), engineering_of()),
        (type(change_of()), change_of()),
        (KeyChangeBatch, KeyChangeBatch("b", (change_of().change,) * 2, "production", NOW)),
        (VerifyRequest, VerifyRequest(meter(), "1" * 20, "production")),
        (KeyInfo, KEY),
        (JournalEntry, LINE),
        (tuple[IssuedToken, ...] | NotExecuted, (TOKEN, TOKEN)),
        (tuple[IssuedToken, ...] | NotExecuted, NotExecuted()),
        (tuple[tuple[IssuedToken, ...], ...], ((TOKEN,), ())),
        (Ping, Ping("VSM-1", "soft", "VSM/1", 0.1)),
        (Capabilities, CAN),
        (ops.Import, ops.Import(b"\x00\xff", SecretBytes(b"open"), "ann", False, True)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_sent_is_what_arrives(kind, value):
    assert read(kind, parse(write(value))) == value


def test_a_credit_request_looks_like_this():
    assert write(request_of()).decode() == (
        '{"request_id":"sale-1-1","meter":{"meter_pan":"600727000000000009","key":{"sgc":"201457",'
        '"krn":1,"kt":2,"dkga":"04"},"ti":"01","base_date":"14","ken":255,"ea":7,"tct":2},'
        '"subclass":0,"amount_field":1,"tid":85740,"rnd":5,"table_set":"production",'
        '"asked_at":"2026-11-22T12:00:00+00:00"}'
    )


def test_every_operation_can_be_written_down():
    for operation in ops.OPERATIONS.values():
        assert reader_of(operation.takes)
        assert reader_of(operation.gives)
        assert operation.roles
    assert len(ops.SHAPE) == 16


def changed(**members):
    return json.dumps(json.loads(write(REF04)) | members).encode()


@pytest.mark.parametrize(
    "data",
    [
        changed(krn=1.0),
        changed(krn="1"),
        changed(krn=True),
        changed(krn=None),
        changed(sgc=600675),
        changed(sgc=None),
        changed(sgc="\ud800"),
        changed(more=1),
        b'{"sgc":"1","krn":1,"kt":2}',
        b'{"sgc":"1","krn":1,"krn":1,"kt":2,"dkga":"04"}',
        b'{"sgc":"1","krn":1e2,"kt":2,"dkga":"04"}',
        b'{"sgc":"1","krn":NaN,"kt":2,"dkga":"04"}',
        b'{"sgc":"1","krn":' + b"9" * 5000 + b',"kt":2,"dkga":"04"}',
        b'["1",1,2,"04"]',
        b"null",
        b"",
        b"{",
        b"\xff\xfe",
        b'{"sgc":"1"}{"sgc":"1"}',
    ],
)
def test_anything_else_is_refused_and_not_shown(data):
    with pytest.raises(NotOurProtocol) as refused:
        read(KeyRef, parse(data))
    assert "600675" not in str(refused.value)


@pytest.mark.parametrize("mark", [b"[", b'{"a":'])
def test_depth_is_bounded(mark):
    with pytest.raises(NotOurProtocol, match="deep"):
        parse(mark * 60_000)
    closed = b"]" if mark == b"[" else b"}"
    with pytest.raises(NotOurProtocol, match="deep"):
        parse(mark * 1_000 + b"1" + closed * 1_000)


def test_quotes_without_end_cost_no_time():
    began = time.monotonic()
    with pytest.raises(NotOurProtocol):
        parse(b'"' + b'\\"' * 500_000)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "text", ["2026-11-22T12:00:00", "2026-11-22", "", "yesterday", "0001-01-01T00:00:00+23:00"]
)
def test_a_moment_has_its_zone(text):
    with pytest.raises(NotOurProtocol):
        read(datetime, text)
    east = datetime(2026, 11, 22, 15, 0, 0, 7, timezone(timedelta(hours=3)))
    assert read(datetime, parse(write(east))) == east
    assert read(datetime, parse(write(east))).tzinfo is UTC


@pytest.mark.parametrize("text", ["inf", "nan", "", "1,5", None])
def test_a_fraction_is_a_number(text):
    with pytest.raises(NotOurProtocol):
        read(float, text)


@given(st.binary(max_size=400))
def test_bytes_that_are_not_ours_are_refused(data):
    with pytest.raises(NotOurProtocol):
        read(CreditRequest, parse(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.data())
def test_a_request_with_anything_in_a_place_is_read_exactly_or_refused(value, data):
    plain = json.loads(write(request_of()))
    place = data.draw(st.sampled_from([plain, plain["meter"], plain["meter"]["key"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = value
    try:
        got = read(CreditRequest, parse(json.dumps(plain).encode()))
    except NotOurProtocol:
        return
    assert json.loads(write(got)).keys() == plain.keys()
    assert all(type(getattr(got, f.name)) is not float for f in fields(got))
    assert is_dataclass(got.meter)


# refusals


@pytest.mark.parametrize(
    "error",
    [
        *[ModuleRefused(reason) for reason in ModuleRefused.REASONS],
        ModuleRefused("tid_spent", highest_tid=7, row=0),
        *[HsmUnavailable(why, sent=sent) for why in HsmUnavailable.WHYS for sent in (True, False)],
        HsmUnavailable("busy", sent=False, wait_seconds=12.5),
        RequestReused(request_id="sale-1"),
        HeadBehind(place=12),
        NotSupported(),
        KeyFileRefused("target", target="VSM-2", module="VSM-1"),
        KeystoreError("passphrase"),
        HsmTimeout(),
    ],
    ids=repr,
)
def test_a_refusal_arrives_as_it_was(error):
    fault = read(Fault, parse(write(code_of(error))))
    again = error_of(fault)
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_a_key_that_is_not_there_is_told():
    assert isinstance(error_of(code_of(KeyError("x"))), KeyError)


def test_what_a_later_release_says_stays_in_its_family():
    later = error_of(Fault("refused.out_of_paper", {"highest_tid": "7", "row": True}))
    assert isinstance(later, ModuleRefused)
    assert (later.reason, later.highest_tid, later.row) == ("out_of_paper", None, None)
    later = error_of(Fault("unavailable.out_of_paper", {"sent": 0, "wait": "soon"}))
    assert isinstance(later, HsmUnavailable)
    assert (later.why, later.sent, later.wait_seconds) == ("protocol", True, None)
    assert isinstance(error_of(Fault("rule.new", {})), Uncertain)


@pytest.mark.parametrize("code", ["", ".", "gone", "gone.", "new.case", "refused.", "refused.<b>"])
def test_a_family_not_known_leaves_the_outcome_open(code):
    assert isinstance(error_of(Fault(code, {})), HsmTimeout)


@given(st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.text()))
def test_any_fault_is_some_refusal(code, values):
    assert isinstance(error_of(Fault(code, values)), Exception)
    for case in ("format", "target", "passphrase", "new"):
        refusal = error_of(Fault(f"file.{case}", values))
        assert isinstance(refusal, KeyFileRefused)
        assert str(refusal)


def test_an_error_that_is_not_ours_leaves_the_outcome_open():
    assert code_of(ValueError("12345678901234567890")) == Fault("open.", {})


# proofs


def test_a_proof_covers_each_part_and_the_side():
    secret = SecretBytes(b"s" * 32)
    known = Meeting("web", "VSM-1", b"1" * 32, b"2" * 32, b"3" * 32)
    others = [
        Meeting("we", "bVSM-1", b"1" * 32, b"2" * 32, b"3" * 32),
        Meeting("web", "VSM-2", b"1" * 32, b"2" * 32, b"3" * 32),
        Meeting("web", "VSM-1", b"0" * 32, b"2" * 32, b"3" * 32),
        Meeting("web", "VSM-1", b"1" * 32, b"0" * 32, b"3" * 32),
        Meeting("web", "VSM-1", b"1" * 32, b"2" * 32, b"0" * 32),
    ]
    proofs = {meeting.client_proof(secret) for meeting in [known, *others]}
    assert len(proofs) == 6
    assert known.server_proof(secret) not in proofs
    assert known.client_proof(SecretBytes(b"t" * 32)) not in proofs


def test_the_limits_are_those_of_the_protocol():
    assert {o.limit for o in ops.OPERATIONS.values()} == {65_536, 1_048_576, 8_388_608}
    long = {o.name for o in ops.OPERATIONS.values() if o.limit > frames.SMALL}
    assert long == {"inspectKeys", "importKeys", "issueKeyChanges"}


def test_the_longest_campaign_fits():
    batch = KeyChangeBatch("c" * 40, (change_of().change,) * 16_000, "production", NOW)
    assert len(write(Changes.of(batch))) + 100 < frames.CAMPAIGN
    token = IssuedToken("1" * 20, 2, 10, None, None, "7915C8", "VSM-3F2A91", "production", False)
    assert len(write(token)) * 4 * 16_000 < frames.CAMPAIGN_ANSWER
    alone = SetRun((token,) * 4, [["1" * 20]] * 4)
    assert len(write(alone)) * 16_000 < frames.CAMPAIGN_ANSWER


@pytest.mark.parametrize("digits", [[], [["1"]], [["1"], ["2"], ["3"]], [["1"], []]])
def test_sets_whose_columns_do_not_go_together_are_not_read(digits):
    token = IssuedToken("", 2, 3, None, None, "7915C8", "VSM-3F2A91", "production", False)
    sent = json.loads(write(SetRun((token, token), [["1"], ["2"]])))
    assert read(SetRun, sent).digits == (("1",), ("2",))
    with pytest.raises(NotOurProtocol, match="do not go together"):
        read(SetRun, sent | {"digits": digits})

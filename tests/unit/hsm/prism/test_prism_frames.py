"""What goes over the wire, byte by byte, and what is done with bytes that should not."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.thrift import TMessageType, TType
from thriftpy2.transport import TMemoryBuffer

from tests.unit.hsm.hsm_cases import meter
from vmsapp.hsm.drivers.prism import frames
from vmsapp.hsm.drivers.prism.frames import BadFrame, DeviceRefused
from vmsapp.hsm.drivers.prism.orders import meter_config

# Recorded: ping(0, "hi") with sequence number 7, and a server that answers 0 to any number.
CALL = "00000021 80010001 00000004 70696e67 00000007 08 0001 00000000 0b 0002 00000002 6869 00"
ANSWER = "0000001a 80010002 00000004 70696e67 00000000 0b 0000 00000002 6869 00"

STRING, BOOL, I16, I32, I64, DOUBLE = "sbhilg"
IDL = {
    "SessionOptions": {1: STRING, 10: STRING},
    "SignInResult": {1: STRING},
    "ApiException": {1: STRING, 2: STRING},
    "Alert": {1: STRING, 2: STRING},
    "MeterConfigAmendment": {1: I32, 2: I16, 3: I16},
    "MeterConfigIn": {
        1: STRING, 2: I16, 3: I16, 10: I32, 11: I16, 12: I16, 20: "S", 21: BOOL, 30: I16,
        31: STRING, 32: BOOL, 33: BOOL,
    },
    "MeterConfigAdvice": {
        1: I32, 2: I16, 3: I16, 4: I16, 10: STRING, 11: STRING, 20: BOOL, 21: STRING,
    },
    "Token": {
        1: STRING, 2: STRING, 3: I16, 4: I16, 5: I32, 6: I16, 7: I16, 10: I16, 11: I16, 12: I32,
        13: DOUBLE, 14: BOOL, 15: "S", 20: STRING, 21: STRING, 22: STRING, 23: STRING, 30: STRING,
        31: STRING, 40: STRING, 41: STRING,
    },
    "MeterTestToken": {
        1: STRING, 2: STRING, 10: I16, 11: I16, 12: I64, 13: I16, 20: STRING, 30: STRING,
        31: STRING,
    },
    "VerifyResult": {1: STRING, 2: "S", 3: "S"},
    "NodeStatus": {1: "M", 2: "L"},
}  # fmt: skip
"""Numbers and types of all fields, as the interface's description has them."""
LETTERS = {
    TType.STRING: STRING, TType.BOOL: BOOL, TType.I16: I16, TType.I32: I32, TType.I64: I64,
    TType.DOUBLE: DOUBLE, TType.STRUCT: "S", TType.MAP: "M", TType.LIST: "L",
}  # fmt: skip
OPTIONAL = {
    "SessionOptions": {10}, "MeterConfigIn": {20, 21, 31, 32, 33}, "Token": {15},
    "VerifyResult": {2, 3},
}  # fmt: skip


def message(text):
    return bytes.fromhex(text)[4:]


def answer_of(method, result):
    """A message of the Thrift library's own making."""
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.write_message_begin(method, TMessageType.REPLY, 0)
    getattr(frames.api.TokenApi, f"{method}_result")(success=result).write(protocol)
    return buffer.getvalue()


def test_the_recorded_call_is_written_byte_by_byte():
    assert frames.call("ping", 7, sleepMs=0, echo="hi") == bytes.fromhex(CALL)


def test_the_recorded_answer_is_read():
    assert frames.length(bytes.fromhex(ANSWER)[:4]) == len(message(ANSWER))
    assert frames.answer("ping", 7, message(ANSWER)) == "hi"


@pytest.mark.parametrize("struct_", IDL)
def test_every_field_has_the_number_and_type_of_the_interface(struct_):
    spec = getattr(frames.api, struct_).thrift_spec
    assert {number: LETTERS[field[0]] for number, field in spec.items()} == IDL[struct_]
    optional = {number for number, field in spec.items() if not field[-1]}
    assert optional == OPTIONAL.get(struct_, set())


def test_a_service_method_takes_its_arguments_in_the_interfaces_order():
    spec = frames.api.TokenApi.issueCreditToken_args.thrift_spec
    assert [spec[number][1] for number in range(1, 8)] == [
        "messageId", "accessToken", "meterConfig", "subclass", "transferAmount", "tokenTime",
        "flags",
    ]  # fmt: skip
    assert spec[6][0] == spec[7][0] == TType.I64
    assert spec[5][0] == TType.DOUBLE


def test_neither_permission_to_change_a_key_unasked_is_left_to_the_service():
    sent = frames.call(
        "verifyToken", 1, messageId="m", accessToken="t", meterConfig=meter_config(meter()),
        tokenDec="0" * 20,
    )  # fmt: skip
    assert bytes.fromhex("02 0015 00") in sent, "allowKrnUpdate, false"
    assert bytes.fromhex("02 0021 00") in sent, "allowKenUpdate, false"
    assert bytes.fromhex("0c 0014") not in sent, "newConfig"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ANSWER.replace("70696e67", "70696e68"), "of another method"),
        (ANSWER.replace("67 00000000 0b", "67 00000009 0b"), "of another number"),
        (ANSWER.replace("80010002", "80010001"), "a call"),
        (ANSWER.replace("80010002", "80010003"), "the library's own exception"),
        (ANSWER.replace("80010002", "00010002"), "of the old protocol"),
        (ANSWER.replace("00000002 6869", "7fffffff 6869"), "text longer than the frame"),
        (ANSWER.replace("00000002 6869", "ffffffff 6869"), "text of a negative length"),
        (ANSWER.replace("6869 00", "ffff 00"), "text that is none"),
        (ANSWER.replace("0b 0000", "0b 0005"), "a field nobody knows in place of the result"),
        (ANSWER[:-3], "cut short"),
        (ANSWER + " 00", "more than a message"),
    ],
)
def test_what_is_no_answer_to_the_call_is_refused(text, why):
    with pytest.raises(BadFrame):
        frames.answer("ping", 7, message(text))


def test_a_field_that_must_be_there_must_be_there():
    whole = frames.api.SignInResult(accessToken="a")
    assert frames.answer("signInWithPassword", 1, answer_of("signInWithPassword", whole)) == whole
    empty = answer_of("signInWithPassword", frames.api.SignInResult())
    with pytest.raises(BadFrame):
        frames.answer("signInWithPassword", 1, empty)


def test_a_code_in_place_of_a_result_is_told_without_its_sentence():
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.write_message_begin("ping", TMessageType.REPLY, 0)
    said = frames.api.ApiException(eCode="ESm", eMsgEn="a secret sentence")
    frames.api.TokenApi.ping_result(ex1=said).write(protocol)
    with pytest.raises(DeviceRefused) as refused:
        frames.answer("ping", 1, buffer.getvalue())
    assert refused.value.code == "ESm"
    assert "sentence" not in repr(refused.value)


@pytest.mark.parametrize("size", [0, 256 * 1024 + 1, 2**31 - 1, 2**32 - 1])
def test_a_frame_of_no_answers_length_is_refused_before_it_is_read(size):
    with pytest.raises(BadFrame):
        frames.length(struct.pack("!I", size))


HEAD = "80010002 00000009 676574537461747573 00000000"


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "body",
    [
        "0f 0000 00 7fffffff 00",  # a list of two billion nothings
        "0f 0000 02 7fffffff 00",  # of two billion truths, none of them there
        "0f 0063 0c 00001000 " + "00" * 4095 + "00",  # one element short
        "0d 0063 0b 0b 00002000 " + "00000000" * 16384 + "00",  # a map of too many
        "0c 0063 " * 5000 + "00" * 5001,  # structs in structs
        "0f 0063 0f 00000001 " * 5000 + "00",
        "11 0063 00",  # a type there is not
    ],
    ids=["nothings", "truths", "short", "map", "structs", "lists", "type"],
)
def test_counts_and_depths_that_do_not_fit_are_refused_at_once(body):
    with pytest.raises(BadFrame):
        frames.answer("getStatus", 1, bytes.fromhex(HEAD + body))


def test_a_list_of_more_than_any_answer_has_is_not_built():
    nodes = [frames.api.NodeStatus(info={}, alerts=[])] * 4097
    assert len(frames.answer("getStatus", 1, answer_of("getStatus", nodes[1:]))) == 4096
    with pytest.raises(BadFrame):
        frames.answer("getStatus", 1, answer_of("getStatus", nodes))


@pytest.mark.timeout(120)
@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_do_anything_but_refuse(data):
    with pytest.raises(BadFrame):
        frames.answer("ping", 1, data)


STATUS = answer_of(
    "getStatus",
    [
        frames.api.NodeStatus(
            info={"smpd.Tps": "3", "ModuleId": "x"},
            alerts=[frames.api.Alert(eCode="ESm", eMsgEn="no")],
        )
    ],
)


@pytest.mark.timeout(120)
@given(st.lists(st.tuples(st.integers(0, len(STATUS) - 1), st.integers(0, 255)), max_size=6))
def test_a_spoilt_answer_is_an_answer_or_refused(changes):
    spoilt = bytearray(STATUS)
    for place, byte in changes:
        spoilt[place] = byte
    with contextlib.suppress(BadFrame, DeviceRefused):
        assert isinstance(frames.answer("getStatus", 1, bytes(spoilt)), list)

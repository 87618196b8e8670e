"""The module server among those who do not mean well, and how it stops."""

import json
import socket
import ssl
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.hsm.hsm_cases import DIGITS, request_of
from tests.unit.hsm.serving import QUICK, Stranger, Watched, served
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.server.desk import Client
from vmsapp.hsm.server.service import STRANGERS_MAX
from vmsapp.hsm.wire import frames
from vmsapp.hsm.wire.codec import write
from vmsapp.hsm.wire.ops import Role
from vmsapp.sts.secret import SecretBytes

SECRET = SecretBytes(b"another secret of at least 32 bytes")


@pytest.fixture
def watched(soft):
    return Watched(soft)


@pytest.fixture
def running(watched, tmp_path):
    with served(watched, tmp_path / "server") as server:
        yield server


@pytest.fixture
def stranger(running):
    with closing(Stranger(running.account)) as met:
        yield met


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value


def ask(op, args=None, n=1):
    return {"t": "req", "n": n, "op": op, "args": args or {}}


def test_a_frame_that_is_too_long_ends_the_connection(stranger):
    stranger.come_in()
    stranger.socket.sendall(
        (frames.SMALL + 1).to_bytes(4, "big") + b'{"t":"req","n":1,' + b" " * 200
    )
    assert stranger.ended()


@pytest.mark.parametrize(
    ("op", "length"),
    [("issueCredit", 65_537), ("importKeys", 1_048_577), ("issueKeyChanges", 8_388_609)],
)
def test_each_operation_has_its_own_limit(stranger, op, length):
    stranger.come_in()
    begin = b'{"t":"req","n":1,"op":"%s","args":{' % op.encode()
    stranger.socket.sendall(length.to_bytes(4, "big") + begin.ljust(200))
    assert stranger.ended()


def test_who_may_not_ask_it_may_not_send_it_either(soft, tmp_path):
    one = Client("one", frozenset({Role.AUDITOR}), secret=SECRET)
    times = replace(QUICK, frame=30.0)
    with served(soft, tmp_path / "server", more=(one,), times=times) as running:
        account = replace(running.account, client="one", secret=SECRET)
        with closing(Stranger(account)) as known:
            known.come_in()
            begin = b'{"t":"req","n":1,"op":"issueKeyChanges","args":{'
            known.socket.sendall((100_000).to_bytes(4, "big") + begin.ljust(200))
            assert known.ended(seconds=10), "long before the rest is due"


def test_a_greeting_is_short(stranger):
    stranger.socket.sendall((frames.GREETING + 1).to_bytes(4, "big") + b" " * 200)
    assert stranger.ended()


def test_long_requests_that_never_come_take_no_memory(soft, tmp_path):
    times = replace(QUICK, frame=1.0)
    begin = b'{"t":"req","n":1,"op":"issueKeyChanges","args":{'
    with served(soft, tmp_path / "server", times=times) as running:
        several = [Stranger(running.account) for _ in range(10)]
        try:
            for each in several:
                each.come_in()
            tracemalloc.start()
            for each in several:
                each.socket.sendall(frames.CAMPAIGN.to_bytes(4, "big") + begin.ljust(1000))
            assert running.module().ping().protocol == "VSM/1"
            assert all(each.ended(seconds=20) for each in several)
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()
            for each in several:
                each.close()


def test_of_too_many_who_say_nothing_the_oldest_make_room(soft, tmp_path):
    with served(soft, tmp_path / "server", times=replace(QUICK, handshake=30)) as running:
        address = (running.account.host, running.account.port)
        silent = [socket.create_connection(address) for _ in range(STRANGERS_MAX + 20)]
        try:
            assert running.module().ping().protocol == "VSM/1"
            for each in silent[:20]:
                each.settimeout(5)
                assert each.recv(1) == b""
            silent[-1].settimeout(0.2)
            with pytest.raises(TimeoutError):
                silent[-1].recv(1)
        finally:
            for each in silent:
                each.close()


def test_those_who_say_nothing_are_hung_up_on(soft, tmp_path):
    with (
        served(soft, tmp_path / "server", times=replace(QUICK, handshake=0.3)) as running,
        socket.create_connection((running.account.host, running.account.port)) as silent,
    ):
        silent.settimeout(5)
        assert silent.recv(1) == b""


def drip(to, data):
    for byte in data:
        to.sendall(bytes([byte]))
        time.sleep(0.02)


def test_a_request_that_drips_is_given_up(soft, tmp_path):
    with served(soft, tmp_path / "server", times=replace(QUICK, frame=0.5)) as running:
        with closing(Stranger(running.account)) as slow:
            slow.come_in()
            began = time.monotonic()
            with pytest.raises((ConnectionError, ssl.SSLError)):
                drip(slow.socket, (1000).to_bytes(4, "big") + b"{" * 500)
            assert time.monotonic() - began < 5
        assert running.module().ping().protocol == "VSM/1"


def test_who_is_idle_too_long_is_hung_up_on(soft, tmp_path):
    with (
        served(soft, tmp_path / "server", times=replace(QUICK, idle=0.2)) as running,
        closing(Stranger(running.account)) as idle,
    ):
        idle.come_in()
        assert idle.ended(seconds=3)


def test_who_was_in_for_long_greets_anew(soft, tmp_path):
    with (
        served(soft, tmp_path / "server", times=replace(QUICK, ttl=0.3)) as running,
        closing(Stranger(running.account)) as guest,
    ):
        guest.come_in()
        assert guest.ended(seconds=3)


FUZZ = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
PLACES = ["t", "n", "op", "args", "more"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def answered_or_ended(stranger):
    """The server says that it does not understand, or hangs up; it never just waits."""
    try:
        said = stranger.hear(seconds=5)
    except ConnectionError:
        return True
    return said["t"] == "err" or said["res"]["protocol"] == "VSM/1"


@FUZZ
@given(st.binary(min_size=1, max_size=3000))
def test_bytes_of_any_kind_end_the_connection(running, data):
    with closing(Stranger(running.account)) as odd:
        odd.come_in()
        odd.say(data)
        assert answered_or_ended(odd)


@FUZZ
@given(st.sampled_from(PLACES), JSON)
def test_requests_with_anything_in_a_place_are_refused(running, watched, place, value):
    with closing(Stranger(running.account)) as odd:
        odd.come_in()
        odd.say(json.dumps(ask("ping") | {place: value}).encode())
        assert answered_or_ended(odd)


@FUZZ
@given(st.data())
def test_arguments_with_anything_in_a_place_never_reach_the_module(running, watched, data):
    plain = json.loads(write(request_of()))
    place = data.draw(st.sampled_from([plain, plain["meter"], plain["meter"]["key"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(JSON.filter(lambda value: type(value) is not type(place[name])))
    before = watched.asked.count("issue_credit")
    with closing(Stranger(running.account)) as odd:
        odd.come_in()
        odd.say(json.dumps(ask("issueCredit", plain)).encode())
        assert answered_or_ended(odd)
    assert watched.asked.count("issue_credit") == before


@FUZZ
@given(st.binary(min_size=1, max_size=300))
def test_greetings_of_any_kind_are_refused(running, data):
    with closing(Stranger(running.account)) as odd:
        odd.say(data)
        assert odd.ended()


# stopping


def test_what_is_under_way_is_finished_before_it_stops(watched, tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(20)

    watched.before["issue_credit"] = wait
    with served(watched, tmp_path / "server") as running, ThreadPoolExecutor(2) as pool:
        idle = running.module()
        idle.ping()
        token = pool.submit(running.module().issue_credit, request_of())
        assert begun.wait(20)
        stopped = pool.submit(running.server.stop)
        while not unavailable_at(running.account):
            time.sleep(0.01)
        assert not stopped.done()
        go_on.set()
        assert token.result(20).digits == DIGITS
        assert stopped.result(20) is True


def unavailable_at(account):
    try:
        socket.create_connection((account.host, account.port), 1).close()
    except OSError:
        return True
    return False

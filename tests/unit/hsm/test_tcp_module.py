"""The client of a module server: what it says of a bad line, and that nothing is made twice."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from tests.unit.hsm.hsm_cases import (
    CHEAP_N,
    DIGITS,
    NOW,
    REF04,
    TID,
    engineering_of,
    key,
    request_of,
)
from tests.unit.hsm.serving import QUICK, Relay, Watched, served
from vmsapp.errors import Uncertain
from vmsapp.hsm.answers import Cancelled, NotExecuted
from vmsapp.hsm.drivers import tcp, tcp_link
from vmsapp.hsm.drivers.locked import LockedModule
from vmsapp.hsm.errors import (
    HsmTimeout,
    HsmUnavailable,
    KeyFileRefused,
    ModuleRefused,
)
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_file.writing import write as write_key_file
from vmsapp.hsm.key_source import OWN
from vmsapp.hsm.server.identity import identity_in
from vmsapp.hsm.server.service import server_tls
from vmsapp.hsm.wire import frames, ops
from vmsapp.hsm.wire.codec import parse, read, write
from vmsapp.hsm.wire.frames import Line
from vmsapp.hsm.wire.greeting import Answer, Auth, Hello, Meeting, Welcome
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def watched(soft):
    return Watched(soft)


@pytest.fixture
def running(watched, tmp_path):
    with served(watched, tmp_path / "server") as server:
        yield server


@pytest.fixture
def relay(running):
    with closing(Relay(running.account.host, running.account.port)) as between:
        yield between


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value


def seconds_for(monkeypatch, name, seconds):
    operation = replace(ops.OPERATIONS[name], seconds=seconds)
    monkeypatch.setitem(ops.OPERATIONS, name, operation)


# what it says of a line that is bad before anything was asked


def listening(answer):
    """Somebody else's server: it does ``answer`` with the first connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            answer(connection)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def test_nobody_listens(running):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = unavailable(running.module(port=port).issue_credit, request_of())
    assert (error.why, error.sent) == ("refused", False)


def test_somebody_listens_who_does_not_speak_tls(running):
    port = listening(lambda c: (c.recv(100), c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    error = unavailable(running.module(port=port).issue_credit, request_of())
    assert (error.why, error.sent) == ("not_tls", False)


def test_somebody_listens_who_says_nothing(running, monkeypatch):
    monkeypatch.setattr(tcp_link, "CONNECT_SECONDS", 0.3)
    done = threading.Event()
    port = listening(lambda _: done.wait(10))
    error = unavailable(running.module(port=port).issue_credit, request_of())
    done.set()
    assert (error.why, error.sent) == ("no_answer", False)


def test_somebody_listens_who_hangs_up(running):
    port = listening(lambda c: c.recv(100))
    error = unavailable(running.module(port=port).issue_credit, request_of())
    assert (error.why, error.sent) == ("broken_off", False)


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00\x00\x02{}",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x04SSH-",
        b'\x00\x00\x00\x24{"t":"hello","v":2,"shape":"","more":1}'[:40],
    ],
)
def test_somebody_speaks_another_protocol(running, tmp_path, said):
    identity = identity_in(tmp_path / "other", name="other")
    context = server_tls(identity, None)

    def answer(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(said)
            secure.recv(100)

    other = running.module(port=listening(answer), fingerprint=identity.fingerprint)
    error = unavailable(other.issue_credit, request_of())
    assert (error.why, error.sent) == ("protocol", False)


class Liar:
    """Has the server's certificate and key, but not the secret: it says what it likes."""

    def __init__(self, running, mac=None, n=1):
        self._running, self._mac, self._n = running, mac, n
        self.port = listening(self._answer)

    def _answer(self, connection):
        context = server_tls(self._running.identity, None)
        account = self._running.account
        with context.wrap_socket(connection, server_side=True) as secure:
            line = Line(secure)
            line.send(write(Hello("hello", 1, ops.SHAPE, "VSM-1", bytes(32), ("psk",))), seconds=5)
            auth = read(Auth, parse(line.receive(wait=5, finish=5)))
            meeting = Meeting(account.client, "VSM-1", bytes(32), auth.nc, account.fingerprint)
            mac = meeting.server_proof(account.secret) if self._mac is None else self._mac
            line.send(write(Welcome("ok", mac, (), 60, OWN)), seconds=5)
            with suppress(OSError):
                line.receive(wait=5, finish=5)
                line.send(write(Answer("rep", self._n, None)), seconds=5)


@pytest.mark.parametrize("mac", [b"", bytes(32)])
def test_a_server_that_does_not_know_the_secret_is_not_believed(running, mac):
    error = unavailable(running.module(port=Liar(running, mac).port).last_head)
    assert (error.why, error.sent) == ("secret", False)


def test_the_answer_to_another_request_is_not_believed(running):
    assert running.module(port=Liar(running).port).last_head() is None
    error = unavailable(running.module(port=Liar(running, n=2).port).last_head)
    assert (error.why, error.sent) == ("protocol", True)


def test_another_release_is_noticed_before_anything_is_asked(running, watched, monkeypatch):
    before = list(watched.asked)
    monkeypatch.setattr(tcp_link, "SHAPE", "another")
    error = unavailable(running.module().issue_credit, request_of())
    assert (error.why, error.sent) == ("protocol", False)
    assert watched.asked == before


def test_a_name_nobody_knows(running):
    error = unavailable(running.module(host="no.such.host.invalid").ping)
    assert (error.why, error.sent) == ("unreachable", False)


def test_another_module_behind_the_address_is_noticed(running):
    assert running.module(module_id=running.module().ping().module_id).ping()
    error = unavailable(running.module(module_id="VSM-OTHER").ping)
    assert (error.why, error.sent) == ("unknown_module", False)


# what it says of a line that breaks with a request under way


def test_an_answer_that_is_lost_leaves_the_outcome_open_and_is_given_again(
    running, relay, watched, soft
):
    module = running.module(port=relay.port)
    # It has greeted by then: the answer is what is lost.
    watched.before["issue_credit"] = lambda: setattr(relay, "deaf", True)
    with pytest.raises(HsmTimeout):
        module.issue_credit(request_of())
    assert watched.asked.count("issue_credit") == 1
    relay.deaf = False
    watched.before.clear()
    assert module.fetch_result("sale-1-1")[0].digits == DIGITS
    assert module.issue_credit(request_of()).digits == DIGITS
    assert len(soft.journal(0, 10)) == 1


def test_what_only_asks_is_unavailable_when_its_answer_is_lost(running, relay, watched):
    module = running.module(port=relay.port)
    watched.before["list_keys"] = lambda: setattr(relay, "deaf", True)
    error = unavailable(module.list_keys)
    assert error.why == "broken_off"
    assert error.sent is True


def test_no_answer_in_time_leaves_the_outcome_open(running, watched, monkeypatch):
    seconds_for(monkeypatch, "issueCredit", 0.3)
    go_on = threading.Event()
    watched.before["issue_credit"] = lambda: go_on.wait(10)
    module = running.module()
    with pytest.raises(Uncertain):
        module.issue_credit(request_of())
    go_on.set()
    watched.before.clear()
    seconds_for(monkeypatch, "issueCredit", 10)
    assert module.issue_credit(request_of()).digits == DIGITS


def test_a_late_answer_is_never_taken_for_the_next_ones(running, watched, monkeypatch):
    seconds_for(monkeypatch, "issueCredit", 0.3)
    watched.before["issue_credit"] = lambda: time.sleep(0.6)
    module = running.module(connections=1)
    with pytest.raises(HsmTimeout):
        module.issue_credit(request_of())
    watched.before.clear()
    seconds_for(monkeypatch, "issueCredit", 10)
    other = module.issue_credit(request_of("sale-2", tid=TID + 1))
    assert other.tid == TID + 1


def test_a_connection_that_died_meanwhile_is_noticed_before_anything_is_sent(watched, tmp_path):
    folder = tmp_path / "server"
    with served(watched, folder, times=replace(QUICK, idle=0.5)) as running:
        module = running.module()
        module.ping()
        time.sleep(1.2)
        with pytest.raises(KeyFileRefused):  # it arrived, and it is never tried twice
            module.import_keys(b"{}", SecretBytes(b"open"), actor="ann")
    assert watched.asked.count("import_keys") == 1


def test_a_connection_left_in_the_middle_is_not_used_again(running, relay, monkeypatch):
    module = running.module(port=relay.port, connections=1)
    module.ping()
    (kept,) = module._pool()._idle
    monkeypatch.setattr(kept._line, "receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        module.issue_credit(request_of())
    assert module.issue_credit(request_of("sale-2", tid=TID + 1)).tid == TID + 1
    assert relay.taken == 2


def interrupt(*_args, **_options):
    raise KeyboardInterrupt


def test_a_kept_connection_that_dies_under_the_request_is_tried_once_more(
    running, relay, soft, monkeypatch
):
    module = running.module(port=relay.port)
    module.ping()
    relay.mute = True  # the next bytes end the connection
    link = tcp_link.Link

    def healed(account):
        relay.mute = False
        return link(account)

    monkeypatch.setattr(tcp_link, "Link", healed)
    assert module.issue_credit(request_of()).digits == DIGITS
    assert relay.taken == 2
    assert len(soft.journal(0, 10)) == 1


def test_a_second_try_that_fails_does_not_hide_the_first(running, relay):
    module = running.module(port=relay.port)
    module.ping()
    relay.mute = True
    with pytest.raises(HsmTimeout):  # both were handed over whole; either may have arrived
        module.issue_credit(request_of())
    relay.mute = False
    module.close()
    assert module.fetch_result("sale-1-1") == NotExecuted()
    module.ping()
    relay.mute = True
    error = unavailable(module.list_keys)
    assert error.sent is True


def test_what_may_not_be_done_twice_is_not_tried_again(running, relay, watched, monkeypatch):
    module = running.module(port=relay.port)
    module.ping()
    relay.mute = True
    link = tcp_link.Link

    def healed(account):
        relay.mute = False
        return link(account)

    monkeypatch.setattr(tcp_link, "Link", healed)
    with pytest.raises(HsmTimeout):
        module.import_keys(b"file", SecretBytes(b"open"), actor="ann")
    assert "import_keys" not in watched.asked


def test_all_connections_in_use_is_told_as_not_sent(running, watched, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    watched.before["issue_credit"] = lambda: (begun.set(), go_on.wait(10))
    module = running.module(connections=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(module.issue_credit, request_of())
        assert begun.wait(10)
        seconds_for(monkeypatch, "issueEngineering", 0.1)
        error = unavailable(module.issue_engineering, engineering_of())
        go_on.set()
        assert first.result(10).digits == DIGITS
    assert (error.why, error.sent) == ("busy", False)
    assert "issue_engineering" not in watched.asked


# what it is


def test_connections_are_made_when_needed_and_kept(running, relay):
    module = running.module(port=relay.port)
    assert module.capabilities.at_once == 8
    assert relay.taken == 0
    for _ in range(3):
        module.status()
    assert relay.taken == 1
    assert (module.status().driver, module.ping().driver) == ("tcp", "tcp")
    assert module.ping().latency_ms > 0
    module.close()
    module.status()
    assert relay.taken == 2


def test_a_child_process_makes_connections_of_its_own(running, relay, soft):
    module = running.module(port=relay.port)
    module.issue_credit(request_of())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        told = module.issue_credit(request_of("sale-2", tid=TID + 1)).digits
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read().decode() == soft.fetch_result("sale-2")[0].digits
    assert os.waitpid(child, 0)[1] == 0
    assert module.issue_credit(request_of("sale-3", tid=TID + 2)).tid == TID + 2
    assert relay.taken == 2


def test_it_can_do_what_the_module_behind_can(running, watched):
    class Weak:
        def __getattr__(self, name):
            return getattr(watched.inner, name)

        @property
        def capabilities(self):
            can = watched.inner.capabilities
            return replace(can, can_cancel=False, assigns_tid=True, at_once=1)

    assert running.module().capabilities.can_cancel
    with served(Weak(), running.identity.key.parent.parent / "weak") as weak:
        module = weak.module()
        module.ping()
        can = module.capabilities
        assert (can.can_cancel, can.assigns_tid, can.at_once) == (False, True, 1)


def test_a_locked_module_says_so_and_nothing_was_done(tmp_path):
    with served(LockedModule("VSM-1"), tmp_path / "server") as running:
        module = running.module()
        assert module.status().locked is True
        assert unavailable(module.issue_credit, request_of()).why == "locked"
        assert unavailable(module.cancel, "sale-1-1").why == "locked"


def test_refusals_arrive_as_they_are(running):
    module = running.module()
    module.issue_credit(request_of())
    with pytest.raises(ModuleRefused) as refused:
        module.issue_credit(request_of("sale-2"))
    assert (refused.value.reason, refused.value.highest_tid) == ("tid_spent", TID)
    assert module.cancel("sale-3") == Cancelled()
    with pytest.raises(KeyFileRefused) as no_file:
        module.inspect_keys(b"{}")
    assert no_file.value.why == "format"


def key_file(count):
    more = [key(replace(REF04, sgc=f"{n:06d}"), f"{n:040x}") for n in range(1, count)]
    return write_key_file(
        [key(replace(REF04, krn=9), "09" * 20), *more], SecretBytes(b"open"), created=NOW,
        scrypt_n=CHEAP_N,
    )  # fmt: skip


def test_a_key_file_longer_than_a_frame_is_taken_in(soft, tmp_path):
    blob = key_file(400)
    assert len(blob) > frames.SMALL
    with served(soft, tmp_path / "server") as running:
        module = running.module()
        assert len(module.inspect_keys(blob).keys) == 400
        with pytest.raises(KeyFileRefused) as wrong:
            module.import_keys(blob, SecretBytes(b"wrong"), actor="ann")
        assert wrong.value.why == "passphrase"
        report = module.import_keys(blob, SecretBytes(b"open"), actor="ann")
        assert (report.done, len(report.verdicts)) == (True, 400)
        assert len(module.list_keys()) == 402
        module.remove_key(replace(REF04, krn=9), actor="ann")
        with pytest.raises(KeyError):
            module.remove_key(replace(REF04, krn=9), actor="ann")


def test_a_key_file_may_wait_for_a_second_custodian(keystore, open_soft, tmp_path):
    waiting = Pending(tmp_path / "pending")
    with served(open_soft(pending=waiting), tmp_path / "server") as running:
        report = running.module().import_keys(key_file(1), SecretBytes(b""), actor="ann")
        assert (report.done, report.waits_for_second) == (False, True)
    assert [each.by for each in waiting.all()] == ["ann"]
    assert keystore.keys() == []


def test_the_journal_comes_whole_in_several_answers(running, soft, monkeypatch):
    monkeypatch.setattr(ops, "JOURNAL_LINES", 2)
    made = [soft.issue_credit(request_of(f"sale-{i}", tid=TID + i + 1)) for i in range(7)]
    module = running.module()
    entries = module.journal(0, 6)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert module.journal(5, 100) == soft.journal(5, 100)
    monkeypatch.setattr(tcp, "ENTRIES", 3)
    assert [entry.number for entry in module.journal(0, 6)] == [1, 2, 3, 4], "and goes on there"
    assert [entry.number for entry in module.journal(4, 6)] == [5, 6, 7]
    monkeypatch.setattr(ops, "TAGS_AT_ONCE", 3)
    digits = [token.digits for token in made]
    assert module.tags(digits) == soft.tags(digits)

"""The way to the service: always TLS, to the one we know, each failure by its own name."""

import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from tests.prism_stub import PASSWORD, USER, Code, Identity, Raw, Slow
from tests.unit.hsm.hsm_cases import PAN, TID, request_of
from tests.unit.hsm.prism.prism_cases import ENTERED, unavailable
from vmsapp.hsm.drivers.prism import wire
from vmsapp.hsm.drivers.prism.link import CONNECTIONS_MAX, Link, Login
from vmsapp.hsm.drivers.prism.wire import Endpoint
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.sts.secret import SecretBytes

FINGERPRINT = "00" * 32


@contextmanager
def plain_server(talk):
    """A server without TLS; ``talk`` gets each connection. Gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                peer, _ = listening.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                talk(peer, ended)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


@pytest.fixture
def link_to():
    """Make links; every one is closed at the end."""
    made = []

    def build(*args, **options):
        made.append(_link_to(*args, **options))
        return made[-1]

    yield build
    for link in made:
        link.close()


def _link_to(port, *, host="127.0.0.1", password=PASSWORD, **known):
    known = known or {"fingerprint": FINGERPRINT}
    return Link(
        Endpoint(host, port, **known), Login(USER, SecretBytes(password.encode())), call_seconds=1
    )


def ping_fails(link):
    return unavailable(link.ping, "hi")


# --- one name for each failure ---


def test_refused_where_nothing_listens(link_to):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ping_fails(link_to(port)) == ("refused", False)


def test_unreachable_where_nobody_has_the_name(link_to):
    assert ping_fails(link_to(9443, host="no-such-host.invalid")) == ("unreachable", False)
    assert ping_fails(link_to(9443, host="a" * 300)) == ("unreachable", False)


@pytest.mark.parametrize("error", [TimeoutError, OSError(113, "no route")])
def test_unreachable_where_nobody_answers_the_address(monkeypatch, error, link_to):
    def connect(*args, **options):
        raise error

    monkeypatch.setattr(wire.socket, "create_connection", connect)
    assert ping_fails(link_to(9443)) == ("unreachable", False)


def test_no_answer_where_the_handshake_is_never_answered():
    endpoint = Endpoint("127.0.0.1", 1, FINGERPRINT)
    with plain_server(lambda _, ended: ended.wait(5)) as port:
        start = time.monotonic()
        with pytest.raises(HsmUnavailable) as silence:
            wire.Connection.open(replace(endpoint, port=port), 0.3)
        assert (silence.value.why, silence.value.sent) == ("no_answer", False)
        assert time.monotonic() - start < 2


def test_not_tls_where_something_else_answers(link_to):
    def talk(peer, ended):
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        ended.wait(0.2)

    with plain_server(talk) as port:
        assert ping_fails(link_to(port)) == ("not_tls", False)


def test_broken_off_where_the_handshake_is_cut(link_to):
    with plain_server(lambda peer, _: peer.recv(1000)) as port:
        assert ping_fails(link_to(port)) == ("broken_off", False)


def test_protocol_where_it_speaks_another_tls(run_stub, link_to):
    stub = run_stub(ciphers="ECDHE-RSA-AES128-GCM-SHA256")  # which its certificate cannot do
    link = link_to(stub.port, fingerprint=stub.identity.fingerprint)
    assert ping_fails(link) == ("protocol", False)


def test_certificate_where_it_is_not_the_one_we_know(run_stub, tmp_path, link_to):
    other = Identity.make(tmp_path / "other.pem")
    stub = run_stub()
    assert ping_fails(link_to(stub.port, fingerprint=other.fingerprint)) == ("certificate", False)
    assert stub.calls == [], "nothing was said to it"


def test_certificate_where_the_ca_did_not_sign_it(run_stub, tmp_path, link_to):
    other = Identity.make(tmp_path / "other.pem")
    stub = run_stub()
    assert ping_fails(link_to(stub.port, ca_file=other.path)) == ("certificate", False)
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for path in (empty, tmp_path / "missing.pem"):
        assert ping_fails(link_to(stub.port, ca_file=path)) == ("certificate", False)


def test_certificate_where_it_names_another_host(run_stub, tmp_path, link_to):
    identity = Identity.make(tmp_path / "elsewhere.pem", address="127.0.0.2")
    stub = run_stub(identity=identity)
    assert ping_fails(link_to(stub.port, ca_file=identity.path)) == ("certificate", False)
    assert link_to(stub.port, fingerprint=identity.fingerprint).ping("hi") == "hi"


def test_a_ca_file_and_the_hosts_name_do_too(stub, link_to):
    assert link_to(stub.port, ca_file=stub.identity.path).ping("hi") == "hi"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ESignin.Version", "protocol"),
        ("ESignin.Realm", "secret"),
        ("ESignin.Subject", "secret"),
        ("ESignin.Authentication", "secret"),
        ("ESignin.Permission", "permission"),
        ("ESignin.Whatever", "secret"),
        ("EService.Disabled", "permission"),
        ("EUnheardOf", "hardware"),
    ],
)
def test_a_refused_sign_in_says_why(prism, stub, code, why):
    stub.next("signInWithPassword", Code(code), Code(code))
    assert unavailable(prism.status) == (why, False)
    assert unavailable(prism.issue_credit, request_of()) == (why, False)
    assert stub.count("issueCreditToken") == 0


@pytest.mark.parametrize(
    "password", [b"wrong", b"x" * 56, b"\xff\xff"], ids=["wrong", "too long", "no text"]
)
def test_secret_where_the_password_is_wrong(open_prism, stub, password):
    module = open_prism(stub, password=SecretBytes(password))
    assert unavailable(module.status) == ("secret", False)


def test_the_fingerprint_may_be_written_as_tools_write_it(stub, link_to):
    bare = stub.identity.fingerprint
    colons = ":".join(bare[i : i + 2] for i in range(0, 64, 2)).upper()
    assert link_to(stub.port, fingerprint=colons).ping("hi") == "hi"


@pytest.mark.parametrize(
    "known",
    [
        {"fingerprint": None},
        {"fingerprint": ""},
        {"fingerprint": "00" * 31},
        {"fingerprint": "0g" * 32},
        {"fingerprint": FINGERPRINT, "ca_file": "x"},
    ],
)
def test_there_is_no_way_without_a_pin(known):
    with pytest.raises(ValueError, match=r"fingerprint|CA file"):
        Endpoint("127.0.0.1", **known)


# --- nothing in the clear ---


def test_no_byte_leaves_in_the_clear(stub, open_prism):
    """Everything the client sends is TLS records, and nothing in them can be read."""
    seen = bytearray()

    def relay(peer, ended):
        with socket.create_connection(("127.0.0.1", stub.port)) as there:
            threading.Thread(target=_pump, args=(there, peer), daemon=True).start()
            _pump(peer, there, seen)

    with plain_server(relay) as port:
        module = open_prism(replace_port(stub, port))
        for key in ENTERED:
            module.register_key(key, actor="ann")
        digits = module.issue_credit(request_of()).digits
        module.close()
    assert len(seen) > 500
    assert only_tls_records(bytes(seen))
    for secret in (USER, PASSWORD, PAN, digits, "issueCreditToken", "signInWithPassword"):
        assert secret.encode() not in seen


def test_what_does_not_speak_tls_gets_no_more_than_a_greeting(link_to):
    seen = bytearray()

    def talk(peer, ended):
        seen.extend(peer.recv(65536))
        peer.sendall(bytes.fromhex("0000001a800100020000000470696e67000000000b000000000002686900"))
        peer.settimeout(1)
        while chunk := peer.recv(65536):
            seen.extend(chunk)

    with plain_server(talk) as port:
        assert ping_fails(link_to(port)) == ("not_tls", False)
    assert seen
    assert only_tls_records(bytes(seen))
    assert b"ping" not in seen


# --- time ---


def test_every_wait_ends(prism, stub):
    prism.status()
    stub.next("getStatus", Slow(3))
    start = time.monotonic()
    assert unavailable(prism.status) == ("no_answer", True)
    assert time.monotonic() - start < 2
    prism.status()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"\x7f\xff\xff\xff", "protocol"),
        (b"\x00\x04\x00\x01", "protocol"),
        (b"\x00\x00\x00\x00", "protocol"),
        (b"HTTP/1.1 500", "protocol"),
        (b"\x00\x00\x00\x04abcd", "protocol"),
        (b"\x00\x00\x01\x00abcd", "no_answer"),
        (b"\x00", "no_answer"),
    ],
    ids=["2 GiB", "too long", "empty", "text", "four bytes", "half a frame", "one byte"],
)
def test_bytes_that_are_no_answer_hold_nobody_up(prism, stub, answer, why):
    prism.status()
    stub.next("getStatus", Raw(answer))
    start = time.monotonic()
    assert unavailable(prism.status) == (why, True)
    assert time.monotonic() - start < 2
    stub.next("issueCreditToken", Raw(answer))
    with pytest.raises(HsmTimeout):
        prism.issue_credit(request_of())
    assert prism.issue_credit(request_of()).tid == TID
    assert len(stub.made) == 1


# --- connections ---


def test_a_connection_is_kept_and_one_that_was_closed_is_opened_anew(prism, stub):
    prism.issue_credit(request_of("first", tid=TID - 1))
    prism.status()
    assert len(stub._open) == 1
    stub.drop_all()
    time.sleep(0.05)
    assert prism.issue_credit(request_of()).tid == TID, "nothing was lost on the way"
    assert len(stub._open) == 1


def test_another_process_opens_its_own(prism, stub, monkeypatch):
    prism.status()
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    prism.status()
    assert len(stub._open) == 2
    assert stub.count("signInWithPassword") == 2
    prism._link.close()
    prism._messages.close()
    prism._book._results.close()


@pytest.mark.parametrize(
    ("info", "most"),
    [
        ({"smpd.Tps": "3"}, 3),
        ({"smpd.Tps": "2"}, 2),
        ({"smpd.Tps": "3", "port.1": "COM5 9600,n,8,1"}, 1),
        ({"smpd.Tps": "3", "port.name": "/dev/ttyUSB0 9600,n,8,1"}, 1),
        ({"smpd.Tps": "3", "port.1": "10.0.0.5:5100"}, 3),
        ({"smpd.Tps": "500"}, CONNECTIONS_MAX),
        ({"smpd.Tps": "nonsense"}, 1),
        ({}, 1),
    ],
)
def test_no_more_is_asked_at_once_than_the_service_can_do(open_prism, stub, info, most):
    stub.info, stub.pause = info, 0.05
    prism = open_prism(stub, seconds=10)
    for key in ENTERED:
        prism.register_key(key, actor="ann")
    requests = [request_of(f"sale-{n}", tid=TID + n) for n in range(3 * most)]
    with ThreadPoolExecutor(len(requests)) as threads:
        tokens = list(threads.map(prism.issue_credit, requests))
    assert len({token.digits for token in tokens}) == 3 * most
    assert stub.most_at_once <= most
    assert prism.capabilities.at_once == most
    assert stub.count("signInWithPassword") == 1
    assert stub.count("getStatus") == 1


def test_who_comes_second_waits_his_turn_but_not_for_ever(prism, stub):
    stub.info = {"smpd.Tps": "1"}
    prism.status()
    stub.next("getStatus", Slow(0.3))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(prism.status)
        time.sleep(0.1)
        assert prism.ping().driver == "prism"
        first.result()
    with prism._link._mine().connection(prism._link._endpoint, 1):
        assert unavailable(prism.status) == ("busy", False)


# --- the sign-in ---


def test_a_sign_in_that_ended_is_made_anew_once(prism, stub):
    prism.issue_credit(request_of())
    stub.end_sessions()
    assert prism.issue_credit(request_of("sale-2-1", tid=TID + 1)).tid == TID + 1
    assert stub.count("signInWithPassword") == 2
    assert len(stub.made) == 2


def test_a_sign_in_that_never_holds_is_not_tried_for_ever(prism, stub):
    prism.status()
    stub.next("issueCreditToken", *[Code("EAuthentication.Token")] * 3)
    assert unavailable(prism.issue_credit, request_of()) == ("secret", False)
    assert stub.count("issueCreditToken") == 2


def test_secrets_show_nowhere(prism, stub, caplog):
    caplog.set_level(logging.DEBUG)
    stub.next("issueCreditToken", Code("ESts.VkExpired"), Code(f"E {PASSWORD}"))
    for name in ("a", "b"):
        with pytest.raises(Exception) as error:  # noqa: PT011 - whatever it is
            prism.issue_credit(request_of(name, tid=TID + ord(name)))
        assert PASSWORD not in f"{error.value!r} {error.value} {error.value.__cause__!r}"
    digits = prism.issue_credit(request_of()).digits
    bearers = list(stub._sessions)
    shown = (
        f"{caplog.text} {prism!r} {prism._link!r} {prism._link._login!r} {prism._link._mine()!r}"
    )
    assert "ESts.VkExpired" in caplog.text
    assert "issueCreditToken: unknown" in caplog.text
    for secret in (PASSWORD, digits, PAN, *bearers):
        assert secret not in shown


def only_tls_records(sent):
    """Type 20 to 23, version 3.x, length, and so on to the end (RFC 8446, 5.1)."""
    while sent:
        size = 5 + int.from_bytes(sent[3:5], "big")
        if sent[0] not in range(20, 24) or sent[1] != 3 or len(sent) < size:
            return False
        sent = sent[size:]
    return True


def replace_port(stub, port):
    """The stub as it is seen through a relay."""

    class Behind:
        identity = stub.identity

    Behind.port = port
    return Behind


def _pump(source, target, seen=None):
    with suppress(OSError):
        while chunk := source.recv(65536):
            if seen is not None:
                seen.extend(chunk)
            target.sendall(chunk)

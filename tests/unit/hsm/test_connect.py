"""The connect test: each step's failure by name, where one may connect at all, the ticket."""

import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.hsm.hsm_cases import NOW
from tests.unit.hsm.serving import served
from vmsapp.hsm import connect
from vmsapp.hsm.connect import (
    STEPS,
    WHYS,
    Allowed,
    StaleTest,
    Step,
    Target,
    Tried,
    checked,
    ticket_for,
    tried,
)
from vmsapp.hsm.drivers.locked import LockedModule
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.sts.secret import SecretBytes

SECRET = b"the instance's secret"
LOOPBACK = "127.0.0.0/8,::1/128"


@pytest.fixture
def running(soft, tmp_path):
    with served(soft, tmp_path / "server") as server:
        yield server


def attempt(running, *, networks=LOOPBACK, ports=None, account=None, **target):
    """Try the server with what is changed; ports other than the server's are its own by default."""
    account = account or running.account
    aim = Target("tcp", account.host, account.port)
    aim = replace(aim, **target)
    allowed = Allowed.of(networks, ports or str(aim.port))

    def open_module(address, port, fingerprint):
        return TcpModule(replace(account, host=address, port=port, fingerprint=fingerprint))

    return tried(aim, allowed, open_module)


def last(found):
    return found.steps[-1].name, found.steps[-1].why


def test_all_steps_go_well(running, soft):
    found = attempt(running)
    assert [step.name for step in found.steps] == list(STEPS)
    assert found.well
    assert found.fingerprint == running.identity.fingerprint
    assert found.ping.module_id == found.status.module_id == soft.ping().module_id
    assert found.algorithms == {"legacy", "sts6"}
    assert found.ping.latency_ms > 0
    assert all(step.took_ms >= 0 for step in found.steps)


def test_a_name_is_resolved_once_and_that_address_is_dialled(running, monkeypatch):
    asked = []
    real = socket.getaddrinfo

    def once(host, *args, **options):
        asked.append(host)
        if host == "module.example":
            return real("127.0.0.1", *args, **options)
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert attempt(running, host="module.example").well
    assert asked.count("module.example") == 1
    assert set(asked) == {"module.example", "127.0.0.1"}


def test_a_name_nobody_knows(running):
    assert last(attempt(running, host="no.such.host.invalid")) == ("resolve", "unknown_name")


@pytest.mark.parametrize("host", ["", "a b", "http://x/", "x\r\nHost: y", "127.0.0.1/8", "é" * 3])
def test_what_is_no_name_is_not_asked_for(running, host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: pytest.fail("asked"))
    assert last(attempt(running, host=host)) == ("resolve", "unknown_name")


def test_a_name_that_takes_for_ever(running, monkeypatch):
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: done.wait(5) and [])
    with pytest.raises(connect._Failed):
        connect.resolved("slow.example", 1, seconds=0.05)
    done.set()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"],
)
def test_only_networks_of_the_settings_are_dialled(running, host, monkeypatch):
    monkeypatch.setattr(connect.dial, "connected", lambda *_: pytest.fail("dialled"))
    found = attempt(running, host=host, networks="10.0.0.0/8,fd00::/8")
    assert last(found) == ("resolve", "network_not_allowed")


def test_an_ipv4_address_in_ipv6_clothes_is_what_it_is(running):
    allowed = Allowed.of("::/0", "8770")
    (address,) = connect.resolved("::ffff:10.1.2.3", 8770)
    assert str(address) == "10.1.2.3"
    assert not allowed.takes(address, 8770)


def test_only_ports_of_the_settings_are_dialled(running):
    assert last(attempt(running, ports="8770,9443")) == ("resolve", "port_not_allowed")


def listening(answer):
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
    assert last(attempt(running, port=port)) == ("tcp", "refused")


def test_who_does_not_speak_tls_is_not_repeated(running):
    port = listening(lambda c: (c.recv(100), c.sendall(b"<script>secret banner</script>\r\n")))
    found = attempt(running, port=port)
    assert last(found) == ("tls", "not_tls")
    assert "banner" not in repr(found)


def test_another_certificate_than_before(running):
    assert attempt(running, fingerprint=running.identity.fingerprint).well
    found = attempt(running, fingerprint=b"1" * 32)
    assert last(found) == ("fingerprint", "certificate")


def test_a_wrong_secret(running):
    wrong = replace(running.account, secret=SecretBytes(b"wrong" * 10))
    found = attempt(running, account=wrong)
    assert last(found) == ("handshake", "secret")
    assert found.fingerprint == running.identity.fingerprint
    assert not found.well


def test_a_locked_module(tmp_path):
    with served(LockedModule("VSM-1"), tmp_path / "server") as running:
        found = attempt(running)
    assert last(found) == ("status", "locked")
    assert found.ping.module_id == "VSM-1"


def test_a_module_without_keys(tmp_path, open_soft):
    with served(open_soft(), tmp_path / "server") as running:
        assert last(attempt(running)) == ("status", "no_keys")


@pytest.mark.parametrize("name", ["VSM\n1", "<b>", "x" * 65, ""])
def test_a_module_with_an_odd_name_is_not_shown(tmp_path, name):
    with served(LockedModule(name), tmp_path / "server") as running:
        found = attempt(running)
    assert last(found) == ("ping", "protocol")
    assert found.ping is None


def test_odd_texts_of_a_module_are_not_shown(tmp_path):
    with served(LockedModule("VSM-1", table_set="a\x1b[31m"), tmp_path / "server") as running:
        found = attempt(running)
    assert last(found) == ("status", "protocol")


def test_every_why_is_known():
    assert {"unknown_name", "network_not_allowed", "port_not_allowed", "refused"} <= WHYS


# the ticket

TARGET = Target("tcp", "module.example", 8770)
WELL = Tried(
    tuple(Step(name, None, 1.0) for name in STEPS), b"f" * 32, None, None, frozenset({"sts6"})
)


@pytest.fixture
def well(soft):
    return replace(WELL, ping=soft.ping(), status=soft.status())


def test_a_ticket_says_what_was_proved(well, soft):
    ticket = checked(SECRET, ticket_for(SECRET, TARGET, well, now=NOW), TARGET, now=NOW)
    assert (ticket.driver, ticket.host, ticket.port) == ("tcp", "module.example", 8770)
    assert ticket.fingerprint == "66" * 32
    assert ticket.module_id == soft.ping().module_id


def test_a_ticket_is_good_for_ten_minutes(well):
    text = ticket_for(SECRET, TARGET, well, now=NOW)
    assert checked(SECRET, text, TARGET, now=NOW + timedelta(minutes=9, seconds=59))
    with pytest.raises(StaleTest):
        checked(SECRET, text, TARGET, now=NOW + timedelta(minutes=10))


@pytest.mark.parametrize(
    "other",
    [replace(TARGET, driver="prism"), replace(TARGET, host="x"), replace(TARGET, port=9443)],
)
def test_a_ticket_is_for_one_target(well, other):
    text = ticket_for(SECRET, TARGET, well, now=NOW)
    with pytest.raises(StaleTest):
        checked(SECRET, text, other, now=NOW)


def test_a_ticket_of_another_instance_or_altered_or_none_is_refused(well):
    text = ticket_for(SECRET, TARGET, well, now=NOW)
    with pytest.raises(StaleTest):
        checked(b"another", text, TARGET, now=NOW)
    for place in range(0, len(text), 7):
        altered = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(StaleTest):
            checked(SECRET, altered, TARGET, now=NOW)
    for none in ("", "=", "é", "a" * 500, "AAAA"):
        with pytest.raises(StaleTest):
            checked(SECRET, none, TARGET, now=NOW)


def test_a_test_that_failed_gives_no_ticket(well):
    failed = replace(well, steps=(Step("resolve", "unknown_name", 1.0),))
    with pytest.raises(AssertionError):
        ticket_for(SECRET, TARGET, failed)

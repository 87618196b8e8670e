"""Who is let to the module and when, and what the server is known by."""

import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from tests.unit.hsm.hsm_cases import DIGITS, TID, meter, request_of
from tests.unit.hsm.serving import Stranger, Watched, served
from vmsapp.errors import VmsError
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.requests import VerifyRequest
from vmsapp.hsm.server.gate import Gate, Rate, Strikes
from vmsapp.hsm.server.identity import IdentityRefused, identity_in, shared_secret
from vmsapp.hsm.wire.ops import Turn
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


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_slow_module_serves_sales_first_and_campaigns_last():
    gate, order = Gate(1), []
    inside = threading.Event()

    def work(turn, seconds=20):
        with gate.turn(turn, seconds=seconds):
            order.append(turn)
            inside.set()
            while len(gate._waiting) < 3 and len(order) == 1:
                time.sleep(0.001)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(work, Turn.COUNTER)
        assert inside.wait(5)
        others = [pool.submit(work, turn) for turn in (Turn.CAMPAIGN, Turn.COUNTER, Turn.SALE)]
        for each in [first, *others]:
            each.result(10)
    assert order == [Turn.COUNTER, Turn.SALE, Turn.COUNTER, Turn.CAMPAIGN]


def test_a_sale_that_would_wait_too_long_is_told_at_once():
    clock = Clock()
    gate = Gate(1, clock=clock)
    with gate.turn(Turn.SALE, seconds=10):
        clock.now += 12  # that is how long one takes
    with gate.turn(Turn.SALE, seconds=10):
        began = time.monotonic()
        error = unavailable(gate.turn(Turn.SALE, seconds=10).__enter__)
        assert (error.why, error.sent, error.wait_seconds) == ("busy", False, 12.0)
        assert time.monotonic() - began < 5
        clock.now += 5
        assert unavailable(gate.turn(Turn.SALE, seconds=5).__enter__).wait_seconds == 7.0


def test_a_turn_that_does_not_come_in_time_is_given_up():
    gate = Gate(1)
    with gate.turn(Turn.SALE, seconds=10):
        error = unavailable(gate.turn(Turn.SALE, seconds=0.05).__enter__)
        assert (error.why, error.sent) == ("busy", False)
    with gate.turn(Turn.SALE, seconds=0.05):
        assert not gate._waiting


def test_a_busy_module_is_told_through_the_wire_as_surely_not_done(watched, tmp_path):
    watched.inner = OneAtATime(watched.inner)
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(20)

    with served(watched, tmp_path / "server") as running, ThreadPoolExecutor(1) as pool:
        gate = running.server._house.desk._gate
        gate._takes[Turn.SALE] = 60.0
        watched.before["issue_credit"] = wait
        slow = pool.submit(running.module().issue_credit, request_of())
        assert begun.wait(20)
        error = unavailable(running.module().issue_credit, request_of("sale-2", tid=TID + 1))
        assert (error.why, error.sent) == ("busy", False)
        assert 50 < error.wait_seconds <= 60
        go_on.set()
        assert slow.result(20).digits == DIGITS
    assert watched.asked.count("issue_credit") == 1


class OneAtATime:
    def __init__(self, inner):
        self._inner = inner

    @property
    def capabilities(self):
        return replace(self._inner.capabilities, at_once=1)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_rate_fills_up_again():
    clock = Clock()
    rate = Rate(2, clock=clock)
    rate.take()
    rate.take()
    assert unavailable(rate.take).wait_seconds == 0.5
    clock.now += 0.5
    rate.take()
    assert unavailable(rate.take).why == "client_rate"
    clock.now += 100
    rate.take()
    rate.take()
    assert unavailable(rate.take).why == "client_rate"


@pytest.mark.parametrize(
    ("address", "neighbour", "stranger"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:1::1"),
    ],
)
def test_strikes_count_for_a_minute(address, neighbour, stranger):
    clock = Clock()
    strikes = Strikes(clock=clock)
    for _ in range(3):
        assert not strikes.many(address)
        strikes.add(address)
        clock.now += 10
    assert strikes.many(address)
    assert strikes.many(neighbour)
    assert not strikes.many(stranger)
    clock.now += 30
    assert not strikes.many(address)
    strikes.add(address)
    assert strikes.many(address), "the first is forgotten, the other two count"


# what it is known by


def test_its_identity_is_made_once_and_is_its_owners_alone(tmp_path):
    first = identity_in(tmp_path / "tls", name="VSM-1")
    assert identity_in(tmp_path / "tls", name="other").fingerprint == first.fingerprint
    secret = shared_secret(tmp_path / "tls" / "web-1.psk")
    assert shared_secret(tmp_path / "tls" / "web-1.psk") == secret
    assert len(secret) >= 32
    for private in (first.key, tmp_path / "tls" / "web-1.psk"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert (tmp_path / "tls" / "server.sha256").read_text().strip() == first.fingerprint.hex()


def test_a_key_or_secret_others_may_read_is_refused(tmp_path):
    identity_in(tmp_path, name="VSM-1").key.chmod(0o640)
    with pytest.raises(IdentityRefused, match="chmod 600"):
        identity_in(tmp_path, name="VSM-1")
    (tmp_path / "short.psk").write_text("short")
    (tmp_path / "short.psk").chmod(0o644)
    with pytest.raises(IdentityRefused, match="chmod 600"):
        shared_secret(tmp_path / "short.psk")
    (tmp_path / "short.psk").chmod(0o600)
    with pytest.raises(IdentityRefused, match="too short"):
        shared_secret(tmp_path / "short.psk")


def test_nothing_secret_is_logged(running, caplog):
    caplog.set_level("DEBUG")
    module = running.module()
    token = module.issue_credit(request_of())
    module.verify(VerifyRequest(meter(), token.digits, "production"))
    module.tags([token.digits])
    unavailable(running.module(secret=SECRET).ping)
    with pytest.raises(VmsError):
        module.import_keys(b"no key file", SecretBytes(b"open sesame"), actor="ann")
    said = caplog.text
    assert "issueCredit: ok" in said
    for secret in (token.digits, "open sesame", running.account.secret.reveal().decode()):
        assert secret not in said

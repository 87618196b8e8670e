"""The circuit breaker: when it opens, who tries again, and what never opens it."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.hsm.hsm_cases import DIGITS, request_of
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.circuit import FAILURES, LINE, CircuitBreaker
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused, NotSupported, RequestReused


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Line:
    """A module behind a line that is down while ``error`` is set."""

    def __init__(self, inner):
        self._inner = inner
        self.error = None
        self.asked = []

    def __getattr__(self, name):
        call = getattr(self._inner, name)
        if not callable(call):
            return call

        def ask(*args, **options):
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            return call(*args, **options)

        return ask


@pytest.fixture
def line(soft):
    return Line(soft)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def module(line, clock):
    return CircuitBreaker(line, clock=clock)


def refused():
    return HsmUnavailable("refused", sent=False)


def fail(module, times=1):
    for _ in range(times):
        with pytest.raises((HsmUnavailable, HsmTimeout)):
            module.issue_credit(request_of())


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value


def opened(module, line):
    line.error = refused()
    fail(module, FAILURES)
    line.asked.clear()


def test_while_all_is_well_it_is_not_there(module, line):
    assert module.issue_credit(request_of()).digits == DIGITS
    assert module.wait_seconds is None
    assert line.asked == ["issue_credit"]
    assert module.capabilities.can_cancel


def test_three_failures_in_a_row_open_it_and_nothing_is_sent(module, line):
    line.error = refused()
    fail(module, 2)
    assert module.wait_seconds is None
    fail(module)
    line.asked.clear()
    error = unavailable(module.issue_credit, request_of())
    assert (error.why, error.sent, error.wait_seconds) == ("circuit", False, 5.0)
    assert line.asked == []


def test_an_answer_in_between_counts_anew(module, line):
    line.error = refused()
    fail(module, 2)
    line.error = None
    module.status()
    line.error = refused()
    fail(module, 2)
    assert module.wait_seconds is None


@pytest.mark.parametrize("why", sorted(LINE))
def test_every_failure_of_the_line_counts(module, line, why):
    line.error = HsmUnavailable(why, sent=True)
    fail(module, 3)
    assert module.wait_seconds == 5.0


def test_no_answer_counts(module, line):
    line.error = HsmTimeout()
    fail(module, 3)
    assert module.wait_seconds == 5.0


@pytest.mark.parametrize(
    "error",
    [
        *[HsmUnavailable(why, sent=True) for why in sorted(set(HsmUnavailable.WHYS) - LINE)],
        ModuleRefused("key_expired"),
        RequestReused(request_id="sale-1"),
        NotSupported(),
        KeyError("none"),
    ],
    ids=repr,
)
def test_what_the_module_says_never_opens_it(module, line, error):
    line.error = error
    for _ in range(5):
        with pytest.raises(type(error)):
            module.issue_credit(request_of())
    assert module.wait_seconds is None


def test_after_a_while_a_ping_comes_first_and_closes_it(module, line, clock):
    opened(module, line)
    clock.now += 4.9
    assert unavailable(module.issue_credit, request_of()).wait_seconds == pytest.approx(0.1)
    clock.now += 0.1
    line.error = None
    assert module.issue_credit(request_of()).digits == DIGITS
    assert line.asked == ["ping", "issue_credit"]
    assert module.wait_seconds is None


def test_each_ping_that_fails_doubles_the_while_up_to_a_minute(module, line, clock):
    opened(module, line)
    waits = []
    for _ in range(6):
        clock.now += module.wait_seconds
        error = unavailable(module.issue_credit, request_of())
        assert (error.why, error.sent) == ("circuit", False)
        waits.append(error.wait_seconds)
    assert waits == [10, 20, 40, 60, 60, 60]
    assert line.asked == ["ping"] * 6
    line.error = None
    clock.now += 60
    module.status()
    opened(module, line)
    assert module.wait_seconds == 5.0


def test_a_module_that_answers_the_ping_with_a_refusal_is_there(module, line, clock):
    opened(module, line)
    clock.now += 5
    line.error = HsmUnavailable("client_rate", sent=False)
    assert unavailable(module.issue_credit, request_of()).why == "client_rate"
    assert module.wait_seconds is None


def test_one_caller_tries_and_the_others_are_told_at_once(module, line, clock):
    opened(module, line)
    clock.now += 5
    trying, go_on = threading.Event(), threading.Event()

    ping = line._inner.ping
    line.error = None
    line._inner.ping = lambda: (trying.set(), go_on.wait(10), ping())[2]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(module.issue_credit, request_of())
        assert trying.wait(10)
        assert unavailable(module.issue_credit, request_of("sale-2")).why == "circuit"
        go_on.set()
        assert first.result(10).digits == DIGITS
    assert line.asked == ["ping", "issue_credit"]


def test_what_was_sent_before_it_opened_changes_nothing_when_it_fails_later(module, line, clock):
    opened(module, line)
    clock.now += 1
    module._heard(HsmTimeout())
    assert module.wait_seconds == 4.0


def test_it_has_every_method_of_a_module_with_the_same_arguments(module):
    for name, method in inspect.getmembers(SecurityModule, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(CircuitBreaker, name))
            assert ours == inspect.signature(method), name


def test_threads_that_fail_together_open_it_once(module, line, clock):
    line.error = refused()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fail(module), range(40)))
    assert module.wait_seconds == 5.0


@pytest.mark.parametrize("why", ["certificate", "secret", "not_tls", "protocol"])
def test_what_waiting_does_not_mend_is_told_while_it_is_open(module, line, clock, why):
    line.error = HsmUnavailable(why, sent=False)
    for _ in range(5):
        with pytest.raises(HsmUnavailable) as told:
            module.status()
        assert told.value.why == why
    line.error = None
    clock.now += 6
    assert module.status().keys == 2
    line.error = HsmUnavailable("refused", sent=False)
    for _ in range(3):
        with pytest.raises(HsmUnavailable):
            module.status()
    with pytest.raises(HsmUnavailable) as told:
        module.status()
    assert told.value.why == "circuit"


def test_who_watches_it_pings_while_it_is_open_and_an_answer_closes_it(module, line):
    opened(module, line)
    assert unavailable(module.ping_now).why == "refused"
    assert module.wait_seconds == 5.0
    line.error = None
    assert module.ping_now().module_id
    assert module.wait_seconds is None
    assert line.asked == ["ping", "ping"]

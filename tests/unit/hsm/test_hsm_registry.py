"""The registry opens a module once, when first asked, through the wrapper it was given."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from vmsapp.hsm.errors import HsmUnavailable, KeystoreError
from vmsapp.hsm.registry import ModuleDescriptor, Registry

ONE = ModuleDescriptor(1, "Main", "soft", {"path": "/keys"})
TWO = ModuleDescriptor(2, "Spare", "soft", {})
ODD = ModuleDescriptor(3, "Odd", "abacus", {})


class FakeModule:
    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.closed = 0

    def close(self):
        self.closed += 1


@pytest.fixture
def opened():
    return []


@pytest.fixture
def registry(opened):
    def factory(descriptor):
        opened.append(descriptor)
        return FakeModule(descriptor)

    return Registry([ONE, TWO, ODD], {"soft": factory})


def test_nothing_is_opened_before_it_is_asked_for(registry, opened):
    assert opened == []
    assert registry.module(1).descriptor == ONE
    assert opened == [ONE]


def test_a_module_is_opened_once(registry, opened):
    assert registry.module(1) is registry.module(1)
    assert registry.module(2) is not registry.module(1)
    assert opened == [ONE, TWO]


def test_threads_that_come_together_get_one_module(opened):
    start = threading.Barrier(8)

    def slow(descriptor):
        opened.append(descriptor)
        time.sleep(0.05)
        return FakeModule(descriptor)

    registry = Registry([ONE], {"soft": slow})

    def ask(_):
        start.wait(10)
        return registry.module(1)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert opened == [ONE]


@pytest.mark.parametrize(("asked", "why"), [(9, "unknown_module"), (3, "unknown_driver")])
def test_what_nobody_can_open_is_unavailable_and_nothing_was_sent(registry, asked, why):
    with pytest.raises(HsmUnavailable) as refused:
        registry.module(asked)
    assert (refused.value.why, refused.value.sent) == (why, False)


def test_a_module_described_later_is_opened_like_any_other(registry, opened):
    late = replace(ONE, id=7)
    assert not registry.knows(7)
    registry.describe(late)
    assert registry.knows(7)
    assert registry.module(7).descriptor == late


def test_a_new_description_of_an_open_module_waits_for_its_close(registry):
    first = registry.module(1)
    registry.describe(replace(ONE, params={"path": "/other"}))
    assert registry.module(1) is first
    registry.close()
    assert registry.module(1).descriptor.params == {"path": "/other"}


def test_the_wrapper_stands_between(opened):
    registry = Registry([ONE], {"soft": FakeModule}, wrap=lambda module: ("faulty", module))
    name, module = registry.module(1)
    assert (name, module.descriptor) == ("faulty", ONE)


def test_a_module_that_could_not_be_opened_is_tried_again():
    answers = iter([KeystoreError("missing"), FakeModule(ONE)])

    def factory(descriptor):
        answer = next(answers)
        if isinstance(answer, KeystoreError):
            raise answer
        return answer

    registry = Registry([ONE], {"soft": factory})
    with pytest.raises(KeystoreError):
        registry.module(1)
    assert registry.module(1).descriptor == ONE


def test_close_closes_what_was_opened_and_a_later_question_opens_anew(registry, opened):
    first = registry.module(1)
    registry.close()
    registry.close()
    assert first.closed == 1
    assert registry.module(1) is not first
    assert opened == [ONE, ONE]


def test_a_forked_process_opens_its_own(registry):
    mine = registry.module(1)
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=lambda: writer.send(registry.module(1) is mine))
    child.start()
    child.join(30)
    assert reader.recv() is False

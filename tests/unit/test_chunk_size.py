"""A job's transactions shrink where they take long and grow back.

Source: issue 13, "Speed and load": chunks under 200 ms.
"""

import time

import pytest

from vmsapp.services.chunk_size import ChunkSize

AIM_S = 0.2


@pytest.fixture
def clock(monkeypatch):
    """Let time pass by hand."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def run(size: ChunkSize, clock: list[float], *, row_s: float, times: int) -> list[float]:
    """Write chunk after chunk at so many seconds a row; how long each took."""
    took = []
    for _ in range(times):
        with size.timed():
            took.append(size.rows * row_s)
            clock[0] += took[-1]
    return took


def test_quick_rows_are_taken_by_as_many_as_may_be(clock):
    size = ChunkSize(4_000)
    run(size, clock, row_s=0.000_01, times=20)
    assert size.rows == 4_000


def test_a_quick_moment_does_not_make_the_next_chunk_much_larger(clock):
    size = ChunkSize(4_000)
    before = size.rows
    run(size, clock, row_s=0.000_001, times=1)
    assert before < size.rows <= before * 1.3


def test_whose_rows_take_longer_begins_with_fewer_and_grows_all_the_same(clock):
    size = ChunkSize(4_000, 60)
    took = run(size, clock, row_s=0.003, times=6)
    assert took == pytest.approx([0.18] * 6), "it is the least, too"
    run(size, clock, row_s=0.000_01, times=30)
    assert size.rows == 4_000


def test_slow_rows_are_soon_taken_by_so_few_that_a_chunk_stays_within_the_aim(clock):
    size = ChunkSize(4_000)
    run(size, clock, row_s=0.000_01, times=20)
    took = run(size, clock, row_s=0.000_4, times=10)
    assert took[0] > AIM_S
    assert max(took[4:]) < AIM_S


def test_a_machine_that_can_do_no_better_is_not_given_row_by_row(clock):
    size = ChunkSize(4_000)
    run(size, clock, row_s=1.0, times=20)
    assert 50 < size.rows < 1_000


def test_a_chunk_is_never_larger_than_its_most(clock):
    size = ChunkSize(3)
    for row_s in (0.0, 10.0, 0.0):
        run(size, clock, row_s=row_s, times=5)
        assert size.rows == 3


def test_a_transaction_that_broke_says_nothing_of_the_size(clock):
    def breaks() -> None:
        with size.timed():
            clock[0] += 10
            raise RuntimeError

    size = ChunkSize(4_000)
    before = size.rows
    with pytest.raises(RuntimeError):
        breaks()
    assert size.rows == before

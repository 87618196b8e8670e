"""Jobs give way to people at the counter, and come to an end all the same.

Source: issue 13, "Speed and load": background work pauses while the web's p99 is above 300 ms.
"""

import os
import time

import pytest

from vmsapp.services import job_pace
from vmsapp.services.job_pace import FULL_WINDOW_S, GiveWay, Waits, counter_now


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "waits"


def noted(folder, *took_ms):
    """Have a process note how long each answer took; it writes with the last."""
    waits = Waits(folder)
    waits._threads |= set(range(1000))  # there is room for many more
    for each in took_ms[:-1]:
        waits._due = time.monotonic() + 60
        waits.note(each)
    waits._due = 0.0
    waits.note(took_ms[-1])


def test_where_nobody_sells_no_job_waits(folder):
    assert not counter_now(folder).busy
    assert GiveWay(folder)() == 0


@pytest.mark.parametrize(("slow", "ms", "busy"), [
    (2, 301.0, True), (2, 299.0, False), (0, 0.0, False), (50, 5000.0, True),
])  # fmt: skip
def test_the_counter_now_where_one_of_a_hundred_waits_above_300_ms(folder, slow, ms, busy):
    noted(folder, *[ms] * slow, *[20.0] * (100 - slow))
    assert counter_now(folder).busy is busy


def test_one_slow_answer_among_a_few_says_nothing(folder):
    noted(folder, *[2000.0] * (job_pace.LEAST - 1))
    assert not counter_now(folder).busy


def test_one_busy_process_is_enough(folder):
    noted(folder, *[20.0] * 100)
    (folder / "another-1").write_text("450")
    assert counter_now(folder).busy


def test_what_was_noted_long_ago_counts_no_more_and_is_removed_one_day(folder):
    noted(folder, *[2000.0] * 100)
    (file,) = folder.iterdir()
    os.utime(file, (time.time() - 6, time.time() - 6))
    assert not counter_now(folder).busy
    assert file.exists()
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    assert not counter_now(folder).busy
    assert not file.exists()


def test_a_job_waits_until_the_counter_is_quiet_and_never_longer_than_it_may(folder):
    noted(folder, *[2000.0] * 100)
    slept = []

    def until_quiet(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            (folder / next(folder.iterdir()).name).write_text("20")

    assert GiveWay(folder, wait=until_quiet, clock=lambda: 0.0)() == pytest.approx(0.6)
    noted(folder, *[2000.0] * 100)
    assert GiveWay(folder, wait=lambda _: None, clock=lambda: 0.0)() == pytest.approx(10.0)


@pytest.mark.parametrize(("threads", "ms", "busy"), [
    (1, 30.0, False), (1, 60.0, True), (4, 60.0, False), (4, 250.0, True), (4, 150.0, False),
])  # fmt: skip
def test_the_counter_now_where_hardly_a_thread_is_free(folder, threads, ms, busy):
    waits = Waits(folder)
    waits._threads |= set(range(threads - 1))  # and this one
    waits._due = time.monotonic() + 60
    for _ in range(28):
        waits.note(ms)
    waits._due = 0.0
    waits.note(ms)
    assert counter_now(folder).busy is busy
    assert busy is (29 * ms / 1000 / threads > 0.7 * FULL_WINDOW_S)


def test_a_few_answers_do_not_fill_a_process(folder):
    noted(folder, *[250.0] * (job_pace.LEAST_FULL - 1))
    assert not counter_now(folder).busy


class Job:
    """A job whose chunks take 0.1 s, and how long it slept after each."""

    def __init__(self, folder):
        self.folder, self.now, self.slept = folder, 0.0, []
        self.way = GiveWay(folder, wait=self.slept.append, clock=lambda: self.now)

    def chunk(self, noted_by_a_process):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "web-1").write_text(noted_by_a_process)
        self.slept.clear()
        self.now += 0.1
        self.way()
        return sum(self.slept)


QUIET, BUSY, SERVING = "20 0.05", "2000 0.05", "20 0.35"
"""Milliseconds of one of a hundred answers, and share of the threads' time."""


def test_a_job_that_had_to_wait_rests_after_its_chunks_and_less_each_time(folder):
    job = Job(folder)
    assert job.chunk(QUIET) == 0
    assert job.chunk(BUSY) == pytest.approx(10.0)  # for the others; nothing is left to rest
    rests = [job.chunk(QUIET) for _ in range(30)]
    assert rests[:2] == pytest.approx([0.1 * 8 * 0.85, 0.1 * 8 * 0.85**2])
    assert rests[-1] == 0
    assert job.chunk(BUSY) == pytest.approx(10.0)
    assert [job.chunk(QUIET) for _ in range(2)] == pytest.approx([0.1 * 0.5 * 0.85, 0])


def test_a_job_that_meets_people_who_are_served_begins_slowly(folder):
    job = Job(folder)
    assert [job.chunk(QUIET) for _ in range(3)] == [0, 0, 0]
    rests = [job.chunk(SERVING) for _ in range(30)]
    assert rests[:3] == pytest.approx([0.1 * 8, 0.1 * 8 * 0.85, 0.1 * 8 * 0.85**2])
    assert rests[-1] == pytest.approx(0.1)  # half of the 0.7 is taken: half of the time it works
    assert job.chunk(QUIET) == 0


@pytest.mark.parametrize(("full", "times"), [
    ("0.09", 0), ("0.14", 0.25), ("0.35", 1), ("0.56", 4), ("0.65", 8), ("0.70", 8),
])  # fmt: skip
def test_the_fewer_threads_are_free_the_longer_a_job_rests(folder, full, times):
    job = Job(folder)
    rests = [job.chunk(f"20 {full}") for _ in range(40)]
    assert rests[-1] == pytest.approx(0.1 * times)


def test_the_worst_of_the_processes_counts(folder):
    folder.mkdir()
    (folder / "web-1").write_text("20 0.35")
    (folder / "web-2").write_text("90 0.14")
    (folder / "web-3").write_text("")  # it is being written
    (folder / "web-4").write_text("30")  # by a release that did not know the other
    assert counter_now(folder) == job_pace.Counter(90.0, 0.35)


def test_what_cannot_be_noted_fails_nothing(tmp_path):
    (tmp_path / "waits").write_text("a file in the way")
    noted(tmp_path / "waits", *[2000.0] * 100)
    assert not counter_now(tmp_path / "waits").busy

"""The module's own record: one row an id, one transaction at a time, its own guards."""

import os
import random  # noqa: TID251 - which seconds
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vmsapp.hsm import record_file
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable
from vmsapp.hsm.results import BatchRow, Head, Line, Record, Results, UsedTids

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PAN = "600727000000000009"
ISSUED = Record("a-1", "issued", AT, "00", "{}", PAN, "14", 500, b"sealed")


@pytest.fixture
def results(results_path):
    opened = Results(results_path)
    yield opened
    opened.close()


def add(results, *records):
    with results.transaction() as records_of:
        for record in records:
            records_of.add(record)


def used(results, tid, *, pan=PAN, base_date="14", window=50):
    with results.transaction() as records_of:
        return records_of.used_tids(pan, base_date, tid, window=window)


def test_a_record_is_read_as_it_was_written(results, results_path):
    refused = replace(
        ISSUED, request_id="b", outcome="refused", sealed=None, reason="tid_spent", highest_tid=500
    )
    cancelled = Record("c", "cancelled", AT, reason="cancelled")
    add(results, ISSUED, refused, cancelled)
    results.close()
    again = Results(results_path)
    assert [again.find(name) for name in ("a-1", "b", "c")] == [ISSUED, refused, cancelled]
    assert again.find("d") is None
    again.close()


def test_the_sequence_counts_records_and_the_epoch_begins_at_one(results):
    assert (results.epoch(), results.sequence()) == (1, 0)
    add(results, ISSUED, replace(ISSUED, request_id="a-2", tid=501))
    assert (results.epoch(), results.sequence()) == (1, 2)


def test_a_block_that_fails_writes_nothing(results):
    def fails():
        with results.transaction() as records:
            records.add(ISSUED)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert results.find("a-1") is None
    assert results.sequence() == 0


def test_used_tids_are_those_issued_for_this_meter_and_base_date(results):
    refused = replace(ISSUED, request_id="r", outcome="refused", tid=900, sealed=None, reason="x")
    add(
        results,
        *(replace(ISSUED, request_id=f"i{tid}", tid=tid) for tid in (500, 502, 501)),
        replace(ISSUED, request_id="p", meter_pan="000001000000000082", tid=700),
        replace(ISSUED, request_id="q", base_date="35", tid=800),
        refused,
    )
    assert used(results, 501) == UsedTids(spent=True, highest=502, oldest_kept=None)
    assert used(results, 503, window=3) == UsedTids(spent=False, highest=502, oldest_kept=500)
    assert used(results, 900, window=2) == UsedTids(spent=False, highest=502, oldest_kept=501)
    assert used(results, 1, base_date="93") == UsedTids(spent=False, highest=None, oldest_kept=None)


def test_tokens_of_a_meter_are_counted_from_a_moment_on(results):
    for minute in range(3):
        at = AT + timedelta(minutes=minute)
        add(results, replace(ISSUED, request_id=f"i{minute}", tid=minute, at=at))
    add(results, replace(ISSUED, request_id="p", meter_pan="000001000000000082"))
    with results.transaction() as records:
        assert records.issued_since(PAN, AT - timedelta(seconds=1)) == 3
        assert records.issued_since(PAN, AT) == 2
        assert records.issued_since(PAN, AT + timedelta(minutes=2)) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ISSUED,
        replace(ISSUED, request_id="other"),
        replace(ISSUED, request_id="other", tid=7, outcome="pending"),
        replace(ISSUED, request_id="other", tid=7, sealed=None),
        replace(ISSUED, request_id="other", tid=7, outcome="refused"),
        replace(ISSUED, request_id="other", tid=7, reason="x"),
        Record("other", "cancelled", AT, args_hash="00", reason="cancelled"),
    ],
    ids=[
        "id twice",
        "tid twice",
        "unknown outcome",
        "no token",
        "token of a refusal",
        "reason of a token",
        "arguments of a cancel",
    ],
)
def test_the_file_itself_refuses_what_must_not_be(results, wrong):
    add(results, ISSUED)
    with pytest.raises(HsmUnavailable) as refused:
        add(results, wrong)
    assert (refused.value.why, refused.value.sent) == ("storage", True)
    assert isinstance(refused.value.__cause__, sqlite3.IntegrityError)
    assert results.sequence() == 1


def test_a_commit_that_fails_leaves_the_outcome_open(results):
    class FailsToCommit:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, sql, *values):
            if sql == "COMMIT":
                raise sqlite3.OperationalError
            return self.connection.execute(sql, *values)

        def __getattr__(self, name):
            return getattr(self.connection, name)

    assert results.find("a-1") is None
    opened = results._by_process[os.getpid()]
    real, opened._connection = opened._connection, FailsToCommit(opened._connection)
    with pytest.raises(HsmTimeout):
        add(results, ISSUED)
    opened._connection = real
    assert results.find("a-1") is None


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(
    results, results_path, monkeypatch
):
    monkeypatch.setattr(record_file, "BUSY_SECONDS", 0)
    other = Results(results_path)
    with results.transaction() as records:
        records.add(ISSUED)
        with pytest.raises(HsmUnavailable) as refused:
            add(other, replace(ISSUED, request_id="a-2", tid=501))
        assert other.find("a-1") is None, "readers neither wait nor see what is not committed"
    assert refused.value.why == "storage"
    assert other.find("a-1") == ISSUED
    other.close()


def test_what_is_durable_is_durable_by_setting(results, results_path):
    results.sequence()
    connection = results._by_process[os.getpid()]._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert stat.S_IMODE(results_path.stat().st_mode) == 0o600


def test_a_file_of_a_newer_release_is_not_touched(results_path):
    with sqlite3.connect(results_path) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(HsmUnavailable):
        Results(results_path).epoch()


def test_a_file_of_the_first_release_is_brought_up_to_date(results_path):
    with closing(sqlite3.connect(results_path)) as connection:
        connection.executescript((Path(__file__).parent / "record_v1.sql").read_text())
    results = Results(results_path)
    assert (results.epoch(), results.sequence()) == (2, 3)
    first = datetime.fromtimestamp(1_795_000_000, UTC)
    assert results.find("a-1") == Record(
        "a-1", "issued", first, "00", "{}", PAN, "14", 500, b"\x01"
    )
    assert (results.find("b").reason, results.find("c").outcome) == ("tid_spent", "cancelled")
    assert (results.last_head(), results.last_line(), results.issued_without_line()) == (
        None, None, 1,
    )  # fmt: skip
    add(results, replace(ISSUED, request_id="d", tid=501, tags=b"x" * 16, key="k", tenths=1))
    assert used(results, 500) == UsedTids(spent=True, highest=501, oldest_kept=None)
    results.close()


def test_several_that_bring_a_file_up_to_date_at_once_do_it_once(results_path):
    with closing(sqlite3.connect(results_path)) as connection:
        connection.executescript((Path(__file__).parent / "record_v1.sql").read_text())
    start = threading.Barrier(8)

    def first(_number):
        results = Results(results_path)
        start.wait(10)
        try:
            return results.sequence()
        finally:
            results.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first, range(8))) == [3] * 8


@pytest.mark.parametrize("table", ["request", "batch_row", "journal", "head"])
@pytest.mark.parametrize("deed", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid"])
def test_what_was_written_is_neither_changed_nor_deleted(results, table, deed):
    line = Line(1, AT, "a-1", 1, b"d", b"c", b"m")
    with results.transaction() as records:
        records.add(ISSUED, [BatchRow("a-1", 0, PAN, "14", "k", b"t")])
        records.add_line(line)
        records.add_head(Head(1, 1, b"d", AT, restart=False))
        connection = records._connection
        deed = deed.replace("rowid", "request_id") if table == "batch_row" else deed
        with pytest.raises(sqlite3.IntegrityError, match="for ever"):
            connection.execute(deed.format(table))
    assert (results.find("a-1"), results.last_line()) == (ISSUED, line)
    assert results.rows("a-1") == [BatchRow("a-1", 0, PAN, "14", "k", b"t")]


def test_what_a_key_gave_is_counted_from_a_moment_on(results):
    for number, (minute, key, tenths) in enumerate(
        [(0, "k", 5), (1, "k", None), (2, "k", 7), (2, "other", 100)]
    ):
        at = AT + timedelta(minutes=minute)
        add(results, replace(ISSUED, request_id=f"i{number}", tid=number, at=at, key=key,
                             tenths=tenths))  # fmt: skip
    add(results, replace(ISSUED, request_id="e", tid=9, at=AT + timedelta(hours=1), key="k",
                         operation="engineering"))  # fmt: skip
    with results.transaction() as records:
        assert records.given_since("k", AT - timedelta(seconds=1)) == (3, 12)
        assert records.given_since("k", AT) == (2, 7)
        assert records.given_since("none", AT) == (0, 0)


def test_what_a_key_gave_is_the_sum_of_its_tokens_after_each_second(results):
    chance = random.Random(4)
    made = [
        (chance.choice("kl"), chance.randrange(400), chance.choice([None, 1, 30, 700]))
        for _ in range(120)
    ]  # in no order: clocks are put back
    for number, (key, second, tenths) in enumerate(made):
        at = AT + timedelta(seconds=second)
        add(results, replace(ISSUED, request_id=f"i{number}", tid=number, at=at, key=key,
                             tenths=tenths))  # fmt: skip
    with results.transaction() as records:
        for second in range(-2, 402):
            later = [tenths or 0 for key, at, tenths in made if key == "k" and at > second]
            since = AT + timedelta(seconds=second)
            assert records.given_since("k", since) == (len(later), sum(later)), second


def test_a_file_of_before_gets_its_sums_and_who_has_it_open_keeps_them(results, results_path):
    add(results, replace(ISSUED, key="k", tenths=5))
    results.close()
    with closing(sqlite3.connect(results_path)) as before:
        before.executescript("DROP TRIGGER request_given; DROP TABLE given_minute")
        again = Results(results_path)
        with again.transaction() as records:
            assert records.given_since("k", AT - timedelta(days=1)) == (1, 5)
        before.execute(
            "INSERT INTO request (request_id, outcome, args_hash, args, sealed, at, key, tenths)"
            " VALUES ('b', 'issued', '', '', 'x', ?, 'k', 7)", (int(AT.timestamp()) + 61,),
        )  # fmt: skip
        before.commit()
    with again.transaction() as records:
        assert records.given_since("k", AT - timedelta(days=1)) == (2, 12)
        assert records.given_since("k", AT) == (1, 7)
    again.close()


def test_several_that_open_a_new_file_at_once_share_one(results_path):
    start = threading.Barrier(8)

    def first(number):
        results = Results(results_path)
        start.wait(10)
        add(results, replace(ISSUED, request_id=f"i{number}", tid=number))
        results.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(first, range(8)))
    last = Results(results_path)
    assert last.sequence() == 8
    last.close()
    assert [path.name for path in results_path.parent.iterdir()] == [results_path.name]


def test_threads_of_one_process_take_turns(results):
    def one(number):
        add(results, replace(ISSUED, request_id=f"i{number}", tid=number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(40)))
    assert results.sequence() == 40


def test_a_closed_record_opens_again_when_asked(results):
    add(results, ISSUED)
    results.close()
    assert results.find("a-1") == ISSUED


def test_a_lost_record_is_a_loss_and_is_not_made_anew(results, results_path):
    add(results, ISSUED)
    known = Results(results_path, make=False)
    assert known.find("a-1") == ISSUED
    results_path.unlink()  # while it is open
    for ask in (known, Results(results_path, make=False)):
        with pytest.raises(HsmUnavailable, match="storage"):
            ask.find("a-1")
    assert not results_path.exists()
    known.close()

"""Which errors say that the database is away.

Source: PostgreSQL, appendix A "PostgreSQL Error Codes", classes 08, 40, 53 and 57; SQLite,
"Result and Error Codes".
"""

import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from tests.faults import request_lost
from vmsapp.hsm.errors import HsmTimeout
from vmsapp.security.away import doubt_behind, is_away


def said(driver_error, cut_off=False, kind=OperationalError):
    return kind("SELECT 1", {}, driver_error, connection_invalidated=cut_off)


@pytest.mark.parametrize(("error", "away"), [
    (psycopg.OperationalError("connection refused"), True),
    (psycopg.errors.ConnectionTimeout("connection timeout expired"), True),
    (psycopg.errors.ConnectionFailure(), True),  # 08006
    (psycopg.errors.AdminShutdown(), True),  # 57P01
    (psycopg.errors.CrashShutdown(), True),  # 57P02
    (psycopg.errors.CannotConnectNow(), True),  # 57P03
    (psycopg.errors.TooManyConnections(), True),  # 53300
    (psycopg.errors.DeadlockDetected(), False),  # 40P01
    (psycopg.errors.SerializationFailure(), False),  # 40001
    (psycopg.errors.DiskFull(), False),  # 53100
    (psycopg.errors.QueryCanceled(), False),  # 57014
])  # fmt: skip
def test_of_postgresql(error, away):
    assert is_away(said(error)) is away


def test_a_connection_that_broke_says_so_whatever_its_code():
    assert is_away(said(psycopg.errors.QueryCanceled(), cut_off=True))


def test_a_file_of_sqlite_that_cannot_be_opened_is_away(tmp_path):
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "nowhere" / "vms.sqlite")
    assert is_away(said(caught.value))


def test_a_writer_before_that_does_not_end_is_away(tmp_path):
    file = tmp_path / "vms.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        second = sqlite3.connect(file, isolation_level=None, timeout=0)
        with closing(second), pytest.raises(sqlite3.OperationalError) as caught:
            second.execute("BEGIN IMMEDIATE")
    assert is_away(said(caught.value))


def test_a_table_that_sqlite_does_not_know_is_our_mistake():
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(":memory:").execute("SELECT 1 FROM nowhere")
    assert not is_away(said(caught.value))


@pytest.mark.parametrize("error", [
    None, RuntimeError("connection refused"), ConnectionRefusedError(),
    said(Exception("twice"), kind=IntegrityError), said(Exception("typo"), kind=ProgrammingError),
])  # fmt: skip
def test_other_errors_are_not(error):
    assert not is_away(error)


def test_the_doubt_that_was_about_to_be_told_is_found():
    def ask(call):
        raise said(Exception("cut off")) from Exception("cut off")

    def tell():
        try:
            request_lost(ask)
        except HsmTimeout as error:
            ask(error)

    with pytest.raises(OperationalError) as caught:
        tell()
    assert isinstance(doubt_behind(caught.value), HsmTimeout)
    assert doubt_behind(said(Exception("cut off"))) is None

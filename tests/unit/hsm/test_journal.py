"""The journal: a line for whatever was issued, and what a hand in the file gives away."""

import sqlite3
from contextlib import closing

import pytest

from tests.unit.hsm.hsm_cases import NOW, PAN, TID, request_of
from vmsapp import sealing
from vmsapp.hsm import journal
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.results import Record, Results
from vmsapp.hsm.writing import Seals


@pytest.fixture
def key(keystore):
    return keystore.sealing_key("journal chain").reveal()


@pytest.fixture
def filled(soft):
    for number in range(4):
        soft.issue_credit(request_of(f"sale-{number}", tid=TID + number))
    return soft


def altered(results_path, *statements):
    """Do what only who owns the file can do."""
    with closing(sqlite3.connect(results_path)) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            file.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            file.execute(statement)
        file.commit()


def check(results_path, key):
    results = Results(results_path)
    found = journal.verify(results, key)
    results.close()
    return found


def test_a_whole_journal_is_whole_with_and_without_the_key(filled, results_path, key):
    for secret in (key, None):
        found = check(results_path, secret)
        assert (found.lines, found.tokens, found.broken_at, found.why) == (4, 4, None, "")
        assert found.without_line == 0
        assert len(found.chain) == 32


def test_an_empty_journal_is_whole(soft, results_path, key):
    soft.status()
    found = check(results_path, key)
    assert (found.lines, found.chain, found.broken_at) == (0, bytes(32), None)


@pytest.mark.parametrize(
    ("statements", "broken_at", "why"),
    [
        (["UPDATE journal SET tokens = 2 WHERE number = 2"], 2, "chain"),
        (["UPDATE journal SET at = at + 1 WHERE number = 3"], 3, "chain"),
        (["UPDATE journal SET digest = zeroblob(32) WHERE number = 1"], 1, "chain"),
        (["DELETE FROM journal WHERE number = 2"], 3, "gap"),
        (["DELETE FROM journal WHERE number = 1"], 2, "gap"),
        (
            [
                "DELETE FROM journal WHERE number = 2",
                "UPDATE journal SET number = number - 1 WHERE number > 2",
            ],
            2,
            "chain",
        ),
        (["DELETE FROM request WHERE request_id = 'sale-2'"], 3, "request"),
        (["UPDATE request SET tid = tid + 100 WHERE request_id = 'sale-2'"], 3, "request"),
        (["UPDATE request SET meter_pan = '1' WHERE request_id = 'sale-0'"], 1, "request"),
        (["UPDATE request SET tenths = 0 WHERE request_id = 'sale-0'"], 1, "request"),
        (["UPDATE request SET tags = zeroblob(16) WHERE request_id = 'sale-3'"], 4, "request"),
        (["UPDATE journal SET mac = zeroblob(32) WHERE number = 4"], 4, "seal"),
    ],
)
def test_a_hand_in_the_file_shows(filled, results_path, key, statements, broken_at, why):
    filled._results.close()
    altered(results_path, *statements)
    found = check(results_path, key)
    assert (found.broken_at, found.why, found.lines) == (
        broken_at,
        why,
        broken_at - 1 - (why == "gap"),
    )


def test_a_chain_made_anew_lacks_the_modules_seal(filled, results_path, key):
    """Whoever owns the file can make the chain anew; the key is in the keystore."""
    filled._results.close()
    results = Results(results_path)
    last = results.lines(2, 1)[0]
    results.close()
    forged = journal.line_of(b"x" * 32, last, record_of("sale-3", results_path), [], NOW)
    columns = {"digest": forged.digest, "chain": forged.chain, "mac": forged.mac}
    altered(
        results_path,
        "DELETE FROM journal WHERE number = 4",
        "INSERT INTO journal VALUES (4, {}, 'sale-3', 1, {}, {}, {})".format(
            int(NOW.timestamp()), *(f"X'{value.hex()}'" for value in columns.values())
        ),
    )
    assert check(results_path, None).broken_at is None
    assert (check(results_path, key).broken_at, check(results_path, key).why) == (4, "seal")


def record_of(request_id, results_path) -> Record:
    results = Results(results_path)
    record = results.find(request_id)
    results.close()
    return record


def test_a_journal_cut_short_shows_by_what_stands_in_no_line(filled, results_path, key):
    before = check(results_path, key).chain
    filled._results.close()
    altered(results_path, "DELETE FROM journal WHERE number = 4")
    found = check(results_path, key)
    assert (found.broken_at, found.lines, found.without_line) == (None, 3, 1)
    assert found.chain != before


def test_the_journal_is_written_with_the_token_or_not_at_all(soft, monkeypatch):
    def fails(*_args):
        raise sqlite3.OperationalError

    monkeypatch.setattr("vmsapp.hsm.results.Transaction.add_line", fails)
    with pytest.raises(Exception, match="storage"):
        soft.issue_credit(request_of())
    assert soft._results.find("sale-1-1") is None


def test_on_a_full_disk_nothing_is_made_and_nothing_is_half_written(soft):
    """SQLite says that its file may not grow, as it does when the disk is full."""
    made = soft.issue_credit(request_of("before"))
    with soft._results._connection() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    whys = {}
    for number in range(1, 60):
        try:
            soft.issue_credit(request_of(f"s-{number}", tid=TID + number))
        except HsmUnavailable as unavailable:
            whys[f"s-{number}"] = unavailable.why
    assert set(whys.values()) == {"storage"}
    assert [name for name in whys if soft._results.find(name)] == []
    assert soft.issue_credit(request_of("before")) == made, "what was given is given again"
    with soft._results._connection() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert soft.issue_credit(request_of("s-59", tid=TID + 59)).digits
    found = journal.verify(soft._results, None)
    assert (found.broken_at, found.without_line) == (None, 0)


def test_the_tag_of_a_token_is_an_hmac_of_its_digits(soft, keystore):
    tag_key = keystore.sealing_key("journal tags").reveal()
    digits = soft.issue_credit(request_of()).digits
    expected = sealing.mac(tag_key, digits.encode())[:16]
    assert soft.tags([digits]) == [expected]
    assert soft.journal(0, 1)[0].tags == (expected,)
    assert soft.journal(0, 1)[0].meter_pan == PAN


def test_a_token_sealed_by_the_first_release_is_still_given(keystore):
    """It sealed the fields of a single token, as JSON, under the same key and id."""
    plain = (
        b'{"digits": "70630503470028726114", "token_class": 0, "subclass": 0, "tid": 85740,'
        b' "amount_field": 1, "kcv": "ABCDEF", "module_id": "VSM-000001",'
        b' "table_set": "production", "demo": false}'
    )
    sealed = sealing.seal(keystore.sealing_key("results").reveal(), plain, aad=b"sale-1-1")
    seals = Seals(keystore.module_id, keystore.sealing_key)
    token = IssuedToken(
        "70630503470028726114", 0, 0, 85_740, 1, "ABCDEF", "VSM-000001", "production", demo=False
    )
    assert seals.unseal("sale-1-1", sealed) == ((token,),)

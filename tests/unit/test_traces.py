"""The search for secrets: each way of writing one is found, what only looks like one is not."""

import base64
import logging
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.debug_log import DebugLog
from tests.traces import (
    DECODER_KEY,
    OTHER_KEY,
    PASSPHRASE,
    TOKEN,
    VENDING_KEY,
    Secrets,
    found_in_database,
    found_in_files,
)

# Values of this file alone: nothing of the product has them, so planting them disturbs no one.
DES_KEY = bytes.fromhex("8c1d2a5f00e947b6")
LONG_KEY = bytes.fromhex("f1027d5c33b8a4e69b10dd7a41c5880e6f2b93aa")
METERS_KEY = bytes.fromhex("9ae041ff07d2c86b55310cb7e8a9643d")
PHRASE = b"a heron stands in the reeds"
DIGITS = "83650192748361920574"

SECRETS = (
    (VENDING_KEY, DES_KEY), (VENDING_KEY, LONG_KEY), (DECODER_KEY, METERS_KEY),
    (PASSPHRASE, PHRASE), (TOKEN, DIGITS.encode()),
)  # fmt: skip


@pytest.fixture
def tmp_path(tmp_path):
    """A folder whose planted secrets are gone when the run's own folder is searched."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture
def known():
    secrets = Secrets()
    for kind, value in SECRETS:
        secrets.add(kind, value)
    return secrets


def spellings(value: bytes) -> dict[str, bytes]:
    """How people and programs write bytes."""
    pairs = [f"{byte:02x}" for byte in value]
    return {
        "plain": value,
        "repr": repr(value).encode(),
        "repr of a repr": repr({"key": repr(value)}).encode(),
        "hex": value.hex().encode(),
        "HEX": value.hex().upper().encode(),
        "after an odd digit": b"f" + value.hex().encode(),
        "blanks": " ".join(pairs).encode(),
        "colons": ":".join(pairs).encode(),
        "dashes": "-".join(pairs).upper().encode(),
        "base64": base64.b64encode(value),
        "for addresses": base64.urlsafe_b64encode(value).rstrip(b"="),
    }


@pytest.mark.parametrize("how", spellings(b""))
@pytest.mark.parametrize(("kind", "value"), SECRETS[:4], ids=["02", "04", "meter", "phrase"])
def test_a_key_or_a_passphrase_is_found_however_it_is_written(known, kind, value, how):
    written = spellings(value)[how]
    for content in (written, b"request " + written + b" done", b"\0" * 99 + written + b"\0" * 99):
        assert known.found_in(content) == {kind}


@pytest.mark.parametrize(("kind", "value"), [SECRETS[0], SECRETS[2]], ids=["02", "meter"])
def test_a_key_written_as_a_number_is_found(known, kind, value):
    assert known.found_in(b"under %d now" % int.from_bytes(value, "big")) == {kind}


@pytest.mark.parametrize("before", [b"", b"19", b"2026-03-17 09:30 "])
@pytest.mark.parametrize("between", ["", " ", "-", ", ", "', '"])
def test_a_token_is_found_in_one_and_in_groups_of_four(known, between, before):
    groups = between.join(DIGITS[at : at + 4] for at in range(0, 20, 4))
    assert known.found_in(before + groups.encode() + b" given") == {TOKEN}


@pytest.mark.parametrize(("kind", "value"), SECRETS)
def test_the_body_of_a_brokers_message_is_read(known, kind, value):
    """Celery's messages on files and on Redis have a body in base64."""
    said = value.decode() if value.isascii() else value.hex()
    body = base64.b64encode(f'[["sold {said}"], {{}}]'.encode())
    assert known.found_in(b'{"body": "' + body + b'", "headers": {}}') == {kind}


@pytest.mark.parametrize(
    "harmless",
    [
        DIGITS[:19], DIGITS[1:] + "0", DES_KEY.hex()[:15], repr(LONG_KEY[:7]), PHRASE.decode()[1:],
        "meter 07000000039 at 2026-03-17T09:30:00Z, 0123456789abcdef", "VendingKey(…)", "",
    ],
)  # fmt: skip
def test_parts_and_likenesses_are_no_find(known, harmless):
    assert known.found_in(harmless.encode()) == set()


def test_what_is_short_zero_or_counts_is_not_looked_for():
    secrets = Secrets()
    for value in (b"x", b"letmein", bytes(8), bytes(20), bytes([1] * 8), bytes(range(16))):
        secrets.add(OTHER_KEY, value)
        assert secrets.found_in(value + b"\xff" + value.hex().encode()) == set()


def test_what_a_key_is_for_is_told_once_it_is_known():
    secrets = Secrets()
    for kind in (OTHER_KEY, VENDING_KEY, OTHER_KEY):
        secrets.add(kind, DES_KEY)
    assert secrets.found_in(DES_KEY.hex().encode()) == {VENDING_KEY}


@pytest.fixture
def database(tmp_path):
    """Tokens in their column, a clean table, and a key's name."""
    path = tmp_path / "vms.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE token (id INTEGER, digits TEXT, note TEXT);"
            f"INSERT INTO token VALUES (1, '{DIGITS}', 'printed');"
            "CREATE TABLE consumer (name TEXT, photo BLOB); INSERT INTO consumer VALUES ('A', '');"
        )
    return path


PLANTED = [
    (TOKEN, "consumer", "INSERT INTO consumer VALUES ('Ada 8365 0192 7483 6192 0574', '')"),
    (TOKEN, "token", f"UPDATE token SET note = '{DIGITS}'"),
    (VENDING_KEY, "consumer", f"INSERT INTO consumer VALUES ('', x'00{DES_KEY.hex()}')"),
    (DECODER_KEY, "consumer", f"INSERT INTO consumer VALUES ('{METERS_KEY.hex()}', '')"),
    (PASSPHRASE, "consumer", f"INSERT INTO consumer VALUES ('{PHRASE.decode()}', '')"),
]


@pytest.mark.parametrize(("kind", "table", "deed"), PLANTED)
def test_what_lies_in_a_table_is_found_but_for_tokens_in_their_column(
    known, database, kind, table, deed
):
    assert found_in_database(known, f"sqlite:///{database}") == []
    assert found_in_files(known, database.parent) == []
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(deed)
        connection.commit()
    assert found_in_database(known, f"sqlite:///{database}") == [f"{kind} in the table {table}"]
    assert found_in_files(known, database.parent) == [f"{kind} in vms.sqlite, table {table}"]


def test_the_tokens_of_a_database_are_looked_for_beside_it(database):
    (database.parent / "upload.tmp").write_text(f"sold {DIGITS}")
    assert found_in_files(Secrets(), database.parent) == [f"{TOKEN} in upload.tmp"]


@pytest.mark.postgres
def test_what_lies_in_a_table_on_postgres_is_found(new_postgres_database):
    from tests.conftest import run  # noqa: PLC0415 - only where there is PostgreSQL

    url, known = new_postgres_database(), Secrets()
    known.add(VENDING_KEY, DES_KEY)
    run(url, "CREATE TABLE token (id int, digits text); CREATE TABLE consumer (name text, b bytea)")
    run(url, f"INSERT INTO token VALUES (1, '{DIGITS}')")
    assert found_in_database(known, url) == []
    run(url, f"INSERT INTO consumer VALUES ('{DIGITS}', NULL)")
    assert found_in_database(known, url) == [f"{TOKEN} in the table consumer"]
    run(url, f"INSERT INTO consumer VALUES ('A', '\\x{DES_KEY.hex()}')")
    assert found_in_database(known, url) == [f"{VENDING_KEY} in the table consumer"]


@pytest.mark.parametrize("name", ["module/passphrase", "passphrase.txt", "web-1.psk"])
def test_files_that_are_there_to_hold_a_secret_may(known, tmp_path, name):
    (tmp_path / "module").mkdir()
    (tmp_path / name).write_bytes(PHRASE)
    (tmp_path / "upload.tmp").write_bytes(b"nothing")
    assert found_in_files(known, tmp_path) == []
    (tmp_path / "upload.tmp").write_bytes(PHRASE)
    assert found_in_files(known, tmp_path) == [f"{PASSPHRASE} in upload.tmp"]


SHOUT = logging.getLogger("tests.shout")


@pytest.fixture
def log(known, tmp_path, debug_log):
    """A log of its own; what the tests plant in it is unknown to the run."""
    log = DebugLog(known)
    log.begin(tmp_path / "debug.log")
    yield log
    log.end()


def test_a_secret_in_the_log_is_told_once_and_kept(log, tmp_path):
    assert log.search() == []
    SHOUT.debug("made %s", DIGITS)
    assert log.search() == [f"{TOKEN} in the log, which is kept in {tmp_path / 'find-1.txt'}"]
    assert DIGITS in (tmp_path / "find-1.txt").read_text()
    SHOUT.debug("all is well")
    assert log.search() == []
    assert (tmp_path / "debug.log").read_bytes() == b""


def test_a_secret_in_an_errors_text_is_found(log):
    SHOUT.error("odd", exc_info=ValueError(METERS_KEY))
    assert log.search()[0].startswith(DECODER_KEY)


def silence():
    SHOUT.disabled = True


def cut_off():
    SHOUT.propagate = False


def unwilling():
    SHOUT.setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)


def emptied():
    logging.getLogger().handlers = []


def forbidden():
    logging.disable(logging.CRITICAL)


@pytest.mark.parametrize("change", [silence, cut_off, unwilling, emptied, forbidden])
def test_whatever_was_made_of_the_loggers_the_log_listens_again(log, change):
    before = list(logging.getLogger().handlers)
    change()
    SHOUT.debug("unheard %s", DIGITS)
    assert log.search() == []
    log.listen()
    SHOUT.debug("heard %s", DIGITS)
    assert len(log.search()) == 1
    logging.getLogger().handlers = before


def test_rows_that_are_read_are_not_in_the_log_but_statements_are(debug_log):
    assert logging.getLogger("sqlalchemy.engine.Engine").getEffectiveLevel() == logging.INFO
    assert logging.getLogger("sqlalchemy.orm").getEffectiveLevel() == logging.DEBUG
    assert logging.getLogger("celery.beat").getEffectiveLevel() == logging.DEBUG

"""``flask journal``: what it prints and how it fails, on records of a real module."""

import os
from contextlib import closing

import pytest
from click.testing import CliRunner

from tests.unit.hsm.hsm_cases import (
    CHEAP_N,
    NOW,
    PAN,
    PASSPHRASE,
    TID,
    key,
    request_of,
)
from vmsapp.cli.journal import journal
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def files(tmp_path):
    """Keystore and record of a module that made two tokens."""
    keystore = Keystore.create(tmp_path / "ks", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)
    keystore.add(key())
    module = SoftModule(
        keystore, Results(tmp_path / "rec"), limits=Limits(None, None), clock=lambda: NOW
    )
    digits = [module.issue_credit(request_of(f"s-{n}", tid=TID + n)).digits for n in range(2)]
    module.close()
    return tmp_path / "ks", tmp_path / "rec", digits


def run(*arguments, **options):
    return CliRunner().invoke(journal, [str(each) for each in arguments], **options)


def changed(record, statement):
    """Do what only who owns the file can do."""
    results = Results(record)
    with results.transaction() as records:
        records._connection.execute("DROP TRIGGER journal_UPDATE")
        records._connection.execute(statement)
    results.close()


def test_a_whole_journal_passes_with_and_without_the_keystore(files):
    keystore, record, digits = files
    plain = run("verify", record)
    assert plain.exit_code == 0, plain.output
    assert "Lines checked: 2, of 2 tokens" in plain.output
    assert "not checked" in plain.output
    sealed = run("verify", record, "--keystore", keystore, input=PASSPHRASE.decode() + "\n")
    assert sealed.exit_code == 0, sealed.output
    assert "Seals: checked" in sealed.output
    for secret in (*digits, PASSPHRASE.decode()):
        assert secret not in plain.output + sealed.output


def test_the_passphrase_may_come_from_a_file_descriptor(files):
    keystore, record, _ = files
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE)
    os.close(writer)
    found = run("verify", record, "--keystore", keystore, "--passphrase-fd", reader)
    assert found.exit_code == 0, found.output
    assert "Seals: checked" in found.output


def test_a_wrong_passphrase_is_a_sentence(files):
    keystore, record, _ = files
    found = run("verify", record, "--keystore", keystore, input="wrong\n")
    assert found.exit_code == 1
    assert "Error: The passphrase is wrong." in found.output
    assert "Traceback" not in found.output


def test_another_modules_keystore_is_named_as_such_and_not_the_journal_as_broken(files, tmp_path):
    _, record, _ = files
    with closing(Keystore.create(tmp_path / "ks2", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)):
        found = run("verify", record, "--keystore", tmp_path / "ks2", input=PASSPHRASE.decode())
    assert found.exit_code == 1
    assert "the keystore does not belong to this journal" in found.output
    assert "BROKEN" not in found.output
    assert "Lines checked: 2, of 2 tokens" in found.output
    assert "Seals: checked" not in found.output


def test_another_modules_keystore_does_not_hide_a_broken_journal(files, tmp_path):
    _, record, _ = files
    changed(record, "UPDATE journal SET tokens = 9 WHERE number = 2")
    with closing(Keystore.create(tmp_path / "ks2", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)):
        found = run("verify", record, "--keystore", tmp_path / "ks2", input=PASSPHRASE.decode())
    assert found.exit_code == 1
    assert "BROKEN: line 2" in found.output


def test_a_journal_sealed_anew_is_broken_though_no_seal_fits(files):
    """The tokens it speaks of are still sealed with the keystore, so it is the right one."""
    keystore, record, _ = files
    changed(record, "UPDATE journal SET mac = zeroblob(32)")
    found = run("verify", record, "--keystore", keystore, input=PASSPHRASE.decode())
    assert found.exit_code == 1
    assert "BROKEN: line 1: the module did not seal it" in found.output


def test_a_broken_journal_fails_and_says_where(files):
    _, record, _ = files
    changed(record, "UPDATE journal SET tokens = 9 WHERE number = 2")
    found = run("verify", record)
    assert found.exit_code == 1
    assert "BROKEN: line 2" in found.output


def test_a_journal_cut_short_shows_by_the_hash_noted_before(files):
    _, record, _ = files
    results = Results(record)
    noted = results.last_line().chain.hex()
    assert run("verify", record, "--last", noted).exit_code == 0
    with results.transaction() as records:
        records._connection.execute("DROP TRIGGER journal_DELETE")
        records._connection.execute("DELETE FROM journal WHERE number = 2")
    results.close()
    found = run("verify", record, "--last", noted)
    assert found.exit_code == 1
    assert "cut short" in found.output


def test_lines_are_listed_without_digits(files):
    _, record, digits = files
    found = run("list", record, "--after", 1)
    assert found.output == f"2\t2026-11-22T12:00:00Z\tcredit\t{PAN}\t{TID + 1}\ts-1\n"
    assert not any(each in found.output for each in digits)


def test_a_file_that_is_no_record_is_a_sentence(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"not a record")
    found = run("verify", other)
    assert found.exit_code == 1
    assert "did not do it: its storage cannot be written." in found.output

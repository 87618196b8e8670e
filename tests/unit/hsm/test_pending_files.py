"""Key files that wait for a second custodian."""

import stat
from datetime import timedelta

import pytest

from tests.unit.hsm import vkf_cases as cases
from tests.unit.hsm.vkf_cases import NOW, described, file_of
from vmsapp.hsm.errors import KeyFileRefused
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.sts.secret import SecretBytes


@pytest.fixture
def now():
    return [NOW]


@pytest.fixture
def pending(store_path, now):
    return Pending.beside(store_path, lambda: now[0])


@pytest.fixture
def importer(keystore, now):
    return KeyImport(keystore, keystore.module_id, clock=lambda: now[0])


def why(call, *args, **options):
    with pytest.raises(KeyFileRefused) as refused:
        call(*args, **options)
    assert "%(" not in str(refused.value)
    return refused.value.why


def test_a_file_waits_as_it_came_under_who_sent_it(pending, store_path):
    blob = file_of()
    left = pending.add(blob, actor="amina")
    (kept,) = Pending.beside(store_path, lambda: NOW).all()
    assert kept == left
    assert (kept.blob, kept.by, kept.at) == (blob, "amina", NOW)
    assert pending.get(left.digest[:8]) == left


def test_leaving_a_file_takes_nothing_and_says_so(importer, pending, keystore):
    report = importer.leave(file_of(), pending, actor="amina")
    assert (report.file_id, report.done, report.waits_for_second) == ("file-1", False, True)
    assert (report.verdicts, keystore.keys()) == ((), [])
    assert len(pending.all()) == 1


def test_a_file_that_is_refused_does_not_wait(importer, pending):
    for blob, code in ((b"9500", "kmc_file"), (file_of(target="VSM-000000"), "target")):
        assert why(importer.leave, blob, pending, actor="amina") == code
    assert pending.all() == []


def test_a_second_custodian_approves_it(importer, pending, keystore):
    importer.leave(file_of(described()), pending, actor="amina")
    (kept,) = pending.all()
    assert why(pending.for_approval, kept.digest, actor="amina") == "pending_same"
    found = pending.for_approval(kept.digest, actor="joseph")
    report = importer.import_keys(found.blob, SecretBytes(cases.PASSPHRASE), actor="joseph")
    assert report.done
    pending.remove(found.digest)
    assert pending.all() == []
    assert len(keystore.keys()) == 1


def test_sending_it_again_does_not_change_who_sent_it(pending, now):
    first = pending.add(file_of(), actor="amina")
    now[0] += timedelta(hours=1)
    assert pending.add(file_of(), actor="joseph") == first
    assert len(pending.all()) == 1


def test_ten_wait_and_no_more(pending):
    for number in range(10):
        pending.add(b"file %d" % number, actor="amina")
    assert why(pending.add, b"another", actor="amina") == "pending_full"
    assert pending.add(b"file 3", actor="amina").blob == b"file 3"
    pending.remove(pending.all()[0].digest)
    pending.add(b"another", actor="amina")
    assert len(pending.all()) == 10


def test_a_file_waits_for_a_day(pending, now):
    left = pending.add(file_of(), actor="amina")
    now[0] += timedelta(hours=24) - timedelta(seconds=1)
    assert pending.all() == [left]
    now[0] += timedelta(seconds=1)
    assert pending.all() == []
    assert why(pending.get, left.digest) == "pending_none"
    assert list(pending._folder.iterdir()) == []


def test_what_does_not_wait_is_not_found(pending):
    one, two = (pending.add(blob, actor="amina") for blob in (b"one", b"two"))
    for digest in ("", "0" * 64, one.digest[::-1]):
        assert why(pending.get, digest) == "pending_none"
        assert why(pending.remove, digest) == "pending_none"
    assert one.digest[0] != two.digest[0]
    assert pending.get(one.digest[0]) == one


def test_a_beginning_that_two_share_names_neither(pending):
    digests = [pending.add(b"%d" % number, actor="amina").digest for number in range(10)]
    shared = next(d[0] for d in digests if sum(e.startswith(d[0]) for e in digests) > 1)
    assert why(pending.get, shared) == "pending_none"


def test_too_large_a_file_does_not_wait(pending):
    assert why(pending.add, b"x" * (256 * 1024 + 1), actor="amina") == "too_large"
    pending.add(b"x" * 256 * 1024, actor="amina")
    assert len(pending.all()[0].blob) == 256 * 1024


@pytest.mark.parametrize(
    "damage",
    [lambda raw: raw[:-9], lambda raw: raw[:0], lambda raw: raw.replace(b'"by"', b'"no"'),
     lambda raw: raw.replace(b'"file":"', b'"file":"AAAA'), lambda raw: b"[" * 9999 + raw,
     lambda raw: raw.replace(b'"amina"', b"5"), lambda raw: raw.replace(b"2026-", b"26-")],
)  # fmt: skip
def test_a_damaged_record_is_forgotten(pending, damage):
    left = pending.add(file_of(), actor="amina")
    path = pending._path(left.digest)
    path.write_bytes(damage(path.read_bytes()))
    assert pending.all() == []
    assert not path.exists()


def test_it_is_the_owners_alone_and_holds_no_key(pending):
    left = pending.add(file_of(), actor="amina")
    path = pending._path(left.digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert cases.VK04.encode() not in path.read_bytes()
    assert len(repr(left)) < 200


def test_what_is_not_ours_in_the_folder_stays(pending):
    pending.add(file_of(), actor="amina")
    foreign = pending._folder / "notes.json"
    foreign.write_text("{}")
    assert len(pending.all()) == 1
    assert foreign.exists()


def test_nothing_waits_where_nothing_was_left(pending):
    assert pending.all() == []

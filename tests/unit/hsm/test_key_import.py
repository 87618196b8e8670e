"""Key files into a keystore: what becomes of each key, and of all of them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from tests.unit.hsm import vkf_cases as cases
from tests.unit.hsm.hsm_cases import REF02, REF04, key
from tests.unit.hsm.vkf_cases import NOW, blob_of, described, file_of, members_of, signed
from vmsapp.hsm import key_rules
from vmsapp.hsm.errors import KeyFileRefused, KeystoreError
from vmsapp.hsm.key_file import VERDICTS
from vmsapp.hsm.key_file.importing import KeyImport
from vmsapp.hsm.key_file.tries import Tries
from vmsapp.hsm.keystore import Keystore
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.usefixtures("cheap_opening")


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def importer(keystore, clock):
    return KeyImport(keystore, keystore.module_id, clock=clock)


@pytest.fixture
def take(importer):
    """Import keys, and see that every verdict can be said."""

    def take(*keys, passphrase=cases.PASSPHRASE, taking=importer, **options):
        blob = keys[0] if isinstance(keys[0], bytes) else file_of(*keys)
        with SecretBytes(passphrase) as secret:
            report = taking.import_keys(blob, secret, actor="amina", **options)
        for verdict in report.verdicts:
            said = VERDICTS[verdict.code] % dict(verdict.params) if verdict.code else ""
            assert cases.VK04 not in said
        return report

    return take


def told(report):
    return [(verdict.outcome, verdict.code) for verdict in report.verdicts]


def params(report):
    (verdict,) = report.verdicts
    return dict(verdict.params)


def test_keys_are_taken_with_all_that_is_told_of_them(take, keystore, store_path, passphrase):
    bounds = {"ulm": 50_000, "tlm": 9, "iut": "2027-01-01T00:00:00Z"}
    report = take(
        described(ken=103, allow_kct_to=[["1" * 6, 2]], **bounds),
        described(cases.VK02, sgc="758513", krn=7, demo=True),
    )  # fmt: skip
    assert (report.done, report.file_id, told(report)) == (True, "file-1", [("added", "")] * 2)
    again = Keystore.open(store_path, passphrase)
    info, value = again.vending_key(REF04)
    assert value.reveal().hex() == cases.VK04
    assert (info.ken, info.tenths_per_day, info.tokens_per_day) == (103, 50_000, 9)
    assert info.issue_until == datetime(2027, 1, 1, tzinfo=UTC)
    assert info.changes_to == (("111111", 2),)
    assert again.vending_key(REF02)[0].demo
    assert again.vending_key(REF02)[1].reveal().hex() == cases.VK02
    assert again.keys() == keystore.keys() == [verdict.key for verdict in report.verdicts]


def test_an_import_is_one_write(take, keystore):
    take(*(described(krn=krn) for krn in range(1, 10)))
    assert (keystore.seq, len(keystore.keys())) == (2, 9)


# --- the rows of the table ---


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({"sgc": "20145"}, "SGC", "20145"),
        ({"sgc": "20145a"}, "SGC", "20145a"),
        ({"sgc": "٢٠١٤٥٧"}, "SGC", "٢٠١٤٥٧"),
        ({"krn": 0}, "KRN", "0"),
        ({"krn": 10}, "KRN", "10"),
        ({"kt": 4}, "KT", "4"),
        ({"kt": -1}, "KT", "-1"),
        ({"dkga": "03"}, "DKGA", "03"),
        ({"dkga": "4"}, "DKGA", "4"),
        ({"ken": 256}, "KEN", "256"),
        ({"ken": -1}, "KEN", "-1"),
        ({"ulm": 0}, "ULM", "0"),
        ({"ulm": 10**12 + 1}, "ULM", "1000000000001"),
        ({"tlm": 0}, "TLM", "0"),
        ({"allow_kct_to": [["600675", 10]]}, "changes to", "600675/10"),
        ({"allow_kct_to": [["60067", 1]]}, "changes to", "60067/1"),
        ({"act": "2027-01-01T00:00:00Z", "iut": "2026-12-31T00:00:00Z"}, "IUT", "2026-12-31"),
    ],
)
def test_range(take, keystore, changed, field, value):
    report = take(described(**changed))
    assert told(report) == [("refused", "range")]
    assert params(report)["field"] == field
    assert params(report)["value"].startswith(value)
    assert (report.done, keystore.keys()) == (False, [])


@pytest.mark.parametrize(
    ("vk", "dkga", "has", "needed"),
    [("00" * 8, "04", "8", "20"), ("00" * 20, "02", "20", "8"), ("ab" * 16, "02", "16", "8"),
     ("ab" * 21, "04", "21", "20"), ("ab", "02", "1", "8")],
)  # fmt: skip
def test_length(take, vk, dkga, has, needed):
    told_of = described(vk, dkga=dkga, kcv_alg={"02": "DES0", "04": "SHA256-01"}[dkga])
    report = take(told_of | {"kcv": "000000"})
    assert told(report) == [("refused", "length")]
    assert params(report) == {"bytes": has, "needed": needed}


def test_parity(take):
    report = take(described("0dfe450851baf80f"))
    assert told(report) == [("refused", "parity")]
    assert params(report) == {"byte": "8"}


def test_parity_is_asked_of_des_keys_alone(take):
    assert told(take(described("00" * 20))) == [("added", "")]


def encrypt(vk, block):
    return Cipher(TripleDES(vk * 3), modes.ECB()).encryptor().update(block)


@pytest.mark.parametrize("vk", sorted(key_rules.WEAK_KEYS), ids=bytes.hex)
def test_weak(take, vk):
    report = take(described(vk.hex()))
    assert told(report) == [("refused", "weak")]


def test_the_weak_keys_are_those_that_undo_themselves_or_each_other():
    """What the list of NIST SP 800-67 says is true of each: sixteen, and of odd parity."""
    assert len(key_rules.WEAK_KEYS) == 16
    block = b"Now is t"
    undone_by = {
        one: [two for two in key_rules.WEAK_KEYS if encrypt(two, encrypt(one, block)) == block]
        for one in key_rules.WEAK_KEYS
    }
    assert all(len(others) == 1 for others in undone_by.values())
    assert sum(others == [one] for one, others in undone_by.items()) == 4
    assert all(byte.bit_count() % 2 for vk in key_rules.WEAK_KEYS for byte in vk)


def test_weakness_is_of_des_alone(take):
    assert told(take(described("01" * 20))) == [("added", "")]


@pytest.mark.parametrize(
    ("vk", "kcv"),
    [
        ("0123456789abcdef", "D5D44F"),  # DES of zeros under this key is D5D44FF720683D0D
        (cases.VK02, cases.des_kcv(cases.VK02)),
        (cases.VK04, cases.sha_kcv(cases.VK04)),
        ("00" * 20, "10C7B7"),
    ],
)
def test_kcv(take, vk, kcv):
    report = take(described(vk, kcv="ABCDEF"))
    assert told(report) == [("refused", "kcv")]
    assert params(report) == {"expected": "ABCDEF", "computed": kcv}
    assert told(take(described(vk, kcv=kcv))) == [("added", "")]


def test_base_date_ended(take):
    report = take(described(cases.VK02, bdt="1993"))
    assert told(report) == [("refused", "base_date_ended")]
    assert "24 November 2024" in VERDICTS["base_date_ended"]


@pytest.mark.parametrize(
    ("ken", "now", "code"),
    [
        # One step is 65,536 minutes: KEN 102 of 2014 is over after 103 of them.
        (102, datetime(2014, 1, 1, tzinfo=UTC) + timedelta(minutes=103 * 65_536), "expired"),
        (102, datetime(2014, 1, 1, tzinfo=UTC) + timedelta(minutes=103 * 65_536 - 1), ""),
        (255, datetime(2045, 11, 24, 20, 16, tzinfo=UTC), "expired"),
        (255, datetime(2045, 11, 24, 20, 15, tzinfo=UTC), ""),
    ],
)
def test_expired(take, clock, ken, now, code):
    clock.now = now
    report = take(described(ken=ken))
    assert told(report) == [("refused", "expired") if code else ("added", "")]
    if code:
        assert params(report)["ended"] == now.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_closed(take, clock):
    until = described(iut="2026-11-22T12:00:00Z")
    report = take(until)
    assert told(report) == [("refused", "closed")]
    assert params(report) == {"ended": "2026-11-22T12:00:00Z"}
    clock.now -= timedelta(seconds=1)
    assert told(take(until)) == [("added", "")]


def test_future(take, keystore):
    report = take(described(act="2026-11-22T12:00:01Z"), described(krn=2, bdt="2035"))
    assert told(report) == [("added", "future")] * 2
    assert [dict(verdict.params)["usable_from"] for verdict in report.verdicts] == [
        "2026-11-22T12:00:01Z", "2035-01-01T00:00:00Z",
    ]  # fmt: skip
    assert len(keystore.keys()) == 2
    assert told(take(described(krn=3, act="2026-11-22T12:00:00Z"))) == [("added", "")]


def test_no_key_may_be_used_before_its_base_date(take):
    report = take(described(bdt="2035", act="2027-01-01T00:00:00Z"))
    assert told(report) == [("added", "future")]
    assert params(report) == {"usable_from": "2035-01-01T00:00:00Z"}


def test_same(take, keystore):
    take(described())
    report = take(described())
    assert (report.done, told(report), keystore.seq) == (True, [("same", "same")], 2)


def test_conflict_and_replacement(take, keystore):
    take(described())
    other = described("cd" * 20)
    assert (take(other).done, told(take(other))) == (False, [("refused", "conflict")])
    assert keystore.vending_key(REF04)[1].reveal().hex() == cases.VK04
    assert told(take(other, replace=True, dry_run=True)) == [("replaced", "")]
    assert keystore.vending_key(REF04)[1].reveal().hex() == cases.VK04
    assert told(take(other, replace=True)) == [("replaced", "")]
    assert keystore.vending_key(REF04)[1].reveal().hex() == "cd" * 20


def test_a_key_of_the_same_check_value_is_another_key(take, monkeypatch):
    """Values are compared, not the 24 bits of a check value."""
    monkeypatch.setattr("vmsapp.sts.dkga.kcv", lambda _: "ABCDEF")
    take(described(kcv="ABCDEF"))
    assert told(take(described("cd" * 20, kcv="ABCDEF"))) == [("refused", "conflict")]


def test_the_same_key_with_other_limits_is_not_passed_over(take, keystore):
    take(described(tlm=5))
    for changed in (described(), described(tlm=6), described(tlm=5, ken=254)):
        assert told(take(changed)) == [("refused", "differs")]
    assert told(take(described(tlm=6), replace=True)) == [("replaced", "")]
    assert keystore.vending_key(REF04)[0].tokens_per_day == 6


def test_reused(take):
    take(described())
    report = take(
        described(sgc="600675"), described("cd" * 20, krn=2), described("cd" * 20, sgc="600676")
    )
    assert told(report) == [("added", "reused"), ("added", ""), ("added", "reused")]
    assert dict(report.verdicts[0].params) == {"other": "201457/1/2/04"}
    assert dict(report.verdicts[2].params) == {"other": "201457/2/2/04"}


def test_a_value_may_stand_twice_in_one_supply_group(take):
    take(described())
    assert told(take(described(krn=2))) == [("added", "")]


def test_demo(keystore, clock, take):
    strict = KeyImport(keystore, keystore.module_id, production=True, clock=clock)
    assert told(take(described(demo=True), taking=strict)) == [("refused", "demo")]
    assert told(take(described(), taking=strict)) == [("added", "")]
    assert told(take(described(demo=True, krn=2))) == [("added", "")]


def test_twice(take):
    report = take(described(), described("cd" * 20), described(krn=2))
    assert told(report) == [("refused", "twice")] * 2 + [("added", "")]
    assert not report.done


def test_what_is_wrong_first_is_said_first(take):
    told_of = described(
        "01" * 7, dkga="02", kcv_alg="DES0", kcv="ABCDEF", krn=0, bdt="1993",
        iut="2020-01-01T00:00:00Z",
    )  # fmt: skip
    put_right = (
        {}, {"krn": 1}, {"vk": "03" * 8}, {"vk": "01" * 8}, {"vk": cases.VK02},
        {"kcv": cases.des_kcv(cases.VK02)}, {"bdt": "2014", "ken": 0}, {"ken": 255},
        {"iut": "2030-01-01T00:00:00Z"},
    )  # fmt: skip
    said = []
    for change in put_right:
        told_of |= change
        said += [verdict.code for verdict in take(told_of, dry_run=True).verdicts]
    assert said == [
        "range", "length", "parity", "weak", "kcv", "base_date_ended", "expired", "closed", "",
    ]  # fmt: skip


def test_one_bad_key_keeps_all_out(take, keystore, store_path):
    before = store_path.read_bytes()
    report = take(described(), described(krn=2, ken=0), described("cd" * 20, krn=3))
    assert told(report) == [("added", ""), ("refused", "expired"), ("added", "")]
    assert not report.done
    assert store_path.read_bytes() == before
    assert keystore.keys() == []


def test_a_dry_run_says_the_same_and_takes_nothing(take, store_path):
    before = store_path.read_bytes()
    keys = described(), described(krn=2, act="2027-01-01T00:00:00Z")
    dry = take(*keys, dry_run=True)
    assert (dry.done, store_path.read_bytes()) == (False, before)
    wet = take(*keys)
    assert (wet.done, wet.verdicts) == (True, dry.verdicts)


def test_a_keystore_that_another_process_writes_takes_nothing(take, keystore, store_path):
    store_path.with_name("keystore.json.new").touch()
    with pytest.raises(KeystoreError) as refused:
        take(described())
    assert refused.value.why == "being_written"
    assert keystore.keys() == []


# --- the file as a whole ---


def why(call, *args, **options):
    with pytest.raises(KeyFileRefused) as refused:
        call(*args, **options)
    return refused.value.why


def test_whole_files_are_refused_before_the_passphrase(importer, take, keystore):
    other = file_of(target="VSM-000000")
    assert why(take, other) == why(importer.inspect, other) == "target"
    assert importer.inspect(file_of(target=keystore.module_id)).target == keystore.module_id
    assert why(take, b"9500") == why(importer.inspect, b"9500") == "kmc_file"


def test_trusted_signers_are_asked_for_in_both_ways(keystore, clock, take):
    trusted = {"Key office": cases.public(cases.SIGNER)}
    strict = KeyImport(keystore, keystore.module_id, trusted=trusted, clock=clock)
    ours = blob_of(signed(members_of()))
    foreign = blob_of(signed(members_of(), cases.OTHER_SIGNER))
    assert strict.inspect(ours).signer == "Key office"
    for blob, code in ((file_of(), "unsigned"), (foreign, "signer")):
        assert why(strict.inspect, blob) == why(take, blob, taking=strict) == code
    assert take(ours, taking=strict).done


def test_five_wrong_passphrases_then_wait(take, clock):
    lefts = []
    for _ in range(5):
        with pytest.raises(KeyFileRefused) as refused:
            take(described(), passphrase=b"guess")
        lefts.append((refused.value.why, refused.value.params["left"]))
        clock.now += timedelta(minutes=1)
    assert lefts == [("passphrase", left) for left in (4, 3, 2, 1, 0)]
    with pytest.raises(KeyFileRefused) as refused:
        take(described())
    assert (refused.value.why, refused.value.params["minutes"]) == ("wait", 10)
    assert "10 min" in str(refused.value)
    clock.now += timedelta(minutes=10)
    assert take(described()).done


def test_a_right_passphrase_is_no_try_and_forgives_none(take):
    for _ in range(7):
        take(described())
    for _ in range(4):
        assert why(take, described(), passphrase=b"guess") == "passphrase"
    assert take(described()).done
    assert why(take, described(), passphrase=b"guess") == "passphrase"
    assert why(take, described()) == "wait"


def test_a_file_altered_or_refused_is_no_try(take):
    altered = members_of()
    altered["payload"] = "AAAA" * 20
    for _ in range(6):
        assert why(take, blob_of(altered)) == "tampered"
        assert why(take, b"") == "format"
    assert take(described()).done


def test_tries_that_run_at_once_are_no_more_than_five(clock):
    tries = Tries(clock)
    for _ in range(5):
        tries.begin()
    assert why(tries.begin) == "wait"


def test_a_clock_set_back_locks_nobody_out(clock):
    tries = Tries(clock)
    for _ in range(5):
        tries.begin()
    clock.now -= timedelta(days=1)
    tries.begin()
    assert tries.left() == 4


def test_keys_are_wiped_whatever_happens(take, monkeypatch):
    opened = []

    def seen(entries, *_, **__):
        opened.extend(entries)
        raise OSError

    monkeypatch.setattr("vmsapp.hsm.key_file.importing.judge", seen)
    with pytest.raises(OSError):  # noqa: PT011 - the one raised above
        take(described())
    with pytest.raises(ValueError, match="wiped"):
        opened[0].key.value.reveal()


def test_neither_the_log_nor_the_report_holds_a_secret(take, caplog):
    caplog.set_level("DEBUG")
    report = take(described(), described(cases.VK02, krn=2))
    assert "amina" in caplog.text
    for text in (caplog.text, repr(report)):
        for secret in (cases.VK04, cases.VK02, cases.PASSPHRASE.decode()):
            assert secret not in text.lower()


def test_a_key_loaded_by_hand_is_known_to_an_import(take, keystore):
    keystore.add(key())
    assert told(take(described())) == [("same", "same")]

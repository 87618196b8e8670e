"""``flask keyfile`` and ``flask keystore``: what is typed, what is written, what is refused."""

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.unit.hsm import vkf_cases as cases
from tests.unit.hsm.vkf_cases import NOW, described, file_of
from vmsapp.cli.keyfile import keyfile
from vmsapp.cli.keystore import keystore
from vmsapp.clock import clock_reads
from vmsapp.hsm import keystore_file
from vmsapp.hsm.key_file import reading
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.keystore import Keystore, demo_key
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes

ROOT = Path(__file__).parents[2]
CHEAP = ["--scrypt-n", "16384"]
MODULE = "VSM-3F2A91"
OLD = b"correct horse"
ROWS = [
    {"sgc": "201457", "krn": 1, "dkga": "04", "vk": cases.VK04, "name": "Riverside"},
    {"sgc": "758513", "krn": "7", "dkga": "02", "vk": cases.VK02, "kcv": cases.des_kcv(cases.VK02),
     "iut": "2027-01-01", "ulm": 50_000, "tlm": 9, "allow_kct_to": [["600675", 2]], "ken": 200},
]  # fmt: skip
CSV = f"""SGC, krn, dkga, vk, name, act, iut, ulm, tlm, allow_kct_to, ken, demo
201457,1,04,{cases.VK04},Riverside,,,,,,,no
758513,7,02,{cases.VK02},,,2027-01-01,50000,9,600675/2,200,yes
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with a signing key, a list and a keystore in it."""
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("key", cases.SIGNER.hex()), ("keys.json", json.dumps(ROWS)), ("keys.csv", CSV),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return tmp_path


@pytest.fixture
def store(folder):
    return Keystore.create(folder / "store.json", SecretBytes(OLD), scrypt_n=2**14)


@pytest.fixture
def run(folder):
    """Run a command there; nothing it says holds a key or a passphrase."""

    def run(group, *words, typed=None, exits=0):
        with clock_reads(lambda: NOW):
            result = CliRunner().invoke(group, [str(word) for word in words], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert result.exit_code == exits, result.output
        for secret in (cases.VK04, cases.VK02, cases.PASSPHRASE.decode(), OLD.decode(),
                       cases.SIGNER.hex()):  # fmt: skip
            assert secret not in result.output.lower()
        return result.output

    return run


def fd_with(secret):
    reader, writer = os.pipe()
    os.write(writer, secret + b"\n")
    os.close(writer)
    return reader


def passed(secret=cases.PASSPHRASE, option="--passphrase-fd"):
    return [option, fd_with(secret)]


def keys_in(path):
    found = reading.read(path.read_bytes())
    return reading.open_keys(found, SecretBytes(cases.PASSPHRASE))


# --- keyfile ---


@pytest.mark.parametrize("name", ["keys.json", "keys.csv"])
def test_a_key_file_is_made_of_a_list(run, folder, name):
    said = run(keyfile, "new", "k.vkf", "--from", name, "--target", MODULE, *CHEAP, *passed())
    one, two = keys_in(folder / "k.vkf")
    assert [each.key.value.reveal().hex() for each in (one, two)] == [cases.VK04, cases.VK02]
    assert (one.info.name, one.info.ken, one.info.base_date) == ("Riverside", 255, BaseDate.Y2014)
    assert two.info.ref == KeyRef("758513", 7, 2, "02")
    assert (two.info.tenths_per_day, two.info.tokens_per_day, two.info.ken) == (50_000, 9, 200)
    assert two.info.changes_to == (("600675", 2),)
    assert two.info.issue_until.isoformat() == "2027-01-01T00:00:00+00:00"
    assert two.info.demo is (name == "keys.csv")
    for told in (MODULE, "201457/1/2/04", cases.sha_kcv(cases.VK04), "5000.0 units a day",
                 "changes to 600675/2", "signed with    nothing"):  # fmt: skip
        assert told in said
    assert stat.S_IMODE((folder / "k.vkf").stat().st_mode) == 0o600


def test_a_key_file_is_made_of_typed_keys(run, folder):
    answers = ["201457", "", "", "", "", "", "Riverside", cases.VK04[:-2], cases.VK04[:-2],
               "", "", "", "", "", "", "", cases.VK04, cases.VK04,
               "y", "758513", "7", "", "02", "", "", "", cases.VK02, cases.VK02, "n",
               "sent by another way", "sent by another way"]  # fmt: skip
    said = run(keyfile, "new", "k.vkf", *CHEAP, typed="\n".join(answers) + "\n")
    one, two = keys_in(folder / "k.vkf")
    assert (str(one.info.ref), one.info.name) == ("201457/1/2/04", "Riverside")
    assert (str(two.info.ref), two.info.kcv) == ("758513/7/2/02", cases.des_kcv(cases.VK02))
    assert "This cannot be: the key has the wrong length for its algorithm." in said
    assert f"check value {cases.sha_kcv(cases.VK04)}" in said


def test_a_passphrase_is_asked_for_twice(run, folder):
    said = run(keyfile, "new", "k.vkf", "--from", "keys.json", *CHEAP,
               typed="one\ntwo\nsent by another way\nsent by another way\n")  # fmt: skip
    assert "do not match" in said
    assert len(keys_in(folder / "k.vkf")) == 2


def test_demonstration_keys_are_random_and_marked(run, folder):
    run(keyfile, "new", "k.vkf", "--demo", "600000/1/2/02", "--demo", "600000/1/2/04", *CHEAP,
        *passed())  # fmt: skip
    one, two = keys_in(folder / "k.vkf")
    assert one.info.demo
    assert two.info.demo
    assert (len(one.key.value), len(two.key.value)) == (8, 20)


def test_a_signing_key_is_made_and_what_it_signs_is_trusted(run, folder):
    public = run(keyfile, "keys", "new-key").strip()
    assert len(public) == 64
    assert stat.S_IMODE((folder / "new-key").stat().st_mode) == 0o600
    assert public not in (folder / "new-key").read_text()
    run(keyfile, "new", "k.vkf", "--from", "keys.json", *CHEAP, *passed())
    run(keyfile, "sign", "k.vkf", "signed.vkf", "--private-key-file", "new-key")
    said = run(keyfile, "inspect", "signed.vkf", "--trusted", f"Key office={public}")
    assert "signer         Key office" in said
    assert run(keyfile, "inspect", "k.vkf", "--trusted", f"Key office={public}", exits=1)
    assert len(keys_in(folder / "signed.vkf")) == 2


def test_a_key_file_is_signed_as_it_is_made(run, folder):
    run(keyfile, "new", "k.vkf", "--from", "keys.json", "--sign", *CHEAP, *passed(),
        typed=f"{cases.SIGNER.hex()}\n")  # fmt: skip
    assert reading.read((folder / "k.vkf").read_bytes()).signer == cases.public(cases.SIGNER)


def test_inspecting_says_what_is_known_and_tries_a_passphrase(run, folder):
    (folder / "k.vkf").write_bytes(file_of(described(act="2027-01-01T00:00:00Z"), target=MODULE))
    said = run(keyfile, "inspect", "k.vkf", "--module", MODULE, *passed())
    assert "opens it, and it holds what it says" in said
    assert "from 2027-01-01T00:00:00Z" in said
    assert "does not open" in run(keyfile, "inspect", "k.vkf", *passed(b"guess"), exits=1)
    assert "VSM-000000" in run(keyfile, "inspect", "k.vkf", "--module", "VSM-000000", exits=1)
    assert "signed with    nothing" in run(keyfile, "inspect", "k.vkf")


def test_a_file_for_hardware_is_explained(run, folder):
    (folder / "klf").write_bytes(b"9500 and so on")
    assert "hardware module" in run(keyfile, "inspect", "klf", exits=1)


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "there"],
        ["new", "there", "--from", "keys.json"],
        ["sign", "k.vkf", "there", "--private-key-file", "key"],
    ],
)
def test_no_file_is_written_over(run, folder, words):
    (folder / "there").write_text("mine")
    (folder / "k.vkf").write_bytes(file_of())
    assert "there is there already; nothing was written." in run(keyfile, *words, exits=2)
    assert (folder / "there").read_text() == "mine"


@pytest.mark.parametrize("name", ["key", "keys.json"])
def test_secrets_that_others_may_read_are_refused(run, folder, name):
    (folder / name).chmod(0o640)
    said = run(keyfile, "new", "k.vkf", "--from", "keys.json", "--private-key-file", "key", *CHEAP,
               *passed(), exits=2)  # fmt: skip
    assert f"{name} may be read by others" in said
    assert not (folder / "k.vkf").exists()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"sgc": ""}, "sgc is missing"),
        ({"sgc": "20145"}, "a value that describes the key is out of range"),
        ({"krn": "x"}, "krn cannot be x"),
        ({"krn": 10}, "out of range"),
        ({"dkga": "03"}, "out of range"),
        ({"bdt": "2015"}, "bdt cannot be 2015"),
        ({"bdt": "1993"}, "roll the meters over"),
        ({"vk": "zz"}, "vk is not in hexadecimal digits"),
        ({"vk": "00"}, "wrong length"),
        ({"dkga": "02", "vk": "01" * 8}, "weak keys"),
        ({"dkga": "02", "vk": "00" * 8}, "odd parity"),
        ({"kcv": "ABCDEF"}, f"its check value is {cases.sha_kcv(cases.VK04)}, not ABCDEF"),
        ({"iut": "soon"}, "iut cannot be soon"),
        ({"ulm": "1.5"}, "ulm cannot be 1.5"),
        ({"demo": "maybe"}, "demo is yes or no, not maybe"),
        ({"allow_kct_to": "600675"}, "allow_kct_to cannot be 600675"),
        ({"colour": "red"}, "there is no column colour"),
    ],
)
def test_a_row_that_cannot_be_is_named_without_its_key(run, folder, changed, says):
    (folder / "keys.json").write_text(json.dumps([ROWS[0], ROWS[0] | {"krn": 2} | changed]))
    said = run(keyfile, "new", "k.vkf", "--from", "keys.json", *CHEAP, *passed(), exits=1)
    assert "Key 2 of keys.json:" in said
    assert says in said
    assert not (folder / "k.vkf").exists()


@pytest.mark.parametrize(
    "text", ["", "{}", "[", "[1]", "[[]]", "null", "[{}]", "[" * 9999, "9" * 5000, '[{"sgc":{}}]']
)
def test_what_is_no_list_is_refused(run, folder, text):
    (folder / "keys.json").write_text(text)
    said = run(keyfile, "new", "k.vkf", "--from", "keys.json", *CHEAP, *passed(), exits=1)
    assert said.startswith("Error: ")


@pytest.mark.parametrize("text", ["", "sgc\n", 'sgc,vk\n"x', "sgc,vk\n1,2,3\n", "\0\n\0"])
def test_what_is_no_table_is_refused(run, folder, text):
    (folder / "keys.csv").write_text(text)
    run(keyfile, "new", "k.vkf", "--from", "keys.csv", *CHEAP, *passed(), exits=1)
    assert not (folder / "k.vkf").exists()


def test_no_secret_is_an_argument():
    """What may hold one is a file or a descriptor."""
    asked = {
        parameter.name: parameter.type
        for group in (keyfile, keystore)
        for command in group.commands.values()
        for parameter in command.params
        if any(word in str(parameter.opts) for word in ("passphrase", "private", "secret", "vk"))
    }
    assert len(asked) >= 4
    assert all(isinstance(kind, click.Path) or kind is click.INT for kind in asked.values())


# --- keystore ---


def leave(store, *keys, actor="amina"):
    with clock_reads(lambda: NOW):
        return Pending.beside(store._path).add(file_of(*keys), actor=actor).digest


def test_status_needs_no_passphrase_and_proves_all_with_one(run, store):
    store.add(demo_key(KeyRef("600000", 1, 2, "04"), base_date=BaseDate.Y2014, name="Demo"))
    leave(store)
    said = run(keystore, "status", "store.json")
    for told in (store.module_id, "passphrases    1", "cost           16384", "waiting        1"):
        assert told in said
    assert "600000/1/2/04" not in said
    opened = run(keystore, "status", "store.json", *passed(OLD))
    assert "600000/1/2/04" in opened
    assert store.keys()[0].kcv in opened
    assert "The passphrase is wrong." in run(
        keystore, "status", "store.json", *passed(b"guess"), exits=1
    )


def test_what_is_no_keystore_is_named(run, folder):
    (folder / "other").write_bytes(b"{}")
    assert "This is not a keystore file." in run(keystore, "status", "other", exits=1)
    assert "There is no such file." in run(keystore, "status", "nothing", exits=1)


def test_the_passphrase_is_changed_by_prompt(run, store):
    run(keystore, "rewrap", "store.json", *CHEAP, typed="correct horse\nnew\nnew\n")
    assert Keystore.open(store._path, SecretBytes(b"new")).module_id == store.module_id


def test_two_custodians_and_one_again(run, store, folder):
    path = folder / "store.json"
    new = "--new-passphrase-fd"
    made = [*passed(b"first", new), *passed(b"second", new)]
    said = run(keystore, "rewrap", "store.json", "--two", *CHEAP, *passed(OLD), *made)
    assert "from now on it takes 2" in said
    assert keystore_file.passphrases_needed(path) == 2
    both = [*passed(b"first"), *passed(b"second")]
    assert store.module_id in run(keystore, "status", "store.json", *both)
    both = [*passed(b"first"), *passed(b"second")]
    made = [*passed(b"third", new), *passed(b"fourth", new)]
    run(keystore, "rewrap", "store.json", *CHEAP, *both, *made)
    assert keystore_file.passphrases_needed(path) == 2, "as many as before"
    run(keystore, "rewrap", "store.json", "--one", *CHEAP,
        typed="third\nfourth\nalone\nalone\n")  # fmt: skip
    assert Keystore.open(path, SecretBytes(b"alone")).module_id == store.module_id


def test_as_many_descriptors_as_passphrases(run, store):
    fds = [*passed(OLD), *passed(OLD)]
    assert "1 passphrases" in run(keystore, "status", "store.json", *fds, exits=2)
    assert "descriptor 99" in run(keystore, "status", "store.json", "--passphrase-fd", 99, exits=2)


def approve(run, digest, *words, actor="joseph", exits=0):
    return run(
        keystore, "approve", "store.json", digest, "--as", actor, *passed(OLD),
        *passed(option="--file-passphrase-fd"), *words, exits=exits,
    )  # fmt: skip


def test_a_second_custodian_approves_what_waits(run, store):
    digest = leave(store, described(), described(cases.VK02, krn=2, act="2027-01-01T00:00:00Z"))
    said = run(keystore, "pending", "store.json")
    assert digest in said
    assert "amina" in said
    assert "second custodian" in approve(run, digest, actor="amina", exits=1)
    dry = approve(run, digest[:8], "--dry-run")
    assert store.keys() == []
    assert approve(run, digest) == dry
    assert "The key may be used from 2027-01-01T00:00:00Z." in dry
    assert len(store.keys()) == 2
    assert "Nothing waits." in run(keystore, "pending", "store.json")


def test_a_refused_key_leaves_the_file_waiting(run, store):
    digest = leave(store, described(), described(krn=2, ken=0))
    said = approve(run, digest, exits=1)
    assert "The key expired on 2014-02-15T12:16:00Z." in said
    assert "Nothing was taken" in said
    assert store.keys() == []
    assert digest in run(keystore, "pending", "store.json")


def test_replacing_and_demonstration_keys_are_said(run, store):
    store.add(demo_key(KeyRef("201457", 1, 2, "04"), base_date=BaseDate.Y2014, name="Demo"))
    digest = leave(store, described(demo=True))
    refused = approve(run, digest, "--replace", exits=1)
    assert "With --allow-demo it takes keys made for demonstration." in refused
    assert "Another key is loaded" in approve(run, digest, "--allow-demo", exits=1)
    assert approve(run, digest, "--allow-demo", "--replace").startswith("replaced")
    assert store.vending_key(KeyRef("201457", 1, 2, "04"))[1].reveal().hex() == cases.VK04


def test_only_trusted_signers_are_approved(run, store):
    digest = leave(store)
    trusted = f"Key office={cases.public(cases.SIGNER).hex()}"
    assert "not signed" in approve(run, digest, "--trusted", trusted, exits=1)
    assert approve(run, digest, "--trusted", "x", exits=2)
    assert store.keys() == []


def test_a_key_is_removed_by_its_name_after_a_question(run, store):
    store.add(demo_key(KeyRef("600000", 1, 2, "04"), base_date=BaseDate.Y2014, name="Demo"))
    said = run(
        keystore, "remove", "store.json", "600000/1/2/04", *passed(OLD), typed="n\n", exits=1
    )
    assert "The key 600000/1/2/04 will be removed from store.json." in said
    assert "Nothing here checks whether meters still need it; the module's page in the" in said
    assert len(store.keys()) == 1
    run(keystore, "remove", "store.json", "600000/1/2/04", "--yes", *passed(OLD))
    assert store.keys() == []
    assert "No key 600000/1/2/04 is loaded." in run(
        keystore, "remove", "store.json", "600000/1/2/04", "--yes", *passed(OLD), exits=1
    )
    run(keystore, "remove", "store.json", "something", "--yes", exits=2)


def test_a_waiting_file_is_removed_by_its_digest(run, store):
    digest = leave(store)
    said = run(keystore, "remove", "store.json", digest[:12], typed="n\n", exits=1)
    assert f"The key file {digest[:12]} will wait no longer." in said
    assert "Nothing waits." not in run(keystore, "pending", "store.json")
    run(keystore, "remove", "store.json", digest[:12], "--yes")
    assert "Nothing waits." in run(keystore, "pending", "store.json")
    assert "No such key file" in run(keystore, "remove", "store.json", digest, "--yes", exits=1)


def test_what_waited_for_a_day_cannot_be_approved(run, store):
    with clock_reads(lambda: NOW - timedelta(hours=24)):
        digest = Pending.beside(store._path).add(file_of(), actor="amina").digest
    assert "No such key file" in approve(run, digest, exits=1)


def test_a_keystore_of_somebody_else_is_not_written(run, store, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: Path("store.json").stat().st_uid + 1)
    said = run(keystore, "rewrap", "store.json", *CHEAP, *passed(OLD), exits=2)
    assert "run this as its owner" in said


def test_both_are_found_without_an_application():
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("keyfile", "keystore"):
        assert f'{name} = "vmsapp.cli.{name}:{name}"' in text
    code = "import sys, vmsapp.cli.keyfile, vmsapp.cli.keystore; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not {"sqlalchemy", "flask_appbuilder", "celery"} & set(loaded)

"""``flask sts``: what support staff type, what they read, and what is refused."""

import ast
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from vmsapp import cli
from vmsapp.cli import sts_options
from vmsapp.cli.sts import sts
from vmsapp.hsm.keystore import Keystore, NewKey, demo_key
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.ea07 import SAMPLE
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors" / "vectors.jsonl"
# vectors.jsonl s001 and s079.
VK, VK_OLD, VK_NEW = "0dfe450851baf80e", "d3a1ea68c4137cf4", "3738976e450770a2"
S001 = ["--meter", "600727858282770056", "--sgc", "758513", "--krn", "7", "--ti", "02"]
S001_DIGITS = "6466 9047 2363 0690 0412"
S079 = ["--meter", "600727662561888070", "--sgc", "973317", "--krn", "3", "--ti", "50"]
S079_NEW = ["--new-sgc", "440895", "--new-krn", "4", "--new-ti", "93", "--new-ken", "133"]
# Nectar's unit test, a decoder key of its own.
DK, DK_DIGITS = "0abc12def3456789", "29054347139309851356"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``flask sts`` in an empty folder, on a machine where nothing is set up."""
    for name in [name for name in os.environ if name.startswith("VMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VMS_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.chdir(tmp_path)
    for name, key in (("vk", VK), ("old", VK_OLD), ("new", VK_NEW), ("dk", DK)):
        (tmp_path / name).write_text(f"{key[:8]} {key[8:]}\n")

    def run(*words, typed=None, exits=0):
        result = CliRunner().invoke(sts, [str(word) for word in words], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert result.exit_code == exits, result.output
        return result.output

    yield run
    assert not (tmp_path / "instance").exists(), "nothing was made that was not asked for"
    shutil.rmtree(tmp_path)  # keys lie in it in clear, as no instance has them


def lines_of(output):
    return {line[:13].strip(): line[13:] for line in output.splitlines()}


def test_a_published_credit_is_made_and_read(run):
    options = ["--vending-key-file", "vk", *S001]
    at = ["--at", "2030-12-16 07:40", "--rnd", "13"]
    made = lines_of(run("credit", "--units", "0.1", *options, *at))
    assert made.pop("token") == S001_DIGITS
    assert made == {
        "class": "0 credit", "sub-class": "0 electricity", "RND": "13",
        "TID": "8918380, 2030-12-16 07:40 UTC", "amount": "0.1 kWh (field 0001h)",
    }  # fmt: skip
    assert lines_of(run("decode", S001_DIGITS, *options)) == made
    assert lines_of(run("decode", *S001_DIGITS.split(), *options)) == made
    with_tid = run("credit", "--units", "0.1", *options, "--tid", "8918380", "--rnd", "13")
    assert S001_DIGITS in with_tid


def test_a_time_of_another_zone_is_counted_in_utc(run):
    options = ["--vending-key-file", "vk", *S001, "--rnd", "13", "--units", "0.1"]
    assert S001_DIGITS in run("credit", *options, "--at", "2030-12-16 10:40+03:00")


def test_a_credit_says_what_it_really_carries(run):
    options = ["--vending-key-file", "vk", *S001]
    assert "1639.4 m³" in run("credit", "--units", "1638.5", "--service", "water", *options)
    assert "-0.99994 of the currency" in run("credit", "--currency", "-1", *options)


def test_without_a_time_it_is_now(run, monkeypatch):
    monkeypatch.setattr(sts_options, "now_utc", lambda: datetime(2026, 11, 24, 0, 1, tzinfo=UTC))
    made = run("credit", "--units", "1", "--vending-key-file", "vk", *S001)
    assert "2026-11-24 00:02 UTC" in made, "the reserved 00:01 is stepped over"


def test_a_published_key_change_is_made(run):
    keys = ["--vending-key-file", "old", "--new-vending-key-file", "new"]
    made = lines_of(run("keychange", *keys, *S079, *S079_NEW, "--at", "2026-11-24 13:00"))
    assert made.pop("new key") == (
        "SGC 440895, KRN 4, TI 93, KT 2 DUTK, KEN 133, base date 2014, DKGA02, EA07"
    )
    assert made == {"KCT 1": "4794 4305 3388 3103 3902", "KCT 2": "4318 9737 6806 9359 7330"}
    for digits in made.values():
        read = run("decode", digits, "--vending-key-file", "old", *S079)
        assert "key change" in read
        assert "not shown" in read
        assert VK_NEW not in read


def test_a_key_change_of_the_tariff_index_alone_needs_no_new_vending_key(run):
    options = ["--vending-key-file", "old", *S079, "--new-ti", "51", "--at", "2026-11-24 13:00"]
    assert list(lines_of(run("keychange", *options))) == ["KCT 1", "KCT 2", "new key"]
    three = lines_of(run("keychange", *options, "--three-tokens"))
    assert list(three) == ["KCT 1", "KCT 2", "KCT 3", "new key"]
    assert "TI 51" in three["new key"]


def test_a_roll_over_says_what_it_does(run):
    keys = ["--vending-key-file", "old", "--new-vending-key-file", "new"]
    options = [*keys, *S079, "--new-krn", "4", "--base-date", "1993"]
    made = run("keychange", *options, "--new-base-date", "2014", "--at", "2024-11-20 13:00")
    assert "Roll-over: the meter forgets its TIDs" in made
    assert "1 roll-over" in run(
        "decode", lines_of(made)["KCT 1"], "--vending-key-file", "old", *S079
    )


def test_a_key_of_the_manufacturer_s_can_be_changed_too(run):
    options = ["--decoder-key-file", "dk", "--kt", "0", *S079, "--at", "2026-11-24 13:00"]
    made = run("keychange", *options, "--new-vending-key-file", "new", "--new-kt", "2")
    assert list(lines_of(made)) == ["KCT 1", "KCT 2", "new key"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["1"], "0000 0000 0001 5099 7584"),
        (["load-switch"], "0000 0000 0001 5099 7584"),
        (["all"], "5649 3153 7254 5031 3471"),
        (["load-switch", "--four-digits"], "0115 2921 5090 3605 4672"),
        (["sgc", "ken"], "17 display the KEN"),
    ],
)
def test_test_tokens_are_made_without_a_key(run, words, says):
    # The digits: SPEC 4.3.
    made = run("test", *words)
    assert says in made
    assert "class        1 test and display" in run("decode", lines_of(made)["token"])


def test_the_tests_are_listed(run):
    listed = run("test", "--list").splitlines()
    assert len(listed) == 19
    assert listed[8].split(maxsplit=2) == ["8", "tamper-status", "display the tamper status"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["power-limit", "16385"], "16394 W (field 4001h)"),
        (["unbalance-limit", "250"], "250 W (field 00FAh)"),
        (["clear-credit", "all"], "all (field FFFFh)"),
        (["clear-credit", "4"], "electricity currency (field 0004h)"),
        (["clear-tamper"], "clear tamper condition"),
        (["tariff-rate", "7"], "7 (field 0007h)"),
        (["water-factor", "12"], "12 (field 000Ch)"),
    ],
)
def test_management_tokens_are_made(run, words, says):
    made = run("manage", *words, "--decoder-key-file", "dk")
    assert says in made
    assert says in run("decode", lines_of(made)["token"], "--decoder-key-file", "dk")


def test_every_kind_of_token_is_explained(run):
    for line in VECTORS.read_text().splitlines():
        vector = json.loads(line)
        if vector["op"] != "management" or "key" not in vector:
            continue
        read = run("decode", vector["expected"], "--ea", vector["ea"], typed=vector["key"] + "\n")
        assert f"sub-class    {vector['subclass']} " in read
        assert (f"(field {vector['value']:04X}h)" in read) is (vector["subclass"] != 5)


def test_a_key_is_read_from_standard_input_or_asked_for(run):
    assert "25.6 kWh" in run("decode", DK_DIGITS, "--base-date", "1993", typed=f"{DK}\n")
    assert "25.6 kWh" in run("decode", DK_DIGITS, "--decoder-key-file", "-", typed=DK)
    assert "25.6 kWh" in run("decode", typed=f"{DK_DIGITS}\n{DK}\n")
    assert "1996-03-25 13:55 UTC" in run("decode", DK_DIGITS, "--base-date", "1993", typed=DK)


@pytest.mark.parametrize("written", ["\ufeff0ABC12DE F3456789\r\n", "0X0abc12def3456789"])
def test_a_key_file_may_be_written_by_any_editor(run, tmp_path, written):
    (tmp_path / "key").write_bytes(written.encode())
    assert "25.6 kWh" in run("decode", DK_DIGITS, "--decoder-key-file", "key")
    (tmp_path / "group").write_text("0x" + VK)
    options = ["--vending-key-file", "group", *S001]
    assert "0.1 kWh" in run("decode", S001_DIGITS, *options)


def test_a_terminal_of_another_alphabet_gets_what_it_can_show(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "VMS_INSTANCE": str(tmp_path / "none")}
    flask = Path(sys.executable).with_name("flask")
    (tmp_path / "dk").write_text(DK)
    words = ["credit", "--units", "1", "--service", "gas", "--decoder-key-file", "dk"]
    made = subprocess.run(
        [flask, "sts", *words], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert "1.0 m\\xb3" in made.stdout


def test_a_terminal_is_asked_without_an_echo(monkeypatch):
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "click.prompt", lambda text, **how: asked.append((text, how["hide_input"])) or DK
    )
    assert sts_options.ask("Decoder key") == DK
    assert asked == [("Decoder key in hexadecimal (not shown)", True)]


def test_check_values_tell_keys_apart(run):
    # openssl enc -des-ecb -nopad over eight zero bytes under 0123456789ABCDEF: d5d44ff720683d0d.
    assert run("kcv", typed="0123456789abcdef\n") == "D5D44F\n"
    # sha256sum of 01h and twenty zero bytes: 10c7b76c881edd80...
    assert run("kcv", typed="00" * 20) == "10C7B7\n"


def test_other_tables_are_named_on_the_token(run, tmp_path):
    options = ["--decoder-key-file", "dk", "--units", "5"]
    made = run("credit", *options, "--tables", "sample")
    assert "tables       TEST: the sample tables" in made
    sample = ["--vending-key-file", "old", *S079, "--new-ti", "51", "--tables", "sample"]
    assert "tables       TEST: the sample tables" in run("keychange", *sample)
    own = {
        "name": "own", "substitution1": SAMPLE.substitution1, "substitution2": SAMPLE.substitution2,
        "permutation": SAMPLE.permutation,
    }  # fmt: skip
    (tmp_path / "own.json").write_text(json.dumps(own))
    digits = lines_of(made)["token"]
    read = run("decode", digits, "--decoder-key-file", "dk", "--tables", "own.json")
    assert "5.0 kWh" in read
    assert "tables       own" in read
    again = run("decode", digits, "--decoder-key-file", "dk", "--tables", "sample")
    assert "tables       TEST: the sample tables" in again
    assert "CRC" in run("decode", digits, "--decoder-key-file", "dk", exits=1)


VK_OPTIONS = ["--vending-key-file", "vk", *S001]
DK_CREDIT = ["credit", "--units", "1", "--decoder-key-file", "dk"]
VK4 = ["--vending-key-file", "vk4", *S001]
NEW_VK = [*VK_OPTIONS, "--new-vending-key-file", "new"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["credit", "--units", "0", *VK_OPTIONS], "Amount in units 0 is nothing to give."),
        (["credit", "--units", "-1", *VK_OPTIONS], "Amount in units -1 is below zero."),
        (["credit", "--units", "NaN", *VK_OPTIONS], "is not a finite number."),
        (["credit", "--units", "1820162.5", *VK_OPTIONS], "is above 1820162.4."),
        (["credit", "--currency", "1e40", *VK_OPTIONS], "is beyond"),
        (["credit", "--units", "1", *VK_OPTIONS, "--kt", "1"], "KT 1 (DDTK) takes no credit."),
        (["credit", "--units", "1", *VK_OPTIONS, "--kt", "3"], "KT 3 (DCTK, a common key)"),
        (["credit", "--units", "1", *VK_OPTIONS, "--ken", "1"], "is past what KEN 1 allows."),
        (["credit", "--units", "1", *VK_OPTIONS, "--base-date", "1993"], "is past the last minute"),
        (
            ["credit", "--units", "1", *VK_OPTIONS, "--base-date", "2035"],
            "is before base date 2035.",
        ),
        (
            ["credit", "--units", "1", *VK_OPTIONS, "--at", "2013-12-31"],
            "is before base date 2014.",
        ),
        (["credit", "--units", "1", *VK_OPTIONS, "--tid", "1441"], "TID 1441 is reserved"),
        (["credit", "--units", "1", *VK_OPTIONS, "--tid", "16777216"], "TID 16777216 is not 0 to"),
        (["credit", "--units", "1", *VK_OPTIONS, "--rnd", "16"], "RND 16 is not 0 to 15."),
        (["credit", "--units", "1", *VK_OPTIONS, "--dkga", "01"], "DKGA 01 is a legacy method"),
        (
            ["credit", "--units", "1", *VK_OPTIONS, "--ea", "11"],
            "EA 11 does not go with DKGA02, whose vending keys have 8 bytes.",
        ),
        (["credit", "--units", "1", *VK_OPTIONS, "--meter", "12345678904"], "wrong check digit."),
        (["manage", "clear-credit", "8", *VK_OPTIONS], "Register 8 is not 0 to 7 or 65535."),
        (
            ["decode", "1234567890123456789", *VK_OPTIONS],
            "Token of length 19 does not have 20 digits.",
        ),
        (["decode", "1" * 21, *VK_OPTIONS], "Token of length 21 does not have 20 digits."),
        (["decode", "1" * 19 + "x", *VK_OPTIONS], "Token x is not a digit."),
        (["decode", "9" * 20, *VK_OPTIONS], "is above the largest number of 66 bits."),
        (["decode", S001_DIGITS, "--decoder-key-file", "dk"], "another key, another meter"),
        (["decode", S001_DIGITS, "--decoder-key-file", "short"], "length in bytes 7 is not 8."),
        (["decode", S001_DIGITS, "--decoder-key-file", "words"], "is not an even number of hex"),
        (["decode", S001_DIGITS, "--decoder-key-file", "hexed"], "length in bytes 7 is not 8."),
        (
            ["credit", "--units", "1", "--decoder-key-file", "dk", "--kt", "1"],
            "(DDTK) takes no credit",
        ),
        (
            ["credit", "--units", "1", "--decoder-key-file", "dk", "--ken", "1"],
            "is past what KEN 1",
        ),
        (["credit", "--units", "1", *VK_OPTIONS, "--tables", "vk"], "Table set is not JSON."),
        (["credit", "--units", "1", *VK_OPTIONS, "--tables", "deep"], "Table set is not JSON."),
        (["kcv", "--vending-key-file", "even"], "Vending key's byte 8 does not have odd parity."),
        (["keychange", *NEW_VK, "--new-kt", "0"], "KT 0 (DITK) is not reached from DUTK."),
        (["keychange", *VK_OPTIONS], "Key change changes nothing."),
        (["keychange", *VK_OPTIONS, "--new-ken", "3"], "of the new key is past"),
        (
            ["keychange", *NEW_VK, "--base-date", "2035", "--new-base-date", "2014"],
            "Base date 2014 is before 2035: spent tokens could be entered again.",
        ),
    ],
)
def test_refusals_are_sentences(run, tmp_path, words, says):
    (tmp_path / "short").write_text("00" * 7)
    (tmp_path / "words").write_text("open sesame")
    (tmp_path / "hexed").write_text("0x" + "00" * 7)
    (tmp_path / "even").write_text("abababababababaa")
    (tmp_path / "deep").write_text('{"a":' + "[" * 50_000)
    timed = {"--at", "--tid", "--base-date"} & set(words) or words[0] in ("decode", "kcv")
    words = words if timed else [*words, "--at", "2026-11-24 13:00"]
    said = run(*words, exits=1)
    assert says in said, said
    assert "Traceback" not in said
    for secret in (VK, DK):
        assert secret not in said.lower()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["credit", *VK_OPTIONS], "Give --units or --currency, one of them."),
        (
            ["credit", "--units", "1", "--currency", "1", *VK_OPTIONS],
            "Give --units or --currency, one of them.",
        ),
        (["credit", "--units", "many", *VK_OPTIONS], "many is not a number."),
        (["credit", "--units", "1", *VK_OPTIONS, "--at", "noon"], "noon is not like 2026-11-24"),
        (["credit", "--units", "1", "--vending-key-file", "vk"], "needs --meter and --sgc"),
        (["credit", "--units", "1", *VK_OPTIONS, "--decoder-key-file", "dk"], "not both"),
        (["credit", "--units", "1", *VK_OPTIONS, "--at", "0001-01-01 00:00+14:00"], "is not like"),
        (["credit", "--units", "1", *VK_OPTIONS, "--at", "9999-12-31 23:59-12:00"], "is not like"),
        (["credit", "--units", "1", *VK_OPTIONS, "--at", "2026-11-24", "--tid", "5"], "not both"),
        (["credit", "--currency", "1", *VK_OPTIONS, "--rnd", "5"], "A currency token has no RND."),
        (["credit", "--units", "1", "--decoder-key-file", "dk", "--meter", "1"], "go together"),
        (["credit", "--units", "1", "--decoder-key-file", "dk", "--sgc", "1"], "go together"),
        ([*DK_CREDIT, "--krn", "2"], "--krn says how a key is derived, and goes with --vending"),
        ([*DK_CREDIT, "--ti", "02"], "--ti says how a key is derived"),
        ([*DK_CREDIT, "--dkga", "02"], "--dkga says how a key is derived"),
        ([*DK_CREDIT, *S001[:4]], "--meter says how a key is derived"),
        (["keychange", *VK_OPTIONS, "--new-vending-key-file", "vk"], "holds the old vending key"),
        (["credit", "--units", "1", *VK4, "--ea", "11", "--tables", "sample"], "those of EA 07"),
        (["decode", S001_DIGITS, "--decoder-key-file", "empty"], "empty is empty."),
        (["decode", S001_DIGITS, "--decoder-key-file", "/dev/zero"], "larger than any key"),
        (["decode", S001_DIGITS], "Decoder key: none was given"),
        (["keychange", *VK_OPTIONS, "--new-sgc", "1"], "--new-sgc means another vending key"),
        (["keychange", *VK_OPTIONS, "--new-krn", "2"], "--new-krn means another vending key"),
        (["keychange", *VK_OPTIONS, "--new-kt", "1"], "--new-kt means another vending key"),
        (["keychange", *VK_OPTIONS, "--new-base-date", "2035"], "--new-base-date means another"),
        (["decode", "1" * 20, "--decoder-key-file", "nothing"], "nothing cannot be read"),
        (["decode", "1" * 20, "--decoder-key-file", "bytes"], "bytes is not a text file."),
        (["keychange", "--decoder-key-file", "dk"], "needs --meter and --sgc"),
        (["keychange", "--decoder-key-file", "dk", *S001], "The new key is derived: give --new"),
        (["manage", "power-limit", "--decoder-key-file", "dk"], "power-limit needs its watts."),
        (
            ["manage", "clear-tamper", "1", "--decoder-key-file", "dk"],
            "clear-tamper takes no value.",
        ),
        (
            ["manage", "power-limit", "much", "--decoder-key-file", "dk"],
            "much is not a whole number; watts must be one.",
        ),
        (["test"], "Name a test; --list shows them all."),
        (["test", "everything"], "There is no test everything"),
        (["conformance", "nothing"], "does not exist"),
    ],
)
def test_what_was_typed_wrong_is_said(run, tmp_path, words, says):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "vk4").write_text("ab" * 20)
    said = run(*words, exits=2)
    assert says in said, said


def test_keys_are_never_taken_from_arguments():
    # An argument is seen by everybody on the machine: options that hold a key name a file.
    taken = {parameter.name for command in sts.commands.values() for parameter in command.params}
    assert {name for name in taken if "key" in name} == {
        "decoder_key_file", "vending_key_file", "new_vending_key_file",
    }  # fmt: skip


# --- the conformance door ---


def test_conformance_of_the_whole_file(run):
    assert run("conformance", VECTORS) == "514 passed, 0 failed\n"


def test_conformance_reports_what_it_got_and_fails(run, tmp_path):
    lines = VECTORS.read_text().splitlines()
    wrong = json.loads(lines[0]) | {"expected": "63525115892327740485"}
    (tmp_path / "some.jsonl").write_text("\n".join([json.dumps(wrong), "{", "", lines[1]]))
    said = run("conformance", "some.jsonl", exits=1).splitlines()
    rule = "is not that of the rest: another key, another meter or a slip in the digits"
    assert said == [
        "P0242 credit: token is '63525115892327740484', not '63525115892327740485'",
        f"P0242 credit: refused: CRC 987D {rule}",
        "line 2: is not a JSON object with id, op and expected",
        "1 passed, 2 failed",
    ]


def test_conformance_prints_what_a_terminal_can_take(run, tmp_path):
    (tmp_path / "odd.jsonl").write_text('{"id":"\\u001b[2J\\ud800","op":"x","expected":1}')
    assert "\\x1b[2J\\ud800 x: unknown operation" in run("conformance", "odd.jsonl", exits=1)


def test_conformance_reads_standard_input_and_odd_files(run, tmp_path):
    line = VECTORS.read_text().splitlines()[0]
    assert run("conformance", "-", typed=line) == "1 passed, 0 failed\n"
    (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n")
    assert run("conformance", "bom.jsonl") == "1 passed, 0 failed\n"
    (tmp_path / "empty.jsonl").write_text("")
    assert run("conformance", "empty.jsonl") == "0 passed, 0 failed\n"
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x80\n")
    assert "0 passed, 1 failed" in run("conformance", "bytes.jsonl", exits=1)


# --- ghost vending ---

MAKING = [
    ["credit", "--units", "1", "--decoder-key-file", "dk"],
    ["manage", "clear-tamper", "--decoder-key-file", "dk"],
    ["keychange", "--vending-key-file", "old", *S079, "--new-ti", "51"],
    ["test", "1"],
]


def keystore_at(path, *, demo):
    path.parent.mkdir(exist_ok=True)
    keystore = Keystore.create(path, SecretBytes(b"a passphrase"), scrypt_n=2**14)
    key = demo_key(KeyRef("600000", 1, 2, "04"), base_date=BaseDate.Y2014, name="Group")
    keystore.add(NewKey(key.ref, key.base_date, key.ken, key.name, demo=demo, value=key.value))
    keystore.close()


@pytest.mark.parametrize("words", MAKING, ids=lambda words: words[0])
@pytest.mark.parametrize(
    "environment",
    [
        {"VMS_ENV": "production"},
        {"VMS_HOST": "0.0.0.0"},
        {"VMS_PORT": "many"},
        {"VMS_KEYSTORE": "a" * 300},
    ],
    ids=["production", "beyond loopback", "unreadable settings", "keystore not looked at"],
)
def test_no_token_is_made_on_a_production_system(run, monkeypatch, words, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = run(*words, exits=1)
    assert "ghost vending" in said
    assert not any(len(word) == 4 and word.isdigit() for word in said.split())


@pytest.mark.parametrize("words", MAKING, ids=lambda words: words[0])
@pytest.mark.parametrize(
    "kind", ["real", "unreadable", "no list of keys", "missing", "an earlier one", "demo"]
)
def test_no_token_is_made_beside_a_keystore_in_earnest(run, monkeypatch, tmp_path, words, kind):
    path = tmp_path / "keys" / "keystore.json"
    monkeypatch.setenv("VMS_KEYSTORE", str(path))
    if kind in ("real", "demo"):
        keystore_at(path, demo=kind == "demo")
    elif kind == "an earlier one":
        keystore_at(path, demo=False)
        path.rename(path.with_name("keystore.json.1"))
        keystore_at(path, demo=True)
    elif kind != "missing":
        path.parent.mkdir()
        keys = '{"fmt":"VMS-KEYSTORE","keys":{},"v":1}\n'
        path.write_text(keys if kind == "no list of keys" else '{"keys": 1}')
    said = run(*words, exits=0 if kind == "demo" else 1)
    assert ("ghost vending" in said) is (kind != "demo")


def test_reading_is_allowed_everywhere(run, monkeypatch):
    monkeypatch.setenv("VMS_ENV", "production")
    assert "25.6 kWh" in run("decode", DK_DIGITS, "--decoder-key-file", "dk")
    assert run("kcv", "--vending-key-file", "vk")
    assert run("conformance", VECTORS).startswith("514")
    (Path("some.jsonl")).write_text(
        json.dumps(json.loads(VECTORS.read_text().splitlines()[0]) | {"expected": ""})
    )
    said = run("conformance", "some.jsonl", exits=1)
    assert "63525115892327740484" not in said, (
        "not even to a laboratory, beside a system that sells"
    )
    assert "0 passed, 1 failed" in said
    assert run("test", "--list")


# --- as flask finds it ---


def test_flask_finds_the_commands_without_an_application(tmp_path):
    """In an empty folder, with nothing to connect to and no settings that would do."""
    environment = {
        "PATH": os.environ["PATH"], "DATABASE_URL": "nonsense", "VMS_INSTANCE": "/nowhere/at/all",
    }  # fmt: skip
    flask = Path(sys.executable).with_name("flask")
    help_ = subprocess.run(
        [flask, "sts", "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for command in ("decode", "credit", "keychange", "test", "conformance"):
        assert f"\n  {command} " in help_.stdout
    read = subprocess.run(
        [flask, "sts", "decode", DK_DIGITS],
        cwd=tmp_path,
        env=environment,
        input=DK,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "25.6 kWh" in read.stdout
    assert read.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_commands_import_neither_the_application_nor_a_database():
    code = "import sys, vmsapp.cli.sts; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    modules = set(loaded.stdout.split())
    assert "vmsapp.sts.codec" in modules
    for unwanted in (
        "flask",
        "sqlalchemy",
        "celery",
        "pydantic",
        "Crypto",
        "cryptography",
        "vmsapp.models",
    ):
        assert unwanted not in modules, unwanted


def test_the_entry_point_is_the_group():
    text = (ROOT / "pyproject.toml").read_text()
    assert 'sts = "vmsapp.cli.sts:sts"' in text
    tree = ast.parse((ROOT / "vmsapp" / "cli" / "__init__.py").read_text())
    assert not [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_an_application_carries_the_other_commands_only():
    app = Flask("any")
    cli.register(app)
    assert list(app.cli.commands) == ["vms"]

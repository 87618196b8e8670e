"""``flask licence``: what an issuer types, what is written, and what is refused."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.licences import FOREIGN_PUBLIC, OURS, PRIVATE, PUBLIC
from vmsapp.cli.licence import licence
from vmsapp.clock import clock_reads
from vmsapp.services.licence.file import read

ROOT = Path(__file__).parents[2]
MAKE = ["make", "l.json", "--holder", "Northern Power", "--valid-until", "2027-12-31",
        "--meters", "5000"]  # fmt: skip
SIGNED = ["--private-key-file", "key"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with an issuer's key in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(f"{PRIVATE.hex()}\n")
    (tmp_path / "key").chmod(0o600)
    return tmp_path


@pytest.fixture
def run(folder):
    """Run a command there, on the 24th of November 2026."""

    def run(*words, typed=None, exits=0):
        with clock_reads(lambda: datetime(2026, 11, 24, 12, tzinfo=UTC)):
            result = CliRunner().invoke(licence, [str(word) for word in words], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        assert result.exit_code == exits, result.output
        return result.output

    return run


def facts_of(output):
    return {line[:15].strip(): line[15:] for line in output.splitlines()}


def test_a_key_is_made_and_what_it_signs_is_trusted_by_the_setting_it_prints(run, folder):
    setting = run("keygen", "new-key").strip()
    name, public = setting.split("=")
    assert (name, len(public)) == ("VMS_LICENCE_KEY", 64)
    assert stat.S_IMODE((folder / "new-key").stat().st_mode) == 0o600
    run(*MAKE, "--private-key-file", "new-key")
    assert "trusted        yes" in run("show", "l.json", "--trusted-key", public)
    assert public not in (folder / "new-key").read_text()


def test_two_keys_are_two(run):
    assert run("keygen", "one") != run("keygen", "two")


def test_a_licence_is_made_and_shown(run, folder):
    made = run(*MAKE, *SIGNED)
    facts = facts_of(made)
    number = facts.pop("number")
    assert len(number) == 16
    assert facts == {
        "holder": "Northern Power", "issued on": "2026-11-24", "valid until": "2027-12-31",
        "meters": "5000", "installation": "any", "signed with": PUBLIC,
    }  # fmt: skip
    assert run("show", "l.json") == made
    assert read((folder / "l.json").read_bytes()).terms.number == number


def test_a_licence_for_one_installation_takes_its_id_as_the_page_shows_it(run):
    shown = " ".join([OURS[:8].upper()] * 4)
    assert facts_of(run(*MAKE, *SIGNED, "--installation", shown))["installation"] == OURS


def test_no_licence_has_the_number_of_another(run):
    first = facts_of(run(*MAKE, *SIGNED))["number"]
    again = [word.replace("l.json", "m.json") for word in MAKE]
    assert facts_of(run(*again, *SIGNED))["number"] != first


def test_the_private_key_is_asked_for_without_an_echo(run, folder):
    said = run(*MAKE, typed=f"{PRIVATE.hex()}\n")
    assert PRIVATE.hex() not in said
    assert read((folder / "l.json").read_bytes()).signed_with == PUBLIC


@pytest.mark.parametrize("command", [["keygen", "there"],
                                     ["make", "there", *MAKE[2:], *SIGNED]])  # fmt: skip
def test_no_file_is_written_over(run, folder, command):
    (folder / "there").write_text("mine")
    assert "there is there already; nothing was written." in run(*command, exits=2)
    assert (folder / "there").read_text() == "mine"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_private_key_that_others_may_read_is_refused(run, folder, mode):
    (folder / "key").chmod(mode)
    assert "chmod 600" in run(*MAKE, *SIGNED, exits=2)
    assert not (folder / "l.json").exists()


@pytest.mark.parametrize("content", ["", "ab", "x" * 64, "ab" * 33, "\xff"])
def test_what_is_no_private_key_is_refused_without_being_shown(run, folder, content):
    (folder / "key").write_text(content)
    said = run(*MAKE, *SIGNED, exits=2)
    assert "The private key is 64 hexadecimal digits; this is none." in said
    assert len(content) < 3 or content not in said


@pytest.mark.parametrize(("changed", "says"), [
    (["--valid-until", "2026-11-23"], "would be over before it is used"),
    (["--valid-until", "31.12.2027"], "31.12.2027 is not a day like 2027-12-31."),
    (["--valid-until", "9999-12-31"], "lies too far ahead"),
    (["--meters", "0"], "0 is not in the range"),
    (["--meters", "many"], "not a valid integer"),
    (["--holder", "  "], "--holder is a name"),
    (["--holder", "x" * 121], "--holder is a name"),
    (["--holder", "a\nb"], "--holder is a name"),
    (["--installation", "abc"], "abc is not 32 hexadecimal digits."),
    (["--installation", "g" * 32], "is not 32 hexadecimal digits."),
    (["--private-key-file", "nowhere"], "nowhere: No such file or directory."),
    (["--private-key-file", "."], ".: Is a directory."),
])  # fmt: skip
def test_refusals_are_sentences_and_write_nothing(run, folder, changed, says):
    exits = 1 if changed[0] == "--private-key-file" else 2
    said = run(*MAKE, *SIGNED, *changed, exits=exits)
    assert says in " ".join(said.split())
    assert not (folder / "l.json").exists()


def test_there_is_no_option_for_a_private_key_itself(run):
    for command in licence.commands.values():
        names = {name for option in command.params for name in option.opts}
        assert names & {"--private-key", "--key"} == set()


def test_a_licence_that_was_changed_is_not_shown(run, folder):
    run(*MAKE, *SIGNED)
    facts = json.loads((folder / "l.json").read_text())
    (folder / "l.json").write_text(json.dumps(facts | {"meter_limit": 6000}))
    said = run("show", "l.json", exits=1)
    assert "This licence file was changed after it was signed." in said
    assert "6000" not in said


@pytest.mark.parametrize("content", ["nonsense", " " * 10**6], ids=["words", "a megabyte"])
def test_any_other_file_is_refused_with_a_sentence(run, folder, content):
    (folder / "x").write_text(content)
    assert "This is not a licence file" in run("show", "x", exits=1)


def test_a_licence_of_another_key_is_shown_as_such(run):
    run(*MAKE, *SIGNED)
    said = run("show", "l.json", "--trusted-key", FOREIGN_PUBLIC, exits=1)
    assert "no: another key signed it" in said


def test_a_terminal_of_another_alphabet_gets_what_it_can_show(folder):
    """In a process of its own: what a terminal can show is settled when Python starts."""
    made = in_a_process(
        [*MAKE[:2], "--holder", "Énergie", *MAKE[4:], *SIGNED], folder, PYTHONIOENCODING="ascii"
    )
    assert "holder         \\xc9nergie" in made


def in_a_process(words, folder, **environment):
    """Run a command as ``flask`` does, on a machine whose settings are nonsense."""
    code = "import sys; from vmsapp.cli.licence import licence; licence(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "DATABASE_URL": "nonsense", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_it_needs_neither_settings_nor_an_instance_nor_a_database(folder):
    made = in_a_process([*MAKE, *SIGNED], folder, VMS_INSTANCE="/nowhere/at/all")
    assert "Northern Power" in made
    assert {path.name for path in folder.iterdir()} == {"key", "l.json"}


def test_it_imports_neither_the_application_nor_a_database():
    code = "import sys, vmsapp.cli.licence; print(*sorted(sys.modules))"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        cwd=ROOT,
    ).stdout.split()  # fmt: skip
    assert "vmsapp.services.licence.file" in modules
    for unwanted in ("flask", "sqlalchemy", "celery", "pydantic", "vmsapp.models"):
        assert unwanted not in modules, unwanted


def test_flask_finds_it_by_an_entry_point():
    assert 'licence = "vmsapp.cli.licence:licence"' in (ROOT / "pyproject.toml").read_text()

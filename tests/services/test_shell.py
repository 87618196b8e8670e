"""``flask vms``: what its commands do for who has the shell, and what they say."""

import re

import pytest

from config import ROOT, Settings
from tests.factories import CHEAP_N, OPERATOR
from tests.services.restored import site
from tests.shell import flask
from vmsapp import create_app
from vmsapp.models import AuditEvent, OfficeUser, RecoveryCode


@pytest.fixture
def backend():
    """SQLite: what differs between databases is tested with the services."""
    return "sqlite"


@pytest.fixture
def run(app, shop):
    """Run a command on the shop's instance."""
    runner = app.test_cli_runner()
    return lambda *words, **more: runner.invoke(args=["vms", *map(str, words)], **more)


# the second factor


def test_a_second_factor_is_taken_away_from_the_shell(run, shop):
    def set_up(session):
        user = session.query(OfficeUser).filter_by(username=OPERATOR).one()
        user.totp_secret, user.totp_since, user.totp_step = b"sealed", shop.clock.now, 7
        session.add(RecoveryCode(user_id=user.id, code_hash="0" * 64))

    shop.change(set_up)
    said = run("reset-second-factor", OPERATOR)
    assert said.exit_code == 0, said.output
    assert f"The second factor of {OPERATOR} is off" in said.output
    (user,) = shop.rows(OfficeUser, OfficeUser.username == OPERATOR)
    assert (user.totp_secret, user.totp_since, user.totp_step) == (None, None, None)
    assert shop.count(RecoveryCode) == 0
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "user.second_factor_reset")
    assert (event.actor_id, event.actor_name, event.subject_id) == (None, "system", str(user.id))
    assert run("reset-second-factor", OPERATOR).output == f"{OPERATOR} has no second factor.\n"
    assert shop.count(AuditEvent, AuditEvent.action == "user.second_factor_reset") == 1


def test_an_unknown_name_has_no_second_factor_to_take_away(run):
    said = run("reset-second-factor", "nobody")
    assert (said.exit_code, said.output) == (1, "Error: There is no user “nobody”.\n")


# without an instance


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "kept"), ("lost",), ("prove",), ("reconcile",), ("audit", "verify"),
        ("after-restore", "--reason", "x"), ("export", "out", "--reason", "x"),
        ("new-password", "admin"), ("journal", "compare"),
    ],
)  # fmt: skip
def test_without_an_instance_a_command_says_so_and_makes_nothing(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environ({"VMS_INSTANCE": str(tmp_path / "wrong"), "DEMO": "0"})
    said = flask(settings, "vms", *words)
    assert said.exit_code == 1
    assert said.output == (
        f"Error: There is no instance in {tmp_path / 'wrong'} yet;"
        " if it lies elsewhere, export VMS_INSTANCE.\n"
    )
    assert files_in(tmp_path) == set()


def test_production_makes_no_database_either(tmp_path):
    (tmp_path / "key").write_text("s" * 40)
    settings = Settings.from_environ(
        {
            "VMS_INSTANCE": str(tmp_path / "wrong"), "VMS_ENV": "production", "DEMO": "0",
            "VMS_COOKIE_SECURE": "1", "VMS_SECRET_KEY_FILE": str(tmp_path / "key"),
        }
    )  # fmt: skip
    assert "There is no instance" in flask(settings, "vms", "prove").output
    assert files_in(tmp_path) == {"key"}


def test_a_database_without_an_instance_is_named_without_its_password(tmp_path):
    database = tmp_path / "empty.sqlite"
    database.touch()
    settings = Settings.from_environ(
        {"VMS_INSTANCE": str(tmp_path / "here"), "DATABASE_URL": f"sqlite:///{database}"}
    )
    said = flask(settings, "vms", "prove")
    assert said.output == (
        f"Error: There is no instance in the database sqlite:///{database} yet;"
        " if it lies elsewhere, export DATABASE_URL.\n"
    )
    assert not (tmp_path / "here").exists()


def test_what_it_does_not_start_with_is_said_in_a_sentence(tmp_path, monkeypatch):
    assert (ROOT / ".flaskenv").read_text() == "FLASK_APP=vmsapp:create_app_for_commands\n"
    monkeypatch.setenv("VMS_INSTANCE", str(tmp_path))
    monkeypatch.setenv("VMS_PORT", "harbour")
    said = flask(None, "db", "upgrade")
    assert (said.exit_code, said.output.startswith("Error: VMS_PORT: ")) == (1, True)
    monkeypatch.delenv("VMS_PORT")
    (tmp_path / "secret_key").write_text("s" * 40)
    (tmp_path / "secret_key").chmod(0o644)
    said = flask(None, "vms", "init")
    assert said.exit_code == 1
    assert said.output == (
        f"Error: {tmp_path / 'secret_key'} may be read by others;"
        " make it readable by its owner alone (chmod 600)\n"
    )


def test_help_needs_no_instance(tmp_path):
    settings = Settings.from_environ({"VMS_INSTANCE": str(tmp_path / "wrong")})
    for words in (("--help",), ("vms",), ("vms", "backup", "--help"), ("vms", "audit")):
        said = flask(settings, *words)
        assert "Usage: " in said.output, words
        assert "There is no instance" not in said.output, words
    assert files_in(tmp_path) == set()


def test_the_command_that_makes_an_instance_makes_its_secret_key(tmp_path, monkeypatch):
    monkeypatch.setattr("vmsapp.hsm.keystore.SCRYPT_N", CHEAP_N)
    settings = Settings.from_environ({"VMS_INSTANCE": str(tmp_path / "new"), "DEMO": "0"})
    said = flask(settings, "vms", "init")
    assert said.exit_code == 0, said.output
    (schema,) = re.findall(r"^Schema none -> (\d{4})\.$", said.output, re.MULTILINE)
    assert f"Schema {schema}, as before." in flask(settings, "vms", "init").output
    key = (tmp_path / "new" / "secret_key").read_text()
    said = flask(settings, "vms", "prove")
    assert said.output.endswith("The ledger adds up to 0.\n")
    assert create_app(settings).config["SECRET_KEY"] == key


# the embedded module's record


def test_the_record_of_the_embedded_module_is_checked_unless_another_is_named(
    shop, module, tmp_path, keystore
):
    shop.sell()
    settings = site(shop, tmp_path, keystore).settings
    said = flask(settings, "vms", "journal", "verify")
    assert said.exit_code == 0, said.output
    assert said.output.splitlines()[:2] == [
        f"Record: {settings.results_path}", "Lines checked: 1, of 1 tokens",
    ]  # fmt: skip
    named = flask(settings, "vms", "journal", "verify", settings.results_path)
    assert (named.exit_code, "Record:" in named.output) == (0, False)
    listed = flask(settings, "vms", "journal", "list")
    assert listed.stderr == f"Record: {settings.results_path}\n"
    assert len(listed.stdout.splitlines()) == 1


def test_an_instance_without_an_embedded_module_has_no_record_to_check(tmp_path):
    settings = Settings.from_environ({"VMS_INSTANCE": str(tmp_path)})
    said = flask(settings, "vms", "journal", "verify")
    assert said.exit_code == 2
    assert f"File '{settings.results_path}' does not exist." in said.output

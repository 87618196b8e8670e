"""A licence at a start of the product and from the shell, on an instance of its own."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from config import Settings
from tests import factories
from tests.factories import NOW
from tests.licences import GRACE, PUBLIC, licence_file
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import db
from vmsapp.models import LicenceChange
from vmsapp.services.licence.standing import GRACE_DAYS


@pytest.fixture
def instance(tmp_path, monkeypatch, clock):
    """A new instance that trusts the issuer's key, initialised; the licence lies in its folder."""
    monkeypatch.setattr("vmsapp.hsm.keystore.SCRYPT_N", factories.CHEAP_N)
    app = create_app(
        Settings.from_environ(
            {"VMS_INSTANCE": str(tmp_path), "DEMO": "0", "VMS_LICENCE_KEY": PUBLIC}
        )
    )
    with app.app_context():
        initialise()
        yield app
        db.session.remove()
        db.engine.dispose()
    app.extensions["vms_modules"].close()


def changes():
    return [(row.deed, row.number) for row in db.session.scalars(select(LicenceChange))]


def test_a_start_takes_up_the_licence_that_lies_in_its_place_once(instance, tmp_path, capsys):
    assert changes() == []  # and without a file there is nothing to say
    (tmp_path / "licence.json").write_bytes(licence_file())
    initialise()
    initialise()
    assert changes() == [("installed", "5a")]
    (tmp_path / "licence.json").unlink()
    initialise()
    assert changes() == [("installed", "5a")]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("content", "says"), [
    (licence_file().replace(b"100", b"900"), "was changed after it was signed"),
    (licence_file(valid_until=NOW.date() - timedelta(days=1)), "This licence ended on 2026-03-16"),
])  # fmt: skip
def test_a_faulty_licence_stops_no_start_and_is_named(instance, tmp_path, capsys, content, says):
    (tmp_path / "licence.json").write_bytes(content)
    initialise()
    said = capsys.readouterr().err
    assert f"The licence in {tmp_path / 'licence.json'} was not installed." in said
    assert says in said
    assert changes() == []


def test_a_place_that_cannot_be_read_stops_no_start(instance, tmp_path, capsys):
    (tmp_path / "licence.json").mkdir()
    initialise()
    assert "Is a directory" in capsys.readouterr().err


def test_a_command_installs_a_licence_or_says_why_not(instance, tmp_path):
    (tmp_path / "new.json").write_bytes(licence_file())
    run = instance.test_cli_runner().invoke
    done = run(args=["vms", "install-licence", str(tmp_path / "new.json")])
    assert done.output == "Installed for Northern Power: 100 meters until 2026-06-30.\n"
    again = run(args=["vms", "install-licence", str(tmp_path / "new.json")])
    assert (again.exit_code, "installed already" in again.output) == (1, True)
    assert changes() == [("installed", "5a")]


def test_the_settings_say_where_it_lies_and_how_long_the_grace_is(tmp_path):
    plain = Settings.from_environ({"VMS_INSTANCE": str(tmp_path)})
    assert plain.licence_path == tmp_path / "licence.json"
    assert plain.licence_key is None
    assert plain.licence_grace_days == GRACE_DAYS == GRACE
    given = {"VMS_LICENCE": "/etc/vms/licence", "VMS_LICENCE_GRACE_DAYS": "0"}
    settings = Settings.from_environ(given)
    assert (str(settings.licence_path), settings.licence_grace_days) == ("/etc/vms/licence", 0)

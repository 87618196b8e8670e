"""The module server as a process of its own: starting, being killed, stopping, its settings."""

import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.hsm.drivers import PIN, SOFTHSM, softhsm_token
from tests.unit.hsm.hsm_cases import (
    DIGITS,
    PASSPHRASE,
    REF04,
    TID,
    key,
    request_of,
)
from tests.unit.hsm.serving import ServerProcess, served
from vmsapp.clock import now_utc
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.errors import (
    HsmTimeout,
    HsmUnavailable,
    KeystoreError,
)
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.keystore_file import name_in
from vmsapp.hsm.server import __main__ as command
from vmsapp.hsm.server import opening, process
from vmsapp.hsm.server.settings import ServerSettings, ServerSettingsError
from vmsapp.sts.secret import SecretBytes


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value


@pytest.fixture
def started(soft, tmp_path):
    """Start servers on the keystore and the record of ``soft``; all have ended afterwards."""
    running = []
    soft.status()  # its record is there

    def start(**options):
        running.append(ServerProcess(tmp_path, PASSPHRASE, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop(signal.SIGKILL)


def sale(number):
    return request_of(f"sale-{number}", tid=TID + number + 1, asked_at=now_utc())


@pytest.mark.processes
def test_a_server_killed_in_the_middle_makes_no_token_twice(started, soft):
    server, told = started(), {}
    with closing(TcpModule(server.account(), connections=4)) as module:

        def sell(number):
            with suppress(HsmTimeout, HsmUnavailable):
                told[number] = module.issue_credit(sale(number)).digits

        with ThreadPoolExecutor(4) as pool:
            sold = [pool.submit(sell, number) for number in range(120)]
            while len(told) < 20:
                time.sleep(0.001)
            server.stop(signal.SIGKILL)
            for each in sold:
                each.result(30)
    assert 20 <= len(told) < 120
    again = started()
    with closing(TcpModule(again.account())) as module:
        digits = {number: module.issue_credit(sale(number)).digits for number in range(120)}
        entries = module.journal(0, 1000)
    assert told.items() <= digits.items()
    assert len(set(digits.values())) == 120
    assert sorted(entry.request_id for entry in entries) == sorted(f"sale-{i}" for i in range(120))
    assert again.stop() == 0


@pytest.mark.processes
def test_it_starts_serves_and_stops_when_told_to(started):
    server = started()
    with closing(TcpModule(server.account())) as module:
        assert module.issue_credit(replace(sale(1), tid=TID)).digits == DIGITS
        error = unavailable(module.inspect_keys, b"{}")
        assert error.why == "permission"
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0", limits)
        kept = re.search(r"VmLck:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
        may_keep = re.search(r"Max locked memory +unlimited", limits)
        assert (int(kept[1]) > 0) == bool(may_keep), "keys are not swapped out where that may be"
        assert server.stop() == 0
    assert "stopped" in server.said
    assert DIGITS not in server.said
    assert PASSPHRASE.decode() not in server.said


@pytest.mark.processes
def test_production_does_not_serve_keys_for_demonstration(started, keystore):
    keystore.add(key(replace(REF04, krn=5), "77" * 20, demo=True))
    server = started()
    assert server.port == 0
    assert server.stop() == process.CANNOT_START
    assert "demonstration" in server.said
    assert started(env="development").port > 0


@pytest.mark.processes
def test_a_wrong_passphrase_is_told(soft, tmp_path):
    server = ServerProcess(tmp_path, b"wrong")
    assert (server.port, server.stop()) == (0, process.CANNOT_START)
    assert "passphrase is wrong" in server.said


@pytest.mark.processes
def test_without_a_passphrase_it_serves_the_module_locked_until_it_is_started_with_it(
    soft, tmp_path
):
    soft.status()
    server = ServerProcess(tmp_path, None)
    try:
        with closing(TcpModule(server.account(), connections=1)) as module:
            status = module.status()
            assert (status.locked, status.module_id) == (True, soft.ping().module_id)
            error = unavailable(module.issue_credit, replace(sale(1), tid=TID))
            assert (error.why, error.sent) == ("locked", False)
        before = server.account()
        assert server.stop() == 0
        assert "stays locked" in server.said
        assert "There is no passphrase" in server.said
        server = ServerProcess(tmp_path, PASSPHRASE)
        again = server.account()
        assert (again.fingerprint, again.secret) == (before.fingerprint, before.secret)
        with closing(TcpModule(again)) as module:
            assert module.status().locked is False
            assert module.issue_credit(replace(sale(1), tid=TID)).digits == DIGITS
    finally:
        server.stop(signal.SIGKILL)


def test_what_says_no_name_of_its_own_is_not_served_locked(tmp_path):
    """There is nothing to show of a PrismToken service, or of a module that was never made."""
    prism = {"host": "127.0.0.1", "fingerprint": "00" * 32, "username": "vms"}
    lack = opening.NoPassphrase("none")
    for settings in (
        server_settings(tmp_path),
        server_settings(tmp_path, token={"library": "/none.so", "label": "vms"}),
        server_settings(tmp_path, prism=prism),
    ):
        with pytest.raises(opening.NoPassphrase):
            opening.locked(settings, lack)


def test_a_tokens_module_is_locked_by_the_name_its_file_says(soft, tmp_path):
    settings = server_settings(tmp_path, token={"library": "/none.so", "label": "vms"})
    status = opening.locked(settings, opening.NoPassphrase("none")).status()
    assert (status.driver, status.locked) == ("pkcs11", True)
    assert status.module_id == soft.ping().module_id


# its settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "folder"),
        ("folder = 'x'", "clients"),
        ("folder = 'x'\nclients = []", "clients"),
        ("folder = 'x'\nclients = [{id = 'a b', roles = ['issuer']}]", "clients.0.id"),
        ("folder = 'x'\nclients = [{id = 'a', roles = ['owner']}]", "clients.0.roles"),
        ("folder = 'x'\nclients = [{id = 'a', roles = []}]", "clients.0.roles"),
        ("folder = 'x'\npassphrase = 'open'\nclients = [{id = 'a', roles = ['issuer']}]", "pass"),
        ("folder = 'x'\nclients = [{id='a', roles=['issuer'], auth='mtls'}]", "client_ca"),
        (
            "folder = 'x'\nclients = [{id='a', roles=['issuer']}, {id='a', roles=['admin']}]",
            "same id",
        ),
        (
            "folder = 'x'\nsta_tables = 'sample'\nclients = [{id='a', roles=['issuer']}]",
            "sta_tables",
        ),
        ("folder = ", "server.toml"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, said):
    path = tmp_path / "server.toml"
    path.write_text(text)
    with pytest.raises(ServerSettingsError, match=said) as refused:
        ServerSettings.from_file(path)
    assert "open" not in str(refused.value).replace(str(tmp_path), "")


def server_settings(folder, **more):
    return ServerSettings(folder=folder, clients=[{"id": "web-1", "roles": ["issuer"]}], **more)


def test_passphrases_come_from_files_or_credentials_never_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "passphrase"
    path.write_bytes(b"from the file\n")
    files = server_settings(tmp_path, passphrase_files=[path, path])
    expected = [SecretBytes(b"from the file")] * 2
    assert opening.passphrases(files, [], count=1) == expected
    credentials = server_settings(tmp_path, passphrase_credentials=["passphrase"])
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(opening.CannotServe, match="no passphrase"):
        opening.passphrases(credentials, [], count=1)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert opening.passphrases(credentials, [], count=1) == expected[:1]
    with pytest.raises(opening.CannotServe, match="no passphrase"):
        opening.passphrases(server_settings(tmp_path), [], count=1)
    with pytest.raises(opening.CannotServe, match="cannot be read"):
        opening.passphrases(server_settings(tmp_path, passphrase_files=["/none"]), [], count=1)


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        ({}, False),
        ({"host": "10.0.0.1"}, True),
        ({"host": "module.example"}, True),
        ({"host": "::1"}, False),
        ({"imports": "dual"}, True),
        ({"host": "10.0.0.1", "imports": "direct"}, False),
    ],
)
def test_key_files_wait_for_a_second_custodian_beyond_loopback(tmp_path, given, waits):
    assert server_settings(tmp_path, **given).second_custodian is waits


def test_an_address_beyond_loopback_is_production(tmp_path):
    assert not server_settings(tmp_path, env="development").production
    assert server_settings(tmp_path, env="development", host="10.0.0.1").production
    assert server_settings(tmp_path).production


@pytest.mark.softhsm
def test_a_token_may_hold_the_keys(tmp_path):
    token = {"library": SOFTHSM, "label": softhsm_token()}
    settings = server_settings(tmp_path / "module", token=token, env="development")
    assert opening.count_needed(settings) == 1
    pin = SecretBytes(PIN)
    with closing(opening.opened(settings, pin)) as module:
        pin.wipe()  # as the server does; the token keeps its own
        with served(module, tmp_path / "server") as running:
            assert running.module().status().protection == "hsm"
            assert running.module().list_keys() == []


def test_a_new_module_is_made_empty_once(tmp_path):
    settings = server_settings(tmp_path / "module")
    opening.initialise(settings, SecretBytes(PASSPHRASE))
    with closing(opening.opened(settings, SecretBytes(PASSPHRASE))) as module:
        assert module.list_keys() == []
    with pytest.raises(KeystoreError, match="exists"):
        opening.initialise(settings, SecretBytes(PASSPHRASE))


def test_init_names_the_module_for_whoever_makes_its_key_file(tmp_path, monkeypatch, capsys):
    passphrase, config = tmp_path / "passphrase", tmp_path / "server.toml"
    passphrase.write_bytes(PASSPHRASE)
    config.write_text(
        f'folder = "{tmp_path / "module"}"\npassphrase_files = ["{passphrase}"]\n'
        '[[clients]]\nid = "web-1"\nroles = ["issuer"]\n'
    )
    monkeypatch.setattr(command, "harden", lambda: None)  # of this process
    monkeypatch.setattr("sys.argv", ["server", "--config", str(config), "init"])
    assert command.main() == 0
    name = name_in(tmp_path / "module" / "keystore.json")
    assert re.fullmatch("VSM-[0-9A-F]{6}", name)
    told = capsys.readouterr()
    assert f"--target {name}." in told.out + told.err


@pytest.fixture
def terminal(tmp_path, monkeypatch):
    """Makes a module at a terminal where these are typed, one after the other; None ends it."""
    config = tmp_path / "server.toml"
    config.write_text(
        f'folder = "{tmp_path / "module"}"\n[[clients]]\nid = "web-1"\nroles = ["issuer"]\n'
    )
    monkeypatch.setattr(command, "harden", lambda: None)  # of this process
    monkeypatch.setattr("sys.argv", ["server", "--config", str(config), "init"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def type_in(*lines):
        left = iter(lines)

        def asked(_prompt):
            line = next(left)
            if line is None:
                raise EOFError
            return line

        monkeypatch.setattr("getpass.getpass", asked)
        return command.main()

    return type_in


def test_a_new_passphrase_is_typed_twice(terminal, tmp_path, capsys):
    typed = PASSPHRASE.decode()
    assert terminal(typed, typed) == 0
    assert "Made" in "".join(capsys.readouterr())
    keystore = tmp_path / "module" / "keystore.json"
    with closing(Keystore.open(keystore, SecretBytes(PASSPHRASE))) as opened:
        assert opened.keys() == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("one passphrase", "another one"), "not the same the second time; nothing was made"),
        ((None,), "No passphrase was typed."),
        (("one passphrase", None), "No passphrase was typed."),
    ],
)
def test_what_is_typed_wrong_makes_no_module(terminal, tmp_path, capsys, lines, said):
    assert terminal(*lines) == process.CANNOT_START
    assert said in "".join(capsys.readouterr())
    assert not (tmp_path / "module").exists()

"""Starting and stopping: one command, nothing left behind, nothing secret lying open."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.scenarios.conftest import free_port
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


def children_of(instance: str) -> list[int]:
    """Find the living processes that were started with this instance folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = (entry / "environ").read_bytes()
                zombie = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                continue
            if f"VMS_INSTANCE={instance}".encode() in environ.split(b"\0") and not zombie:
                found.append(int(entry.name))
    return found


def run(**settings: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("VMS_", "DATABASE"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py")],
        cwd=ROOT, env={**clean, **settings}, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip


def wait_until_gone(instance: Path, seconds: float = 60) -> list[int]:
    until = time.monotonic() + seconds
    while (left := children_of(str(instance))) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:  # it has just ended
        return None


def child_of(parent: int, role: bytes) -> int:
    """The process of the group with this role; what it started itself does not count."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    (found,) = (
        pid
        for pid in pids
        if parent_of(pid) == parent
        and role in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )
    return found


def all_are_ours(product) -> bool:
    """No process of the instance has lost its parent."""
    own = {product.process.pid, *children_of(str(product.instance))}
    return all(parent_of(pid) in own for pid in own - {product.process.pid})


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/login/", timeout=20) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_it_starts_heals_stops_and_starts_again_leaving_no_process(start_product) -> None:
    product = start_product()
    assert f"VMS is ready: {product.address}/" in "".join(product.output)
    assert answers(product.address)
    pids = children_of(str(product.instance))
    assert len(pids) >= 3, "web, worker and the one that watches"

    for role in (b"web", b"worker"):
        os.kill(child_of(product.process.pid, role), signal.SIGKILL)
    until = time.monotonic() + 120
    while not (answers(product.address) and all_are_ours(product)) and time.monotonic() < until:
        time.sleep(0.2)
    assert answers(product.address), "a web server that dies is started again"
    assert all_are_ours(product), "what a killed worker had started went with it"

    assert product.stop(signal.SIGINT) == 0
    assert "VMS has stopped." in "".join(product.output)
    assert wait_until_gone(product.instance) == []

    again = start_product(product.instance)
    assert not [line for line in again.output if "Passwords" in line], "passwords are shown once"
    again.stop(signal.SIGKILL)
    assert wait_until_gone(product.instance) == [], "what kills the parent ends its children"


def test_first_passwords_are_in_a_file_for_its_owner_alone(product) -> None:
    (file,) = product.instance.glob("passwords-*.txt")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(product.passwords()) == {
        "admin", "operator", "operator2", "supervisor", "engineer", "auditor"
    }  # fmt: skip
    said = "".join(product.output)
    assert str(file) in said
    assert not [word for word in product.passwords().values() if word in said]
    for secret in (
        product.instance / "secret_key",
        product.instance / "module" / "passphrase",
        product.instance / "module" / "keystore.json",
    ):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


def test_the_passphrase_is_handed_over_by_a_file_descriptor_alone(product) -> None:
    passphrase = (product.instance / "module" / "passphrase").read_bytes().strip()
    for pid in children_of(str(product.instance)):
        assert passphrase not in Path(f"/proc/{pid}/environ").read_bytes()
        assert passphrase not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_the_module_server_alone_is_handed_the_passphrase(product) -> None:
    handed = {"module": True}  # whose environment only root reads
    for pid in children_of(str(product.instance)):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        role = next(
            (part.decode() for part in command if part in (b"web", b"worker", b"module")), ""
        )
        with suppress(PermissionError):
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            handed[role] = b"VMS_KEYSTORE_PASSPHRASE_FD=" in environ
    del handed[""]
    assert handed == {"web": False, "worker": False, "module": True}


def test_without_a_module_server_the_others_open_the_keystore(start_product) -> None:
    product = start_product(VMS_MODULE_SERVER="0")
    commands = [
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children_of(str(product.instance))
    ]
    assert not any(b"\0module\0" in command for command in commands)
    product.stop()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_module_server_starts_and_stops_with_it(start_product) -> None:
    port = free_port()
    product = start_product(VMS_MODULE_PORT=str(port))
    tls = product.instance / "module" / "tls"
    until = time.monotonic() + 120
    while not listens(port) and time.monotonic() < until:
        time.sleep(0.1)
    fingerprint = bytes.fromhex((tls / "server.sha256").read_text().strip())
    secret = SecretBytes((tls / "web.psk").read_bytes())
    with closing(TcpModule(Account("127.0.0.1", port, fingerprint, "web", secret))) as module:
        assert module.list_keys()
        assert {key.demo for key in module.list_keys()} == {True}
    assert stat.S_IMODE((tls / "web.psk").stat().st_mode) == 0o600
    assert product.stop(signal.SIGTERM) == 0
    assert wait_until_gone(product.instance) == []


def test_without_the_demo_there_is_an_administrator_and_nothing_else(start_product) -> None:
    product = start_product(DEMO="0")
    assert set(product.passwords()) == {"admin"}
    product.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"VMS_PORT": "abc"}, "VMS_PORT"),
        ({"VMS_ENV": "production", "DEMO": "1"}, "the demo utility is not loaded there"),
        ({"VMS_HOST": "0.0.0.0"}, "this counts as production"),
        ({"VMS_ENV": "production", "DEMO": "0"}, "VMS_SECRET_KEY_FILE"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path, settings, said) -> None:
    ended = run(VMS_INSTANCE=str(tmp_path / "instance"), **settings)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_start_on_the_same_instance_or_port_says_so(product, tmp_path) -> None:
    ended = run(VMS_INSTANCE=str(product.instance))
    assert (ended.returncode, "is running already" in ended.stderr) == (2, True)
    port = product.address.rpartition(":")[2]
    ended = run(VMS_INSTANCE=str(tmp_path / "other"), VMS_PORT=port)
    assert (ended.returncode, "VMS_PORT" in ended.stderr) == (2, True)
    assert "ready" not in ended.stdout


def test_a_command_for_an_unknown_user_answers_with_a_sentence(product) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "flask", "vms", "new-password", "nobody"],
        cwd=ROOT, env={**os.environ, "VMS_INSTANCE": str(product.instance)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "There is no user “nobody”." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_production_refuses_an_instance_with_demo_keys(product, tmp_path) -> None:
    instance = tmp_path / "copy"
    shutil.copytree(product.instance, instance)
    secret = tmp_path / "secret"
    secret.write_text("s" * 40)
    with socket.socket() as probe:  # another product of this machine may have the usual port
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    ended = run(
        VMS_INSTANCE=str(instance), VMS_ENV="production", VMS_COOKIE_SECURE="1",
        VMS_SECRET_KEY_FILE=str(secret), DEMO="0", VMS_PORT=port,
        VMS_KEYSTORE_PASSPHRASE_FILE=str(instance / "module" / "passphrase"),
    )  # fmt: skip
    assert ended.returncode == 2
    assert "demonstration keys" in ended.stderr
    assert "Traceback" not in ended.stderr

"""What those who install are given: units that allow little, a proxy that closes what it must."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config import Settings
from vmsapp.logs import id_for
from vmsapp.watch.door import ALIVE, METRICS, READY

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
NAMES = [unit.name for unit in UNITS]
OFFICE = ("vms-web.service", "vms-worker@.service", "vms-init.service")
NGINX = (ROOT / "deploy" / "nginx" / "vms.conf").read_text()


def lines_of(name: str) -> list[str]:
    """A unit's settings, continued lines joined."""
    text = (ROOT / "deploy" / "systemd" / name).read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if re.match(r"\w+=", line)]


def values(name: str, setting: str) -> list[str]:
    return [line.partition("=")[2] for line in lines_of(name) if line.startswith(f"{setting}=")]


def test_there_is_a_unit_for_each_kind_of_process() -> None:
    assert set(NAMES) == {*OFFICE, "vms-module.service"}


@pytest.mark.parametrize("name", NAMES)
def test_no_unit_runs_as_root_or_can_become_it(name: str) -> None:
    (user,) = values(name, "User")
    assert user == ("vms-module" if name == "vms-module.service" else "vms")
    assert values(name, "NoNewPrivileges") == ["yes"]
    assert values(name, "CapabilityBoundingSet") == [""]
    assert values(name, "AmbientCapabilities") == [""]
    assert values(name, "SystemCallFilter") == ["@system-service", "~@privileged"]
    assert values(name, "RestrictSUIDSGID") == ["yes"]


@pytest.mark.parametrize("name", NAMES)
def test_every_unit_reads_the_machine_and_writes_its_own_folder_alone(name: str) -> None:
    assert values(name, "ProtectSystem") == ["strict"]
    assert values(name, "ProtectHome") == ["yes"]
    assert values(name, "StateDirectory") == values(name, "User")
    assert values(name, "StateDirectoryMode") == ["0700"]
    assert values(name, "ReadWritePaths") == []
    assert values(name, "LimitCORE") == ["0"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "vms-init.service"])
def test_what_dies_is_started_again(name: str) -> None:
    assert values(name, "Restart")[0] in ("always", "on-failure")
    assert values(name, "WantedBy") == ["multi-user.target"]


WAIT = ROOT / "deploy" / "wait-for-web"


@pytest.mark.parametrize("name", OFFICE)
def test_the_settings_of_a_unit_are_those_of_a_production_start(name: str, tmp_path: Path) -> None:
    secrets = {
        "secret_key": "s" * 48, "passphrase": "p" * 20, "broker_url": "redis://:x@127.0.0.1/0",
        "database_url": "postgresql+psycopg://vms:x@127.0.0.1/vms",
        "ratelimit_url": "redis://:x@127.0.0.1/1",
    }  # fmt: skip
    if name == "vms-web.service":  # who alone answers with figures
        secrets["metrics_token"] = "m" * 64
    for secret, value in secrets.items():
        (tmp_path / secret).write_text(value)
    lent = dict(each.split(":") for each in values(name, "LoadCredential"))
    assert lent == {secret: f"/etc/vms/secrets/{secret}" for secret in secrets}
    given = " ".join(values(name, "Environment")).replace("%d", str(tmp_path))
    environ = dict(each.split("=", 1) for each in given.split())
    settings = Settings.from_environ(environ)  # refuses secrets that stand there themselves
    assert settings.production
    assert settings.database == secrets["database_url"]
    assert settings.ratelimit_url == secrets["ratelimit_url"]
    assert settings.metrics_token == secrets.get("metrics_token")
    assert settings.passphrase_path.read_text() == secrets["passphrase"]
    assert settings.instance == Path("/var/lib") / values(name, "StateDirectory")[0]


def test_no_unit_holds_a_secret() -> None:
    for name in NAMES:
        said = " ".join(values(name, "Environment") + values(name, "ExecStart"))
        assert not re.search(r"(?i)(?:secret|password|passphrase|token)\w*=(?!%d/)", said), name


def test_what_units_start_is_there() -> None:
    started = {name: values(name, "ExecStart")[0].split() for name in NAMES}
    assert started["vms-web.service"][-1] == '"vmsapp:create_app()"'
    assert {"127.0.0.1:8081", "--no-control-socket"} <= set(started["vms-web.service"])
    (waits,) = values("vms-web.service", "ExecStartPost")
    python, script, address, pid = waits.split()
    assert (python, address, pid) == ("/opt/vms/.venv/bin/python", "127.0.0.1:8081", "$MAINPID")
    assert script == f"/opt/vms/{WAIT.relative_to(ROOT)}"
    assert started["vms-worker@.service"][1:] == ["run.py", "worker"]
    assert started["vms-init.service"][1:] == ["vms", "init"]
    assert started["vms-module.service"][1:3] == ["-m", "vmsapp.hsm.server"]
    assert (ROOT / "run.py").exists()
    assert (ROOT / "vmsapp" / "hsm" / "server" / "__main__.py").exists()


@pytest.mark.systemd
def test_systemd_takes_the_units_and_finds_little_exposed(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    assert tool
    here = Path(sys.executable).parent
    for unit in UNITS:  # as installed, but with what this machine has
        text = unit.read_text().replace("/opt/vms/.venv/bin", str(here))
        text = text.replace("WorkingDirectory=/opt/vms", f"WorkingDirectory={ROOT}")
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    verified = subprocess.run(
        [tool, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        [tool, "security", "--offline=yes", "--threshold=15", "--no-pager", *units],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout  # each 1.5 of 10 at most
    assert rated.stdout.count("Overall exposure level") == len(UNITS)


def wait_for_web(port: int, pid: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WAIT), f"127.0.0.1:{port}", str(pid)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_web_server_counts_as_started_when_a_page_can_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        waiting = wait_for_web(listening.getsockname()[1], os.getpid())
        for answer in (b"", b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"):
            caller, _ = listening.accept()  # while its processes load
            with caller:
                assert caller.recv(100).startswith(b"GET /healthz ")
                caller.sendall(answer)
        caller, _ = listening.accept()
        assert waiting.poll() is None
        with caller:
            caller.recv(100)
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert waiting.communicate(timeout=20) == ("", None)
    assert waiting.returncode == 0


def test_one_that_ends_before_it_answers_is_no_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    waiting = wait_for_web(port, gone.pid)
    said, _ = waiting.communicate(timeout=20)
    assert (waiting.returncode, "ended before it answered" in said) == (1, True)


RUN = ROOT / "deploy" / "vms-run"
DROP_IN = """
# /etc/systemd/system/vms-init.service.d/override.conf
[Unit]
Wants=one.service
[Service]
Environment=DATABASE_URL_FILE=%d/database_owner_url
"""


def run_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the unit, where systemd's tools only say what they were told."""
    unit = folder / "vms-init.service"
    unit.write_text((ROOT / "deploy" / "systemd" / "vms-init.service").read_text() + DROP_IN)
    says = {"systemctl": f'[ "$*" = "cat vms-init.service" ] && cat {unit}',
            "systemd-run": r'printf "%s\n" "$@"'}  # fmt: skip
    for tool, script in says.items():
        (folder / tool).write_text(f"#!/bin/sh\n{script}\n")
        (folder / tool).chmod(0o755)
    return subprocess.run(
        [str(RUN), *words], env={"PATH": f"{folder}:/usr/bin:/bin"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_command_runs_with_the_settings_secrets_and_limits_of_the_unit(tmp_path: Path) -> None:
    ran = run_command(tmp_path, "vms", "book", "17", "--note", "receipt  seen")
    assert (ran.returncode, ran.stderr) == (0, "")
    told = ran.stdout.splitlines()
    assert told[-6:] == ["/opt/vms/.venv/bin/flask", "vms", "book", "17", "--note", "receipt  seen"]
    assert {"--quiet", "--collect", "--wait", "--pipe"} <= set(told)
    (unit,) = [word.partition("=")[2] for word in told if word.startswith("--unit=")]
    lent = f"/run/credentials/{unit}"
    given = [word.removeprefix("--property=") for word in told if word.startswith("--property=")]
    wanted = [
        line.replace("%d", lent).replace("localhost", "127.0.0.0/8 ::1/128")
        for line in lines_of("vms-init.service")
        if line.split("=")[0] not in {
            "Description", "Documentation", "After", "Wants", "Type", "ExecStart",
            "TimeoutStartSec",
        }
    ]  # fmt: skip
    assert given == [*wanted, f"Environment=DATABASE_URL_FILE={lent}/database_owner_url"]
    assert "User=vms" in given


def test_a_command_writes_where_it_is_told_to_and_nothing_runs_without_one(tmp_path: Path) -> None:
    backup, out = tmp_path / "backup", tmp_path / "out"
    for folder in (backup, out):
        folder.mkdir()
    ran = run_command(tmp_path, "--write", str(backup), "--write", str(out), "vms", "prove")
    assert f"--property=ReadWritePaths= {backup} {out}" in ran.stdout.splitlines()
    gone = run_command(tmp_path, "--write", str(tmp_path / "gone"), "vms", "prove")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr == f"vms-run: there is no folder {tmp_path / 'gone'} to write into.\n"
    for words in ((), ("--write", str(backup))):
        refused = run_command(tmp_path, *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "usage: vms-run" in refused.stderr
    assert run_command(tmp_path, "--write").returncode == 2


def block(opening: str) -> str:
    """What stands between the braces after ``opening``."""
    after = NGINX.partition(f"{opening} {{")[2]
    assert after, opening
    return after[: after.index("}")]


def test_the_proxy_closes_what_is_for_those_who_keep_the_product() -> None:
    (closed,) = re.findall(r"location ~ (\S+) \{\s*return 404;\s*\}", NGINX)
    for path in ("/metrics", "/metrics/", "/readyz", "/healthz"):
        assert re.search(closed, path), path
    for path in ("/", "/counter/", "/login/", "/metricsx", "/reports/metrics"):
        assert not re.search(closed, path), path
    for path in (ALIVE, READY, METRICS):  # what the product answers there
        assert re.search(closed, path), path
    passing = re.findall(r"location (?![~@])(= )?(\S+) \{", NGINX)
    # a pattern comes before a plain beginning: nothing leads past it
    assert passing == [("", "/"), ("= ", "/login/"), ("", "/api/")]


def test_the_proxy_gives_each_request_its_number_whatever_a_client_calls_it() -> None:
    said = dict(re.findall(r"proxy_set_header (\S+) (\S+);", NGINX))
    assert said["X-Request-ID"] == "$vms_request"
    (pattern,) = re.findall(r'map \$request_id \$vms_request \{\s*"~(\S+)" \$vms_first;', NGINX)
    numbers = re.match(pattern.replace("?<", "?P<"), "4f0c2b9e7d1a4c559a6e2f3b8d1c0e7a")
    assert numbers
    assert id_for(numbers["vms_first"]) == "4f0c2b9e7d1a"
    assert "$vms_request" in NGINX.partition("log_format vms")[2].partition(";")[0]


@pytest.mark.parametrize("name", ["vms-web.service", "vms-worker@.service"])
def test_processes_of_a_machine_count_in_one_folder_that_a_restart_keeps(name: str) -> None:
    assert values(name, "RuntimeDirectory") == ["vms"]
    assert values(name, "RuntimeDirectoryMode") == ["0700"]
    assert values(name, "RuntimeDirectoryPreserve") == ["yes"]
    given = " ".join(values(name, "Environment")).split()
    assert "VMS_METRICS_FOLDER=/run/vms/metrics" in given


def test_the_proxy_says_itself_who_asks_and_how() -> None:
    said = dict(re.findall(r"proxy_set_header (\S+) (\S+);", NGINX))
    assert said["X-Forwarded-For"] == "$remote_addr"  # not $proxy_add_x_forwarded_for
    assert said["X-Forwarded-Proto"] == "https"
    assert (said["Host"], said["X-Forwarded-Host"]) == ("$host", "$host")
    assert (said["Forwarded"], said["X-Forwarded-Prefix"]) == ('""', '""')
    assert "VMS_PROXIES=1" in " ".join(values("vms-web.service", "Environment"))
    assert "server 127.0.0.1:8081 " in block("upstream vms_web")


def test_the_proxy_speaks_tls_alone_and_logs_no_searches() -> None:
    assert re.findall(r"ssl_protocols (.*);", NGINX) == ["TLSv1.2 TLSv1.3"]
    assert "ssl_reject_handshake on;" in NGINX
    assert "return 301 https://" in NGINX
    form = NGINX.partition("log_format vms")[2].partition(";")[0]
    assert "$uri" in form
    assert not re.search(r"\$(request|request_uri|args|query_string|http_referer)\b", form)


def test_the_proxy_lets_a_line_to_the_web_server_go_before_that_hangs_up() -> None:
    (proxy,) = re.findall(r"keepalive_timeout (\d+)s;", block("upstream vms_web"))
    (web,) = re.findall(r"--keep-alive (\d+) ", values("vms-web.service", "ExecStart")[0])
    assert int(proxy) + 10 <= int(web)


def test_the_largest_import_passes_the_proxy() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    assert int(megabytes) == Settings().import_mb + 1

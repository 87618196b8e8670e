"""An installation past one machine, made as deploy/README.md tells, and run without systemd.

What is started, and with which settings, is read from the units that are given to those who
install: their commands, their environment, their credentials. Only places, ports and the number
of processes are of the run. Keys are not the demo's, so that all of it is production; the same
two lie in every module server, each of which has a keystore of its own.
"""

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from werkzeug.security import generate_password_hash

from benchmarks.running import ROOT, Service, WebServer, free_port
from config import Settings
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.hsm.connect import Target
from vmsapp.hsm.keystore import Keystore, NewKey
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import Algorithm, SecurityModule
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import demo
from vmsapp.services.security_modules import adding, changing
from vmsapp.services.security_modules.assigning import assign
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.services.users import Account
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes

UNITS = ROOT / "deploy" / "systemd"
CLIENT = "web-1"
QUICK = {
    "VMS_LOG_LEVEL": "WARNING", "VMS_LOGIN_RATE": "100000 per 1 minute",
    "VMS_RECONCILE_SECONDS": "1", "VMS_PENDING_SECONDS": "2", "VMS_CANCEL_SECONDS": "12",
    "VMS_MODULE_SECONDS": "1", "VMS_FAILOVER_SECONDS": "4",
}  # fmt: skip
"""Settings in vms.env that have the worker look soon."""

SERVER = """
folder = "{folder}"
host = "127.0.0.1"
port = {port}
passphrase_credentials = ["keystore"]
imports = "direct"
tokens_per_meter_minute = 1000000
tokens_per_meter_day = 1000000
log_level = "WARNING"

[[clients]]
id = "{client}"
roles = ["issuer", "auditor", "admin"]
per_second = 1000
"""


class Unit:
    """One of the units in deploy/systemd."""

    def __init__(self, name: str) -> None:
        text = (UNITS / name).read_text().replace("\\\n", " ")
        self._lines = [line.strip().partition("=") for line in text.splitlines()]

    def values(self, setting: str) -> list[str]:
        """What stands in it for a setting."""
        return [value for name, _, value in self._lines if name == setting]

    def command(self) -> list[str]:
        """What it starts, with this run's Python."""
        program, *rest = shlex.split(self.values("ExecStart")[0])
        name = Path(program).name
        assert program == f"/opt/vms/.venv/bin/{name}", program
        return [sys.executable, *([] if name == "python" else ["-m", name]), *rest]

    def environ(self, instance: Path, credentials: Path) -> dict[str, str]:
        """Its environment."""
        lent = {each.partition(":")[0] for each in self.values("LoadCredential")}
        missing = [name for name in lent if not (credentials / name).exists()]
        assert not missing, missing
        said = " ".join(self.values("Environment")).replace("%d", str(credentials))
        given = dict(each.split("=", 1) for each in said.split())
        return given | {"VMS_INSTANCE": str(instance)}


@dataclass
class ModuleServer:
    """A module server, and what lies in its folder.

    Attributes:
        row_id: Of the module, once it is added.
    """

    name: str
    folder: Path
    service: Service
    row_id: int = 0

    @property
    def record(self) -> Path:
        """The module's own record."""
        return self.folder / "results.sqlite"


@dataclass
class Installation:
    """Everything but databases, brokers and the proxy.

    Attributes:
        folder: Of the run.
        database_url: An empty database.
        settings: What stands in vms.env.
        clock: A file that puts the clocks wrong (``shifted``); None where they stay right.
    """

    folder: Path
    database_url: str
    settings: dict[str, str] = field(default_factory=lambda: dict(QUICK))
    clock: Path | None = None
    modules: list[ModuleServer] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    broker_url: str = ""
    ratelimit_url: str = ""

    def __post_init__(self) -> None:
        for place in (self.folder, self.instance, self.credentials):
            place.mkdir(exist_ok=True, mode=0o755)
        self._keys = {
            KeyRef(demo.LEGACY_SGC, 1, 2, "02"): bytes(map(_odd, secrets.token_bytes(8))),
            KeyRef(demo.STS6_SGC, 1, 2, "04"): secrets.token_bytes(20),
        }

    @property
    def instance(self) -> Path:
        """What lies in /var/lib/vms."""
        return self.folder / "instance"

    @property
    def credentials(self) -> Path:
        """What systemd lends to the services."""
        return self.folder / "credentials"

    def lend(self, broker_url: str, ratelimit_url: str) -> None:
        """Write the secrets, each a file: processes that start from now on read them."""
        self.broker_url, self.ratelimit_url = broker_url, ratelimit_url
        for name, value in {
            "database_url": self.database_url, "broker_url": broker_url,
            "ratelimit_url": ratelimit_url,
            "metrics_token": secrets.token_hex(32),
        }.items():  # fmt: skip
            (self.credentials / name).write_text(value)
        for name in ("secret_key", "passphrase"):
            file = self.credentials / name
            if not file.exists():
                file.write_text(secrets.token_urlsafe(48))
        for file in self.credentials.iterdir():
            file.chmod(0o600)

    def environ(self, unit: str = "vms-web.service") -> dict[str, str]:
        """The environment of a unit."""
        ports = ",".join(str(one.service.port) for one in self.modules)
        more = {"VMS_MODULE_PORTS": ports} if ports else {}
        return Unit(unit).environ(self.instance, self.credentials) | self.settings | more

    def initialise(self) -> None:
        """Make or upgrade the database, as the unit does once a release."""
        subprocess.run(
            Unit("vms-init.service").command(), cwd=ROOT, check=True, capture_output=True,
            env=_clean() | self.environ("vms-init.service"),
        )  # fmt: skip

    def add_module(self, name: str) -> ModuleServer:
        """Make a module server with the same keys as the others; it is started by the caller."""
        folder = self.folder / f"module-{name}"
        lent = folder / "credentials"
        for place in (folder, lent):
            place.mkdir(mode=0o700)
        port = free_port()
        config, passphrase = folder / "server.toml", secrets.token_urlsafe(24)
        config.write_text(SERVER.format(folder=folder, port=port, client=CLIENT))
        (lent / "keystore").write_text(passphrase)
        (lent / "keystore").chmod(0o600)
        unit = Unit("vms-module.service")
        command = [str(config) if part == "/etc/vms-module/server.toml" else part
                   for part in unit.command()]  # fmt: skip
        environ = {"CREDENTIALS_DIRECTORY": str(lent)}
        subprocess.run([*command, "init"], cwd=ROOT, check=True, capture_output=True,
                       env=_clean() | environ)  # fmt: skip
        opened = Keystore.open(folder / "keystore.json", SecretBytes(passphrase.encode()))
        with closing(opened) as store:
            for ref, value in self._keys.items():
                store.add(NewKey(ref, BaseDate.Y2014, 255, f"Group {ref.sgc}", demo=False,
                                 value=SecretBytes(value)))  # fmt: skip
        if self.clock:
            command = [command[0], "-m", "benchmarks.shifted", "module", *command[3:]]
            environ["TRIAL_CLOCK"] = str(self.clock)
        service = Service(
            f"module-{name}", command, environ, self.folder / f"module-{name}.log", port=port
        )
        self.modules.append(ModuleServer(name, folder, service))
        return self.modules[-1]

    def furnish(self) -> None:
        """Make the utility, and let the first module serve it; that one runs already."""
        app = create_app(Settings.from_environ(self.environ()))
        with app.app_context(), seen_by(SYSTEM):
            session, registry = db.session(), app.extensions["vms_modules"]
            accounts = demo.furnish(session, _cheap)
            self.accounts = {account.username: account for account in accounts}
            embedded = session.scalars(select(SecurityModule.id)).one()
            first = self._join(app, self.modules[0])
            for algorithm in Algorithm:
                assign(session, registry, SYSTEM, algorithm, first)
            changing.retire(session, SYSTEM, embedded)
            _leave(app)

    def join(self, module: ModuleServer) -> None:
        """Add a module that runs; it serves nothing, and so is a standby."""
        app = create_app(Settings.from_environ(self.environ()))
        with app.app_context(), seen_by(SYSTEM):
            self._join(app, module)
            _leave(app)

    def _join(self, app, module: ModuleServer) -> int:
        """Test the connection and add what answers, as the page does."""
        settings, secret = app.extensions["vms_settings"], secrets.token_bytes(32)
        target = Target("tcp", "127.0.0.1", module.service.port or 0)
        typed = (module.folder / "tls" / f"{CLIENT}.psk").read_bytes()
        found = adding.try_out(settings, secret, target, CLIENT, typed)
        assert found.ticket, found.tried.steps
        module.row_id = adding.add(
            db.session(), settings, secret, SYSTEM, target=target, ticket=found.ticket,
            kept=found.kept, client=CLIENT, name=f"Module {module.name}",
        )  # fmt: skip
        copy_key_list(db.session(), app.extensions["vms_modules"], SYSTEM, module.row_id)
        return module.row_id

    def web(self, name: str, *, workers: int = 1) -> WebServer:
        """One web server, on a port of its own."""
        port = free_port()
        unit = Unit("vms-web.service")
        command = unit.command()
        command[command.index("--workers") + 1] = str(workers)
        command[command.index("--bind") + 1] = f"127.0.0.1:{port}"
        if self.clock:
            assert command[-1] == "vmsapp:create_app()"
            command[-1] = "benchmarks.shifted:create_app()"
        log = self.folder / f"{name}.log"
        return WebServer(name, command, self._started("vms-web.service"), log, port=port)

    def worker(self, name: str) -> Service:
        """One worker."""
        command = Unit("vms-worker@.service").command()
        if self.clock:
            assert command[1:] == ["run.py", "worker"]
            command[1:] = ["-m", "benchmarks.shifted", "worker"]
        environ = self._started("vms-worker@.service")
        return Service(name, command, environ, self.folder / f"{name}.log", settles_s=3.0)

    def _started(self, unit: str) -> dict[str, str]:
        trial = {"TRIAL_CLOCK": str(self.clock)} if self.clock else {}
        return self.environ(unit) | trial


def _leave(app) -> None:
    db.session.remove()
    db.engine.dispose()
    app.extensions["vms_modules"].close()


def _odd(byte: int) -> int:
    """Give a byte of a DES key its parity."""
    return byte & 0xFE | (byte >> 1).bit_count() % 2 ^ 1


def _cheap(password: str) -> str:
    """Sign-in is not what is tried."""
    return generate_password_hash(password, "pbkdf2:sha256:1000")


def _clean() -> Mapping[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VMS_", "DATABASE", "BROKER"))}
    return kept | {"PYTHONPATH": str(ROOT)}

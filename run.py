"""Start everything one machine needs: module server, web server and worker, supervised.

``python run.py`` prepares the instance, starts them, prints the address and stays. When
it is told to stop, or dies, nothing of it stays behind. ``python run.py web``, ``worker`` and
``module`` are the children. The keystore's passphrase goes to the module server alone, so that
no web process ever holds a vending key; with ``VMS_MODULE_SERVER=0`` there is none, and web
server and worker open the keystore themselves.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from config import Settings

ROOT = Path(__file__).resolve().parent
READY_SECONDS = 60
MODULE_SECONDS = 20
STOP_SECONDS = 15
RESTARTS = 5
"""A child that dies more often than this within a minute stops the group."""


class Child:
    """One process of the group; the passphrase, if it gets it, is handed over by a pipe."""

    def __init__(self, role: str, environ: dict[str, str], passphrase: bytes | None) -> None:
        self.role = role
        self._environ = environ
        self._passphrase = passphrase
        self._deaths: list[float] = []
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._passphrase is None:
            return self._spawn({}, [])
        reader, writer = os.pipe()
        os.write(writer, self._passphrase)
        os.close(writer)
        try:
            return self._spawn({"VMS_KEYSTORE_PASSPHRASE_FD": str(reader)}, [reader])
        finally:
            os.close(reader)

    def _spawn(self, more: dict[str, str], handed: list[int]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, str(ROOT / "run.py"), self.role],
            cwd=ROOT,
            env={**os.environ, **self._environ, **more},
            pass_fds=handed,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops them
        )

    def revive(self) -> bool:
        """Start again if it died; False when it dies too often."""
        if self.process.poll() is None:
            return True
        now = time.monotonic()
        self._deaths = [death for death in self._deaths if now - death < 60] + [now]
        print(f"The {self.role} stopped ({self.process.returncode}).", flush=True)
        if len(self._deaths) > RESTARTS:
            return False
        with suppress(ProcessLookupError):  # what it had started goes with it
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = self._start()
        return True

    def stop(self) -> None:
        """Ask to stop, wait, then insist."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the end; whatever is left of its session is killed."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=max(0.1, until - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def main() -> int:
    """Prepare, start, watch, stop."""
    from config import Settings, SettingsError  # noqa: PLC0415 - children need less
    from vmsapp import create_app  # noqa: PLC0415
    from vmsapp.services.instance import DemoInProduction  # noqa: PLC0415

    try:
        settings = Settings.from_environ(os.environ)
        settings.demand_passphrase()  # the embedded module is opened, here and by its server
        alone = hold(settings.instance)
        check_port(settings.host, settings.port, "VMS_PORT")
        served = settings.module_server or "VMS_MODULE_SERVER" not in os.environ
        module_port = module_port_of(settings) if served else settings.module_port
        # The instance is prepared before anything is started, with the keystore open here.
        app = create_app(settings.model_copy(update={"module_server": False}))
        with app.app_context():
            from vmsapp.cli.vms import hand_out, initialise  # noqa: PLC0415

            hand_out(initialise(), settings)
    except (SettingsError, CannotStart, DemoInProduction, OSError) as error:
        print(f"VMS does not start:\n{error}", file=sys.stderr)
        return 2
    with alone:
        passphrase = settings.passphrase_path.read_bytes().strip()
        environ = {"VMS_MODULE_SERVER": str(int(served)), "VMS_MODULE_PORT": str(module_port)}
        with_keys = {"module"} if served else {"web", "worker"}
        roles = [*(["module"] if served else []), "web", "worker"]
        children = {role: (environ, passphrase if role in with_keys else None) for role in roles}
        where = (settings.module_host, module_port) if served else None
        return supervise(settings.host, settings.port, children, where)


class CannotStart(Exception):
    """Something outside stands in the way."""


def hold(instance: Path) -> IO[str]:
    """Hold the instance folder for as long as the file is open.

    Raises:
        CannotStart: Another start holds it.
    """
    instance.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (instance / "run.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        msg = f"VMS is running already on {instance}. Stop it, or name another VMS_INSTANCE."
        raise CannotStart(msg) from None
    return file


def check_port(host: str, port: int, setting: str) -> None:
    """See that the port is free, before anything is started.

    Args:
        host: Address.
        port: Port.
        setting: Which names another one.

    Raises:
        CannotStart: Something listens there, or may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"Port {port} on {host}: {error.strerror}. Name another one with {setting}."
            raise CannotStart(msg) from None


def module_port_of(settings: "Settings") -> int:
    """Tell where the module server will listen: where it is told to, or where it is free.

    Raises:
        CannotStart: The port that was asked for is taken.
    """
    try:
        check_port(settings.module_host, settings.module_port, "VMS_MODULE_PORT")
    except CannotStart:
        if "VMS_MODULE_PORT" in os.environ:
            raise
        with socket.socket() as probe:
            probe.bind((settings.module_host, 0))
            return int(probe.getsockname()[1])
    return settings.module_port


def supervise(
    host: str,
    port: int,
    roles: dict[str, tuple[dict[str, str], bytes | None]],
    module: tuple[str, int] | None,
) -> int:
    """Keep the children alive until told to stop.

    Args:
        host: Where the web server listens.
        port: Where the web server listens.
        roles: The children, each with its environment and, if it gets it, the passphrase.
        module: Where the module server listens; None where there is none.
    """
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    children = [Child(role, environ, handed) for role, (environ, handed) in roles.items()]
    web = next(child for child in children if child.role == "web")
    address = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}/"
    try:
        if _listens(module, stopping) and _answers(host, port, web, stopping):
            print(f"\nVMS is ready: {address}   (Ctrl-C stops it)\n", flush=True)
        elif not stopping:
            print(f"The web server does not answer on {address}", file=sys.stderr)
            return 1
        while not stopping:
            alive = [child.revive() for child in children]
            if not all(alive):
                return 1
            time.sleep(0.5)
    finally:
        for child in children:
            child.stop()
        until = time.monotonic() + STOP_SECONDS
        for child in children:
            child.wait(until)
    print("VMS has stopped.", flush=True)
    return 0


def _listens(module: tuple[str, int] | None, stopping: list[int]) -> bool:
    """Wait for the module server; one that never comes is told of by the web server's pages."""
    until = time.monotonic() + MODULE_SECONDS
    while module is not None and time.monotonic() < until and not stopping:
        try:
            socket.create_connection(module, 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            break
    return not stopping


def _answers(host: str, port: int, web: Child, stopping: list[int]) -> bool:
    """Wait for the sign-in page."""
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/login/"  # noqa: S104
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and not stopping and web.process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            time.sleep(0.1)
    return False


def _die_with_parent(**_: object) -> None:
    """Ask the kernel to stop this process when the one that started it is gone."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def web() -> None:
    """Serve pages."""
    from waitress import serve  # noqa: PLC0415

    from config import Settings  # noqa: PLC0415
    from vmsapp import create_app  # noqa: PLC0415

    settings = Settings.from_environ(os.environ)
    app = create_app(settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(
        app, host=settings.host, port=settings.port, threads=settings.threads, ident=None,
        # Believed by nobody where there is no proxy; that they are there tells what was passed on.
        clear_untrusted_proxy_headers=False,
        # Whoever holds connections open shuts nobody out as soon as by the library's 100 and 120 s.
        connection_limit=1000, channel_timeout=30, cleanup_interval=10, asyncore_use_poll=True,
    )  # fmt: skip


def worker() -> None:
    """Run background work, and the clock that starts it."""
    from celery.signals import beat_embedded_init  # noqa: PLC0415

    from vmsapp import create_app  # noqa: PLC0415

    warnings.filterwarnings("ignore", message="You're running the worker with superuser")

    beat_embedded_init.connect(_die_with_parent, weak=False)
    create_app().extensions["celery"].worker_main(
        ["--quiet", "worker", "-B", "-P", "threads", "-c", "4", "--loglevel", "WARNING",
         "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )  # fmt: skip


def module() -> int:
    """Serve the embedded module's keys to clients that prove who they are."""
    from config import Settings  # noqa: PLC0415
    from vmsapp.hsm.server.process import run  # noqa: PLC0415
    from vmsapp.hsm.server.settings import ClientSettings, ServerSettings  # noqa: PLC0415
    from vmsapp.hsm.wire.ops import Role  # noqa: PLC0415

    settings = Settings.from_environ(os.environ)
    server = ServerSettings(
        folder=settings.keystore_path.parent,
        keystore=settings.keystore_path,
        host=settings.module_host,
        port=settings.module_port,
        env="production" if settings.production else "development",
        sta_tables=settings.sta_tables,
        tokens_per_meter_minute=settings.tokens_per_meter_minute,
        tokens_per_meter_day=settings.tokens_per_meter_day,
        passphrase_files=(settings.passphrase_path,),
        log_level=settings.log_level,
        log_format=settings.log_format,
        clients=(
            ClientSettings(id="web", roles=frozenset({Role.ISSUER, Role.AUDITOR})),
            ClientSettings(id="keys", roles=frozenset({Role.ADMIN, Role.AUDITOR})),
        ),
    )
    handed = settings.keystore_passphrase_fd
    return run(server, [] if handed is None else [handed])


if __name__ == "__main__":
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role:
        _die_with_parent()
    sys.exit({"web": web, "worker": worker, "module": module}.get(role, main)())

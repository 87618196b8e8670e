"""Start everything one machine needs: web server and worker, as one supervised group.

``python run.py`` prepares the instance, starts both, prints the address and stays. When
it is told to stop, or dies, nothing of it stays behind. ``python run.py web`` and
``python run.py worker`` are the two children.
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
from typing import IO

ROOT = Path(__file__).resolve().parent
READY_SECONDS = 60
STOP_SECONDS = 15
RESTARTS = 5
"""A child that dies more often than this within a minute stops the group."""


class Child:
    """One process of the group, with the passphrase handed over by a pipe."""

    def __init__(self, role: str, passphrase: bytes) -> None:
        self.role = role
        self._passphrase = passphrase
        self._deaths: list[float] = []
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        reader, writer = os.pipe()
        os.write(writer, self._passphrase)
        os.close(writer)
        try:
            return subprocess.Popen(  # noqa: S603 - our own
                [sys.executable, str(ROOT / "run.py"), self.role],
                cwd=ROOT,
                env={**os.environ, "VMS_KEYSTORE_PASSPHRASE_FD": str(reader)},
                pass_fds=[reader],
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops them
            )
        finally:
            os.close(reader)

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
        alone = hold(settings.instance)
        check_port(settings.host, settings.port)
        app = create_app(settings)
        with app.app_context():
            from vmsapp.cli.vms import hand_out, initialise  # noqa: PLC0415

            hand_out(initialise(), settings)
    except (SettingsError, CannotStart, DemoInProduction, OSError) as error:
        print(f"VMS does not start:\n{error}", file=sys.stderr)
        return 2
    with alone:
        passphrase = settings.passphrase_path.read_bytes().strip()
        return supervise(settings.host, settings.port, passphrase)


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


def check_port(host: str, port: int) -> None:
    """See that the port is free, before anything is started.

    Raises:
        CannotStart: Something listens there, or may not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"Port {port} on {host}: {error.strerror}. Name another one with VMS_PORT."
            raise CannotStart(msg) from None


def supervise(host: str, port: int, passphrase: bytes) -> int:
    """Keep both children alive until told to stop."""
    stopping: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    children = [Child("web", passphrase), Child("worker", passphrase)]
    address = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}/"
    try:
        if _answers(host, port, children[0], stopping):
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
        clear_untrusted_proxy_headers=settings.proxies == 0,
    )  # fmt: skip


def worker() -> None:
    """Run background work, and the clock that starts it."""
    from celery.signals import beat_embedded_init  # noqa: PLC0415

    from vmsapp import create_app  # noqa: PLC0415

    warnings.filterwarnings("ignore", message="You're running the worker with superuser")

    beat_embedded_init.connect(_die_with_parent, weak=False)
    create_app().extensions["celery"].worker_main(
        ["--quiet", "worker", "-B", "-P", "threads", "-c", "2", "--loglevel", "WARNING",
         "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )  # fmt: skip


if __name__ == "__main__":
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role:
        _die_with_parent()
    sys.exit({"web": web, "worker": worker}.get(role, main)())

"""Real processes for benchmarks: a database, the module server, web servers and a worker.

Each runs as an administrator would start it, in a session of its own, and can be killed with
signal 9 together with all it started. What a benchmark leaves running dies with it.
"""

import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = "postgres"
"""The user a database runs as where the benchmark is root's, as whom none starts."""
PATIENCE_S = 300.0
"""How long something may take to come up on a machine with much else to do."""


class Service:
    """One process and all it started.

    Args:
        name: For people.
        command: What an administrator would type.
        environ: Added to the environment.
        log: Where it writes.
        port: Where it listens, once it is ready; None for one that does not.
        settles_s: Without a port: how long after its start it counts as ready.
        root: Where the code lies.
    """

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path,
        *, port: int | None = None, settles_s: float = 0.0, user: str | None = None,
        root: Path = ROOT,
    ) -> None:  # fmt: skip
        self.name = name
        self._root = root
        self.port = port
        self._user = user
        self.log = log
        self.starts = 0
        self._command = [*_dies_with_us(user), *command]
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        self._environ = {**os.environ, "PYTHONPATH": path, **environ}
        self._settles_s = settles_s
        self._began = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's own id."""
        assert self._process is not None, "never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; from the main thread, whose end would be its end, too."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._root, env=self._environ, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._began = time.monotonic()
        self.starts += 1

    def ready(self) -> bool:
        """Whether it can be asked for something now."""
        if not self.alive:
            return False
        if self.port is None:
            return time.monotonic() - self._began >= self._settles_s
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def wait_ready(self) -> None:
        """Wait until it is, starting it again if it gave up.

        Raises:
            RuntimeError: It does not come up.
        """
        until = time.monotonic() + PATIENCE_S
        while not self.ready():
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not start: {self.log.read_text()[-2000:]}")
            if not self.alive:
                self.start()
            time.sleep(0.05)

    def family(self) -> list[int]:
        """The process and all below it, the oldest first."""
        return [self.pid, *_below(self.pid)] if self.alive else []

    def spent(self) -> float:
        """Seconds of the processor that the family took, and those it has seen the end of."""
        ticks = 0
        for pid in self.family():
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended, its parent counts it
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        """Send a signal to the whole family."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def leave_room(self, size: int | None) -> None:
        """Let no file grow beyond so many bytes, as on a full disk; None lifts that.

        Asked for as the user it runs as: root of a container may not do it for others.
        """
        limit = "--fsize=" + ("unlimited:" if size is None else f"{size}:")
        for pid in self.family():
            subprocess.run([*_as(self._user), "prlimit", "--pid", str(pid), limit],
                           check=False, capture_output=True)  # fmt: skip

    def kill(self) -> None:
        """Kill the family with signal 9, and wait until none of it is left."""
        family = self.family()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        until = time.monotonic() + PATIENCE_S
        while any(_runs(pid) for pid in family) and time.monotonic() < until:
            time.sleep(0.01)


class Database(Service):
    """A PostgreSQL cluster of its own, that keeps its promises: fsync and synchronous commit on."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._data = folder / "data"
        user = POSTGRES if os.getuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        port = free_port()
        self.url = f"postgresql+psycopg://vms@127.0.0.1:{port}/vms"
        self.dsn = f"host=127.0.0.1 port={port} user=vms dbname=vms connect_timeout=5"
        made = [str(binaries() / "initdb"), "-D", str(self._data), "-U", "vms", "-A", "trust",
                "-E", "UTF8", "--locale=C.UTF-8"]  # fmt: skip
        subprocess.run([*_dies_with_us(user), *made], cwd=folder, check=True, capture_output=True)
        options = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder),
            "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
            "shared_buffers": "128MB", "log_min_messages": "warning",
        }  # fmt: skip
        command = [str(binaries() / "postgres"), "-D", str(self._data), "-p", str(port)]
        for option, value in options.items():
            command += ["-c", f"{option}={value}"]
        super().__init__("database", command, {}, log, port=port, user=user)

    def make(self) -> None:
        """Start the cluster, and make the database in it."""
        self.start()
        self.wait_ready()
        with psycopg.connect(
            self.dsn.replace("dbname=vms", "dbname=postgres"), autocommit=True
        ) as c:
            c.execute("CREATE DATABASE vms")

    def ready(self) -> bool:
        """Whether it takes a question: after a crash it first brings itself back."""
        if not super().ready():
            return False
        with suppress(psycopg.Error):
            psycopg.connect(self.dsn.replace("dbname=vms", "dbname=postgres")).close()
            return True
        return False


class WebServer(Service):
    """A web server; its port is open before there is anybody behind it."""

    def ready(self) -> bool:
        """Whether it shows the page to sign in on."""
        if not self.alive:
            return False
        assert self.port is not None
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with suppress(OSError, http.client.HTTPException), closing(line):
            line.request("GET", "/login/")
            return line.getresponse().status == 200
        return False


def gunicorn(
    environ: Mapping[str, str], log: Path, *, workers: int = 2, threads: int = 4,
    root: Path = ROOT,
) -> WebServer:  # fmt: skip
    """A web server as README.md tells to start it past one machine."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--workers", str(workers), "--threads",
               str(threads), "--bind", f"127.0.0.1:{port}", "--chdir", str(root),
               "--keep-alive", "75", "--log-level", "warning", "vmsapp:create_app()"]  # fmt: skip
    return WebServer("web", command, environ, log, port=port, root=root)


def granian(
    environ: Mapping[str, str], log: Path, *, workers: int = 2, threads: int = 4
) -> WebServer:
    """The other web server; it is asked for by whoever wants it, and no part of the locks."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
               "--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads),
               "--no-access-log", "--log-level", "warning", "--factory",
               "vmsapp:create_app"]  # fmt: skip
    return WebServer("web", command, environ, log, port=port)


def worker(environ: Mapping[str, str], log: Path, *, root: Path = ROOT) -> Service:
    """A worker with its clock."""
    command = [sys.executable, "run.py", "worker"]
    return Service("worker", command, environ, log, settles_s=5.0, root=root)


def module_server(environ: Mapping[str, str], log: Path, *, root: Path = ROOT) -> Service:
    """The module server of this machine."""
    command, port = [sys.executable, "run.py", "module"], int(environ["VMS_MODULE_PORT"])
    return Service("module", command, environ, log, port=port, root=root)


def prepare(environ: Mapping[str, str], *, root: Path = ROOT) -> None:
    """Prepare an instance, or bring it to a release's code, as an administrator would."""
    subprocess.run(
        [sys.executable, "-m", "flask", "vms", "init"], cwd=root, check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root), **environ, "VMS_MODULE_SERVER": "0"},
    )  # fmt: skip


def initialised(environ: Mapping[str, str], *, root: Path = ROOT) -> dict[str, str]:
    """Prepare an empty instance: passwords by user name."""
    prepare(environ, root=root)
    (file,) = Path(environ["VMS_INSTANCE"]).glob("passwords-*.txt")
    words = (line.split() for line in file.read_text().splitlines())
    file.unlink()
    return {line[0]: line[1] for line in words}


def free_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binaries() -> Path:
    """Where the programs of PostgreSQL lie: those in the path, else of the newest release."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    found_all = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(found_all, key=lambda path: int(path.parts[-3])).parent


def _dies_with_us(user: str | None) -> list[str]:
    """Have the kernel kill a process with the one that started it."""
    return (
        ["setpriv", "--pdeathsig", "KILL", *_as(user)[1:]]
        if user
        else ["setpriv", "--pdeathsig", "KILL", "--"]
    )


def _as(user: str | None) -> list[str]:
    """Run a command as a user; as who we are where none is named."""
    if user is None:
        return []
    who = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--init-groups", "--"]


def _below(pid: int) -> Iterator[int]:
    """The ids of all processes below one; a database gives each a session of its own."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    while found:
        below = parents.get(found.pop(0), [])
        found += below
        yield from below


def _runs(pid: int) -> bool:
    """Whether a process is there, and no mere entry that its parent has not read yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

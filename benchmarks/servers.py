"""Servers that the product's processes need: a proxy, and a broker of each kind.

Each is of this machine's packages, listens on loopback at a port of its own, and keeps all it
writes in a folder of the run's.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import amqp
import redis as redis_client
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.running import ROOT, Service, free_port
from benchmarks.till import Door
from vmsapp.clock import now_utc

NAME = "vms.example"
"""What deploy/nginx/vms.conf is written for."""
RABBIT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The program behind the one in the path, which starts it as a user of its own."""


class Proxy(Service):
    """nginx with the file that is given to those who install; only ports and paths are others.

    Args:
        folder: Its own.
        webs: Ports of the web servers behind it.
    """

    def __init__(self, folder: Path, webs: Sequence[int], log: Path) -> None:
        folder.mkdir()
        self._plain = free_port()
        port = free_port()
        key, self.certificate = folder / "privkey.pem", folder / "fullchain.pem"
        certify(key, self.certificate)
        given = (ROOT / "deploy" / "nginx" / "vms.conf").read_text()
        paths = {"fullchain": self.certificate, "privkey": key, "log": folder / "vms.log"}
        (folder / "vms.conf").write_text(moved(given, webs, self._plain, port, paths))
        (folder / "nginx.conf").write_text(AROUND.format(
            folder=folder, user="user root;" if os.getuid() == 0 else "",
        ))  # fmt: skip
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c",
                   str(folder / "nginx.conf"), "-e", str(folder / "error.log")]  # fmt: skip
        super().__init__("nginx", command, {}, log, port=port)

    @property
    def door(self) -> Door:
        """Where browsers find the product."""
        assert self.port is not None
        return Door(self.port, NAME, self.certificate)


AROUND = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/vms.conf;
}}
"""


def moved(
    given: str, webs: Sequence[int], plain: int, tls: int, paths: Mapping[str, Path]
) -> str:  # fmt: skip
    """Put the proxy's file to other ports and paths; whatever else it says stays."""
    another = r"    # server 10\.20\.0\.12:8081 \1;\n"
    behind = re.compile(r"    server 127\.0\.0\.1:8081 (.*);\n" + another)
    found = behind.findall(given)
    assert len(found) == 1, "the servers behind stand there, one of them as an example"
    servers = "".join(f"    server 127.0.0.1:{port} {found[0]};\n" for port in webs)
    text = behind.sub(servers, given)
    for old, new, times in (
        ("listen 80;", f"listen 127.0.0.1:{plain};", 1),
        ("listen [::]:80;", "", 1),
        ("listen 443 ssl", f"listen 127.0.0.1:{tls} ssl", 2),
        ("/etc/ssl/vms/fullchain.pem", str(paths["fullchain"]), 1),
        ("/etc/ssl/vms/privkey.pem", str(paths["privkey"]), 1),
        ("/var/log/nginx/vms.log", str(paths["log"]), 1),
    ):
        assert text.count(old) == times, f"{old} stands there {times} times"
        text = text.replace(old, new)
    return re.sub(r"listen \[::\]:443 .*;", "", text)  # not every machine has the other protocol


def certify(key_file: Path, certificate: Path) -> None:
    """Make a key, and a certificate for our name signed by it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now_utc() - timedelta(days=1))
        .not_valid_after(now_utc() + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    key_file.write_bytes(key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    certificate.write_bytes(made.public_bytes(pem))


class Redis(Service):
    """A Redis server; what it is told is written down, so that it can be looked at."""

    def __init__(self, folder: Path, log: Path) -> None:
        folder.mkdir()
        port = free_port()
        command = [shutil.which("redis-server") or "redis-server", "--port", str(port), "--bind",
                   "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir",
                   str(folder)]  # fmt: skip
        super().__init__("redis", command, {}, log, port=port)

    def url(self, number: int) -> str:
        """The URL of one of its databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    def empty(self, number: int = 0) -> None:
        """Lose all that waits in a database."""
        with redis_client.Redis(port=self.port or 0, db=number) as client:
            client.flushdb()


class Rabbit(Service):
    """A RabbitMQ node with a port mapper of its own: it meets no other node of this machine."""

    def __init__(self, folder: Path, log: Path) -> None:
        folder.mkdir()
        port, mapper = free_port(), free_port()
        (folder / "plugins").write_text("[].\n")
        environ = {
            "HOME": str(folder), "RUNNING_UNDER_SYSTEMD": "true", "RABBITMQ_CONF_ENV_FILE":
            "/dev/null", "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_NODENAME": f"vms{port}@localhost", "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1", "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"), "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-", "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1", "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }  # fmt: skip
        command = [shutil.which("epmd") or "epmd", "-port", str(mapper), "-address", "127.0.0.1"]
        self._mapper = Service("epmd", command, {"HOME": str(folder)}, log, port=mapper)
        super().__init__("rabbitmq", [str(RABBIT)], environ, log, port=port)

    @property
    def url(self) -> str:
        """Where the product finds it."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start it, and its port mapper before it."""
        if not self._mapper.alive:
            self._mapper.start()
            self._mapper.wait_ready()
        super().start()

    def empty(self) -> None:
        """Lose all that waits in the workers' queue."""
        with amqp.Connection(f"127.0.0.1:{self.port}", "guest", "guest") as line:
            line.channel().queue_purge("celery")

    def kill_all(self) -> None:
        """Kill it for good."""
        self.kill()
        self._mapper.kill()

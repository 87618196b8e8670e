"""What the way to a module server costs a sale, and how it stands fifty clients at once.

The server is a process of its own on the loopback, as an administrator starts it; the
yardstick is the same engine called directly, in this process, on a record of its own. Both
sell in turn, so that what else the machine does falls on both. Most of either is the disk:
each token is written down before it is given.

    python benchmarks/hsm.py           2,000 tokens a side, 50 clients with 40 each
    python benchmarks/hsm.py --quick   300 tokens a side, 50 clients with 10 each
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vmsapp.clock import now_utc
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.drivers.tcp import TcpModule
from vmsapp.hsm.drivers.tcp_link import Account
from vmsapp.hsm.keystore import Keystore, demo_key
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import CreditRequest, KeyRef, MeterConfig
from vmsapp.hsm.results import Results
from vmsapp.sts.identifiers import BaseDate, luhn, meter_pan
from vmsapp.sts.secret import SecretBytes

ROOT = Path(__file__).resolve().parent.parent
PASSPHRASE = b"for this run alone"
REF = KeyRef("600675", 1, 2, "04")
CLIENTS = 50
AIM_MS = 1.0
"""What the way may add to the engine's own time, by the median."""
CONFIG = """
folder = "{folder}"
port = 0
env = "development"
tokens_per_meter_minute = 1000000
tokens_per_meter_day = 1000000
log_level = "INFO"
[[clients]]
id = "bench"
roles = ["issuer", "auditor"]
per_second = 100000
"""


def main() -> None:
    """Measure, print figures and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tokens")
    quick = parser.parse_args().quick
    tokens, each = (300, 10) if quick else (2_000, 40)
    with tempfile.TemporaryDirectory(prefix="vms-hsm-") as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        with closing(made(ours)) as engine, served(theirs) as account:
            figures = side_by_side(engine, account, tokens) | crowded(account, each)
    print(json.dumps({"bench": "hsm", "quick": quick} | figures))


def made(folder: Path) -> SoftModule:
    """Make a module with one key."""
    folder.mkdir()
    keystore = Keystore.create(folder / "keystore.json", SecretBytes(PASSPHRASE))
    keystore.add(demo_key(REF, base_date=BaseDate.Y2014, name="Bench"))
    results = Results(folder / "results.sqlite")
    results.sequence()
    return SoftModule(keystore, results, limits=Limits(None, None))


@contextmanager
def served(folder: Path) -> Iterator[Account]:
    """Start a server on a module of its own; it has ended afterwards."""
    made(folder).close()
    (folder / "server.toml").write_text(CONFIG.format(folder=folder))
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE)
    os.close(writer)
    server = subprocess.Popen(
        [sys.executable, "-m", "vmsapp.hsm.server", "--config", str(folder / "server.toml"),
         "--passphrase-fd", str(reader)],
        cwd=ROOT, pass_fds=[reader], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(reader)
    assert server.stderr is not None
    try:
        port = next(int(m[1]) for line in server.stderr if (m := re.search(r"port (\d+)", line)))
        threading.Thread(target=server.stderr.read, daemon=True).start()
        tls = folder / "tls"
        fingerprint = bytes.fromhex((tls / "server.sha256").read_text().strip())
        secret = SecretBytes((tls / "bench.psk").read_bytes())
        yield Account("127.0.0.1", port, fingerprint, "bench", secret)
    finally:
        server.terminate()
        server.wait(30)


def side_by_side(engine: SecurityModule, account: Account, count: int) -> dict[str, object]:
    """Milliseconds of a token from the engine, and through the server, connection kept."""
    with closing(TcpModule(account, connections=1)) as through:
        began = time.perf_counter()
        through.status()
        connecting = (time.perf_counter() - began) * 1000
        for number in range(20):  # everything is loaded
            sold(engine, number)
            sold(through, number)
        alone, there = [], []
        for number in range(20, count + 20):
            alone.append(sold(engine, number))
            there.append(sold(through, number))
        pings = [silent(through) for _ in range(min(200, count))]
    a, b = statistics.median(alone), statistics.median(there)
    added, way = b - a, statistics.median(pings)
    print(f"A credit token: engine {a:.2f} ms, through the server {b:.2f} ms: {added:+.2f} ms")
    print(f"(aim: below {AIM_MS:.0f} ms more). A question that writes nothing: {way:.2f} ms.")
    print(f"Connecting, TLS and greeting, and the first question: {connecting:.1f} ms.")
    return {
        "engine_ms": round(a, 3), "tcp_ms": round(b, 3), "added_ms": round(added, 3),
        "tcp_p99_ms": round(statistics.quantiles(there, n=100)[98], 3),
        "question_ms": round(way, 3), "connect_ms": round(connecting, 1),
        "aim_met": added < AIM_MS,
    }  # fmt: skip


def crowded(account: Account, each: int) -> dict[str, float]:
    """Tokens a second for fifty clients at once, each with a connection of its own."""
    together = threading.Barrier(CLIENTS + 1)

    def client(number: int) -> list[float]:
        with closing(TcpModule(account, connections=1)) as module:
            module.fetch_result("nothing")
            together.wait()
            first = 10_000 + number * each
            return [sold(module, first + i) for i in range(each)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client, number) for number in range(CLIENTS)]
        together.wait()
        began = time.perf_counter()
        times = [ms for done in clients for ms in done.result()]
        took = time.perf_counter() - began
    a_second = len(times) / took
    slowest = max(times)
    print(
        f"{CLIENTS} clients at once: {a_second:,.0f} tokens/s, the slowest took {slowest:.0f} ms."
    )
    return {
        "clients": CLIENTS, "tokens_per_s": round(a_second),
        "crowd_median_ms": round(statistics.median(times), 1), "crowd_max_ms": round(slowest, 1),
    }  # fmt: skip


def sold(module: SecurityModule, number: int) -> float:
    """Milliseconds of one token; no meter and no id comes twice."""
    meter = MeterConfig(pan_of(number), REF, "01", BaseDate.Y2014, 255, 7, 2)
    request = CreditRequest(
        f"bench-{number}", meter, subclass=0, amount_field=100, tid=6_783_120, rnd=5,
        table_set="production", asked_at=now_utc(),
    )  # fmt: skip
    began = time.perf_counter()
    module.issue_credit(request)
    return (time.perf_counter() - began) * 1000


def pan_of(number: int) -> str:
    """The MeterPAN of a meter of 13 digits."""
    twelve = f"{number:012d}"
    return meter_pan.of_drn(twelve + luhn.check_digit(twelve))


def silent(module: SecurityModule) -> float:
    """Milliseconds of a question that writes nothing."""
    began = time.perf_counter()
    module.fetch_result("nothing")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()

"""How fast tokens are made, beside a block cipher written as a textbook would.

Yardstick and engine are timed in turn, round after round; a ratio is the median of the rounds'.
One token at a time the meter's parameters are known, as they are in a system that sells, and
``from texts`` they are not: MeterPAN, codes and amount are checked too. A batch belongs to one
supply group.

    python benchmarks/sts.py           half a minute
    python benchmarks/sts.py --quick   ten seconds
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import textbook
from vmsapp.sts import ea07, ea11, identifiers
from vmsapp.sts.batch.campaign import change_many, credit_many
from vmsapp.sts.batch.encode import FEW, encrypt_many
from vmsapp.sts.batch.keys import DecoderKeys, derive_many
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken, Service
from vmsapp.sts.dkga import derive
from vmsapp.sts.identifiers import BaseDate, EncryptionAlgorithm
from vmsapp.sts.keys import KeyParameters, VendingKey

ROOT = Path(__file__).resolve().parent.parent
BLOCK, KEY = 0x0B19EB230100C207, 0x0ABC12DEF3456789
PAN = "600727000000000009"
VENDING = {
    "02": VendingKey("02", bytes.fromhex("abababababababab")),
    "04": VendingKey("04", bytes.fromhex("abababababababab949494949494949401234567")),
}
GROUPS = {"DKGA02": ("02", 7), "DKGA04": ("04", 7), "EA11, DKGA04": ("04", 11)}
TID = 6_783_120

AIMS = {
    "EA07 block": 10,
    "token, DKGA02": 8,
    "token, DKGA04": 8,
    "token, EA11, DKGA04": 6,
    "batch: EA07 blocks": 250,
    "batch: tokens, DKGA02": 75,
    "batch: tokens, DKGA04": 60,
    "batch: tokens, EA11, DKGA04": 60,
}
"""Ratios to the textbook's block that are to be reached."""

AIM_IMPORT_MS, AIM_IMPORT_MB = 60, 15

IMPORT = """
import importlib, sys, time
start = time.perf_counter()
for module in sys.argv[1:]:
    importlib.import_module(module)
spent = time.perf_counter() - start
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(spent, int(peak) / 1024)
"""

Work = tuple[Callable[[], object], int]
"""What is timed, and how many blocks or tokens it makes."""


def main() -> None:
    """Time everything, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    rounds = 5 if quick else 21
    yardstick = (lambda: [textbook.encrypt_block(BLOCK, KEY) for _ in range(100)], 100)
    works = singles() | batches()
    for work, _ in works.values():
        work()  # tables are made on first use
    seconds: dict[str, list[float]] = {name: [] for name in works}
    ratios: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            before = per_piece(yardstick)
            seconds[name].append(per_piece(work))
            after = per_piece(yardstick)
            ratios[name].append((before + after) / 2 / seconds[name][-1])
    report(seconds, ratios, quick=quick)


def per_piece(work: Work) -> float:
    """Seconds for one block or token."""
    run, pieces = work
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / pieces


def repeat(run: Callable[[], object], times: int = 300) -> Work:
    """Do something often enough to be timed."""

    def often() -> None:
        for _ in range(times):
            run()

    return often, times


def singles() -> dict[str, Work]:
    """One at a time."""
    works = {
        "EA07 block": repeat(lambda: ea07.encrypt(BLOCK, KEY)),
        "EA11 block": repeat(lambda: ea11.encrypt(BLOCK, KEY)),
    }
    for name, (algorithm, ea) in GROUPS.items():
        known = KeyParameters(PAN, "123456", 1, "01", dkga=algorithm, ea=ea)
        key = derive(VENDING[algorithm], known)
        digits = encode(CreditToken(0, 5, TID, 256), key)

        def token(known: KeyParameters = known, vending: VendingKey = VENDING[algorithm]) -> str:
            return encode(CreditToken(0, 5, TID, 256), derive(vending, known))

        def from_texts(algorithm: str = algorithm, ea: int = ea) -> str:
            parameters = KeyParameters(PAN, "123456", 1, "01", dkga=algorithm, ea=ea)
            key = derive(VENDING[algorithm], parameters)
            amount = Decimal("25.6")
            return encode(CreditToken.of_units(Service.ELECTRICITY, amount, tid=TID, rnd=5), key)

        works[f"token, {name}"] = repeat(token)
        works[f"token, {name}, from texts"] = repeat(from_texts)
        works[f"reading, {name}"] = repeat(lambda digits=digits, key=key: decode(digits, key))
    return works


def batches() -> dict[str, Work]:
    """Many at once, 65,536 and, to show where the batch begins to pay, fewer."""
    many = 65_536
    blocks = [BLOCK ^ place for place in range(many)]
    works = {}
    for ea in EncryptionAlgorithm:
        keys = DecoderKeys(ea, bytes(range(256)) * (many * ea.key_bytes // 256))
        for count in (many, 4096, 1024, FEW):
            some = DecoderKeys(ea, keys.reveal()[: count * ea.key_bytes])
            size = "" if count == many else f", {count}"
            works[f"batch: EA{ea:02d} blocks{size}"] = (
                lambda some=some, count=count: encrypt_many(blocks[:count], some),
                count,
            )
    pans = [pan_of(serial) for serial in range(many)]
    fields, rnds = [place % 65_536 for place in range(many)], [place % 16 for place in range(many)]
    for name, (algorithm, ea) in GROUPS.items():
        like = KeyParameters(
            PAN, "123456", 1, "01", dkga=algorithm, ea=ea, base_date=BaseDate.Y2014
        )
        vending = VENDING[algorithm]

        def whole(like: KeyParameters = like, vending: VendingKey = vending) -> list[str]:
            keys = derive_many(vending, like, pans)
            return credit_many(Service.ELECTRICITY, fields, [TID] * many, rnds, keys)

        works[f"batch: tokens, {name}"] = (whole, many)
    old = KeyParameters(PAN, "123456", 1, "01", dkga="02", base_date=BaseDate.Y1993)
    new = KeyParameters(PAN, "123457", 2, "01", dkga="04", base_date=BaseDate.Y2014)

    def campaign() -> list[tuple[str, ...]]:
        old_keys = derive_many(VENDING["02"], old, pans)
        return change_many(old_keys, derive_many(VENDING["04"], new, pans))

    works["batch: meters re-keyed, DKGA02 to 04"] = (campaign, many)
    return works


def pan_of(serial: int) -> str:
    """A MeterPAN of its own for each."""
    body = f"07{serial:08d}"
    return identifiers.meter_pan.of_drn(body + identifiers.luhn.check_digit(body))


def importing(rounds: int) -> tuple[float, float]:
    """Milliseconds and MB that loading every module of the engine adds to an interpreter.

    The quickest of the rounds: whatever else the machine does only makes it slower.
    """

    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "vmsapp" / "sts").rglob("*.py"))
        if path.stem != "__init__"
    ]

    def child(*arguments: str) -> tuple[float, float]:
        command = [sys.executable, "-c", IMPORT, *arguments]
        out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        spent, memory = map(float, out.split())
        return spent * 1000, memory

    bare = [child() for _ in range(rounds)]
    loaded = [child(*modules) for _ in range(rounds)]
    spent, memory = (min(run[of] for run in loaded) - min(run[of] for run in bare) for of in (0, 1))
    return spent, memory


def report(seconds: dict[str, list[float]], ratios: dict[str, list[float]], *, quick: bool) -> None:
    """Print what was measured."""
    figures = {name: round(1 / statistics.median(times)) for name, times in seconds.items()}
    medians = {name: round(statistics.median(found), 1) for name, found in ratios.items()}
    print(f"{'':40}{'per second':>12}{'x textbook':>12}{'aim':>6}")
    for name, ratio in medians.items():
        print(f"{name:40}{figures[name]:>12,}{ratio:>12.1f}{AIMS.get(name, ''):>6}")
    milliseconds, megabytes = importing(5 if quick else 15)
    print(f"\nloading the engine: {milliseconds:.0f} ms (aim {AIM_IMPORT_MS}), ", end="")
    print(f"{megabytes:.1f} MB (aim {AIM_IMPORT_MB})")
    missed = [name for name, aim in AIMS.items() if medians[name] < aim]
    missed += ["loading"] * (milliseconds > AIM_IMPORT_MS or megabytes > AIM_IMPORT_MB)
    print("every aim reached" if not missed else f"not reached: {', '.join(missed)}")
    line = {
        "benchmark": "sts", "quick": quick, "per_second": figures, "ratios": medians,
        "import_ms": round(milliseconds), "import_mb": round(megabytes, 1), "missed": missed,
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    main()

"""The yardstick of ``vend.py``: pgbench running the statements of one sale, and nothing else.

Two sales are made in this process, to different meters at different vending points, and every
statement the application sends is noted with its values: the price, then the sale itself with all
a request asks besides, such as whose session it is. What is the same in both stays as it is. What
differs is an input (meter, vending point, operator), was read by a statement before (then pgbench
keeps that statement's answer), counts on from it, or is random. The transactions begin and end
where the application's do; statements are prepared, as the driver prepares those it sends again.
"""

import re
import subprocess
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine, event

HOLE = re.compile(r"%\((\w+)\)s|%%")
TIDS = 16_000_000
LONG = 16
"""Text of so many characters that differs is a name made at random."""


@dataclass
class Sent:
    """One statement, its values by name, and the one row it gave, if it was one."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)


@dataclass
class Sale:
    """What was sent for one sale, with its inputs."""

    inputs: dict[str, int]
    names: dict[str, str]
    """Text that stands for an input, and how the script writes it."""
    sent: list[Sent] = field(default_factory=list)


class Recorder:
    """Notes what an engine is sent."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sale: Sale | None = None
        event.listen(engine, "begin", lambda _c: self._note(Sent("BEGIN")))
        event.listen(engine, "commit", lambda _c: self._note(Sent("COMMIT")))
        event.listen(engine, "rollback", lambda _c: self._note(Sent("ROLLBACK")))
        event.listen(engine, "after_cursor_execute", self._executed)

    def begin(self, sale: Sale) -> None:
        """Note what comes from here on."""
        self._sale = sale

    def end(self) -> None:
        """Note nothing more."""
        self._sale = None

    def _note(self, sent: Sent) -> None:
        if self._sale is not None:
            self._sale.sent.append(sent)

    def _executed(self, _c: Any, cursor: Any, text: str, values: Any, _x: Any, many: Any) -> None:
        if many:
            for each in values:
                self._note(Sent(text, dict(each)))
            return
        sent = Sent(text, dict(values or {}))
        if cursor.description and cursor.rowcount == 1:
            row = cursor.fetchone()
            cursor.scroll(0, "absolute")
            sent.row = dict(zip((one.name for one in cursor.description), row, strict=True))
        self._note(sent)


def script_of(first: Sale, second: Sale, header: str, connection: psycopg.Connection) -> str:
    """Write the script of pgbench.

    Args:
        first, second: The two sales.
        header: Sets the inputs at random.
        connection: Writes values as PostgreSQL reads them.
    """
    for n, (one, other) in enumerate(zip_longest(first.sent, second.sent)):
        assert one is not None, f"the first sale ended after {n} statements"
        assert other is not None, f"the second sale ended after {n} statements"
        assert one.text == other.text, f"the sales part at {n}: {one.text} / {other.text}"
    writer = _Writer(first, second, connection)
    return header + writer.randoms_set(writer.lines())


class _Writer:
    def __init__(self, first: Sale, second: Sale, connection: psycopg.Connection) -> None:
        self._sales = (first, second)
        self._connection = connection
        self._known: list[tuple[str, Any, Any, int | None]] = [
            (name, value, second.inputs[name], None) for name, value in first.inputs.items()
        ]
        self._kept: set[int] = set()
        self._randoms: dict[tuple[Any, Any], str] = {}

    def lines(self) -> list[str]:
        """The statements, those whose answer is used later with what keeps it."""
        first, second = self._sales
        written = []
        for n, (one, other) in enumerate(zip(first.sent, second.sent, strict=True)):
            written.append(self._written(one, other))
            self._known += [
                (f"s{n}_{name}", value, other.row[name], n)
                for name, value in one.row.items()
                if name in other.row and isinstance(value, int | str) and value != ""
            ]
        return [
            f"{text}\n\\gset s{n}_" if n in self._kept else f"{text};"
            for n, text in enumerate(written)
        ]

    def randoms_set(self, lines: list[str]) -> str:
        """Put what is made at random before them."""
        sets = [rf"\set {name} random(1, 1000000000000000)" for name in self._randoms.values()]
        return "\n".join([rf"\set tid random(1, {TIDS})", *sets, *lines, ""])

    def _written(self, one: Sent, other: Sent) -> str:
        def hole(found: re.Match[str]) -> str:
            name = found[1]
            if name is None:
                return "%"
            return self._value(name, one.values[name], other.values[name])

        return " ".join(HOLE.sub(hole, one.text).split())

    def _value(self, name: str, one: Any, other: Any) -> str:
        first, second = self._sales
        if name in {"tid", "last_tid"}:
            return ":tid"
        if one in first.names and other in second.names:
            return first.names[one]
        # four random bits that differ by as much as two of the inputs are none of them
        if one == other or isinstance(one, bool) or name == "rnd":
            return self._literal(one)
        return self._read_before(one, other) or self._made(name, one, other)

    def _read_before(self, one: Any, other: Any) -> str:
        """Write a value that is known, or counts on from one; nothing for any other."""
        for known, a, b, source in reversed(self._known):
            if (a, b) == (one, other):
                return self._from(known, source)
            if isinstance(one, str) and (str(a), str(b)) == (one, other):
                return f"{self._from(known, source)}::text"
        if not isinstance(one, int):
            return ""
        for known, a, b, source in self._known:
            if isinstance(a, int) and isinstance(b, int) and a != b and one - a == other - b:
                return f"({self._from(known, source)}::bigint + {one - a})"
        return ""

    def _made(self, name: str, one: Any, other: Any) -> str:
        """Write a value that nothing tells: a random name, or what it was the first time."""
        if isinstance(one, str) and len(one) >= LONG and name != "digits" and "{" not in one:
            made = self._randoms.setdefault((one, other), f"r{len(self._randoms)}")
            return f"('y' || :{made}::text)"
        return self._literal(one)

    def _from(self, name: str, source: int | None) -> str:
        if source is not None:
            self._kept.add(source)
        return f":{name}"

    def _literal(self, value: Any) -> str:
        """Write a value; a colon in a text would be a variable's beginning to pgbench."""
        text = sql.Literal(value).as_string(self._connection).strip()
        if ":" not in text.replace("::", ""):
            return text
        quoted, _, cast = text.rpartition("'")
        body = quoted.removeprefix("E").removeprefix("'").removeprefix(" E'")
        if not text.startswith(("E'", " E'")):
            body = body.replace("\\", "\\\\")
        return "E'" + body.replace(":", "\\x3a") + "'" + cast


def run(pgbench: Path, dsn: dict[str, str], script: Path, clients: int, seconds: float) -> float:
    """Run pgbench; sales a second.

    Raises:
        RuntimeError: A statement failed.
    """
    done = subprocess.run(
        [str(pgbench), "-h", dsn["host"], "-p", dsn["port"], "-U", dsn["user"], "-n", "-M",
         "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))),
         "-f", str(script), dsn["dbname"]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench: {done.stdout[-500:]} {done.stderr[-1500:]}")
    return float(found[1])

"""Processes of the product, and the one that forks them, seen from the test."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 240.0
"""How long an answer may take before the test fails."""

Answer = dict[str, Any]


class Process:
    """One process of the product, told what to do and killed."""

    def __init__(self, pid: int, commands: Path, answers: Path, log: Path) -> None:
        self.pid = pid
        self._log = log
        # Opened for both ways a pipe waits for nobody, and never ends by itself here.
        self._commands = os.open(commands, os.O_RDWR)
        self._answers = os.open(answers, os.O_RDONLY)
        self._read = b""
        assert self.answer() == {"ready": pid}

    def tell(self, do: str, **command: Any) -> None:
        """Give a command; the answer is fetched later."""
        os.write(self._commands, json.dumps({"do": do, **command}).encode() + b"\n")

    def go_on(self) -> None:
        """Let the process go on from the point where it halts."""
        os.write(self._commands, b"go\n")

    def ask(self, do: str, **command: Any) -> Answer:
        """Give a command and wait for the answer."""
        self.tell(do, **command)
        return self.answer()

    def answer(self) -> Answer:
        """Wait for the next answer, or for the point the process halts at."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self._read:
            if not self._readable(deadline - time.monotonic()):
                raise AssertionError(f"no answer in time: {self._log.read_text()}")
            more = os.read(self._answers, 65_536)
            if not more:
                raise AssertionError(f"the process has ended: {self._log.read_text()}")
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return dict(json.loads(line))

    def has_answered(self) -> bool:
        """Tell whether an answer has begun to come."""
        return bool(self._read) or self._readable(0)

    def kill(self) -> None:
        """Kill the process with signal 9, and wait until the system has closed its files."""
        os.kill(self.pid, signal.SIGKILL)
        while not self._has_ended():
            self._readable(PATIENCE_S)

    def close(self) -> None:
        """End the process whatever it does."""
        if not self._has_ended():  # else its number may be another's by now
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._commands)
        os.close(self._answers)

    def _has_ended(self) -> bool:
        """Tell whether the system has closed the files of the process."""
        while self._readable(0):
            if not os.read(self._answers, 65_536):
                return True
        return False

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._answers], [], [], max(seconds, 0))[0])


class Nursery:
    """The process that forks all others."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.seller"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def bear(
        self, folder: Path, env: dict[str, str], stops: list[str], faults: list[str]
    ) -> Process:
        """Fork a process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        folder.mkdir()
        pipes = {name: folder / name for name in ("commands", "answers")}
        for pipe in pipes.values():
            os.mkfifo(pipe)
        log = folder / "log"
        paths = {name: str(path) for name, path in (*pipes.items(), ("log", log))}
        birth = {**paths, "env": env, "stops": stops, "faults": faults}
        self._process.stdin.write(json.dumps(birth) + "\n")
        return Process(int(self._process.stdout.readline()), log=log, **pipes)

    def close(self) -> None:
        """End the nursery."""
        self._process.kill()
        self._process.communicate()


def kill_at(process: Process, point: str, do: str, command: dict[str, Any]) -> None:
    """Have a process do something, and kill it when it comes to a point."""
    process.tell(do, **command)
    assert process.answer() == {"at": point}
    process.kill()

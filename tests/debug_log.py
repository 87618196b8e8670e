"""Every run of pytest writes all it logs at DEBUG to a file, and is searched for secrets.

Secrets are learned where they come into being: each ``SecretBytes`` (vending keys, meters' keys,
passphrases) and each token a module issues or a database holds (``traces``). After each test what
it logged is searched and dropped, so a find names its test and the disk never holds more than
one test's log; what holds a find is kept beside. When a process has run its last test, every
file in its temporary folder is searched; databases are after each test (``conftest``).

SQLAlchemy's engine logs each row it reads at DEBUG, and the rows of tokens are where tokens
belong. So its level here is INFO: statements, and values where they are not hidden. The product
never logs either, at no level (``vmsapp/__init__.py``).
"""

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final

import pytest

from tests.traces import DECODER_KEY, OTHER_KEY, VENDING_KEY, Secrets, found_in_files
from vmsapp.hsm.answers import IssuedToken
from vmsapp.sts.secret import SecretBytes

KNOWN: Final = Secrets()
"""What this process has made or used so far."""

KINDS: Final = {"VendingKey": VENDING_KEY, "DecoderKey": DECODER_KEY}

LEVELS: Final = {"sqlalchemy.engine": logging.INFO}
"""Loggers that do not tell all; the reason stands above."""

SHOWN: Final = 20
"""Finds told at once; a fault in a fixture leaves one in every test's folder."""


class DebugLog:
    """The log of one process's tests, in a file."""

    def __init__(self, known: Secrets) -> None:
        self._known = known
        self._handler: logging.FileHandler | None = None
        self._kept = 0

    def begin(self, path: Path) -> None:
        """Write to a new file from now on."""
        self._handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
        self._handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self.listen()

    def end(self) -> None:
        """Write no more."""
        if self._handler:
            logging.getLogger().removeHandler(self._handler)
            self._handler.close()
            self._handler = None

    def listen(self) -> None:
        """Hear everything, whatever code under test made of the loggers."""
        if self._handler is None:
            return
        root = logging.getLogger()
        if self._handler not in root.handlers:
            root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        logging.disable(logging.NOTSET)
        for name in [*LEVELS, *root.manager.loggerDict]:
            logger = logging.getLogger(name)
            logger.disabled, logger.propagate = False, True
            if logger.level != LEVELS.get(name, logging.NOTSET):
                logger.setLevel(LEVELS.get(name, logging.NOTSET))

    def search(self) -> list[str]:
        """Search what was written since last time, and drop it unless it holds a find.

        Returns:
            Which kinds of secret it holds, and where it is kept.
        """
        if self._handler is None:
            return []
        path = Path(self._handler.baseFilename)
        with self._handler.lock:
            self._handler.flush()
            said = path.read_bytes()
            self._handler.stream.truncate(0)
        kinds = self._known.found_in(b"\n".join(set(said.splitlines())))
        if not kinds:
            return []
        self._kept += 1
        kept = path.with_name(f"find-{self._kept}.txt")
        kept.write_bytes(said)
        return [f"{kind} in the log, which is kept in {kept}" for kind in sorted(kinds)]


LOG: Final = DebugLog(KNOWN)


def pytest_configure(config: pytest.Config) -> None:
    """Learn every secret from the beginning."""
    config.add_cleanup(_observe(SecretBytes, _note_secret))
    config.add_cleanup(_observe(IssuedToken, lambda token: KNOWN.add_tokens([token.digits])))


def _note_secret(secret: SecretBytes) -> None:
    KNOWN.add(KINDS.get(type(secret).__name__, OTHER_KEY), secret.reveal())


def _observe(made: Any, note: Callable[[Any], None]) -> Callable[[], None]:
    """Have everything of a class noted that is made; gives what ends it."""
    original = made.__init__

    @wraps(original)
    def noted(self: Any, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        note(self)

    made.__init__ = noted
    return lambda: setattr(made, "__init__", original)


@pytest.fixture(scope="session", autouse=True)
def debug_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebugLog]:
    """The log, from the first test to the last; then what else lies about is searched."""
    LOG.begin(tmp_path_factory.mktemp("log") / "debug.log")
    yield LOG
    finds = LOG.search()
    LOG.end()
    finds += found_in_files(KNOWN, tmp_path_factory.getbasetemp())
    report(finds)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Listen again, should the test before have changed the loggers."""
    LOG.listen()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Listen again, should a fixture have changed the loggers."""
    LOG.listen()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Search what the test logged, when its fixtures are done."""
    LOG.listen()
    yield
    report(LOG.search())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Iterator[pytest.TestReport]:
    """Show none of what a test said that said a secret."""
    told = yield
    if call.excinfo and isinstance(call.excinfo.value, SecretsLeft):
        told.sections.clear()
    return told


class SecretsLeft(pytest.fail.Exception):
    """A test left secrets where none belongs."""


def report(finds: list[str]) -> None:
    """Fail the test that is being taken down."""
    if finds:
        more = [f"and {len(finds) - SHOWN} more"] if len(finds) > SHOWN else []
        raise SecretsLeft(
            "\n".join(["Secrets where none belongs:", *finds[:SHOWN], *more]), pytrace=False
        )

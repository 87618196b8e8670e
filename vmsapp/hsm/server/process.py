"""The server as a process: opens the module, serves until it is told to stop, wipes the keys."""

import ctypes
import logging
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import closing, suppress
from types import FrameType
from typing import Final

from vmsapp import logs
from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError
from vmsapp.hsm.keystore import REASONS
from vmsapp.hsm.server.identity import IdentityRefused, identity_in
from vmsapp.hsm.server.opening import (
    CannotServe,
    NoPassphrase,
    count_needed,
    locked,
    opened,
    passphrases,
)
from vmsapp.hsm.server.service import ModuleServer
from vmsapp.hsm.server.settings import ServerSettings

CANNOT_START: Final = 2
LEFT_OPEN: Final = 3
"""Exit code when something was still under way at the end."""
_PR_SET_DUMPABLE: Final = 4
_MCL_ALL_ON_FAULT: Final = 1 | 2 | 4
"""What is mapped now and later, each page when it is first used."""

log = logging.getLogger("vms.module")


def say(sentence: str) -> None:
    """Tell whoever started the server."""
    sys.stderr.write(f"{sentence}\n")


def told(error: Exception) -> str:
    """Write a refusal as a sentence, codes and all in words."""
    if isinstance(error, HsmUnavailable):
        return error.message % {"why": HsmUnavailable.WHYS[error.why]}
    if isinstance(error, KeystoreError):
        return error.message % {"why": REASONS.get(error.why, error.why)}
    return str(error)


def harden() -> None:
    """Leave no memory behind: no core file, no swap where that is allowed, no debugger."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if sys.platform == "linux":
        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
            system.mlockall(_MCL_ALL_ON_FAULT)  # below a limit, later memory would be refused


def run(settings: ServerSettings, handed: Sequence[int]) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: All of the server's.
        handed: Open file descriptors to read the passphrases from, if any.

    Returns:
        The process's exit code.
    """
    harden()
    logs.begin(settings.log_level, settings.log_format)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    threading.excepthook = _told_without_values
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        module = _module(settings, handed)
    except (CannotServe, KeystoreError, HsmUnavailable) as error:
        say(f"The module server does not start:\n{told(error)}")
        return CANNOT_START
    with closing(module):
        return _serve(settings, module, stopping)


def _module(settings: ServerSettings, handed: Sequence[int]) -> SecurityModule:
    """Open the module; without a passphrase it is served locked."""
    try:
        secrets = passphrases(settings, handed, count=count_needed(settings))
    except NoPassphrase as lack:
        module = locked(settings, lack)
        say(f"The module stays locked until it is started with its passphrase:\n{lack}")
        return module
    try:
        return opened(settings, *secrets)
    finally:
        for secret in secrets:
            secret.wipe()


def _serve(settings: ServerSettings, module: SecurityModule, stopping: threading.Event) -> int:
    try:
        identity = identity_in(settings.tls_folder, name=module.ping().module_id)
        server = ModuleServer(
            module,
            identity,
            settings.who_may_ask(),
            host=settings.host,
            port=settings.port,
            client_ca=settings.client_ca,
        )
    except (IdentityRefused, OSError) as error:
        say(f"The module server does not start:\n{told(error)}")
        return CANNOT_START
    server.start()
    host, port = server.address
    log.info("%s listens on %s, port %d", module.ping().module_id, host, port)
    log.info("known by its certificate, SHA-256 %s", identity.fingerprint.hex())
    _tell_systemd()
    stopping.wait()
    done = server.stop()
    log.info("stopped" if done else "stopped with a request still under way")
    return 0 if done else LEFT_OPEN


def _told_without_values(failed: threading.ExceptHookArgs) -> None:
    """Log where a thread failed; the text of an error may hold what was asked."""
    where = "".join(traceback.format_tb(failed.exc_traceback))
    log.error("a connection failed: %s\n%s", failed.exc_type.__name__, where)


def _tell_systemd() -> None:
    """Say that the server is ready, where a service manager wants to know."""
    import socket  # noqa: PLC0415 - only under systemd

    path = os.environ.get("NOTIFY_SOCKET")
    if path:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)

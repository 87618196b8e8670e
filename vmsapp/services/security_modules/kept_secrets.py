"""The files that hold what we share with modules: the instance's own, mode 0600.

Until a module is added, what was typed lies aside, bound to the address it was typed for, so
that it is typed once; what was not added goes with the next test.
"""

import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

from config import Settings
from vmsapp.hsm.connect import Target
from vmsapp.services.security_modules.opening import secret_path

KEPT_SECONDS: Final = 600
"""How long a typed secret lies aside: as long as a ticket is good."""

_ASIDE_NAME: Final = re.compile(r"[0-9a-f]{32}")


def write(settings: Settings, driver: str, value: bytes) -> str:
    """Write a secret to a file of its own and name it."""
    name = f"{driver}-{secrets.token_hex(8)}"
    _write(secret_path(settings, name), value)
    return name


def lay_aside(
    settings: Settings, target: Target, client: str, value: bytes, *, pinned: bytes | None = None
) -> str:
    """Lay a secret aside and name it; what lies there too long goes.

    Args:
        settings: Where secrets lie.
        target: Whom it is for.
        client: Our name there.
        value: The secret.
        pinned: The one certificate it may be shown to, 32 bytes; None for any.
    """
    folder = _aside(settings)
    if folder.exists():
        for path in folder.iterdir():
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink(missing_ok=True)
    name = secrets.token_hex(16)
    only = pinned.hex() if pinned else ""
    bound = json.dumps([target.driver, target.host, target.port, client, only]).encode()
    _write(folder / name, bound + b"\n" + value)
    return name


def aside(settings: Settings, name: str, target: Target, client: str) -> bytes:
    """Read a secret that lies aside; nothing where it is for another address, name, certificate."""
    if not _ASIDE_NAME.fullmatch(name):
        return b""
    path = _aside(settings) / name
    try:
        if time.time() - path.stat().st_mtime > KEPT_SECONDS:
            return b""
        bound, _, value = path.read_bytes().partition(b"\n")
    except OSError:
        return b""
    *asked, only = json.loads(bound)
    shown_to = target.fingerprint.hex() if target.fingerprint else None
    well = asked == [target.driver, target.host, target.port, client] and only in {"", shown_to}
    return value if well else b""


def forget_aside(settings: Settings, name: str) -> None:
    """Forget a secret that lies aside."""
    if _ASIDE_NAME.fullmatch(name):
        (_aside(settings) / name).unlink(missing_ok=True)


def _aside(settings: Settings) -> Path:
    return settings.instance / "secrets" / "aside"


def _write(path: Path, value: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())

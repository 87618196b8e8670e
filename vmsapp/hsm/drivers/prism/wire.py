"""A connection to the service: TLS always, the certificate pinned, every wait bounded.

There is no way to speak without TLS here. A certificate of the service's own making is normal;
it is known by its fingerprint, or by a CA file and the host's name.

What fails before a byte of a call has left is told apart from what fails after
(``HsmUnavailable.sent``); whoever asked for a token makes of the latter that it may exist.
"""

import hashlib
import re
import selectors
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vmsapp import sealing
from vmsapp.hsm.drivers.prism import frames
from vmsapp.hsm.drivers.prism.frames import BadFrame
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire import dial

PORT: Final = 9443
CONNECT_SECONDS: Final = 3.0

_CHUNK: Final = 16 * 1024
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_SPEAKS_TLS: Final = ("ALERT", "VERSION_TOO_LOW", "UNSUPPORTED_PROTOCOL", "NO_SHARED")
"""In OpenSSL's name of an error: whoever answered did so in TLS, but not in ours."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the service is, and how it is known.

    Attributes:
        host: Name or address.
        port: By default 9443.
        fingerprint: SHA-256 of its certificate (DER), 64 hex digits in any case, with or
            without colons.
        ca_file: PEM file; the certificate must be signed by one of it and name ``host``.

    Raises:
        ValueError: Not exactly one of the two is given, or no fingerprint.
    """

    host: str
    port: int = PORT
    fingerprint: str | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.fingerprint is None) == (self.ca_file is None):
            msg = "give either the certificate's fingerprint or a CA file"
            raise ValueError(msg)
        if self.fingerprint is not None:
            plain = self.fingerprint.replace(":", "").replace(" ", "").lower()
            if not _FINGERPRINT.fullmatch(plain):
                msg = "a fingerprint is 64 hex digits"
                raise ValueError(msg)
            object.__setattr__(self, "fingerprint", plain)

    def context(self) -> ssl.SSLContext:
        """Make the TLS settings.

        Raises:
            OSError: The CA file cannot be read.
        """
        if self.ca_file is not None:
            context = ssl.create_default_context(cafile=str(self.ca_file))
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # the pin is compared instead, see ``knows``
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def knows(self, certificate: bytes) -> bool:
        """Tell whether this is the pinned certificate; any is, where a CA file judged it."""
        if self.fingerprint is None:
            return True
        seen = hashlib.sha256(certificate).hexdigest()
        return sealing.same(seen.encode(), self.fingerprint.encode())


class Connection:
    """One TLS connection, for one call at a time. After a call that failed it is closed."""

    def __init__(self, wire: ssl.SSLSocket) -> None:
        self._wire = wire
        self._number = 0

    @classmethod
    def open(cls, endpoint: Endpoint, seconds: float = CONNECT_SECONDS) -> "Connection":
        """Connect, and see that it is the one we know; nothing of ours is sent before.

        Raises:
            HsmUnavailable: ``refused``, ``unreachable``, ``no_answer``, ``not_tls``,
                ``certificate``, ``protocol`` or ``broken_off``.
        """
        end = time.monotonic() + seconds
        plain = dial.connected(endpoint.host, endpoint.port, end)
        try:
            wire = _shake_hands(plain, endpoint, end)
        except BaseException:
            plain.close()
            raise
        return cls(wire)

    def is_quiet(self) -> bool:
        """Tell whether it can be used again: nobody has closed it or said what we never asked."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wire, selectors.EVENT_READ)
                return not self._wire.pending() and not selector.select(0)
        except (OSError, ValueError):
            return False

    def call(self, method: str, seconds: float, **arguments: object) -> Any:  # noqa: ANN401
        """Call a method and wait for its answer.

        Raises:
            DeviceRefused: The service answered with a code; the connection is still good.
            HsmUnavailable: ``no_answer``, ``broken_off`` or ``protocol``; bytes have left.
        """
        end = time.monotonic() + seconds
        self._number += 1
        frame = frames.call(method, self._number, **arguments)
        try:
            self._wire.settimeout(_left(end))
            self._wire.sendall(frame)
            size = frames.length(self._read(frames.LENGTH_BYTES, end))
            message = self._read(size, end)
            return frames.answer(method, self._number, message)
        except TimeoutError:
            why = "no_answer"
        except BadFrame:
            why = "protocol"
        except OSError:
            why = "broken_off"
        self.close()
        raise HsmUnavailable(why, sent=True)

    def close(self) -> None:
        """Let go of it; twice is no mistake."""
        self._wire.close()

    def _read(self, size: int, end: float) -> bytes:
        read = bytearray()
        while len(read) < size:
            self._wire.settimeout(_left(end))
            chunk = self._wire.recv(min(_CHUNK, size - len(read)))
            if not chunk:
                raise ConnectionResetError
            read += chunk
        return bytes(read)


def _shake_hands(plain: socket.socket, endpoint: Endpoint, end: float) -> ssl.SSLSocket:
    try:
        context = endpoint.context()
    except OSError:  # ssl.SSLError among them: no certificate in the file
        raise HsmUnavailable("certificate", sent=False) from None
    try:
        plain.settimeout(_left(end))
        wire = context.wrap_socket(plain, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError:
        raise HsmUnavailable("certificate", sent=False) from None
    except TimeoutError:
        raise HsmUnavailable("no_answer", sent=False) from None
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise HsmUnavailable("broken_off", sent=False) from None
    except ssl.SSLError as error:
        name = error.reason or ""
        why = "protocol" if any(part in name for part in _SPEAKS_TLS) else "not_tls"
        raise HsmUnavailable(why, sent=False) from None
    except (OSError, ValueError):
        raise HsmUnavailable("broken_off", sent=False) from None
    if not endpoint.knows(wire.getpeercert(binary_form=True) or b""):
        with suppress(OSError):
            wire.close()
        raise HsmUnavailable("certificate", sent=False)
    return wire


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left

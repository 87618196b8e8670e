"""Reaching an address over TLS, and saying which step failed.

Nothing of a request is under way yet, so every failure here is one that surely did nothing.
The peer is known by the SHA-256 of its certificate, as an administrator saw it when the
module was added; who signed it, for which name and until when is not asked.
"""

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmsapp import sealing
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.wire.greeting import fingerprint

_VERSION_REASONS: Final = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "NO_PROTOCOLS_AVAILABLE",
    }
)
_CLIENT_REASONS: Final = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "TLSV1_ALERT_ACCESS_DENIED",
    }
)
"""How a server says that it does not take the client's own certificate."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client's own certificate and key, PEM files."""

    certificate: Path
    key: Path


def client_tls(
    own: ClientCertificate | None = None,
    *,
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """Make the client's side of TLS; whom it reaches is for ``secured`` to check.

    Raises:
        HsmUnavailable: ``secret``: the client's own certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = oldest
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # known by its fingerprint, not by who signed it
    if own is not None:
        try:
            context.load_cert_chain(own.certificate, own.key, password=_no_passphrase)
        except (OSError, ssl.SSLError):
            raise HsmUnavailable("secret", sent=False) from None
    return context


def connected(host: str, port: int, until: float) -> socket.socket:
    """Open a TCP connection.

    Args:
        host: Name or address.
        port: 1 to 65535.
        until: ``time.monotonic`` by which it must be open.

    Raises:
        HsmUnavailable: ``refused`` or ``unreachable``.
    """
    try:
        opened = socket.create_connection((host, port), timeout=left(until))
    except ConnectionRefusedError:
        raise HsmUnavailable("refused", sent=False) from None
    except (OSError, UnicodeError):  # no such name, no route, no answer
        raise HsmUnavailable("unreachable", sent=False) from None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def secured(
    plain: socket.socket, context: ssl.SSLContext, until: float, *, known: bytes | None
) -> tuple[ssl.SSLSocket, bytes]:
    """Begin TLS; the plain socket is closed if that fails.

    Args:
        plain: Connected.
        context: Of ``client_tls``.
        until: ``time.monotonic`` by which it must stand.
        known: Fingerprint the certificate must have, 32 bytes; None to learn it.

    Returns:
        The connection and the certificate's fingerprint.

    Raises:
        HsmUnavailable: ``not_tls``, ``protocol``, ``no_answer``, ``broken_off``, ``secret``
            or ``certificate``.
    """
    try:
        plain.getpeername()  # of one that is gone, Python's next line would leave a socket open
        plain.settimeout(left(until))
        secure = context.wrap_socket(plain)
    except OSError as error:
        plain.close()
        raise HsmUnavailable(why_of(error), sent=False) from None
    try:
        certificate = secure.getpeercert(binary_form=True)
    except (OSError, ValueError):  # the other side hung up before there was a handshake
        secure.close()
        raise HsmUnavailable("broken_off", sent=False) from None
    found = fingerprint(certificate or b"")
    if known is not None and not sealing.same(found, known):
        secure.close()
        raise HsmUnavailable("certificate", sent=False)
    return secure, found


def why_of(error: OSError) -> str:
    """Name what an error of a connection means, as ``HsmUnavailable.WHYS`` has it."""
    if isinstance(error, TimeoutError):
        return "no_answer"
    if isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
    ):
        reason = error.reason or ""
        if reason in _CLIENT_REASONS:
            return "secret"
        return "protocol" if reason in _VERSION_REASONS else "not_tls"
    return "broken_off"


def left(until: float) -> float:
    """Seconds that are left, never none, for a socket takes 0 to mean something else."""
    return max(0.001, until - time.monotonic())


def _no_passphrase() -> str:
    """Keep OpenSSL from asking at the terminal: a key under a passphrase is refused."""
    return ""

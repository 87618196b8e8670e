"""How the two sides come to know each other, inside TLS.

The server greets with a nonce, the client answers with its name and a proof, the server
with its own. Both proofs cover both nonces and the server's certificate as each of them
sees it: whoever stands between them with a certificate of his own has nothing to pass on.

Source: SECURITY-MODULES.md 5.6 "Wire protocol VSM/1"; HMAC: RFC 2104.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from vmsapp import sealing
from vmsapp.hsm.answers import Capabilities
from vmsapp.hsm.wire.faults import Fault
from vmsapp.sts.secret import SecretBytes

VERSION: Final = 1
NONCE_BYTES: Final = 32
SECRET_BYTES_MIN: Final = 32
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")

How = Literal["psk", "mtls"]


@dataclass(frozen=True, slots=True)
class Hello:
    """The server's first word.

    Attributes:
        v: Version of the protocol.
        shape: ``ops.SHAPE``.
        module: The module's own name for itself.
        ns: 32 random bytes.
        auth: How a client may prove who it is.
    """

    t: Literal["hello"]
    v: int
    shape: str
    module: str
    ns: bytes
    auth: tuple[How, ...]


@dataclass(frozen=True, slots=True)
class Auth:
    """The client's answer; with ``mtls`` its proof was its certificate, and ``mac`` is empty."""

    t: Literal["auth"]
    client: str
    how: How
    nc: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """The client may ask.

    Attributes:
        mac: The server's proof; empty with ``mtls``.
        roles: What the client may do.
        ttl: Seconds after which it must greet anew.
        can: What the module behind can do.
    """

    t: Literal["ok"]
    mac: bytes
    roles: tuple[str, ...]
    ttl: int
    can: Capabilities


@dataclass(frozen=True, slots=True)
class Denied:
    """The client may not: ``secret``, ``protocol`` or ``busy``."""

    t: Literal["no"]
    why: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; ``n`` counts those of a connection, so that no answer is taken for another's."""

    t: Literal["req"]
    n: int
    op: str
    args: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to request ``n``."""

    t: Literal["rep"]
    n: int
    res: Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why request ``n`` has no answer."""

    t: Literal["err"]
    n: int
    err: Fault


@dataclass(frozen=True, slots=True)
class Meeting:
    """What both proofs cover.

    Attributes:
        certificate: SHA-256 of the server's certificate, 32 bytes, as this side sees it.
    """

    client: str
    module: str
    ns: bytes
    nc: bytes
    certificate: bytes

    def client_proof(self, secret: SecretBytes) -> bytes:
        """Make what the client shows."""
        return self._mac(secret, b"VSM1|C|")

    def server_proof(self, secret: SecretBytes) -> bytes:
        """Make what the server shows."""
        return self._mac(secret, b"VSM1|S|")

    def _mac(self, secret: SecretBytes, side: bytes) -> bytes:
        parts = (self.client.encode(), self.module.encode(), self.ns, self.nc, self.certificate)
        said = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return sealing.mac(secret.reveal(), side + said)


def fingerprint(certificate: bytes) -> bytes:
    """Give the SHA-256 of a certificate in DER, by which it is known."""
    return hashlib.sha256(certificate).digest()

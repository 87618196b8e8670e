"""Who the server is: its key and certificate, and the secrets it shares with its clients.

All of it is made when it is first asked for, each file readable by its owner alone. The
certificate is signed by itself: clients know it by its SHA-256, not by who vouches for it.
"""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vmsapp import sealing
from vmsapp.clock import now_utc
from vmsapp.hsm.wire.greeting import SECRET_BYTES_MIN, fingerprint
from vmsapp.sts.secret import SecretBytes

VALID: Final = timedelta(days=3650)
PEM: Final = serialization.Encoding.PEM


class IdentityRefused(Exception):
    """A file of the server's identity cannot be used; the sentence says which and why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Where key and certificate lie, and how clients know it.

    Attributes:
        certificate: PEM file.
        key: PEM file.
        fingerprint: SHA-256 of the certificate in DER, 32 bytes.
    """

    certificate: Path
    key: Path
    fingerprint: bytes


def identity_in(folder: Path, *, name: str) -> Identity:
    """Give the identity in a folder, made the first time.

    Args:
        folder: Made too, where there is none.
        name: What the certificate says of its owner; nobody relies on it.

    Raises:
        IdentityRefused: A file is broken, or others may read the key.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, certificate = folder / "server.key", folder / "server.crt"
    _once(key, _new_key)
    _check_private(key)
    _once(certificate, lambda: _new_certificate(key, name))
    try:
        der = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError:
        msg = f"{certificate} is not a certificate in PEM."
        raise IdentityRefused(msg) from None
    known_by = fingerprint(der.public_bytes(serialization.Encoding.DER))
    (folder / "server.sha256").write_text(known_by.hex() + "\n")
    return Identity(certificate, key, known_by)


def shared_secret(path: Path) -> SecretBytes:
    """Read what the server shares with a client, made at random the first time.

    Raises:
        IdentityRefused: It is shorter than 32 bytes, or others may read it.
    """
    try:
        secret = sealing.secret_file(path).encode()
    except PermissionError as error:
        raise IdentityRefused(str(error)) from None
    if len(secret) < SECRET_BYTES_MIN:
        msg = f"{path} is too short: at least {SECRET_BYTES_MIN} characters."
        raise IdentityRefused(msg)
    return SecretBytes(secret)


def _check_private(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        msg = f"{path} may be read by others; make it readable by its owner alone (chmod 600)."
        raise IdentityRefused(msg)


def _new_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _new_certificate(key_path: Path, name: str) -> bytes:
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (ValueError, TypeError):
        msg = f"{key_path} is not a private key in PEM without a passphrase."
        raise IdentityRefused(msg) from None
    assert isinstance(key, ec.EllipticCurvePrivateKey), "we made it"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = now_utc() - timedelta(days=1)  # a client whose clock is behind
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + VALID)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


def _once(path: Path, make: Callable[[], bytes]) -> None:
    """Make a file aside and link it into place: the first of several wins."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()

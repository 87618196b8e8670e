"""An authority for the certificates of clients, as an administrator's would be."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vmsapp.clock import now_utc
from vmsapp.hsm.wire.dial import ClientCertificate

PEM = serialization.Encoding.PEM


class Authority:
    """Signs certificates of clients; its own is ``certificate``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {folder.name}")])
        self.certificate = folder / "ca.crt"
        self._write(self.certificate, self._sign(self._name, self._key.public_key(), ca=True))

    def issue(self, name: str) -> ClientCertificate:
        """Make a client's key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        paths = ClientCertificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        self._write(paths.certificate, self._sign(subject, key.public_key(), ca=False))
        paths.key.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return paths

    def _sign(self, subject, public, *, ca):
        began = now_utc() - timedelta(days=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(began + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, path, certificate):
        path.write_bytes(certificate.public_bytes(PEM))

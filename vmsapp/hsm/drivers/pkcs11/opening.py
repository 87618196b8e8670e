"""Opening a module whose keys a token keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vmsapp.hsm.drivers.pkcs11.driver import Pkcs11Module
from vmsapp.hsm.drivers.pkcs11.keystore import TokenKeystore
from vmsapp.hsm.drivers.pkcs11.token import Token
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts.secret import SecretBytes


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """What a ``Pkcs11Module`` is opened with.

    Attributes:
        library: The vendor's.
        label: The token's.
        pin: Kept by the module, for the token logs in again when it must.
        keystore_path: Made the first time, in a folder that is there already.
        results_path: The module's own record.
        production: Refuses keys made for demonstration.
        table_set: The STA tables it makes tokens with.
        limits: Rates, window and what it makes at all.
        trusted: Who may sign key files, by name; None where nobody is named.
        pending: Where key files wait for a second custodian; None where one person is enough.
    """

    library: Path
    label: str
    pin: SecretBytes
    keystore_path: Path
    results_path: Path
    production: bool
    table_set: str
    limits: Limits
    trusted: Mapping[str, bytes] | None = None
    pending: Pending | None = None


def opened(options: TokenOptions) -> Pkcs11Module:
    """Open the token and its keystore; the files are made the first time.

    Raises:
        KeystoreError: As ``TokenKeystore.of``.
        HsmUnavailable: The token cannot be used.
    """
    token = Token(options.library, options.label, options.pin)
    is_new = not options.keystore_path.exists()
    return Pkcs11Module(
        TokenKeystore.of(options.keystore_path, token),
        Results(options.results_path, make=is_new),
        trusted=options.trusted,
        pending=options.pending,
        production=options.production,
        table_set=options.table_set,
        limits=options.limits,
    )

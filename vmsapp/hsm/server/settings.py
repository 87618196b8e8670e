"""Settings of a module server, from a TOML file; docs/security-module-server.md explains them.

The file holds no secret: it names the files that do.
"""

import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.server.desk import Client
from vmsapp.hsm.server.identity import shared_secret
from vmsapp.hsm.wire.greeting import CLIENT_ID
from vmsapp.hsm.wire.ops import DEFAULT_PORT, Role
from vmsapp.sts.identifiers import BaseDate


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ServerSettingsError(Exception):
    """The file cannot be used; the sentences say why."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ClientSettings(_Strict):
    """One client.

    Attributes:
        secret_file: What it shares with the server; made at random the first time. By
            default beside the server's key, by the client's id.
    """

    id: Annotated[str, Field(pattern=f"^{CLIENT_ID.pattern}$")]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    auth: Literal["psk", "mtls"] = "psk"
    secret_file: Path | None = None
    per_second: Annotated[float, Field(gt=0, le=100_000)] = 200.0


class TokenSettings(_Strict):
    """A token behind PKCS#11: the vendor's library and the token's label."""

    library: Path
    label: str


class EnteredKey(_Strict):
    """A vending key that a PrismToken service holds, as its own pages show it.

    Attributes:
        base_date: Two-digit code: ``"14"`` or ``"35"``.
        changes_to: Supply group and revision of the keys its meters may be changed to.
    """

    sgc: str
    krn: int
    kt: int
    dkga: Literal["02", "04"]
    base_date: BaseDate
    ken: int
    kcv: str
    name: str
    changes_to: tuple[tuple[str, int], ...] = ()

    def info(self) -> KeyInfo:
        """Give it as modules name it."""
        ref = KeyRef(self.sgc, self.krn, self.kt, self.dkga)
        return KeyInfo(
            ref, self.base_date, self.ken, self.kcv, self.name, demo=False,
            changes_to=self.changes_to,
        )  # fmt: skip


class PrismSettings(_Strict):
    """A PrismToken service: where it is, its certificate's SHA-256 in hex, who we are to it."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 9443
    fingerprint: str
    username: str
    realm: str = "local"
    keys: tuple[EnteredKey, ...] = ()


class ServerSettings(_Strict):
    """All of a server.

    Attributes:
        folder: Of the module: keystore, record and, under ``tls``, key, certificate, secrets.
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        env: ``production`` refuses keys made for demonstration; so does an address beyond
            loopback.
        keystore: The keystore file, if it is not ``keystore.json`` in the folder.
        token: Keys lie in it; None where they lie in the keystore file.
        prism: A service that makes the tokens; None where this process does.
        passphrase_files: Hold the keystore's passphrases, each one, or the token's PIN, or
            the service's password.
        passphrase_credentials: Names of systemd credentials that hold them.
        imports: ``direct``: a key file is taken in at once; ``dual``: it waits until a second
            custodian approves it on this host. By default dual beyond loopback.
        trusted_signers: Who may sign key files, by name: Ed25519 public keys, hex.
        client_ca: Authority of the clients' certificates, PEM.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = DEFAULT_PORT
    env: Literal["development", "production"] = "production"
    keystore: Path | None = None
    sta_tables: Literal["production", "sample"] = "production"
    tokens_per_meter_minute: Annotated[int, Field(ge=1)] = 6
    tokens_per_meter_day: Annotated[int, Field(ge=1)] = 60
    token: TokenSettings | None = None
    prism: PrismSettings | None = None
    passphrase_files: Annotated[tuple[Path, ...], Field(max_length=2)] = ()
    passphrase_credentials: Annotated[tuple[str, ...], Field(max_length=2)] = ()
    imports: Literal["direct", "dual"] | None = None
    trusted_signers: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}
    client_ca: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["lines", "json"] = "lines"
    clients: Annotated[tuple[ClientSettings, ...], Field(min_length=1)]

    @property
    def production(self) -> bool:
        """True for ``production`` and for any address beyond loopback."""
        return self.env == "production" or not _loopback(self.host)

    @property
    def second_custodian(self) -> bool:
        """Whether a key file waits for a second custodian."""
        return not _loopback(self.host) if self.imports is None else self.imports == "dual"

    @property
    def trusted(self) -> dict[str, bytes]:
        """Who may sign key files."""
        return {name: bytes.fromhex(key) for name, key in self.trusted_signers.items()}

    @property
    def keystore_path(self) -> Path:
        """The keystore file."""
        return self.keystore or self.folder / "keystore.json"

    @property
    def results_path(self) -> Path:
        """The module's own record, beside its keystore."""
        return self.keystore_path.with_name("results.sqlite")

    @property
    def tls_folder(self) -> Path:
        """Key, certificate, fingerprint and secrets."""
        return self.folder / "tls"

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read and check a file.

        Raises:
            ServerSettingsError: One sentence for each thing that is wrong.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            msg = f"{path}: {error}"
            raise ServerSettingsError(msg) from None
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc'])) or path}: {e['msg']}." for e in error.errors()]
            raise ServerSettingsError("\n".join(lines)) from None

    def who_may_ask(self) -> list[Client]:
        """Give the clients with what they share; secrets that are not there yet are made.

        Raises:
            IdentityRefused: A secret cannot be used.
        """
        return [
            Client(
                each.id,
                each.roles,
                each.auth,
                None if each.auth == "mtls" else shared_secret(self._secret_path(each)),
                each.per_second,
            )
            for each in self.clients
        ]

    def _secret_path(self, client: ClientSettings) -> Path:
        return client.secret_file or self.tls_folder / f"{client.id}.psk"

    @model_validator(mode="after")
    def _check_one_kind(self) -> Self:
        if self.token and self.prism:
            raise PydanticCustomError("kind", "name a token or a PrismToken service, not both")
        return self

    @model_validator(mode="after")
    def _check_clients(self) -> Self:
        names = [client.id for client in self.clients]
        if len(set(names)) != len(names):
            raise PydanticCustomError("clients", "two clients have the same id")
        if self.client_ca is None and any(client.auth == "mtls" for client in self.clients):
            raise PydanticCustomError(
                "client_ca", "a client shows a certificate, so client_ca must name their authority"
            )
        if self.production and self.sta_tables != "production":
            raise PydanticCustomError("tables", "in production sta_tables must be production")
        return self

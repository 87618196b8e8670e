"""Settings, read from the environment and nothing else.

``Settings.from_environ`` reads every setting once, at start. A wrong value stops the
start with a sentence that names the setting. A setting that holds a secret, or a URL
with a password in it, can be given as ``NAME_FILE``, the path of a file that holds it;
in production that is the only way.
"""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

ROOT = Path(__file__).resolve().parent

LANGUAGES = {
    "en": {"flag": "gb", "name": "English"},
    "zh": {"flag": "cn", "name": "中文"},
    "fr": {"flag": "fr", "name": "Français"},
    "pt": {"flag": "pt", "name": "Português"},
    "es": {"flag": "es", "name": "Español"},
    "ar": {"flag": "sa", "name": "العربية"},
    "sw": {"flag": "tz", "name": "Kiswahili"},
    "ru": {"flag": "ru", "name": "Русский"},
}
"""Languages of the interface, by code, each under its own name."""


class SettingsError(Exception):
    """The environment holds a setting the product cannot start with."""


SECRET_QUERY = frozenset({"password", "passwd", "sslpassword", "passfile", "sslkey"})
"""Names in a URL's query that hold secrets."""

SECRET = {"secret": True}
URL = {"url": True}


def _beyond_loopback(host: str) -> bool:
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def _networks(text: str) -> str:
    for network in text.split(","):
        try:
            ip_network(network.strip())
        except ValueError:
            raise PydanticCustomError(
                "networks", "name networks such as 10.0.0.0/8, separated by commas"
            ) from None
    return text


class Settings(BaseModel):
    """Every setting of the product, with its meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Annotated[
        Literal["development", "production"],
        Field(alias="VMS_ENV", description="`production` refuses all that only a trial may do."),
    ] = "development"
    instance: Annotated[
        Path,
        Field(
            alias="VMS_INSTANCE",
            description="Folder of the embedded database, the keystore and generated secrets.",
        ),
    ] = ROOT / "instance"
    host: Annotated[
        str,
        Field(alias="VMS_HOST", description="Address to listen on. Beyond loopback is production."),
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(alias="VMS_PORT", ge=1, le=65535, description="Port to listen on.")
    ] = 8080
    threads: Annotated[
        int, Field(alias="VMS_THREADS", ge=1, le=64, description="Threads of the web server.")
    ] = 8
    proxies: Annotated[
        int,
        Field(
            alias="VMS_PROXIES",
            ge=0,
            le=5,
            description="Reverse proxies in front whose X-Forwarded headers are believed.",
        ),
    ] = 0
    demo: Annotated[
        bool,
        Field(
            alias="DEMO",
            description="Load the demo utility, with demo keys, into an empty instance.",
        ),
    ] = True
    debug: Annotated[
        bool, Field(alias="VMS_DEBUG", description="Show tracebacks in the browser.")
    ] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(alias="VMS_LOG_LEVEL", description="What is written to the log."),
    ] = "INFO"
    log_format: Annotated[
        Literal["lines", "json"],
        Field(
            alias="VMS_LOG_FORMAT",
            description="How: `lines` for people, `json` for programs, an object a message with "
            "the numbers of its request and sale.",
        ),
    ] = "lines"
    metrics_token: Annotated[
        str | None,
        Field(
            alias="VMS_METRICS_TOKEN",
            min_length=32,
            pattern=r"^[A-Za-z0-9._~+/-]+=*$",
            repr=False,
            json_schema_extra=SECRET,
            description="Bearer that opens `/metrics` and `/readyz` to whoever does not ask from "
            "this machine, at least 32 characters. Without it nobody else is answered.",
        ),
    ] = None
    metrics_folder: Annotated[
        Path | None,
        Field(
            alias="VMS_METRICS_FOLDER",
            description="Folder in which all processes of this machine count what they do. "
            "Never shared between machines. By default in the instance folder.",
        ),
    ] = None
    secret_key: Annotated[
        str | None,
        Field(
            alias="VMS_SECRET_KEY",
            min_length=32,
            json_schema_extra=SECRET,
            description="Signs sessions and forms, at least 32 characters. "
            "By default made at random in the instance folder.",
        ),
    ] = None
    cookie_secure: Annotated[
        bool,
        Field(
            alias="VMS_COOKIE_SECURE",
            description="Send cookies over HTTPS alone. Must be on in production.",
        ),
    ] = False
    session_minutes: Annotated[
        int,
        Field(
            alias="VMS_SESSION_MINUTES",
            ge=1,
            le=1440,
            description="Minutes without a click after which a session ends.",
        ),
    ] = 60
    database_url: Annotated[
        str | None,
        Field(
            alias="DATABASE_URL",
            pattern=r"^(postgresql\+psycopg://|sqlite:///[^:?])",
            json_schema_extra=URL,
            description="`postgresql+psycopg://…` or `sqlite:///…`. "
            "By default an SQLite file in the instance folder.",
        ),
    ] = None
    broker_url: Annotated[
        str | None,
        Field(
            alias="BROKER_URL",
            pattern=r"^(rediss?|redis\+socket|amqps?)://",
            json_schema_extra=URL,
            description="`redis://…` or `amqp://…`. By default files in the instance folder.",
        ),
    ] = None
    ratelimit_url: Annotated[
        str,
        Field(
            alias="VMS_RATELIMIT_URL",
            pattern=r"^(memory|rediss?|redis\+unix)://",
            json_schema_extra=URL,
            description="Where sign-in attempts and requests to the API are counted: "
            "`memory://` for one process, `redis://…` for several.",
        ),
    ] = "memory://"
    login_rate: Annotated[
        str,
        Field(
            alias="VMS_LOGIN_RATE",
            pattern=r"^\d+ per \d* ?(second|minute|hour)s?$",
            description="Sign-in attempts allowed from one address.",
        ),
    ] = "10 per 1 minute"
    api_rate: Annotated[
        str,
        Field(
            alias="VMS_API_RATE",
            pattern=r"^\d+ per \d* ?(second|minute|hour)s?$",
            description="Requests to the API allowed with one bearer.",
        ),
    ] = "600 per 1 minute"
    mail_ports: Annotated[
        str,
        Field(
            alias="VMS_MAIL_PORTS",
            pattern=r"^\d{1,5}(, ?\d{1,5})*$",
            description="Ports on which mail may be handed in, with commas between them. "
            "Others are refused before anything is sent there.",
        ),
    ] = "25,465,587,2525"
    sms_sender: Annotated[
        str,
        Field(
            alias="VMS_SMS_SENDER",
            pattern=r"^(file|[A-Za-z_][\w.]*:[A-Za-z_]\w*)?$",
            description="What sends text messages: `package.module:Class` of your own "
            "([sending.md](sending.md)), or `file`, which writes each to the folder `sms` of the "
            "instance and is for trials. Empty: none are sent.",
        ),
    ] = ""
    sms_secret: Annotated[
        str | None,
        Field(
            alias="VMS_SMS_SECRET",
            repr=False,
            json_schema_extra=SECRET,
            description="Given to that class: the password or key of the service it talks to.",
        ),
    ] = None
    lock_failures: Annotated[
        int,
        Field(
            alias="VMS_LOCK_FAILURES",
            ge=3,
            le=20,
            description="Wrong passwords or codes in a row after which an account rests.",
        ),
    ] = 5
    lock_minutes: Annotated[
        int,
        Field(
            alias="VMS_LOCK_MINUTES",
            ge=1,
            le=1440,
            description="How long it rests; a lasting lock would let anybody shut people out.",
        ),
    ] = 15
    second_factor: Annotated[
        Literal["optional", "administrators", "everybody"],
        Field(
            alias="VMS_SECOND_FACTOR",
            description="Who must set up a second factor before anything else.",
        ),
    ] = "optional"
    keystore: Annotated[
        Path | None,
        Field(
            alias="VMS_KEYSTORE",
            description="Keystore file of the embedded security module. "
            "By default in the instance folder.",
        ),
    ] = None
    keystore_passphrase_file: Annotated[
        Path | None,
        Field(
            alias="VMS_KEYSTORE_PASSPHRASE_FILE",
            description="File that holds the keystore's passphrase. "
            "By default made at random in the instance folder, mode 0600. In production it must be "
            "named where a keystore is opened: not where all keys are in module servers.",
        ),
    ] = None
    keystore_passphrase_fd: Annotated[
        int | None,
        Field(
            alias="VMS_KEYSTORE_PASSPHRASE_FD",
            ge=3,
            description="Open file descriptor to read the passphrase from; `run.py` sets it "
            "for the processes it starts.",
        ),
    ] = None
    sta_tables: Annotated[
        Literal["production", "sample"],
        Field(
            alias="VMS_STA_TABLES",
            description="STA tables: `production`, or `sample` whose tokens are marked TEST.",
        ),
    ] = "production"
    tokens_per_meter_minute: Annotated[
        int,
        Field(
            alias="VMS_TOKENS_PER_METER_MINUTE",
            ge=1,
            description="Credit tokens the embedded module makes for one meter in a minute.",
        ),
    ] = 6
    tokens_per_meter_day: Annotated[
        int,
        Field(
            alias="VMS_TOKENS_PER_METER_DAY",
            ge=1,
            description="Credit tokens the embedded module makes for one meter in a day.",
        ),
    ] = 60
    module_server: Annotated[
        bool,
        Field(
            alias="VMS_MODULE_SERVER",
            description="The embedded module is asked for through the module server of this "
            "machine ([security-module-server.md](security-module-server.md)). `make run` starts "
            "one and sets this, unless it is `0`.",
        ),
    ] = False
    module_host: Annotated[
        str,
        Field(alias="VMS_MODULE_HOST", description="Address the module server listens on."),
    ] = "127.0.0.1"
    module_port: Annotated[
        int,
        Field(
            alias="VMS_MODULE_PORT",
            ge=1,
            le=65535,
            description="Port the module server listens on.",
        ),
    ] = 8770
    module_networks: Annotated[
        str,
        AfterValidator(_networks),
        Field(
            alias="VMS_MODULE_NETWORKS",
            description="Networks a security module may be in, separated by commas: no other "
            "address is dialled when one is tried.",
        ),
    ] = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    module_ports: Annotated[
        str,
        Field(
            alias="VMS_MODULE_PORTS",
            pattern=r"^[1-9]\d{0,4}(,[1-9]\d{0,4})*$",
            description="Ports a security module may be at, separated by commas.",
        ),
    ] = "8770,9443"
    licence: Annotated[
        Path | None,
        Field(
            alias="VMS_LICENCE",
            description="Licence file that a start installs if it is new. "
            "By default `licence.json` in the instance folder.",
        ),
    ] = None
    licence_key: Annotated[
        str | None,
        Field(
            alias="VMS_LICENCE_KEY",
            pattern=r"^[0-9a-f]{64}$",
            description="Public key whose licences are trusted, as `flask licence keygen` prints "
            "it. Without it no licence can be installed.",
        ),
    ] = None
    licence_grace_days: Annotated[
        int,
        Field(
            alias="VMS_LICENCE_GRACE_DAYS",
            ge=0,
            le=365,
            description="Days for which tokens are still sold after a licence's last day.",
        ),
    ] = 30
    import_mb: Annotated[
        int,
        Field(
            alias="VMS_IMPORT_MB",
            ge=1,
            le=200,
            description="Megabytes of a file that is imported; unpacked it may have ten times as "
            "many.",
        ),
    ] = 20
    import_rows: Annotated[
        int,
        Field(
            alias="VMS_IMPORT_ROWS",
            ge=1,
            le=1_000_000,
            description="Rows of a file that is imported.",
        ),
    ] = 100_000
    import_memory_mb: Annotated[
        int,
        Field(
            alias="VMS_IMPORT_MEMORY_MB",
            ge=256,
            le=16_384,
            description="Megabytes of memory for the process that reads such a file.",
        ),
    ] = 1_024
    import_seconds: Annotated[
        int,
        Field(
            alias="VMS_IMPORT_SECONDS",
            ge=5,
            le=3_600,
            description="Seconds after which that process is stopped.",
        ),
    ] = 60
    file_days: Annotated[
        int,
        Field(
            alias="VMS_FILE_DAYS",
            ge=1,
            le=365,
            description="Days for which files of imports and exports are kept in the instance "
            "folder, and what an import changed can be put back.",
        ),
    ] = 14
    reconcile_seconds: Annotated[
        int,
        Field(
            alias="VMS_RECONCILE_SECONDS",
            ge=1,
            le=300,
            description="How often the worker looks for sales whose outcome is open.",
        ),
    ] = 15
    pending_seconds: Annotated[
        int,
        Field(
            alias="VMS_PENDING_SECONDS",
            ge=1,
            le=600,
            description="Age at which the worker takes up a pending sale.",
        ),
    ] = 30
    cancel_seconds: Annotated[
        int,
        Field(
            alias="VMS_CANCEL_SECONDS",
            ge=1,
            le=86_400,
            description="Age at which a sale without a token is cancelled at its module.",
        ),
    ] = 600
    module_seconds: Annotated[
        int,
        Field(
            alias="VMS_MODULE_SECONDS",
            ge=1,
            le=3600,
            description="How often the worker asks every security module how it is.",
        ),
    ] = 60
    failover_seconds: Annotated[
        int,
        Field(
            alias="VMS_FAILOVER_SECONDS",
            ge=0,
            le=3600,
            description="Seconds a module server may be silent before a standby with the same keys "
            "takes over by itself ([operations.md](operations.md#replace-a-security-module)). "
            "`0`: a person lets it.",
        ),
    ] = 0
    seal_seconds: Annotated[
        int,
        Field(
            alias="VMS_SEAL_SECONDS",
            ge=1,
            le=60,
            description="How often the worker chains new events of the audit trail.",
        ),
    ] = 3

    @property
    def production(self) -> bool:
        """True for ``VMS_ENV=production`` and for any address beyond loopback."""
        return self.env == "production" or _beyond_loopback(self.host)

    @property
    def demo_wanted(self) -> bool:
        """Whether an empty instance is filled with the demo utility."""
        return self.demo and not self.production

    @property
    def database(self) -> str:
        """The database URL in use."""
        return self.database_url or f"sqlite:///{self.instance.resolve() / 'vms.sqlite'}"

    @property
    def keystore_path(self) -> Path:
        """The keystore file in use."""
        return self.keystore or self.instance / "module" / "keystore.json"

    @property
    def metrics_path(self) -> Path:
        """The folder of figures in use."""
        return self.metrics_folder or self.instance / "metrics"

    @property
    def licence_path(self) -> Path:
        """Where a start looks for a licence."""
        return self.licence or self.instance / "licence.json"

    @property
    def ports_for_mail(self) -> frozenset[int]:
        """The ports on which mail may be handed in."""
        return frozenset(map(int, self.mail_ports.split(",")))

    @property
    def results_path(self) -> Path:
        """The embedded security module's own record, beside its keystore."""
        return self.keystore_path.with_name("results.sqlite")

    @property
    def waits_folder(self) -> Path:
        """Where web processes note how long people waited, for jobs that give way to them."""
        return self.instance / "waits"

    @property
    def templates_folder(self) -> Path:
        """Where processes keep the templates they compiled."""
        return self.instance / "templates"

    @property
    def passphrase_path(self) -> Path:
        """The passphrase file in use."""
        return self.keystore_passphrase_file or self.instance / "module" / "passphrase"

    @property
    def passphrase_given(self) -> bool:
        """Whether somebody said where the passphrase is; in production none is made."""
        return (
            not self.production
            or self.keystore_passphrase_file is not None
            or self.keystore_passphrase_fd is not None
        )

    def demand_passphrase(self) -> None:
        """Refuse to open a keystore here whose passphrase nobody named.

        Raises:
            SettingsError: Nobody did, and this counts as production.
        """
        if not self.passphrase_given:
            msg = (
                f"VMS_KEYSTORE_PASSPHRASE_FILE: VMS_ENV={self.env}, VMS_HOST={self.host}: this "
                f"counts as production, where a generated passphrase will not do. Name the file "
                f"that holds the passphrase of {self.keystore_path}."
            )
            raise SettingsError(msg)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read and check all settings.

        Raises:
            SettingsError: One sentence a wrong setting, never showing a secret.
        """
        given, direct = _collect(cls, environ)
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            lines = [
                f"{'.'.join(map(str, e['loc'])) or 'Settings'}: {e['msg']}." for e in error.errors()
            ]
            raise SettingsError("\n".join(lines)) from None
        if settings.production and direct:
            lines = [
                f"{name}: in production give this in a file and name it in {name}_FILE."
                for name in sorted(direct)
            ]
            raise SettingsError("\n".join(lines))
        with suppress(OSError):  # whoever opens one that cannot be looked at says so
            if not settings.module_server and settings.keystore_path.exists():
                settings.demand_passphrase()
        return settings

    @model_validator(mode="after")
    def _refuse_trial_settings_in_production(self) -> Self:
        if not self.production:
            return self
        why = f"VMS_ENV={self.env}, VMS_HOST={self.host}: this counts as production"
        if self.demo and "demo" in self.model_fields_set:
            raise PydanticCustomError(
                "demo", f"{why}; the demo utility is not loaded there, so set DEMO=0"
            )
        if self.secret_key is None:
            raise PydanticCustomError(
                "secret", f"{why}, where a generated secret will not do: set VMS_SECRET_KEY_FILE"
            )
        if self.debug:
            raise PydanticCustomError("debug", f"{why}, where VMS_DEBUG must be off")
        if not self.cookie_secure:
            raise PydanticCustomError(
                "cookie", f"{why}, where VMS_COOKIE_SECURE=1 must be set and pages served by HTTPS"
            )
        if self.sta_tables != "production":
            raise PydanticCustomError("tables", f"{why}, where VMS_STA_TABLES must be production")
        if self.sms_sender == "file":
            raise PydanticCustomError(
                "sms", f"{why}, where VMS_SMS_SENDER=file would leave tokens in files"
            )
        return self

    def flask(self) -> dict[str, Any]:
        """Settings as Flask and its extensions name them; secrets in files are read later."""
        return {
            "DEBUG": self.debug,
            "SQLALCHEMY_DATABASE_URI": self.database,
            "LANGUAGES": LANGUAGES,
            "BABEL_DEFAULT_LOCALE": "en",
            "BABEL_DEFAULT_TIMEZONE": "UTC",
            "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "translations"),
            "SESSION_COOKIE_NAME": "__Host-vms" if self.cookie_secure else "vms",
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "SESSION_COOKIE_SECURE": self.cookie_secure,
            "PERMANENT_SESSION_LIFETIME": self.session_minutes * 60,
            "MAX_CONTENT_LENGTH": 1024 * 1024,
            "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
            "RATELIMIT_ENABLED": True,
            "RATELIMIT_STORAGE_URI": self.ratelimit_url,
            "AUTH_RATE_LIMITED": True,
            "AUTH_RATE_LIMIT": self.login_rate,
            "AUTH_TYPE": 1,
            "AUTH_ROLE_ADMIN": "Administrator",
            "AUTH_ROLE_PUBLIC": "Public",
            "APP_NAME": "VMS",
            "FAB_CREATE_DB": False,
            "FAB_UPDATE_PERMS": False,
            "FAB_ADD_SECURITY_PERMISSION_VIEW": False,
            "FAB_ADD_SECURITY_VIEW_MENU_VIEW": False,
            "FAB_ADD_SECURITY_PERMISSION_VIEWS_VIEW": False,
            "FAB_ADD_SECURITY_VIEWS": True,
            "FAB_PASSWORD_COMPLEXITY_ENABLED": True,
            "JWT_ALGORITHM": "HS256",
            "JWT_ENCODE_AUDIENCE": "vms",
            "JWT_DECODE_AUDIENCE": "vms",
        }


def _collect(model: type[Settings], environ: Mapping[str, str]) -> tuple[dict[str, str], set[str]]:
    """Gather values by name, from files where ``NAME_FILE`` stands.

    Returns:
        The values, and the names of secrets that were given directly.
    """
    given: dict[str, str] = {}
    direct: set[str] = set()
    for field in model.model_fields.values():
        name = str(field.alias)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        value = environ.get(name)
        if value is not None and not value.strip() and "Path" in str(field.annotation):
            msg = f"{name}: is empty; name a path or leave it out."
            raise SettingsError(msg)
        file = environ.get(f"{name}_FILE") if extra else None
        if value is not None and file is not None:
            msg = f"{name} and {name}_FILE are both set: keep one."
            raise SettingsError(msg)
        if file is not None:
            given[name] = _read(f"{name}_FILE", file)
        elif value is not None:
            given[name] = value
            if extra is SECRET or (extra is URL and _has_password(value)):
                direct.add(name)
    return given, direct


def _read(name: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        msg = f"{name}: {file} cannot be read ({error.strerror})."
    except UnicodeDecodeError:
        msg = f"{name}: {file} is not a text file."
    raise SettingsError(msg)


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.password) or not SECRET_QUERY.isdisjoint(parse_qs(parts.query))
    except ValueError:
        return True

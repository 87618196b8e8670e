"""The one interface of every security module.

What goes in names a key, never holds one; what comes back is digits. Each request
carries an id that the caller committed to the database before the call, so that the
question "was it done?" has an answer whatever happens to either side.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import KeyParameters


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Names one vending key.

    Attributes:
        sgc: Supply group code, 6 digits.
        krn: Key revision number, 1 to 9.
        kt: Key type, 0 DITK, 1 DDTK, 2 DUTK, 3 DCTK.
        dkga: Decoder key generation algorithm, ``"02"`` or ``"04"``.
    """

    sgc: str
    krn: int
    kt: int
    dkga: str


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be known of a vending key outside the module.

    Attributes:
        ref: The key's name.
        base_date: Base date its tokens count from.
        ken: Key expiry number, 0 to 255; valid while ``tid >> 16 <= ken``.
        kcv: Key check value, 6 hex digits.
        name: Name of the supply group.
        demo: Made for demonstration; refused in production.
    """

    ref: KeyRef
    base_date: BaseDate
    ken: int
    kcv: str
    name: str
    demo: bool


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """All that makes a decoder key, but the vending key itself.

    Attributes:
        meter_pan: 18 digits.
        key: Which vending key.
        ti: Tariff index, 2 digits.
        base_date: Base date of the key.
        ken: Key expiry number the tokens of this key obey.
        ea: Encryption algorithm, 7 or 11.
        tct: Token carrier type, 1 magnetic, 2 numeric.
    """

    meter_pan: str
    key: KeyRef
    ti: str
    base_date: BaseDate
    ken: int
    ea: int
    tct: int

    def parameters(self) -> KeyParameters:
        """Give them as the token layer takes them.

        Raises:
            StsError: The standard does not allow one of them.
        """
        return KeyParameters(
            meter_pan=self.meter_pan,
            sgc=self.key.sgc,
            krn=self.key.krn,
            ti=self.ti,
            kt=identifiers.kt.validate(self.key.kt),
            base_date=self.base_date,
            ken=self.ken,
            dkga=identifiers.dkga.validate(self.key.dkga),
            ea=identifiers.ea.validate(self.ea),
        )


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """One class 0 token, complete: the same request always makes the same digits.

    Attributes:
        request_id: 1 to 40 characters of ``[A-Za-z0-9_.,-]``, committed before the call.
        meter: The meter's key parameters.
        subclass: 0 electricity; 1 to 3 water, gas, time.
        amount_field: The 16-bit transfer amount as the token carries it.
        tid: Token identifier, minutes since the base date, below 2**24.
        rnd: 4 random bits, 0 to 15.
        table_set: Name of the STA tables, ``"production"`` or ``"sample"``.
        asked_at: The caller's clock, for the module to compare with its own. Not part
            of the token, nor of what makes a request the same.
    """

    request_id: str
    meter: MeterConfig
    subclass: int
    amount_field: int
    tid: int
    rnd: int
    table_set: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as made. ``digits`` is money: its ``repr`` does not show it."""

    digits: str
    token_class: int
    subclass: int
    tid: int
    amount_field: int
    kcv: str
    module_id: str
    table_set: str
    demo: bool

    def __repr__(self) -> str:
        return f"IssuedToken(tid={self.tid}, module_id={self.module_id!r}, digits=…)"


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The module knows nothing of this request id."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The module has written durably that this request id will never be executed."""


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """How a module is.

    Attributes:
        module_id: The module's own name for itself, such as ``VSM-3F2A91``.
        driver: ``soft``, ``tcp``, ``pkcs11`` or ``prism``.
        time_utc: The module's clock.
        locked: True until its keystore has been opened.
        keys: How many vending keys it holds.
        table_set: Name of the STA tables in use.
        protection: ``process``, ``wrapped`` or ``hsm``: what keeps keys from this host.
        head_key: Ed25519 public key, 32 bytes, that checks the heads it signs; None for a
            module that is locked or signs none.
    """

    module_id: str
    driver: str
    time_utc: datetime
    locked: bool
    keys: int
    table_set: str
    protection: str
    head_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head of the audit trail's chain, signed.

    Attributes:
        module_id: Who signed.
        number: The how-manieth head of this module it is, from 1 without gaps.
        place: Place of the last event in the chain.
        digest: The chain's hash there, 32 bytes.
        signed_at: The module's clock, to the second.
        restart: The chain does not go on from the head before: an older database was
            restored, and somebody answered for it.
        public_key: Ed25519, 32 bytes.
        signature: 64 bytes over ``message``.
    """

    module_id: str
    number: int
    place: int
    digest: bytes
    signed_at: datetime
    restart: bool
    public_key: bytes
    signature: bytes

    def message(self) -> bytes:
        """What is signed: lines that say all of it.

        >>> SignedHead("VSM-3F2A91", 7, 1200, bytes(32), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ...            False, b"", b"").message().decode().splitlines()[:4]
        ['VMS audit head 1', 'VSM-3F2A91', '7 continued', '1200 2026-01-02T03:04:05+00:00']
        """
        lines = (
            "VMS audit head 1",
            self.module_id,
            f"{self.number} {'restarted' if self.restart else 'continued'}",
            f"{self.place} {self.signed_at.astimezone(UTC).isoformat(timespec='seconds')}",
            self.digest.hex(),
        )
        return "\n".join(lines).encode()


class SecurityModule(Protocol):
    """A place that holds vending keys and makes tokens.

    Every call may raise ``HsmUnavailable`` or, once bytes have left, ``HsmTimeout``.
    """

    def status(self) -> ModuleStatus:
        """Tell how the module is."""

    def list_keys(self) -> list[KeyInfo]:
        """List the keys by check value; never a key."""

    def issue_credit(self, request: CreditRequest) -> IssuedToken:
        """Make a credit token, or give the one this id was given before.

        Raises:
            ModuleRefused: A definite no, written under this id.
            RequestReused: The id came with other values before.
        """

    def fetch_result(self, request_id: str) -> IssuedToken | NotExecuted:
        """Tell what became of an earlier request.

        Raises:
            ModuleRefused: It was refused or cancelled.
        """

    def cancel(self, request_id: str) -> IssuedToken | Cancelled:
        """Write durably that the id will never be executed, or give the result it has.

        A request that was refused before is cancelled all the same.
        """

    def sign_head(self, place: int, digest: bytes, *, restart: bool = False) -> SignedHead:
        """Sign a head of the audit trail's chain, or give the last one again if it is that.

        Args:
            place: Place of the last event, from 1.
            digest: The chain's hash there, 32 bytes.
            restart: Begin anew, whatever was signed before; the head says so for ever.

        Raises:
            HeadBehind: The module signed a later head before, or another in this place.
            NotSupported: This kind of module signs no heads.
        """

    def last_head(self) -> SignedHead | None:
        """Give the head signed last, from the module's own record.

        Raises:
            NotSupported: This kind of module signs no heads.
        """

    def close(self) -> None:
        """Let go of connections and wipe what can be wiped."""

"""What a security module answers: digits, and what may be known of the rest outside it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from vmsapp.hsm.requests import CreditRequest, KeyChangeRequest, KeyRef
from vmsapp.sts.identifiers import BaseDate

Protection = Literal["process", "wrapped", "hsm"]
"""What keeps keys from the host: nothing, a seal at rest, or the device itself."""


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
        active_from: The module makes nothing with it before (ACT); None for no bound.
        issue_until: The module makes nothing with it after (IUT); None for no bound.
        tenths_per_day: Tenths of a unit it may give in 24 h (ULM); None for no limit.
        tokens_per_day: Credit tokens it may make in 24 h; None for no limit.
        changes_to: Supply group and revision of the keys its meters may be changed to.
        protection: What keeps it from the host.
    """

    ref: KeyRef
    base_date: BaseDate
    ken: int
    kcv: str
    name: str
    demo: bool
    active_from: datetime | None = None
    issue_until: datetime | None = None
    tenths_per_day: int | None = None
    tokens_per_day: int | None = None
    changes_to: tuple[tuple[str, int], ...] = ()
    protection: Protection = "process"

    @property
    def limited(self) -> bool:
        """Whether what it gives in a day is counted."""
        return self.tenths_per_day is not None or self.tokens_per_day is not None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as made. ``digits`` is money: its ``repr`` does not show it.

    Attributes:
        digits: Twenty digits.
        token_class: 0 credit, 1 test and display, 2 management.
        subclass: Sub-class within the class.
        tid: Token identifier; None for a token that carries none (class 1, key change).
        amount_field: Amount or value as the token carries it; None for a token of another kind.
        kcv: Check value of the key it was made under; empty for class 1.
        module_id: Which module made it.
        table_set: The STA tables it was made with.
        demo: Made under a key for demonstration.
    """

    digits: str
    token_class: int
    subclass: int
    tid: int | None
    amount_field: int | None
    kcv: str
    module_id: str
    table_set: str
    demo: bool

    def __repr__(self) -> str:
        return f"IssuedToken(tid={self.tid}, module_id={self.module_id!r}, digits=…)"


IssuedTokens = tuple[IssuedToken, ...]
"""One token, or the whole set of a key change in the order it is entered."""


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """The module knows nothing of this request id."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The module has written durably that this request id will never be executed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What digits say under a meter's key; the fields are as in ``IssuedToken``.

    Attributes:
        outcome: ``valid``, ``not_of_this_meter`` (checksum: another key, another meter or a
            slip), ``not_a_token``, ``key_expired`` or ``key_type``; but for the first and the
            last two the other fields are None.
        control: What a class 1 token asks for.
    """

    outcome: Literal["valid", "not_of_this_meter", "not_a_token", "key_expired", "key_type"]
    token_class: int | None = None
    subclass: int | None = None
    tid: int | None = None
    amount_field: int | None = None
    control: int | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """An answer that costs the module nothing, and needs no key.

    Attributes:
        module_id: The module's own name for itself.
        driver: ``soft``, ``tcp``, ``pkcs11`` or ``prism``.
        protocol: Name and version of what is spoken, such as ``VSM/1``.
        latency_ms: There and back.
    """

    module_id: str
    driver: str
    protocol: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of module can do at all.

    Attributes:
        algorithms: Of ``"legacy"`` (DKGA02) and ``"sts6"`` (DKGA04).
        ciphers: Encryption algorithms, of 7 and 11.
        can_import: It takes key files.
        can_cancel: It can promise never to execute a request (SALE.md 7).
        assigns_tid: It may give a token another TID than the one asked for.
        signs_heads: It signs the heads of the audit trail.
        at_once: How many requests it works on at a time.
    """

    algorithms: frozenset[str]
    ciphers: frozenset[int]
    can_import: bool
    can_cancel: bool
    assigns_tid: bool
    signs_heads: bool
    at_once: int


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
        protection: What keeps keys from the host.
        head_key: Ed25519 public key, 32 bytes, that checks the heads it signs; None for a
            module that is locked or signs none.
        firmware: Version of what runs in it.
        tokens_left: How many it may make before its licence is filled up; None for no bound.
        per_second: How many tokens it makes a second; None where nobody knows.
        inhibited_from: It makes none after; None for no bound.
        sequence: How many records it has written, which a restored older record gives away.
        epoch: Which of its lives it is in, from 1; a restore raises it.
        last_request: What it issued last: an older database does not know it. None where it has
            issued nothing.
        alerts: Codes of what is wrong.
    """

    module_id: str
    driver: str
    time_utc: datetime
    locked: bool
    keys: int
    table_set: str
    protection: Protection
    head_key: bytes | None = None
    firmware: str = ""
    tokens_left: int | None = None
    per_second: float | None = None
    inhibited_from: datetime | None = None
    sequence: int | None = None
    epoch: int | None = None
    last_request: str | None = None
    alerts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFilePreview:
    """What a key file says of itself before any passphrase is asked.

    Nothing of it is proved but the signature, where ``signer`` is given.

    Attributes:
        file_id: The file's own name.
        created: When it was made.
        target: Module it was made for, ``"*"`` for any.
        signer: Name of the trusted key that signed it; None where it is not signed, or signed
            by another.
        keys: Its keys, without their values.
        signed_with: The Ed25519 public key that signed it, whoever's it is, in hexadecimal;
            None where it is not signed.
    """

    file_id: str
    created: datetime
    target: str
    signer: str | None
    keys: tuple[KeyInfo, ...]
    signed_with: str | None = None


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """What becomes of one key of a file.

    Attributes:
        key: Which.
        outcome: ``added``, ``same`` (loaded already), ``replaced`` or ``refused``.
        code: Why it is refused, or what to know of it, one of ``hsm.key_file.VERDICTS``; empty
            for nothing.
        params: Names and values for the holes in that sentence; never of a key.
    """

    key: KeyInfo
    outcome: Literal["added", "same", "replaced", "refused"]
    code: str = ""
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do.

    Attributes:
        file_id: Of the key file.
        verdicts: One a key, in the order of the file. If one is refused, none is added.
        done: The keys are in the module now.
        waits_for_second: A second custodian must approve it at the module: it waits, or would.
    """

    file_id: str
    verdicts: tuple[KeyVerdict, ...]
    done: bool
    waits_for_second: bool = False

    @property
    def refused(self) -> bool:
        """Whether a key of it is refused, and so all of them."""
        return any(verdict.outcome == "refused" for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of what a module issued; never the digits.

    Attributes:
        number: Its place in the journal, from 1 without gaps.
        at: When, to the second.
        request_id: The caller's id.
        row: Place in the batch, from 0; None outside of one.
        operation: ``credit``, ``engineering``, ``display``, ``key_change`` or ``key_changes``.
        meter_pan: 18 digits; None for a token of no meter.
        base_date: Two-digit code; None likewise.
        tid: Token identifier; None for a token that carries none.
        tags: One for each token made, as ``SecurityModule.tags`` makes them of digits.
    """

    number: int
    at: datetime
    request_id: str
    row: int | None
    operation: str
    meter_pan: str | None
    base_date: str | None
    tid: int | None
    tags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """What a module was once asked for, from its own record; never the digits.

    Attributes:
        operation: As in ``JournalEntry``.
        credit: The request, if it was for a credit token.
        key_change: The request, if it was for a set; of a batch, for the set of one row.
    """

    operation: str
    credit: CreditRequest | None = None
    key_change: KeyChangeRequest | None = None


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

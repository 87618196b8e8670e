"""What a security module is asked: it names keys, and never holds one.

Each request that makes a token carries an id that its caller committed to the database before
the call. The same request always makes the same digits; what does not make it another request,
its id and the caller's clock, is named in ``NOT_THE_REQUEST``.

Source: SALE.md 2 "Reserve stores every input", 6 "The module's own net", 10 "Key change".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import KeyParameters

BATCH_ROWS_MAX: Final = 16_000
NOT_THE_REQUEST: Final = ("request_id", "asked_at")


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

    def __str__(self) -> str:
        """Write it for records and labels: ``"600675/1/2/04"``."""
        return f"{self.sgc}/{self.krn}/{self.kt}/{self.dkga}"


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
    """One class 0 token, complete.

    Attributes:
        request_id: 1 to 40 characters of ``[A-Za-z0-9_.,-]``, committed before the call.
        meter: The meter's key parameters.
        subclass: 0 electricity, 1 water, 2 gas, 3 time, in units; 4 to 7 the same in money.
        amount_field: The transfer amount as the token carries it: 16 bits in units, 20 in money.
        tid: Token identifier, minutes since the base date, below 2**24.
        rnd: 4 random bits, 0 to 15; 0 in money, whose amount takes their place.
        table_set: Name of the STA tables, ``"production"`` or ``"sample"``.
        asked_at: The caller's clock, for the module to compare with its own.
    """

    operation: ClassVar = "credit"

    request_id: str
    meter: MeterConfig
    subclass: int
    amount_field: int
    tid: int
    rnd: int
    table_set: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class EngineeringRequest:
    """One class 2 token that manages a meter; the other fields are as in ``CreditRequest``.

    Attributes:
        subclass: 0 power limit, 1 clear credit, 2 tariff rate, 5 clear tamper, 6 phase
            unbalance, 7 water factor, 10 the extended set of STS 202-5.
        value: 16 bits, by sub-class (``sts.mse``).
    """

    operation: ClassVar = "engineering"

    request_id: str
    meter: MeterConfig
    subclass: int
    value: int
    tid: int
    rnd: int
    table_set: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class DisplayRequest:
    """One class 1 token, which any meter obeys: no key, no TID.

    Attributes:
        request_id: As in ``CreditRequest``.
        subclass: 0 to 2 or 6 to 15.
        control: 36 or 28 bits, by sub-class (``sts.nmse``).
        manufacturer: 8 or 16 bits, by sub-class.
        asked_at: The caller's clock.
    """

    operation: ClassVar = "display"

    request_id: str
    subclass: int
    control: int
    manufacturer: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One meter and the key it is to have.

    Attributes:
        meter: The meter with its present key.
        new: The same meter, with its new one.
        three_tokens: Send the supply group code of a 64-bit key too.
    """

    meter: MeterConfig
    new: MeterConfig
    three_tokens: bool = False


@dataclass(frozen=True, slots=True)
class KeyChangeRequest:
    """A set of key change tokens for one meter; the other fields are as in ``CreditRequest``."""

    operation: ClassVar = "key_change"

    request_id: str
    change: KeyChange
    table_set: str
    asked_at: datetime

    @property
    def meter(self) -> MeterConfig:
        """The meter with its present key."""
        return self.change.meter


@dataclass(frozen=True, slots=True)
class KeyChangeBatch:
    """Sets for many meters under one id, all of them or none.

    Attributes:
        request_id: Of the batch; a row is named by its place, counted from 0.
        rows: 1 to 16,000 changes, one a meter.
    """

    operation: ClassVar = "key_changes"

    request_id: str
    rows: Sequence[KeyChange]
    table_set: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Digits that somebody holds, and the meter they are said to be for.

    Attributes:
        meter: The meter's key parameters.
        digits: Twenty digits; spaces and hyphens between them do no harm.
        table_set: Name of the STA tables.
    """

    meter: MeterConfig
    digits: str
    table_set: str

    def __repr__(self) -> str:
        return f"VerifyRequest(meter={self.meter!r}, digits=…)"


MeterRequest = CreditRequest | EngineeringRequest | KeyChangeRequest
"""What concerns one meter."""
Request = MeterRequest | DisplayRequest | KeyChangeBatch
"""Whatever makes tokens."""

"""What a form or a row of a file says of a record: texts without idle spaces, ids of rows."""

from dataclasses import dataclass
from typing import Final

from vmsapp.models import Gender

DOTS: Final = "•" * 5
"""Stand for the characters of an ID number that are not shown, as many for each."""

NOBODY: Final = "—"
"""The name of who was anonymised; it reads the same in every language."""


@dataclass(frozen=True, slots=True)
class ConsumerDraft:
    """A consumer as one is to be.

    Attributes:
        number: Given by whoever registers; empty for one that follows by itself.
        region_id: A region the actor sees; ``None`` where none was chosen.
        id_number: Of an identity card; ``None`` keeps the one on record.
    """

    name: str
    region_id: int | None
    number: str = ""
    address: str = ""
    gender: str = Gender.UNKNOWN
    id_number: str | None = None
    email: str = ""
    phone: str = ""
    language: str = "en"

    def __repr__(self) -> str:
        return f"ConsumerDraft(number={self.number!r})"


@dataclass(frozen=True, slots=True)
class MeterDraft:
    """A meter that is to be registered or changed.

    Attributes:
        number: 11 or 13 digits with check digit, however grouped.
        product_id, region_id: Needed; ``None`` is a fault.
        meter_type: What it measures; must be the product's. Empty: the product's.
        credit_mode: ``units``, or ``currency`` of a meter that rates itself.
        algorithm: ``legacy`` or ``sts6``.
        ea: Cipher the meter is built with: 7 or 11, the latter of STS6 meters alone.
        tariff_id: May be given later; needed to sell.
        sgc, krn, ti, kt: Of its decoder key.
        base_date: ``93``, ``14`` or ``35``; empty takes the vending key's.
        tct: Token carrier, 1 magnetic or 2 numeric.
    """

    number: str
    product_id: int | None
    region_id: int | None
    algorithm: str
    sgc: str
    ti: str
    krn: int | None = 1
    kt: int | None = 2
    base_date: str = ""
    ea: int | None = 7
    tct: int | None = 2
    tariff_id: int | None = None
    meter_type: str = ""
    credit_mode: str = "units"

"""What a sale is asked for with."""

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Mode = Literal["amount", "quantity"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a customer wants: money's worth, or units.

    Attributes:
        meter_id: Which meter.
        mode: ``amount`` reads ``tender_minor``, ``quantity`` reads ``units``.
        tender_minor: Money handed over, in minor units.
        units: Units wanted, on the grid of a tenth.
        received_minor: What was handed over where that is more; ``None``: the amount itself.
    """

    meter_id: int
    mode: Mode
    tender_minor: int | None = None
    units: Decimal | None = None
    received_minor: int | None = None

    def __post_init__(self) -> None:
        given = self.tender_minor if self.mode == "amount" else self.units
        assert given is not None, "a purchase is by amount or by quantity"


@dataclass(frozen=True, slots=True)
class SaleRequest:
    """A purchase, with the key that makes it happen once.

    Attributes:
        vending_point_id: The point whose form it is; it stays, whatever another tab chose.
        key: Made with the form, ``<epoch>-<random>``; the same for every retry.
        purchase: What is bought.
        quote_shown: The figures the customer said yes to.
        repeat_confirmed: The operator was asked about a sale just like this and said yes.
        into_drawer: The money goes into a drawer, so the sale belongs to its shift; a channel
            such as an app or a bank has none.
    """

    vending_point_id: int
    key: str
    purchase: Purchase
    quote_shown: dict[str, Any] = field(hash=False)
    repeat_confirmed: bool = False
    into_drawer: bool = True

    @property
    def epoch(self) -> int:
        """Epoch of the form the key was made with; 0 for a key of another shape."""
        head = self.key.partition("-")[0]
        return int(head) if head.isascii() and head.isdigit() else 0

    def body_hash(self) -> str:
        """Digest of what is bought and at what price: 64 hex digits."""
        body: dict[str, Any] = {
            "meter": self.purchase.meter_id,
            "mode": self.purchase.mode,
            "tender": self.purchase.tender_minor,
            "units": None if self.purchase.units is None else str(self.purchase.units.normalize()),
            "quote": self.quote_shown,
        }
        if self.purchase.received_minor is not None:
            body["received"] = self.purchase.received_minor
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def new_key(epoch: int) -> str:
    """Make an idempotency key for a new form."""
    return f"{epoch}-{secrets.token_hex(16)}"

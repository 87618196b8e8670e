"""What stands in the purchase form, read from the form or from the address."""

from dataclasses import dataclass
from typing import Any, Final

from flask import request

from vmsapp.services.vending.request import Mode
from vmsapp.views.numbers import row_number

MAX_KEY: Final = 60


@dataclass(slots=True)
class Typed:
    """What stands in the purchase form; shown again as it was typed."""

    mode: Mode
    value: str
    key: str
    vending_point_id: int | None
    received: str = ""

    @classmethod
    def from_request(cls) -> "Typed":
        """Read the form or the address."""
        mode = request.values.get("mode", "quantity")
        return cls(
            mode="amount" if mode == "amount" else "quantity",
            value=request.values.get("value", ""),
            key=request.values.get("key", "")[:MAX_KEY],
            vending_point_id=request.values.get("vending_point", type=row_number),
            received=request.values.get("received", ""),
        )

    def address(self) -> dict[str, Any]:
        """Write it into an address; what is empty is left out."""
        typed = {
            "mode": self.mode,
            "value": self.value,
            "key": self.key,
            "vending_point": self.vending_point_id,
            "received": self.received,
        }
        return {name: value for name, value in typed.items() if value}

"""Those who hold money, digits and slips: operators with forms, and customers at their meters."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from vmsapp.models import Sale
from vmsapp.services.receipts import Receipt
from vmsapp.services.vending import SaleRequest
from vmsapp.sts.meter import Result, VirtualMeter


@dataclass
class Payment:
    """Money on the counter, and the form that was filled in for it.

    Attributes:
        number: Which one.
        form: With its key: whoever presses again sends the same.
        meter: Name of the meter.
        told: Why the operator was told that there is no token; the money then went back.
        left: Digits that left the server for it.
    """

    number: int
    form: SaleRequest
    meter: str
    sale_id: int | None = None
    told: str | None = None
    left: set[str] = field(default_factory=set)

    @property
    def back(self) -> bool:
        """Whether the customer has the money again."""
        return self.told is not None


@dataclass(frozen=True)
class Slip:
    """Tokens that were printed together, in the order they are entered."""

    set_before: tuple[str, ...]
    digits: str
    sale_id: int
    tenths: int
    change_id: int | None


class Customer:
    """Enters slips as they were printed, each from top to bottom, sooner or later."""

    def __init__(self, meter: VirtualMeter) -> None:
        self.meter = meter
        self.slips: list[Slip] = []
        self.answers: dict[int, Result] = {}
        self.tenths = 0
        self.taken_with: Counter[int] = Counter()

    def get(self, receipt: Receipt) -> None:
        """Take a slip home."""
        sale: Sale = receipt.sale
        assert receipt.digits is not None
        tenths = int(Decimal(sale.units_carried) * 10)
        slip = Slip(receipt.key_tokens, receipt.digits, sale.id, tenths, sale.key_change_id)
        self.slips.append(slip)

    def enter_next(self) -> bool:
        """Enter the oldest slip; a set the meter took already is refused, and skipped.

        Returns:
            Whether there was one.
        """
        if not self.slips:
            return False
        slip = self.slips.pop(0)
        for digits in slip.set_before:
            self.meter.enter(digits)
        answer = self.meter.enter(slip.digits)
        self.answers[slip.sale_id] = answer
        if answer is Result.ACCEPT:
            self.tenths += slip.tenths
            if slip.change_id is not None:
                self.taken_with[slip.change_id] += 1
        assert self.meter.registers[0] == self.tenths, "credited something else than was sold"
        assert self.meter.enter(slip.digits) is not Result.ACCEPT, "credited twice"
        return True

"""What the tests of key changes do at a meter's keypad."""

from collections.abc import Sequence

from tests.shop import Shop
from vmsapp.models import Sale
from vmsapp.sts.meter import Result, VirtualMeter


def credit_of(shop: Shop, sale: Sale) -> str:
    """The credit token of a sale."""
    return shop.digits(sale)


def enter(meter: VirtualMeter, digits: Sequence[str]) -> Result:
    """Enter tokens one after the other; what the meter answers to the last."""
    return [meter.enter(each) for each in digits][-1]

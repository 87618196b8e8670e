"""Sellers at work while something is done to what they sell through."""

import random  # noqa: TID251 - which meter is next
import time
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.chaos_sellers import Deal, Seller
from benchmarks.estate import Operator
from benchmarks.till import Door

PATIENCE_S = 120.0
"""A busy machine is slow, not wrong."""
A_RETRY = {"lost", "page lost", "page 429", "page 502", "page 503", "page 504", "202", "409", "422",
           "429", "502", "503", "504", "waited", "pressed twice"}  # fmt: skip
"""What an operator may hear and go on with the same form: 422 tells that the money is less than
the fees. An error of the product's own, 500, is not among them."""


class Load:
    """Sellers that sell from when the block begins until it ends."""

    def __init__(
        self, where: int | Door, staff: Sequence[tuple[Operator, Sequence[int]]]
    ) -> None:  # fmt: skip
        self.sellers = [
            Seller(where, operator, list(meters), random.Random(number))
            for number, (operator, meters) in enumerate(staff)
        ]

    def __enter__(self) -> "Load":
        for seller in self.sellers:
            seller.sign_in()
        for seller in self.sellers:
            seller.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for seller in self.sellers:
            seller.stop()
        if kind is None:
            for seller in self.sellers:
                seller.join(PATIENCE_S)
                assert not seller.is_alive(), f"{seller.name} does not come to an end"
                assert seller.failure is None, seller.failure
        for seller in self.sellers:
            seller.hang_up()

    @property
    def deals(self) -> list[Deal]:
        """All that was begun."""
        return [deal for seller in self.sellers for deal in seller.deals]

    def each_sells(self, times: int = 1) -> None:
        """Wait until every seller has ended so many purchases more."""
        aims = [seller.ended + times for seller in self.sellers]
        wait_for(lambda: self._failed() or all(
            seller.ended >= aim for seller, aim in zip(self.sellers, aims, strict=True)
        ))  # fmt: skip
        assert not self._failed(), self._failed()

    def _failed(self) -> list[BaseException]:
        return [seller.failure for seller in self.sellers if seller.failure]

    def heard(self) -> set[str]:
        """All that sellers heard but an answer to be glad of."""
        found: Counter[str] = Counter()
        for deal in self.deals:
            found.update(deal.heard)
        return set(found)

    def check_repeats(self) -> None:
        """See that each seller's last form, sent once more, shows the same digits."""
        for seller in self.sellers:
            done = [deal for deal in seller.deals if deal.digits]
            assert done, f"{seller.name} sold nothing"
            assert seller.sent_again(done[-1]) == done[-1].digits
            seller.hang_up()


def wait_for(come: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: It is not, for so long.
    """
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.05)

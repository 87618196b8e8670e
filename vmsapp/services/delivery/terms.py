"""How often and how long a delivery is tried."""

from datetime import timedelta
from typing import Final

PAUSES: Final = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
)
"""Before the second attempt, the third, and so on; after the last it is given up."""

KEPT_FOR: Final = timedelta(days=1)
"""A delivery that still waits so long after it was asked for is given up."""

UNCLAIMED_AFTER: Final = timedelta(seconds=30)
"""A delivery that still waits so long after the workers were told is told of once more."""

STALE_AFTER: Final = timedelta(minutes=2)
"""A sender that was asked so long ago will not answer: its worker is gone."""

AT_ONCE: Final = 2
"""Deliveries that are under way at the same time, so that sales are always settled beside them."""

SWEPT_AT_ONCE: Final = 100

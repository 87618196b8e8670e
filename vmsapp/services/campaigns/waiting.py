"""What still waits to be printed on the sheets of a campaign, in the order of the route."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from vmsapp.models import Campaign


@dataclass(frozen=True, slots=True)
class Next:
    """A meter whose sheet comes next; without its digits."""

    drn: str
    region: str
    address: str
    consumer: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many sheets wait, how many were printed, and which come next."""

    waiting: int
    printed: int
    next: Sequence[Next] = field(default_factory=list)


def waiting(session: Session, campaign: Campaign, limit: int) -> Waiting:
    return Waiting(0, 0)

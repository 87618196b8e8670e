"""What the page of a meter's key tells: its changes, the open ones, and credits to sell again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vmsapp.models import ChangeState, KeyChange, Sale
from vmsapp.services.key_changes.answers import credits_under

SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """The key changes of a meter, in the asker's scope.

    Attributes:
        all: The newest first, with their tokens.
        to_sell_again: Credits that went with a set the meter refused, and still stand.
    """

    all: Sequence[KeyChange]
    to_sell_again: Sequence[Sale]

    @property
    def reserved(self) -> KeyChange | None:
        """The one whose set is being made."""
        return self._in(ChangeState.RESERVED)

    @property
    def completed(self) -> KeyChange | None:
        """The one whose set goes before each credit, until somebody says what the meter did."""
        return self._in(ChangeState.COMPLETED)

    def named(self, change_id: int | None) -> KeyChange | None:
        """One of them."""
        return next((one for one in self.all if one.id == change_id), None)

    def _in(self, state: ChangeState) -> KeyChange | None:
        return next((one for one in self.all if one.state == state), None)


def changes_of(session: Session, meter_id: int) -> Changes:
    """Read the newest changes of a meter."""
    found = session.scalars(
        select(KeyChange)
        .where(KeyChange.meter_id == meter_id)
        .options(selectinload(KeyChange.tokens))
        .order_by(KeyChange.id.desc())
        .limit(SHOWN)
        .execution_options(populate_existing=True)
    ).all()
    refused = [one.id for one in found if one.state == ChangeState.REFUSED]
    return Changes(found, credits_under(session, refused) if refused else [])
